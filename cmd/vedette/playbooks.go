package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	links "vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/core"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	runs "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/internal/outbound/webhook"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

const (
	// conductWorkers is how many runs of playbooks are carried on at once on a
	// replica, and stepCommands how many commands of theirs are under way. They mostly
	// wait for answers.
	conductWorkers, stepCommands = 16, 64
	// conductTimeout is what a job has beyond the time in which it begins commands: the
	// longest of them, and to say that it was over.
	conductTimeout = conductor.Limit + runs.Limit + commandGrace
	// conductGrace is how long the commands of playbooks may go on when the platform
	// stops; the rest of the time that jobs have is for storing what they came to.
	conductGrace = jobs.Drain - 2*time.Second

	// hooksPerAddress is how many webhooks one address may send in hooksWindow, and
	// hookRequests how many are looked at at once: each is at most 64 KiB.
	hooksPerAddress, hooksWindow = 600, time.Minute
	hookRequests                 = 32

	// eventWorkers is how many events start playbooks at once on a replica, and
	// eventTimeout how long that may take: it only queues runs.
	eventWorkers, eventTimeout = 2, time.Minute
)

// playbookLayer is what runs playbooks.
type playbookLayer struct {
	programs  *library.Programs
	library   *library.Library
	conductor *conductor.Conductor
	desk      *conductor.Desk
	hooks     *trigger.Hooks
	events    *trigger.Events
}

func (p *platform) newPlaybooks(connections *links.Directory, runner *runs.Runner, sender *notice.Sender, now func() time.Time, log *slog.Logger) *playbookLayer {
	programs := &library.Programs{Shelf: p.store}
	live, publishers := trigger.Live{Shelf: p.store, Programs: programs}, trigger.Publishers{Sites: connections, Owners: p.store}
	return &playbookLayer{
		programs: programs,
		library:  &library.Library{Shelf: p.store, Secrets: p.store, Programs: programs, Sites: connections, Now: now},
		conductor: &conductor.Conductor{
			Turns: p.store, Programs: programs, Commands: runner, Now: now, Random: rand.Float64, Log: log, Room: make(chan struct{}, stepCommands),
			Stopping: jobs.Stopping, Grace: conductGrace, Lost: jobs.Lost,
			Core: &core.Commands{Mail: sender, Meter: p.store, Webhooks: &webhook.Client{UserAgent: "vedette/" + buildVersion(), Now: now, Policy: egress.Policy{NoLoopback: true}}, Secrets: p.store, Rights: runner.Rights, Now: now},
		},
		desk:  &conductor.Desk{Records: p.store, Shelf: p.store, Programs: programs, Sites: connections, Now: now, Random: rand.Float64},
		hooks: &trigger.Hooks{Live: live, Publishers: publishers, Secrets: p.store, Runs: p.store, Now: now},
		events: &trigger.Events{
			Live: live, Publishers: publishers, Occurrences: p.store, Hosts: p.store, Keys: &fleet.Keyring{Keys: p.store}, Now: now,
		},
	}
}

// hookRoute is where others start playbooks.
func (p *platform) hookRoute(now func() time.Time, log *slog.Logger) (server.Route, error) {
	limits, err := server.NewLimits(server.LimitSettings{Calls: hooksPerAddress, Window: hooksWindow}, now)
	if err != nil {
		return server.Route{}, err
	}
	strangers := server.Strangers{Limits: limits, Budget: server.NewBudget(hookRequests)}
	return automationapi.HookRoute(p.automation.playbooks.hooks, strangers, now, log), nil
}

// playbookRuns is the work of carrying playbooks on.
func (p *platform) playbookRuns(layer *playbookLayer, now func() time.Time) jobs.Kind {
	return jobs.Kind{
		Name: conductor.Job, Workers: conductWorkers, Timeout: conductTimeout,
		Run: func(ctx context.Context, id int64) error {
			err := layer.conductor.Conduct(ctx, id)
			if errors.Is(err, conductor.ErrStopping) {
				return jobs.Snooze(0) // for another replica, or the next start
			}
			return err
		},
		Due: jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return p.store.DuePlaybookRuns(ctx, now(), after, limit)
		}),
		GaveUp: layer.conductor.GiveUp,
	}
}

// playbookEvents is the work of starting playbooks for what has happened.
func (p *platform) playbookEvents(layer *playbookLayer, now func() time.Time, log *slog.Logger) jobs.Kind {
	return jobs.Kind{
		Name: trigger.EventJob, Workers: eventWorkers, Look: unhurried, Timeout: eventTimeout, Run: layer.events.Start,
		Due: jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return p.store.DuePlaybookEvents(ctx, now(), after, limit)
		}),
		GaveUp: func(ctx context.Context, id int64, failure error) error {
			// It is still due, so it is tried again.
			log.ErrorContext(ctx, "an event could not start its playbook", "event", id, "error", failure)
			return nil
		},
	}
}
