package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/connector"
)

var (
	_ connector.Schedule = (*Store)(nil)
	_ connector.Runs     = (*Store)(nil)
)

const (
	// keptRuns is how many runs of each connector are kept.
	keptRuns = 100
	// queuedAtOnce is how many runs one transaction queues: each is a job, and others
	// wait to write meanwhile.
	queuedAtOnce = 50
)

// dueQuery finds the connectors that are due, by index.
const dueQuery = "SELECT id FROM connectors WHERE active_run IS NULL AND next_sync <= ? ORDER BY next_sync LIMIT ?"

// fence returns connector.ErrSuperseded unless the run may store something: it is
// the active one of its connector. What it found stays so until the transaction
// ends; it comes first in every transaction of a run.
func (t *Tx) fence(ctx context.Context, r connector.Run) error {
	return t.current(ctx, r, t.dialect.ForNoKeyUpdate())
}

// current is fence with what ends the query: nothing for a transaction that only
// reads.
func (t *Tx) current(ctx context.Context, r connector.Run, lock string) error {
	var one int
	err := t.QueryRow(ctx, "SELECT 1 FROM connectors WHERE id = ? AND active_run = ?"+lock, r.ConnectorID, r.ID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return connector.ErrSuperseded
	}
	if err != nil {
		return fmt.Errorf("fence run %d of connector %d: %w", r.ID, r.ConnectorID, err)
	}
	return nil
}

// inRun runs fn in a transaction that only the active run gets.
func (s *Store) inRun(ctx context.Context, r connector.Run, fn func(tx *Tx) error) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.fence(ctx, r); err != nil {
			return err
		}
		return fn(tx)
	})
}

// QueueRuns queues runs; see connector.Connectors.
func (s *Store) QueueRuns(ctx context.Context, ids []int64, by string, at time.Time, choose func([]connector.Connector) ([]connector.Connector, error)) ([]connector.Connector, error) {
	var queued []connector.Connector
	for some := range slices.Chunk(ids, queuedAtOnce) {
		var chosen []connector.Connector
		err := s.InTx(ctx, func(tx *Tx) error {
			all, err := tx.theseConnectors(ctx, some)
			if err != nil {
				return err
			}
			if chosen, err = choose(all); err != nil {
				return err
			}
			return tx.queueRuns(ctx, chosen, by, at)
		})
		if err != nil {
			return nil, fmt.Errorf("queue runs of %d connectors: %w", len(ids), err)
		}
		queued = append(queued, chosen...)
	}
	return queued, nil
}

// queueRuns queues runs of those connectors that have none.
func (t *Tx) queueRuns(ctx context.Context, chosen []connector.Connector, by string, at time.Time) error {
	for i := range chosen {
		c := &chosen[i]
		if c.State.Active() {
			continue
		}
		if err := t.queueRun(ctx, c.ID, by, at); err != nil {
			return err
		}
		c.State, c.NextSync = connector.Queued, time.Time{}
	}
	return nil
}

// queueRun makes a new run the active one of a connector that has none.
func (t *Tx) queueRun(ctx context.Context, id int64, by string, at time.Time) error {
	var run int64
	err := t.QueryRow(ctx, `INSERT INTO connector_runs (connector_id, started_by, state, queued, error, regions) VALUES (?, ?, ?, ?, '', '[]') RETURNING id`,
		id, by, string(connector.Queued), micros(at)).Scan(&run)
	if err != nil {
		return fmt.Errorf("store run of connector %d: %w", id, err)
	}
	_, err = t.Exec(ctx, "UPDATE connectors SET state = ?, next_sync = NULL, active_run = ? WHERE id = ?", string(connector.Queued), run, id)
	if err != nil {
		return fmt.Errorf("queue run of connector %d: %w", id, err)
	}
	return t.Enqueue(ctx, connector.RunJob, id)
}

// QueueDue queues runs of connectors that are due; see connector.Schedule.
func (s *Store) QueueDue(ctx context.Context, at time.Time, limit int) (int, error) {
	var due []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		due, err = tx.ids(ctx, dueQuery, micros(at), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find connectors that are due: %w", err)
	}
	queued := 0
	for _, id := range due {
		still := false
		err := s.InTx(ctx, func(tx *Tx) error {
			// Another replica may have been faster, and the user as well.
			ids, err := tx.ids(ctx, "SELECT id FROM connectors WHERE id = ? AND active_run IS NULL AND next_sync <= ?"+s.dialect.ForUpdate(), id, micros(at))
			if still = len(ids) > 0; err != nil || !still {
				return err
			}
			return tx.queueRun(ctx, id, "", at)
		})
		if err != nil {
			return queued, fmt.Errorf("queue connector %d, which is due: %w", id, err)
		}
		if still {
			queued++
		}
	}
	return queued, nil
}

// ActiveRuns returns the connectors whose run needs a job; see connector.Schedule.
func (s *Store) ActiveRuns(ctx context.Context, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, "SELECT connector_id FROM connector_runs WHERE ended IS NULL AND connector_id > ? ORDER BY connector_id LIMIT ?", after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find active runs of connectors: %w", err)
	}
	return ids, nil
}

// GiveUpRun ends the active run of a connector; see connector.Schedule.
func (s *Store) GiveUpRun(ctx context.Context, connectorID int64, at time.Time, reason string) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, `UPDATE connectors SET state = ?, last_error = ?, next_sync = coalesce(next_sync, ? + run_frequency * 60000000)
			WHERE id = ? AND active_run IS NOT NULL`, string(connector.Failed), reason, at.UnixMicro(), connectorID)
		if err != nil || n == 0 {
			return err
		}
		if err := tx.endActiveRun(ctx, connectorID, reason, at); err != nil {
			return err
		}
		return tx.connectorFailed(ctx, connectorID, reason, at)
	})
	if err != nil {
		return fmt.Errorf("give up run of connector %d: %w", connectorID, err)
	}
	return nil
}

const runQuery = "SELECT id, connector_id, started_by, state, queued, started, ended, error, regions FROM connector_runs"

func scanRun(scan func(...any) error) (connector.Run, error) {
	var r connector.Run
	var queued, started, ended sql.NullInt64
	var regions []byte
	if err := scan(&r.ID, &r.ConnectorID, &r.StartedBy, &r.State, &queued, &started, &ended, &r.Error, &regions); err != nil {
		return r, err
	}
	r.Queued, r.Started, r.Ended = when(queued), when(started), when(ended)
	return r, decode(regions, &r.Regions)
}

// ConnectorRuns returns runs, newest first; see connector.Connectors.
func (s *Store) ConnectorRuns(ctx context.Context, connectorID int64) ([]connector.Run, error) {
	runs, err := s.runs(ctx, " WHERE connector_id = ? ORDER BY id DESC", connectorID)
	if err != nil {
		return nil, fmt.Errorf("read runs of connector %d: %w", connectorID, err)
	}
	return runs, nil
}

// FailedRuns returns runs that went wrong; see connector.Connectors.
func (s *Store) FailedRuns(ctx context.Context, connectorIDs []int64, limit int) ([]connector.Run, error) {
	runs, err := s.runs(ctx, " WHERE ended IS NOT NULL AND error <> '' AND "+s.dialect.InIDs("connector_id")+" ORDER BY ended DESC, id DESC LIMIT ?",
		s.dialect.IDsParam(connectorIDs), limit)
	if err != nil {
		return nil, fmt.Errorf("read failed runs of %d connectors: %w", len(connectorIDs), err)
	}
	return runs, nil
}

func (s *Store) runs(ctx context.Context, where string, args ...any) ([]connector.Run, error) {
	var runs []connector.Run
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, runQuery+where, args, func(rows *sql.Rows) error {
			r, err := scanRun(rows.Scan)
			runs = append(runs, r)
			return err
		})
	})
	return runs, err
}

// BeginRun begins the queued run of a connector; see connector.Runs.
func (s *Store) BeginRun(ctx context.Context, connectorID int64, at time.Time) (connector.Run, connector.Connector, connector.Credentials, error) {
	var run connector.Run
	var c connector.Connector
	var credentials connector.Credentials
	err := s.InTx(ctx, func(tx *Tx) error {
		found, err := tx.connectors(ctx, " WHERE id = ? AND active_run IS NOT NULL", s.dialect.ForUpdate(), connectorID)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return connector.ErrSuperseded
		}
		c = found[0]
		if run, err = tx.activeRun(ctx, connectorID, at); err != nil {
			return err
		}
		run.State, run.Started, c.State = connector.Running, at.UTC().Truncate(time.Microsecond), connector.Running
		_, err = tx.Exec(ctx, "UPDATE connector_runs SET state = ?, started = ? WHERE id = ?", string(run.State), micros(at), run.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE connectors SET state = ?, active_run = ? WHERE id = ?", string(run.State), run.ID, connectorID); err != nil {
			return err
		}
		credentials, err = tx.credentials(ctx, &c)
		return err
	})
	if err != nil {
		return connector.Run{}, connector.Connector{}, connector.Credentials{}, fmt.Errorf("begin run of connector %d: %w", connectorID, err)
	}
	return run, c, credentials, nil
}

// activeRun returns the run of a connector that waits. One that was begun already
// was cut off: it is ended, and another begun in its place.
func (t *Tx) activeRun(ctx context.Context, connectorID int64, at time.Time) (connector.Run, error) {
	r, err := scanRun(t.QueryRow(ctx, runQuery+" WHERE id = (SELECT active_run FROM connectors WHERE id = ?)", connectorID).Scan)
	if err != nil || r.Started.IsZero() {
		return r, err
	}
	_, err = t.Exec(ctx, "UPDATE connector_runs SET ended = ?, state = ?, error = ? WHERE id = ?", micros(at), string(connector.Failed), "The run was cut off and begun anew.", r.ID)
	if err != nil {
		return r, err
	}
	next := connector.Run{ConnectorID: connectorID, StartedBy: r.StartedBy, Queued: r.Queued}
	err = t.QueryRow(ctx, `INSERT INTO connector_runs (connector_id, started_by, state, queued, error, regions) VALUES (?, ?, ?, ?, '', '[]') RETURNING id`,
		connectorID, next.StartedBy, string(connector.Queued), micros(next.Queued)).Scan(&next.ID)
	if err != nil {
		return next, err
	}
	return next, t.pruneRuns(ctx, connectorID)
}

// credentials returns how to get into the account of a connector.
func (t *Tx) credentials(ctx context.Context, c *connector.Connector) (connector.Credentials, error) {
	credentials := connector.Credentials{RoleARN: c.RoleARN, ExternalID: c.ExternalID}
	kind, owner := authRecordSecrets, c.AuthRecordID
	if owner == 0 {
		kind = baseAccountSecrets
		err := t.QueryRow(ctx, "SELECT id FROM aws_base_accounts WHERE partition = ?", string(c.Partition)).Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) {
			return credentials, nil // the platform's own
		}
		if err != nil {
			return credentials, err
		}
	}
	keys, err := t.unsealKeys(ctx, kind, owner)
	credentials.AccessKeyID, credentials.SecretKey = keys.AccessKeyID, keys.SecretKey
	return credentials, err
}

// AccountOpened notes the account and the regions of a run; see connector.Runs.
func (s *Store) AccountOpened(ctx context.Context, r connector.Run, accountID string, regions []string) error {
	r.Regions = make([]connector.RegionResult, len(regions))
	for i, region := range regions {
		r.Regions[i].Region = region
	}
	err := s.inRun(ctx, r, func(tx *Tx) error {
		// One that is due already was changed meanwhile: its next run tells.
		if _, err := tx.Exec(ctx, "UPDATE connectors SET account_id = ? WHERE id = ? AND account_id <> ? AND next_sync IS NULL", accountID, r.ConnectorID, accountID); err != nil {
			return err
		}
		return tx.writeRun(ctx, &r)
	})
	if err != nil {
		return fmt.Errorf("note account of run %d: %w", r.ID, err)
	}
	return nil
}

// Progress notes where a run stands; see connector.Runs.
func (s *Store) Progress(ctx context.Context, r connector.Run) error {
	err := s.inRun(ctx, r, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE connectors SET state = ? WHERE id = ? AND state <> ?", string(r.State), r.ConnectorID, string(r.State)); err != nil {
			return err
		}
		return tx.writeRun(ctx, &r)
	})
	if err != nil {
		return fmt.Errorf("note progress of run %d: %w", r.ID, err)
	}
	return nil
}

func (t *Tx) writeRun(ctx context.Context, r *connector.Run) error {
	regions, err := encode(append([]connector.RegionResult{}, r.Regions...))
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE connector_runs SET state = ?, ended = ?, error = ?, regions = ? WHERE id = ?",
		string(r.State), micros(r.Ended), r.Error, regions, r.ID)
	return err
}

// FinishRun ends a run; see connector.Runs. A connector that was changed in the
// meantime is due already; the others are due a run frequency after the end.
func (s *Store) FinishRun(ctx context.Context, r connector.Run) error {
	r.Ended = r.Ended.UTC().Truncate(time.Second)
	err := s.inRun(ctx, r, func(tx *Tx) error {
		if err := tx.writeRun(ctx, &r); err != nil {
			return err
		}
		listed := false
		for _, region := range r.Regions {
			listed = listed || region.Complete || region.Listed > 0
		}
		_, err := tx.Exec(ctx, `UPDATE connectors SET state = ?, last_error = ?, active_run = NULL,
			last_sync = CASE WHEN ? THEN ? ELSE last_sync END, next_sync = coalesce(next_sync, ? + run_frequency * 60000000) WHERE id = ?`,
			string(r.State), r.Error, listed, micros(r.Ended), r.Ended.UnixMicro(), r.ConnectorID)
		if err != nil {
			return err
		}
		if r.Error != "" {
			if err := tx.connectorFailed(ctx, r.ConnectorID, r.Error, r.Ended); err != nil {
				return err
			}
		}
		return tx.pruneRuns(ctx, r.ConnectorID)
	})
	if err != nil {
		return fmt.Errorf("finish run %d: %w", r.ID, err)
	}
	return nil
}

// endActiveRun ends the run that a connector has, if it has one.
func (t *Tx) endActiveRun(ctx context.Context, connectorID int64, reason string, at time.Time) error {
	_, err := t.Exec(ctx, "UPDATE connector_runs SET ended = ?, state = ?, error = ? WHERE connector_id = ? AND ended IS NULL",
		micros(at), string(connector.Failed), reason, connectorID)
	if err == nil {
		_, err = t.Exec(ctx, "UPDATE connectors SET active_run = NULL WHERE id = ?", connectorID)
	}
	if err != nil {
		return fmt.Errorf("end run of connector %d: %w", connectorID, err)
	}
	return nil
}

func (t *Tx) pruneRuns(ctx context.Context, connectorID int64) error {
	_, err := t.Exec(ctx, "DELETE FROM connector_runs WHERE connector_id = ? AND id <= (SELECT id FROM connector_runs WHERE connector_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
		connectorID, connectorID, keptRuns)
	if err != nil {
		return fmt.Errorf("prune runs of connector %d: %w", connectorID, err)
	}
	return nil
}
