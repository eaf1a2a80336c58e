package conductor

import (
	"context"
	"errors"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

const (
	// look is how often a run whose commands are under way looks whether somebody has
	// changed it.
	look = time.Second
	// linger is how long a run whose turn comes soon keeps its worker.
	linger = 1500 * time.Millisecond
	// crowded is how long a command waits that finds no place, before it asks again. It is
	// longer than linger: who waits for others takes no worker from them.
	crowded = 2 * time.Second
	// backstop is when a run is due again whose commands are under way, in case
	// whoever conducts it is gone and its job too.
	backstop = time.Hour

	// firstPause and lastPause are those after turns that fail while answers would be
	// lost with them. Each is twice the one before, half a minute in all: as long as a
	// database takes that goes over to another server.
	firstPause, lastPause = 250 * time.Millisecond, 16 * time.Second
	// storeWithin is what a run that is left has to store what has landed. It is less
	// than what a job has after the end of its context.
	storeWithin = 4 * time.Second
)

// conducting is one call of Conduct.
type conducting struct {
	*Conductor
	id      int64
	program *playbook.Program
	engine  *engine.Engine
	fields  map[string]any // of memory
	flights map[engine.Ref]*flight
	landed  chan landing
	kept    []landing // what has landed and is not stored yet
	until   time.Time // when nothing new is begun by this job

	stopping <-chan struct{}
	grace    <-chan time.Time // when the commands under way are stopped; nil before the platform stops

	opened  bool           // what was sent before is known to be under way here
	over    bool           // the run has ended
	seen    int64          // the revision of the last turn
	waiting []engine.Start // commands that found no place
}

// flight is a command under way.
type flight struct{ stop context.CancelCauseFunc }

// conduct takes turns until the run has ended, or waits for longer than a worker
// should.
func (c *conducting) conduct(ctx context.Context) error {
	for {
		turn, err := c.insist(ctx)
		if err != nil {
			return err
		}
		for _, b := range turn.sends {
			c.send(ctx, b)
		}
		for _, ref := range turn.stops {
			if f := c.flights[ref]; f != nil {
				f.stop(errStopped)
			}
		}
		if c.over = turn.ended; c.over {
			return nil
		}
		if more, err := c.wait(ctx, turn.next); err != nil || !more {
			return err
		}
	}
}

// insist takes a turn, and again after a pause if it fails while there is something
// to lose: what has landed would be sent again, or asked about.
func (c *conducting) insist(ctx context.Context) (result, error) {
	for pause := firstPause; ; pause *= 2 {
		done, err := c.turn(ctx)
		if err == nil || pause > lastPause || len(c.kept)+len(c.flights) == 0 {
			return done, err
		}
		c.Log.WarnContext(ctx, "a turn of a playbook's run failed, and is taken again soon", "run", c.id, "pause", pause, "error", err)
		if _, over := c.pause(ctx, pause, false); over != nil {
			return result{}, errors.Join(err, over)
		}
	}
}

// rests reports whether nothing is begun any more.
func (c *conducting) rests(now time.Time) bool { return closed(c.stopping) || !now.Before(c.until) }

// wait waits until there is something for another turn; false says that the worker is
// to be let go.
func (c *conducting) wait(ctx context.Context, next time.Time) (bool, error) {
	for {
		pause := look
		if !next.IsZero() {
			pause = max(next.Sub(c.Now()), 0)
		}
		if len(c.flights) == 0 && (next.IsZero() || pause > linger || c.rests(c.Now())) {
			return false, nil
		}
		landed, err := c.pause(ctx, min(pause, look), true)
		if err != nil || landed {
			return landed, err
		}
		if !next.IsZero() && pause <= look {
			return true, nil
		}
		stirred, err := c.Turns.Stirred(ctx, c.id, c.seen, c.Now())
		if err != nil || stirred {
			return true, nil //nolint:nilerr // whatever is wrong, the next turn finds it, and insists
		}
	}
}

// pause waits, and keeps what lands meanwhile; if asked so, not any longer than until
// something has, which it reports. An error says that the run is to be left.
func (c *conducting) pause(ctx context.Context, d time.Duration, untilLanded bool) (bool, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		stopping := c.stopping
		if c.grace != nil {
			stopping = nil
		}
		select {
		case l := <-c.landed:
			c.gather(l)
			if untilLanded {
				return true, nil
			}
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-stopping:
			c.grace = time.After(c.Grace)
		case <-c.grace:
			return false, ErrStopping
		}
	}
}

// gather keeps what has landed together.
func (c *conducting) gather(first landing) {
	for l := first; ; {
		c.keep(l)
		select {
		case l = <-c.landed:
		default:
			return
		}
	}
}

// keep keeps what a command came to, if that is known.
func (c *conducting) keep(l landing) {
	delete(c.flights, l.ref)
	if !l.cut {
		c.kept = append(c.kept, l)
	}
}

// leave lets go of the run. What is still under way is stopped, and what became of it
// is not known to anybody then. But what has landed is stored, also when the platform
// stops or the last turn failed.
func (c *conducting) leave(ctx context.Context) {
	for _, f := range c.flights {
		f.stop(context.Canceled)
	}
	for len(c.flights) > 0 {
		c.keep(<-c.landed)
	}
	if len(c.kept) == 0 || c.over || c.Lost != nil && c.Lost(ctx) {
		return
	}
	c.until = time.Time{} // nothing is begun
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	if _, err := c.turn(ctx); err != nil {
		c.Log.WarnContext(ctx, "what commands of a playbook's run came to could not be stored", "run", c.id, "commands", len(c.kept), "error", err)
	}
}
