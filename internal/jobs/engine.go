package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// pollEvery is how often a replica looks for jobs of a kind that does not say
	// (Kind.Look); a job waits half of it on average before it starts. Each look is a
	// statement over the connection that writes, also when there is nothing to do.
	pollEvery = 500 * time.Millisecond
	// keepDone is how long a job that was done or cancelled stays in the database,
	// and keepFailed how long one that was given up, for whoever looks into it.
	keepDone, keepFailed = time.Hour, 7 * 24 * time.Hour
	// Drain is how long a platform that stops waits for jobs to end by themselves: see
	// Stopping. Then their contexts end.
	Drain = 10 * time.Second
	// grace is how long it waits for them after that.
	grace = 5 * time.Second
	// startAgainAfter is the pause after an engine could not be started.
	startAgainAfter = 5 * time.Second
)

// Options are how an Engine works.
type Options struct {
	Log *slog.Logger
	// Sole says that no other engine works on this database, so that jobs which run
	// when the engine starts were cut off, and run again at once instead of when
	// their lease is over.
	Sole bool
	// Elsewhere are the kinds that other engines of this database may do and this one
	// does not. Their jobs can be enqueued and cancelled here, and are kept for those.
	Elsewhere []string

	// For tests: the clock by which jobs come due, the database's by default; how
	// often jobs are looked for; the waits when it stops.
	now               func() time.Time
	poll, sweep       time.Duration
	drain, grace      time.Duration
	renewal           time.Duration
	startsImmediately bool
}

// Engine keeps jobs and runs them. It is safe for concurrent use.
type Engine struct {
	options  Options
	database Database
	kinds    []Kind
	client   *river.Client[*sql.Tx] // nil without kinds
	leases   leases
	stopping chan struct{} // closed when it begins to stop
}

// New returns an engine for the kinds of work there are. Jobs can be enqueued from
// now on; Run runs them.
func New(database Database, kinds []Kind, options Options) (*Engine, error) {
	e := &Engine{options: options.withDefaults(), database: database, kinds: kinds, leases: leases{held: map[int64]*lease{}}, stopping: make(chan struct{})}
	if len(kinds) == 0 {
		return e, nil
	}
	queues, workers := map[string]river.QueueConfig{}, river.NewWorkers()
	for _, kind := range kinds {
		if err := kind.check(); err != nil {
			return nil, err
		}
		if _, twice := queues[kind.Name]; twice {
			return nil, fmt.Errorf("job kind %s is there twice", kind.Name)
		}
		// A queue of its own: a kind with much to do does not hold up the others.
		queues[kind.Name] = river.QueueConfig{MaxWorkers: kind.Workers, FetchPollInterval: e.options.look(kind)}
		river.AddWorkerArgs(workers, args{kind: kind.Name}, &worker{kind: kind, engine: e})
	}
	for _, name := range options.Elsewhere {
		if _, here := queues[name]; here {
			return nil, fmt.Errorf("job kind %s is done here and elsewhere", name)
		}
		river.AddWorkerArgs(workers, args{kind: name}, absent{})
	}
	var err error
	e.client, err = river.NewClient(database.driver, e.options.config(queues, workers))
	if err != nil {
		return nil, fmt.Errorf("make job engine: %w", err)
	}
	return e, nil
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.poll, pollEvery)
	set(&o.sweep, SweepEvery)
	set(&o.drain, Drain)
	set(&o.grace, grace)
	set(&o.renewal, renewEvery)
	return o
}

// look returns how often jobs of a kind are looked for. Tests look more often.
func (o Options) look(k Kind) time.Duration {
	if o.poll < pollEvery {
		return o.poll
	}
	return cmp.Or(k.Look, o.poll)
}

func (o Options) config(queues map[string]river.QueueConfig, workers *river.Workers) *river.Config {
	config := &river.Config{
		Queues: queues, Workers: workers, Logger: quiet(o.Log),
		// Neither driver listens; without this each says so.
		PollOnly: true, FetchPollInterval: o.poll, FetchCooldown: min(o.poll, river.FetchCooldownDefault),
		// The worker ends runs in time, and leases end those of replicas that died.
		JobTimeout: -1, RescueStuckJobsAfter: leaseTime,
		MaxAttempts: attempts, RetryPolicy: newBackoff(time.Now),
		CompletedJobRetentionPeriod: keepDone, CancelledJobRetentionPeriod: keepDone, DiscardedJobRetentionPeriod: keepFailed,
		TestOnly: o.startsImmediately,
	}
	if o.now != nil {
		config.Test.Time, config.RetryPolicy = clock(o.now), newBackoff(o.now)
	}
	return config
}

// clock is the time of tests.
type clock func() time.Time

func (c clock) NowUTC() time.Time { return c().UTC() }

func (c clock) NowUTCOrNil() *time.Time {
	now := c().UTC()
	return &now
}

// args are what River keeps of a job. The id is text, which both engines compare
// alike.
type args struct {
	kind string
	ID   string `json:"id"`
}

// Kind implements river.JobArgs.
func (a args) Kind() string { return a.kind }

// rowOf returns the id of the row that a job is for.
func rowOf(job *rivertype.JobRow) (int64, error) {
	var a args
	err := json.Unmarshal(job.EncodedArgs, &a)
	if err != nil {
		return 0, fmt.Errorf("job %d of kind %s is for no row: %w", job.ID, job.Kind, err)
	}
	id, err := strconv.ParseInt(a.ID, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("job %d of kind %s is for no row: %w", job.ID, job.Kind, err)
	}
	return id, nil
}

// unfinished are the states of a job that runs or is going to; there is at most
// one such job for a kind and an id.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
}

// Enqueue makes a job for the row with an id, which exists once tx is committed.
// When there is one that is pending or runs, it does nothing.
func (e *Engine) Enqueue(ctx context.Context, tx *sql.Tx, kind string, id int64) error {
	if err := e.know(kind); err != nil {
		return err
	}
	_, err := e.client.InsertTx(ctx, tx, args{kind: kind, ID: strconv.FormatInt(id, 10)}, &river.InsertOpts{
		Queue: kind, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()},
	})
	if err != nil {
		return fmt.Errorf("enqueue job %s %d: %w", kind, id, err)
	}
	return nil
}

// Cancel takes back the job for the row with an id once tx is committed. A job
// that is pending does not run; of one that runs the context ends within
// seconds, on whichever replica, and it is not run again. Where there is none,
// it does nothing. A row that is still due gets a new one from the sweeper.
func (e *Engine) Cancel(ctx context.Context, tx *sql.Tx, kind string, id int64) error {
	if err := e.know(kind); err != nil {
		return err
	}
	found, err := e.client.JobListTx(ctx, tx, river.NewJobListParams().Kinds(kind).States(unfinished()...).
		Where("args ->> 'id' = @id", river.NamedArgs{"id": strconv.FormatInt(id, 10)}))
	if err != nil {
		return fmt.Errorf("find job %s %d: %w", kind, id, err)
	}
	for _, job := range found.Jobs {
		if _, err := e.client.JobCancelTx(ctx, tx, job.ID); err != nil {
			return fmt.Errorf("cancel job %s %d: %w", kind, id, err)
		}
	}
	return nil
}

func (e *Engine) know(kind string) error {
	if e.client != nil && slices.Contains(e.options.Elsewhere, kind) || slices.ContainsFunc(e.kinds, func(k Kind) bool { return k.Name == kind }) {
		return nil
	}
	return fmt.Errorf("there is no job kind %q", kind)
}

// Run runs jobs until ctx ends; then it lets those that run end, for as long as
// Drain, and ends their contexts. It returns when no job runs any more, or after 15
// seconds. A job that was cut off runs again elsewhere or later. Without kinds it
// returns at once. It is called once.
func (e *Engine) Run(ctx context.Context) {
	if e.client == nil || !e.start(ctx) {
		return
	}
	// What keeps running jobs alive ends after them.
	working, worked := context.WithCancel(context.WithoutCancel(ctx))
	var loops sync.WaitGroup
	loops.Go(func() { e.renewLeases(working) })
	loops.Go(func() { e.sweepRows(ctx) })
	<-ctx.Done()
	e.stop(context.WithoutCancel(ctx))
	worked()
	loops.Wait()
}

// start starts River, again and again until it starts or ctx ends.
func (e *Engine) start(ctx context.Context) bool {
	for {
		err := e.release(ctx)
		if err == nil {
			// With ctx itself, its end would end the contexts of all jobs.
			err = e.client.Start(context.WithoutCancel(ctx))
		}
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			e.options.Log.WarnContext(ctx, "the job engine did not start, and is started again soon", "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(startAgainAfter):
		}
	}
}

func (e *Engine) stop(ctx context.Context) {
	close(e.stopping)
	if e.within(ctx, e.options.drain, e.client.Stop) == nil {
		return
	}
	e.leases.endAll(errStopping)
	if err := e.within(ctx, e.options.grace, e.client.Stop); err != nil {
		e.options.Log.WarnContext(ctx, "jobs did not end when the platform stopped; they run again later", "jobs", e.leases.names(), "error", err)
	}
}

func (e *Engine) within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}

// The reasons for which the context of a handler ends.
var (
	errTimeout   = errors.New("the time of the job is over")
	errCancelled = errors.New("the job was cancelled")
	errLost      = errors.New("the lease of the job was lost")
	errStopping  = errors.New("the platform stops")
)
