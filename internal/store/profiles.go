package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

// EnsureSystemProfiles creates the profiles whose name does not exist yet and
// leaves the others as they are.
func (s *Store) EnsureSystemProfiles(ctx context.Context, profiles []fleet.Profile) error {
	return s.InTx(ctx, func(tx *Tx) error {
		for _, p := range profiles {
			if err := tx.ensureProfile(ctx, p); err != nil {
				return fmt.Errorf("ensure profile %q: %w", p.Name, err)
			}
		}
		return nil
	})
}

func (t *Tx) ensureProfile(ctx context.Context, p fleet.Profile) error {
	values, err := profileValues(&p)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, insertProfile+" ON CONFLICT (name) DO NOTHING", values...)
	return err
}

const insertProfile = `INSERT INTO profiles (name, description, system, is_default, priority, include_all, exclude_all, tag_set_uuid,
		suspend_scanning, prevent_agent_update, in_memory_db, performance, blackout, schedules, created, created_by)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// profileValues are the values of insertProfile.
func profileValues(p *fleet.Profile) ([]any, error) {
	performance, err := encode(p.Performance)
	if err != nil {
		return nil, err
	}
	blackout, err := encode(p.Blackout)
	if err != nil {
		return nil, err
	}
	schedules, err := encode(p.Schedules)
	if err != nil {
		return nil, err
	}
	return []any{
		p.Name, p.Description, p.System, p.Default, p.Priority, p.Include.All, p.Exclude.All, p.TagSetUUID,
		p.SuspendScanning, p.PreventAgentUpdate, p.InMemoryDB, performance, blackout, schedules,
		seconds(p.Created), p.CreatedBy,
	}, nil
}

// Profile returns one configuration profile, without its tags, or
// fault.NotFound. It is what agents ask for, so one that was deleted is there as
// long as an agent has it.
func (s *Store) Profile(ctx context.Context, id int64) (fleet.Profile, error) {
	p, err := scanProfile(s.queryRow(ctx, profileQuery+" WHERE id = ?", id).Scan)
	if err != nil {
		return fleet.Profile{}, fmt.Errorf("read profile %d: %w", id, found(err, "configuration profile %d", id))
	}
	return p, nil
}

// Profiles returns all profiles in ascending order of id; see
// fleet.ProfileStore.
func (s *Store) Profiles(ctx context.Context) ([]fleet.Profile, error) {
	var profiles []fleet.Profile
	err := s.view(ctx, func(tx *Tx) (err error) {
		profiles, err = tx.profiles(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read configuration profiles: %w", err)
	}
	return profiles, nil
}

func (t *Tx) profiles(ctx context.Context) ([]fleet.Profile, error) {
	var profiles []fleet.Profile
	at := make(map[int64]int)
	err := t.each(ctx, profileQuery+" WHERE NOT deleted ORDER BY id", nil, func(rows *sql.Rows) error {
		p, err := scanProfile(rows.Scan)
		at[p.ID] = len(profiles)
		profiles = append(profiles, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, `SELECT x.profile_id, x.excluded, t.id, t.name FROM profile_tags AS x JOIN tags AS t ON t.id = x.tag_id
		ORDER BY x.profile_id, t.id`, nil, func(rows *sql.Rows) error {
		var profileID int64
		var excluded bool
		var tag fleet.TagRef
		if err := rows.Scan(&profileID, &excluded, &tag.ID, &tag.Name); err != nil {
			return err
		}
		i, ok := at[profileID]
		if !ok {
			return nil // of a profile that is being deleted
		}
		side := &profiles[i].Include
		if excluded {
			side = &profiles[i].Exclude
		}
		side.Tags = append(side.Tags, tag)
		return nil
	})
	return profiles, err
}

// ProfileAgents returns how many agents have each profile; see
// fleet.ProfileStore.
func (s *Store) ProfileAgents(ctx context.Context) (map[int64]int64, error) {
	agents := make(map[int64]int64)
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT profile_id, count(*) FROM agents GROUP BY profile_id", nil, func(rows *sql.Rows) error {
			var id, count int64
			if err := rows.Scan(&id, &count); err != nil {
				return err
			}
			agents[id] = count
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("count agents by profile: %w", err)
	}
	return agents, nil
}

const profileQuery = `SELECT id, name, description, system, is_default, priority, include_all, exclude_all, tag_set_uuid, suspend_scanning,
	prevent_agent_update, in_memory_db, performance, blackout, schedules, created, created_by FROM profiles`

func scanProfile(scan func(...any) error) (fleet.Profile, error) {
	var p fleet.Profile
	var performance, blackout, schedules []byte
	var created sql.NullInt64
	if err := scan(&p.ID, &p.Name, &p.Description, &p.System, &p.Default, &p.Priority, &p.Include.All, &p.Exclude.All, &p.TagSetUUID,
		&p.SuspendScanning, &p.PreventAgentUpdate, &p.InMemoryDB, &performance, &blackout, &schedules, &created, &p.CreatedBy); err != nil {
		return fleet.Profile{}, err
	}
	p.Created = when(created)
	if err := decode(performance, &p.Performance); err != nil {
		return fleet.Profile{}, err
	}
	if err := decode(schedules, &p.Schedules); err != nil {
		return fleet.Profile{}, err
	}
	return p, decode(blackout, &p.Blackout)
}
