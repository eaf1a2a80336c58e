package run

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fault"
)

// Desk is where runs are asked for. It is safe for concurrent use.
type Desk struct {
	Records     Records
	Connections *connection.Directory
	Now         func() time.Time
}

// Request is a run that somebody wants.
type Request struct {
	ConnectionID int64
	Command      string
	// Inputs by name, or by the name that people see.
	Inputs  map[string]any
	Times   integration.TimeReader // how times among the inputs are written
	Origin  Origin
	Address string // where the request came from
	DryRun  bool
	Force   bool
	Wait    *integration.Wait
	Key     string
	RerunOf int64
	// Planned is not to be run now: its connection need not be ready yet.
	Planned bool
}

// Ask checks a request and queues a run. A request that repeats the key of an
// earlier one of the same user gets the run of that one, and false; another request with
// its key is fault.Conflict.
func (d *Desk) Ask(ctx context.Context, p access.Principal, req Request) (Run, bool, error) {
	r, secrets, err := d.Prepare(ctx, p, req)
	if err != nil {
		return Run{}, false, err
	}
	return d.Records.CreateRun(ctx, r, secrets)
}

// Prepare checks a request and returns the run that it asks for, with its secret
// inputs. Nothing is stored.
func (d *Desk) Prepare(ctx context.Context, p access.Principal, req Request) (Run, map[string]string, error) {
	c, err := d.Connections.Get(ctx, p, req.ConnectionID)
	if err != nil {
		return Run{}, nil, err
	}
	if err := c.Ready(); err != nil && !req.Planned {
		return Run{}, nil, err
	}
	r, secrets, err := d.prepare(&c.Connection, req)
	r.StartedBy, r.UserID = p.User.Username, p.User.ID
	return r, secrets, err
}

// Refused is the run of a request that was refused, for those that nobody waits for
// who could be told: it has failed with the reason.
func Refused(req Request, reason error, at time.Time) Run {
	r := Run{ConnectionID: req.ConnectionID, Command: req.Command, Inputs: req.Inputs, Origin: req.Origin, State: Failed, Queued: at, Ended: at}
	for _, i := range integration.Integrations() {
		if _, known := i.Command(req.Command); known {
			r.Integration = i.Name
		}
	}
	r.Outcome = automation.Failure(indicator(&r), reason)
	return r
}

// prepare checks a request against the command it is for.
func (d *Desk) prepare(c *connection.Connection, req Request) (Run, map[string]string, error) {
	command, err := find(c.Integration, req.Command)
	if err != nil {
		return Run{}, nil, err
	}
	if err := CheckKey(req.Key); err != nil {
		return Run{}, nil, err
	}
	values, err := command.Check(req.Inputs, req.Times)
	if err != nil {
		return Run{}, nil, err
	}
	if err := checkWait(req.Wait, command); err != nil {
		return Run{}, nil, err
	}
	inputs, secrets := Masked(command, values)
	return Run{
		ConnectionID: c.ID, ConnectionName: c.Name, SiteID: c.SiteID, Integration: command.Integration, Command: command.Name, Inputs: inputs,
		Origin: req.Origin, Address: req.Address, DryRun: req.DryRun, Force: req.Force, Wait: req.Wait, Key: req.Key, RerunOf: req.RerunOf,
		State: Queued, Queued: d.Now().UTC(),
	}, secrets, nil
}

// checkWait refuses a wait that cannot be, or would have no end.
func checkWait(w *integration.Wait, command integration.Command) error {
	switch {
	case w == nil:
		return nil
	case !command.Waits:
		return fault.New(fault.Invalid, "wait: "+command.DisplayName+" begins nothing that could be waited for.", "Leave wait out.")
	case w.Interval < 0 || w.Interval > MaxAge, w.Interval > 0 && w.Interval < MinWaitInterval:
		return fault.New(fault.Invalid, fmt.Sprintf("wait.interval: invalid value '%s'.", w.Interval), fmt.Sprintf("Specify wait.interval as a duration of at least %s.", MinWaitInterval))
	case w.Timeout < 0 || w.Timeout > MaxAge:
		return fault.New(fault.Invalid, fmt.Sprintf("wait.timeout: invalid value '%s'.", w.Timeout), fmt.Sprintf("Specify wait.timeout as a duration of at most %s.", MaxAge))
	}
	return nil
}

// keyPattern is what an idempotency key may be: it travels in a header.
var keyPattern = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)

// CheckKey refuses, with fault.Invalid, what cannot be an idempotency key; empty is
// none.
func CheckKey(key string) error {
	if key == "" || keyPattern.MatchString(key) {
		return nil
	}
	return fault.New(fault.Invalid, "Idempotency-Key: invalid value.", fmt.Sprintf("Use 1 to %d printable ASCII characters without spaces.", MaxKeyBytes))
}

// Masked takes the secrets out of the inputs of a command.
func Masked(command integration.Command, values integration.Values) (integration.Values, map[string]string) {
	inputs, secrets := integration.Values{}, map[string]string{}
	for name, value := range values {
		inputs[name] = value
		if in, _ := command.Input(name); in.Type == integration.Secret {
			inputs[name], secrets[name] = connection.Kept, values.Text(name)
		}
	}
	return inputs, secrets
}

// Get returns a run of a connection that the principal sees, with its outcome.
func (d *Desk) Get(ctx context.Context, p access.Principal, id int64) (Run, error) {
	r, err := d.Records.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	return r, d.mayRead(ctx, p, &r)
}

// mayRead refuses runs of connections that the principal does not see; those of
// deleted ones are for managers.
func (d *Desk) mayRead(ctx context.Context, p access.Principal, r *Run) error {
	if p.Manager() {
		return nil
	}
	if r.ConnectionID != 0 {
		_, err := d.Connections.Get(ctx, p, r.ConnectionID)
		if err == nil || !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return access.Hidden(NoRun(r.ID))
}

// NoRun is the error for a run that does not exist, or that who asks does not see.
func NoRun(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no run %d.", id), "List the runs there are.")
}

// List returns runs of the connections that the principal sees, newest first,
// without raw data. One that is asked for and that they do not see is fault.NotFound,
// whether it exists or not.
func (d *Desk) List(ctx context.Context, p access.Principal, f Filter) ([]Run, error) {
	for _, id := range f.ConnectionIDs {
		if _, err := d.Connections.Get(ctx, p, id); err != nil {
			return nil, err
		}
	}
	if f.ConnectionIDs == nil && !p.Manager() {
		visible, err := d.Connections.List(ctx, p)
		if err != nil || len(visible) == 0 {
			return nil, err
		}
		for i := range visible {
			f.ConnectionIDs = append(f.ConnectionIDs, visible[i].ID)
		}
	}
	return d.Records.Runs(ctx, f)
}

// Cancel ends a run. What was sent to the platform already is not taken back.
func (d *Desk) Cancel(ctx context.Context, p access.Principal, id int64) (Run, error) {
	r, err := d.Get(ctx, p, id)
	if err != nil {
		return Run{}, err
	}
	if r.PlaybookRunID != 0 {
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("Run %d is that of a step of playbook run %d.", id, r.PlaybookRunID), "Cancel the run of the playbook.")
	}
	now := d.Now().UTC()
	r.State, r.Ended = Cancelled, now
	r.Outcome.State = automation.Failed
	r.Outcome.Errors = append(r.Outcome.Errors, automation.Error{
		Indicator: indicator(&r), StatusCode: automation.StatusCancelled,
		Message: fmt.Sprintf("The run was cancelled by '%s'.", p.User.Username), Resolution: "What was sent before is not taken back.",
	})
	return r, d.Records.CancelRun(ctx, r, now)
}

// Again queues a run that repeats one, with the same inputs, as a new run of the
// principal. Inputs that are secret are not kept and have to be given anew.
func (d *Desk) Again(ctx context.Context, p access.Principal, id int64, req Request) (Run, error) {
	old, err := d.Get(ctx, p, id)
	if err != nil {
		return Run{}, err
	}
	if old.ConnectionID == 0 {
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("The connection '%s' of run %d was deleted.", old.ConnectionName, id), "Run the command with another connection.")
	}
	inputs := map[string]any{}
	for name, value := range old.Inputs {
		if value == connection.Kept {
			return Run{}, fault.New(fault.Invalid, fmt.Sprintf("Run %d had the secret input %s, which is not kept.", id, name), "Run the command with all of its inputs.")
		}
		inputs[name] = value
	}
	again, _, err := d.Ask(ctx, p, Request{
		ConnectionID: old.ConnectionID, Command: old.Command, Inputs: inputs, Origin: req.Origin, Address: req.Address,
		DryRun: old.DryRun, Force: old.Force, Wait: old.Wait, RerunOf: id,
	})
	return again, err
}

// CancelledBySchedule is the error of a run that was cancelled because its schedule
// fired again.
func CancelledBySchedule(r *Run) automation.Error {
	return automation.Error{
		Indicator: indicator(r), StatusCode: automation.StatusCancelled, Message: "The run was cancelled because its schedule fired again.",
		Resolution: "What was sent before is not taken back.",
	}
}

// find returns a command of an integration, or fault.Invalid that names those there
// are.
func find(of, name string) (integration.Command, error) {
	i, known := integration.Find(of)
	if !known {
		return integration.Command{}, fault.New(fault.Conflict, "There is no integration '"+of+"' in this version.", "Delete its connections.")
	}
	command, known := i.Command(name)
	if !known {
		names := make([]string, len(i.Commands))
		for n, c := range i.Commands {
			names[n] = c.Name
		}
		return command, fault.New(fault.Invalid, fmt.Sprintf("command: %s has no command '%s'.", i.DisplayName, automation.Echo(name)), "Use one of "+strings.Join(names, ", ")+".")
	}
	return command, nil
}

// indicator is the first line of the errors of a command.
func indicator(r *Run) string {
	if command, err := find(r.Integration, r.Command); err == nil {
		return command.Indicator
	}
	return r.Command + " failed."
}
