package conductor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// Programs is where versions are compiled; *library.Programs is one.
type Programs interface {
	// Program returns the program of a version; fault.Conflict if it does not fit what
	// there is now.
	Program(ctx context.Context, v library.Version) (*playbook.Program, error)
	// Pinned returns the program of a version that calls these versions of others;
	// fault.Conflict if it does not fit them, or the commands there are now.
	Pinned(ctx context.Context, v library.Version, calls []library.Version) (*playbook.Program, error)
}

// Commands carries out commands of integrations; *run.Runner is one.
type Commands interface {
	// Perform calls the command of a run that has begun and returns what it came to,
	// without secrets.
	Perform(ctx context.Context, b *run.Beginning) integration.Answer
}

// Core carries out core commands.
type Core interface {
	// Execute carries out a core command with its inputs for a run. key is the same
	// however often the same execution is sent.
	Execute(ctx context.Context, r Run, uses, key string, inputs map[string]any) automation.Outcome
}

// Conductor carries runs out. It is safe for concurrent use.
type Conductor struct {
	Turns    Turns
	Programs Programs
	Commands Commands
	Core     Core
	Now      func() time.Time
	// Random returns a number in [0, 1); it must be safe for concurrent use.
	Random func() float64
	Log    *slog.Logger
	// Room bounds the commands under way on this replica; a send takes a place.
	Room chan struct{}

	// Stopping returns what is closed when the platform begins to stop, for the context
	// of a call of Conduct: it begins nothing more then, and waits for as long as Grace
	// for the commands under way. Lost reports whether somebody else may have the run by
	// now, so that nothing more is to be said of it. Nil for never.
	Stopping func(ctx context.Context) <-chan struct{}
	Grace    time.Duration
	Lost     func(ctx context.Context) bool
}

// ErrStopping is the end of Conduct because the platform stops. The run is to be
// taken up as soon as there is somebody who can.
var ErrStopping = errors.New("the platform stops")

// Conduct carries a run on as far as it goes without waiting long. What it stores
// says when it is to be called again. It may be called at any time, and again after
// it was cut off. When ctx ends, it stores what is known by then, unless the run is
// lost, within some seconds.
func (c *Conductor) Conduct(ctx context.Context, id int64) error {
	var stopping <-chan struct{}
	if c.Stopping != nil {
		stopping = c.Stopping(ctx)
	}
	if closed(stopping) {
		return ErrStopping
	}
	version, calls, err := c.Turns.RunVersion(ctx, id)
	var program *playbook.Program
	if err == nil {
		program, err = c.Programs.Pinned(ctx, version, calls)
	}
	if failure, ok := errors.AsType[*fault.Error](err); ok && (failure.Code == fault.NotFound || failure.Code == fault.Conflict) {
		return c.fail(ctx, id, failure)
	}
	if err != nil {
		return err
	}
	conducting := &conducting{
		Conductor: c, id: id, program: program, engine: engine.New(program, c.Random), fields: map[string]any{},
		flights: map[engine.Ref]*flight{}, landed: make(chan landing, playbook.MaxItems), until: c.Now().Add(Limit), stopping: stopping,
	}
	defer conducting.leave(ctx)
	return conducting.conduct(ctx)
}

// closed reports whether a channel is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// GiveUp ends a run that could not be conducted, again and again.
func (c *Conductor) GiveUp(ctx context.Context, id int64, failure error) error {
	c.Log.ErrorContext(ctx, "a run of a playbook failed for good", "run", id, "error", failure)
	return c.fail(ctx, id, fault.New(fault.Internal, "The platform could not carry the run on; its log says why.", "Start it again."))
}

// fail ends a run that cannot go on.
func (c *Conductor) fail(ctx context.Context, id int64, failure *fault.Error) error {
	err := c.Turns.Turn(ctx, id, func(ctx context.Context, t Turn) error {
		r := t.Run()
		if r.State.Ended() {
			_, err := t.Called(ctx) // what it began may end after it; that is noted here
			return err
		}
		r.State, r.Ended, r.Due = Failed, c.Now().UTC(), time.Time{}
		r.Error = &engine.Error{Indicator: "Playbook " + r.Playbook + " failed.", StatusCode: automation.StatusOf(failure), Message: failure.Message, Resolution: failure.Resolution}
		return t.Write(ctx, r, false)
	})
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end run %d: %w", id, err)
	}
	return nil
}
