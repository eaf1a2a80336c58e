package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// Fire has a schedule decide; see schedule.Schedules.
func (s *Store) Fire(ctx context.Context, id int64, now time.Time) (schedule.Firing, error) {
	var firing schedule.Firing
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		firing, err = tx.fire(ctx, id, now)
		return err
	})
	if err != nil {
		return schedule.Firing{}, fmt.Errorf("fire schedule %d: %w", id, err)
	}
	return firing, nil
}

func (t *Tx) fire(ctx context.Context, id int64, now time.Time) (schedule.Firing, error) {
	s, err := t.lockedSchedule(ctx, id)
	if err != nil {
		return schedule.Firing{}, err
	}
	working, err := t.automationRuns(ctx, " WHERE schedule_id = ? AND ended IS NULL ORDER BY id", id)
	if err != nil {
		return schedule.Firing{}, err
	}
	playing, err := t.ids(ctx, "SELECT id FROM playbook_runs WHERE schedule_id = ? AND ended IS NULL ORDER BY id", id)
	if err != nil {
		return schedule.Firing{}, err
	}
	owed, err := t.owed(ctx, id)
	if err != nil {
		return schedule.Firing{}, err
	}
	next, decision := s.Fire(now, len(working)+len(playing)+len(owed) > 0)
	if decision.Action == schedule.Nothing {
		if !next.Next.Equal(s.Next) {
			return schedule.Firing{}, t.writeSchedule(ctx, &next)
		}
		return schedule.Firing{}, nil
	}
	if decision.Action == schedule.CancelPrevious {
		for i := range working {
			if err := t.cancelForNext(ctx, &working[i], now); err != nil {
				return schedule.Firing{}, err
			}
		}
		for _, run := range playing {
			if err := t.cancelPlaybookRun(ctx, run, now); err != nil {
				return schedule.Firing{}, err
			}
		}
	}
	f := schedule.Firing{ScheduleID: id, At: decision.Firing, Fired: now, Action: decision.Action, Reason: decision.Reason, Missed: decision.Missed}
	if err := t.addFiring(ctx, &f); err != nil {
		return schedule.Firing{}, err
	}
	return f, t.writeSchedule(ctx, &next)
}

// cancelForNext cancels a run whose schedule fires again. The schedule does not take
// note of its end: it is being decided about.
func (t *Tx) cancelForNext(ctx context.Context, r *run.Run, now time.Time) error {
	if err := t.readOutcome(ctx, r); err != nil {
		return err
	}
	r.State, r.Ended, r.Outcome.State = run.Cancelled, now, automation.Failed
	r.Outcome.Errors = append(r.Outcome.Errors, run.CancelledBySchedule(r))
	if _, err := t.storeEnd(ctx, r, "ended IS NULL"); err != nil {
		return err
	}
	return t.Cancel(ctx, run.Job, r.ID)
}

// addFiring records a firing. One that is to start is owed a run from now on.
func (t *Tx) addFiring(ctx context.Context, f *schedule.Firing) error {
	_, err := t.Exec(ctx, "INSERT INTO schedule_firings (schedule_id, firing, by_hand, fired, action, reason, missed, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		f.ScheduleID, micros(f.At), f.ByHand, micros(f.Fired), string(f.Action), f.Reason, f.Missed, false)
	if err != nil {
		return fmt.Errorf("record firing: %w", err)
	}
	// What waits, or is owed a run, stays.
	_, err = t.Exec(ctx, "DELETE FROM schedule_firings WHERE schedule_id = ? AND (started OR action = 'skip') AND firing < (SELECT firing FROM schedule_firings WHERE schedule_id = ? ORDER BY firing DESC LIMIT 1 OFFSET ?)",
		f.ScheduleID, f.ScheduleID, schedule.KeptFirings)
	if err != nil || !starts(f.Action) {
		return err
	}
	return t.owe(ctx, f.ScheduleID, true)
}

// starts reports whether a firing gets a run now.
func starts(a schedule.Action) bool { return a == schedule.Start || a == schedule.CancelPrevious }

// owe notes whether a schedule has firings that are owed a run.
func (t *Tx) owe(ctx context.Context, id int64, owing bool) error {
	if _, err := t.Exec(ctx, "UPDATE automation_schedules SET owing = ? WHERE id = ?", owing, id); err != nil {
		return fmt.Errorf("note what schedule %d owes: %w", id, err)
	}
	return nil
}

// FireNow adds a firing by hand; see schedule.Schedules.
func (s *Store) FireNow(ctx context.Context, id int64, now time.Time) (schedule.Firing, error) {
	f := schedule.Firing{ScheduleID: id, At: now.Truncate(time.Second), Fired: now, Action: schedule.Start, ByHand: true}
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockedSchedule(ctx, id); err != nil {
			return err
		}
		if err := tx.addFiring(ctx, &f); err != nil {
			return err
		}
		return tx.Enqueue(ctx, schedule.Job, id)
	})
	if s.dialect.Duplicate(err) {
		err = fault.New(fault.Conflict, fmt.Sprintf("Schedule %d was run by hand within this second.", id), "Wait a moment.")
	}
	if err != nil {
		return schedule.Firing{}, fmt.Errorf("run schedule %d now: %w", id, err)
	}
	return f, nil
}

const firingQuery = `SELECT f.schedule_id, f.firing, f.by_hand, f.fired, f.action, f.reason, f.missed, f.run_id, r.state, f.playbook_run_id, p.state
	FROM schedule_firings AS f LEFT JOIN automation_runs AS r ON r.id = f.run_id LEFT JOIN playbook_runs AS p ON p.id = f.playbook_run_id`

func (t *Tx) firings(ctx context.Context, rest string, args ...any) ([]schedule.Firing, error) {
	var all []schedule.Firing
	err := t.each(ctx, firingQuery+rest, args, func(rows *sql.Rows) error {
		var f schedule.Firing
		var at, fired, runID, playbookRun sql.NullInt64
		var state, playing sql.NullString
		err := rows.Scan(&f.ScheduleID, &at, &f.ByHand, &fired, &f.Action, &f.Reason, &f.Missed, &runID, &state, &playbookRun, &playing)
		f.At, f.Fired, f.RunID, f.RunState = when(at), when(fired), runID.Int64, run.State(state.String)
		f.PlaybookRunID, f.PlaybookRunState = playbookRun.Int64, playing.String
		all = append(all, f)
		return err
	})
	return all, err
}

// owed returns the firings of a schedule that are to start and have no run.
func (t *Tx) owed(ctx context.Context, id int64) ([]schedule.Firing, error) {
	return t.firings(ctx, " WHERE f.schedule_id = ? AND NOT f.started AND f.action IN (?, ?) ORDER BY f.firing", id, string(schedule.Start), string(schedule.CancelPrevious))
}

// OwedFirings returns firings without a run; see schedule.Schedules.
func (s *Store) OwedFirings(ctx context.Context, id int64) (schedule.Schedule, []schedule.Firing, error) {
	var found []schedule.Schedule
	var owed []schedule.Firing
	err := s.view(ctx, func(tx *Tx) (err error) {
		if found, err = tx.schedules(ctx, " WHERE id = ?", id); err != nil || len(found) == 0 {
			return err
		}
		owed, err = tx.owed(ctx, id)
		return err
	})
	if err != nil || len(found) == 0 {
		return schedule.Schedule{}, nil, err
	}
	return found[0], owed, nil
}

// StartFiring stores the run of a firing; see schedule.Schedules.
func (s *Store) StartFiring(ctx context.Context, f schedule.Firing, r run.Run, secrets map[string]string) error {
	return s.settleFiring(ctx, f, func(tx *Tx) error {
		r := r // the transaction may be run again
		return tx.startFiring(ctx, f, &r, secrets)
	})
}

// StartPlaybookFiring stores the run of a firing; see trigger.Firings.
func (s *Store) StartPlaybookFiring(ctx context.Context, f schedule.Firing, r conductor.Run) error {
	return s.settleFiring(ctx, f, func(tx *Tx) error {
		r := r // the transaction may be run again
		if f.ByHand {
			r.Fired = time.Time{} // it is none of the schedule's own
		}
		r, _, err := tx.startPlaybookRun(ctx, r)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE schedule_firings SET started = ?, playbook_run_id = ? WHERE schedule_id = ? AND firing = ? AND by_hand = ?", true, r.ID, f.ScheduleID, micros(f.At), f.ByHand)
		if err != nil || !r.State.Ended() {
			return err
		}
		return tx.finishPlaybookFiring(ctx, &r)
	})
}

// settleFiring has start store the run of a firing, if it is owed one.
func (s *Store) settleFiring(ctx context.Context, f schedule.Firing, start func(tx *Tx) error) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockedSchedule(ctx, f.ScheduleID); err != nil {
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			return err
		}
		owed, err := tx.owed(ctx, f.ScheduleID)
		if err != nil {
			return err
		}
		if !isOwed(owed, f) {
			return nil
		}
		if len(owed) == 1 {
			if err := tx.owe(ctx, f.ScheduleID, false); err != nil {
				return err
			}
		}
		return start(tx)
	})
	if err != nil {
		return fmt.Errorf("store run of schedule %d: %w", f.ScheduleID, err)
	}
	return nil
}

func isOwed(owed []schedule.Firing, f schedule.Firing) bool {
	for _, o := range owed {
		if o.At.Equal(f.At) && o.ByHand == f.ByHand {
			return true
		}
	}
	return false
}

func (t *Tx) startFiring(ctx context.Context, f schedule.Firing, r *run.Run, secrets map[string]string) error {
	if err := t.nameConnection(ctx, r); err != nil {
		return err
	}
	if f.ByHand {
		r.Fired = time.Time{} // it is none of the schedule's own
	}
	last, err := t.automationRuns(ctx, " WHERE schedule_id = ? AND ended IS NOT NULL ORDER BY id DESC LIMIT 1", f.ScheduleID)
	if err == nil && len(last) > 0 {
		err = t.readOutcome(ctx, &last[0])
		r.Passdown = last[0].Outcome.Passdown
		if len(r.Passdown) == 0 {
			r.Passdown = last[0].Passdown // a run that failed has handed nothing on
		}
	}
	if err != nil {
		return err
	}
	if err := t.createRun(ctx, r, secrets); err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE schedule_firings SET started = ?, run_id = ? WHERE schedule_id = ? AND firing = ? AND by_hand = ?", true, r.ID, f.ScheduleID, micros(f.At), f.ByHand)
	if err != nil || !r.State.Ended() {
		return err
	}
	return t.finishFiring(ctx, r)
}

// nameConnection fills in the name of a run's connection, and forgets one that is gone.
func (t *Tx) nameConnection(ctx context.Context, r *run.Run) error {
	if r.ConnectionID == 0 || r.ConnectionName != "" {
		return nil
	}
	err := t.QueryRow(ctx, "SELECT name FROM connections WHERE id = ?", r.ConnectionID).Scan(&r.ConnectionName)
	if errors.Is(err, sql.ErrNoRows) {
		r.ConnectionID, err = 0, nil
	}
	return err
}

// finishFiring has the schedule of a run of a command take note of its end, and tells
// people of a failure, or that it pauses the schedule.
func (t *Tx) finishFiring(ctx context.Context, r *run.Run) error {
	paused, err := t.finish(ctx, r.ScheduleID, "automation_runs", r.ID, schedule.EndOf(r.State))
	switch {
	case err != nil:
		return err
	case paused != nil:
		return t.tellPaused(ctx, paused, r)
	}
	return t.tellCommandFailed(ctx, r)
}

// finishPlaybookFiring is finishFiring for the run of a playbook, whose failure is told
// with its end; see tellPlaybookFailed.
func (t *Tx) finishPlaybookFiring(ctx context.Context, r *conductor.Run) error {
	end := schedule.Failed
	switch r.State {
	case conductor.Succeeded, conductor.Partial:
		end = schedule.Succeeded
	case conductor.Cancelled:
		end = schedule.Cancelled
	}
	paused, err := t.finish(ctx, r.Schedule, "playbook_runs", r.ID, end)
	if err != nil || paused == nil {
		return err
	}
	return t.tellPlaybookPaused(ctx, paused, r)
}

// finish has a schedule take note of the end of one of its runs, in the table that has
// all of them. It returns the schedule if that has paused it.
func (t *Tx) finish(ctx context.Context, scheduleID int64, runs string, run int64, end schedule.End) (*schedule.Schedule, error) {
	s, err := t.lockedSchedule(ctx, scheduleID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	others, err := t.ids(ctx, "SELECT id FROM "+runs+" WHERE schedule_id = ? AND ended IS NULL AND id <> ? LIMIT 1", s.ID, run)
	if err != nil {
		return nil, err
	}
	waiting := s.Waiting
	if len(others) > 0 {
		s.Waiting = time.Time{} // for the end of those as well
	}
	after, decision := s.Finished(end)
	switch {
	case len(others) == 0 || waiting.IsZero():
	case after.Active:
		after.Waiting = waiting
	default:
		decision = schedule.Decision{Action: schedule.Skip, Firing: waiting, Reason: "The schedule was paused: " + after.PausedReason}
	}
	if decision.Action != schedule.Nothing {
		_, err := t.Exec(ctx, "UPDATE schedule_firings SET action = ?, reason = ? WHERE schedule_id = ? AND firing = ? AND by_hand = ?",
			string(decision.Action), decision.Reason, s.ID, micros(decision.Firing), false)
		if err != nil {
			return nil, err
		}
	}
	if decision.Action == schedule.Start {
		if err := t.owe(ctx, s.ID, true); err != nil {
			return nil, err
		}
		if err := t.Enqueue(ctx, schedule.Job, s.ID); err != nil {
			return nil, err
		}
	}
	if err := t.writeSchedule(ctx, &after); err != nil || !s.Active || after.Active {
		return nil, err
	}
	return &after, nil
}

// Firings returns the firings of a schedule; see schedule.Schedules.
func (s *Store) Firings(ctx context.Context, id int64, limit int) ([]schedule.Firing, error) {
	var all []schedule.Firing
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.firings(ctx, " WHERE f.schedule_id = ? ORDER BY f.firing DESC, f.by_hand LIMIT ?", id, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read firings of schedule %d: %w", id, err)
	}
	return all, nil
}
