package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// giveUpTimeout is how long Kind.GaveUp may take.
const giveUpTimeout = 30 * time.Second

// worker runs the jobs of a kind.
type worker struct {
	river.WorkerDefaults[args]
	kind   Kind
	engine *Engine
}

// Timeout implements river.Worker: none, the worker has its own. River would take
// it for the time until a job may be rescued, whatever its lease says.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	id, err := rowOf(job.JobRow)
	if err != nil {
		return river.JobCancel(err)
	}
	ctx, stop := context.WithTimeoutCause(ctx, w.kind.Timeout, errTimeout)
	defer stop()
	ctx, release := w.engine.leases.hold(ctx, job.JobRow, id, w.engine.stopping)
	defer release()
	err = w.run(ctx, id)
	switch cause := context.Cause(ctx); {
	case Lost(ctx):
		return abandoned{}
	case err == nil || snoozes(err):
		return err
	case errors.Is(cause, errCancelled):
		return river.JobCancel(err)
	case errors.Is(cause, errStopping):
		return Snooze(0)
	}
	w.failed(context.WithoutCancel(ctx), job.JobRow, id, err)
	return err
}

// absent stands for the workers of a kind that other engines do. No job reaches it,
// for their queues are not looked at here. But of all engines of a database one looks
// after the jobs of replicas that died, and it would throw away those of a kind for
// which it has no worker.
type absent struct{ river.WorkerDefaults[args] }

// Work implements river.Worker.
func (absent) Work(_ context.Context, job *river.Job[args]) error {
	return fmt.Errorf("jobs of kind %s are done elsewhere", job.Kind)
}

// run calls the handler, of which a panic is an error.
func (w *worker) run(ctx context.Context, id int64) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
		}
	}()
	if err := w.kind.Run(ctx, id); err != nil {
		if errors.Is(context.Cause(ctx), errTimeout) {
			return fmt.Errorf("not done within %s: %w", w.kind.Timeout, err)
		}
		return err
	}
	return nil
}

func (w *worker) failed(ctx context.Context, job *rivertype.JobRow, id int64, failure error) {
	log := w.engine.options.Log.With("kind", w.kind.Name, "id", id, "attempt", job.Attempt)
	if job.Attempt < job.MaxAttempts {
		log.WarnContext(ctx, "a job failed, and is tried again", "error", failure)
		return
	}
	log.ErrorContext(ctx, "a job failed for the last time", "error", failure)
	if w.kind.GaveUp == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, giveUpTimeout)
	defer cancel()
	if err := w.kind.GaveUp(ctx, id, failure); err != nil {
		log.ErrorContext(ctx, "what became of a job could not be stored", "error", err)
	}
}

// abandoned is the result of a run that has lost its job: that nothing is to be
// reported of any. River would write it into the run of whoever has the job now.
type abandoned struct{}

// Error implements error.
func (abandoned) Error() string { return errLost.Error() }

// Jobs and ErrorsByID are what River asks the error of a run that is one of many
// jobs; they say which.
func (abandoned) Jobs() []*rivertype.JobRow { return nil }

// ErrorsByID is explained at Jobs.
func (abandoned) ErrorsByID() map[int64]error { return nil }
