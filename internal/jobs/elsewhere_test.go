package jobs_test

import (
	"context"
	"testing"
	"time"

	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/store"
)

// other is a kind beside the one that these tests are about.
const other = "other"

// narrow returns an engine that does the other kind and leaves the first to others.
func (b *bundle) narrow(t *testing.T, ran chan<- int64) *jobs.Engine {
	t.Helper()
	options := b.options()
	options.Elsewhere = []string{kind}
	work := kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	})
	work.Name = other
	return b.engineOf(t, options, work)
}

// whole returns an engine that does both kinds.
func (b *bundle) whole(t *testing.T, ran chan<- int64) *jobs.Engine {
	t.Helper()
	work := kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	})
	second := work
	second.Name = other
	return b.engineOf(t, b.options(), work, second)
}

func testElsewhere(t *testing.T, b *bundle) {
	ran := make(chan int64, 10)
	e := b.narrow(t, ran)
	b.enqueue(t, 1)
	stop := run(t, e)
	for id := int64(2); id < 6; id++ {
		b.inTx(t, func(tx *store.Tx) error { return tx.Enqueue(t.Context(), other, id) })
		if got := receive(t, ran, "a run of the other kind"); got != id {
			t.Fatalf("the job of row %d ran, want that of row %d", got, id)
		}
	}
	stop()
	if n := b.count(t, "kind = 'sync' AND state = 'available' AND attempt = 0"); n != 1 {
		t.Fatalf("%d jobs of the kind that is done elsewhere wait, want 1", n)
	}
	run(t, b.whole(t, ran))
	if id := receive(t, ran, "the run of the job that was left"); id != 1 {
		t.Errorf("the job of row %d ran, want that of row 1", id)
	}
}

// testKilledElsewhere has the job of a replica that died looked after by an engine
// that does not do its kind.
func testKilledElsewhere(t *testing.T, b *bundle) {
	ran := make(chan int64, 10)
	e := b.narrow(t, ran)
	b.enqueue(t, 1)
	b.kill(t)
	b.elapse(t, jobs.LeaseTime+time.Minute)
	stop := run(t, e)
	b.until(t, "the lease is over", "state = 'running'", 0)
	stop()
	if n := b.count(t, "state IN ('available', 'retryable', 'scheduled') AND attempt = 1"); n != 1 {
		t.Fatalf("%d jobs wait for another attempt, want 1", n)
	}
	b.clock.advance(time.Minute)
	run(t, b.whole(t, ran))
	if id := receive(t, ran, "the run after the kill"); id != 1 {
		t.Errorf("the job of row %d ran, want that of row 1", id)
	}
	b.until(t, "it is the second attempt", "state = 'completed' AND attempt = 2", 1)
}
