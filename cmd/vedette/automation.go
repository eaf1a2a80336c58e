package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	links "vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	runs "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/jobs"
	outboundplatform "vedette.dev/vedette/internal/outbound/platform"
	"vedette.dev/vedette/internal/outbound/vault"
)

const (
	// commandWorkers is how many commands run at once on a replica.
	commandWorkers = 8
	// commandGrace is what a run may take beyond its own limit, to say that it was
	// over.
	commandGrace = time.Minute
	// firingWorkers is how many schedules are carried out at once on a replica, and
	// firingTimeout how long that may take: it only queues runs.
	firingWorkers, firingTimeout = 2, time.Minute
	// unhurried is how often jobs are looked for that nobody sits and waits for.
	unhurried = 2 * time.Second
	// checksAtMost is how many health checks are queued at a time.
	checksAtMost = 100
)

// automationLayer is what carries out commands, and who may ask for them.
type automationLayer struct {
	connections *links.Directory
	desk        *runs.Desk
	runner      *runs.Runner
	trial       *runs.Trial
	schedules   *schedule.Directory
	firer       *schedule.Firer
	sender      *notice.Sender
	notices     *notice.Directory
	playbooks   *playbookLayer
}

// openAutomation makes the automation layer of a platform.
func (p *platform) openAutomation(now func() time.Time, log *slog.Logger) (*automationLayer, error) {
	vaults := outboundplatform.Vaults{Source: vault.NewSource(vault.Options{Now: now})}
	p.closers = append(p.closers, vaults.Source.Close)
	sessions := &outboundplatform.Sessions{
		UserAgent: "vedette/" + buildVersion(), Pace: p.store.Pace, Ledger: p.store.Launches, Relay: p.dialThrough, Vaults: vaults, Now: now,
	}
	if p.authority != nil {
		var err error
		if sessions.Authority, err = x509.ParseCertificate(p.authority); err != nil {
			return nil, fmt.Errorf("read the platform's own authority: %w", err)
		}
	}
	directory := &links.Directory{Connections: p.store, Sites: p.store, People: p.store, Relays: p.store, Now: now, Random: rand.Float64}
	runner := &runs.Runner{
		Work: p.store, Opener: sessions, Vaults: vaults, Rights: runs.UserRights{Users: p.store, Connections: directory}, Journal: p.store, Now: now, Log: log, Lost: jobs.Lost,
	}
	sender := p.newSender(now)
	desk := &runs.Desk{Records: p.store, Connections: directory, Now: now}
	playbooks := p.newPlaybooks(directory, runner, sender, now, log)
	scheduler := &trigger.Scheduler{Live: trigger.Live{Shelf: p.store, Programs: playbooks.programs}, Sites: directory, Firings: p.store, Now: now}
	return &automationLayer{
		connections: directory, runner: runner, desk: desk,
		trial:     &runs.Trial{Connections: directory, Runner: runner},
		schedules: &schedule.Directory{Schedules: p.store, Connections: directory, Desk: desk, Playbooks: scheduler, Now: now},
		firer:     &schedule.Firer{Schedules: p.store, Desk: desk, Playbooks: scheduler, Owners: p.store, Journal: p.store, Now: now, Log: log},
		playbooks: playbooks,
		sender:    sender, notices: &notice.Directory{Storage: p.store, Sender: sender, Templates: notice.Embedded(), Now: now},
	}, nil
}

// commandRuns is the work of carrying out commands: those somebody asked for, and
// health checks that are due.
func (p *platform) commandRuns(layer *automationLayer, now func() time.Time, log *slog.Logger) jobs.Kind {
	pending := jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
		return p.store.PendingRuns(ctx, now(), after, limit)
	})
	return jobs.Kind{
		Name: runs.Job, Workers: commandWorkers, Timeout: runs.Limit + commandGrace,
		Run: func(ctx context.Context, id int64) error {
			again, err := layer.runner.Run(ctx, id)
			if err == nil && again > 0 {
				return jobs.Snooze(again)
			}
			return err
		},
		Due: func(ctx context.Context) ([]int64, error) {
			if _, err := p.store.QueueChecks(ctx, now(), rand.Float64, checksAtMost); err != nil {
				log.WarnContext(ctx, "health checks were not queued", "error", err)
			}
			return pending(ctx)
		},
		GaveUp: func(ctx context.Context, id int64, failure error) error {
			log.ErrorContext(ctx, "a run of a command failed for good", "run", id, "error", failure)
			return layer.runner.GiveUp(ctx, id)
		},
	}
}

// firings is the work of carrying out the firings of schedules.
func (p *platform) firings(layer *automationLayer, now func() time.Time, log *slog.Logger) jobs.Kind {
	return jobs.Kind{
		Name: schedule.Job, Workers: firingWorkers, Look: unhurried, Timeout: firingTimeout, Run: layer.firer.Fire,
		Due: jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return p.store.DueSchedules(ctx, now(), after, limit)
		}),
		GaveUp: func(ctx context.Context, id int64, failure error) error {
			// It is still due, so it is tried again.
			log.ErrorContext(ctx, "a schedule could not be carried out", "schedule", id, "error", failure)
			return nil
		},
	}
}

// pruneRuns removes runs that have been kept for long enough.
func (p *platform) pruneRuns(now func() time.Time) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		err := prune(ctx, now().Add(-conductor.Retention), p.store.PrunePlaybookRuns)
		return errors.Join(err, prune(ctx, now().Add(-runs.Retention), p.store.PruneRuns))
	}
}

// prune removes what is older, some at a time.
func prune(ctx context.Context, before time.Time, some func(ctx context.Context, before time.Time) (int, error)) error {
	for {
		n, err := some(ctx, before)
		if err != nil || n == 0 {
			return err
		}
	}
}
