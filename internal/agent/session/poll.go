package session

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// quickAnswer is the time below which "nothing" counts as a failed poll: the
	// platform holds a poll for WakeupWait, so something between cuts it short.
	quickAnswer = 5 * time.Second
	// wakeGap is the shortest time between two contacts that wake-ups bring about.
	wakeGap = time.Second
)

// poll is the state of the wake-up poll.
type poll struct {
	cancel context.CancelFunc // of the poll that is held; nil for none
	woken  bool               // the next contact answers a wake-up
	vain   int                // wake-ups in a row that brought nothing
}

// settle notes what the contact that answered a wake-up brought.
func (p *poll) settle(something bool) {
	switch {
	case something:
		p.vain = 0
	case p.woken:
		p.vain++
	}
	p.woken = false
}

// pollWanted reports whether a poll should be held, now or later. It is a
// courtesy of an agent whose status requests get through, and brings nothing to
// one that asks by timers.
func (a *Agent) pollWanted() bool {
	return a.cfg.Wakeup && !a.cfg.Legacy && a.id.provisioned() && a.poll.cancel == nil && a.contacts.reached
}

// startPoll holds a poll beside the loop.
func (a *Agent) startPoll(context.Context) {
	ctx, cancel := context.WithCancel(a.life)
	a.poll.cancel = cancel
	client, started := a.client, a.clock.Now()
	// The platform answers at once when it has newer versions than these: what
	// changed between the last status and this poll is not missed.
	path := fmt.Sprintf("%s?p=%d&m=%d&d=%d", agentwire.PathWakeup, version(a.profile), version(a.manifest), a.highestDemands())
	a.spawn(func(context.Context) func() {
		answer, err := client.do(ctx, exchange{
			method: http.MethodGet, path: path, timeout: pollTimeout, limit: agentwire.MaxMessageBytes,
		})
		cut := ctx.Err() != nil
		return func() {
			cancel()
			a.poll.cancel = nil
			switch {
			case cut || client != a.client: // by a blackout, or of an identity given up
			case refusedAs(err, agentwire.ProblemUninstall):
				a.wake() // the status request brings the order
			case err != nil:
				a.pollFailed(err)
			case answer.status == http.StatusOK:
				a.wake()
			default:
				a.pollEmpty(started)
			}
		}
	})
}

// wake brings the next contact forward to now. A platform that wakes its agents
// for nothing is answered less and less often.
func (a *Agent) wake() {
	a.poll.woken = true
	now := a.clock.Now()
	gap := min(wakeGap<<min(a.poll.vain, 16), a.interval(eventStatus))
	soonest := a.state.LastContact.Add(gap)
	if soonest.Before(now) || soonest.Sub(now) > gap {
		soonest = now
	}
	if a.due(eventStatus).After(soonest) {
		a.timers[eventStatus].at(soonest)
	}
	a.timers[eventWakeup].failures = 0
	a.timers[eventWakeup].at(soonest)
	a.log.Debug("woken up")
}

func (a *Agent) pollEmpty(started time.Time) {
	t, now := &a.timers[eventWakeup], a.clock.Now()
	if now.Sub(started) >= quickAnswer {
		t.failures = 0
		t.at(now)
		return
	}
	t.failures++
	t.at(now.Add(a.spread.doubling(t.failures, pollRetry, retryCap*a.interval(eventStatus))))
}

// pollFailed waits before the next poll. Only status requests decide whether the
// platform is lost, or all agents would turn to it at once.
func (a *Agent) pollFailed(err error) {
	a.noteFailure(eventWakeup, err)
	t := &a.timers[eventWakeup]
	t.failures++
	delay := a.spread.doubling(t.failures, pollRetry, retryCap*a.interval(eventStatus))
	t.at(a.clock.Now().Add(a.obey(err, t.failures, delay)))
	level := a.log.Debug
	if t.failures == 1 {
		level = a.log.Warn
	}
	level("wake-up poll failed: on-demand scans may start later", "error", err, "next poll", a.due(eventWakeup))
}
