package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/agent/resident"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/swarm"
)

// departure is how long the agents of a swarm may take to remove themselves.
const departure = 5 * time.Minute

// swarmOptions are the flags of vedette swarm beside those of every client.
type swarmOptions struct {
	agents, connections       int
	scenario                  string
	duration, ramp            *time.Duration // nil leaves the scenario's
	speed, legacy             float64
	patience                  time.Duration
	seed                      uint64
	wakeup, keep, verbose     bool
	activationKey, customerID string
	against                   string
}

func newSwarmCommand(a *app) *cobra.Command {
	cmd, f := newClientGroup(a, "swarm", "Run thousands of agents against a platform, to learn what it carries",
		`Run thousands of agents in this process against a platform, to learn what it
carries before hosts depend on it.

The agents are real ones: each has keys of its own, signs, keeps its schedule,
retries and uploads as an agent on a host does. Their hosts are imagined, from
inventories recorded on Debian servers, each a little different.

Scenarios:

`+scenarioList()+`
All times of a scenario are those of the agents. With --speed 60 their clock runs
sixty times as fast as the world's: intervals of 30 minutes pass in 30 seconds,
and the platform has the load of sixty times as many agents.

Every agent becomes an asset of the platform, named swarm-RUN-NUMBER, and uses a
unit of the activation key. At the end, also after Ctrl-C, the assets are
uninstalled where credentials are given; otherwise, and with --keep, the command
that does it is printed. A platform that is not on this machine is only used when
--against repeats its URL. The exit code is 3 when not all hosts could be
inventoried, and 1 when the platform lets no agent in, which ends the run at once.

Agents use what the activation key allows: give the swarm a key of its own, with
a tag, on a platform that has hosts.`, string(formatTable), string(formatJSON))
	cmd.Example = `  vedette swarm --agents 1000
  vedette swarm --agents 10000 --ramp 5h --scenario outage --speed 60
  vedette swarm --agents 500 --scenario storm --duration 10m -o json
  vedette swarm --agents 1000 --legacy 0.25
  vedette swarm --agents 2000 --url https://vedette.example.net:8443 --against https://vedette.example.net:8443 --activation-key UUID --customer-id UUID
  vedette swarm clean swarm-1f9a3c-`
	o := swarmOptions{scenario: swarm.Scenarios()[0].Name}
	var duration, ramp time.Duration
	cmd.Args = noArgs
	flags := cmd.Flags()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for name, chosen := range map[string]struct {
			from time.Duration
			to   **time.Duration
		}{"duration": {duration, &o.duration}, "ramp": {ramp, &o.ramp}} {
			if chosen.from < 0 {
				return usagef("--%s %s: use a time such as 30m, or 0s for none", name, chosen.from)
			}
			if flags.Changed(name) {
				*chosen.to = &chosen.from
			}
		}
		return runSwarm(cmd.Context(), a, f, o)
	}
	numberFlag(flags, &o.agents, "agents", 100, 1, swarm.MaxAgents, fmt.Sprintf("how many `agents` at a time, 1 to %d", swarm.MaxAgents))
	flags.Var(oneOf{&o.scenario, swarm.ScenarioNames()}, "scenario", "what they live through")
	completeOneOf(cmd, "scenario", swarm.ScenarioNames())
	flags.DurationVar(&duration, "duration", 0, "how long the run goes on after the first inventories and, if there is one, the outage; the scenario's by default")
	flags.DurationVar(&ramp, "ramp", 0, "within which time the agents start; the scenario's by default")
	flags.DurationVar(&o.patience, "patience", swarm.DefaultPatience, "how long to wait for one more first inventory before going on without, in the time of the world")
	numberFlag(flags, &o.speed, "speed", 1, 1, swarm.MaxSpeed, fmt.Sprintf("how many `times` as fast as the world's the agents' clock runs, 1 to %d", swarm.MaxSpeed))
	numberFlag(flags, &o.connections, "connections", 256, 1, swarm.MaxConnections, fmt.Sprintf("how many `connections` the agents share, 1 to %d", swarm.MaxConnections))
	flags.BoolVar(&o.wakeup, "wakeup", false, "hold wake-up polls, as agents do: one more connection for each agent")
	numberFlag(flags, &o.legacy, "legacy", 0, 0, 1, "`part` of the agents, 0 to 1, whose events run from timers of their own, as before version 1.6")
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that decides what each host is")
	flags.StringVar(&o.activationKey, "activation-key", "", "`UUID` of the activation key (VEDETTE_ACTIVATION_KEY)")
	flags.StringVar(&o.customerID, "customer-id", "", "`UUID` of the subscription (VEDETTE_CUSTOMER_ID)")
	flags.StringVar(&o.against, "against", "", "`URL` of the platform once more, for one that is not on this machine")
	flags.BoolVar(&o.keep, "keep", false, "leave the assets on the platform")
	flags.BoolVar(&o.verbose, "verbose", false, "log what each agent does")
	cmd.AddCommand(newSwarmClean(a, f))
	return cmd
}

func scenarioList() string {
	var b strings.Builder
	for _, s := range swarm.Scenarios() {
		fmt.Fprintf(&b, "  %-7s  %s\n", s.Name, s.Summary)
	}
	return b.String()
}

// lives is the scenario with what the flags change.
func (o swarmOptions) lives() swarm.Scenario {
	scenario, _ := swarm.FindScenario(o.scenario) // the flag takes no other
	if o.duration != nil {
		scenario.Duration = *o.duration
	}
	if o.ramp != nil {
		scenario.Ramp = *o.ramp
	}
	return scenario
}

func runSwarm(ctx context.Context, a *app, f *clientFlags, o swarmOptions) error {
	target, err := a.swarmTarget(f, o)
	if err != nil {
		return err
	}
	recordings, err := swarm.Recordings()
	if err != nil {
		return err
	}
	show := &progress{out: a.stderr, started: time.Now()}
	config := swarm.Config{
		Scenario: o.lives(), Agents: o.agents, Speed: o.speed, Patience: o.patience, Connections: o.connections, Wakeup: o.wakeup, Legacy: o.legacy,
		Seed: o.seed, Prefix: runPrefix(),
		ServerURI: target.url, CA: target.ca, ActivationID: target.activationKey, CustomerID: target.customerID,
		AgentVersion: resident.Version, Recordings: recordings, Log: newSwarmLog(a.stderr, o.verbose),
		Progress: func(p swarm.Progress) {
			show.done(p.Phase, "agents' time %s · %s · %d inventoried · %.0f requests/s · %s failed · %s ended",
				p.Life.Round(time.Second), counted(p.Agents, "agent"), p.Inventoried, p.PerSecond, counted(p.Failed, "request"), counted(p.Ended, "agent"))
		},
	}
	s, err := swarm.New(config)
	if err != nil {
		return usageError{err}
	}
	show.done("start", "%s named %s… at %s, scenario %s, %g times the world's speed", counted(o.agents, "agent"), config.Prefix, target.url, config.Scenario.Name, o.speed)
	report := s.Run(ctx)
	if err := writeSwarmReport(a.stdout, f.format(), report); err != nil {
		return err
	}
	if report.Identities > 0 {
		if err := a.endSwarm(ctx, s, target, config.Prefix, o.keep, show); err != nil {
			return err
		}
	}
	if report.Hopeless != "" {
		return fault.New(fault.Conflict, "The swarm gave up: "+report.Hopeless+".", "Check the URL, the activation key ('vedette keys list') and the customer id (admin.env of the platform).")
	}
	if !allInventoried(report) && !report.Stopped {
		fmt.Fprintf(a.stderr, "Only %d of %d hosts have an inventory on the platform; the errors of the report say why.\n", report.Inventoried, report.Hosts)
		return outcomeError{automation.Outcome{State: automation.PartiallySuccessful}}
	}
	return nil
}

// allInventoried reports whether every host has had its first inventory, be it after
// the swarm had gone on without.
func allInventoried(r *swarm.Report) bool {
	return r.FirstInventories > 0 || r.Inventoried >= r.Hosts
}

// runPrefix begins the names of a run's hosts: no other host has it.
func runPrefix() string {
	var run [3]byte
	_, _ = rand.Read(run[:]) // never fails
	return swarmNames + hex.EncodeToString(run[:]) + "-"
}

// endSwarm uninstalls the assets of a run, or says how.
func (a *app) endSwarm(ctx context.Context, s *swarm.Swarm, target swarmTarget, prefix string, keep bool, show *progress) error {
	if keep || target.client == nil {
		fmt.Fprintf(a.stderr, "The assets stay on the platform. To remove them: vedette swarm clean %s\n", prefix)
		return nil
	}
	if ctx.Err() != nil {
		// The first Ctrl-C ended the run; the next one leaves the assets behind.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
	}
	show.done("clean", "uninstalling the assets %s…; Ctrl-C leaves them", prefix)
	if _, err := uninstallSwarm(ctx, target.client, prefix, show); err != nil {
		fmt.Fprintf(a.stderr, "Assets stay on the platform. To remove them: vedette swarm clean %s\n", prefix)
		return err
	}
	limited, cancel := context.WithTimeout(ctx, departure)
	defer cancel()
	gone, of := s.Depart(limited)
	show.done("clean", "%d of %s gone", gone, counted(of, "agent"))
	return nil
}

// newSwarmLog is the log of all agents, nothing unless it is asked for.
func newSwarmLog(out io.Writer, verbose bool) *slog.Logger {
	if !verbose {
		return slog.New(slog.DiscardHandler)
	}
	return newLog(out, true)
}
