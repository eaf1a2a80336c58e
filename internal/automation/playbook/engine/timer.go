package engine

import (
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// timers lets what has waited long enough go on.
func (w *work) timers() {
	for i := range w.s.Steps {
		if w.err != nil {
			return
		}
		w.timer(i)
		step := &w.s.Steps[i]
		for item := range step.Executions {
			if x := &step.Executions[item]; due(x.Wake, w.now) {
				w.expire(i, item, x)
				w.show(i)
			}
		}
	}
}

// due reports whether a time is set and has come.
func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// timer ends a wait for a time, or an approval, whose time has come.
func (w *work) timer(i int) {
	step := &w.s.Steps[i]
	if !due(step.Wake, w.now) {
		return
	}
	switch step.State {
	case playbook.Waiting:
		w.done(i, playbook.Successful)
	case playbook.Asked:
		w.decide(i, w.node(i).Step.Approval.Approve, "", "Nobody answered in time.")
	}
}

// expire goes on with an execution whose time has come.
func (w *work) expire(i, item int, x *Execution) {
	switch x.State {
	case playbook.Waiting:
		if w.s.Phase == Cancelling || w.s.Phase == Failing && !w.node(i).Handler {
			return // about to be dropped
		}
		w.send(i, item, x)
	case playbook.Unknown:
		x.State, x.Wake = playbook.Failed, time.Time{}
		x.Error = fail(w.node(i).Step, statusUnknown, "Nobody said within %s what became of it.", UnknownDue)
	case playbook.Running:
		if w.node(i).Playbook != "" {
			x.State, x.Wake = playbook.Failed, time.Time{}
			x.Error = fail(w.node(i).Step, statusTimeout, "It did not end within %s.", w.node(i).Step.Timeout)
			return
		}
		w.lost(i, item, x)
	}
}

// wake returns when the run goes on by itself. Paused ones do not.
func (w *work) wake() (Wake, bool) {
	if w.s.Paused || w.s.Phase == Finished {
		return Wake{}, false
	}
	if w.tired() {
		return Wake{w.now}, true
	}
	var first time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for i := range w.s.Steps {
		step := &w.s.Steps[i]
		sooner(step.Wake)
		for _, x := range step.Executions {
			sooner(x.Wake)
		}
	}
	return Wake{first}, !first.IsZero()
}

// outstanding adds the actions of a step that are open.
func (w *work) outstanding(i int) {
	step := &w.s.Steps[i]
	if step.State == playbook.Asked {
		if question, err := w.question(i); w.failure(err) == "" {
			w.actions = append(w.actions, question)
		}
		return
	}
	for item, x := range step.Executions {
		switch x.State {
		case playbook.Ready:
			start, err := w.start(i, item)
			if w.failure(err) == "" {
				w.actions = append(w.actions, start)
			}
		case playbook.Running:
			if w.s.Phase == Cancelling {
				w.actions = append(w.actions, Stop{Ref{step.ID, item, step.Round, x.Send}, w.s.key(step.ID, item, step.Round)})
			}
		case playbook.Unknown:
			w.askUnknown(i, item)
		}
	}
}

// askUnknown asks what became of an execution.
func (w *work) askUnknown(i, item int) {
	step := &w.s.Steps[i]
	x := &step.Executions[item]
	w.actions = append(w.actions, Ask{
		Step: step.ID, Unknown: &Ref{step.ID, item, step.Round, x.Send}, Due: x.Wake,
		Message: "The platform was cut off after " + w.node(i).Step.Uses + " was sent, and before it answered. Find out whether it was carried out: it must not be sent twice.",
	})
}
