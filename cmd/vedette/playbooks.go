package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	links "vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/core"
	"vedette.dev/vedette/internal/automation/playbook/library"
	runs "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/internal/outbound/webhook"
)

const (
	// conductWorkers is how many runs of playbooks are carried on at once on a
	// replica, and stepCommands how many commands of theirs are under way. They mostly
	// wait for answers.
	conductWorkers, stepCommands = 16, 64
	// conductTimeout is what a job has beyond the time in which it begins commands: the
	// longest of them, and to say that it was over.
	conductTimeout = conductor.Limit + runs.Limit + commandGrace
)

// playbookLayer is what runs playbooks.
type playbookLayer struct {
	programs  *library.Programs
	library   *library.Library
	conductor *conductor.Conductor
	desk      *conductor.Desk
}

func (p *platform) newPlaybooks(connections *links.Directory, runner *runs.Runner, sender *notice.Sender, now func() time.Time, log *slog.Logger) *playbookLayer {
	programs := &library.Programs{Shelf: p.store}
	return &playbookLayer{
		programs: programs,
		library:  &library.Library{Shelf: p.store, Programs: programs, Sites: connections, Now: now},
		conductor: &conductor.Conductor{
			Turns: p.store, Programs: programs, Commands: runner, Now: now, Random: rand.Float64, Log: log, Room: make(chan struct{}, stepCommands),
			Core: &core.Commands{Mail: sender, Webhooks: &webhook.Client{UserAgent: "vedette/" + buildVersion(), Now: now, Policy: egress.Policy{NoLoopback: true}}, Secrets: p.store, Rights: runner.Rights, Now: now},
		},
		desk: &conductor.Desk{Records: p.store, Shelf: p.store, Programs: programs, Sites: connections, Now: now, Random: rand.Float64},
	}
}

// playbookRuns is the work of carrying playbooks on.
func (p *platform) playbookRuns(layer *playbookLayer, now func() time.Time) jobs.Kind {
	return jobs.Kind{
		Name: conductor.Job, Workers: conductWorkers, Look: unhurried, Timeout: conductTimeout, Run: layer.conductor.Conduct,
		Due: jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return p.store.DuePlaybookRuns(ctx, now(), after, limit)
		}),
		GaveUp: layer.conductor.GiveUp,
	}
}
