package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// MoveAgents gives agents another activation key; see fleet.KeyStore.
func (s *Store) MoveAgents(ctx context.Context, scope fleet.Scope, key string, conditions []fleet.Condition, limit int, at time.Time) (int64, error) {
	var met int64
	err := s.InTx(ctx, func(tx *Tx) error {
		// Whoever changes how many agents a key has holds this lock, so that the
		// counts below stay right.
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		target, err := tx.key(ctx, " WHERE activation_key = ?"+s.dialect.ForUpdate(), storable(key))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "newActivationKey: there is no activation key with this UUID.", "Search for the activation keys there are.")
		}
		if err != nil {
			return fmt.Errorf("read activation key: %w", err)
		}
		agents, sources, err := tx.movable(ctx, scope, conditions, limit, target.ID)
		if err != nil {
			return err
		}
		met = int64(len(agents))
		return tx.move(ctx, agents, sources, target, at)
	})
	if err != nil {
		return 0, fmt.Errorf("change activation key of agents: %w", err)
	}
	return met, nil
}

// movable returns the agents that meet the conditions, and how many of them each
// other key gives away; 0 stands for no key.
func (t *Tx) movable(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition, limit int, target int64) (agents []int64, sources map[int64]int, err error) {
	hosts, err := t.searchIDs(ctx, fleet.Query{Scope: scope, Conditions: conditions, Limit: limit})
	if err != nil {
		return nil, nil, fmt.Errorf("find agents: %w", err)
	}
	if len(hosts) > limit {
		return nil, nil, fault.New(fault.TooLarge, fmt.Sprintf("Criteria: more than %d agents match, the most one call may change.", limit),
			"Add a criterion, such as a range of ids, and change them in several calls.")
	}
	sources = make(map[int64]int)
	err = t.each(ctx, "SELECT host_id, coalesce(activation_key_id, 0) FROM agents WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id",
		[]any{t.dialect.IDsParam(hosts)}, func(rows *sql.Rows) error {
			var host, key int64
			if err := rows.Scan(&host, &key); err != nil {
				return err
			}
			agents = append(agents, host)
			if key != target {
				sources[key]++
			}
			return nil
		})
	return agents, sources, err
}

func (t *Tx) move(ctx context.Context, agents []int64, sources map[int64]int, target fleet.ActivationKey, at time.Time) error {
	moving := 0
	for _, n := range sources {
		moving += n
	}
	if moving == 0 {
		return nil
	}
	if reason, resolution := unusable(target, at, moving); reason != "" {
		return fault.New(fault.Conflict, fmt.Sprintf("newActivationKey: the activation key %s; it cannot take %d agents, and none was changed.", reason, moving), resolution)
	}
	_, err := t.Exec(ctx, "UPDATE agents SET activation_key_id = ? WHERE "+t.dialect.InIDs("host_id"), target.ID, t.dialect.IDsParam(agents))
	if err != nil {
		return fmt.Errorf("change key of %d agents: %w", len(agents), err)
	}
	sources[target.ID] = -moving
	for key, n := range sources {
		if _, err := t.Exec(ctx, "UPDATE activation_keys SET count_used = CASE WHEN count_used > ? THEN count_used - ? ELSE 0 END WHERE id = ?", n, n, key); err != nil {
			return fmt.Errorf("move %d units of key %d: %w", n, key, err)
		}
	}
	return nil
}
