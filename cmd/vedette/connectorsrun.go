package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// firstLook is when --wait first looks how a run goes on, and laterLook how often
// it does so later: small accounts are listed within a second, large ones take
// minutes.
const firstLook, laterLook = 250 * time.Millisecond, 2 * time.Second

// activeStates are those of a connector whose run has not ended.
var activeStates = []string{qps.ConnectorPending, qps.ConnectorQueued, qps.ConnectorRunning, qps.ConnectorProcessing}

func newConnectorsRun(a *app, f *clientFlags) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "run CONNECTOR…", Short: "Let connectors run now", Args: minArgs("CONNECTOR"),
		Long: `Asks for a run of connectors, besides those they make by themselves. A connector
that runs already is joined; a disabled one is passed over, unless all are. --wait
follows the runs to their end; Ctrl-C then stops the waiting and not the runs.

The exit code of --wait is 3 when some regions of a connector failed, and 1 when one
could list nothing.`,
		Example: "  vedette connectors run production\n  vedette connectors run production gov --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usagef("--wait-timeout %s: use a duration such as 30m", timeout)
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Run Connectors failed."
			ids := make([]int64, len(args))
			for i, text := range args {
				if ids[i], err = findConnector(cmd.Context(), client, text); err != nil {
					return connectorFailure(indicator, err)
				}
			}
			queued, err := client.RunAWSConnectors(cmd.Context(), ids...)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if wait {
				return a.awaitConnectors(cmd.Context(), f, client, queued, timeout)
			}
			return a.writeConnectors(f, queued, false)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the runs have ended and show progress")
	cmd.Flags().DurationVar(&timeout, "wait-timeout", defaultWaitTimeout, "longest `time` to wait with --wait")
	return cmd
}

// awaitConnectors follows runs to their end and writes what became of them.
func (a *app) awaitConnectors(ctx context.Context, f *clientFlags, client *qpsclient.Client, queued []*qps.AwsAssetDataConnector, timeout time.Duration) error {
	const indicator = "Run Connectors failed."
	started, told, pause := a.now(), make(map[int64]string), firstLook
	for {
		active := false
		for i, c := range queued {
			if line := a.runProgress(ctx, client, c); line != told[c.ID] {
				told[c.ID] = line
				fmt.Fprintf(a.stderr, "%7s  connector %d (%s): %s\n", seconds(a.now().Sub(started)), c.ID, printable(c.Name), printable(line))
			}
			if !slices.Contains(activeStates, c.ConnectorState) {
				continue
			}
			active = true
			now, err := client.GetAWSConnector(ctx, c.ID)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			queued[i] = now
		}
		switch {
		case !active:
			return a.endedConnectors(f, queued)
		case a.now().Sub(started) >= timeout:
			fmt.Fprintf(a.stderr, "No longer waiting for %s. See how it ends with: vedette connectors list\n", client.BaseURL())
			return connectorFailure(indicator, errors.New("the runs have not ended in time, and go on"))
		}
		pause = min(2*pause, laterLook)
		if err := a.sleep(ctx, pause/2); err != nil {
			fmt.Fprintln(a.stderr, "No longer waiting. The runs go on; see how they end with: vedette connectors list")
			return connectorFailure(indicator, err)
		}
	}
}

// runProgress says where a connector stands, with what its run has listed where
// the platform tells.
func (a *app) runProgress(ctx context.Context, client *qpsclient.Client, c *qps.AwsAssetDataConnector) string {
	runs, err := client.ConnectorRuns(ctx, c.ID, 1)
	if err != nil || len(runs) == 0 || len(runs[0].Regions) == 0 {
		return c.ConnectorState
	}
	state, listed, complete := c.ConnectorState, 0, 0
	if slices.Contains(activeStates, state) {
		state = runs[0].State // which was looked at later
	}
	for _, r := range runs[0].Regions {
		listed += r.Listed
		if r.Complete || r.Error != "" {
			complete++
		}
	}
	return fmt.Sprintf("%s, %d of %s, %s listed", state, complete, counted(len(runs[0].Regions), "region"), counted(listed, "instance"))
}

// endedConnectors writes connectors whose runs have ended, and says by the exit
// code how.
func (a *app) endedConnectors(f *clientFlags, list []*qps.AwsAssetDataConnector) error {
	if err := a.writeConnectors(f, list, false); err != nil {
		return err
	}
	outcome := automation.Outcome{State: automation.Successful}
	good := 0
	for _, c := range list {
		switch c.ConnectorState {
		case qps.ConnectorFinishedSuccess, qps.ConnectorSuccess:
			good++
			continue
		case qps.ConnectorFinishedErrors:
			good++
		}
		outcome.Errors = append(outcome.Errors, automation.Error{
			Indicator: fmt.Sprintf("Run Connector %d failed.", c.ID), StatusCode: automation.StatusOf(errors.New("the run failed")),
			Message: fmt.Sprintf("%s: %s.", c.ConnectorState, strings.TrimRight(c.LastError, ".")), Resolution: fmt.Sprintf("'vedette connectors errors %d' says more.", c.ID),
		})
	}
	switch {
	case len(outcome.Errors) == 0:
	case good > 0:
		outcome.State = automation.PartiallySuccessful
	default:
		outcome.State = automation.Failed
	}
	return outcomeOf(outcome)
}

func newConnectorsRuns(a *app, f *clientFlags) *cobra.Command {
	limit := 10
	cmd := &cobra.Command{
		Use: "runs CONNECTOR", Short: "List what the last runs did in each region", Args: exactArgs("CONNECTOR"),
		Long: `Lists the last runs of a connector, newest first, a line for each region: instances
that AWS told, host assets that are new and that changed, instances that are gone, and
those that could not be stored.`,
		Example: "  vedette connectors runs production\n  vedette connectors runs production --limit 1 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > maxUninstallLimit {
				return usagef("--limit %d: use a number from 1 to %d", limit, maxUninstallLimit)
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "List Runs failed."
			id, err := findConnector(cmd.Context(), client, args[0])
			if err != nil {
				return connectorFailure(indicator, err)
			}
			runs, err := client.ConnectorRuns(cmd.Context(), id, limit)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"runs": append([]qpsclient.ConnectorRun{}, runs...)})
			}
			if f.format() == formatTable && len(runs) == 0 {
				fmt.Fprintln(a.stderr, "The connector has not run yet.")
			}
			return f.writeRows(a.stdout, "runs", "run", runTable(runs))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "list at most this `number` of runs")
	return cmd
}

func runTable(runs []qpsclient.ConnectorRun) automation.Table {
	t := automation.Table{
		Columns:     []string{"RUN", "STATE", "STARTED BY", "QUEUED", "ENDED", "REGION", "LISTED", "CREATED", "UPDATED", "VANISHED", "DROPPED", "ERROR"},
		TimeColumns: []string{"QUEUED", "ENDED"},
	}
	for _, r := range runs {
		by := r.StartedBy
		if by == "" {
			by = "schedule"
		}
		head := []string{strconv.FormatInt(r.ID, 10), r.State, by, qps.FormatTime(r.Queued), qps.FormatTime(r.Ended)}
		if len(r.Regions) == 0 {
			t.Rows = append(t.Rows, append(slices.Clone(head), "", "", "", "", "", "", r.Error))
		}
		for _, region := range r.Regions {
			t.Rows = append(t.Rows, append(slices.Clone(head), region.Region, strconv.Itoa(region.Listed), strconv.Itoa(region.Created),
				strconv.Itoa(region.Updated), strconv.Itoa(region.Vanished), strconv.Itoa(region.Dropped), region.Error))
		}
	}
	return t
}

func newConnectorsErrors(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "errors CONNECTOR", Short: "List what went wrong in the runs of a connector", Args: exactArgs("CONNECTOR"),
		Long:    "Lists what went wrong in the runs of a connector, newest first, in the words of AWS.",
		Example: "  vedette connectors errors production\n  vedette connectors errors 149008 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "List Errors failed."
			id, err := findConnector(cmd.Context(), client, args[0])
			if err != nil {
				return connectorFailure(indicator, err)
			}
			list, err := client.ConnectorErrors(cmd.Context(), id)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if len(list) == 0 { // as it is for a connector that there is not
				if _, err := client.GetAWSConnector(cmd.Context(), id); err != nil {
					return connectorFailure(indicator, err)
				}
				if f.format() == formatTable {
					fmt.Fprintln(a.stderr, "Nothing went wrong.")
				}
			}
			t := automation.Table{Columns: []string{"DAY", "ERROR"}}
			for _, e := range list {
				t.Rows = append(t.Rows, []string{e.Created.UTC().Format(time.DateOnly), e.ErrorMessage})
			}
			return writeRecords(a, f, qps.SchemaAssetDataConnectorErrors, list, t, t)
		},
	}
}

func newInstanceStates(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "instance-states ID", Short: "List the states that an instance was in", Args: exactArgs("ID"),
		Long:    "Lists the states of an EC2 instance, oldest first, each since a run saw it. ID is that of its host asset.",
		Example: "  vedette connectors instance-states 7003001\n  vedette connectors instance-states 7003001 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("host asset ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			states, err := client.InstanceStates(cmd.Context(), id)
			if err != nil {
				return connectorFailure("List Instance States failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"states": append([]qpsclient.InstanceState{}, states...)})
			}
			if f.format() == formatTable && len(states) == 0 {
				fmt.Fprintln(a.stderr, "No connector has found an instance there.")
			}
			t := automation.Table{Columns: []string{"STATE", "SINCE"}, TimeColumns: []string{"SINCE"}}
			for _, s := range states {
				t.Rows = append(t.Rows, []string{s.State, qps.FormatTime(s.Since)})
			}
			return f.writeRows(a.stdout, "states", "state", t)
		},
	}
}
