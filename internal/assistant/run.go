package assistant

import (
	"context"
	"fmt"
	"math"
	"time"

	"vedette.dev/vedette/qps/qpsclient"
)

// The parts of a run that can be looked at.
const (
	partResult      = "result"
	partContextData = "contextData"
	partRawData     = "rawData"
)

const (
	// maxErrors and maxNotes are how many of those of a run are in one answer.
	maxErrors, maxNotes = 10, 10
	// rawItems is how many items each list in raw data and in inputs has at most.
	rawItems = 20
)

// runTool shows one run.
func (s *Server) runTool() tool {
	schema := object(
		needed(number("run", "The ID of the run.", 1, 0)),
		word("part", "What to show: the table of the result, the records of the context data, or the raw data, which is what the platform of the connection answered. The result where it is left out.", partResult, partContextData, partRawData),
		number("offset", "How many rows or records, and IDs of each key field, to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many rows or records to show. %d where it is left out.", defaultRows), 1, maxRows),
		number("waitSeconds", "How long to wait for the end of a run that has not ended.", 0, int64(s.options.Patience/time.Second)),
	)
	return reader("automation_run", "Show Run", "Shows one run: how far it is, how it ended, and its outputs page by page. Runs are kept for 30 days.", schema, s.showRun)
}

func (s *Server) showRun(ctx context.Context, given call) (builder, error) {
	id, offset := given.whole("run", 0, 1, math.MaxInt64), given.whole("offset", 0, 0, math.MaxInt32)
	part := given.word("part", partResult, partContextData, partRawData)
	wait := given.whole("waitSeconds", 0, 0, int64(s.options.Patience/time.Second))
	if given.mistake != nil {
		return nil, given.mistake
	}
	r, err := s.options.Platform.WaitForCommandRun(ctx, id, 0)
	if err == nil {
		r, err = s.follow(ctx, r, time.Duration(wait)*time.Second, given.tell)
	}
	if err != nil {
		return nil, err
	}
	return shownRun(r, part, int(offset)), nil
}

// shownRun returns what builds the answer about a run.
func shownRun(r qpsclient.CommandRun, part string, offset int) builder {
	var inputs any = map[string]any(r.Inputs)
	raw, rawErr := decoded(part == partRawData, r.Outcome.RawData)
	records, recordsErr := decodedList(part == partContextData, r.Outcome.ContextData)
	return func(limit int) *Answer {
		a := &Answer{Run: r.ID, Command: r.Command, DryRun: r.DryRun, State: string(r.State), ReturnData: r.Outcome.ReturnData, failed: rawErr != nil || recordsErr != nil}
		if limit > 0 {
			a.showKeyFields(r.Outcome.KeyFields, offset, limit)
		}
		u := &Untrusted{Connection: &r.Connection, Errors: shownErrors(a, r.Outcome.Errors, limit), Notes: shownOf(a, "notes", r.Outcome.Notes, 0, min(maxNotes, limit))}
		switch {
		case limit == 0: // nothing has a place, and what has no lists neither
			u.Connection = nil
		case part == partRawData:
			u.RawData = pruned(raw, min(limit, rawItems))
		case part == partContextData:
			shown := shownOf(a, partContextData, records, offset, limit)
			u.ContextData = make([]any, len(shown))
			for i, record := range shown {
				u.ContextData[i] = pruned(record, rawItems)
			}
		default:
			u.Result = &Rows{Columns: r.Outcome.Result.Columns, Rows: shownOf(a, partResult, r.Outcome.Result.Rows, offset, limit)}
		}
		if limit > 0 && len(r.Inputs) > 0 {
			u.Inputs = pruned(inputs, min(limit, rawItems))
		}
		a.Untrusted = u
		a.sayRun(&r, part, offset, limit)
		return a
	}
}

// showKeyFields shows the same part of each key field.
func (a *Answer) showKeyFields(all map[string][]int64, offset, limit int) {
	a.KeyFields = make(map[string][]int64, len(all))
	for name, ids := range all {
		a.KeyFields[name] = shownOf(a, "keyFields."+name, ids, offset, limit)
	}
}

// shownErrors are the first errors of a run, with the first items that each is about.
func shownErrors(a *Answer, all []qpsclient.CommandError, limit int) []qpsclient.CommandError {
	shown := append([]qpsclient.CommandError(nil), shownOf(a, "errors", all, 0, min(maxErrors, limit))...)
	for i := range shown {
		shown[i].AgentIDs, _ = window(shown[i].AgentIDs, 0, limit)
	}
	return shown
}

// sayRun says in words of ours how a run stands, and what can be done next.
func (a *Answer) sayRun(r *qpsclient.CommandRun, part string, offset, limit int) {
	a.text = fmt.Sprintf("Run %d of %s is %s.", r.ID, cleanText(r.Command), cleanText(string(r.State)))
	if r.DryRun {
		a.text += " It was a dry run: nothing that writes was sent."
	}
	rest := a.LeftOut[partOr(part)]
	switch {
	case !r.State.Final():
		a.Next = fmt.Sprintf("It has not ended and goes on by itself; look at it again with automation_run and run %d.", r.ID)
	case r.State == qpsclient.RunUnknown:
		a.Next = "The platform was stopped while a request was on its way: find out whether it was carried out before the command is run again."
	case limit == 0:
		a.Next = fmt.Sprintf("This part is too large to show here. A person sees it with: vedette automation runs show %d -o json", r.ID)
	case rest > 0 || a.moreKeys():
		a.Next = fmt.Sprintf("There is more: automation_run with run %d and offset %d goes on.", r.ID, offset+limit)
	}
	if r.State == qpsclient.RunFailed {
		a.failed = true
	}
	if len(r.Outcome.Errors) > 0 {
		a.text += fmt.Sprintf(" Status Code: %d; untrusted.errors has the failure indicator, the message and the next step.", r.Outcome.Errors[0].StatusCode)
	}
}

func partOr(part string) string {
	if part == "" {
		return partResult
	}
	return part
}

// moreKeys reports whether a key field has more than what is shown.
func (a *Answer) moreKeys() bool {
	for name := range a.KeyFields {
		if a.LeftOut["keyFields."+name] > 0 {
			return true
		}
	}
	return false
}

// decoded reads JSON that a run has, where it is wanted.
func decoded(wanted bool, doc []byte) (any, error) {
	if !wanted || len(doc) == 0 {
		return nil, nil
	}
	return decode(doc)
}

// decodedList is decoded for what should be a list; anything else is a list of one.
func decodedList(wanted bool, doc []byte) ([]any, error) {
	tree, err := decoded(wanted, doc)
	if list, isList := tree.([]any); isList || tree == nil {
		return list, err
	}
	return []any{tree}, err
}

// runSummary is a run in a list.
type runSummary struct {
	ID         int64                    `json:"id"`
	Connection qpsclient.Reference      `json:"connection"`
	Command    string                   `json:"command"`
	Origin     string                   `json:"origin"`
	StartedBy  string                   `json:"startedBy,omitempty"`
	DryRun     bool                     `json:"dryRun,omitempty"`
	State      qpsclient.RunState       `json:"state"`
	ReturnData string                   `json:"returnData,omitempty"`
	Queued     time.Time                `json:"queued"`
	Ended      time.Time                `json:"ended,omitzero"`
	Errors     []qpsclient.CommandError `json:"errors,omitempty"`
}

// maxListedRuns is the longest page of runs that an assistant gets.
const maxListedRuns = 100

// runsTool lists runs.
func (s *Server) runsTool() tool {
	var states []string
	for _, state := range qpsclient.RunStates() {
		states = append(states, string(state))
	}
	origins := []string{"test", "command", "schedule", "health", "playbook"}
	schema := object(
		text(argConnection, "Only runs with this connection: its ID, its name, or SITE/NAME."),
		text("command", "Only runs of the command with this name."),
		word("state", "Only runs in this state.", states...),
		word("origin", "Only runs that began in this way.", origins...),
		text("startedBy", "Only runs that this user started."),
		number("before", "Only runs with a lower ID, to go on where a list ended.", 1, 0),
		number("limit", "How many runs to list. 20 where it is left out.", 1, maxListedRuns),
	)
	return reader("automation_runs", "List Runs", "Lists runs of commands, newest first, with the first error of each. automation_run shows one with its outputs.", schema, func(ctx context.Context, given call) (builder, error) {
		q := qpsclient.CommandRunQuery{
			Command: given.text("command"), State: qpsclient.RunState(given.word("state", states...)), Origin: given.word("origin", origins...), StartedBy: given.text("startedBy"),
			Before: given.whole("before", 0, 1, math.MaxInt64), Limit: int(given.whole("limit", 20, 1, maxListedRuns)),
		}
		return s.listRuns(ctx, given, q)
	})
}

func (s *Server) listRuns(ctx context.Context, given call, q qpsclient.CommandRunQuery) (builder, error) {
	connection := given.text(argConnection)
	if given.mistake != nil {
		return nil, given.mistake
	}
	if connection != "" {
		c, err := s.findConnection(ctx, connection)
		if err != nil {
			return nil, err
		}
		q.ConnectionID = c.ID
	}
	runs, err := s.options.Platform.CommandRuns(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d runs.", len(runs))}
		list := shownOf(a, "runs", runs, 0, min(limit, q.Limit))
		summaries := make([]runSummary, len(list))
		for i, r := range list {
			summaries[i] = runSummary{
				ID: r.ID, Connection: r.Connection, Command: r.Command, Origin: r.Origin, StartedBy: r.StartedBy, DryRun: r.DryRun, State: r.State,
				ReturnData: r.Outcome.ReturnData, Queued: r.Queued, Ended: r.Ended, Errors: briefErrors(r.Outcome.Errors),
			}
		}
		if n := len(list); n > 0 && (n < len(runs) || len(runs) == q.Limit) {
			a.Next = fmt.Sprintf("automation_runs with before %d goes on.", list[n-1].ID)
		}
		a.Untrusted = &Untrusted{Runs: summaries}
		return a
	}, nil
}

// briefErrors is the first error, without the items that it is about.
func briefErrors(all []qpsclient.CommandError) []qpsclient.CommandError {
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	first.AgentIDs = nil
	return []qpsclient.CommandError{first}
}
