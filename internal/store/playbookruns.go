package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

var (
	_ conductor.Records = (*Store)(nil)
	_ conductor.Sweep   = (*Store)(nil)
)

const (
	// playbookRunHead is what lists show of a run.
	playbookRunHead = `id, playbook_id, version_id, playbook, version, site_id, kind, key, started_by, user_id, address, schedule_id, fired, rerun_of,
		parent_id, parent_step, parent_item, parent_round, parent_send, cancel, state, revision, failure, queued, started, ended, due`
	playbookRunColumns = `playbook_id, version_id, playbook, version, site_id, kind, key, started_by, user_id, address, schedule_id, fired, rerun_of,
		parent_id, parent_step, parent_item, parent_round, parent_send, cancel, state, revision, failure, queued, started, ended, due, data, inputs, chain, progress, outputs, noted, publishers`
)

func playbookRunValues(r *conductor.Run) ([]any, error) {
	inputs, err := expression.Encode(r.Inputs)
	if err != nil {
		return nil, err
	}
	chain, err := encode(append([]string{}, r.Chain...))
	if err != nil {
		return nil, err
	}
	failure, err := failureText(r.Error)
	if err != nil {
		return nil, err
	}
	publishers, err := encode(append([]run.Publisher{}, r.Publishers...))
	if err != nil {
		return nil, err
	}
	return []any{
		optional(r.PlaybookID), optional(r.VersionID), r.Playbook, r.Version, r.SiteID, r.Trigger.Kind, optionalText(r.Key), r.StartedBy, r.UserID, r.Address,
		optional(r.Schedule), micros(r.Fired), optional(r.RerunOf), optional(r.Parent.RunID), r.Parent.Step, r.Parent.Item, r.Parent.Round, r.Parent.Send,
		r.Cancel, string(r.State), r.Revision, failure, micros(r.Queued), micros(r.Started), micros(r.Ended), micros(r.Due),
		optionalText(r.Trigger.Data), string(inputs), chain, optionalText(r.Progress), optionalText(r.Outputs), false, publishers,
	}, nil
}

func failureText(e *engine.Error) (sql.NullString, error) {
	if e == nil {
		return sql.NullString{}, nil
	}
	text, err := encode(e)
	return sql.NullString{String: text, Valid: true}, err
}

// scanPlaybookRun reads playbookRunHead, and what follows into more.
func scanPlaybookRun(scan func(...any) error, more ...any) (conductor.Run, error) {
	var r conductor.Run
	var playbook, version, schedule, fired, rerun, parent, queued, started, ended, due sql.NullInt64
	var key, failure sql.NullString
	into := append([]any{
		&r.ID, &playbook, &version, &r.Playbook, &r.Version, &r.SiteID, &r.Trigger.Kind, &key, &r.StartedBy, &r.UserID, &r.Address, &schedule, &fired, &rerun,
		&parent, &r.Parent.Step, &r.Parent.Item, &r.Parent.Round, &r.Parent.Send, &r.Cancel, &r.State, &r.Revision, &failure, &queued, &started, &ended, &due,
	}, more...)
	if err := scan(into...); err != nil {
		return r, err
	}
	r.PlaybookID, r.VersionID, r.Schedule, r.RerunOf, r.Parent.RunID, r.Key = playbook.Int64, version.Int64, schedule.Int64, rerun.Int64, parent.Int64, key.String
	r.Fired, r.Queued, r.Started, r.Ended, r.Due = when(fired), when(queued), when(started), when(ended), when(due)
	if failure.Valid {
		return r, decode([]byte(failure.String), &r.Error)
	}
	return r, nil
}

// playbookRuns returns whole runs.
func (t *Tx) playbookRuns(ctx context.Context, rest string, args ...any) ([]conductor.Run, error) {
	var all []conductor.Run
	err := t.each(ctx, "SELECT "+playbookRunHead+", data, inputs, chain, progress, outputs, coalesce(publishers, '[]') FROM playbook_runs"+rest, args, func(rows *sql.Rows) error {
		var data, progress, outputs sql.NullString
		var inputs, chain, publishers []byte
		r, err := scanPlaybookRun(rows.Scan, &data, &inputs, &chain, &progress, &outputs, &publishers)
		if err != nil {
			return err
		}
		for _, doc := range []struct {
			text sql.NullString
			into *json.RawMessage
		}{{data, &r.Trigger.Data}, {progress, &r.Progress}, {outputs, &r.Outputs}} {
			if doc.text.Valid {
				*doc.into = json.RawMessage(doc.text.String)
			}
		}
		given, err := expression.Decode(inputs)
		if err != nil {
			return fmt.Errorf("decode inputs of run %d: %w", r.ID, err)
		}
		r.Inputs, _ = given.(map[string]any)
		all = append(all, r)
		if err := decode(publishers, &all[len(all)-1].Publishers); err != nil {
			return err
		}
		return decode(chain, &all[len(all)-1].Chain)
	})
	return all, err
}

// StartRun queues a run; see conductor.Records.
func (s *Store) StartRun(ctx context.Context, r conductor.Run) (conductor.Run, bool, error) {
	created := false
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		r, created, err = tx.startPlaybookRun(ctx, r)
		return err
	})
	if s.dialect.Duplicate(err) && r.Key != "" {
		// Another replica was faster: the second look finds what it made.
		return s.StartRun(ctx, r)
	}
	if err != nil {
		return conductor.Run{}, false, fmt.Errorf("queue run of playbook %s: %w", r.Playbook, err)
	}
	return r, created, nil
}

// startPlaybookRun stores a queued run with its job, or finds the one with its key.
func (t *Tx) startPlaybookRun(ctx context.Context, r conductor.Run) (conductor.Run, bool, error) {
	if r.Key != "" {
		earlier, err := t.playbookRuns(ctx, " WHERE playbook_id = ? AND key = ?", r.PlaybookID, r.Key)
		if err != nil || len(earlier) > 0 {
			return append(earlier, conductor.Run{})[0], false, err
		}
	}
	var open int
	err := t.QueryRow(ctx, "SELECT count(*) FROM playbook_runs WHERE playbook_id = ? AND ended IS NULL", r.PlaybookID).Scan(&open)
	if err != nil {
		return r, false, err
	}
	if open >= conductor.MaxOpen && !r.State.Ended() {
		return r, false, fault.New(fault.Busy, fmt.Sprintf("Playbook '%s' has %d runs that have not ended, which is the limit.", r.Playbook, open), "Wait until some have ended, or cancel them.")
	}
	values, err := playbookRunValues(&r)
	if err != nil {
		return r, false, err
	}
	err = t.QueryRow(ctx, "INSERT INTO playbook_runs ("+playbookRunColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, values...).Scan(&r.ID)
	if err != nil {
		return r, false, fmt.Errorf("store run: %w", err)
	}
	if r.State.Ended() {
		return r, true, t.tellPlaybookFailed(ctx, &r)
	}
	if err := t.pinCalls(ctx, &r); err != nil {
		return r, false, fmt.Errorf("pin what run %d calls: %w", r.ID, err)
	}
	return r, true, t.Enqueue(ctx, conductor.Job, r.ID)
}

// PlaybookRun returns a run; see conductor.Records.
func (s *Store) PlaybookRun(ctx context.Context, id int64) (conductor.Run, error) {
	var found []conductor.Run
	err := s.view(ctx, func(tx *Tx) (err error) {
		found, err = tx.playbookRuns(ctx, " WHERE id = ?", id)
		return err
	})
	if err == nil && len(found) == 0 {
		err = conductor.NoRun(id)
	}
	if err != nil {
		return conductor.Run{}, fmt.Errorf("read playbook run %d: %w", id, err)
	}
	return found[0], nil
}

// PlaybookRuns lists runs; see conductor.Records.
func (s *Store) PlaybookRuns(ctx context.Context, f conductor.Filter) ([]conductor.Run, error) {
	where, args := " WHERE 1 = 1", []any{}
	add := func(condition string, values ...any) {
		where, args = where+" AND "+condition, append(args, values...)
	}
	if f.SiteIDs != nil {
		add(s.dialect.InIDs("site_id"), s.dialect.IDsParam(f.SiteIDs))
	}
	for _, id := range []struct {
		column string
		value  int64
	}{{"playbook_id", f.PlaybookID}, {"schedule_id", f.ScheduleID}, {"parent_id", f.ParentID}} {
		if id.value != 0 {
			add(id.column+" = ?", id.value)
		}
	}
	if f.State != "" {
		add("state = ?", string(f.State))
	}
	if f.StartedBy != "" {
		add("started_by = ?", storable(f.StartedBy))
	}
	if f.Open {
		add("ended IS NULL")
	}
	if f.Top {
		add("parent_id IS NULL")
	}
	if f.Before != 0 {
		add("id < ?", f.Before)
	}
	var all []conductor.Run
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.playbookRunHeads(ctx, where+" ORDER BY id DESC LIMIT ?", append(args, f.Limit)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list playbook runs: %w", err)
	}
	return all, nil
}

// playbookRunHeads returns runs as lists show them.
func (t *Tx) playbookRunHeads(ctx context.Context, rest string, args ...any) ([]conductor.Run, error) {
	var all []conductor.Run
	err := t.each(ctx, "SELECT "+playbookRunHead+" FROM playbook_runs"+rest, args, func(rows *sql.Rows) error {
		r, err := scanPlaybookRun(rows.Scan)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read playbook runs: %w", err)
	}
	return all, nil
}

// StepRuns returns the runs of steps; see conductor.Records.
func (s *Store) StepRuns(ctx context.Context, id, after int64, limit int) ([]run.Run, error) {
	var all []run.Run
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.automationRuns(ctx, " WHERE id IN (SELECT id FROM automation_runs WHERE playbook_run_id = ? AND id > ? ORDER BY id LIMIT ?) ORDER BY id", id, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list steps of playbook run %d: %w", id, err)
	}
	return all, nil
}

// RunVersion returns the versions that a run is pinned to; see conductor.Turns.
func (s *Store) RunVersion(ctx context.Context, id int64) (v library.Version, calls []library.Version, err error) {
	var found []library.Version
	err = s.view(ctx, func(tx *Tx) (err error) {
		if found, err = tx.versionHeads(ctx, "p.name", " JOIN playbook_runs AS r ON r.version_id = v.id WHERE r.id = ?", id); err != nil {
			return err
		}
		calls, err = tx.pinned(ctx, id)
		return err
	})
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "The playbook was deleted.", "")
	}
	if err != nil {
		return library.Version{}, nil, fmt.Errorf("read version of playbook run %d: %w", id, err)
	}
	return found[0], calls, nil
}

// Stirred reports whether a run has to go on; see conductor.Turns.
func (s *Store) Stirred(ctx context.Context, id, revision int64, now time.Time) (bool, error) {
	var stirred bool
	err := s.view(ctx, func(tx *Tx) error {
		err := tx.QueryRow(ctx, `SELECT revision <> ? OR ended IS NOT NULL OR (due IS NOT NULL AND due <= ?)
			OR EXISTS (SELECT 1 FROM playbook_runs AS c WHERE c.parent_id = playbook_runs.id AND c.ended IS NOT NULL AND NOT c.noted)
			FROM playbook_runs WHERE id = ?`, revision, micros(now), id).Scan(&stirred)
		if errors.Is(err, sql.ErrNoRows) {
			stirred, err = true, nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look at playbook run %d: %w", id, err)
	}
	return stirred, nil
}

// DuePlaybookRuns returns runs that need a job; see conductor.Sweep.
func (s *Store) DuePlaybookRuns(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, `SELECT id FROM playbook_runs WHERE ended IS NULL AND due <= ? AND id > ?
			UNION SELECT parent_id FROM playbook_runs WHERE parent_id > ? AND ended IS NOT NULL AND NOT noted ORDER BY 1 LIMIT ?`, micros(now), after, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find playbook runs that are due: %w", err)
	}
	return ids, nil
}
