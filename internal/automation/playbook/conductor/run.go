package conductor

import (
	"encoding/json"
	"errors"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/run"
)

// State is how far a run is.
type State string

// The states.
const (
	Queued    State = "queued"  // not begun
	Running   State = "running" // commands are under way
	Waiting   State = "waiting" // for a time, another run, or a person
	Paused    State = "paused"  // by a person
	Succeeded State = "successful"
	Partial   State = "partially-successful"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// States lists all states.
func States() []State {
	return []State{Queued, Running, Waiting, Paused, Succeeded, Partial, Failed, Cancelled}
}

// Ended reports whether a run is over.
func (s State) Ended() bool {
	return s == Succeeded || s == Partial || s == Failed || s == Cancelled
}

// ErrGone says that there is no such run.
var ErrGone = errors.New("the run is gone")

// Trigger is what started a run.
type Trigger struct {
	// Kind is one of playbook's words: manual, schedule, webhook, playbook, or an event.
	Kind string
	// Data is what expressions see as trigger.data, as JSON; empty for nothing.
	Data json.RawMessage
}

// Run is the record of one execution of a version of a playbook.
type Run struct {
	ID int64
	// PlaybookID and VersionID are 0 when the playbook was deleted.
	PlaybookID, VersionID int64
	Playbook              string // its name
	Version               int64  // its number
	SiteID                int64
	Trigger               Trigger
	// Key makes a request known again: a playbook has one run for each. Empty for none.
	Key string
	// Inputs as they were given, as JSON has them.
	Inputs map[string]any
	// StartedBy is the user with whose rights it runs, and UserID their id.
	StartedBy string
	UserID    int64
	// Publishers vouch for what it does: who published its version, and those of the
	// playbooks that called it. Versions that were not live have none.
	Publishers []run.Publisher
	Address    string    // where the request came from; empty when the platform started it
	Schedule   int64     // of a firing
	Fired      time.Time // of a schedule's own firing
	RerunOf    int64     // the run that it goes on with
	Parent     Parent    // zero for none
	Chain      []string  // the playbooks that called it, the outermost first
	// Cancel says that its parent, or its schedule, has no use for it any more.
	Cancel bool

	State State
	// Progress is the state of the engine, as JSON; empty before it has begun.
	Progress json.RawMessage
	// Revision grows whenever somebody else than who conducts the run changes it.
	Revision int64
	// Outputs are those of the playbook, as JSON, and Error why it failed.
	Outputs json.RawMessage
	Error   *engine.Error
	// Queued, Started and Ended are zero as long as they are not known; Due is when it
	// goes on by itself.
	Queued, Started, Ended, Due time.Time
}

// Parent is the step that began a run.
type Parent struct {
	RunID int64
	engine.Ref
}

// Steps returns how far the steps are; nil before the run has begun.
func (r *Run) Steps() ([]engine.Step, error) {
	s, err := r.progress()
	if err != nil || s == nil {
		return nil, err
	}
	return s.Steps, nil
}

// progress decodes the state of the engine; nil before the run has begun.
func (r *Run) progress() (*engine.State, error) {
	if len(r.Progress) == 0 {
		return nil, nil
	}
	var s engine.State
	if err := json.Unmarshal(r.Progress, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// stateOf is the state of a run by that of its engine.
func stateOf(s *engine.State) State {
	switch s.Outcome {
	case playbook.Successful:
		return Succeeded
	case playbook.PartiallySuccessful:
		return Partial
	case playbook.Failed:
		return Failed
	case playbook.Cancelled:
		return Cancelled
	}
	if s.Paused {
		return Paused
	}
	for i := range s.Steps {
		for _, x := range s.Steps[i].Executions {
			if x.State == playbook.Ready || x.State == playbook.Running {
				return Running
			}
		}
	}
	return Waiting
}

// outcomeOf is the word of the engine for the end of a run.
func outcomeOf(s State) string {
	switch s {
	case Succeeded:
		return playbook.Successful
	case Partial:
		return playbook.PartiallySuccessful
	}
	return playbook.Failed
}

// QuestionKind says what a run asks.
type QuestionKind string

// The kinds of questions.
const (
	Approval QuestionKind = "approval" // whether to go on
	Unknown  QuestionKind = "unknown"  // what became of a command
)

// Question is something that a run asks people.
type Question struct {
	ID       int64
	RunID    int64
	Playbook string // its name
	SiteID   int64
	Kind     QuestionKind
	// Ref is the execution of a command; of an approval it has the step alone.
	engine.Ref
	// Assignees are those who are asked: user:NAME, group:NAME or role:NAME; none for
	// those who may cancel the run.
	Assignees []string
	Message   string
	// Approve says that without an answer an approval counts as approved. Only a question
	// that is asked has it; one that is found has not.
	Approve    bool
	Asked, Due time.Time
	// Closed is when it was answered, or nobody asked any more; zero as long as it is
	// open. Answer is approved, rejected or a verdict; empty when nobody answered.
	Closed              time.Time
	Answer, By, Comment string
}

// Answers to approvals.
const (
	Approved = "approved"
	Rejected = "rejected"
)
