package trigger

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

var _ schedule.Playbooks = (*Scheduler)(nil)

// Firings is the storage that Scheduler needs.
type Firings interface {
	// StartPlaybookFiring stores the run of a firing, with its job, unless it has one or
	// is gone. One that has ended already is stored as it is, and the schedule takes note
	// of it. More than conductor.MaxOpen of the playbook are fault.Busy.
	StartPlaybookFiring(ctx context.Context, f schedule.Firing, r conductor.Run) error
}

// Scheduler starts playbooks for schedules. It is safe for concurrent use.
type Scheduler struct {
	Live
	Sites   library.Sites
	Firings Firings
	Now     func() time.Time
}

// Names implements schedule.Playbooks.
func (s *Scheduler) Names(ctx context.Context, p access.Principal) (map[int64]string, error) {
	seen, err := s.Sites.VisibleSites(ctx, p)
	if err != nil || seen.None() {
		return nil, err
	}
	all, err := s.Shelf.Playbooks(ctx, seen.IDs())
	names := make(map[int64]string, len(all))
	for i := range all {
		names[all[i].ID] = all[i].Name
	}
	return names, err
}

// Startable implements schedule.Playbooks.
func (s *Scheduler) Startable(ctx context.Context, p access.Principal, id int64, inputs map[string]any) (int64, error) {
	pb, err := s.Shelf.Playbook(ctx, id)
	if err == nil {
		err = visible(ctx, s.Sites, p, &pb)
	}
	if err != nil {
		return 0, err
	}
	v, err := s.of(ctx, &pb)
	if err != nil {
		return 0, err
	}
	return pb.SiteID, v.takeInputs(inputs)
}

// Visible implements schedule.Playbooks.
func (s *Scheduler) Visible(ctx context.Context, p access.Principal, id int64) error {
	pb, err := s.Shelf.Playbook(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil // there is nothing to hide, and the run says so
	}
	if err != nil {
		return err
	}
	return visible(ctx, s.Sites, p, &pb)
}

// StartFiring implements schedule.Playbooks.
func (s *Scheduler) StartFiring(ctx context.Context, of schedule.Schedule, f schedule.Firing, refusal error) error {
	now := s.Now().UTC()
	r := conductor.Run{
		PlaybookID: of.Target.PlaybookID, SiteID: of.SiteID, Trigger: conductor.Trigger{Kind: playbook.TriggerSchedule}, Inputs: of.Target.Inputs,
		StartedBy: of.Owner, UserID: of.OwnerID, Schedule: of.ID, Fired: f.At, State: conductor.Queued, Queued: now, Due: now,
	}
	err := s.prepare(ctx, &of, &r)
	if refusal != nil && (err == nil || said(err)) {
		err = refusal
	}
	switch {
	case err == nil:
	case said(err):
		refuse(&r, err)
	default:
		return err
	}
	err = s.Firings.StartPlaybookFiring(ctx, f, r)
	if fault.Is(err, fault.Busy) {
		refuse(&r, err)
		err = s.Firings.StartPlaybookFiring(ctx, f, r)
	}
	return err
}

// prepare fills in the version and the inputs of a run.
func (s *Scheduler) prepare(ctx context.Context, of *schedule.Schedule, r *conductor.Run) error {
	pb, err := s.Shelf.Playbook(ctx, of.Target.PlaybookID)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			r.PlaybookID, r.Playbook = 0, fmt.Sprint(of.Target.PlaybookID)
		}
		return err
	}
	r.Playbook = pb.Name
	v, err := s.of(ctx, &pb)
	if err != nil {
		return err
	}
	v.is(r)
	if of.Target.Trigger == 0 {
		return v.takeInputs(r.Inputs)
	}
	schedules := v.program.Definition.Triggers.Schedules
	if of.Target.Trigger > len(schedules) {
		return fault.New(fault.Conflict, fmt.Sprintf("Version %d of playbook '%s' has no schedule %d.", v.Number, pb.Name, of.Target.Trigger), "Publish the playbook again.")
	}
	return v.takeStart(ctx, schedules[of.Target.Trigger-1].Place, r)
}
