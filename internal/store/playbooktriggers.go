package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// settleTriggers has what starts a playbook by itself be what the text of its live
// version says; nothing, if there is none.
func (t *Tx) settleTriggers(ctx context.Context, p *library.Playbook, now time.Time) error {
	var triggers playbook.Triggers
	if p.Live != 0 {
		found, err := t.versions(ctx, " WHERE v.playbook_id = ? AND v.number = ?", p.ID, p.Live)
		if err == nil && len(found) == 0 {
			err = library.NoVersion(*p, p.Live)
		}
		if err != nil {
			return err
		}
		definition, problems := playbook.Parse([]byte(found[0].Source))
		if problems != nil {
			return fault.New(fault.Conflict, fmt.Sprintf("Version %d of playbook '%s' cannot be read any more: %s", p.Live, p.Name, problems[0]), "Save a version that can.")
		}
		triggers = definition.Triggers
	}
	if err := t.settleSchedules(ctx, p, triggers.Schedules, now); err != nil {
		return err
	}
	return t.settleEvents(ctx, p, triggers.Events, now)
}

// settleSchedules has the schedules of a playbook be those of its text. One stays the
// same that stands at the same place: whether it is paused, and what came of its
// firings. Where its times have changed they count from now on.
func (t *Tx) settleSchedules(ctx context.Context, p *library.Playbook, texts []playbook.Schedule, now time.Time) error {
	there, err := t.schedules(ctx, " WHERE playbook_id = ? AND playbook_trigger IS NOT NULL ORDER BY id"+t.dialect.ForNoKeyUpdate(), p.ID)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "DELETE FROM automation_schedules WHERE playbook_id = ? AND playbook_trigger > ?", p.ID, len(texts))
	if err != nil {
		return fmt.Errorf("remove schedules: %w", err)
	}
	for i := range texts {
		number := i + 1
		at := slices.IndexFunc(there, func(s schedule.Schedule) bool { return s.Target.Trigger == number })
		if at < 0 {
			err = t.addTriggerSchedule(ctx, p, number, texts[i].Spec, now)
		} else {
			err = t.changeTriggerSchedule(ctx, p, &there[at], texts[i].Spec, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) addTriggerSchedule(ctx context.Context, p *library.Playbook, number int, spec schedule.Spec, now time.Time) error {
	s := schedule.Schedule{
		SiteID: p.SiteID, Owner: p.Publisher, OwnerID: p.PublisherID, Target: schedule.Target{PlaybookID: p.ID, Trigger: number}, Spec: spec,
	}.Resumed(now)
	var err error
	if s.Name, err = t.triggerName(ctx, p, &s); err != nil {
		return err
	}
	return t.createSchedule(ctx, &s)
}

func (t *Tx) changeTriggerSchedule(ctx context.Context, p *library.Playbook, s *schedule.Schedule, spec schedule.Spec, now time.Time) error {
	before, err := encode(s.Spec)
	if err != nil {
		return err
	}
	after, err := encode(spec)
	if err != nil {
		return err
	}
	changed := *s
	if before != after {
		changed = s.Respecified(spec, now)
	}
	changed.Owner, changed.OwnerID = p.Publisher, p.PublisherID
	if changed.Name, err = t.triggerName(ctx, p, s); err != nil {
		return err
	}
	return t.writeSchedule(ctx, &changed)
}

// triggerName returns the name of a schedule that is part of a playbook: that of the
// playbook, with a number from the second schedule on. Somebody may have a schedule
// of that name.
func (t *Tx) triggerName(ctx context.Context, p *library.Playbook, s *schedule.Schedule) (string, error) {
	base := p.Name
	if s.Target.Trigger > 1 {
		base = fmt.Sprintf("%s-%d", p.Name, s.Target.Trigger)
	}
	if s.Name == base || strings.HasPrefix(s.Name, base+" (") {
		return s.Name, nil
	}
	for name, n := base, 2; ; n++ {
		taken, err := t.ids(ctx, "SELECT id FROM automation_schedules WHERE site_id = ? AND name = ?", p.SiteID, name)
		if err != nil || len(taken) == 0 {
			return name, err
		}
		name = fmt.Sprintf("%s (%d)", base, n) // at most schedule.MaxSchedules are taken
	}
}

// freeOfSchedules refuses to delete a playbook that a schedule runs which somebody
// made, and removes those of its text.
func (t *Tx) freeOfSchedules(ctx context.Context, p *library.Playbook) error {
	others, err := t.schedules(ctx, " WHERE playbook_id = ? AND playbook_trigger IS NULL ORDER BY id LIMIT 1", p.ID)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return fault.New(fault.Conflict, fmt.Sprintf("Schedule '%s' runs playbook '%s'.", others[0].Name, p.Name), "Delete the schedule first.")
	}
	if _, err := t.Exec(ctx, "DELETE FROM automation_schedules WHERE playbook_id = ?", p.ID); err != nil {
		return fmt.Errorf("remove schedules: %w", err)
	}
	return nil
}
