package qpsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// runsPath is where a Vedette platform keeps the runs of commands.
const runsPath = "/automation/v1/runs"

const (
	// MaxRunWait is the longest that one call of WaitForCommandRun waits.
	MaxRunWait = 50 * time.Second

	// runBytes bounds one run with its outcome, of which a platform keeps 32 MB.
	runBytes = 64 << 20
)

// RunState is how far a run of a command is.
type RunState string

// The states; all but the first three are final.
const (
	RunQueued              RunState = "queued"
	RunRunning             RunState = "running"
	RunWaiting             RunState = "waiting"
	RunSuccessful          RunState = "successful"
	RunPartiallySuccessful RunState = "partially-successful"
	RunFailed              RunState = "failed"
	RunCancelled           RunState = "cancelled"
	RunUnknown             RunState = "unknown" // the platform was stopped meanwhile
)

// RunStates lists all states.
func RunStates() []RunState {
	return []RunState{RunQueued, RunRunning, RunWaiting, RunSuccessful, RunPartiallySuccessful, RunFailed, RunCancelled, RunUnknown}
}

// Final reports whether the run has ended.
func (s RunState) Final() bool { return s != RunQueued && s != RunRunning && s != RunWaiting }

// CommandRun is the record of one execution of a command. Times are zero until
// reached.
type CommandRun struct {
	ID             int64          `json:"id"`
	Connection     Reference      `json:"connection"` // without an id it was deleted
	Integration    string         `json:"integration"`
	Command        string         `json:"command"`
	Inputs         InputValues    `json:"inputs"`              // secret ones are KeptSecret
	Origin         string         `json:"origin"`              // test, command, schedule, health or playbook
	StartedBy      string         `json:"startedBy,omitempty"` // a username; empty for the platform itself
	Address        string         `json:"address,omitempty"`
	ScheduleID     int64          `json:"scheduleId,omitempty"`
	Fired          time.Time      `json:"fired,omitzero"`
	RerunOf        int64          `json:"rerunOf,omitempty"`       // the run that it repeats
	PlaybookRunID  int64          `json:"playbookRunId,omitempty"` // the run of a playbook whose step it is
	Step           string         `json:"step,omitempty"`          // that step
	Item           int            `json:"item,omitempty"`          // the index of the item of the step's forEach
	Round          int            `json:"round,omitempty"`         // how often loops had begun that step anew
	DryRun         bool           `json:"dryRun"`
	Force          bool           `json:"force"`
	Wait           *CommandWait   `json:"wait,omitempty"`
	IdempotencyKey string         `json:"idempotencyKey,omitempty"`
	State          RunState       `json:"state"`
	Attempts       int            `json:"attempts"`
	Queued         time.Time      `json:"queued"`
	Started        time.Time      `json:"started,omitzero"`
	Ended          time.Time      `json:"ended,omitzero"`
	Resume         time.Time      `json:"resume,omitzero"` // when a waiting run goes on
	Outcome        CommandOutcome `json:"outcome"`
}

// InputValues are inputs of a command by name. Numbers are json.Number: an id may
// have more digits than a float64 keeps.
type InputValues map[string]any

// UnmarshalJSON keeps numbers as they are.
func (v *InputValues) UnmarshalJSON(doc []byte) error {
	type plain InputValues
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	return decoder.Decode((*plain)(v))
}

// CommandOutcome is everything a command returns.
type CommandOutcome struct {
	ReturnData  string             `json:"returnData"` // Successful, Partially Successful or Failed; empty before the end
	Result      CommandTable       `json:"result"`
	RawData     json.RawMessage    `json:"rawData,omitempty"`
	ContextData json.RawMessage    `json:"contextData,omitempty"`
	KeyFields   map[string][]int64 `json:"keyFields,omitempty"`
	Passdown    json.RawMessage    `json:"passdown,omitempty"`
	Errors      []CommandError     `json:"errors,omitempty"`
	Notes       []string           `json:"notes,omitempty"`
}

// CommandTable is a summary for people.
type CommandTable struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	// TimeColumns are the columns with times, which are in RFC 3339 in UTC.
	TimeColumns []string `json:"timeColumns,omitempty"`
}

// CommandError is one entry of the Error tab.
type CommandError struct {
	Indicator    string  `json:"failureIndicator"`
	StatusCode   int     `json:"statusCode"`
	Message      string  `json:"message"`
	Resolution   string  `json:"resolution,omitempty"`
	ResponseCode string  `json:"responseCode,omitempty"`
	AgentIDs     []int64 `json:"cloudAgentIds,omitempty"`
}

// CommandWait says how a command waits until what it began has ended, in durations
// such as 30s. Empty ones are left to the platform.
type CommandWait struct {
	Interval string `json:"interval,omitempty"` // between two looks
	Timeout  string `json:"timeout,omitempty"`
}

// CommandRequest is a run that is asked for.
type CommandRequest struct {
	Inputs map[string]any `json:"inputs,omitempty"` // by name or display name
	DryRun bool           `json:"dryRun,omitempty"` // nothing that writes is sent
	Force  bool           `json:"force,omitempty"`  // scans even if the same were launched just now
	Wait   *CommandWait   `json:"wait,omitempty"`
	Test   bool           `json:"test,omitempty"` // somebody tries the command by itself
	// Key tells a repetition of this request from another one. With it the call is
	// repeated after failures of the network: the platform queues one run for a key.
	Key string `json:"-"`
}

// CommandRunQuery selects runs; zero values select everything.
type CommandRunQuery struct {
	ConnectionID int64
	Command      string
	State        RunState
	Origin       string
	StartedBy    string
	Limit        int   // at most so many; zero leaves it to the platform
	Before       int64 // only ids below
}

// RunCommand asks for a run of a command and returns it as it is queued.
func (c *Client) RunCommand(ctx context.Context, connectionID int64, command string, req CommandRequest) (CommandRun, error) {
	what, path := "run command "+command, connectionPath(connectionID)+"/commands/"+url.PathEscape(command)
	body, err := json.Marshal(req)
	if err != nil {
		return CommandRun{}, fmt.Errorf("%s: %w", what, err)
	}
	return c.run(ctx, what, call{method: http.MethodPost, path: path, body: body, key: req.Key, write: req.Key == ""})
}

// TestConnection asks for a run of Test Connection.
func (c *Client) TestConnection(ctx context.Context, connectionID int64) (CommandRun, error) {
	return c.run(ctx, fmt.Sprintf("test connection %d", connectionID), call{method: http.MethodPost, path: connectionPath(connectionID) + "/test", write: true})
}

// CommandRuns lists runs of the connections that the caller sees, newest first, of
// their outcomes only state word and errors.
func (c *Client) CommandRuns(ctx context.Context, q CommandRunQuery) ([]CommandRun, error) {
	var answer struct {
		Runs []CommandRun `json:"runs"`
	}
	err := c.search(ctx, "list runs", runsPath, values{
		"connection": numberText(q.ConnectionID), "command": q.Command, "state": string(q.State), "origin": q.Origin, "startedBy": q.StartedBy,
		"limit": numberText(int64(q.Limit)), "before": numberText(q.Before),
	}, &answer)
	return answer.Runs, err
}

// CommandRun returns one run with its outcome.
func (c *Client) CommandRun(ctx context.Context, id int64) (CommandRun, error) {
	return c.WaitForCommandRun(ctx, id, 0)
}

// WaitForCommandRun returns a run once it has ended, or as it is after some time, in
// whole seconds and at most MaxRunWait.
func (c *Client) WaitForCommandRun(ctx context.Context, id int64, wait time.Duration) (CommandRun, error) {
	in := call{method: http.MethodGet, path: runPath(id)}
	if wait = min(wait, MaxRunWait); wait >= time.Second {
		in.query = "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
	}
	return c.run(ctx, fmt.Sprintf("read run %d", id), in)
}

// CancelCommandRun ends a run that has not ended, and returns it.
func (c *Client) CancelCommandRun(ctx context.Context, id int64) (CommandRun, error) {
	return c.run(ctx, fmt.Sprintf("cancel run %d", id), call{method: http.MethodPost, path: runPath(id) + "/cancel", write: true})
}

// RepeatCommandRun asks for a new run with the inputs of an earlier one.
func (c *Client) RepeatCommandRun(ctx context.Context, id int64) (CommandRun, error) {
	return c.run(ctx, fmt.Sprintf("repeat run %d", id), call{method: http.MethodPost, path: runPath(id) + "/again", write: true})
}

// run makes a call that is answered with a run.
func (c *Client) run(ctx context.Context, what string, in call) (CommandRun, error) {
	in.accept, in.maxBytes = mediaJSON, runBytes
	if in.body != nil {
		in.media = mediaJSON
	}
	var r CommandRun
	if err := c.state(ctx, in, &r); err != nil {
		return CommandRun{}, fmt.Errorf("%s: %w", what, noAutomationAPI(err))
	}
	return r, nil
}

func runPath(id int64) string { return runsPath + "/" + strconv.FormatInt(id, 10) }
