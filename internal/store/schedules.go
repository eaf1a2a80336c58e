package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

var _ schedule.Schedules = (*Store)(nil)

const (
	// scheduleColumns are those that a change of a schedule writes.
	scheduleColumns = "name, site_id, owner, owner_id, command, playbook_id, playbook_trigger, connection_id, inputs, spec, active, paused_reason, failures, next_firing, last_firing, waiting, due"
	scheduleQuery   = "SELECT id, name, site_id, owner, owner_id, command, playbook_id, playbook_trigger, connection_id, inputs, spec, active, paused_reason, failures, next_firing, last_firing, waiting FROM automation_schedules"
)

func scheduleValues(s *schedule.Schedule) ([]any, error) {
	inputs, err := encode(integration.Values(s.Target.Inputs))
	if err != nil {
		return nil, err
	}
	spec, err := encode(s.Spec)
	if err != nil {
		return nil, err
	}
	return []any{
		s.Name, s.SiteID, s.Owner, optional(s.OwnerID), s.Target.Command, optional(s.Target.PlaybookID), optional(int64(s.Target.Trigger)), optional(s.Target.ConnectionID), inputs, spec,
		s.Active, s.PausedReason, s.Failures, micros(s.Next), micros(s.Last), micros(s.Waiting), micros(s.DueAt()),
	}, nil
}

func scanSchedule(scan func(...any) error) (schedule.Schedule, error) {
	var s schedule.Schedule
	var owner, playbook, trigger, connection, next, last, waiting sql.NullInt64
	var inputs, spec []byte
	err := scan(&s.ID, &s.Name, &s.SiteID, &s.Owner, &owner, &s.Target.Command, &playbook, &trigger, &connection, &inputs, &spec,
		&s.Active, &s.PausedReason, &s.Failures, &next, &last, &waiting)
	if err != nil {
		return s, err
	}
	s.OwnerID, s.Target.PlaybookID, s.Target.Trigger, s.Target.ConnectionID = owner.Int64, playbook.Int64, int(trigger.Int64), connection.Int64
	s.Next, s.Last, s.Waiting = when(next), when(last), when(waiting)
	if err := decode(spec, &s.Spec); err != nil || s.Target.PlaybookID == 0 {
		return s, errors.Join(err, decode(inputs, &s.Target.Inputs))
	}
	given, err := expression.Decode(inputs) // playbooks tell whole numbers from others
	if err != nil {
		return s, fmt.Errorf("decode inputs of schedule %d: %w", s.ID, err)
	}
	s.Target.Inputs, _ = given.(map[string]any)
	return s, nil
}

func (t *Tx) schedules(ctx context.Context, rest string, args ...any) ([]schedule.Schedule, error) {
	var all []schedule.Schedule
	err := t.each(ctx, scheduleQuery+rest, args, func(rows *sql.Rows) error {
		s, err := scanSchedule(rows.Scan)
		all = append(all, s)
		return err
	})
	return all, err
}

// lockedSchedule returns a schedule and keeps it as it is until the transaction ends.
func (t *Tx) lockedSchedule(ctx context.Context, id int64) (schedule.Schedule, error) {
	found, err := t.schedules(ctx, " WHERE id = ?"+t.dialect.ForNoKeyUpdate(), id)
	switch {
	case err != nil:
		return schedule.Schedule{}, fmt.Errorf("read schedule %d: %w", id, err)
	case len(found) == 0:
		return schedule.Schedule{}, schedule.NoSchedule(id)
	}
	return found[0], nil
}

func (t *Tx) writeSchedule(ctx context.Context, s *schedule.Schedule) error {
	values, err := scheduleValues(s)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE automation_schedules SET name = ?, site_id = ?, owner = ?, owner_id = ?, command = ?, playbook_id = ?, playbook_trigger = ?, connection_id = ?, inputs = ?, spec = ?, active = ?,
		paused_reason = ?, failures = ?, next_firing = ?, last_firing = ?, waiting = ?, due = ? WHERE id = ?`, append(values, s.ID)...)
	if err != nil {
		return fmt.Errorf("write schedule %d: %w", s.ID, err)
	}
	return nil
}

// Schedules returns schedules; see schedule.Schedules.
func (s *Store) Schedules(ctx context.Context, f schedule.Filter) ([]schedule.Schedule, error) {
	where, args := "", []any{}
	if f.SiteIDs != nil {
		where, args = " WHERE "+s.dialect.InIDs("site_id"), []any{s.dialect.IDsParam(f.SiteIDs)}
	}
	var all []schedule.Schedule
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.schedules(ctx, where+" ORDER BY id", args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	return all, nil
}

// Schedule returns one schedule; see schedule.Schedules.
func (s *Store) Schedule(ctx context.Context, id int64) (schedule.Schedule, error) {
	var found []schedule.Schedule
	err := s.view(ctx, func(tx *Tx) (err error) {
		found, err = tx.schedules(ctx, " WHERE id = ?", id)
		return err
	})
	switch {
	case err != nil:
		return schedule.Schedule{}, fmt.Errorf("read schedule %d: %w", id, err)
	case len(found) == 0:
		return schedule.Schedule{}, schedule.NoSchedule(id)
	}
	return found[0], nil
}

// CreateSchedule stores a new schedule; see schedule.Schedules.
func (s *Store) CreateSchedule(ctx context.Context, made schedule.Schedule) (schedule.Schedule, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.site(ctx, made.SiteID); err != nil {
			return err
		}
		if made.Target.PlaybookID != 0 { // it stays until the schedule is there
			if _, err := tx.playbook(ctx, made.Target.PlaybookID, s.dialect.ForNoKeyUpdate()); err != nil {
				return err
			}
		}
		return tx.createSchedule(ctx, &made)
	})
	if err != nil {
		return schedule.Schedule{}, fmt.Errorf("create schedule: %w", s.taken(err, "schedule", made.Name))
	}
	return made, nil
}

func (t *Tx) createSchedule(ctx context.Context, s *schedule.Schedule) error {
	var there int
	if err := t.QueryRow(ctx, "SELECT count(*) FROM automation_schedules").Scan(&there); err != nil {
		return err
	}
	if there >= schedule.MaxSchedules {
		return fault.New(fault.Conflict, fmt.Sprintf("There are %d schedules, which is the limit.", there), "Delete one first.")
	}
	values, err := scheduleValues(s)
	if err != nil {
		return err
	}
	err = t.QueryRow(ctx, "INSERT INTO automation_schedules ("+scheduleColumns+", owing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
		append(values, false)...).Scan(&s.ID)
	if err != nil {
		return err
	}
	return t.writeSchedule(ctx, s) // when it is due depends on its id
}

// UpdateSchedule changes a schedule; see schedule.Schedules.
func (s *Store) UpdateSchedule(ctx context.Context, id int64, change func(schedule.Schedule) (schedule.Schedule, error)) (schedule.Schedule, error) {
	var after schedule.Schedule
	err := s.InTx(ctx, func(tx *Tx) error {
		before, err := tx.lockedSchedule(ctx, id)
		if err != nil {
			return err
		}
		if after, err = change(before); err != nil {
			return err
		}
		if !before.Waiting.IsZero() && after.Waiting.IsZero() {
			_, err := tx.Exec(ctx, "UPDATE schedule_firings SET action = ?, reason = ? WHERE schedule_id = ? AND firing = ? AND by_hand = ?",
				string(schedule.Skip), "The schedule was changed while it waited.", id, micros(before.Waiting), false)
			if err != nil {
				return err
			}
		}
		return tx.writeSchedule(ctx, &after)
	})
	if err != nil {
		return schedule.Schedule{}, fmt.Errorf("update schedule %d: %w", id, s.taken(err, "schedule", after.Name))
	}
	return after, nil
}

// DeleteSchedule removes a schedule; see schedule.Schedules.
func (s *Store) DeleteSchedule(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "DELETE FROM automation_schedules WHERE id = ?", id)
		if err == nil && n == 0 {
			err = schedule.NoSchedule(id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete schedule %d: %w", id, err)
	}
	return nil
}

// DueSchedules returns schedules with something to do; see schedule.Schedules.
func (s *Store) DueSchedules(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, "SELECT id FROM automation_schedules WHERE (owing OR due <= ?) AND id > ? ORDER BY id LIMIT ?", micros(now), after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find schedules that are due: %w", err)
	}
	return ids, nil
}
