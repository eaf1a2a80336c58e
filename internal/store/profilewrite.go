package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// CreateProfile stores a new profile with the lowest priority; see
// fleet.ProfileStore.
func (s *Store) CreateProfile(ctx context.Context, p fleet.Profile) (fleet.Profile, error) {
	err := s.changeProfiles(ctx, func(tx *Tx, all []fleet.Profile) error {
		if len(all) >= fleet.MaxProfiles {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d configuration profiles, which is the limit.", len(all)), "Delete one first.")
		}
		p.Priority = 1
		for _, other := range all {
			p.Priority = max(p.Priority, other.Priority+1)
		}
		if err := tx.resolveTags(ctx, &p); err != nil {
			return err
		}
		if err := tx.clearDefault(ctx, p.Default, 0); err != nil {
			return err
		}
		values, err := profileValues(&p)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, insertProfile+" RETURNING id", values...).Scan(&p.ID); err != nil {
			return tx.nameTaken(err, p.Name)
		}
		if err := tx.writeProfileTags(ctx, &p); err != nil {
			return err
		}
		return tx.planReassignment(ctx)
	})
	return p, err
}

// UpdateProfile changes one profile; see fleet.ProfileStore.
func (s *Store) UpdateProfile(ctx context.Context, id int64, change func(*fleet.Profile) error) (fleet.Profile, error) {
	var p fleet.Profile
	err := s.changeProfiles(ctx, func(tx *Tx, all []fleet.Profile) error {
		before, err := profileOf(all, id)
		if err != nil {
			return err
		}
		p = before
		if err := change(&p); err != nil {
			return err
		}
		if p.Priority > len(all) {
			return fault.New(fault.Invalid, fmt.Sprintf("priority: invalid value '%d'.", p.Priority),
				fmt.Sprintf("There are %d profiles: specify a position from 1 to %d.", len(all), len(all)))
		}
		if err := tx.resolveTags(ctx, &p); err != nil {
			return err
		}
		if err := tx.writeProfile(ctx, &p); err != nil {
			return err
		}
		if p.Priority != before.Priority {
			if err := tx.reorder(ctx, all, p.ID, p.Priority); err != nil {
				return err
			}
		}
		return tx.planRollouts(ctx, &before, &p)
	})
	return p, err
}

// DeleteProfile removes a profile; see fleet.ProfileStore. The row stays, out of
// everybody's sight but its agents', until they have another profile.
func (s *Store) DeleteProfile(ctx context.Context, id int64) error {
	return s.changeProfiles(ctx, func(tx *Tx, all []fleet.Profile) error {
		p, err := profileOf(all, id)
		switch {
		case err != nil:
			return err
		case p.System:
			return fault.New(fault.Conflict, fmt.Sprintf("Configuration profile '%s' is a system profile, it cannot be deleted.", p.Name),
				"Move it behind other profiles if it shall not apply.")
		case p.Default:
			return fault.New(fault.Conflict, fmt.Sprintf("Configuration profile '%s' is the default profile, it cannot be deleted.", p.Name),
				"Make another profile the default one first.")
		}
		// The name is free at once; the id keeps the new one apart from others.
		gone := fmt.Sprintf("%s (deleted %d)", p.Name, id)
		if _, err := tx.Exec(ctx, "UPDATE profiles SET deleted = TRUE, name = ? WHERE id = ?", gone, id); err != nil {
			return tx.nameTaken(err, gone)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM profile_tags WHERE profile_id = ?", id); err != nil {
			return fmt.Errorf("delete tags: %w", err)
		}
		if err := tx.reorder(ctx, all, id, 0); err != nil {
			return err
		}
		return tx.planReassignment(ctx)
	})
}

// changeProfiles runs fn on all profiles in a transaction that no other change
// of profiles, tags of hosts or agents runs beside.
func (s *Store) changeProfiles(ctx context.Context, fn func(tx *Tx, all []fleet.Profile) error) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		all, err := tx.profiles(ctx)
		if err != nil {
			return fmt.Errorf("read configuration profiles: %w", err)
		}
		return fn(tx, all)
	})
}

func profileOf(all []fleet.Profile, id int64) (fleet.Profile, error) {
	for _, p := range all {
		if p.ID == id {
			return p, nil
		}
	}
	return fleet.Profile{}, fleet.NoProfile(id)
}

func (t *Tx) writeProfile(ctx context.Context, p *fleet.Profile) error {
	if err := t.clearDefault(ctx, p.Default, p.ID); err != nil {
		return err
	}
	values, err := profileValues(p)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE profiles SET name = ?, description = ?, system = ?, is_default = ?, priority = ?, include_all = ?,
			exclude_all = ?, tag_set_uuid = ?, suspend_scanning = ?, prevent_agent_update = ?, in_memory_db = ?, performance = ?,
			blackout = ?, schedules = ?, created = ?, created_by = ?
		WHERE id = ?`, append(values, p.ID)...)
	if err != nil {
		return t.nameTaken(err, p.Name)
	}
	return t.writeProfileTags(ctx, p)
}

func (t *Tx) nameTaken(err error, name string) error {
	if t.dialect.Duplicate(err) {
		return fault.New(fault.Conflict, fmt.Sprintf("name: there is a configuration profile '%s' already.", name), "Specify another name.")
	}
	return fmt.Errorf("write configuration profile: %w", err)
}

// clearDefault makes room for a new default profile.
func (t *Tx) clearDefault(ctx context.Context, isDefault bool, id int64) error {
	if !isDefault {
		return nil
	}
	if _, err := t.Exec(ctx, "UPDATE profiles SET is_default = FALSE WHERE is_default AND id <> ?", id); err != nil {
		return fmt.Errorf("replace default profile: %w", err)
	}
	return nil
}

func (t *Tx) writeProfileTags(ctx context.Context, p *fleet.Profile) error {
	if _, err := t.Exec(ctx, "DELETE FROM profile_tags WHERE profile_id = ?", p.ID); err != nil {
		return fmt.Errorf("replace tags: %w", err)
	}
	var rows [][]any
	for _, tag := range p.Include.Tags {
		rows = append(rows, []any{p.ID, tag.ID, 0})
	}
	for _, tag := range p.Exclude.Tags {
		rows = append(rows, []any{p.ID, tag.ID, 1})
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO profile_tags (profile_id, tag_id, excluded) SELECT profile_id, tag_id, excluded = 1 FROM "+
		t.dialect.Rows(columns("profile_id:int, tag_id:int, excluded:int"))+" AS n", param)
	if err != nil {
		return fmt.Errorf("write tags: %w", err)
	}
	return nil
}

// reorder gives the profiles the priorities 1, 2, 3 and so on in their present
// order, with one of them moved to a position; position 0 takes it out.
func (t *Tx) reorder(ctx context.Context, all []fleet.Profile, id int64, position int) error {
	ordered := slices.Clone(all)
	slices.SortFunc(ordered, func(a, b fleet.Profile) int {
		if a.Priority != b.Priority {
			return a.Priority - b.Priority
		}
		return int(a.ID - b.ID)
	})
	ids := make([]int64, 0, len(ordered))
	for _, p := range ordered {
		if p.ID != id {
			ids = append(ids, p.ID)
		}
	}
	if position > 0 {
		ids = slices.Insert(ids, min(position, len(ids)+1)-1, id)
	}
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id, i + 1}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE profiles SET priority = n.position FROM "+t.dialect.Rows(columns("profile_id:int, position:int"))+
		" AS n WHERE profiles.id = n.profile_id AND profiles.priority <> n.position", param)
	if err != nil {
		return fmt.Errorf("reorder profiles: %w", err)
	}
	return nil
}

// resolveTags finds the tags of a profile by id, or by name where there is no
// id, and fills in the rest. A tag is on one side only, and once.
func (t *Tx) resolveTags(ctx context.Context, p *fleet.Profile) error {
	seen := make(map[int64]string)
	for _, side := range []struct {
		element string
		tags    *[]fleet.TagRef
	}{{"includeTags", &p.Include.Tags}, {"excludeTags", &p.Exclude.Tags}} {
		var resolved []fleet.TagRef
		for _, named := range *side.tags {
			tag, err := t.resolveTag(ctx, named)
			if err != nil {
				return err
			}
			switch seen[tag.ID] {
			case "":
				seen[tag.ID], resolved = side.element, append(resolved, tag)
			case side.element: // named twice
			default:
				return fault.New(fault.Invalid, fmt.Sprintf("excludeTags: tag '%s' is in includeTags as well.", tag.Name), "Include or exclude it.")
			}
		}
		slices.SortFunc(resolved, func(a, b fleet.TagRef) int { return int(a.ID - b.ID) })
		*side.tags = resolved
	}
	return nil
}

func (t *Tx) resolveTag(ctx context.Context, named fleet.TagRef) (fleet.TagRef, error) {
	if named.ID != 0 {
		tag := fleet.TagRef{ID: named.ID}
		err := t.QueryRow(ctx, "SELECT name FROM tags WHERE id = ?", named.ID).Scan(&tag.Name)
		if errors.Is(err, sql.ErrNoRows) {
			label := fmt.Sprintf("%d", named.ID)
			if named.Name != "" {
				label = fmt.Sprintf("%d ('%s')", named.ID, named.Name)
			}
			return tag, fault.New(fault.Invalid, "ConfigTag: there is no tag "+label+".", "Search for the ids of the tags there are.")
		}
		return tag, err
	}
	ids, err := t.ids(ctx, "SELECT id FROM tags WHERE name = ? ORDER BY id LIMIT 2", storable(named.Name))
	switch {
	case err != nil:
		return named, err
	case len(ids) == 0:
		return named, fault.New(fault.Invalid, fmt.Sprintf("ConfigTag: there is no tag with the name '%s'.", named.Name),
			"Names are case-sensitive. Search for the tags there are.")
	case len(ids) > 1:
		return named, fault.New(fault.Invalid, fmt.Sprintf("ConfigTag: there are several tags with the name '%s'.", named.Name), "Specify the id of the tag.")
	}
	return fleet.TagRef{ID: ids[0], Name: named.Name}, nil
}

// planRollouts tells agents what became of their profile.
func (t *Tx) planRollouts(ctx context.Context, before, after *fleet.Profile) error {
	if !reflect.DeepEqual(before.Wire(), after.Wire()) {
		if err := t.planRollout(ctx, sql.NullInt64{Int64: after.ID, Valid: true}); err != nil {
			return err
		}
	}
	if before.Priority != after.Priority || !reflect.DeepEqual(before.Rule(), after.Rule()) {
		return t.planReassignment(ctx)
	}
	return nil
}
