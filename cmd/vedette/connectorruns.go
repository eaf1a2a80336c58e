package main

import (
	"context"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/outbound/aws"
)

const (
	// connectorWorkers is how many connectors run at once on a replica. Each lists
	// several regions at once, and all of them write to one database.
	connectorWorkers = 4
	// connectorGrace is what a run may take beyond its own limit, to say that it was
	// over.
	connectorGrace = 5 * time.Minute
	// dueAtMost is how many connectors that are due are queued at a time.
	dueAtMost = 100
)

// connectorRuns is the work of running connectors: those somebody asked for, and
// those that are due by their schedule.
func (p *platform) connectorRuns(cloud *aws.Cloud, now func() time.Time, log *slog.Logger) jobs.Kind {
	syncer := &connector.Syncer{Runs: p.store, Cloud: cloud, Now: now, Log: log}
	active := jobs.Round(p.store.ActiveRuns)
	return jobs.Kind{
		Name: connector.RunJob, Workers: connectorWorkers, Look: unhurried, Timeout: connector.RunLimit + connectorGrace, Run: syncer.Run,
		Due: func(ctx context.Context) ([]int64, error) {
			if _, err := p.store.QueueDue(ctx, now(), dueAtMost); err != nil {
				return nil, err
			}
			return active(ctx)
		},
		GaveUp: func(ctx context.Context, id int64, failure error) error {
			log.ErrorContext(ctx, "a run of a connector failed for good", "connector", id, "error", failure)
			return p.store.GiveUpRun(ctx, id, now(), "The platform could not store what the run found; its log says why.")
		},
	}
}
