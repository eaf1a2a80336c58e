package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

// defaultWaitTimeout is how long --wait waits: an agent that is about to check
// in, and a vulnerability scan under a low CPU limit, fit into it.
const defaultWaitTimeout = 30 * time.Minute

// launchOptions are the flags of scans launch.
type launchOptions struct {
	scanType    string
	override    bool
	wait        bool
	waitTimeout time.Duration
}

func newScansLaunch(a *app, f *clientFlags) *cobra.Command {
	o := launchOptions{scanType: automation.ScanTypes()[0].Token}
	cmd := &cobra.Command{
		Use: "launch ID…", Short: "Launch on-demand scans", Args: minArgs("Cloud Agent ID"),
		Long: `Launches an on-demand scan on each of the agents. IDs are Cloud Agent IDs, the ids
that 'vedette agents search' shows. The scan starts when the agent next contacts
the platform; --wait follows it to its end. Ctrl-C then stops the waiting and not
the scan.

When some of the agents cannot be scanned, the others are, and the exit code is 3.`,
		Example: `  vedette scans launch 1
  vedette scans launch --type inventory --wait 1 2 3
  vedette scans launch --type vulnerability --override-cpu-throttle 1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.waitTimeout <= 0 {
				return usagef("--wait-timeout %s: use a duration such as 30m", o.waitTimeout)
			}
			return a.launchScans(cmd.Context(), f, o, args)
		},
	}
	scanTypeFlag(cmd, &o.scanType, "type of the scan")
	cmd.Flags().BoolVar(&o.override, "override-cpu-throttle", false, "ignore the CPU limits of the agents' profiles for this scan")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the scans have ended and show progress")
	cmd.Flags().DurationVar(&o.waitTimeout, "wait-timeout", defaultWaitTimeout, "longest `time` to wait with --wait")
	return cmd
}

func (a *app) launchScans(ctx context.Context, f *clientFlags, o launchOptions, args []string) error {
	ids, err := automation.ParseAgentIDs(args)
	if err != nil {
		return err
	}
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	scanType, err := automation.ParseScanType(o.scanType)
	if err != nil {
		return usageError{err}
	}
	var watch *automation.Watch
	if o.wait {
		watcher := automation.Watcher{Platform: client, States: client, Now: a.now, Sleep: a.sleep}
		if watch, err = watcher.Begin(ctx, ids, scanType); err != nil {
			return err
		}
	}
	outcome := automation.NewCommands(client, a.now).LaunchOnDemandScans(ctx, automation.LaunchInput{
		CloudAgentIDs: args, ScanType: scanType.Name, OverrideCPUThrottleLimits: o.override,
	})
	if watch != nil && outcome.State != automation.Failed {
		outcome = a.waitForScans(ctx, client, watch, o.waitTimeout, outcome)
	}
	if outcome.State != automation.Failed || f.format() != formatTable {
		if err := writeOutcome(a.stdout, f.format(), outcome); err != nil {
			return err
		}
	}
	return outcomeOf(outcome)
}

// waitForScans shows on standard error how the scans go on until they have
// ended, the time is over or the user stops it.
func (a *app) waitForScans(ctx context.Context, client *qpsclient.Client, watch *automation.Watch, timeout time.Duration, launched automation.Outcome) automation.Outcome {
	if !watch.ReportsStates() {
		fmt.Fprintln(a.stderr, noStatesNote+" Watching the agents' last events (chirpStatus) and scan dates instead.")
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	outcome := watch.Wait(bounded, launched, func(p automation.Progress) {
		line := fmt.Sprintf("%7s  agent %d", seconds(p.Elapsed), p.AgentID)
		if p.ScanID != 0 {
			line += fmt.Sprintf(", scan %d", p.ScanID)
		}
		line += ": " + printable(p.State)
		if p.Reason != "" {
			line += " (" + printable(p.Reason) + ")"
		}
		fmt.Fprintln(a.stderr, line)
	})
	if bounded.Err() != nil {
		fmt.Fprintf(a.stderr, "No longer waiting for %s. See how it ends with: vedette scans list\n", client.BaseURL())
	}
	return outcome
}
