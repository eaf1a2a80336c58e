package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/store"
)

func runSuite(t *testing.T, engine string, create func(testing.TB) string) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"a job runs when its transaction is committed", testCommitted},
		{"what is pending or runs is not enqueued again", testUnique},
		{"three engines run each job once", testThreeEngines},
		{"a failed job is tried again after its pause", testRetry},
		{"a job that fails at its last attempt is given up", testGaveUp},
		{"a snoozed job runs again and uses up no attempt", testSnooze},
		{"a run ends when its time is over", testTimeout},
		{"a cancelled job does not run", testCancelPending},
		{"a job that runs is cancelled by another replica", testCancelRunning},
		{"rows that are due get jobs without being enqueued", testSweep},
		{"of many rows that are due some get jobs at a time", testSweepAtMost},
		{"a job that runs at the stop may end", testDrain},
		{"a job that is cut off by the stop runs again", testInterrupted},
		{"a stop does not wait for ever", testDeaf},
		{"a job runs again after its process was killed", testKilled},
		{"the only engine of a database takes up what was cut off at once", testKilledAlone},
		{"the lease of a job that runs is renewed", testRenewal},
		{"a run that lost its job says nothing of it", testLost},
		{"jobs of a kind that is done elsewhere are left to others", testElsewhere},
		{"a job of a killed replica is kept by one that does not do its kind", testKilledElsewhere},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			test.run(t, setup(t, engine, create))
		})
	}
}

// kindOf is a kind with a handler.
func kindOf(run jobs.Handler) jobs.Kind {
	return jobs.Kind{Name: kind, Workers: 4, Timeout: time.Hour, Run: run}
}

func testCommitted(t *testing.T, b *bundle) {
	ran := make(chan int64, 10)
	e := b.engineOf(t, b.options(), kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	}))
	refused := errors.New("the row is refused")
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.Enqueue(t.Context(), kind, 1), refused)
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	b.enqueue(t, 2)
	if n := b.count(t, "kind = '"+kind+"'"); n != 1 {
		t.Fatalf("there are %d jobs, want that of the committed transaction", n)
	}
	run(t, e)
	if id := receive(t, ran, "a run"); id != 2 {
		t.Errorf("the job of row %d ran, want that of row 2", id)
	}
	b.until(t, "the job is done", "state = 'completed'", 1)
}

func testUnique(t *testing.T, b *bundle) {
	began, goOn := make(chan int64), make(chan struct{})
	e := b.engineOf(t, b.options(), kindOf(func(_ context.Context, id int64) error {
		began <- id
		<-goOn
		return nil
	}))
	b.enqueue(t, 7, 7)
	b.enqueue(t, 7)
	if n := b.count(t, "state = 'available'"); n != 1 {
		t.Fatalf("%d jobs are pending, want 1", n)
	}
	run(t, e)
	receive(t, began, "the first run")
	b.enqueue(t, 7)
	if n := b.count(t, "kind = '"+kind+"'"); n != 1 {
		t.Fatalf("there are %d jobs while one runs, want 1", n)
	}
	goOn <- struct{}{}
	b.until(t, "the first run is done", "state = 'completed'", 1)
	b.enqueue(t, 7)
	receive(t, began, "the second run")
	goOn <- struct{}{}
	b.until(t, "the second run is done", "state = 'completed'", 2)
}

// testThreeEngines has three replicas sweep and run the same rows.
func testThreeEngines(t *testing.T, b *bundle) {
	const rows, replicas = 60, 3
	var mu sync.Mutex
	doneRows, running := map[int64]bool{}, map[int64]bool{}
	done := make(chan struct{})
	work := kindOf(func(_ context.Context, id int64) error {
		mu.Lock()
		defer mu.Unlock()
		if running[id] {
			t.Errorf("row %d has two runs at once", id)
		}
		running[id] = true
		mu.Unlock()
		b.count(t, "state = 'running'") // gives the others time to take it too
		mu.Lock()
		running[id] = false
		if doneRows[id] {
			return nil // found due before it was done, and enqueued after
		}
		doneRows[id] = true
		if len(doneRows) == rows {
			close(done)
		}
		return nil
	})
	work.Due = func(context.Context) ([]int64, error) {
		mu.Lock()
		defer mu.Unlock()
		var due []int64
		for id := int64(1); id <= rows; id++ {
			if !doneRows[id] {
				due = append(due, id)
			}
		}
		return due, nil
	}
	var stops []func()
	for range replicas {
		database := b.database // of SQLite, one process writes
		if b.engine == "postgres" {
			_, database = b.replica(t)
		}
		e, err := jobs.New(database, []jobs.Kind{work}, b.options())
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, run(t, e))
	}
	receive(t, done, "the last row's run")
	for _, stop := range stops {
		stop()
	}
	if n := b.count(t, "attempt > 1 OR state NOT IN ('completed', 'available')"); n != 0 {
		t.Errorf("%d jobs ran several times or were cut off", n)
	}
}

func testRetry(t *testing.T, b *bundle) {
	ran := make(chan struct{}, 10)
	fails := true
	e := b.engineOf(t, b.options(), kindOf(func(context.Context, int64) error {
		ran <- struct{}{}
		if fails {
			fails = false
			return errors.New("the service is away")
		}
		return nil
	}))
	b.enqueue(t, 1)
	began := b.clock.Now()
	run(t, e)
	receive(t, ran, "the first attempt")
	b.until(t, "the failure is stored", "state = 'available' AND attempt = 1", 1)
	var next time.Time
	if err := b.Writer().QueryRowContext(t.Context(), "SELECT scheduled_at FROM river_job").Scan(&next); err != nil {
		t.Fatal(err)
	}
	if pause := next.Sub(began); pause < jobs.PauseAfter(1) || pause > jobs.PauseAfter(1)*11/10 {
		t.Errorf("the pause is %s, want %s and up to a tenth more", pause, jobs.PauseAfter(1))
	}
	b.clock.advance(jobs.PauseAfter(1) * 11 / 10)
	receive(t, ran, "the second attempt")
	b.until(t, "the job is done", "state = 'completed' AND attempt = 2", 1)
}

func testGaveUp(t *testing.T, b *bundle) {
	told := make(chan error, 1)
	work := kindOf(func(context.Context, int64) error { panic("a mistake of ours") })
	work.GaveUp = func(_ context.Context, id int64, failure error) error {
		told <- fmt.Errorf("row %d: %w", id, failure)
		return nil
	}
	e := b.engineOf(t, b.options(), work)
	b.enqueue(t, 5)
	b.inTx(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE river_job SET attempt = ?", jobs.Attempts-1)
		return err
	})
	run(t, e)
	if err := receive(t, told, "giving up"); !strings.Contains(err.Error(), "row 5: panic: a mistake of ours") {
		t.Errorf("it was told %v, want the row and the panic", err)
	}
	b.until(t, "the job is over", "state = 'discarded'", 1)
	b.enqueue(t, 5)
	if n := b.count(t, "state IN ('available', 'running')"); n != 1 {
		t.Errorf("%d new jobs were made after one was given up, want 1", n)
	}
}

func testSnooze(t *testing.T, b *bundle) {
	ran := make(chan struct{}, 10)
	runs := 0
	e := b.engineOf(t, b.options(), kindOf(func(context.Context, int64) error {
		defer func() { ran <- struct{}{} }()
		if runs++; runs == 1 {
			return fmt.Errorf("not yet: %w", jobs.Snooze(-time.Second))
		}
		return nil
	}))
	b.enqueue(t, 1)
	run(t, e)
	receive(t, ran, "the first run")
	b.clock.advance(time.Minute) // River counts the pause from the time of the machine
	receive(t, ran, "the second run")
	b.until(t, "the job is done at its first attempt", "state = 'completed' AND attempt = 1", 1)
}

func testTimeout(t *testing.T, b *bundle) {
	reasons := make(chan error, 10)
	work := kindOf(func(ctx context.Context, _ int64) error {
		<-ctx.Done()
		reasons <- ctx.Err()
		return ctx.Err()
	})
	work.Timeout = time.Millisecond
	e := b.engineOf(t, b.options(), work)
	b.enqueue(t, 1)
	run(t, e)
	if err := receive(t, reasons, "the end of the time"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context ended with %v", err)
	}
	b.until(t, "it counts as a failure that says so", errorsContain(b, "not done within 1ms"), 1)
}

// errorsContain is the condition that a job's failures contain a text.
func errorsContain(b *bundle, text string) string {
	if b.engine == "sqlite" {
		return "CAST(errors AS TEXT) LIKE '%" + text + "%'"
	}
	return "array_to_string(errors, ' ') LIKE '%" + text + "%'"
}

func testCancelPending(t *testing.T, b *bundle) {
	ran := make(chan int64, 10)
	e := b.engineOf(t, b.options(), kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	}))
	b.enqueue(t, 1, 11, 2)
	for range 2 { // the second time there is nothing to cancel
		b.inTx(t, func(tx *store.Tx) error { return tx.Cancel(t.Context(), kind, 1) })
	}
	run(t, e)
	got := []int64{receive(t, ran, "a run"), receive(t, ran, "another run")}
	slices.Sort(got)
	if !slices.Equal(got, []int64{2, 11}) {
		t.Errorf("the jobs of rows %v ran, want 2 and 11", got)
	}
	b.until(t, "the job is cancelled", "state = 'cancelled'", 1)
}

func testCancelRunning(t *testing.T, b *bundle) {
	began, reasons := make(chan struct{}), make(chan error, 10)
	work := kindOf(func(ctx context.Context, _ int64) error {
		began <- struct{}{}
		<-ctx.Done()
		reasons <- ctx.Err()
		return ctx.Err()
	})
	e := b.engineOf(t, b.options(), work)
	b.enqueue(t, 1)
	run(t, e)
	receive(t, began, "the run")
	other, database := b.replica(t)
	elsewhere, err := jobs.New(database, []jobs.Kind{work}, b.options())
	if err != nil {
		t.Fatal(err)
	}
	other.UseQueue(elsewhere)
	if err := other.InTx(t.Context(), func(tx *store.Tx) error { return tx.Cancel(t.Context(), kind, 1) }); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, reasons, "the end of the context"); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
	b.until(t, "the job is cancelled", "state = 'cancelled'", 1)
}

// testSweep has a row that comes due every hour.
func testSweep(t *testing.T, b *bundle) {
	ran := make(chan time.Time, 10)
	var mu sync.Mutex
	due := b.clock.Now()
	work := kindOf(func(context.Context, int64) error {
		mu.Lock()
		defer mu.Unlock()
		ran <- due
		due = due.Add(time.Hour)
		return nil
	})
	work.Due = func(context.Context) ([]int64, error) {
		mu.Lock()
		defer mu.Unlock()
		if due.After(b.clock.Now()) {
			return nil, nil
		}
		return []int64{1}, nil
	}
	start := b.clock.Now()
	run(t, b.engineOf(t, b.options(), work))
	for n := range 3 {
		if at := receive(t, ran, "a run"); !at.Equal(start.Add(time.Duration(n) * time.Hour)) {
			t.Errorf("run %d was due at %s", n+1, at)
		}
		b.until(t, "it is done", "state = 'completed'", n+1)
		b.clock.advance(time.Hour)
	}
}

func testSweepAtMost(t *testing.T, b *bundle) {
	asked := make(chan struct{}, 1)
	stay := make(chan struct{})
	work := kindOf(func(ctx context.Context, _ int64) error {
		select {
		case <-ctx.Done():
		case <-stay:
		}
		return nil
	})
	all := make([]int64, jobs.SweepAtMost+100)
	for i := range all {
		all[i] = int64(i + 1)
	}
	looks := 0
	work.Due = func(context.Context) ([]int64, error) {
		if looks++; looks == 3 {
			close(asked)
		}
		return all, nil
	}
	stop := run(t, b.engineOf(t, b.options(), work))
	receive(t, asked, "the third sweep")
	close(stay)
	stop()
	if n := b.count(t, "kind = '"+kind+"'"); n != jobs.SweepAtMost {
		t.Errorf("%d rows have jobs, want %d", n, jobs.SweepAtMost)
	}
}
