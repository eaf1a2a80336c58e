package session

import (
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/agentwire"
)

var (
	// errUnknownElsewhere says that somebody who is not the pinned platform, or does
	// not prove to be, does not know this agent.
	errUnknownElsewhere = fmt.Errorf("%w: this agent is said not to be known", errInstruction)
	// errYoung says that the platform does not know an identity that is too young to
	// give up.
	errYoung = errors.New("the platform does not know this agent, which provisioned only lately")
)

// unknown makes a host a new asset whose platform does not know it any more: the
// identity is kept aside and everything tied to it goes. Nothing but the
// platform's signature under this very request makes it do so: whoever is on the
// way could say it, or have kept it from when it was true. An identity too young
// to give up is errYoung: a replica that lags or is broken must not multiply
// assets, so repairs keep INTERVAL_EVENT_PROVISION apart.
func (a *Agent) unknown(err error) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.order == nil {
		return fmt.Errorf("%w, and no signature says so: %w", errUnknownElsewhere, err)
	}
	order, failed := take[agentwire.UnknownAgent](a, refusal.order, agentwire.KindUnknownAgent)
	if failed != nil {
		return fmt.Errorf("%w: %w", errUnknownElsewhere, failed)
	}
	if order.body.Request != refusal.request {
		return fmt.Errorf("%w, in answer to another request: %w", errUnknownElsewhere, err)
	}
	if a.clock.Now().Before(a.due(eventProvision)) {
		return fmt.Errorf("%w: %w", errYoung, err)
	}
	old := a.id
	next, aside, err := replaceIdentity(a.dir, a.keys, old, &Config{})
	if err != nil {
		a.fatal = err
		return nil
	}
	a.log.Error("the platform does not know this agent any more: provisioning again as a new asset", "agent", old.AgentID, "old identity", aside)
	a.startAnew(next)
	return nil
}
