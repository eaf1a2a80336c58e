// Package worker runs one scan in a process of its own, which the resident agent
// starts and which then ends: its memory goes back to the host, a crash of a
// collector kills no agent, and limits apply to one process.
//
// [Worker.Run] reads a scan.Job, runs the collectors it names with a pause
// between them, compares what they found with the snapshot the platform has
// confirmed, writes the new snapshot and the compressed delta into the state
// folder, and prints a scan.Result. [Main] is the whole program.
//
// Limits: one worker at a time per state folder. Volumes report their free bytes
// exactly, so a full inventory of a live host is seldom unchanged.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// operationTimeout bounds one operation: a collector call, or one of the files it
// reads. The slowest, the package database of a large host at a CPU limit of 2 %,
// takes about half a minute.
const operationTimeout = 5 * time.Minute

// errOperationTimeout is why a collector that took too long was given up.
var errOperationTimeout = fmt.Errorf("took longer than %s for one operation", operationTimeout)

// Worker runs scans. Its fields must not change while it does.
type Worker struct {
	Collectors []collect.Collector                             // those a job may name
	Now        func() time.Time                                // clock
	Pause      func(context.Context, time.Duration) error      // waits, or returns the context's error
	Cloud      func(context.Context) (*agentwire.Cloud, error) // which instance of a cloud the host is; nil does not ask
}

// Run runs the scan that in describes and writes its result to out.
//
// A collector that fails, panics, takes too long or is unknown is reported in
// the result and leaves its part of the snapshot as it was in the base; so do
// collectors that the job does not name. Without a readable base the delta is a
// baseline. It is an error when nothing at all could be collected for a
// baseline: that would describe a host with nothing on it.
//
// When Run fails or is killed, no file is left half written under its final name.
func (w *Worker) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	job, err := readJob(in)
	if err != nil {
		return err
	}
	state, err := openState(job.StateDir, w.Now)
	if err != nil {
		return err
	}
	base := state.load(job.Base) // nil for a baseline
	next, collected, err := w.collect(ctx, job, base)
	if err != nil {
		return err
	}
	if base == nil && !anyCollected(collected) {
		return fmt.Errorf("no collector succeeded: %w", failures(collected))
	}
	next.Normalize()
	delta := agentwire.Diff(base, next)
	upload, size, err := state.save(next, delta)
	if err != nil {
		return err
	}
	if err := state.prune(delta.Base, delta.Result); err != nil {
		return err
	}
	result := scan.Result{
		Base:       delta.Base,
		Snapshot:   delta.Result,
		Upload:     upload,
		UploadSize: size,
		Unchanged:  !delta.Baseline() && delta.Empty(),
		Collectors: collected,
	}
	if err := json.NewEncoder(out).Encode(result); err != nil {
		return fmt.Errorf("report result: %w", err)
	}
	return nil
}

// collect runs the job's collectors on a copy of base, pausing between them.
func (w *Worker) collect(ctx context.Context, job *scan.Job, base *agentwire.Snapshot) (*agentwire.Snapshot, []scan.Collected, error) {
	byName := make(map[string]collect.Collector, len(w.Collectors))
	for _, c := range w.Collectors {
		byName[c.Name()] = c
	}
	next := new(agentwire.Snapshot)
	if base != nil {
		*next = *base
	}
	env := collect.Env{RootDir: job.RootDir, Now: w.Now, Pause: w.between(job), Cloud: w.Cloud}
	collected := make([]scan.Collected, 0, len(job.Collectors))
	for i, name := range job.Collectors {
		if i > 0 {
			if err := env.Pause(ctx); err != nil {
				return nil, nil, fmt.Errorf("scan stopped before collector %s: %w", name, err)
			}
		}
		c, known := byName[name]
		if !known {
			collected = append(collected, scan.Collected{Name: name, Error: fmt.Sprintf("collector %q is unknown to this agent", name)})
			continue
		}
		outcome := w.call(ctx, c, env, &next)
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("scan stopped within collector %s: %w", name, err)
		}
		collected = append(collected, outcome)
	}
	return next, collected, nil
}

// between returns how a job pauses between two operations.
func (w *Worker) between(job *scan.Job) func(context.Context) error {
	return func(ctx context.Context) error {
		if job.Throttle <= 0 {
			return ctx.Err()
		}
		return w.Pause(ctx, job.Throttle)
	}
}

// call runs one collector on a snapshot of its own and makes that the next one
// if it succeeded. A collector that the kernel does not let go (a dead disk) is
// left behind with its copy and ends with the process.
func (w *Worker) call(ctx context.Context, c collect.Collector, env collect.Env, next **agentwire.Snapshot) scan.Collected {
	ctx, env, end := bounded(ctx, env)
	defer end()
	type outcome struct {
		entries int
		err     error
	}
	scratch := **next
	done := make(chan outcome, 1)
	start := w.Now()
	go func() {
		var o outcome
		defer func() {
			if reason := recover(); reason != nil {
				o = outcome{err: fmt.Errorf("panic: %v\n%s", reason, debug.Stack())}
			}
			done <- o
		}()
		o.entries, o.err = c.Collect(ctx, env, &scratch)
	}()
	report := scan.Collected{Name: c.Name()}
	select {
	case o := <-done:
		if report.Entries = o.entries; o.err != nil {
			report.Entries, report.Error = 0, o.err.Error()
		} else {
			*next = &scratch
		}
	case <-ctx.Done():
		report.Error = context.Cause(ctx).Error()
	}
	report.Took = w.Now().Sub(start)
	return report
}

// bounded returns a context that ends with the first operation that takes longer
// than operationTimeout, and what tells it where one operation ends and the next
// begins. Call end when the last one is over.
func bounded(ctx context.Context, env collect.Env) (_ context.Context, _ collect.Env, end func()) {
	ctx, giveUp := context.WithCancelCause(ctx)
	timer := time.AfterFunc(operationTimeout, func() { giveUp(errOperationTimeout) })
	pause := env.Pause
	env.Pause = func(ctx context.Context) error {
		timer.Stop() // to pause is no operation
		defer timer.Reset(operationTimeout)
		return pause(ctx)
	}
	return ctx, env, func() {
		timer.Stop()
		giveUp(nil)
	}
}

func anyCollected(collected []scan.Collected) bool {
	for _, c := range collected {
		if c.Error == "" {
			return true
		}
	}
	return false
}

func failures(collected []scan.Collected) error {
	var all []error
	for _, c := range collected {
		all = append(all, fmt.Errorf("%s: %s", c.Name, c.Error))
	}
	return errors.Join(all...)
}
