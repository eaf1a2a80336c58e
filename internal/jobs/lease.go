package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

const (
	// leaseTime is how long a replica keeps a job without renewing its lease. River
	// looks for those that are over every 30 seconds, so a job of a replica that
	// died runs again within two minutes.
	leaseTime = time.Minute
	// renewEvery is how often leases are renewed, and how soon a running job learns
	// that it was cancelled.
	renewEvery = 5 * time.Second
	// renewTimeout bounds one renewal.
	renewTimeout = 10 * time.Second
	// lostAfter is after how long without a renewal a handler has to stop: while it
	// may still take some seconds before anybody else begins.
	lostAfter = leaseTime - renewEvery - renewTimeout
)

// leases are the jobs that run in this process.
type leases struct {
	mu   sync.Mutex
	held map[int64]*lease // by id of the job
}

type lease struct {
	job     *rivertype.JobRow
	id      int64 // of the row
	end     context.CancelCauseFunc
	renewed time.Time
	lost    atomic.Bool
	// stopping is closed when the engine begins to stop.
	stopping <-chan struct{}
}

// leaseKey is where the context of a handler has its lease.
type leaseKey struct{}

// Stopping returns a channel that is closed when the platform begins to stop, for
// the context of a Handler. From then on nothing long should be begun: the context
// ends after Drain. It is nil, which is never closed, for any other context.
func Stopping(ctx context.Context) <-chan struct{} {
	if held, ok := ctx.Value(leaseKey{}).(*lease); ok {
		return held.stopping
	}
	return nil
}

// Lost reports whether another replica may have the job of a Handler by now, for the
// context of that Handler or one that was made of it, ended or not. What it still has
// to say of its row is said by the other one.
func Lost(ctx context.Context) bool {
	held, ok := ctx.Value(leaseKey{}).(*lease)
	return ok && held.lost.Load()
}

// hold registers a job that begins to run. The context ends with the job's lease;
// release must be called when it has run.
func (l *leases) hold(ctx context.Context, job *rivertype.JobRow, id int64, stopping <-chan struct{}) (_ context.Context, release func()) {
	ctx, end := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	held := &lease{job: job, id: id, end: end, renewed: time.Now(), stopping: stopping}
	l.held[job.ID] = held
	return context.WithValue(ctx, leaseKey{}, held), func() {
		end(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, job.ID)
	}
}

func (l *leases) all() []*lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*lease
	for _, one := range l.held {
		all = append(all, one)
	}
	// Replicas lock rows in one order.
	slices.SortFunc(all, func(a, b *lease) int { return int(a.job.ID - b.job.ID) })
	return all
}

func (l *leases) endAll(reason error) {
	for _, one := range l.all() {
		one.end(reason)
	}
}

// names are the jobs that run, for a log.
func (l *leases) names() []string {
	var names []string
	for _, one := range l.all() {
		names = append(names, fmt.Sprintf("%s %d", one.job.Kind, one.id))
	}
	return names
}

// renewLeases keeps the jobs that run here until ctx ends.
func (e *Engine) renewLeases(ctx context.Context) {
	ticker := time.NewTicker(e.options.renewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.renew(ctx)
		}
	}
}

func (e *Engine) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	for _, one := range e.leases.all() {
		now := time.Now()
		reason, err := e.renewOne(ctx, one, now)
		switch {
		case err != nil && now.Sub(one.renewed) > lostAfter:
			e.options.Log.WarnContext(ctx, "a job is stopped, for its lease could not be renewed", "kind", one.job.Kind, "id", one.id, "error", err)
			one.lose()
		case err != nil: // there is time to try again
		case errors.Is(reason, errLost):
			one.lose()
		case reason != nil:
			one.end(reason)
		default:
			one.renewed = now // nobody else reads it
		}
	}
}

// lose ends a run whose job may be another replica's.
func (l *lease) lose() {
	l.lost.Store(true)
	l.end(errLost)
}

// renewOne renews a lease. It returns the reason for which a job must not run any
// longer, if there is one.
func (e *Engine) renewOne(ctx context.Context, one *lease, now time.Time) (reason, err error) {
	at := now.UTC().Round(0)
	job, err := e.database.driver.GetExecutor().JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{
		ID: one.job.ID, AttemptedAtDoUpdate: true, AttemptedAt: &at,
	})
	switch {
	case errors.Is(err, rivertype.ErrNotFound):
		return errLost, nil
	case err != nil:
		return nil, err
	case job.State != rivertype.JobStateRunning || job.Attempt != one.job.Attempt:
		return errLost, nil
	case cancelled(job):
		return errCancelled, nil
	}
	return nil, nil
}

// cancelled reports whether a running job is to stop: River notes when that was
// asked for.
func cancelled(job *rivertype.JobRow) bool {
	var notes struct {
		At *json.RawMessage `json:"cancel_attempted_at"`
	}
	return json.Unmarshal(job.Metadata, &notes) == nil && notes.At != nil
}

// release lets jobs run again that ran when the only engine of this database came
// to its end. Those at their last attempt may have been the reason for that; they
// wait for their lease to end, and are given up.
func (e *Engine) release(ctx context.Context) error {
	if !e.options.Sole {
		return nil
	}
	running, err := e.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(maxListed))
	if err != nil {
		return fmt.Errorf("find jobs that were cut off: %w", err)
	}
	for _, job := range running.Jobs {
		if job.Attempt >= job.MaxAttempts {
			continue
		}
		if _, err := e.database.driver.GetExecutor().JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{
			ID: job.ID, StateDoUpdate: true, State: rivertype.JobStateAvailable,
		}); err != nil {
			return fmt.Errorf("release job %d of kind %s: %w", job.ID, job.Kind, err)
		}
	}
	return nil
}
