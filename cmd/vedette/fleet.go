package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/packages"
	"vedette.dev/vedette/internal/releases"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/agentapi"
)

// fleetLayer is what keeps a fleet: agents, what is known of their hosts, and
// connectors of clouds. A platform that was started with only the automation layer
// has none.
type fleetLayer struct {
	packages   *packages.Folder
	launcher   *ondemand.Launcher
	profiles   *fleet.Profiles
	connectors *connector.Directory
	owns       *aws.OwnAccounts
	agents     []server.Route // that agents call
	background []func(context.Context)
	kinds      []jobs.Kind
}

// openFleet makes the fleet layer of a platform.
func (p *platform) openFleet(ctx context.Context, offered *packages.Folder, now func() time.Time, log *slog.Logger) (*fleetLayer, error) {
	signer, err := p.signer(ctx, now())
	if err != nil {
		return nil, err
	}
	timestamp, err := p.folder.signingKey(timestampKey)
	if err != nil {
		return nil, err
	}
	cloud := aws.New(buildVersion(), aws.Limits{})
	shelf := releases.NewShelf(p.folder.file(releasesFolder), timestamp, now, log)
	roster := fleet.NewRoster(p.store, now)
	pulse := fleet.NewPulse(p.store, log)
	wakeups := &fleet.Wakeups{}
	gateway := &agentapi.Gateway{
		Roster: roster, Pulse: pulse, Wakeups: wakeups,
		Enroller: &fleet.Enroller{Enrolments: p.store, Now: now},
		Arbiter:  &fleet.Arbiter{Holders: p.store, Roster: roster, Now: now, Log: log},
		Intake:   inventory.NewIntake(p.store, now),
		Demands:  p.store, Profiles: p.store, Orders: p.store, Signer: signer, Now: now, Log: log,
		Releases: shelf, Upgrades: p.store,
	}
	rollout := fleet.NewRollout(p.store, now, log)
	tail := &fleet.Tail{Changes: p.store, Hint: p.store.Hint(), Roster: roster, Wakeups: wakeups, Log: log}
	installation := &agentapi.Installation{Packages: offered, Admission: &fleet.Admission{Keys: p.store, Now: now}, Authority: p.authority}
	f := &fleetLayer{
		packages:   offered,
		launcher:   &ondemand.Launcher{Requests: p.store, Targets: p.store, Now: now},
		profiles:   &fleet.Profiles{Store: p.store, Now: now, NewID: uuid.NewString, Changed: rollout.Poke, Hosts: p.store},
		connectors: &connector.Directory{Connectors: p.store, Accounts: p.store, Now: now},
		owns:       aws.NewOwnAccounts(cloud, now),
		agents:     append(gateway.Routes(server.NewBudget(server.AgentRequests)), installation.Routes()...),
		kinds:      []jobs.Kind{p.connectorRuns(cloud, now, log)},
	}
	f.background = append(p.fleetSweeps(f.launcher, log), pulse.Run, tail.Run, rollout.Run, shelf.Run,
		(&fleet.RuleEvaluator{Passes: p.store, Hint: p.store.RuleHint(), Log: log}).Run)
	return f, nil
}

// signer returns what signs instructions. Every replica of a database must have
// the same root: agents have pinned it and refuse another.
func (p *platform) signer(ctx context.Context, now time.Time) (*agentapi.Signer, error) {
	signer, err := p.folder.signer(now)
	if err != nil {
		return nil, err
	}
	pinned, err := p.store.EnsureInstructionRoot(ctx, signer.Root)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(pinned, signer.Root) {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("The root key in %s is not the one the agents of this database trust.", p.folder.file("trust")), copyTrust)
	}
	return signer, nil
}

// fleetSweeps returns the work that ends requests that waited too long, and finishes
// what was cut off.
func (p *platform) fleetSweeps(launcher *ondemand.Launcher, log *slog.Logger) []func(context.Context) {
	claims := &fleet.ClaimReporter{Instances: p.store, Log: log}
	var after int64
	var sweeps []func(context.Context)
	for failure, task := range map[string]func(ctx context.Context) error{
		"on-demand requests were not swept": func(ctx context.Context) error {
			_, err := launcher.Sweep(ctx)
			return err
		},
		"updates of activation keys did not reach all agents": p.store.ResumeKeyPushes,
		"tallies of hosts were not settled": func(ctx context.Context) error {
			more, err := p.store.SettleTallies(ctx)
			for more && err == nil {
				more, err = p.store.SettleTallies(ctx)
			}
			return err
		},
		"software that no host has was not swept": func(ctx context.Context) (err error) {
			after, _, err = p.store.SweepSoftware(ctx, after)
			return err
		},
		"contested instances were not looked for": claims.Report,
	} {
		sweeps = append(sweeps, func(ctx context.Context) { sweep(ctx, log, failure, task) })
	}
	return sweeps
}
