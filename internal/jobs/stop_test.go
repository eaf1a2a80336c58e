package jobs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/store"
)

func testDrain(t *testing.T, b *bundle) {
	began, goOn := make(chan struct{}), make(chan struct{})
	e := b.engineOf(t, b.options(), kindOf(func(ctx context.Context, _ int64) error {
		select {
		case <-jobs.Stopping(ctx):
			t.Error("it is told of a stop before there is one")
		default:
		}
		began <- struct{}{}
		<-jobs.Stopping(ctx)
		<-goOn
		return ctx.Err()
	}))
	b.enqueue(t, 1)
	stop := run(t, e)
	receive(t, began, "the run")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	goOn <- struct{}{}
	receive(t, stopped, "the stop")
	if n := b.count(t, "state = 'completed'"); n != 1 {
		t.Errorf("%d jobs are done after the stop, want 1", n)
	}
}

func testInterrupted(t *testing.T, b *bundle) {
	began := make(chan struct{})
	e := b.engineOf(t, b.options().Stopping(time.Millisecond, time.Minute), kindOf(func(ctx context.Context, _ int64) error {
		began <- struct{}{}
		<-ctx.Done()
		if jobs.Lost(ctx) {
			t.Error("a platform that stops has lost the job")
		}
		return ctx.Err()
	}))
	b.enqueue(t, 1)
	stop := run(t, e)
	receive(t, began, "the run")
	stop()
	if n := b.count(t, "state IN ('available', 'scheduled') AND attempt = 0"); n != 1 {
		t.Fatalf("%d jobs are pending after the stop with no attempt used up, want 1", n)
	}
	b.clock.advance(time.Minute)
	again := make(chan struct{}, 1)
	run(t, b.engineOf(t, b.options(), kindOf(func(context.Context, int64) error {
		again <- struct{}{}
		return nil
	})))
	receive(t, again, "the run after the stop")
}

func testDeaf(t *testing.T, b *bundle) {
	began, goOn := make(chan struct{}), make(chan struct{})
	e := b.engineOf(t, b.options().Stopping(time.Millisecond, time.Millisecond), kindOf(func(context.Context, int64) error {
		began <- struct{}{}
		<-goOn
		return nil
	}))
	b.enqueue(t, 1)
	stop := run(t, e)
	receive(t, began, "the run")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	receive(t, stopped, "the stop")
	close(goOn)
	b.until(t, "the job ends before the database is closed", "state = 'completed'", 1)
}

const (
	// victim and victimEngine tell a process which database it runs a job on until
	// it is killed.
	victim       = "VEDETTE_TEST_VICTIM"
	victimEngine = "VEDETTE_TEST_VICTIM_ENGINE"
)

// beVictim runs a job that never ends, and says when it began.
func beVictim(engine, dsn string) int {
	_, database, err := open(context.Background(), engine, dsn)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	work := kindOf(func(ctx context.Context, id int64) error {
		fmt.Println("began", id)
		<-ctx.Done()
		return ctx.Err()
	})
	e, err := jobs.New(database, []jobs.Kind{work}, jobs.Options{Log: slog.New(slog.DiscardHandler)}.ForTests(time.Now))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e.Run(context.Background())
	return 0
}

// kill has another process run the pending job and kills it meanwhile.
func (b *bundle) kill(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), self)
	process.Env = append(os.Environ(), victim+"="+b.dsn, victimEngine+"="+b.engine)
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || strings.TrimSpace(said) != "began 1" {
		t.Fatalf("the other process said %q, %v", said, err)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := process.Wait(); err == nil {
		t.Fatal("the other process ended by itself")
	}
}

func testKilled(t *testing.T, b *bundle) {
	ran := make(chan int64, 1)
	e := b.engineOf(t, b.options(), kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	}))
	b.enqueue(t, 1)
	b.kill(t)
	if n := b.count(t, "state = 'running'"); n != 1 {
		t.Fatalf("%d jobs run after the kill as far as the database knows, want 1", n)
	}
	// Well over: the lease counts from the time of the other process, which is later
	// than that of the clock by as long as it took to start.
	b.elapse(t, jobs.LeaseTime+time.Minute)
	run(t, e)
	// It may have been begun again already when it is looked at.
	b.until(t, "the lease is over", "state = 'running' AND attempt = 1", 0)
	b.clock.advance(time.Minute)
	receive(t, ran, "the run after the kill")
	b.until(t, "it is the second attempt", "state = 'completed' AND attempt = 2", 1)
}

func testKilledAlone(t *testing.T, b *bundle) {
	ran := make(chan int64, 1)
	options := b.options()
	options.Sole = true
	e := b.engineOf(t, options, kindOf(func(_ context.Context, id int64) error {
		ran <- id
		return nil
	}))
	b.enqueue(t, 1)
	b.kill(t)
	run(t, e)
	receive(t, ran, "the run after the kill")
	b.until(t, "it is the second attempt", "state = 'completed' AND attempt = 2", 1)
}

func testRenewal(t *testing.T, b *bundle) {
	began, goOn := make(chan struct{}), make(chan struct{})
	e := b.engineOf(t, b.options(), kindOf(func(ctx context.Context, _ int64) error {
		began <- struct{}{}
		<-goOn
		return ctx.Err()
	}))
	b.enqueue(t, 1)
	run(t, e)
	receive(t, began, "the run")
	overdue := "attempted_at < '" + time.Now().UTC().Add(-jobs.LeaseTime/4).Format("2006-01-02 15:04:05") + "'"
	if b.engine == "postgres" {
		overdue += "::timestamp AT TIME ZONE 'UTC'"
	}
	b.elapse(t, jobs.LeaseTime/2) // not over yet, so that nobody else takes the job
	b.until(t, "the lease is renewed", overdue, 0)
	goOn <- struct{}{}
	b.until(t, "the job is done", "state = 'completed' AND attempt = 1", 1)
}

// testLost has another replica take a job over while its handler believes it runs.
func testLost(t *testing.T, b *bundle) {
	began, reasons := make(chan struct{}), make(chan error, 1)
	e := b.engineOf(t, b.options(), kindOf(func(ctx context.Context, _ int64) error {
		if jobs.Lost(ctx) {
			t.Error("the job is lost before it is")
		}
		began <- struct{}{}
		<-ctx.Done()
		if !jobs.Lost(context.WithoutCancel(ctx)) {
			t.Error("the job is not lost")
		}
		reasons <- ctx.Err()
		return nil
	}))
	b.enqueue(t, 1)
	stop := run(t, e)
	receive(t, began, "the run")
	b.inTx(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE river_job SET attempt = attempt + 1")
		return err
	})
	if err := receive(t, reasons, "the end of the context"); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
	stop()
	if n := b.count(t, "state = 'running' AND attempt = 2"); n != 1 {
		t.Error("the run that had lost its job wrote into that of the other replica")
	}
}
