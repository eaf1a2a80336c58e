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
	cancel   context.CancelFunc // of the poll that is held; nil for none
	next     time.Time
	failures int
	woken    bool // the next contact answers a wake-up
	vain     int  // wake-ups in a row that brought nothing
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
// courtesy of an agent whose status requests get through.
func (a *Agent) pollWanted() bool {
	return a.cfg.Wakeup && a.poll.cancel == nil && a.contacts.reached
}

func (a *Agent) pollDue(now time.Time) bool {
	return a.pollWanted() && !now.Before(a.poll.next)
}

// startPoll holds a poll beside the loop.
func (a *Agent) startPoll() {
	ctx, cancel := context.WithCancel(a.life)
	a.poll.cancel = cancel
	client, started := a.client, a.clock.Now()
	// The platform answers at once when it has newer versions than these: what
	// changed between the last status and this poll is not missed.
	path := fmt.Sprintf("%s?p=%d&m=%d&d=%d", agentwire.PathWakeup, version(a.profile), version(a.manifest), a.highestDemands())
	a.spawn(func(context.Context) func() {
		status, _, err := client.do(ctx, exchange{
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
			case status == http.StatusOK:
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
	a.poll.failures, a.poll.woken = 0, true
	now := a.clock.Now()
	gap := min(wakeGap<<min(a.poll.vain, 16), a.statusInterval())
	soonest := a.state.LastContact.Add(gap)
	if soonest.Before(now) || soonest.Sub(now) > gap {
		soonest = now
	}
	a.contacts.status = earliest(a.contacts.status, soonest)
	a.poll.next = soonest
	a.log.Debug("woken up")
}

func (a *Agent) pollEmpty(started time.Time) {
	now := a.clock.Now()
	if now.Sub(started) >= quickAnswer {
		a.poll.failures, a.poll.next = 0, now
		return
	}
	a.poll.failures++
	a.poll.next = now.Add(a.spread.doubling(a.poll.failures, pollRetry, retryCap*a.statusInterval()))
}

// pollFailed waits before the next poll. Only status requests decide whether the
// platform is lost, or all agents would turn to it at once.
func (a *Agent) pollFailed(err error) {
	a.poll.failures++
	delay := a.spread.doubling(a.poll.failures, pollRetry, retryCap*a.statusInterval())
	a.poll.next = a.clock.Now().Add(a.obey(err, a.poll.failures, delay))
	level := a.log.Debug
	if a.poll.failures == 1 {
		level = a.log.Warn
	}
	level("wake-up poll failed: on-demand scans may start later", "error", err, "next poll", a.poll.next)
}
