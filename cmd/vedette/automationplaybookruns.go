package main

import (
	"context"
	"encoding/json"
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

func newPlaybookRunsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("runs", "List, follow, pause, cancel and repeat runs of playbooks",
		`Every run of a playbook is kept for 30 days after its end: its version, its inputs, and
what became of each step. RUN is the ID of a run.`)
	group.Example = `  vedette automation playbooks runs list --open
  vedette automation playbooks runs follow 12
  vedette automation playbooks runs pause 12
  vedette automation playbooks runs again 12`
	list := newPlaybookRunsList(a, f)
	a.completeNamesOf(f, playbookNames, 1, list)
	group.AddCommand(list, newPlaybookRunsShow(a, f), newPlaybookRunsFollow(a, f), newPlaybookRunsCommands(a, f), newPlaybookRunsAgain(a, f),
		a.newPlaybookRunsTell(f, "pause", "Have a run begin nothing more, until it is resumed", "What was sent ends. Waits go on; what came due meanwhile follows when the run is resumed.",
			(*qpsclient.Client).PausePlaybookRun),
		a.newPlaybookRunsTell(f, "resume", "Let a paused run go on", "Lets a paused run go on where it is.", (*qpsclient.Client).ResumePlaybookRun),
		a.newPlaybookRunsTell(f, "cancel", "End a run", "Nothing more begins, and what is under way is stopped. What was sent to a platform already\nis not taken back. The run has ended when that has.",
			(*qpsclient.Client).CancelPlaybookRun))
	return group
}

func newPlaybookRunsList(a *app, f *clientFlags) *cobra.Command {
	var q qpsclient.PlaybookRunQuery
	var state string
	var states []string
	for _, s := range qpsclient.PlaybookRunStates() {
		states = append(states, string(s))
	}
	cmd := &cobra.Command{
		Use: "list [PLAYBOOK]", Short: "List runs, newest first", Args: func(cmd *cobra.Command, args []string) error { return noArgs(cmd, args[min(len(args), 1):]) },
		Long:    "Lists runs of the playbooks of your sites, or of one of them, that meet all filters.",
		Example: "  vedette automation playbooks runs list --open\n  vedette automation playbooks runs list rescan-stale-hosts --state failed -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			q.State = qpsclient.PlaybookRunState(state)
			return a.byCall(f, "List Runs failed.", func(client *qpsclient.Client) error {
				if len(args) == 1 {
					p, err := findPlaybook(cmd.Context(), client, args[0])
					if err != nil {
						return err
					}
					q.PlaybookID = p.ID
				}
				runs, err := client.PlaybookRuns(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"runs": runs})
				}
				t := playbookRunTable(runs...)
				if f.format() == formatTable {
					if len(runs) == 0 {
						fmt.Fprintln(a.stderr, "There is no such run.")
					}
					t = columnsOf(t, "ID", "PLAYBOOK", "VERSION", "SITE", "TRIGGER", "STARTED BY", "STATE", "QUEUED", "ENDED") // what fits beside each other
				}
				return f.writeRows(a.stdout, "runs", "run", t)
			})
		},
	}
	flags := cmd.Flags()
	flags.Var(oneOf{&state, states}, "state", "only runs in this state")
	completeOneOf(cmd, "state", states)
	flags.BoolVar(&q.Open, "open", false, "only runs that have not ended")
	flags.BoolVar(&q.Top, "top", false, "only runs that no step of another one began")
	flags.StringVar(&q.StartedBy, "started-by", "", "only runs with the rights of this `user`")
	numberFlag(flags, &q.ParentID, "parent", 0, 0, int64(math.MaxInt64), "only runs that steps of the run with this `ID` began")
	numberFlag(flags, &q.Limit, "limit", defaultScanLimit, 1, maxScanLimit, "list at most this `number` of runs")
	numberFlag(flags, &q.Before, "before", 0, 0, int64(math.MaxInt64), "only runs with a lower `ID`")
	return cmd
}

func playbookRunTable(runs ...qpsclient.PlaybookRun) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "PLAYBOOK", "VERSION", "SITE", "TRIGGER", "INPUTS", "STARTED BY", "ADDRESS", "GOES ON WITH", "PARENT", "STATE", "QUEUED", "STARTED", "ENDED", "RESUMES", "ERROR",
	}, TimeColumns: []string{"QUEUED", "STARTED", "ENDED", "RESUMES"}}
	for _, r := range runs {
		parent, failure := "", ""
		if r.Parent != nil {
			parent = fmt.Sprintf("%d, step %s", r.Parent.RunID, r.Parent.Step)
		}
		if r.Error != nil {
			failure = r.Error.Message
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(r.ID, 10), r.Playbook.Name, strconv.FormatInt(r.Version, 10), r.Site.Name, r.Trigger.Kind, inputText(r.Inputs), r.StartedBy, r.Address,
			numberOrNone(r.RerunOf), parent, string(r.State), qps.FormatTime(r.Queued), qps.FormatTime(r.Started), qps.FormatTime(r.Ended), qps.FormatTime(r.Resume), failure,
		})
	}
	return t
}

func (a *app) writePlaybookRun(f *clientFlags, r qpsclient.PlaybookRun) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, r)
	}
	return a.writeUpright(f, "run", playbookRunTable(r))
}

func stepTable(steps []qpsclient.PlaybookStep) automation.Table {
	t := automation.Table{Columns: []string{"STEP", "STATE", "ITEMS", "RUNS", "BY", "COMMENT", "BEGUN", "RESUMES", "ERROR"}, TimeColumns: []string{"BEGUN", "RESUMES"}}
	for _, s := range steps {
		items, failure, resumes := "", "", s.Resume
		if s.Items > 1 {
			items = itemsDone(s)
		}
		if s.Error != nil {
			failure = s.Error.Message
		}
		if len(s.Executions) == 1 && !s.Executions[0].Resume.IsZero() {
			resumes = s.Executions[0].Resume
		}
		t.Rows = append(t.Rows, []string{s.ID, s.State, items, stepRuns(s), s.By, s.Comment, qps.FormatTime(s.Begun), qps.FormatTime(resumes), failure})
	}
	return t
}

// stepRuns names the runs that a step began, the first few of many.
func stepRuns(s qpsclient.PlaybookStep) string {
	const most = 3
	var names []string
	for _, x := range s.Executions {
		switch {
		case x.RunID != 0:
			names = append(names, strconv.FormatInt(x.RunID, 10))
		case x.PlaybookRunID != 0:
			names = append(names, "playbook run "+strconv.FormatInt(x.PlaybookRunID, 10))
		}
	}
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// writeRunResult writes what became of the steps of a run, and what it leaves.
func (a *app) writeRunResult(r qpsclient.PlaybookRun) error {
	t := stepTable(r.Steps)
	if len(t.Rows) > 0 {
		if err := writeTable(a.stdout, columnsOf(t, "STEP", "STATE", "ITEMS", "RUNS", "BY", "ERROR")); err != nil {
			return err
		}
	}
	return a.writeSection("Outputs:", outputTable(r.Outputs))
}

// outputTable shows the outputs of a run, texts as they are and others as JSON.
func outputTable(outputs json.RawMessage) automation.Table {
	t := automation.Table{Columns: []string{"NAME", "VALUE"}}
	var values map[string]json.RawMessage
	if json.Unmarshal(outputs, &values) != nil {
		return t // there are none
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var text string
		if json.Unmarshal(values[name], &text) != nil {
			text = string(values[name])
		}
		t.Rows = append(t.Rows, []string{name, text})
	}
	return t
}

// byPlaybookRun makes a command of one run.
func (a *app) byPlaybookRun(f *clientFlags, indicator string, call func(ctx context.Context, client *qpsclient.Client, id int64) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		id, err := parseID("run", args[0])
		if err != nil {
			return err
		}
		return a.byCall(f, indicator, func(client *qpsclient.Client) error { return call(cmd.Context(), client, id) })
	}
}

func newPlaybookRunsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Aliases: []string{"get"}, Short: "Show one run with its steps", Args: exactArgs("RUN"),
		Long:    "Shows a run: its version, its inputs, what became of each step, what it asks, its outputs\nand its error.",
		Example: "  vedette automation playbooks runs show 12\n  vedette automation playbooks runs show 12 -o json",
		RunE: a.byPlaybookRun(f, "Show Run failed.", func(ctx context.Context, client *qpsclient.Client, id int64) error {
			r, err := client.PlaybookRun(ctx, id)
			if err != nil {
				return err
			}
			if err := a.writePlaybookRun(f, r); err != nil || f.format() != formatTable {
				return err
			}
			questions, err := client.Questions(ctx, qpsclient.QuestionQuery{RunID: id, Open: true})
			if err != nil {
				return err
			}
			for _, section := range []struct {
				heading string
				table   automation.Table
			}{
				{"Steps:", stepTable(r.Steps).Shown(f.times)}, {"Questions:", columnsOf(questionTable(questions...), "ID", "FOR", "MESSAGE", "DUE").Shown(f.times)},
				{"Outputs:", outputTable(r.Outputs)},
			} {
				if err := a.writeSection(section.heading, section.table); err != nil {
					return err
				}
			}
			if r.Error != nil {
				fmt.Fprint(a.stdout, "\nError:\n\n")
				printErrors(a.stdout, runErrors(r))
			}
			return nil
		}),
	}
}

func newPlaybookRunsFollow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "follow RUN", Short: "Tell how a run goes on, until it has ended", Args: exactArgs("RUN"),
		Long: `Tells which steps begin and end, and what the run asks, until it has ended. Ctrl-C stops
the following and not the run.

Exit codes: 0 successful, 1 failed or cancelled, 3 partially successful.`,
		Example: "  vedette automation playbooks runs follow 12",
		RunE: a.byPlaybookRun(f, "Follow Run failed.", func(ctx context.Context, client *qpsclient.Client, id int64) error {
			return a.followPlaybook(ctx, f, client, qpsclient.PlaybookRun{ID: id})
		}),
	}
}

func newPlaybookRunsCommands(a *app, f *clientFlags) *cobra.Command {
	var after int64
	var limit int
	cmd := &cobra.Command{
		Use: "commands RUN", Short: "List the commands that a run has run", Args: exactArgs("RUN"),
		Long:    "Lists the runs of commands that the steps of a run began, in the order in which they were\nbegun. 'vedette automation runs show' shows one with its outputs.",
		Example: "  vedette automation playbooks runs commands 12\n  vedette automation playbooks runs commands 12 --limit 1000 -o csv",
		RunE: a.byPlaybookRun(f, "List Commands failed.", func(ctx context.Context, client *qpsclient.Client, id int64) error {
			runs, more, err := client.PlaybookRunCommands(ctx, id, after, limit)
			if err != nil {
				return err
			}
			if more {
				defer fmt.Fprintf(a.stderr, "There are more: --after %d shows those that follow.\n", runs[len(runs)-1].ID)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"runs": runs, "more": more})
			}
			t := stepCommandTable(runs)
			if f.format() == formatTable {
				if len(runs) == 0 {
					fmt.Fprintln(a.stderr, "It has run no command.")
				}
				t = columnsOf(t, "ID", "STEP", "ITEM", "CONNECTION", "COMMAND", "STATE", "STARTED", "ENDED") // what fits beside each other
			}
			return f.writeRows(a.stdout, "runs", "run", t)
		}),
	}
	flags := cmd.Flags()
	numberFlag(flags, &limit, "limit", defaultScanLimit, 1, maxScanLimit, "list at most this `number` of runs")
	numberFlag(flags, &after, "after", 0, 0, int64(math.MaxInt64), "only runs with a higher `ID`")
	return cmd
}

// stepCommandTable is a table of the runs of commands of steps.
func stepCommandTable(runs []qpsclient.CommandRun) automation.Table {
	t := automation.Table{Columns: []string{"ID", "STEP", "ITEM", "ROUND", "CONNECTION", "COMMAND", "INPUTS", "STATE", "ATTEMPTS", "STARTED", "ENDED"}, TimeColumns: []string{"STARTED", "ENDED"}}
	for _, r := range runs {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(r.ID, 10), r.Step, strconv.Itoa(r.Item), strconv.Itoa(r.Round), r.Connection.Name, r.Integration + "/" + r.Command, inputText(r.Inputs),
			string(r.State), strconv.Itoa(r.Attempts), qps.FormatTime(r.Started), qps.FormatTime(r.Ended),
		})
	}
	return t
}

// newPlaybookRunsTell makes a command that tells a run what somebody wants of it.
func (a *app) newPlaybookRunsTell(f *clientFlags, word, short, long string, tell func(*qpsclient.Client, context.Context, int64) (qpsclient.PlaybookRun, error)) *cobra.Command {
	return &cobra.Command{
		Use: word + " RUN", Short: short, Args: exactArgs("RUN"), Long: long, Example: "  vedette automation playbooks runs " + word + " 12",
		RunE: a.byPlaybookRun(f, strings.ToUpper(word[:1])+word[1:]+" Run failed.", func(ctx context.Context, client *qpsclient.Client, id int64) error {
			r, err := tell(client, ctx, id)
			if err != nil {
				return err
			}
			return a.writePlaybookRun(f, r)
		}),
	}
}

func newPlaybookRunsAgain(a *app, f *clientFlags) *cobra.Command {
	var noFollow bool
	cmd := &cobra.Command{
		Use: "again RUN", Short: "Go on from the step that failed", Args: exactArgs("RUN"),
		Long: `Goes on where a run stopped that has ended, as a new run with the same version and
inputs and with your rights, and follows that to its end. What succeeded is not done
again; what failed, was rejected or was cancelled begins anew.

Exit codes: 0 successful, 1 failed or cancelled, 3 partially successful.`,
		Example: "  vedette automation playbooks runs again 12",
		RunE: a.byPlaybookRun(f, "Run Again failed.", func(ctx context.Context, client *qpsclient.Client, id int64) error {
			r, err := client.RepeatPlaybookRun(ctx, id)
			if err != nil {
				return err
			}
			if noFollow {
				return a.writePlaybookRun(f, r)
			}
			return a.followPlaybook(ctx, f, client, r)
		}),
	}
	cmd.Flags().BoolVar(&noFollow, "no-follow", false, "only queue the run, and show it")
	return cmd
}
