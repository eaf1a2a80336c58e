package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
)

const (
	// SweepEvery is how often rows are looked for that are due and have no job.
	SweepEvery = 5 * time.Second
	// SweepAtMost is how many rows of a kind get a job at a time; the others follow
	// at the next look; see Round.
	SweepAtMost = 1000
	// sweepBatch is how many jobs are made in one transaction, which is over before
	// anybody who waits to write would notice.
	sweepBatch = 50
	// sweepTimeout bounds one look at one kind.
	sweepTimeout = 30 * time.Second
	// maxListed is how many jobs River lists at most.
	maxListed = 10_000
)

// sweepRows makes jobs for rows that are due and have none, until ctx ends.
func (e *Engine) sweepRows(ctx context.Context) {
	ticker := time.NewTicker(e.options.sweep)
	defer ticker.Stop()
	for {
		for _, kind := range e.kinds {
			if err := e.sweepKind(ctx, kind); err != nil && ctx.Err() == nil {
				e.options.Log.WarnContext(ctx, "rows that are due were not swept", "kind", kind.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (e *Engine) sweepKind(ctx context.Context, kind Kind) error {
	if kind.Due == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	due, err := kind.Due(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	// Enqueuing what has a job would do no harm, but write.
	has, err := e.withJob(ctx, kind.Name)
	if err != nil {
		return err
	}
	due = slices.DeleteFunc(slices.Clone(due[:min(len(due), SweepAtMost)]), func(id int64) bool { return has[id] })
	for batch := range slices.Chunk(due, sweepBatch) {
		if err := e.enqueueAll(ctx, kind.Name, batch); err != nil {
			return err
		}
	}
	return nil
}

// withJob returns the rows that have a job of a kind.
func (e *Engine) withJob(ctx context.Context, kind string) (map[int64]bool, error) {
	found, err := e.client.JobList(ctx, river.NewJobListParams().Kinds(kind).States(unfinished()...).First(maxListed))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	has := make(map[int64]bool, len(found.Jobs))
	for _, job := range found.Jobs {
		id, err := rowOf(job)
		if err == nil {
			has[id] = true
		}
	}
	return has, nil
}

func (e *Engine) enqueueAll(ctx context.Context, kind string, ids []int64) error {
	tx, err := e.database.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	for _, id := range ids {
		if err := e.Enqueue(ctx, tx, kind, id); err != nil {
			return err
		}
	}
	return tx.Commit()
}
