package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	planIndicator  = "Plan failed."
	applyIndicator = "Apply failed."
)

// planFlags choose what a plan is made of.
type planFlags struct {
	files []string
	prune bool
}

func (p *planFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&p.files, "file", "f", nil, "`file` with YAML documents, a folder with such files, or - for standard input; can be repeated")
	cmd.Flags().BoolVar(&p.prune, "prune", false, "also delete what the files do not mention, of the kinds they have")
}

func newPlanCommand(a *app) *cobra.Command {
	var p planFlags
	cmd, f := newClientGroup(a, "plan", "Show what files would change: tags, keys, profiles, automation",
		`Compares YAML files with the platform, a Qualys subscription as well, and shows what
'vedette apply' would change: + what is made, ~ what changes from old to new, and
with --prune - what is deleted. Nothing is changed.

A document describes a Tag, an ActivationKey, a ConfigurationProfile or a Connector, or
of the automation layer of a Vedette platform a Site, a Relay, a Connection, a Playbook
or a Schedule, and its MailSettings and Webhook, which a platform has once.
They are known by what people call them: a tag by its name and parent, a connection
and a schedule by their site and name. What a document does not mention stays as it
is. No file has secrets: a plan says which are missing, and how they are given.

--prune deletes objects that no file mentions, and only of the kinds that the files
have; of connections and schedules only in the sites that the files mention. It
spares what belongs to the platform, the default profile, keys that have agents, and
what something else uses, and says so.

The exit code is 0 whether or not there are changes; for a script, -o json has the
numbers under summary. docs/as-code.md describes the files.`)
	cmd.Example = `  vedette plan -f fleet/
  vedette plan -f tags.yaml -f keys.yaml --prune
  vedette plan -f fleet/ -o json | jq -e '.changes == []'
  vedette plan export fleet/`
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := a.planInput(f, &p, args)
		if err != nil {
			return err
		}
		made, err := in.plan(cmd.Context())
		if err != nil {
			return err
		}
		return a.writePlan(f.format(), made, planSummary(made))
	}
	p.define(cmd)
	cmd.AddCommand(newPlanExport(a, f))
	return cmd
}

// planInput is what a plan is made of.
type planInput struct {
	client    *qpsclient.Client
	documents []plan.Document
	options   plan.Options
}

// planInput reads the files: those of -f, and those a shell made of a pattern
// behind it.
func (a *app) planInput(f *clientFlags, p *planFlags, more []string) (in planInput, err error) {
	in.options.Prune = p.prune
	if in.documents, err = a.readDocuments(slices.Concat(p.files, more)); err != nil {
		return in, err
	}
	in.client, _, err = a.client(f, 0)
	return in, err
}

// plan compares the documents with the platform.
func (in planInput) plan(ctx context.Context) (*plan.Plan, error) {
	made, err := plan.Make(ctx, in.client, in.documents, in.options)
	return made, automationFailure(planIndicator, err)
}

// platformFailure is the error of a command that failed on the platform; mistakes
// in its input stay what they are.
func platformFailure(indicator string, err error) error {
	if err == nil || exitCode(err) == exitUsage {
		return err
	}
	return outcomeOf(automation.Failure(indicator, err))
}

func newApplyCommand(a *app) *cobra.Command {
	var p planFlags
	var yes bool
	cmd, f := newClientGroup(a, "apply", "Make a platform what files say: tags, keys, profiles, automation",
		`Shows the changes as 'vedette plan' does, asks on a terminal, and makes them: what
others refer to first, such as tags, sites and connections, and deletions last.
Without a terminal, --yes is needed. Everything is done with your rights, and
schedules run with them from then on.

It stops at the first change that fails and says what was done and what was not
(exit code 3 when something was done). To go on, apply again: what is done is not
done twice.`)
	cmd.Example = `  vedette apply -f fleet/
  vedette apply -f fleet/ --prune --yes
  vedette plan export old/ --connection lab && vedette apply -f old/ --connection production`
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := a.planInput(f, &p, args)
		if err != nil {
			return err
		}
		return a.apply(cmd.Context(), f, in, yes)
	}
	p.define(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) apply(ctx context.Context, f *clientFlags, in planInput, yes bool) error {
	made, err := in.plan(ctx)
	if err != nil {
		return err
	}
	if f.format() == formatTable {
		if err := a.writePlan(formatTable, made, planSummary(made)); err != nil {
			return err
		}
	}
	if !yes && !made.Empty() {
		terminal := a.terminalInput()
		if terminal == nil || f.format() != formatTable {
			return usagef("there is nobody to ask: give --yes to make %d changes", len(made.Changes))
		}
		if made, err = a.askToApply(ctx, terminal, in, made); err != nil {
			return err
		}
	}
	progress, err := made.Apply(ctx, in.client, func(c plan.Change) {
		if f.format() == formatTable {
			fmt.Fprintf(a.stdout, "%s: %s.\n", changeTitle(c), doneWords[c.Action])
		}
	})
	outcome := applyOutcome(progress, err)
	if err := a.writeApplied(f.format(), made, progress, outcome); err != nil {
		return err
	}
	return outcomeOf(outcome)
}

// askToApply asks a person, and looks at the platform again afterwards: what was
// agreed to is what was shown. It returns the plan to apply.
func (a *app) askToApply(ctx context.Context, terminal io.Reader, in planInput, shown *plan.Plan) (*plan.Plan, error) {
	agreed, err := a.confirm(ctx, terminal, "Make these changes? Only yes is accepted: ")
	if err != nil {
		return nil, err
	}
	if !agreed {
		return nil, errors.New("nothing was changed")
	}
	now, err := in.plan(ctx)
	if err != nil {
		return nil, err
	}
	if !samePlan(shown, now) {
		return nil, errors.New("the platform has changed since the plan was shown; nothing was done, look at the plan again")
	}
	return now, nil
}

func samePlan(a, b *plan.Plan) bool {
	// Plans hold texts, numbers and lists of them, which JSON can always write.
	one, _ := json.Marshal(a.Changes)
	other, _ := json.Marshal(b.Changes)
	return string(one) == string(other)
}

// applyOutcome says how an apply ended, with what was not done where it failed.
func applyOutcome(progress plan.Progress, err error) automation.Outcome {
	if err == nil {
		return automation.Outcome{State: automation.Successful}
	}
	outcome := automation.Failure(applyIndicator, err)
	failed := changeTitle(progress.Pending[0])
	outcome.Errors[0].Indicator = fmt.Sprintf("%s Failed to %s %s.", applyIndicator, progress.Pending[0].Action, failed)
	if progress.Partial {
		outcome.Errors[0].Indicator = fmt.Sprintf("%s Failed to %s %s completely.", applyIndicator, progress.Pending[0].Action, failed)
	}
	outcome.Errors[0].Resolution = cmp.Or(outcome.Errors[0].Resolution, "Mend what is wrong and apply again: what is done is not done twice.")
	if len(progress.Done) > 0 || progress.Partial {
		outcome.State = automation.PartiallySuccessful
	}
	return outcome
}
