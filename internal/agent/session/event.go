package session

import (
	"context"
	"time"

	"vedette.dev/vedette/performance"
)

// event is one kind of exchange with the platform; docs/states.md draws them.
// Each has one handler. In the normal mode the answer to the consolidated status
// triggers those that have no timer of their own; in the legacy mode every one
// runs from a timer.
type event int

// The events, in the order in which those that are due are handled.
const (
	eventProvision        event = iota // register this host, or repair a registration the platform does not know
	eventStatus                        // the status request
	eventCheckRevocation               // must this agent uninstall itself?
	eventConfig                        // fetch the profile
	eventManifest                      // fetch the manifest
	eventReport                        // tell how an on-demand request stands
	eventReportUpgrade                 // tell how an upgrade ended
	eventConfirmDelta                  // was the upload processed?
	eventUploadChangelist              // send what a scan found changed
	eventSelfPatch                     // look for another version of the agent
	eventExecuteSetup                  // go to it
	eventWakeup                        // hold the wake-up poll
	events                             // how many there are
)

// String returns the event as docs/states.md has it.
func (e event) String() string {
	return [events]string{
		"provision", "status", "check revocation", "config", "manifest", "report", "report upgrade", "confirm delta", "upload changelist",
		"self patch", "execute setup", "wake-up",
	}[e]
}

// interval returns the time between two events of a kind. Reports and wake-up
// polls follow from what happens and have none.
func (e event) interval(s performance.Settings) time.Duration {
	switch e {
	case eventProvision:
		return s.ProvisionInterval()
	case eventStatus:
		return s.StatusInterval()
	case eventCheckRevocation:
		return s.RevocationInterval()
	case eventConfig:
		return s.ConfigurationInterval()
	case eventManifest:
		return s.ManifestInterval()
	case eventConfirmDelta:
		return s.DeltaConfirmInterval()
	case eventUploadChangelist:
		return s.DeltaUploadInterval()
	case eventSelfPatch:
		return s.UpgradeCheckInterval()
	case eventExecuteSetup:
		return s.UpgradeRetryInterval()
	default:
		return 0
	}
}

// legacy reports whether the interval is one of the parameters that only legacy
// agents follow. To every other one it is the Low value.
func (e event) legacy() bool {
	switch e {
	case eventProvision, eventCheckRevocation, eventConfig, eventManifest, eventConfirmDelta, eventSelfPatch:
		return true
	default:
		return false
	}
}

// handler is what an agent does when an event is due.
type handler struct {
	event  event
	wanted func(*Agent) bool
	handle func(*Agent, context.Context)
}

// handlers are in the order in which events that are due are handled. Each is
// one request or few, so that none starves the others.
var handlers = [events]handler{
	{eventProvision, func(a *Agent) bool { return !a.id.provisioned() }, (*Agent).tryProvision},
	{eventStatus, (*Agent).registered, (*Agent).contact},
	{eventCheckRevocation, (*Agent).byTimers, onTimer(eventCheckRevocation, (*Agent).checkRevocation)},
	{eventConfig, (*Agent).byTimers, onTimer(eventConfig, (*Agent).storeProfile)},
	{eventManifest, (*Agent).byTimers, onTimer(eventManifest, (*Agent).storeManifest)},
	{eventReport, (*Agent).reportWanted, (*Agent).report},
	{eventReportUpgrade, (*Agent).upgradeReportWanted, (*Agent).reportUpgrade},
	{eventConfirmDelta, (*Agent).confirmWanted, (*Agent).confirmDelta},
	{eventUploadChangelist, (*Agent).uploadWanted, (*Agent).upload},
	{eventSelfPatch, (*Agent).selfPatchWanted, (*Agent).selfPatch},
	{eventExecuteSetup, (*Agent).setupWanted, (*Agent).executeSetup},
	{eventWakeup, (*Agent).pollWanted, (*Agent).startPoll},
}

// possible reports whether an event may be handled once it is due. Before the
// platform has taken a status request of this run, everything else there is to
// send may be another machine's.
func (h handler) possible(a *Agent) bool {
	return h.wanted(a) && (a.welcome || h.event <= eventStatus)
}

func (a *Agent) registered() bool { return a.id.provisioned() }

// byTimers reports whether the legacy timers run.
func (a *Agent) byTimers() bool { return a.cfg.Legacy && a.id.provisioned() }

// interval returns the time between two events of a kind under the profile in
// force. No setting takes an agent out of reach for good.
func (a *Agent) interval(e event) time.Duration {
	settings := a.settings()
	if e.legacy() && !a.cfg.Legacy {
		settings = nil
	}
	return min(e.interval(settings), maxInterval)
}

// due returns when an event is to be handled, if it is wanted.
func (a *Agent) due(e event) time.Time {
	at := a.timers[e].due(a.interval(e))
	if e == eventConfirmDelta { // nothing is scanned against a base that is not sure
		at = earliest(at, a.scanWanted())
	}
	return at
}

// talk handles the first event that is due and reports whether there was one.
// No handler outlasts the start of a blackout.
func (a *Agent) talk(ctx context.Context, now time.Time) bool {
	if blackout, ok := a.windows.Next(now); ok {
		limited, cancel := context.WithTimeout(ctx, blackout.Sub(now))
		defer cancel()
		ctx = limited
	}
	for _, h := range handlers {
		if h.possible(a) && !now.Before(a.due(h.event)) {
			a.handling.Store(&Handling{h.event.String(), now.UTC()})
			h.handle(a, ctx)
			a.handling.Store(nil)
			return true
		}
	}
	return false
}

// talkDue returns when talk has something to do next.
func (a *Agent) talkDue() time.Time {
	var next time.Time
	for _, h := range handlers {
		if h.possible(a) {
			next = earliest(next, a.due(h.event))
		}
	}
	return next
}

// startTimers begins a run: what a legacy agent has timers for is asked at once,
// and by agents that were started together not all at one moment.
func (a *Agent) startTimers(now time.Time) {
	first := now
	if !a.state.LastContact.IsZero() {
		first = now.Add(a.spread.below(startSpread))
	}
	for _, e := range []event{eventStatus, eventCheckRevocation, eventConfig, eventManifest, eventSelfPatch} {
		a.timers[e].at(first)
	}
	if !a.id.provisioned() {
		return
	}
	repaired := a.id.Provisioned
	if repaired.After(now) { // by a clock that was wrong then, or is now
		repaired = now
	}
	a.timers[eventProvision].start(repaired, a.spread.regular())
}

// onTimer makes the handler of an event one that is triggered by its own timer.
func onTimer(e event, handle func(*Agent, context.Context) error) func(*Agent, context.Context) {
	return func(a *Agent, ctx context.Context) {
		a.active = true
		err := handle(a, ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.consult(err)
			a.failed(e, err)
			return
		}
		a.again(e)
		a.succeeded(e)
	}
}

// again starts the timer of an event that was handled.
func (a *Agent) again(e event) {
	t, factor := &a.timers[e], a.spread.regular()
	if t.failures > 0 {
		factor = a.spread.recovered()
	}
	t.start(a.clock.Now(), factor)
}
