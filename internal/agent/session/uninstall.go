package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// ErrUninstalled says that this host's agent removed itself because its platform
// told it to, and that it stays away.
var ErrUninstalled = errors.New("this agent was uninstalled by its platform")

// departure is an order to uninstall that the agent has taken. It is written
// before anything is removed, so that an agent that is killed on the way goes on
// leaving and never works again.
type departure struct {
	Order     int64     `json:"order"`
	Taken     time.Time `json:"taken"`
	Confirmed time.Time `json:"confirmed,omitzero"` // the platform knows that the agent is gone
}

// ordered takes the order that came with a refusal. Nothing else than an
// instruction signed for this agent makes it leave.
func (a *Agent) ordered(err error) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.order == nil {
		return fmt.Errorf("%w: the platform wants this agent to uninstall itself and sent no order: %w", errInstruction, err)
	}
	order, err := take[agentwire.Uninstall](a, refusal.order, agentwire.KindUninstall)
	if err != nil {
		return err
	}
	next := *a.id
	next.Departure = &departure{Order: order.version, Taken: a.clock.Now().UTC()}
	if err := a.dir.write(identityFile, &next); err != nil {
		a.fatal = err
		return err
	}
	a.id = &next
	a.log.Warn("the platform orders this agent to uninstall itself", "order", order.version, "ordered", order.body.Ordered)
	return nil
}

// checkRevocation asks whether this agent shall uninstall itself.
func (a *Agent) checkRevocation(ctx context.Context) error {
	err := a.client.send(ctx, http.MethodGet, agentwire.PathRevocation, nil, nil, agentwire.MaxMessageBytes)
	if refusedAs(err, agentwire.ProblemUninstall) {
		return a.ordered(err)
	}
	return err
}

// consult brings the next status request forward when a refusal says that the
// agent was removed: that request decides what it means.
func (a *Agent) consult(err error) {
	if refusedAs(err, agentwire.ProblemUnknownAgent) || refusedAs(err, agentwire.ProblemUninstall) {
		a.timers[eventStatus].at(a.clock.Now())
	}
}

// leave removes everything local but the identity and tells the platform, until
// it knows or ctx ends. Whatever step it is killed at, the next run begins again.
func (a *Agent) leave(ctx context.Context) error {
	if !a.id.Departure.Confirmed.IsZero() {
		return ErrUninstalled
	}
	if err := a.dir.clear(); err != nil {
		return err
	}
	for failures := 1; ; failures++ {
		if !a.windows.Active(a.clock.Now()) {
			err := a.confirmDeparture(ctx)
			if err == nil {
				return ErrUninstalled
			}
			if ctx.Err() != nil {
				return nil
			}
			if a.fatal != nil {
				return a.fatal
			}
			a.log.Warn("the platform does not know yet that this agent is gone", "error", err)
		}
		if !a.pause(ctx, a.spread.doubling(failures, firstRetry, a.interval(eventStatus))) {
			return nil
		}
	}
}

// confirmDeparture tells the platform once that the agent has removed itself. An
// answer that would be the same next time settles it as well.
func (a *Agent) confirmDeparture(ctx context.Context) error {
	err := a.client.send(ctx, http.MethodPost, agentwire.PathUninstall, nil, nil, agentwire.MaxMessageBytes)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case refusedAs(err, agentwire.ProblemUnknownAgent) || settled(err):
		a.log.Warn("the platform has no order to uninstall this agent any more", "error", err)
	case err != nil:
		return fmt.Errorf("confirm uninstall: %w", err)
	}
	next, gone := *a.id, *a.id.Departure
	gone.Confirmed = a.clock.Now().UTC()
	next.Departure = &gone
	if err := a.dir.write(identityFile, &next); err != nil {
		a.fatal = err
		return err
	}
	a.id = &next
	a.log.Info("uninstalled: the identity stays in the state folder", "agent", next.AgentID, "order", gone.Order)
	return nil
}

// pause waits and refuses local demands meanwhile. It reports false when ctx
// ended.
func (a *Agent) pause(ctx context.Context, d time.Duration) bool {
	expired, stop := a.clock.Timer(d)
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-expired:
			return true
		case call := <-a.demands:
			call.answer <- demandAnswer{err: ErrUninstalled}
		}
	}
}

// returnAnew makes a host that was uninstalled ready to be provisioned as a new
// asset. The platform hears first that the former agent is gone.
func (a *Agent) returnAnew(ctx context.Context) error {
	if err := a.dir.clear(); err != nil {
		return err
	}
	if a.id.Departure.Confirmed.IsZero() {
		if err := a.confirmDeparture(ctx); err != nil {
			return err
		}
	}
	next, aside, err := replaceIdentity(a.dir, a.keys, a.id, &a.cfg)
	if err != nil {
		return err
	}
	a.log.Info("provisioning as a new asset", "former agent", a.id.AgentID, "old identity", aside)
	a.id, a.state = next, newState()
	if err := a.cfg.Files.Prepare(); err != nil {
		return err
	}
	a.renewClient()
	return nil
}
