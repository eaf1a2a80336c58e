package schedule

import (
	"context"
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
	// UserByName returns the user, or fault.NotFound.
	UserByName(ctx context.Context, username string) (access.User, error)
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
	Now       func() time.Time
	Log       *slog.Logger
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
	r, secrets := f.prepare(ctx, s)
	for _, firing := range owed {
		r.Fired = firing.At
		if err := f.Schedules.StartFiring(ctx, firing, r, secrets); err != nil {
			return fmt.Errorf("start firing %s of schedule %d: %w", wire(firing.At), id, err)
		}
	}
	return nil
}

// prepare returns the run of a firing. One that may not be is a run that has failed
// already, so that people find it among the others and see why.
func (f *Firer) prepare(ctx context.Context, s Schedule) (run.Run, map[string]string) {
	request := run.Request{ConnectionID: s.Target.ConnectionID, Command: s.Target.Command, Inputs: s.Target.Inputs, Origin: run.BySchedule}
	var r run.Run
	var secrets map[string]string
	owner, err := f.Owners.UserByName(ctx, s.Owner)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && owner.Disabled:
		err = fault.New(fault.Forbidden, fmt.Sprintf("The schedule runs with the rights of user '%s', who is gone or disabled.", s.Owner), "Change the schedule: it then runs with the rights of whoever changed it.")
	case err == nil:
		p := access.NewPrincipal(owner)
		if err = mayRun(p); err == nil {
			r, secrets, err = f.Desk.Prepare(ctx, p, request)
		}
	}
	if err != nil {
		r = run.Refused(request, err, f.Now().UTC())
	}
	r.SiteID, r.ScheduleID, r.StartedBy = s.SiteID, s.ID, s.Owner
	return r, secrets
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
