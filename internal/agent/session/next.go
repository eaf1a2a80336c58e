package session

import (
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// Next is something that a running agent does now or is about to do.
type Next struct {
	Event  string     `json:"event"`        // as docs/states.md has it, "upgrade", or a scan of a module, such as "inventory scan"
	At     *time.Time `json:"at,omitempty"` // none for what is in progress, or waits for something else
	Reason string     `json:"reason"`
}

// scanOf is what a scan of a module is called beside the events.
func scanOf(module agentwire.Module) string { return string(module) + " scan" }

// nextEvents returns what is in progress and what comes, soonest first.
func (a *Agent) nextEvents(now time.Time) []Next {
	var next []Next
	for _, h := range handlers {
		if h.wanted(a) {
			next = append(next, a.comes(h.event, now))
		}
	}
	if a.poll.cancel != nil {
		next = append(next, Next{eventWakeup.String(), nil, "held: the platform answers when there is something to ask for"})
	}
	if a.upgrade.cancel != nil {
		next = append(next, Next{"upgrade", nil, "another version of the agent is looked for or set up"})
	}
	next = append(next, a.scanComes(now)...)
	slices.SortStableFunc(next, func(a, b Next) int { return a.at().Compare(b.at()) })
	return next
}

// at is when it comes; what is in progress comes before everything else.
func (n Next) at() time.Time {
	if n.At == nil {
		return time.Time{}
	}
	return *n.At
}

// comes says when an event is handled next, and why then.
func (a *Agent) comes(e event, now time.Time) Next {
	at, reason := a.due(e), a.reason(e)
	if at.Before(now) {
		at = now
	}
	if end, ok := a.windows.Next(now); ok && a.windows.Active(now) {
		if at.Before(end) {
			at = end
		}
		reason = "not in the blackout window; " + reason
	}
	at = at.UTC()
	return Next{e.String(), &at, reason}
}

// reason says why an event is due when it is.
func (a *Agent) reason(e event) string {
	t := &a.timers[e]
	switch {
	case t.busy > 0:
		return fmt.Sprintf("the platform was too busy, %s in a row", times(t.busy))
	case t.failures > 0:
		reason := fmt.Sprintf("failed %s in a row", times(t.failures))
		if why := a.state.lastWhy(e.String()); why != "" {
			reason += ": " + why
		}
		return reason
	case !t.started.IsZero():
		return a.intervalReason(e)
	}
	switch e {
	case eventProvision:
		return "this host is not registered"
	case eventStatus:
		if a.poll.woken {
			return "woken up by the platform"
		}
		return "the agent was started"
	case eventReport:
		return "how an on-demand scan stands is to be reported"
	case eventConfirmDelta:
		return "the platform has not said yet that it processed the last upload"
	case eventUploadChangelist:
		return fmt.Sprintf("%d bytes are to be sent, %d of them are there", a.state.Upload.Size, a.sending.offset)
	case eventSelfPatch:
		return "another version of the agent is looked for with each status"
	case eventExecuteSetup:
		return "another version of the agent was found"
	default:
		return "the agent was started"
	}
}

// intervalReason names the parameter that rules an event. Its jitter was drawn
// when the timer was started.
func (a *Agent) intervalReason(e event) string {
	t, interval := &a.timers[e], a.interval(e)
	if t.floor.After(t.started.Add(scale(interval, t.factor))) {
		return fmt.Sprintf("put off beyond the interval of %s", interval)
	}
	reason := fmt.Sprintf("every %s (%s)", interval, parameterOf(e))
	if t.factor < 1-jitter || t.factor > 1+jitter {
		return reason + ", spread further after a failure"
	}
	return reason + fmt.Sprintf(", varied by %+.0f %%", 100*(t.factor-1))
}

// parameterOf returns the key of the parameter that is an event's interval.
func parameterOf(e event) string {
	return map[event]string{
		eventProvision: performance.KeyProvisionInterval, eventStatus: performance.KeyStatusInterval,
		eventCheckRevocation: performance.KeyRevocationInterval, eventConfig: performance.KeyConfigurationInterval,
		eventManifest: performance.KeyManifestInterval, eventConfirmDelta: performance.KeyDeltaConfirmInterval,
		eventUploadChangelist: performance.KeyDeltaUploadInterval, eventSelfPatch: performance.KeyUpgradeCheckInterval,
		eventExecuteSetup: performance.KeyUpgradeRetryInterval,
	}[e]
}

// scanComes says when the next scan starts, of which module, and why then. Scans
// run one at a time.
func (a *Agent) scanComes(now time.Time) []Next {
	if !a.id.provisioned() {
		return nil
	}
	wait := func(module agentwire.Module, reason string) []Next { return []Next{{scanOf(module), nil, reason}} }
	module, at := a.nextScan(now)
	waiting := a.state.waiting()
	if len(waiting) > 0 {
		module, at = waiting[0].Type.Module(), now
	}
	switch {
	case a.scans.running:
		return wait(a.scans.module, "in progress")
	case a.manifest == nil:
		return wait(agentwire.ModuleInventory, "waits for the manifest")
	case a.suspended():
		return wait(agentwire.ModuleInventory, "waits: "+a.refusal(agentwire.InventoryScan))
	case module == "":
		return wait(agentwire.ModuleInventory, "waits: the manifest does not say what to collect")
	case a.uploading(now):
		return wait(module, "waits until the last one is uploaded")
	}
	if at.Before(now) {
		at = now
	}
	at = at.UTC()
	if len(waiting) > 0 {
		return []Next{{scanOf(module), &at, fmt.Sprintf("on-demand request %d waits for it", waiting[0].ID)}}
	}
	return []Next{{scanOf(module), &at, a.scanReason(module)}}
}

// scanReason says why the interval scan of a module is due when it is.
func (a *Agent) scanReason(module agentwire.Module) string {
	s, c := a.schedule(module), a.course(module)
	switch {
	case c.failures > 0:
		return fmt.Sprintf("failed %s in a row: %s", times(c.failures), a.state.lastWhy(scanOf(module)))
	case a.state.Rescan && module == agentwire.ModuleInventory:
		return "the platform needs a baseline"
	case a.state.Modules[module].LastScan.IsZero():
		return fmt.Sprintf("there was none yet; delay %s, randomisation %s", s.delay, s.randomize)
	case s.randomize > 0:
		return fmt.Sprintf("every %s, and up to %s later", s.interval, s.randomize)
	}
	return fmt.Sprintf("every %s, up to %d %% earlier", s.interval, 100/scanJitter)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
