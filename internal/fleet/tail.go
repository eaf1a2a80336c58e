package fleet

import (
	"context"
	"log/slog"
	"time"
)

const (
	// tailEvery is how often the change table is asked; a hint in the same process
	// shortens the wait. It bounds how late a wake-up through another replica is.
	tailEvery = 250 * time.Millisecond
	// tailBatch bounds one read.
	tailBatch = 1000
	// wakeAtOnce is how many agents are woken in one go, and then every tailEvery:
	// about 500 a second. What changes a whole fleet must not bring all of it to
	// the door at once.
	wakeAtOnce = 128
	// wakeFew is how many changed hosts are woken without standing in line: an
	// on-demand scan does not wait for a fleet that was given a new profile.
	wakeFew = 16
)

// Tail follows the change table in commit order: what is cached of a changed
// host is forgotten at once, and its agent woken, a bounded number at a time. One
// goroutine runs Run.
type Tail struct {
	Changes Changes
	Hint    <-chan struct{} // something was committed in this process; may be nil
	Roster  *Roster
	Wakeups *Wakeups
	Log     *slog.Logger

	asleep  []int64        // hosts to wake, in order
	pending map[int64]bool // the same hosts
}

// Run follows until ctx ends. While the database cannot be asked, it forgets
// everything it caches at the next success, since changes may have been pruned.
func (t *Tail) Run(ctx context.Context) {
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	seq, healthy := int64(-1), true
	for {
		next, err := t.step(ctx, seq)
		switch {
		case err == nil:
			if !healthy {
				t.Roster.ForgetAll()
				t.Log.InfoContext(ctx, "following changes again")
			}
			seq, healthy = next, true
		case ctx.Err() != nil:
			return
		case healthy:
			healthy = false
			t.Log.WarnContext(ctx, "cannot follow changes, trying again", "error", err)
		}
		t.wakeSome()
		select {
		case <-ctx.Done():
			return
		case <-t.Hint:
			if len(t.asleep) > 0 { // the pace is the ticker's
				<-ticker.C
			}
		case <-ticker.C:
		}
	}
}

// step follows all changes after seq; a negative seq begins at the newest.
func (t *Tail) step(ctx context.Context, seq int64) (int64, error) {
	if seq < 0 {
		last, err := t.Changes.LastChange(ctx)
		if err != nil {
			return seq, err
		}
		// Whatever was cached before the tail began may be out of date.
		t.Roster.ForgetAll()
		return last, nil
	}
	for {
		changes, err := t.Changes.ChangesSince(ctx, seq, tailBatch)
		if err != nil {
			return seq, err
		}
		wake := t.wakeLater
		if len(changes) <= wakeFew {
			wake = t.Wakeups.Wake
		}
		for _, change := range changes {
			t.Roster.Forget(change.AgentID)
			wake(change.HostID)
			seq = change.Seq
		}
		if len(changes) < tailBatch {
			return seq, nil
		}
	}
}

// wakeLater puts a host in line, once.
func (t *Tail) wakeLater(hostID int64) {
	if t.pending[hostID] {
		return
	}
	if t.pending == nil {
		t.pending = make(map[int64]bool)
	}
	t.pending[hostID] = true
	t.asleep = append(t.asleep, hostID)
}

// wakeSome wakes the first in line.
func (t *Tail) wakeSome() {
	some := t.asleep[:min(wakeAtOnce, len(t.asleep))]
	for _, hostID := range some {
		t.Wakeups.Wake(hostID)
		delete(t.pending, hostID)
	}
	t.asleep = t.asleep[len(some):]
	if len(t.asleep) == 0 {
		t.asleep = nil
	}
}
