package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// Job is the kind of the job that carries out the firings of the schedule whose id
// it has.
const Job = "schedule-firing"

// Owners is where those are found with whose rights schedules run.
type Owners interface {
	// UserByID returns the user, or fault.NotFound.
	UserByID(ctx context.Context, id int64) (access.User, error)
}

// Desk is where the runs of firings are prepared; *run.Desk is one.
type Desk interface {
	// Prepare checks a request and returns the run that it asks for. Nothing is stored.
	Prepare(ctx context.Context, p access.Principal, req run.Request) (run.Run, map[string]string, error)
}

// Playbooks is where playbooks that schedules run are looked at, and started.
type Playbooks interface {
	// Names returns the names of the playbooks that the principal sees, by their ids.
	Names(ctx context.Context, p access.Principal) (map[int64]string, error)
	// Startable returns the site of a playbook that the principal sees, which has a live
	// version that takes these inputs.
	Startable(ctx context.Context, p access.Principal, id int64, inputs map[string]any) (siteID int64, err error)
	// Visible refuses a principal who does not see a playbook.
	Visible(ctx context.Context, p access.Principal, id int64) error
	// StartFiring stores the run of a firing, unless it has one or is gone: one that has
	// failed already where refusal is an error, or the live version cannot be started.
	StartFiring(ctx context.Context, s Schedule, f Firing, refusal error) error
}

// Firer carries out firings. It is safe for concurrent use.
type Firer struct {
	Schedules Schedules
	Desk      Desk
	Playbooks Playbooks
	Owners    Owners
	// Journal takes a row for each firing that its owner's rights do not allow.
	Journal access.Journal
	Now     func() time.Time
	Log     *slog.Logger
}

// Fire has a schedule decide about the firing it has reached, and starts what is owed:
// the run of this firing, or of one that has waited. It may be called at any time, and
// again after it was cut off.
func (f *Firer) Fire(ctx context.Context, id int64) error {
	firing, err := f.Schedules.Fire(ctx, id, f.Now().UTC())
	if fault.Is(err, fault.NotFound) {
		return nil // deleted
	}
	if err != nil {
		return err
	}
	if firing.Action == Skip {
		f.Log.InfoContext(ctx, "a schedule left a firing out", "schedule", id, "firing", firing.At, "reason", firing.Reason)
	}
	return f.start(ctx, id)
}

// start starts the firings that are owed a run.
func (f *Firer) start(ctx context.Context, id int64) error {
	s, owed, err := f.Schedules.OwedFirings(ctx, id)
	if err != nil || len(owed) == 0 {
		return err
	}
	start, reason := f.prepare(ctx, &s)
	said, isSaid := errors.AsType[*fault.Error](reason)
	if reason != nil && !isSaid {
		return fmt.Errorf("prepare run of schedule %d: %w", id, reason) // nobody knows, and the next try may
	}
	for _, firing := range owed {
		if err := start(firing); err != nil {
			return fmt.Errorf("start firing %s of schedule %d: %w", wire(firing.At), id, err)
		}
		if fault.Is(reason, fault.Forbidden) {
			f.recordRefusal(ctx, &s, said.Message)
		}
	}
	return nil
}

// prepare returns what starts a firing, and why the run that it starts has failed
// already.
func (f *Firer) prepare(ctx context.Context, s *Schedule) (start func(Firing) error, reason error) {
	if s.Target.PlaybookID != 0 {
		reason = f.mayRunPlaybook(ctx, s)
		return func(firing Firing) error { return f.Playbooks.StartFiring(ctx, *s, firing, reason) }, reason
	}
	r, secrets, reason := f.prepareCommand(ctx, s)
	return func(firing Firing) error {
		r.Fired = firing.At
		return f.Schedules.StartFiring(ctx, firing, r, secrets)
	}, reason
}

// mayRunPlaybook refuses an owner who may not run the playbook of a schedule.
func (f *Firer) mayRunPlaybook(ctx context.Context, s *Schedule) error {
	p, err := f.owner(ctx, s)
	if err == nil {
		err = f.Playbooks.Visible(ctx, p, s.Target.PlaybookID)
	}
	if access.IsHidden(err) {
		err = fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights the schedule runs, does not see its playbook any more.", s.Owner), becomeOwner(s))
	}
	return err
}

// becomeOwner is how somebody else takes over a schedule.
func becomeOwner(s *Schedule) string {
	if s.Target.Trigger != 0 {
		return "Publish the playbook: its schedules then run with the rights of whoever published it."
	}
	return "Change the schedule: it then runs with the rights of whoever changed it."
}

// prepareCommand returns the run of a firing. One that may not be is a run that has failed
// already, so that people find it among the others and see why, which is returned as
// well.
func (f *Firer) prepareCommand(ctx context.Context, s *Schedule) (run.Run, map[string]string, error) {
	request := run.Request{ConnectionID: s.Target.ConnectionID, Command: s.Target.Command, Inputs: s.Target.Inputs, Origin: run.BySchedule}
	var r run.Run
	var secrets map[string]string
	p, err := f.owner(ctx, s)
	if err == nil {
		r, secrets, err = f.Desk.Prepare(ctx, p, request)
	}
	if access.IsHidden(err) {
		err = fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights the schedule runs, may not use its connection any more.", s.Owner),
			"Grant it to them, or change the schedule: it then runs with the rights of whoever changed it.")
	}
	if err != nil {
		r = run.Refused(request, err, f.Now().UTC())
	}
	r.SiteID, r.ScheduleID, r.StartedBy, r.UserID = s.SiteID, s.ID, s.Owner, s.OwnerID
	return r, secrets, err
}

// owner returns who a schedule runs as, with the rights they have now. Nobody else of
// the same name is.
func (f *Firer) owner(ctx context.Context, s *Schedule) (access.Principal, error) {
	owner, err := f.Owners.UserByID(ctx, s.OwnerID)
	if fault.Is(err, fault.NotFound) || err == nil && owner.Disabled {
		err = fault.New(fault.Forbidden, fmt.Sprintf("The schedule runs with the rights of user '%s', who is gone or disabled.", s.Owner), becomeOwner(s))
	}
	if err != nil {
		return access.Principal{}, err
	}
	p := access.NewPrincipal(owner)
	return p, mayRun(p, s)
}

// recordRefusal writes into the audit log that a firing was not allowed.
func (f *Firer) recordRefusal(ctx context.Context, s *Schedule, reason string) {
	entry := access.Entry{
		Time: f.Now().UTC(), Actor: s.Owner, Action: "fire automation schedule", Object: fmt.Sprintf("%d %s", s.ID, s.Name),
		Outcome: access.Refused, Detail: reason,
	}
	if err := f.Journal.Append(ctx, entry); err != nil {
		f.Log.ErrorContext(ctx, "the audit log did not take a row", "error", err, "user", entry.Actor, "action", entry.Action, "object", entry.Object)
	}
}

// needs is the right to run what a schedule runs, and what that is.
func (s *Schedule) needs() (right access.Permission, what string) {
	if s.Target.PlaybookID != 0 {
		return access.RunPlaybook, "playbooks"
	}
	return access.RunCommand, "commands"
}

// mayRun refuses an owner who lost the right to run what a schedule runs.
func mayRun(p access.Principal, s *Schedule) error {
	right, what := s.needs()
	if p.May(right) {
		return nil
	}
	return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights the schedule runs, may not run %s, it needs %s.", p.User.Username, what, right.Label()),
		"Ask a manager to check the permission settings of this account.")
}

// EndOf is how the run of a firing ended, for Finished.
func EndOf(s run.State) End {
	switch s {
	case run.Succeeded, run.Partial:
		return Succeeded
	case run.Cancelled:
		return Cancelled
	}
	return Failed
}
