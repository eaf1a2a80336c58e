package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

var (
	_ run.Work  = (*Store)(nil)
	_ run.Sweep = (*Store)(nil)
)

// prunedRuns is how many runs one transaction removes.
const prunedRuns = 200

// BeginCommand begins a run, or goes on with it; see run.Work.
func (s *Store) BeginCommand(ctx context.Context, id int64, at time.Time) (run.Beginning, error) {
	var b run.Beginning
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		b, err = tx.beginRun(ctx, id, at)
		return err
	})
	if err != nil {
		return run.Beginning{}, fmt.Errorf("begin run %d: %w", id, err)
	}
	return b, nil
}

func (t *Tx) beginRun(ctx context.Context, id int64, at time.Time) (run.Beginning, error) {
	found, err := t.automationRuns(ctx, " WHERE id = ?"+t.dialect.ForUpdate(), id)
	if err != nil {
		return run.Beginning{}, err
	}
	if len(found) == 0 || found[0].State.Ended() {
		return run.Beginning{}, run.ErrOver
	}
	b := run.Beginning{Run: found[0], CutOff: found[0].State == run.Running}
	if err := t.beginWith(ctx, &b); err != nil {
		return run.Beginning{}, err
	}
	if b.Inputs, err = t.unseal(ctx, runSecrets, id); err != nil {
		return run.Beginning{}, err
	}
	b.Run.State, b.Run.Attempts, b.Run.Resume = run.Running, b.Run.Attempts+1, time.Time{}
	if b.Run.Started.IsZero() {
		b.Run.Started = at.UTC().Truncate(time.Microsecond)
	}
	_, err = t.Exec(ctx, "UPDATE automation_runs SET state = ?, attempts = ?, started = ?, resume = NULL WHERE id = ?",
		string(b.Run.State), b.Run.Attempts, micros(b.Run.Started), id)
	return b, err
}

// beginWith fills in the connection of a run, with what it needs of secrets.
func (t *Tx) beginWith(ctx context.Context, b *run.Beginning) error {
	if b.Run.ConnectionID == 0 {
		b.NoConnection = true
		return nil
	}
	var err error
	// The connection stays locked: two replicas must not both find the last place.
	if b.Connection, err = t.lockedConnection(ctx, b.Run.ConnectionID); err != nil {
		return err
	}
	if !b.CutOff {
		if err := t.placeOf(ctx, b); err != nil {
			return err
		}
	}
	if b.Secrets, err = t.unseal(ctx, connectionSecrets, b.Connection.ID); err != nil {
		return err
	}
	if !b.Connection.Vault.Enabled() || b.Connection.Vault.ConnectionID == 0 {
		return nil
	}
	vaults, err := t.connections(ctx, " WHERE c.id = ?", "", b.Connection.Vault.ConnectionID)
	if err != nil {
		return err
	}
	b.Vault = &run.Vault{Connection: vaults[0]}
	b.Vault.Secrets, err = t.unseal(ctx, connectionSecrets, vaults[0].ID)
	return err
}

// placeOf returns a *run.CrowdedError when as many runs of the connection are at work
// as may be.
func (t *Tx) placeOf(ctx context.Context, b *run.Beginning) error {
	var working int
	err := t.QueryRow(ctx, "SELECT count(*) FROM automation_runs WHERE ended IS NULL AND connection_id = ? AND state = ?", b.Connection.ID, string(run.Running)).Scan(&working)
	if err != nil || working < b.Connection.Limits.Concurrency {
		return err
	}
	crowded := &run.CrowdedError{}
	err = t.QueryRow(ctx, "SELECT count(*) FROM automation_runs WHERE ended IS NULL AND connection_id = ? AND state = ? AND id < ?", b.Connection.ID, string(run.Queued), b.Run.ID).Scan(&crowded.Ahead)
	if err != nil {
		return err
	}
	return crowded
}

// PauseCommand has a run wait; see run.Work.
func (s *Store) PauseCommand(ctx context.Context, r run.Run) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE automation_runs SET state = ?, cursor = ?, resume = ? WHERE id = ? AND state = ?",
			string(run.Waiting), optionalText(r.Cursor), micros(r.Resume), r.ID, string(run.Running))
		if err != nil {
			return err
		}
		if n == 0 {
			return run.ErrOver
		}
		return tx.writeOutcome(ctx, &r)
	})
	if err != nil {
		return fmt.Errorf("pause run %d: %w", r.ID, err)
	}
	return nil
}

// EndCommand ends a run; see run.Work.
func (s *Store) EndCommand(ctx context.Context, r run.Run, checked func(connection.Connection) (connection.Health, notice.Event)) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		ended, err := tx.endRun(ctx, &r, "state = 'running'")
		if err != nil {
			return err
		}
		if !ended {
			return run.ErrOver
		}
		if checked == nil || r.ConnectionID == 0 {
			return nil
		}
		return tx.noteHealth(ctx, r.ConnectionID, r.Ended, checked)
	})
	if err != nil {
		return fmt.Errorf("end run %d: %w", r.ID, err)
	}
	return nil
}

// noteHealth writes what a health check says of its connection, and queues what
// people are to be told. A connection that is gone has no health.
func (t *Tx) noteHealth(ctx context.Context, id int64, at time.Time, checked func(connection.Connection) (connection.Health, notice.Event)) error {
	c, err := t.lockedConnection(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h, event := checked(c)
	_, err = t.Exec(ctx, "UPDATE connections SET health = ?, health_checked = ?, health_failures = ?, health_since = ?, health_told = ? WHERE id = ?",
		string(h.Status), micros(h.Checked), h.Failures, micros(h.Since), h.Told, id)
	if err != nil {
		return fmt.Errorf("write health of connection %d: %w", id, err)
	}
	if event == nil {
		return nil
	}
	return t.tell(ctx, event, c.Check.MailTo, at)
}

// PendingRuns returns runs that need a job; see run.Sweep.
func (s *Store) PendingRuns(ctx context.Context, at time.Time, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, "SELECT id FROM automation_runs WHERE ended IS NULL AND (resume IS NULL OR resume <= ?) AND id > ? ORDER BY id LIMIT ?", micros(at), after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find runs that have not ended: %w", err)
	}
	return ids, nil
}

// QueueChecks queues health checks; see run.Sweep.
func (s *Store) QueueChecks(ctx context.Context, at time.Time, random func() float64, limit int) (int, error) {
	var due []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		due, err = tx.ids(ctx, "SELECT id FROM connections WHERE health_next <= ? ORDER BY health_next LIMIT ?", micros(at), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find connections to check: %w", err)
	}
	queued := 0
	var failed error
	for _, id := range due {
		made := false
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			made, err = tx.queueCheck(ctx, id, at, random)
			return err
		})
		if err != nil {
			// One connection does not keep the others from being checked.
			failed = errors.Join(failed, fmt.Errorf("queue health check of connection %d: %w", id, err))
		}
		if made && err == nil {
			queued++
		}
	}
	return queued, failed
}

// queueCheck queues the health check of a connection that is still due, and says when
// the next one is.
func (t *Tx) queueCheck(ctx context.Context, id int64, at time.Time, random func() float64) (bool, error) {
	still, err := t.ids(ctx, "SELECT id FROM connections WHERE id = ? AND health_next <= ?"+t.dialect.ForNoKeyUpdate(), id, micros(at))
	if err != nil || len(still) == 0 {
		return false, err
	}
	c, err := t.lockedConnection(ctx, id)
	if err != nil {
		return false, err
	}
	c.Plan(at, random())
	if _, err := t.Exec(ctx, "UPDATE connections SET health_next = ? WHERE id = ?", micros(c.Health.Next), id); err != nil {
		return false, err
	}
	open, err := t.ids(ctx, "SELECT id FROM automation_runs WHERE ended IS NULL AND connection_id = ? AND origin = ? LIMIT 1", id, string(run.ByHealth))
	if err != nil || len(open) > 0 || c.Health.Next.IsZero() {
		return false, err
	}
	err = t.createRun(ctx, &run.Run{
		ConnectionID: id, ConnectionName: c.Name, SiteID: c.SiteID, Integration: c.Integration, Command: connection.TestCommand, Inputs: integration.Values{},
		Origin: run.ByHealth, State: run.Queued, Queued: at,
	}, nil)
	if fault.Is(err, fault.Busy) {
		return false, nil // it has as many runs as it may, and is looked at the next time
	}
	return err == nil, err
}

// PruneRuns removes old runs; see run.Sweep.
func (s *Store) PruneRuns(ctx context.Context, before time.Time) (int, error) {
	var old []int64
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if old, err = tx.ids(ctx, "SELECT id FROM automation_runs WHERE ended < ? AND playbook_run_id IS NULL ORDER BY ended LIMIT ?", micros(before), prunedRuns); err != nil {
			return err
		}
		if len(old) > 0 {
			if _, err := tx.Exec(ctx, "DELETE FROM automation_runs WHERE "+tx.dialect.InIDs("id"), tx.dialect.IDsParam(old)); err != nil {
				return err
			}
			if err := tx.forget(ctx, keyedInputs, old); err != nil {
				return err
			}
		}
		for _, rows := range []string{"connection_launches WHERE launched", "notices WHERE happened"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+rows+" < ?", micros(before)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("prune runs: %w", err)
	}
	return len(old), nil
}
