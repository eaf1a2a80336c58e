package engine

import (
	"encoding/json"
	"errors"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// ErrStale says that an event is about something that is over: an execution that
// was cancelled or sent again, a question that was answered. Nothing changed.
var ErrStale = errors.New("the run has gone on since")

// Event is something that happened: Sent, Answered, Lost, Decided, Settled,
// Paused, Resumed or Cancelled.
type Event interface{ apply(*work) error }

// Sent says that a command is sent now.
type Sent struct{ Ref }

// Answered says what a command came to.
type Answered struct {
	Ref
	// State is Successful, Partially Successful or Failed; empty with Continue.
	State string
	// Outcome is where the outcome is kept; Memory is asked for it.
	Outcome string
	// Error is the first of the errors, and Statuses the status codes of all.
	Error    *Error
	Statuses []int
	// RetryAfter is how long the platform asked to wait; zero for nothing.
	RetryAfter time.Duration
	// Continue asks to send the execution again, with a cursor.
	Continue *Continue
}

// Continue is how an execution goes on.
type Continue struct {
	Cursor json.RawMessage
	After  time.Duration
}

// Lost says that a command was sent by a platform that died before it answered.
type Lost struct{ Ref }

// Decided says what a person said to an approval. Whether they may is for the
// caller to know: Ask.To says who was asked.
type Decided struct {
	Step    string
	Approve bool
	By      string // user:NAME
	Comment string
}

// Settled says what a person found out about an execution that is Unknown.
type Settled struct {
	Ref
	Verdict Verdict
	By      string
}

// Verdict is what became of an unknown execution.
type Verdict string

// The verdicts.
const (
	CarriedOut    Verdict = "carried-out"     // it goes on as Successful, without an outcome
	NotCarriedOut Verdict = "not-carried-out" // it is Failed
	SendAgain     Verdict = "send-again"
)

// Paused says that nothing more is to begin.
type Paused struct{}

// Resumed says that a paused run goes on.
type Resumed struct{}

// Cancelled says that the run is to end, whether it is paused or not.
type Cancelled struct{}

// execution finds what a Ref names, if it is still in that state.
func (w *work) execution(r Ref, state string) (*Execution, int, error) {
	for i := range w.s.Steps {
		step := &w.s.Steps[i]
		if step.ID != r.Step || step.Round != r.Round || r.Item < 0 || r.Item >= len(step.Executions) {
			continue
		}
		if x := &step.Executions[r.Item]; x.Send == r.Send && x.State == state {
			return x, i, nil
		}
	}
	return nil, 0, ErrStale
}

func (e Sent) apply(w *work) error {
	x, i, err := w.execution(e.Ref, playbook.Ready)
	if err != nil {
		return err
	}
	x.State = playbook.Running
	step := w.node(i).Step
	x.Wake = w.now.Add(step.Timeout + grace)
	if step.Wait != nil && step.Until == nil {
		x.Wake = x.Wake.Add(step.Wait.Timeout) // it waits by itself
	}
	w.show(i)
	return nil
}

func (e Answered) apply(w *work) error {
	x, i, err := w.execution(e.Ref, playbook.Running)
	if err != nil {
		return err
	}
	w.answered(i, e.Item, x, e)
	w.show(i)
	return nil
}

func (e Lost) apply(w *work) error {
	x, i, err := w.execution(e.Ref, playbook.Running)
	if err != nil {
		return err
	}
	w.lost(i, e.Item, x)
	w.show(i)
	return nil
}

func (e Decided) apply(w *work) error {
	for i := range w.s.Steps {
		if step := &w.s.Steps[i]; step.ID == e.Step && step.State == playbook.Asked {
			w.decide(i, e.Approve, e.By, e.Comment)
			return nil
		}
	}
	return ErrStale
}

func (e Settled) apply(w *work) error {
	x, i, err := w.execution(e.Ref, playbook.Unknown)
	if err != nil {
		return err
	}
	x.Wake = time.Time{}
	switch step := w.node(i).Step; e.Verdict {
	case CarriedOut:
		x.State, x.Error = playbook.Successful, nil
	case NotCarriedOut:
		x.State, x.Error = playbook.Failed, fail(step, statusUnknown, "%s said that it was not carried out.", e.By)
	case SendAgain:
		w.send(i, e.Item, x)
	default:
		return errors.New("a verdict is carried-out, not-carried-out or send-again")
	}
	w.show(i)
	return nil
}

func (Paused) apply(w *work) error {
	if w.s.Paused || w.s.Phase == Cancelling {
		return ErrStale
	}
	w.s.Paused = true
	for i := range w.s.Steps {
		for item := range w.s.Steps[i].Executions {
			if x := &w.s.Steps[i].Executions[item]; x.State == playbook.Ready {
				w.putOff(x) // whoever is about to send it learns that it is not wanted
			}
		}
		w.show(i)
	}
	return nil
}

func (Resumed) apply(w *work) error {
	if !w.s.Paused {
		return ErrStale
	}
	w.s.Paused = false
	return nil
}

func (Cancelled) apply(w *work) error {
	if w.s.Phase == Cancelling {
		return ErrStale
	}
	w.s.Phase, w.s.Paused = Cancelling, false
	w.stopAll = true
	return nil
}
