package conductor

import (
	"context"
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
	until   time.Time // when nothing new is begun by this job

	opened  bool           // the first turn is over
	seen    int64          // the revision of the last turn
	waiting []engine.Start // commands that found no place
}

// flight is a command under way.
type flight struct{ stop context.CancelCauseFunc }

// conduct takes turns until the run has ended, or waits for longer than a worker
// should.
func (c *conducting) conduct(ctx context.Context) error {
	var landings []landing
	for {
		turn, err := c.turn(ctx, landings)
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
		if turn.ended {
			return nil
		}
		if landings, err = c.wait(ctx, turn.next); err != nil || landings == nil {
			return err
		}
	}
}

// wait waits until there is something for another turn, and returns what has landed;
// nil when the worker is to be let go.
func (c *conducting) wait(ctx context.Context, next time.Time) ([]landing, error) {
	for {
		pause := look
		if !next.IsZero() {
			pause = max(next.Sub(c.Now()), 0)
		}
		if len(c.flights) == 0 && (next.IsZero() || pause > linger || !c.Now().Before(c.until)) {
			return nil, nil
		}
		timer := time.NewTimer(min(pause, look))
		select {
		case l := <-c.landed:
			timer.Stop()
			return c.gather(l), nil
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		if !next.IsZero() && pause <= look {
			return []landing{}, nil
		}
		stirred, err := c.Turns.Stirred(ctx, c.id, c.seen, c.Now())
		if err != nil {
			return nil, err
		}
		if stirred {
			return []landing{}, nil
		}
	}
}

// gather returns what has landed together.
func (c *conducting) gather(first landing) []landing {
	all := []landing{first}
	for {
		select {
		case l := <-c.landed:
			all = append(all, l)
		default:
			for _, l := range all {
				delete(c.flights, l.ref)
			}
			return all
		}
	}
}

// abandon stops the commands under way and waits for them. What they came to is not
// known to anybody then.
func (c *conducting) abandon() {
	for _, f := range c.flights {
		f.stop(context.Canceled)
	}
	for range c.flights {
		<-c.landed
	}
}
