package conductor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// Desk is where runs are asked for, and where people say how they go on. The users
// of a site see its runs. It is safe for concurrent use.
type Desk struct {
	Records  Records
	Shelf    library.Shelf
	Programs Programs
	Sites    *connection.Directory
	Now      func() time.Time
	// Random returns a number in [0, 1); it must be safe for concurrent use.
	Random func() float64
}

// Request is a run that somebody wants.
type Request struct {
	PlaybookID int64
	// Version is the number of the version; 0 for the live one.
	Version int64
	Inputs  map[string]any
	// Times is how times among the inputs are written, beside RFC 3339; nil for that
	// alone.
	Times   integration.TimeReader
	Key     string
	Address string // where the request came from
}

// Start queues a run by hand, with the rights of the principal. Versions that are
// not live are for those who may edit playbooks. A request that repeats the key of an
// earlier one of the same user gets the run of that one, and false.
func (d *Desk) Start(ctx context.Context, p access.Principal, req Request) (Run, bool, error) {
	pb, err := library.See(ctx, d.Shelf, d.Sites, p, req.PlaybookID)
	if err != nil {
		return Run{}, false, err
	}
	number := req.Version
	switch {
	case number == 0 && pb.Live == 0:
		return Run{}, false, library.NotLive(pb.Name)
	case number == 0:
		number = pb.Live
	}
	if err := mayStart(p, pb, number); err != nil {
		return Run{}, false, err
	}
	if err := run.CheckKey(req.Key); err != nil {
		return Run{}, false, err
	}
	v, err := d.Shelf.Version(ctx, pb.ID, number)
	if err != nil {
		return Run{}, false, err
	}
	program, err := d.Programs.Program(ctx, v)
	if err != nil {
		return Run{}, false, err
	}
	if !program.Definition.Triggers.Manual && number == pb.Live {
		return Run{}, false, fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s' is not started by hand: its text has no manual trigger.", pb.Name), "Add manual: {} to its triggers (on:), or run its draft.")
	}
	r := Of(v, p.User, d.Now())
	if number == pb.Live {
		r.Publishers = PublishersOf(pb)
	}
	r.Trigger, r.Address = Trigger{Kind: playbook.TriggerManual}, req.Address
	if r.Inputs, err = readTimes(program.Definition, req.Inputs, req.Times); err != nil {
		return Run{}, false, err
	}
	if _, err := inputsOf(program.Definition, r.Inputs); err != nil {
		return Run{}, false, err
	}
	if req.Key != "" {
		r.Key = fmt.Sprintf("user:%d:%s", p.User.ID, req.Key)
	}
	started, created, err := d.Records.StartRun(ctx, r)
	if err == nil && !created && (started.VersionID != r.VersionID || !sameInputs(started.Inputs, r.Inputs)) {
		err = fault.New(fault.Conflict, fmt.Sprintf("Idempotency-Key: it was used for run %d, with other inputs or another version.", started.ID), "Use a key of its own for each request.")
	}
	return started, created, err
}

// readTimes returns inputs with their times in RFC 3339, whatever format the next
// reader has.
func readTimes(d *playbook.Definition, given map[string]any, times integration.TimeReader) (map[string]any, error) {
	inputs := map[string]any{}
	maps.Copy(inputs, given)
	for _, in := range d.Inputs {
		text, isText := inputs[in.Name].(string)
		if in.Type != playbook.TypeDateTime || !isText || times == nil {
			continue
		}
		at, err := times.ReadTime(text, false)
		if err != nil {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Input %s: %v.", in.Name, err), "")
		}
		inputs[in.Name] = at.UTC().Format(time.RFC3339Nano)
	}
	return inputs, nil
}

// mayStart refuses versions that are not live to those who may not edit playbooks.
func mayStart(p access.Principal, pb library.Playbook, number int64) error {
	if number == pb.Live || p.May(access.EditPlaybook) {
		return nil
	}
	return fault.New(fault.Forbidden, fmt.Sprintf("Version %d of playbook '%s' is not live, and user '%s' may run live versions only.", number, pb.Name, p.User.Username), "Run the live version, or ask for the permission "+access.EditPlaybook.Label()+".")
}

// Of returns a queued run of a version with the rights of a user.
func Of(v library.Version, u access.User, now time.Time) Run {
	now = now.UTC()
	return Run{
		PlaybookID: v.PlaybookID, VersionID: v.ID, Playbook: v.Playbook, Version: v.Number, SiteID: v.SiteID,
		StartedBy: u.Username, UserID: u.ID, State: Queued, Queued: now, Due: now,
	}
}

// PublishersOf returns who vouches for the live version of a playbook.
func PublishersOf(pb library.Playbook) []run.Publisher {
	return []run.Publisher{{ID: pb.PublisherID, Name: pb.Publisher, Playbook: pb.Name}}
}

// seen refuses, as hidden, what is of a site whose runs the principal does not see.
func (d *Desk) seen(ctx context.Context, p access.Principal, site int64, absent error) error {
	visible, err := d.Sites.VisibleSites(ctx, p)
	if err == nil && !visible.Has(site) {
		err = access.Hidden(absent)
	}
	return err
}

// NoRun is the error for a run that does not exist, or that who asks does not see.
func NoRun(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no playbook run %d.", id), "List the runs there are.")
}

// NoQuestion is the error for a question that does not exist, or that who asks does
// not see.
func NoQuestion(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no question %d.", id), "List the questions there are.")
}

// Get returns a run that the principal sees.
func (d *Desk) Get(ctx context.Context, p access.Principal, id int64) (Run, error) {
	r, err := d.Records.PlaybookRun(ctx, id)
	if err != nil {
		return Run{}, err
	}
	if err := d.seen(ctx, p, r.SiteID, NoRun(id)); err != nil {
		return Run{}, err
	}
	return r, nil
}

// Commands returns the runs of commands with ids greater than after of a run that the
// principal sees, without raw data, in the order in which they began, at most limit, and
// whether there are more.
func (d *Desk) Commands(ctx context.Context, p access.Principal, id, after int64, limit int) ([]run.Run, bool, error) {
	if _, err := d.Get(ctx, p, id); err != nil {
		return nil, false, err
	}
	found, err := d.Records.StepRuns(ctx, id, after, limit+1)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

// List returns runs that the principal sees, newest first, without progress. A playbook
// or a parent that is asked for and that they do not see is fault.NotFound, whether it
// exists or not.
func (d *Desk) List(ctx context.Context, p access.Principal, f Filter) ([]Run, error) {
	if f.PlaybookID != 0 {
		if _, err := library.See(ctx, d.Shelf, d.Sites, p, f.PlaybookID); err != nil {
			return nil, err
		}
	}
	if f.ParentID != 0 {
		if _, err := d.Get(ctx, p, f.ParentID); err != nil {
			return nil, err
		}
	}
	visible, err := d.Sites.VisibleSites(ctx, p)
	if err != nil || visible.None() {
		return nil, err
	}
	f.SiteIDs = visible.IDs()
	return d.Records.PlaybookRuns(ctx, f)
}

// Cancel has a run end: what was sent is stopped, or comes to its end, and nothing
// more begins.
func (d *Desk) Cancel(ctx context.Context, p access.Principal, id int64) (Run, error) {
	return d.tell(ctx, p, id, engine.Cancelled{})
}

// Pause has a run begin nothing more until it is resumed; what was sent ends.
func (d *Desk) Pause(ctx context.Context, p access.Principal, id int64) (Run, error) {
	return d.tell(ctx, p, id, engine.Paused{})
}

// Resume lets a paused run go on.
func (d *Desk) Resume(ctx context.Context, p access.Principal, id int64) (Run, error) {
	return d.tell(ctx, p, id, engine.Resumed{})
}

// tell tells a run what a person wants of it.
func (d *Desk) tell(ctx context.Context, p access.Principal, id int64, event engine.Event) (Run, error) {
	r, err := d.Get(ctx, p, id)
	if err != nil {
		return Run{}, err
	}
	if r.Parent.RunID != 0 {
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("Run %d was begun by step %s of run %d.", id, r.Parent.Step, r.Parent.RunID), fmt.Sprintf("Say so of run %d.", r.Parent.RunID))
	}
	return d.change(ctx, id, func(ctx context.Context, t Turn) (engine.Event, error) {
		if r := t.Run(); r.State.Ended() {
			return nil, fault.New(fault.Conflict, fmt.Sprintf("Run %d has ended: it is %s.", id, r.State), "")
		}
		return event, nil
	})
}

// change has the engine take in an event that a person causes, and wakes who
// conducts the run.
func (d *Desk) change(ctx context.Context, id int64, event func(ctx context.Context, t Turn) (engine.Event, error)) (Run, error) {
	v, calls, err := d.Records.RunVersion(ctx, id)
	if err != nil {
		return Run{}, err
	}
	program, err := d.Programs.Pinned(ctx, v, calls)
	if err != nil {
		return Run{}, err
	}
	var after Run
	err = d.Records.Turn(ctx, id, func(ctx context.Context, t Turn) error {
		e, err := event(ctx, t)
		if err != nil {
			return err
		}
		after, err = d.apply(ctx, t, program, e)
		return err
	})
	return after, err
}

// apply applies an event to a run. What follows is for who conducts it: it finds it
// in the state.
func (d *Desk) apply(ctx context.Context, t Turn, program *playbook.Program, event engine.Event) (Run, error) {
	now := d.Now().UTC()
	s := &step{
		conducting: &conducting{Conductor: &Conductor{}, id: t.Run().ID, program: program, engine: engine.New(program, d.Random), fields: map[string]any{}},
		turn:       t, run: t.Run(), now: now, memory: &memory{turn: t, program: program, fields: map[string]any{}},
	}
	if err := s.open(ctx); err != nil || s.state == nil {
		return t.Run(), err
	}
	s.asked = asks(s.state)
	actions, err := s.engine.Advance(ctx, s.state, s.memory, event, now)
	if errors.Is(err, engine.ErrStale) {
		return Run{}, stale(t.Run(), event)
	}
	if err != nil {
		return Run{}, err
	}
	if err := s.act(ctx, actions); err != nil {
		return Run{}, err
	}
	if err := s.store(ctx); err != nil {
		return Run{}, err
	}
	r := t.Run()
	if r.State.Ended() {
		return r, nil
	}
	r.Due = now
	return r, t.Write(ctx, r, true)
}

// stale says that what a person wants is not possible any more.
func stale(r Run, event engine.Event) error {
	what := "It was answered already, or has gone on without an answer."
	switch event.(type) {
	case engine.Paused:
		what = "It is paused already, or about to end."
	case engine.Resumed:
		what = "It is not paused."
	case engine.Cancelled:
		what = "It is about to end."
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Run %d has gone on since. %s", r.ID, what), "Look at the run.")
}

// Again starts a run that goes on where one stopped that has ended, with the same
// version and inputs and the rights of the principal. What it calls are the versions
// that are live now. Who published the version vouches for it, also when it is not live
// any more.
func (d *Desk) Again(ctx context.Context, p access.Principal, id int64, address string) (Run, error) {
	old, err := d.Get(ctx, p, id)
	if err != nil {
		return Run{}, err
	}
	switch {
	case !old.State.Ended():
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("Run %d has not ended: it is %s.", id, old.State), "Cancel it first, or let it end.")
	case old.State == Succeeded:
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("Run %d was successful: there is nothing to go on with.", id), "Start the playbook anew.")
	case old.Parent.RunID != 0:
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("Run %d was begun by step %s of run %d.", id, old.Parent.Step, old.Parent.RunID), "Go on with that one.")
	case old.VersionID == 0:
		return Run{}, fault.New(fault.Conflict, fmt.Sprintf("The playbook '%s' of run %d was deleted.", old.Playbook, id), "Save it anew, and start it.")
	}
	pb, err := library.See(ctx, d.Shelf, d.Sites, p, old.PlaybookID)
	if err != nil {
		return Run{}, err
	}
	if err := mayStart(p, pb, old.Version); err != nil {
		return Run{}, err
	}
	v, _, err := d.Records.RunVersion(ctx, id)
	if err != nil {
		return Run{}, err
	}
	program, err := d.Programs.Program(ctx, v)
	if err != nil {
		return Run{}, err
	}
	if err := d.worthAgain(&old, program); err != nil {
		return Run{}, err
	}
	r := Of(v, p.User, d.Now())
	r.Trigger, r.Inputs, r.Address, r.RerunOf = old.Trigger, old.Inputs, address, id
	if r.Publishers = old.Publishers; v.Number == pb.Live {
		r.Publishers = PublishersOf(pb)
	}
	made, _, err := d.Records.StartRun(ctx, r)
	return made, err
}

// worthAgain refuses to go on with a run that nothing stopped and in which nothing would
// begin anew: the new run would end at once, as the old one did.
func (d *Desk) worthAgain(old *Run, program *playbook.Program) error {
	if old.State != Partial {
		return nil
	}
	was, err := old.progress()
	if err != nil || was == nil || engine.New(program, d.Random).Reruns(was) {
		return err
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Run %d was partially successful, and no step stopped it: there is nothing to go on with.", old.ID),
		"Start the playbook anew for what failed. The items of a forEach that failed are gone on with if it has onPartial: fail.")
}
