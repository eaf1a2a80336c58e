package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// State is how far a run is. Its JSON form is what is stored; it has some 60
// bytes for each step, and for each item of a forEach that has begun.
type State struct {
	Run       string    `json:"run"` // the id of the run
	StartedAt time.Time `json:"startedAt"`
	StartedBy string    `json:"startedBy,omitempty"`
	// Chain are the playbooks that called this one, the outermost first.
	Chain []string `json:"chain,omitempty"`
	Phase Phase    `json:"phase"`
	// Paused runs begin nothing; what was sent is finished.
	Paused bool `json:"paused,omitempty"`
	// Error is what stopped the run, and Outcome how it ended: Successful, Partially
	// Successful, Failed or Cancelled; empty before the end.
	Error   *Error `json:"error,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Clock counts what steps did, so that it can be told what came first.
	Clock int `json:"clock"`
	// Starts counts the steps and items that were begun.
	Starts int    `json:"starts,omitempty"`
	Steps  []Step `json:"steps"` // as in Program.Nodes
}

// Phase is what a run is doing.
type Phase string

// The phases.
const (
	Going      Phase = "going"
	Failing    Phase = "failing"    // stopped by a step; what was sent ends, then the steps of onError run
	Cancelling Phase = "cancelling" // what was sent ends
	Finished   Phase = "finished"
)

// Step is how far a step is.
type Step struct {
	ID string `json:"id"`
	// State is one of playbook.States; empty for Pending.
	State string `json:"s,omitempty"`
	// Round counts how often loops began the step anew.
	Round int `json:"round,omitempty"`
	// Turns counts how often the loop that ends with the step has gone back, and
	// Back says that it will, once all steps in it are finished.
	Turns int  `json:"turns,omitempty"`
	Back  bool `json:"back,omitempty"`
	// Held steps were skipped because what they need leads elsewhere.
	Held bool `json:"held,omitempty"`
	// Begun is the time that now() is in the expressions of the step.
	Begun time.Time `json:"begun,omitzero"`
	// Began and Done are the clock when the step began and was finished.
	Began int `json:"c,omitempty"`
	Done  int `json:"d,omitempty"`
	// Wake is when a wait for a time, or an approval, ends by itself.
	Wake time.Time `json:"wake,omitzero"`
	// By and Comment are those of who approved or rejected.
	By      string `json:"by,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Items is the number of items of a forEach.
	Items int `json:"items,omitempty"`
	// Executions are the executions of the command: one, or one for each item that
	// has begun.
	Executions []Execution `json:"x,omitempty"`
	Error      *Error      `json:"error,omitempty"` // of the first execution that failed
}

// Execution is how far one execution of a command is.
type Execution struct {
	State string `json:"s"`
	// Need is the step that it is for, of join: any-each, and Began the clock when
	// that one was finished.
	Need  int `json:"need,omitempty"`
	Began int `json:"c,omitempty"`
	// Send counts how often it was to be sent, and Try how often of these because it
	// had failed; Lost how often it was lost.
	Send int `json:"send,omitempty"`
	Try  int `json:"try,omitempty"`
	Lost int `json:"lost,omitempty"`
	// Since is when it was to be sent first.
	Since time.Time `json:"since,omitzero"`
	// Wake is when it goes on by itself.
	Wake time.Time `json:"wake,omitzero"`
	// Cursor is that of a command that asked to be continued.
	Cursor json.RawMessage `json:"cursor,omitempty"`
	// Outcome is where the caller keeps what the command left; empty for nothing.
	Outcome string `json:"o,omitempty"`
	// Error is why it failed without an outcome.
	Error *Error `json:"error,omitempty"`
}

// Error is what went wrong, in the words of automation.Error.
type Error struct {
	Step       string `json:"step,omitempty"`
	Indicator  string `json:"failureIndicator"`
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Resolution string `json:"resolution,omitempty"`
}

// Status codes of errors that the engine itself finds.
const (
	statusInvalid  = 400 // an expression or an input
	statusTimeout  = 504 // a wait that took too long
	statusUnknown  = 500 // nobody knows what became of it
	statusTooLarge = 413 // a limit
)

// fail makes an error of a step.
func fail(step *playbook.Step, status int, format string, args ...any) *Error {
	name := step.Name
	if name == "" {
		name = step.ID
	}
	return &Error{Step: step.ID, Indicator: "Step " + name + " failed.", StatusCode: status, Message: clip(fmt.Sprintf(format, args...))}
}

// clip bounds a message.
func clip(text string) string {
	runes := []rune(text)
	if len(runes) <= maxMessage {
		return text
	}
	return string(runes[:maxMessage]) + "…"
}

// state returns the state's word.
func (s *Step) state() string {
	if s.State == "" {
		return playbook.Pending
	}
	return s.State
}

// finished reports whether a state is a final one.
func finished(state string) bool {
	switch state {
	case playbook.Approved, playbook.Rejected, playbook.Successful, playbook.PartiallySuccessful, playbook.Failed, playbook.Skipped, playbook.Cancelled:
		return true
	}
	return false
}

// inFlight counts the executions that are to be sent or were sent.
func (s *State) inFlight() int {
	n := 0
	for i := range s.Steps {
		for _, x := range s.Steps[i].Executions {
			if x.State == playbook.Ready || x.State == playbook.Running {
				n++
			}
		}
	}
	return n
}
