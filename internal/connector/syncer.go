package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// RunLimit bounds one run: what is not listed and stored by then failed.
const RunLimit = 30 * time.Minute

// Syncer carries out the runs of connectors. It is safe for concurrent use, also
// by several replicas: see Runs.
type Syncer struct {
	Runs  Runs
	Cloud Cloud
	Now   func() time.Time
	Log   *slog.Logger
}

// Run lists what the connector names and brings the host assets to it. What goes
// wrong with AWS is the result of the run and no error of Run; a region that
// fails does not keep the others from being stored. The errors are those of
// storage, and ctx's: the run then stays unfinished and may be run again from
// the start. A run that was superseded, or has nothing to do, ends with nil.
func (s *Syncer) Run(ctx context.Context, connectorID int64) error {
	run, c, credentials, err := s.Runs.BeginRun(ctx, connectorID, s.Now())
	if err == nil {
		err = s.run(ctx, run, c, credentials)
	}
	switch {
	case errors.Is(err, ErrSuperseded):
		s.Log.Info("run of a connector ended: there is a newer one, or the connector is gone", "connector", connectorID, "run", run.ID)
		return nil
	case err != nil:
		return fmt.Errorf("run connector %d: %w", connectorID, err)
	}
	return nil
}

// run lists, stores and finishes a run that has begun.
func (s *Syncer) run(ctx context.Context, run Run, c Connector, credentials Credentials) error {
	limited, cancel := context.WithTimeout(ctx, RunLimit)
	defer cancel()
	account, regions, err := s.open(limited, c, credentials)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		run.State, run.Error = Failed, err.Error()
	} else {
		if err := s.Runs.AccountOpened(ctx, run, account.ID(), regions); err != nil {
			return fmt.Errorf("note account %s: %w", account.ID(), err)
		}
		l := newListing(s, run, c, account, regions)
		err := l.list(limited)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case limited.Err() != nil:
			l.overdue()
		case err != nil:
			return err
		}
		run = l.snapshot()
		run.State, run.Error = outcome(run.Regions)
	}
	run.Ended = s.Now()
	if err := s.Runs.FinishRun(ctx, run); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	s.Log.Info("connector ran", "connector", c.ID, "run", run.ID, "state", run.State, "regions", len(run.Regions), "error", run.Error)
	return nil
}

// open gets into the account and finds the regions to list.
func (s *Syncer) open(ctx context.Context, c Connector, credentials Credentials) (Account, []string, error) {
	credentials.SessionName = SessionName(c.ID)
	account, err := s.Cloud.Open(ctx, c.Partition, credentials)
	if err != nil {
		return nil, nil, err
	}
	if !c.AllRegions {
		return account, c.Regions, nil
	}
	regions, err := account.Regions(ctx)
	return account, regions, err
}
