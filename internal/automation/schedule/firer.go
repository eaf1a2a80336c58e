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

// Firer carries out firings. It is safe for concurrent use.
type Firer struct {
	Schedules Schedules
	Desk      Desk
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
	r, secrets, reason := f.prepare(ctx, &s)
	if _, said := errors.AsType[*fault.Error](reason); reason != nil && !said {
		return fmt.Errorf("prepare run of schedule %d: %w", id, reason) // nobody knows, and the next try may
	}
	for _, firing := range owed {
		r.Fired = firing.At
		if err := f.Schedules.StartFiring(ctx, firing, r, secrets); err != nil {
			return fmt.Errorf("start firing %s of schedule %d: %w", wire(firing.At), id, err)
		}
		if fault.Is(reason, fault.Forbidden) {
			f.recordRefusal(ctx, &s, &r)
		}
	}
	return nil
}

// prepare returns the run of a firing. One that may not be is a run that has failed
// already, so that people find it among the others and see why, which is returned as
// well.
func (f *Firer) prepare(ctx context.Context, s *Schedule) (run.Run, map[string]string, error) {
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
		err = fault.New(fault.Forbidden, fmt.Sprintf("The schedule runs with the rights of user '%s', who is gone or disabled.", s.Owner), "Change the schedule: it then runs with the rights of whoever changed it.")
	}
	if err != nil {
		return access.Principal{}, err
	}
	p := access.NewPrincipal(owner)
	return p, mayRun(p)
}

// recordRefusal writes into the audit log that a firing was not allowed.
func (f *Firer) recordRefusal(ctx context.Context, s *Schedule, r *run.Run) {
	entry := access.Entry{
		Time: f.Now().UTC(), Actor: s.Owner, Action: "fire automation schedule", Object: fmt.Sprintf("%d %s", s.ID, s.Name),
		Outcome: access.Refused, Detail: r.Outcome.Errors[0].Message,
	}
	if err := f.Journal.Append(ctx, entry); err != nil {
		f.Log.ErrorContext(ctx, "the audit log did not take a row", "error", err, "user", entry.Actor, "action", entry.Action, "object", entry.Object)
	}
}

// mayRun refuses an owner who lost the right to run commands.
func mayRun(p access.Principal) error {
	if p.May(access.RunCommand) {
		return nil
	}
	return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights the schedule runs, may not run commands, it needs %s.", p.User.Username, access.RunCommand.Label()),
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
