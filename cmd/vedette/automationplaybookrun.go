package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newPlaybooksRun(a *app, f *clientFlags) *cobra.Command {
	var inputs runFlags
	var version versionFlags
	cmd := &cobra.Command{
		Use: "run PLAYBOOK", Short: "Run a playbook", Args: exactArgs("PLAYBOOK"),
		Long: `Runs the live version of a playbook, or another one, with your rights, and follows the
run to its end; Ctrl-C then stops the following and not the run. 'vedette automation
playbooks show' shows the inputs. Lists are written as JSON, or with commas.

Exit codes: 0 successful, 1 failed or cancelled, 3 partially successful.`,
		Example: `  vedette automation playbooks run rescan-stale-hosts --input connection=lab --input days=14
  vedette automation playbooks run launch-and-report --input cloudAgentIds=7003001,7003002 --input mailTo=soc@example.net --no-follow
  vedette automation playbooks run SOC/onboard --draft --inputs-file inputs.json`,
		RunE: a.byPlaybook(f, "Run Playbook failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			given, err := a.playbookInputs(ctx, f, client, p, version, &inputs)
			if err != nil {
				return err
			}
			r, err := client.StartPlaybook(ctx, p.ID, qpsclient.PlaybookRequest{
				Inputs: given, Version: version.number, Draft: version.draft, Key: cmp.Or(inputs.key, uuid.NewString()),
			})
			if err != nil {
				return err
			}
			if inputs.noFollow {
				return a.writePlaybookRun(f, r)
			}
			return a.followPlaybook(ctx, f, client, r)
		}),
	}
	inputs.defineInputs(cmd)
	version.define(cmd)
	cmd.Flags().BoolVar(&inputs.noFollow, "no-follow", false, "only queue the run, and show it")
	cmd.Flags().StringVar(&inputs.key, "idempotency-key", "", "`key` that tells a repetition of this command from another one: of one key there is one run")
	return cmd
}

// playbookInputs returns the inputs of the file, and over them those of --input.
func (a *app) playbookInputs(ctx context.Context, f *clientFlags, client *qpsclient.Client, p qpsclient.Playbook, version versionFlags, r *runFlags) (map[string]any, error) {
	inputs, err := r.ofFile(a, f)
	if err != nil || len(r.inputs) == 0 {
		return inputs, err
	}
	v, err := client.PlaybookVersion(ctx, p.ID, version.of(p))
	if err != nil {
		return nil, err
	}
	for _, text := range r.inputs {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, usagef("--input %s: use NAME=VALUE", quote(name))
		}
		at := slices.IndexFunc(v.Inputs, func(in qpsclient.PlaybookInput) bool { return in.Name == name })
		if at < 0 {
			inputs[name] = value // for the platform to refuse, which says what there is
			continue
		}
		if inputs[name], err = playbookInput(f, v.Inputs[at], value); err != nil {
			return nil, err
		}
	}
	return inputs, nil
}

// playbookInput returns the value of an input as JSON has it: times are written in the
// user's format, which is known here.
func playbookInput(f *clientFlags, in qpsclient.PlaybookInput, text string) (any, error) {
	switch in.Type {
	case "text", "url", "choice", "duration":
		return text, nil
	case "datetime":
		at, err := f.times.ReadTime(text, false)
		if err != nil {
			return nil, usagef("--input %s: %w", in.Name, err)
		}
		return at.UTC().Format(time.RFC3339), nil
	case "texts":
		if !strings.HasPrefix(strings.TrimSpace(text), "[") {
			return splitTrimmed(text), nil
		}
	case "ids":
		if !strings.HasPrefix(strings.TrimSpace(text), "[") {
			value, err := decodeInput("[" + text + "]")
			if err == nil {
				return value, nil
			}
		}
	}
	value, err := decodeInput(text)
	switch {
	case err == nil:
		return value, nil
	case in.Type == "any":
		return text, nil
	}
	return nil, usagef("--input %s=%s: its type is %s; use %s", in.Name, quote(text), in.Type, cmp.Or(inputForms[in.Type], "JSON"))
}

// inputForms are how inputs are written that are no texts.
var inputForms = map[string]string{
	"integer": "a whole number such as 14", "number": "a number such as 0.5", "boolean": "true or false", "ids": "ids with commas between them, such as 7003001,7003002",
	"texts": `texts with commas between them, or JSON such as ["a", "b"]`, "list": "JSON such as [1, 2]", "object": `JSON such as {"a": 1}`,
}

func splitTrimmed(text string) []string {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// decodeInput reads one value of JSON, and keeps numbers as they are.
func decodeInput(text string) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

// followPlaybook tells how a run goes on until it has ended, and reports it.
func (a *app) followPlaybook(ctx context.Context, f *clientFlags, client *qpsclient.Client, r qpsclient.PlaybookRun) error {
	teller := &stepTeller{app: a, client: client, started: a.now(), told: map[string]string{}, asked: map[int64]bool{}}
	for wait := firstFollow; ; wait = laterFollow {
		now, err := client.WaitForPlaybookRun(ctx, r.ID, wait)
		if err == nil {
			r = now
			err = teller.tell(ctx, r)
		}
		if err != nil {
			if ctx.Err() != nil {
				fmt.Fprintf(a.stderr, "No longer following. The run goes on; follow it with: vedette automation playbooks runs follow %d\n", r.ID)
			}
			return err
		}
		if r.State.Final() {
			return a.reportPlaybookRun(f, r)
		}
	}
}

// stepTeller tells a person what has changed of a run.
type stepTeller struct {
	*app
	client  *qpsclient.Client
	started time.Time
	told    map[string]string // the last line, by step; that of the run has no step
	asked   map[int64]bool    // questions that were shown
}

func (t *stepTeller) tell(ctx context.Context, r qpsclient.PlaybookRun) error {
	asks := false
	for _, s := range r.Steps {
		if s.State == "Pending" {
			continue
		}
		t.line(s.ID, "  "+s.ID+": "+s.State+stepDetail(s), s.State)
		asks = asks || s.State == "Asked" || slices.ContainsFunc(s.Executions, func(x qpsclient.StepExecution) bool { return x.State == "Unknown" })
	}
	if !r.State.Final() {
		t.line("", fmt.Sprintf("run %d: %s", r.ID, r.State), "")
	}
	if !asks || r.State.Final() {
		return nil
	}
	questions, err := t.client.Questions(ctx, qpsclient.QuestionQuery{RunID: r.ID, Open: true})
	if err != nil {
		return err
	}
	for _, q := range slices.Backward(questions) {
		if !t.asked[q.ID] {
			t.asked[q.ID] = true
			t.ask(q)
		}
	}
	return nil
}

// line tells a line about a step once.
func (t *stepTeller) line(step, text, state string) {
	if t.told[step] == text {
		return
	}
	t.told[step] = text
	text = printable(text)
	if color := stepColors[state]; color != "" && t.colors(t.stderr) {
		text = color + text + colorEnd
	}
	fmt.Fprintf(t.stderr, "%7s  %s\n", seconds(t.now().Sub(t.started)), text)
}

// stepColors are the colours of states that a person should see at a glance.
var stepColors = map[string]string{
	"Successful": "\x1b[32m", "Approved": "\x1b[32m", "Partially Successful": "\x1b[33m", "Asked": "\x1b[33m", "Unknown": "\x1b[33m", "Failed": "\x1b[31m", "Rejected": "\x1b[31m",
}

// stepDetail says what else is to be known of a step.
func stepDetail(s qpsclient.PlaybookStep) string {
	detail := ""
	if s.Items > 1 {
		detail = ", " + itemsDone(s)
	}
	if s.Error != nil {
		detail += ": " + s.Error.Message
	}
	if s.By != "" {
		detail += " by " + s.By
	}
	return detail
}

// itemsDone says how many of the items of a step have ended.
func itemsDone(s qpsclient.PlaybookStep) string {
	done := 0
	for _, x := range s.Executions {
		if slices.Contains([]string{"Successful", "Partially Successful", "Failed", "Skipped", "Cancelled"}, x.State) {
			done++
		}
	}
	return fmt.Sprintf("%d of %d", done, s.Items)
}

// ask shows a question, and how it is answered.
func (t *stepTeller) ask(q qpsclient.Question) {
	fmt.Fprintf(t.stderr, "\n%s\nAnswer with: vedette automation playbooks questions answer %d %s\n\n", printable(questionLine(q)), q.ID, strings.Join(qpsclient.Answers(q.Kind), "|"))
}

// questionLine is a question, and who is asked.
func questionLine(q qpsclient.Question) string {
	who := "all who may run playbooks"
	if len(q.Assignees) > 0 {
		who = strings.Join(q.Assignees, ", ")
	}
	return fmt.Sprintf("Question %d for %s: %s", q.ID, who, q.Message)
}

// reportPlaybookRun writes how a run ended, and makes the command fail if it did.
func (a *app) reportPlaybookRun(f *clientFlags, r qpsclient.PlaybookRun) error {
	if f.format() != formatTable {
		if err := a.writePlaybookRun(f, r); err != nil {
			return err
		}
	} else if err := a.writeRunResult(r); err != nil {
		return err
	}
	outcome := automation.Outcome{State: automation.Failed}
	switch r.State {
	case qpsclient.PlaybookRunSuccessful:
		return nil
	case qpsclient.PlaybookRunPartiallySuccessful:
		outcome.State = automation.PartiallySuccessful
	case qpsclient.PlaybookRunCancelled:
		outcome.Errors = []automation.Error{{Indicator: "Playbook " + r.Playbook.Name + " was cancelled.", StatusCode: automation.StatusCancelled, Message: "Somebody cancelled the run."}}
	}
	outcome.Errors = append(outcome.Errors, runErrors(r)...)
	return outcomeError{outcome}
}

// runErrors are what stopped a run, or else what went wrong with its steps.
func runErrors(r qpsclient.PlaybookRun) []automation.Error {
	one := func(e *qpsclient.StepError) automation.Error {
		return automation.Error{Indicator: e.Indicator, StatusCode: e.StatusCode, Message: e.Message, Resolution: e.Resolution}
	}
	if r.Error != nil {
		return []automation.Error{one(r.Error)}
	}
	var errs []automation.Error
	for _, s := range r.Steps {
		if s.Error != nil {
			errs = append(errs, one(s.Error))
		}
	}
	return errs
}
