package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

// planReassignment has it decided again for every agent which profile it gets,
// by the rollout that follows. Whoever changes profiles, or removes a tag that
// rules name, calls it in the same transaction; whoever changes the tags of a
// few hosts calls reassignProfiles instead.
func (t *Tx) planReassignment(ctx context.Context) error { return t.planRollout(ctx, sql.NullInt64{}) }

// planRollout plans a rollout of a profile, or of the assignment, unless the
// same one is planned and has not begun. One that has begun goes on, and the
// new one follows it: changes that come faster than they reach the agents keep
// nobody waiting for ever.
func (t *Tx) planRollout(ctx context.Context, profileID sql.NullInt64) error {
	_, err := t.Exec(ctx, `INSERT INTO profile_rollouts (profile_id, after_host)
		SELECT CAST(? AS BIGINT), 0 WHERE NOT EXISTS
			(SELECT 1 FROM profile_rollouts WHERE coalesce(profile_id, 0) = ? AND after_host = 0)`, profileID, profileID.Int64)
	if err != nil {
		return fmt.Errorf("plan rollout: %w", err)
	}
	return nil
}

// RolloutProfiles does one step of the oldest rollout; see fleet.Rollouts.
func (s *Store) RolloutProfiles(ctx context.Context, limit int) (fleet.RolloutStep, error) {
	var waiting bool
	if err := s.queryRow(ctx, "SELECT EXISTS (SELECT 1 FROM profile_rollouts)").Scan(&waiting); err != nil {
		return fleet.RolloutStep{}, fmt.Errorf("look for rollouts: %w", err)
	}
	if !waiting {
		return fleet.RolloutStep{}, nil
	}
	var step fleet.RolloutStep
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		step, err = tx.rolloutStep(ctx, limit)
		return err
	})
	if err != nil {
		return fleet.RolloutStep{}, fmt.Errorf("roll out profiles: %w", err)
	}
	return step, nil
}

func (t *Tx) rolloutStep(ctx context.Context, limit int) (fleet.RolloutStep, error) {
	var id, after int64
	var profileID sql.NullInt64
	err := t.QueryRow(ctx, "SELECT id, profile_id, after_host FROM profile_rollouts ORDER BY id LIMIT 1").Scan(&id, &profileID, &after)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.RolloutStep{}, nil // another replica was faster
	}
	if err != nil {
		return fleet.RolloutStep{}, err
	}
	hosts, told, err := t.rolloutHosts(ctx, profileID, after, limit)
	if err != nil {
		return fleet.RolloutStep{}, err
	}
	if len(hosts) < limit {
		err = t.endRollout(ctx, id, profileID)
	} else {
		_, err = t.Exec(ctx, "UPDATE profile_rollouts SET after_host = ? WHERE id = ?", hosts[len(hosts)-1], id)
	}
	return fleet.RolloutStep{Looked: len(hosts), Told: told, Waiting: true}, err
}

// rolloutHosts treats the next hosts of a rollout and returns them, and how many
// of them got something new.
func (t *Tx) rolloutHosts(ctx context.Context, profileID sql.NullInt64, after int64, limit int) (hosts []int64, told int, err error) {
	if !profileID.Valid {
		hosts, err = t.ids(ctx, "SELECT host_id FROM agents WHERE host_id > ? ORDER BY host_id LIMIT ?", after, limit)
		if err != nil {
			return nil, 0, err
		}
		told, err = t.reassign(ctx, hosts)
		return hosts, told, err
	}
	hosts, err = t.ids(ctx, "SELECT host_id FROM agents WHERE profile_id = ? AND host_id > ? ORDER BY host_id LIMIT ?", profileID.Int64, after, limit)
	if err != nil || len(hosts) == 0 {
		return hosts, 0, err
	}
	_, err = t.Exec(ctx, "UPDATE agents SET profile_version = profile_version + 1 WHERE "+t.dialect.InIDs("host_id"), t.dialect.IDsParam(hosts))
	if err != nil {
		return nil, 0, fmt.Errorf("renew profile %d of %d agents: %w", profileID.Int64, len(hosts), err)
	}
	return hosts, len(hosts), t.recordChanges(ctx, hosts...)
}

// endRollout ends a rollout. After an assignment no agent has a deleted profile,
// unless it was deleted meanwhile.
func (t *Tx) endRollout(ctx context.Context, id int64, profileID sql.NullInt64) error {
	if _, err := t.Exec(ctx, "DELETE FROM profile_rollouts WHERE id = ?", id); err != nil || profileID.Valid {
		return err
	}
	_, err := t.Exec(ctx, "DELETE FROM profiles WHERE deleted AND NOT EXISTS (SELECT 1 FROM agents WHERE agents.profile_id = profiles.id)")
	if err != nil {
		return fmt.Errorf("remove deleted profiles: %w", err)
	}
	return nil
}
