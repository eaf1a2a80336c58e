package assistant

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette.dev/vedette/qps/qpsclient"
)

// playbookRunSummary is a run of a playbook, alone or in a list.
type playbookRunSummary struct {
	ID        int64                      `json:"id"`
	Playbook  qpsclient.Reference        `json:"playbook"`
	Version   int64                      `json:"version"`
	Site      string                     `json:"site"`
	Trigger   string                     `json:"trigger"`
	StartedBy string                     `json:"startedBy,omitempty"`
	ParentRun int64                      `json:"parentRun,omitempty"` // the run of the playbook that called it
	State     qpsclient.PlaybookRunState `json:"state"`
	Queued    time.Time                  `json:"queued"`
	Ended     time.Time                  `json:"ended,omitzero"`
	Resume    time.Time                  `json:"resume,omitzero"` // when it goes on by itself
	Error     *qpsclient.StepError       `json:"error,omitempty"`
}

func playbookRunSummaryOf(r qpsclient.PlaybookRun) playbookRunSummary {
	summary := playbookRunSummary{
		ID: r.ID, Playbook: r.Playbook, Version: r.Version, Site: r.Site.Name, Trigger: r.Trigger.Kind, StartedBy: r.StartedBy,
		State: r.State, Queued: r.Queued, Ended: r.Ended, Resume: r.Resume, Error: r.Error,
	}
	if r.Parent != nil {
		summary.ParentRun = r.Parent.RunID
	}
	return summary
}

// playbookRunsTool lists runs of playbooks.
func (s *Server) playbookRunsTool() tool {
	var states []string
	for _, state := range qpsclient.PlaybookRunStates() {
		states = append(states, string(state))
	}
	schema := object(
		text(argPlaybook, "Only runs of this playbook: its ID, its name, or SITE/NAME."),
		word("state", "Only runs in this state.", states...),
		yes("open", "Only runs that have not ended."),
		text("startedBy", "Only runs that this user started."),
		number("before", "Only runs with a lower ID, to go on where a list ended.", 1, 0),
		number("limit", "How many runs to list. 20 where it is left out.", 1, maxListedRuns),
	)
	return reader("automation_playbook_runs", "List Playbook Runs", "Lists runs of playbooks, newest first. automation_playbook_run shows one with its steps.", schema, func(ctx context.Context, given call) (builder, error) {
		q := qpsclient.PlaybookRunQuery{
			State: qpsclient.PlaybookRunState(given.word("state", states...)), Open: given.yes("open"), StartedBy: given.text("startedBy"),
			Before: given.whole("before", 0, 1, math.MaxInt64), Limit: int(given.whole("limit", 20, 1, maxListedRuns)),
		}
		return s.listPlaybookRuns(ctx, given, q)
	})
}

func (s *Server) listPlaybookRuns(ctx context.Context, given call, q qpsclient.PlaybookRunQuery) (builder, error) {
	name := given.text(argPlaybook)
	if given.mistake != nil {
		return nil, given.mistake
	}
	if name != "" {
		p, err := s.findPlaybook(ctx, name)
		if err != nil {
			return nil, err
		}
		q.PlaybookID = p.ID
	}
	runs, err := s.options.Platform.PlaybookRuns(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d runs.", len(runs)), Untrusted: &Untrusted{}}
		list := shownOf(a, "playbookRuns", runs, 0, min(limit, q.Limit))
		for _, r := range list {
			a.Untrusted.PlaybookRuns = append(a.Untrusted.PlaybookRuns, playbookRunSummaryOf(r))
		}
		if n := len(list); n > 0 && (n < len(runs) || len(runs) == q.Limit) {
			a.Next = fmt.Sprintf("automation_playbook_runs with before %d goes on.", list[n-1].ID)
		}
		return a
	}, nil
}

// playbookRunTool shows one run of a playbook.
func (s *Server) playbookRunTool() tool {
	schema := object(
		needed(number("run", "The ID of the run of a playbook.", 1, 0)),
		number("offset", "How many steps to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many steps to show. %d where it is left out.", defaultRows), 1, maxRows),
		number("waitSeconds", "How long to wait for the end of a run that has not ended.", 0, int64(s.options.Patience/time.Second)),
	)
	return reader("automation_playbook_run", "Show Playbook Run",
		"Shows one run of a playbook: how far it is, its steps with their errors, and its outputs. The runId of an execution is the run of a command, which automation_run shows. Runs are kept for 30 days.", schema,
		func(ctx context.Context, given call) (builder, error) {
			id, offset := given.whole("run", 0, 1, math.MaxInt64), given.whole("offset", 0, 0, maxOffset)
			wait := given.whole("waitSeconds", 0, 0, int64(s.options.Patience/time.Second))
			if given.mistake != nil {
				return nil, given.mistake
			}
			r, err := s.options.Platform.WaitForPlaybookRun(ctx, id, 0)
			if err == nil {
				r, err = s.followPlaybook(ctx, r, time.Duration(wait)*time.Second, given.tell)
			}
			if err != nil {
				return nil, err
			}
			return shownPlaybookRun(r, int(offset)), nil
		})
}

// shownPlaybookRun returns what builds the answer about a run.
func shownPlaybookRun(r qpsclient.PlaybookRun, offset int) builder {
	var inputs any = map[string]any(r.Inputs)
	outputs, unread := decoded(true, r.Outputs)
	return func(limit int) *Answer {
		a := &Answer{PlaybookRun: r.ID, State: string(r.State), failed: unread != nil || r.State == qpsclient.PlaybookRunFailed}
		u := &Untrusted{PlaybookRuns: []playbookRunSummary{playbookRunSummaryOf(r)}}
		if limit > 0 {
			steps := slices.Clone(shownOf(a, "steps", r.Steps, offset, limit))
			for i := range steps {
				steps[i].Executions, _ = window(steps[i].Executions, 0, min(limit, rawItems))
			}
			u.Steps = steps
			if len(r.Inputs) > 0 {
				u.Inputs = pruned(inputs, min(limit, rawItems))
			}
			u.Outputs = pruned(outputs, min(limit, rawItems))
		}
		a.Untrusted = u
		a.sayPlaybookRun(&r, offset, limit)
		return a
	}
}

// asksPeople reports whether a run waits for an answer of people.
func asksPeople(r qpsclient.PlaybookRun) bool {
	return slices.ContainsFunc(r.Steps, func(s qpsclient.PlaybookStep) bool {
		return s.State == "Asked" || slices.ContainsFunc(s.Executions, func(x qpsclient.StepExecution) bool { return x.State == "Unknown" })
	})
}

// sayPlaybookRun says in words of ours how a run stands, and what can be done next.
func (a *Answer) sayPlaybookRun(r *qpsclient.PlaybookRun, offset, limit int) {
	a.text = fmt.Sprintf("Run %d of a playbook is %s.", r.ID, cleanText(string(r.State)))
	if r.Error != nil {
		a.text += fmt.Sprintf(" Status Code: %d; the error of the run in untrusted has the failure indicator, the message and the next step.", r.Error.StatusCode)
	}
	switch {
	case !r.State.Final() && asksPeople(*r):
		a.Next = fmt.Sprintf("It waits for people, who answer with 'vedette automation playbooks questions answer'; automation_questions with run %d shows what they are asked. Tell the person: no tool answers.", r.ID)
	case !r.State.Final():
		a.Next = fmt.Sprintf("It has not ended and goes on by itself; look at it again with automation_playbook_run and run %d.", r.ID)
	case limit == 0:
		a.Next = fmt.Sprintf("It is too large to show here. A person sees it with: vedette automation playbooks runs show %d -o json", r.ID)
	case a.LeftOut["steps"] > 0:
		a.Next = fmt.Sprintf("There is more: automation_playbook_run with run %d and offset %d goes on.", r.ID, offset+limit)
	}
}
