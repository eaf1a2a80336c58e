//go:build unix

package pacing

import "time"

const (
	// checkEvery is how long a group runs at most between two looks at its CPU time.
	checkEvery = 5 * time.Millisecond
	// checkSoonest is how long at least: looking more often costs more than it gains.
	checkSoonest = time.Millisecond
	// burst is the CPU time a group is in credit with when it is continued, or what
	// it gets in window if that is less. Shorter ones cost more looks, longer ones
	// are noticed by others on the host.
	burst = 10 * time.Millisecond
	// window bounds what a group that was waiting, for the disk or for a processor,
	// may catch up on: what it missed in this time.
	window = 200 * time.Millisecond
)

// group is a process with what it has started.
type group interface {
	// used returns the CPU time so far, or false where it cannot be read.
	used() (time.Duration, bool)
	stop() error
	resume() error
	// wait waits for the end. The other methods may be called meanwhile and after.
	wait() error
}

// governor holds a group to a share of one core by a duty cycle with feedback.
// Its balance is the CPU time that the group may still use: it grows with time, by
// the share, and shrinks by what the group has used. It begins at nothing, and a
// group is only continued with a burst in advance, so at every moment the group
// has had less than its share of the time since its start, but for the lateness
// of one look.
type governor struct {
	group   group
	share   float64       // of one core
	balance time.Duration // CPU time
	at      time.Time     // of the last look
	used    time.Duration // CPU time at the last look
	stopped bool
}

// govern holds g to its limit until it has ended and returns what waiting for it
// returned.
func govern(g group, limit int) error {
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = g.wait()
	}()
	newGovernor(g, limit, time.Now()).run(ended)
	return err
}

func newGovernor(g group, limit int, now time.Time) *governor {
	return &governor{group: g, share: float64(limit) / 100, at: now}
}

// run governs until ended is closed.
func (g *governor) run(ended <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ended:
			return
		case <-timer.C:
			timer.Reset(g.look(time.Now()))
		}
	}
}

// look settles the time since the last look, stops or continues the group, and
// returns when to look again.
func (g *governor) look(now time.Time) time.Duration {
	g.settle(now)
	switch ahead := g.ahead(); {
	case !g.stopped && g.balance <= 0:
		g.stopped = g.group.stop() == nil // one that has ended cannot be stopped
	case g.stopped && g.balance >= ahead:
		g.stopped = g.group.resume() != nil
	}
	if g.stopped {
		return max(time.Duration(float64(g.ahead()-g.balance)/g.share), checkSoonest)
	}
	if g.share >= 1 {
		return checkEvery
	}
	// A group of one busy thread has used its credit up by then.
	return min(max(time.Duration(float64(g.balance)/(1-g.share)), checkSoonest), checkEvery)
}

// settle brings the balance up to date.
func (g *governor) settle(now time.Time) {
	passed := now.Sub(g.at)
	g.at = now
	g.balance += g.part(passed)
	if used, ok := g.group.used(); ok {
		g.balance -= used - g.used
		g.used = used
	} else if !g.stopped {
		g.balance -= passed // as if it had used one core all the time
	}
	g.balance = min(g.balance, g.ahead()+g.part(window))
}

// part is the group's share of a time.
func (g *governor) part(d time.Duration) time.Duration { return time.Duration(g.share * float64(d)) }

// ahead is the balance at which a stopped group is continued.
func (g *governor) ahead() time.Duration {
	return min(burst, g.part(window))
}
