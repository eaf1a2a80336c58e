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
)

// Tail follows the change table in commit order: what it caches of a changed
// host is forgotten and its agent woken. One goroutine runs Run.
type Tail struct {
	Changes Changes
	Hint    <-chan struct{} // something was committed in this process; may be nil
	Roster  *Roster
	Wakeups *Wakeups
	Log     *slog.Logger
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
		select {
		case <-ctx.Done():
			return
		case <-t.Hint:
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
		for _, change := range changes {
			t.Roster.Forget(change.AgentID)
			t.Wakeups.Wake(change.HostID)
			seq = change.Seq
		}
		if len(changes) < tailBatch {
			return seq, nil
		}
	}
}
