package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// firstFollow is how long the first look at a run waits for its end, and laterFollow
	// how long later ones do: whoever watches is told within that time.
	firstFollow, laterFollow = 2 * time.Second, 5 * time.Second
	// maxInputBytes bounds a file with inputs; a thousand ids have 20 KB.
	maxInputBytes = 60 << 10
)

// runFlags are what can be said of a run on the command line.
type runFlags struct {
	inputs   []string
	file     string
	dryRun   bool
	force    bool
	test     bool
	wait     time.Duration
	interval time.Duration
	noFollow bool
	key      string
}

func newAutomationRun(a *app, f *clientFlags) *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use: "run CONNECTION COMMAND", Short: "Run a command with a connection", Args: exactArgs("CONNECTION", "COMMAND"),
		Long: `Runs a command and follows the run to its end; Ctrl-C then stops the following and not
the run. Inputs are named as 'vedette automation commands show' shows them, by either
name. Secret inputs are given in a file.

With --wait the run itself waits until what the command began has ended, such as
scans. With --dry-run it says what would be sent and sends nothing that writes.

Exit codes: 0 successful, 1 failed, 3 partially successful.`,
		Example: `  vedette automation run "Qualys prod" search-cloud-agents --input os=Windows --input lastCheckedInTo="12/29/2024 09:00 AM"
  vedette automation run SOC/lab launch-on-demand-scans --input cloudAgentIds='["7003001","7003002"]' --input "scanType=Vulnerability Scan" --wait=2h
  vedette automation run lab launch-on-demand-scans --inputs-file - < inputs.json
  vedette automation run lab "Test Connection" -o json`,
		ValidArgsFunction: a.completeCommand(f, connectionNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runCommand(cmd, f, &r, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	r.defineInputs(cmd)
	flags.BoolVar(&r.dryRun, "dry-run", false, "say what would be sent, and send nothing that writes")
	flags.BoolVar(&r.force, "force", false, "launch scans even where the same ones were launched a moment ago")
	flags.DurationVar(&r.wait, "wait", 0, "let the run wait, at most this `time`, until what it began has ended")
	flags.Lookup("wait").NoOptDefVal = defaultWaitTimeout.String()
	flags.DurationVar(&r.interval, "wait-interval", 0, "`time` between two looks of --wait")
	flags.BoolVar(&r.test, "test", false, "mark the run as a test of the command by itself")
	flags.BoolVar(&r.noFollow, "no-follow", false, "only queue the run, and show it")
	flags.StringVar(&r.key, "idempotency-key", "", "`key` that tells a repetition of this command from another one: of one key there is one run")
	return cmd
}

func (a *app) runCommand(cmd *cobra.Command, f *clientFlags, r *runFlags, connection, name string) error {
	indicator := "Run Command failed."
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c, err := findConnection(ctx, client, connection)
	if err != nil {
		return automationFailure(indicator, err)
	}
	of, err := client.Integration(ctx, c.Integration)
	if err != nil {
		return automationFailure(indicator, err)
	}
	command, err := findCommand(of, name)
	if err != nil {
		return err
	}
	request, err := r.request(a, cmd, f, command)
	if err != nil {
		return err
	}
	queued, err := client.RunCommand(ctx, c.ID, command.Name, request)
	if err != nil {
		return automationFailure(command.Indicator, err)
	}
	if r.noFollow {
		return a.writeRun(f, queued)
	}
	ended, err := a.follow(ctx, client, queued)
	if err != nil {
		return automationFailure(command.Indicator, err)
	}
	return a.reportRun(f, ended)
}

// reportRun writes what came of a run.
func (a *app) reportRun(f *clientFlags, ended qpsclient.CommandRun) error {
	outcome := outcomeFrom(ended.Outcome)
	if f.format() == formatTable {
		for _, note := range outcome.Notes {
			fmt.Fprintln(a.stderr, printable(note))
		}
		if outcome.State == automation.Successful && len(outcome.Result.Rows) == 0 {
			fmt.Fprintln(a.stderr, "Successful, with an empty result.")
		}
	}
	return a.report(f, outcome)
}

// request returns what the flags say of a run of a command.
func (r *runFlags) request(a *app, cmd *cobra.Command, f *clientFlags, command qpsclient.Command) (qpsclient.CommandRequest, error) {
	request := qpsclient.CommandRequest{DryRun: r.dryRun, Force: r.force, Test: r.test, Key: cmp.Or(r.key, uuid.NewString())}
	if cmd.Flags().Changed("wait") {
		if r.wait <= 0 {
			return request, usagef("--wait %s: use a duration such as 30m", r.wait)
		}
		request.Wait = &qpsclient.CommandWait{Timeout: r.wait.String()}
	}
	if cmd.Flags().Changed("wait-interval") {
		if request.Wait == nil || r.interval <= 0 {
			return request, usagef("--wait-interval %s: use a duration such as 30s, together with --wait", r.interval)
		}
		request.Wait.Interval = r.interval.String()
	}
	var err error
	request.Inputs, err = r.values(a, f, command)
	return request, err
}

// values returns the inputs of the file, and over them those of --input.
func (r *runFlags) values(a *app, f *clientFlags, command qpsclient.Command) (map[string]any, error) {
	inputs, err := r.ofFile(a, f)
	if err != nil {
		return nil, err
	}
	for _, text := range r.inputs {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, usagef("--input %s: use NAME=VALUE", quote(name))
		}
		at := slices.IndexFunc(command.Inputs, func(in qpsclient.CommandInput) bool { return in.Name == name || in.DisplayName == name })
		if at < 0 {
			inputs[name] = value // for the platform to refuse, which says what there is
			continue
		}
		in := command.Inputs[at]
		delete(inputs, in.DisplayName)
		if inputs[in.Name], err = inputValue(f, in, value); err != nil {
			return nil, err
		}
	}
	return inputs, nil
}

// ofFile returns the inputs of the file.
func (r *runFlags) ofFile(a *app, f *clientFlags) (map[string]any, error) {
	inputs := map[string]any{}
	if r.file == "" {
		return inputs, nil
	}
	if r.file == "-" && (f.passwordFile == "-" || f.tokenFile == "-") {
		return nil, usagef("--inputs-file - and the credentials of the connection cannot both come from standard input")
	}
	content, err := a.readInput(r.file, maxInputBytes)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&inputs); err != nil || inputs == nil {
		return nil, usagef("%s: the inputs must be one JSON object, such as {\"os\": \"Windows\"}", sourceName(r.file))
	}
	return inputs, nil
}

// inputValue returns the value of an input as the platform reads it: times are
// written in the user's format, which is known here.
func inputValue(f *clientFlags, in qpsclient.CommandInput, value string) (string, error) {
	switch {
	case in.Type == "secret":
		return "", usagef("--input %s=…: others can read command lines; give --inputs-file, - for standard input", in.Name)
	case in.Type != "datetime" || strings.TrimSpace(value) == "":
		return value, nil
	}
	at, err := f.times.ReadTime(value, in.UTC)
	if err != nil {
		return "", usagef("--input %s: %w", in.Name, err)
	}
	return at.Format(time.RFC3339), nil
}

// follow tells how a run goes on until it has ended, and returns it. Where ctx ends
// before, it says that the run goes on: nothing has failed that there would be more to
// say of.
func (a *app) follow(ctx context.Context, client *qpsclient.Client, r qpsclient.CommandRun) (qpsclient.CommandRun, error) {
	started, told := a.now(), ""
	for wait := firstFollow; ; wait = laterFollow {
		now, err := client.WaitForCommandRun(ctx, r.ID, wait)
		if err != nil {
			if ctx.Err() != nil {
				fmt.Fprintf(a.stderr, "No longer following. The run goes on; see how it ends with: vedette automation runs show %d\n", r.ID)
				return r, outcomeError{}
			}
			return r, err
		}
		if r = now; r.State.Final() {
			return r, nil
		}
		if line := runProgress(r); line != told {
			told = line
			fmt.Fprintf(a.stderr, "%7s  run %d: %s\n", seconds(a.now().Sub(started)), r.ID, printable(line))
		}
	}
}

// runProgress says where a run is, and what it waits for.
func runProgress(r qpsclient.CommandRun) string {
	line := string(r.State)
	if n := len(r.Outcome.Notes); n > 0 && r.State == qpsclient.RunWaiting {
		line += ", " + r.Outcome.Notes[n-1]
	}
	return line
}

// outcomeFrom is an outcome that a platform tells, as commands of this program
// have it.
func outcomeFrom(o qpsclient.CommandOutcome) automation.Outcome {
	outcome := automation.Outcome{
		State: automation.State(o.ReturnData), Result: automation.Table(o.Result), RawData: o.RawData, ContextData: o.ContextData,
		KeyFields: o.KeyFields, Passdown: o.Passdown, Notes: o.Notes,
	}
	for _, e := range o.Errors {
		outcome.Errors = append(outcome.Errors, automation.Error(e))
	}
	return outcome
}
