package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

var _ run.Records = (*Store)(nil)

// runSecrets is the kind under which secret inputs of runs are sealed, keyedInputs that
// of their fingerprints where a run has a key. Both are part of what is sealed and never
// change.
const (
	runSecrets  = "run"
	keyedInputs = "run-key"
)

const (
	automationRunColumns = `connection_id, connection_name, site_id, integration, command, inputs, origin, started_by, user_id, address, schedule_id, fired, rerun_of,
		dry_run, force, wait, key, state, attempts, cursor, passdown, return_data, failures, queued, started, ended, resume, playbook_run_id, step, item, round`
	automationRunQuery = "SELECT id, " + automationRunColumns + " FROM automation_runs"
)

// optionalText is a text that is NULL when it is empty.
func optionalText[T ~string | ~[]byte](text T) sql.NullString {
	return sql.NullString{String: string(text), Valid: len(text) > 0}
}

func automationRunValues(r *run.Run) ([]any, error) {
	inputs, err := encode(r.Inputs)
	if err != nil {
		return nil, err
	}
	failures, err := encode(r.Outcome.Errors)
	if err != nil {
		return nil, err
	}
	var wait string
	if r.Wait != nil {
		if wait, err = encode(r.Wait); err != nil {
			return nil, err
		}
	}
	return []any{
		optional(r.ConnectionID), r.ConnectionName, r.SiteID, r.Integration, r.Command, inputs, string(r.Origin), r.StartedBy, optional(r.UserID), r.Address,
		optional(r.ScheduleID), micros(r.Fired), optional(r.RerunOf), r.DryRun, r.Force, optionalText(wait), optionalText(r.Key),
		string(r.State), r.Attempts, optionalText(r.Cursor), optionalText(r.Passdown), string(r.Outcome.State), failures,
		micros(r.Queued), micros(r.Started), micros(r.Ended), micros(r.Resume),
		optional(r.PlaybookRunID), optionalText(r.Step), r.Item, r.Round,
	}, nil
}

func scanAutomationRun(scan func(...any) error) (run.Run, error) {
	var r run.Run
	var connection, user, schedule, fired, rerun, queued, started, ended, resume, playbookRun, item, round sql.NullInt64
	var inputs, failures []byte
	var wait, key, cursor, passdown, step sql.NullString
	err := scan(&r.ID, &connection, &r.ConnectionName, &r.SiteID, &r.Integration, &r.Command, &inputs, &r.Origin, &r.StartedBy, &user, &r.Address,
		&schedule, &fired, &rerun, &r.DryRun, &r.Force, &wait, &key, &r.State, &r.Attempts, &cursor, &passdown, &r.Outcome.State, &failures,
		&queued, &started, &ended, &resume, &playbookRun, &step, &item, &round)
	if err != nil {
		return r, err
	}
	r.ConnectionID, r.UserID, r.ScheduleID, r.RerunOf, r.Key = connection.Int64, user.Int64, schedule.Int64, rerun.Int64, key.String
	r.PlaybookRunID, r.Step, r.Item, r.Round = playbookRun.Int64, step.String, int(item.Int64), int(round.Int64)
	r.Fired, r.Queued, r.Started, r.Ended, r.Resume = when(fired), when(queued), when(started), when(ended), when(resume)
	if cursor.Valid {
		r.Cursor = json.RawMessage(cursor.String)
	}
	if passdown.Valid {
		r.Passdown = json.RawMessage(passdown.String)
	}
	if wait.Valid {
		err = decode([]byte(wait.String), &r.Wait)
	}
	return r, errors.Join(err, decode(inputs, &r.Inputs), decode(failures, &r.Outcome.Errors))
}

func (t *Tx) automationRuns(ctx context.Context, rest string, args ...any) ([]run.Run, error) {
	var runs []run.Run
	err := t.each(ctx, automationRunQuery+rest, args, func(rows *sql.Rows) error {
		r, err := scanAutomationRun(rows.Scan)
		runs = append(runs, r)
		return err
	})
	return runs, err
}

// CreateRun queues a run; see run.Records.
func (s *Store) CreateRun(ctx context.Context, r run.Run, secrets map[string]string) (run.Run, bool, error) {
	created := false
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if r.Key != "" {
			earlier, err := tx.automationRuns(ctx, " WHERE user_id = ? AND key = ?", r.UserID, r.Key)
			if err != nil {
				return err
			}
			if len(earlier) > 0 {
				asked := r
				r, created = earlier[0], false
				return tx.sameRequest(ctx, &r, &asked, secrets)
			}
		}
		created = true
		return tx.createRun(ctx, &r, secrets)
	})
	if s.dialect.Duplicate(err) && r.Key != "" {
		// Another replica was faster: the second look finds what it made.
		return s.CreateRun(ctx, r, secrets)
	}
	if err != nil {
		return run.Run{}, false, fmt.Errorf("queue run of command %s: %w", r.Command, err)
	}
	return r, created, nil
}

// createRun stores a queued run with its job, or one that has ended already.
func (t *Tx) createRun(ctx context.Context, r *run.Run, secrets map[string]string) error {
	var pending int
	err := t.QueryRow(ctx, "SELECT count(*) FROM automation_runs WHERE connection_id = ? AND ended IS NULL", r.ConnectionID).Scan(&pending)
	if err != nil {
		return err
	}
	if pending >= run.MaxPending {
		return fault.New(fault.Busy, fmt.Sprintf("Connection '%s' has %d runs that have not ended, which is the limit.", r.ConnectionName, pending), "Wait until some have ended, or cancel them.")
	}
	values, err := automationRunValues(r)
	if err != nil {
		return err
	}
	err = t.QueryRow(ctx, "INSERT INTO automation_runs ("+automationRunColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, values...).Scan(&r.ID)
	if err != nil {
		return fmt.Errorf("store run: %w", err)
	}
	if r.State.Ended() {
		return t.writeOutcome(ctx, r)
	}
	if len(secrets) > 0 {
		if err := t.sealInputs(ctx, r, secrets); err != nil {
			return err
		}
	}
	return t.Enqueue(ctx, run.Job, r.ID)
}

// sealInputs seals the secret inputs of a run until it ends, and of one with a key their
// fingerprints for as long as the run is kept.
func (t *Tx) sealInputs(ctx context.Context, r *run.Run, secrets map[string]string) error {
	if err := t.seal(ctx, runSecrets, r.ID, secrets); err != nil || r.Key == "" {
		return err
	}
	fingerprints := make(map[string]string, len(secrets))
	for name, input := range secrets {
		fingerprints[name] = run.Fingerprint(input)
	}
	return t.seal(ctx, keyedInputs, r.ID, fingerprints)
}

// sameRequest refuses a run with the key of an earlier one that is another request.
func (t *Tx) sameRequest(ctx context.Context, earlier, asked *run.Run, secrets map[string]string) error {
	var changed []string
	if len(secrets) > 0 {
		fingerprints, err := t.unseal(ctx, keyedInputs, earlier.ID)
		if err != nil {
			return err
		}
		for name, input := range secrets {
			// Runs of earlier releases have none.
			if of := fingerprints[name]; of != "" && !run.Fits(of, input) {
				changed = append(changed, name)
			}
		}
	}
	return run.SameRequest(earlier, asked, changed)
}

// Run returns a run with its outcome; see run.Records.
func (s *Store) Run(ctx context.Context, id int64) (run.Run, error) {
	var r run.Run
	err := s.view(ctx, func(tx *Tx) error {
		found, err := tx.automationRuns(ctx, " WHERE id = ?", id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return run.NoRun(id)
		}
		r = found[0]
		return tx.readOutcome(ctx, &r)
	})
	if err != nil {
		return run.Run{}, fmt.Errorf("read run %d: %w", id, err)
	}
	return r, nil
}

// readOutcome reads the whole outcome of a run, as far as there is one.
func (t *Tx) readOutcome(ctx context.Context, r *run.Run) error {
	var packed []byte
	err := t.QueryRow(ctx, "SELECT outcome FROM automation_outcomes WHERE run_id = ?", r.ID).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	doc, err := unpack(packed)
	if err != nil {
		return fmt.Errorf("unpack outcome: %w", err)
	}
	return decode(doc, &r.Outcome)
}

// writeOutcome stores the outcome of a run. Raw data that is too large is left out.
func (t *Tx) writeOutcome(ctx context.Context, r *run.Run) error {
	o := r.Outcome
	if size := len(o.RawData) + len(o.ContextData); size > run.MaxOutcomeBytes {
		o.RawData, o.ContextData = nil, nil
		o.Notes = append(o.Notes, fmt.Sprintf("The raw data had %d MB, more than the %d MB that are kept with a run, and was left out. Narrow the command.", size>>20, run.MaxOutcomeBytes>>20))
	}
	doc, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode outcome: %w", err)
	}
	_, err = t.Exec(ctx, "INSERT INTO automation_outcomes (run_id, outcome) VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET outcome = excluded.outcome", r.ID, pack(doc))
	if err != nil {
		return fmt.Errorf("store outcome: %w", err)
	}
	return nil
}

// Runs returns runs without their outcomes; see run.Records.
func (s *Store) Runs(ctx context.Context, f run.Filter) ([]run.Run, error) {
	where, args := " WHERE 1 = 1", []any{}
	add := func(condition string, value any) {
		where, args = where+" AND "+condition, append(args, value)
	}
	if f.ConnectionIDs != nil {
		add(s.dialect.InIDs("connection_id"), s.dialect.IDsParam(f.ConnectionIDs))
	}
	if f.ScheduleID != 0 {
		add("schedule_id = ?", f.ScheduleID)
	}
	if f.Before != 0 {
		add("id < ?", f.Before)
	}
	for _, text := range []struct{ column, value string }{
		{"command", f.Command}, {"state", string(f.State)}, {"origin", string(f.Origin)}, {"started_by", f.StartedBy},
	} {
		if text.value != "" {
			add(text.column+" = ?", storable(text.value))
		}
	}
	var runs []run.Run
	err := s.view(ctx, func(tx *Tx) (err error) {
		runs, err = tx.automationRuns(ctx, where+" ORDER BY id DESC LIMIT ?", append(args, f.Limit)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return runs, nil
}

// CancelRun cancels a run; see run.Records.
func (s *Store) CancelRun(ctx context.Context, r run.Run, at time.Time) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		r.Ended = at
		ended, err := tx.endRun(ctx, &r, "ended IS NULL")
		if err != nil {
			return err
		}
		if !ended {
			return fault.New(fault.Conflict, fmt.Sprintf("Run %d has ended.", r.ID), "There is nothing to cancel.")
		}
		return tx.Cancel(ctx, run.Job, r.ID)
	})
	if err != nil {
		return fmt.Errorf("cancel run %d: %w", r.ID, err)
	}
	return nil
}

// endRun writes the end of a run that meets a condition, and reports whether it did.
// The schedule of the run takes note of it.
func (t *Tx) endRun(ctx context.Context, r *run.Run, condition string) (bool, error) {
	ended, err := t.storeEnd(ctx, r, condition)
	if err != nil || !ended || r.ScheduleID == 0 {
		return ended, err
	}
	return true, t.finishFiring(ctx, r)
}

// storeEnd writes the end of a run that meets a condition, and reports whether it did.
func (t *Tx) storeEnd(ctx context.Context, r *run.Run, condition string) (bool, error) {
	failures, err := encode(r.Outcome.Errors)
	if err != nil {
		return false, err
	}
	n, err := t.affected(ctx, "UPDATE automation_runs SET state = ?, return_data = ?, failures = ?, ended = ?, resume = NULL, cursor = NULL WHERE id = ? AND "+condition,
		string(r.State), string(r.Outcome.State), failures, micros(r.Ended), r.ID)
	if err != nil || n == 0 {
		return false, err
	}
	if err := t.writeOutcome(ctx, r); err != nil {
		return false, err
	}
	if r.PlaybookRunID != 0 {
		return true, nil // the inputs of a step are calculated anew when they are needed
	}
	return true, t.forget(ctx, runSecrets, []int64{r.ID})
}
