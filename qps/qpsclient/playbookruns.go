package qpsclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Where a Vedette platform keeps runs of playbooks, and what these ask.
const (
	playbookRunsPath = "/automation/v1/playbook-runs"
	questionsPath    = "/automation/v1/questions"
)

// PlaybookRunState is how far a run of a playbook is.
type PlaybookRunState string

// The states; the last four are final.
const (
	PlaybookRunQueued              PlaybookRunState = "queued"
	PlaybookRunRunning             PlaybookRunState = "running"
	PlaybookRunWaiting             PlaybookRunState = "waiting" // for a time, a person or another run
	PlaybookRunPaused              PlaybookRunState = "paused"
	PlaybookRunSuccessful          PlaybookRunState = "successful"
	PlaybookRunPartiallySuccessful PlaybookRunState = "partially-successful"
	PlaybookRunFailed              PlaybookRunState = "failed"
	PlaybookRunCancelled           PlaybookRunState = "cancelled"
)

// PlaybookRunStates lists all states.
func PlaybookRunStates() []PlaybookRunState {
	return []PlaybookRunState{
		PlaybookRunQueued, PlaybookRunRunning, PlaybookRunWaiting, PlaybookRunPaused,
		PlaybookRunSuccessful, PlaybookRunPartiallySuccessful, PlaybookRunFailed, PlaybookRunCancelled,
	}
}

// Final reports whether the run has ended.
func (s PlaybookRunState) Final() bool {
	return s == PlaybookRunSuccessful || s == PlaybookRunPartiallySuccessful || s == PlaybookRunFailed || s == PlaybookRunCancelled
}

// PlaybookRun is the record of one execution of a version of a playbook. Times are
// zero until reached. Lists have no Inputs, Outputs and Steps.
type PlaybookRun struct {
	ID         int64            `json:"id"`
	Playbook   Reference        `json:"playbook"` // without an id it was deleted
	Version    int64            `json:"version"`
	Site       Reference        `json:"site"`
	Trigger    PlaybookTrigger  `json:"trigger"`
	Inputs     InputValues      `json:"inputs,omitempty"`
	StartedBy  string           `json:"startedBy"` // with whose rights it runs
	Address    string           `json:"address,omitempty"`
	ScheduleID int64            `json:"scheduleId,omitempty"`
	Fired      time.Time        `json:"fired,omitzero"`
	RerunOf    int64            `json:"rerunOf,omitempty"` // the run that it goes on with
	Parent     *ParentStep      `json:"parent,omitempty"`
	State      PlaybookRunState `json:"state"`
	Queued     time.Time        `json:"queued"`
	Started    time.Time        `json:"started,omitzero"`
	Ended      time.Time        `json:"ended,omitzero"`
	Resume     time.Time        `json:"resume,omitzero"` // when a waiting run goes on by itself
	Error      *StepError       `json:"error,omitempty"`
	Outputs    json.RawMessage  `json:"outputs,omitempty"`
	Steps      []PlaybookStep   `json:"steps,omitempty"` // in the order of the text
}

// PlaybookTrigger is what started a run.
type PlaybookTrigger struct {
	Kind string          `json:"kind"` // manual, schedule, webhook, playbook or an event
	Data json.RawMessage `json:"data,omitempty"`
}

// ParentStep is the step that began a run.
type ParentStep struct {
	RunID int64  `json:"runId"`
	Step  string `json:"step"`
	Item  int    `json:"item"`
}

// StepError is what went wrong.
type StepError struct {
	Step       string `json:"step,omitempty"`
	Indicator  string `json:"failureIndicator"`
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Resolution string `json:"resolution,omitempty"`
}

// PlaybookStep is how far a step is, in the words that expressions see, such as
// Partially Successful.
type PlaybookStep struct {
	ID         string          `json:"id"`
	State      string          `json:"state"`
	Round      int             `json:"round"` // how often loops began it anew
	Begun      time.Time       `json:"begun,omitzero"`
	Resume     time.Time       `json:"resume,omitzero"` // when a wait, or an approval, ends by itself
	By         string          `json:"by,omitempty"`    // who approved or rejected
	Comment    string          `json:"comment,omitempty"`
	Items      int             `json:"items,omitempty"` // how many executions it takes
	Executions []StepExecution `json:"executions"`
	Error      *StepError      `json:"error,omitempty"`
}

// StepExecution is one execution of the command of a step.
type StepExecution struct {
	Item          int        `json:"item"` // the index of the item of a forEach
	State         string     `json:"state"`
	Sends         int        `json:"sends"`
	Since         time.Time  `json:"since,omitzero"`
	Resume        time.Time  `json:"resume,omitzero"`
	RunID         int64      `json:"runId,omitempty"`         // the run of the command that it is
	PlaybookRunID int64      `json:"playbookRunId,omitempty"` // or that of the playbook
	Error         *StepError `json:"error,omitempty"`
}

// PlaybookRequest is a run that is asked for.
type PlaybookRequest struct {
	Inputs  map[string]any `json:"inputs,omitempty"`
	Version int64          `json:"version,omitempty"` // zero for the live one
	Draft   bool           `json:"draft,omitempty"`   // the newest version in its place
	// Key tells a repetition of this request from another one. With it the call is
	// repeated after failures of the network: the platform queues one run for a key.
	Key string `json:"-"`
}

// PlaybookRunQuery selects runs; zero values select everything.
type PlaybookRunQuery struct {
	PlaybookID int64
	State      PlaybookRunState
	Open       bool // only those that have not ended
	StartedBy  string
	ParentID   int64 // only those that steps of this run began
	Top        bool  // only those that no step began
	Limit      int   // at most so many; zero leaves it to the platform
	Before     int64 // only ids below
}

// StartPlaybook asks for a run and returns it as it is queued.
func (c *Client) StartPlaybook(ctx context.Context, playbookID int64, req PlaybookRequest) (PlaybookRun, error) {
	what := fmt.Sprintf("run playbook %d", playbookID)
	body, err := json.Marshal(req)
	if err != nil {
		return PlaybookRun{}, fmt.Errorf("%s: %w", what, err)
	}
	return c.playbookRun(ctx, what, call{method: http.MethodPost, path: playbookPath(playbookID) + "/runs", body: body, key: req.Key, write: req.Key == ""})
}

// PlaybookRuns lists runs, newest first.
func (c *Client) PlaybookRuns(ctx context.Context, q PlaybookRunQuery) ([]PlaybookRun, error) {
	var answer struct {
		Runs []PlaybookRun `json:"runs"`
	}
	err := c.search(ctx, "list runs", playbookRunsPath, values{
		"playbook": numberText(q.PlaybookID), "state": string(q.State), "open": yesText(q.Open), "startedBy": q.StartedBy, "parent": numberText(q.ParentID),
		"top": yesText(q.Top), "limit": numberText(int64(q.Limit)), "before": numberText(q.Before),
	}, &answer)
	return answer.Runs, err
}

// numberText is a number as a parameter, none for zero.
func numberText(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// yesText is a parameter that is given only if it is true.
func yesText(yes bool) string {
	if !yes {
		return ""
	}
	return "true"
}

// PlaybookRun returns one run with its steps.
func (c *Client) PlaybookRun(ctx context.Context, id int64) (PlaybookRun, error) {
	return c.WaitForPlaybookRun(ctx, id, 0)
}

// WaitForPlaybookRun returns a run once it has ended, or as it is after some time, in
// whole seconds and at most MaxRunWait.
func (c *Client) WaitForPlaybookRun(ctx context.Context, id int64, wait time.Duration) (PlaybookRun, error) {
	in := call{method: http.MethodGet, path: playbookRunPath(id)}
	if wait = min(wait, MaxRunWait); wait >= time.Second {
		in.query = "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
	}
	return c.playbookRun(ctx, fmt.Sprintf("read run %d", id), in)
}

// PlaybookRunCommands lists the runs of commands that the steps of a run began, in the
// order in which they were begun, and says whether there are more than these: the ids
// are greater than after, 0 for the first, and there are at most limit, 0 for 100.
func (c *Client) PlaybookRunCommands(ctx context.Context, id, after int64, limit int) (runs []CommandRun, more bool, err error) {
	var answer struct {
		Runs []CommandRun `json:"runs"`
		More bool         `json:"more"`
	}
	err = c.search(ctx, fmt.Sprintf("list commands of run %d", id), playbookRunPath(id)+"/commands",
		values{"after": numberText(after), "limit": numberText(int64(limit))}, &answer)
	return answer.Runs, answer.More, err
}

// PausePlaybookRun has a run begin nothing more until it is resumed.
func (c *Client) PausePlaybookRun(ctx context.Context, id int64) (PlaybookRun, error) {
	return c.tellPlaybookRun(ctx, id, "pause")
}

// ResumePlaybookRun lets a paused run go on.
func (c *Client) ResumePlaybookRun(ctx context.Context, id int64) (PlaybookRun, error) {
	return c.tellPlaybookRun(ctx, id, "resume")
}

// CancelPlaybookRun has a run end once what was sent has ended.
func (c *Client) CancelPlaybookRun(ctx context.Context, id int64) (PlaybookRun, error) {
	return c.tellPlaybookRun(ctx, id, "cancel")
}

// RepeatPlaybookRun asks for a new run that goes on where one stopped that has ended.
func (c *Client) RepeatPlaybookRun(ctx context.Context, id int64) (PlaybookRun, error) {
	return c.tellPlaybookRun(ctx, id, "again")
}

func (c *Client) tellPlaybookRun(ctx context.Context, id int64, what string) (PlaybookRun, error) {
	return c.playbookRun(ctx, fmt.Sprintf("%s run %d", what, id), call{method: http.MethodPost, path: playbookRunPath(id) + "/" + what, write: true})
}

// playbookRun makes a call that is answered with a run.
func (c *Client) playbookRun(ctx context.Context, what string, in call) (PlaybookRun, error) {
	in.accept, in.maxBytes = mediaJSON, runBytes
	if in.body != nil {
		in.media = mediaJSON
	}
	var r PlaybookRun
	if err := c.state(ctx, in, &r); err != nil {
		return PlaybookRun{}, fmt.Errorf("%s: %w", what, noAutomationAPI(err))
	}
	return r, nil
}

func playbookRunPath(id int64) string { return playbookRunsPath + "/" + strconv.FormatInt(id, 10) }

// Question is something that a run asks people. Times are zero until reached.
type Question struct {
	ID        int64     `json:"id"`
	Kind      string    `json:"kind"` // approval, or unknown: what became of a command
	RunID     int64     `json:"runId"`
	Playbook  string    `json:"playbook"`
	Site      Reference `json:"site"`
	Step      string    `json:"step"`
	Item      int       `json:"item"`
	Assignees []string  `json:"assignees"` // user:NAME, group:NAME, role:NAME; none for all who may run playbooks
	Message   string    `json:"message"`
	Asked     time.Time `json:"asked"`
	Due       time.Time `json:"due,omitzero"`
	Closed    time.Time `json:"closed,omitzero"`
	Answer    string    `json:"answer,omitempty"`
	By        string    `json:"by,omitempty"`
	Comment   string    `json:"comment,omitempty"`
}

// QuestionQuery selects questions; zero values select everything.
type QuestionQuery struct {
	RunID int64
	Open  bool // only those to be answered
	Mine  bool // only those that the caller is asked
	Limit int  // at most so many; zero leaves it to the platform
}

// Answers lists the answers to a question of a kind; all for none.
func Answers(kind string) []string {
	approval, unknown := []string{"approved", "rejected"}, []string{"carried-out", "not-carried-out", "send-again"}
	switch kind {
	case "approval":
		return approval
	case "unknown":
		return unknown
	}
	return append(approval, unknown...)
}

// Questions lists what runs ask, newest first.
func (c *Client) Questions(ctx context.Context, q QuestionQuery) ([]Question, error) {
	var answer struct {
		Questions []Question `json:"questions"`
	}
	err := c.search(ctx, "list questions", questionsPath, values{
		"run": numberText(q.RunID), "open": yesText(q.Open), "mine": yesText(q.Mine), "limit": numberText(int64(q.Limit)),
	}, &answer)
	return answer.Questions, err
}

// AnswerQuestion answers a question with one of Answers, and returns it.
func (c *Client) AnswerQuestion(ctx context.Context, id int64, answer, comment string) (Question, error) {
	body := struct {
		Answer  string `json:"answer"`
		Comment string `json:"comment,omitempty"`
	}{answer, comment}
	var answered Question
	path := questionsPath + "/" + strconv.FormatInt(id, 10) + "/answer"
	err := c.automation(ctx, fmt.Sprintf("answer question %d", id), http.MethodPost, path, body, &answered)
	return answered, err
}
