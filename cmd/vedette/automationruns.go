package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newRunsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("runs", "List, show, cancel and repeat runs of commands",
		`Every run of a command is kept for 30 days: who or what started it, its inputs with
secrets as ********, and all of its outputs. RUN is the ID of a run.`)
	group.Example = "  vedette automation runs list --state failed\n  vedette automation runs show 12\n  vedette automation runs again 12"
	list := newRunsList(a, f)
	a.completeNamesOf(f, connectionNames, 1, list)
	group.AddCommand(list, newRunsShow(a, f), newRunsCancel(a, f), newRunsAgain(a, f))
	return group
}

func newRunsList(a *app, f *clientFlags) *cobra.Command {
	var q qpsclient.CommandRunQuery
	var state string
	var states []string
	for _, s := range qpsclient.RunStates() {
		states = append(states, string(s))
	}
	origins := []string{"test", "command", "schedule", "health", "playbook"}
	cmd := &cobra.Command{
		Use: "list [CONNECTION]", Short: "List runs, newest first", Args: func(cmd *cobra.Command, args []string) error { return noArgs(cmd, args[min(len(args), 1):]) },
		Long:    "Lists runs of the connections that you may use, or of one of them, that meet all filters.",
		Example: "  vedette automation runs list\n  vedette automation runs list \"Qualys prod\" --command launch-on-demand-scans --state failed -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			q.State = qpsclient.RunState(state)
			return a.byCall(f, "List Runs failed.", func(client *qpsclient.Client) error {
				if len(args) == 1 {
					c, err := findConnection(cmd.Context(), client, args[0])
					if err != nil {
						return err
					}
					q.ConnectionID = c.ID
				}
				runs, err := client.CommandRuns(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"runs": runs})
				}
				if f.format() == formatTable && len(runs) == 0 {
					fmt.Fprintln(a.stderr, "There is no such run.")
				}
				t := commandRunTable(runs...)
				if f.format() == formatTable { // what fits beside each other
					t = columnsOf(t, "ID", "CONNECTION", "COMMAND", "ORIGIN", "STARTED BY", "STATE", "QUEUED", "ENDED")
				}
				return f.writeRows(a.stdout, "runs", "run", t)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Command, "command", "", "only runs of this `command`")
	flags.Var(oneOf{&state, states}, "state", "only runs in this state")
	completeOneOf(cmd, "state", states)
	flags.Var(oneOf{&q.Origin, origins}, "origin", "only runs with this origin")
	completeOneOf(cmd, "origin", origins)
	flags.StringVar(&q.StartedBy, "started-by", "", "only runs that this `user` started")
	numberFlag(flags, &q.Limit, "limit", defaultScanLimit, 1, maxScanLimit, "list at most this `number` of runs")
	numberFlag(flags, &q.Before, "before", 0, 0, int64(math.MaxInt64), "only runs with a lower `ID`")
	return cmd
}

func commandRunTable(runs ...qpsclient.CommandRun) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "CONNECTION", "COMMAND", "INPUTS", "ORIGIN", "STARTED BY", "ADDRESS", "REPEATS", "DRY RUN", "STATE", "RETURN DATA", "ATTEMPTS", "QUEUED", "STARTED", "ENDED", "GOES ON",
	}, TimeColumns: []string{"QUEUED", "STARTED", "ENDED", "GOES ON"}}
	for _, r := range runs {
		repeats := ""
		if r.RerunOf != 0 {
			repeats = strconv.FormatInt(r.RerunOf, 10)
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(r.ID, 10), r.Connection.Name, r.Command, inputText(r.Inputs), r.Origin, r.StartedBy, r.Address, repeats, yesNo(r.DryRun),
			string(r.State), r.Outcome.ReturnData, strconv.Itoa(r.Attempts), qps.FormatTime(r.Queued), qps.FormatTime(r.Started), qps.FormatTime(r.Ended), qps.FormatTime(r.Resume),
		})
	}
	return t
}

// inputText is the inputs of a run as --input takes them.
func inputText(inputs map[string]any) string {
	texts := make([]string, 0, len(inputs))
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		text, isText := inputs[name].(string)
		if !isText {
			value, err := json.Marshal(inputs[name])
			if err != nil {
				continue // it came as JSON
			}
			text = string(value)
		}
		texts = append(texts, name+"="+text)
	}
	return strings.Join(texts, ", ")
}

func (a *app) writeRun(f *clientFlags, r qpsclient.CommandRun) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, r)
	}
	return a.writeUpright(f, "run", commandRunTable(r))
}

func newRunsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Aliases: []string{"get"}, Short: "Show one run with its outputs", Args: exactArgs("RUN"),
		Long: `Shows a run: who started it, its inputs, its result and its errors. With -o json all
outputs are printed: return data, result, raw data, context data, key fields, errors
and passdown.`,
		Example: "  vedette automation runs show 12\n  vedette automation runs show 12 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("run", args[0])
			if err != nil {
				return err
			}
			return a.byCall(f, "Show Run failed.", func(client *qpsclient.Client) error {
				r, err := client.CommandRun(cmd.Context(), id)
				if err != nil {
					return err
				}
				if err := a.writeRun(f, r); err != nil || f.format() != formatTable {
					return err
				}
				return a.writeOutputs(f, outcomeFrom(r.Outcome))
			})
		},
	}
}

// writeOutputs writes the outputs of a run that people read.
func (a *app) writeOutputs(f *clientFlags, outcome automation.Outcome) error {
	notes := automation.Table{Columns: []string{"NOTE"}}
	for _, note := range outcome.Notes {
		notes.Rows = append(notes.Rows, []string{note})
	}
	if err := errors.Join(a.writeSection("Result:", outcome.Result.Shown(f.times)), a.writeSection("Notes:", notes)); err != nil || len(outcome.Errors) == 0 {
		return err
	}
	fmt.Fprint(a.stdout, "\nError:\n\n")
	printErrors(a.stdout, outcome.Errors)
	return nil
}

func newRunsCancel(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "cancel RUN", Short: "End a run", Args: exactArgs("RUN"),
		Long:    "Ends a run that has not ended. What was sent to the platform already is not taken back.",
		Example: "  vedette automation runs cancel 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("run", args[0])
			if err != nil {
				return err
			}
			return a.byCall(f, "Cancel Run failed.", func(client *qpsclient.Client) error {
				r, err := client.CancelCommandRun(cmd.Context(), id)
				if err != nil {
					return err
				}
				return a.writeRun(f, r)
			})
		},
	}
}

func newRunsAgain(a *app, f *clientFlags) *cobra.Command {
	var noFollow bool
	cmd := &cobra.Command{
		Use: "again RUN", Short: "Run a command again with the same inputs", Args: exactArgs("RUN"),
		Long:    "Runs a command again with the inputs of an earlier run, and follows the new run to its end.",
		Example: "  vedette automation runs again 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("run", args[0])
			if err != nil {
				return err
			}
			return a.byCall(f, "Run Again failed.", func(client *qpsclient.Client) error {
				r, err := client.RepeatCommandRun(cmd.Context(), id)
				if err != nil {
					return err
				}
				if noFollow {
					return a.writeRun(f, r)
				}
				if r, err = a.follow(cmd.Context(), client, r); err != nil {
					return err
				}
				return a.reportRun(f, r)
			})
		},
	}
	cmd.Flags().BoolVar(&noFollow, "no-follow", false, "only queue the run, and show it")
	return cmd
}
