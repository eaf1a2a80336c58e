package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fleet"
)

var _ fleet.AgentActions = (*Store)(nil)

// ChangeModules changes the activated modules of agents; see
// fleet.AgentActions.
func (s *Store) ChangeModules(ctx context.Context, hostIDs []int64, change func(hostID int64, active []fleet.Module) ([]fleet.Module, error)) ([]int64, error) {
	var found []int64
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		// Locked, so that two changes of one agent cannot both find what the other
		// is about to exclude.
		found, err = tx.ids(ctx, "SELECT host_id FROM agents WHERE "+s.dialect.InIDs("host_id")+" ORDER BY host_id"+s.dialect.ForUpdate(),
			s.dialect.IDsParam(hostIDs))
		if err != nil {
			return err
		}
		active, err := tx.modules(ctx, found)
		if err != nil {
			return err
		}
		var added, dropped [][]any
		for _, id := range found {
			after, err := change(id, active[id])
			if err != nil {
				return err
			}
			added = append(added, without(id, after, active[id])...)
			dropped = append(dropped, without(id, active[id], after)...)
		}
		return tx.writeModules(ctx, added, dropped)
	})
	if err != nil {
		return nil, fmt.Errorf("change modules of %d hosts: %w", len(hostIDs), err)
	}
	return found, nil
}

// without returns the modules that are not among others, as rows.
func without(hostID int64, modules, others []fleet.Module) [][]any {
	var rows [][]any
	for _, m := range modules {
		if !slices.Contains(others, m) {
			rows = append(rows, []any{hostID, string(m)})
		}
	}
	return rows
}

func (t *Tx) modules(ctx context.Context, hostIDs []int64) (map[int64][]fleet.Module, error) {
	active := make(map[int64][]fleet.Module, len(hostIDs))
	err := t.each(ctx, "SELECT host_id, module FROM host_modules WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id, module",
		[]any{t.dialect.IDsParam(hostIDs)}, func(rows *sql.Rows) error {
			var id int64
			var module fleet.Module
			if err := rows.Scan(&id, &module); err != nil {
				return err
			}
			active[id] = append(active[id], module)
			return nil
		})
	return active, err
}

func (t *Tx) writeModules(ctx context.Context, added, dropped [][]any) error {
	for _, step := range []struct {
		rows      [][]any
		statement string
	}{
		{dropped, "DELETE FROM host_modules WHERE EXISTS (SELECT 1 FROM %s AS r WHERE r.host_id = host_modules.host_id AND r.module = host_modules.module)"},
		{added, "INSERT INTO host_modules (host_id, module) SELECT r.host_id, r.module FROM %s AS r WHERE true ON CONFLICT DO NOTHING"},
	} {
		if len(step.rows) == 0 {
			continue
		}
		param, err := RowsParam(step.rows)
		if err != nil {
			return err
		}
		if _, err := t.Exec(ctx, fmt.Sprintf(step.statement, t.dialect.Rows(columns("host_id:int, module"))), param); err != nil {
			return err
		}
	}
	return nil
}

// RemoveAgents removes hosts that have an agent; see fleet.AgentActions.
// Everything that belongs to a host goes with it by foreign key.
func (s *Store) RemoveAgents(ctx context.Context, r fleet.Removal) ([]int64, error) {
	var check checker
	check.text("requestedBy", r.By)
	if check.err != nil {
		return nil, check.err
	}
	var removed []int64
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		if removed, err = tx.removable(ctx, r); err != nil || len(removed) == 0 {
			return err
		}
		// Written while the agents can still be read.
		if err := tx.recordChanges(ctx, removed...); err != nil {
			return err
		}
		ids := s.dialect.IDsParam(removed)
		if r.Order {
			_, err := tx.Exec(ctx, `INSERT INTO uninstalls (host_id, host_name, agent_id, public_key, requested_by, created)
				SELECT h.id, h.name, a.agent_id, a.public_key, CAST(? AS TEXT), CAST(? AS BIGINT)
				FROM hosts h JOIN agents a ON a.host_id = h.id WHERE `+s.dialect.InIDs("h.id")+" ORDER BY h.id", r.By, micros(r.At), ids)
			if err != nil {
				return fmt.Errorf("leave orders: %w", err)
			}
		}
		if err := tx.freeUnits(ctx, ids); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM hosts WHERE "+s.dialect.InIDs("id"), ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("remove %d hosts: %w", len(r.HostIDs), err)
	}
	return removed, nil
}

// removable locks and returns the hosts of a removal that have an agent, and
// whose agent has been silent as long as it asks for.
func (t *Tx) removable(ctx context.Context, r fleet.Removal) ([]int64, error) {
	// Hosts first, as uploads do: both then wait for each other in one order.
	locked, err := t.ids(ctx, "SELECT id FROM hosts WHERE "+t.dialect.InIDs("id")+" ORDER BY id"+t.dialect.ForUpdate(), t.dialect.IDsParam(r.HostIDs))
	if err != nil {
		return nil, err
	}
	query := "SELECT b.host_id FROM heartbeats b JOIN agents a ON a.host_id = b.host_id WHERE " + t.dialect.InIDs("b.host_id")
	args := []any{t.dialect.IDsParam(locked)}
	if !r.SilentSince.IsZero() {
		query, args = query+" AND b.last_checked_in < ?", append(args, r.SilentSince.UnixMicro())
	}
	return t.ids(ctx, query+" ORDER BY b.host_id", args...)
}

// freeUnits gives the units that agents used back to their activation keys.
func (t *Tx) freeUnits(ctx context.Context, hostIDs any) error {
	type use struct{ key, units int64 }
	var used []use
	err := t.each(ctx, "SELECT activation_key_id, count(*) FROM agents WHERE activation_key_id IS NOT NULL AND "+t.dialect.InIDs("host_id")+
		" GROUP BY activation_key_id ORDER BY activation_key_id", []any{hostIDs}, func(rows *sql.Rows) error {
		var u use
		if err := rows.Scan(&u.key, &u.units); err != nil {
			return err
		}
		used = append(used, u)
		return nil
	})
	for _, u := range used {
		if err != nil {
			break
		}
		_, err = t.Exec(ctx, "UPDATE activation_keys SET count_used = CASE WHEN count_used > ? THEN count_used - ? ELSE 0 END WHERE id = ?", u.units, u.units, u.key)
	}
	if err != nil {
		return fmt.Errorf("free units of activation keys: %w", err)
	}
	return nil
}
