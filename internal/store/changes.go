package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

const (
	// keptChanges is how many changes stay for replicas that lag. One that lags
	// further acts on what it remembers for at most its time to live.
	keptChanges = 100_000
	// pruneChangesEvery is how many changes pass between two prunings.
	pruneChangesEvery = 1024
)

// Hint returns a channel that receives after this process committed changes, so
// that the one who tails them need not wait for the next poll. Several changes
// may be one receive. There is one channel for one receiver.
func (s *Store) Hint() <-chan struct{} { return s.hint }

func (s *Store) signal() {
	select {
	case s.hint <- struct{}{}:
	default: // one is waiting already
	}
}

// ChangesSince returns up to limit changes after seq in commit order.
func (s *Store) ChangesSince(ctx context.Context, seq int64, limit int) ([]fleet.Change, error) {
	var changes []fleet.Change
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT seq, host_id, agent_id FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", []any{seq, limit},
			func(rows *sql.Rows) error {
				var c fleet.Change
				if err := rows.Scan(&c.Seq, &c.HostID, &c.AgentID); err != nil {
					return err
				}
				changes = append(changes, c)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read changes after %d: %w", seq, err)
	}
	return changes, nil
}

// LastChange returns the highest committed seq, 0 for none.
func (s *Store) LastChange(ctx context.Context) (int64, error) {
	var seq int64
	if err := s.queryRow(ctx, "SELECT coalesce(max(seq), 0) FROM changes").Scan(&seq); err != nil {
		return 0, fmt.Errorf("read last change: %w", err)
	}
	return seq, nil
}

// lockChanges must come first in every transaction that records changes:
// numbers are then given in the order of commits, and such transactions take
// their other locks one after the other.
func (t *Tx) lockChanges(ctx context.Context) error {
	statement := t.dialect.LockChanges()
	if statement == "" {
		return nil
	}
	if _, err := t.Exec(ctx, statement); err != nil {
		return fmt.Errorf("lock changes: %w", err)
	}
	return nil
}

// recordChanges tells the replicas that the hosts, which are agents, changed.
func (t *Tx) recordChanges(ctx context.Context, hostIDs ...int64) error {
	if len(hostIDs) == 0 {
		return nil
	}
	seqs, err := t.ids(ctx,
		"INSERT INTO changes (host_id, agent_id) SELECT host_id, agent_id FROM agents WHERE "+t.dialect.InIDs("host_id")+
			" ORDER BY host_id RETURNING seq", t.dialect.IDsParam(hostIDs))
	if err != nil {
		return fmt.Errorf("record changes of %d hosts: %w", len(hostIDs), err)
	}
	t.changed = true
	return t.pruneChanges(ctx, seqs)
}

func (t *Tx) pruneChanges(ctx context.Context, written []int64) error {
	for _, seq := range written {
		if seq%pruneChangesEvery != 0 {
			continue
		}
		if _, err := t.Exec(ctx, "DELETE FROM changes WHERE seq <= ?", seq-keptChanges); err != nil {
			return fmt.Errorf("prune changes: %w", err)
		}
	}
	return nil
}
