package engine

import (
	"encoding/json"
	"fmt"
	"time"
)

// Action is something to be done: a Start, Stop, Ask, Wake or Finish.
type Action interface{ action() }

// Ref names one sending of a command.
type Ref struct {
	Step  string `json:"step"`
	Item  int    `json:"item"`  // of a forEach or any-each, from 0
	Round int    `json:"round"` // of a loop, from 0
	Send  int    `json:"send"`  // from 1
}

// Start asks to execute a command, or to run a playbook.
type Start struct {
	Ref
	// Key is the same however often the execution is sent: run/step/item/round.
	Key        string
	Uses       string
	Playbook   string // the name, for a playbook; empty for a command
	Connection string
	With       map[string]any // as in expression.Values
	Timeout    time.Duration
	// Wait is for a command that waits by itself; nil if it is not to.
	Wait *Wait
	// Cursor continues an execution; nil at first.
	Cursor json.RawMessage
	// Chain is for the State of a playbook that is run.
	Chain []string
}

// Wait says how a command waits by itself.
type Wait struct{ Interval, Timeout time.Duration }

// Stop asks to cancel an execution that was sent. Its answer is still wanted.
type Stop struct {
	Ref
	Key string
}

// Ask asks people something, until it is answered by Decided or Settled, or Due
// has come.
type Ask struct {
	Step string
	// Unknown is the execution of which nobody knows what became; nil for an
	// approval.
	Unknown *Ref
	To      []string // user:NAME, group:NAME or role:NAME; empty for those who may cancel the run
	Message string
	Due     time.Time
	Approve bool // an approval that nobody has answered by then counts as approved
}

// Wake asks to advance the run at a time, without an event. It replaces the one
// before.
type Wake struct{ At time.Time }

// Finish says that the run has ended.
type Finish struct {
	Outcome string         // Successful, Partially Successful, Failed or Cancelled
	Outputs map[string]any // of a run that was not stopped
	Error   *Error         // of a run that failed
}

func (Start) action()  {}
func (Stop) action()   {}
func (Ask) action()    {}
func (Wake) action()   {}
func (Finish) action() {}

// key is the idempotency key of an execution.
func (s *State) key(step string, item, round int) string {
	return fmt.Sprintf("%s/%s/%d/%d", s.Run, step, item, round)
}
