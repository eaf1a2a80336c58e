package engine

import (
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// edge is what one of the steps that are needed means for a step.
type edge byte

const (
	open   edge = iota // it is not finished
	passes             // it leads on
	holds              // it leads elsewhere
	idle               // of a branch: it was not taken
)

// final reports whether step i is finished for step j, and since when: loops
// that go through the first and not through the other must be over.
func (w *work) final(i, j int) (since int, over bool) {
	step := &w.s.Steps[i]
	if !finished(step.State) || step.Back {
		return 0, false
	}
	since = step.Done
	for _, l := range w.node(i).Loops {
		if slices.Contains(w.node(l).Loop, j) {
			break // and so do the loops around it
		}
		end := &w.s.Steps[l]
		if !finished(end.State) || end.Back {
			return 0, false
		}
		since = max(since, end.Done)
	}
	return since, true
}

// edge tells what step i, which is needed, means for step j.
func (w *work) edge(i, j int) edge {
	if _, over := w.final(i, j); !over {
		return open
	}
	taken := w.branch(i)
	if id := w.node(j).Step.ID; w.node(i).Step.OnError.Branch == id || w.node(i).Step.OnPartial.Branch == id {
		if taken == id {
			return passes
		}
		return idle
	}
	step := &w.s.Steps[i]
	if (taken != "" || step.Held || step.State == playbook.Rejected) && !w.node(j).Looks[i] {
		return holds
	}
	return passes
}

// branch returns the step that a finished step led to instead of those that need
// it; empty for none.
func (w *work) branch(i int) string {
	switch step := w.node(i).Step; w.s.Steps[i].State {
	case playbook.Failed:
		return step.OnError.Branch
	case playbook.PartiallySuccessful:
		return step.OnPartial.Branch
	}
	return ""
}

// join begins a pending step if what it needs lets it.
func (w *work) join(i int) bool {
	n := w.node(i)
	var counts [idle + 1]int
	for _, need := range n.Needs {
		counts[w.edge(need, i)]++
	}
	switch {
	case len(n.Needs) == 0,
		counts[passes] > 0 && n.Step.Join != playbook.JoinAll,
		counts[open] == 0 && counts[holds] == 0 && counts[passes] > 0:
		w.begin(i)
	case n.Step.Join == playbook.JoinAll && counts[holds] > 0 && counts[open] == 0,
		n.Step.Join != playbook.JoinAll && counts[open] == 0:
		// A step that no branch led to is skipped like one whose if is false; any
		// other one is held.
		w.s.Steps[i].Held = counts[holds] > 0
		w.end(i, playbook.Skipped)
	default:
		return false
	}
	return true
}

// begin begins a step whose turn it is.
func (w *work) begin(i int) {
	step, n := &w.s.Steps[i], w.node(i)
	step.Begun, step.Began = w.now, w.s.Clock
	if !w.count() {
		step.Error = tooMany(n.Step)
		w.end(i, playbook.Failed)
		w.stop(i)
		return
	}
	if n.If.Given() {
		yes, err := w.truth(n.If, w.plain(i), step.Begun)
		if failure := w.failure(err); failure != "" {
			w.broken(i, failure)
			return
		}
		if !yes {
			w.end(i, playbook.Skipped)
			return
		}
	}
	switch {
	case n.Step.Approval != nil:
		w.ask(i)
	case n.For.Given():
		w.pause(i)
	default:
		w.open(i)
	}
}

// count counts what is begun, and reports whether it may be.
func (w *work) count() bool { w.s.Starts++; return w.s.Starts <= MaxStarts }

func tooMany(step *playbook.Step) *Error {
	return fail(step, statusTooLarge, "The run has begun more than %d steps and items: its loops go round too often.", MaxStarts)
}

// broken fails a step by itself.
func (w *work) broken(i int, why string) {
	w.s.Steps[i].Error = fail(w.node(i).Step, statusInvalid, "%s.", why)
	w.done(i, playbook.Failed)
}

// truth evaluates a condition.
func (w *work) truth(x playbook.Expression, v view, now time.Time) (bool, error) {
	value, err := w.evaluate(x, v, now)
	if err != nil {
		return false, err
	}
	yes, ok := value.(bool)
	if !ok {
		return false, x.Refuse("the condition is neither true nor false")
	}
	return yes, nil
}

// ask begins an approval.
func (w *work) ask(i int) {
	step, approval := &w.s.Steps[i], w.node(i).Step.Approval
	question, err := w.question(i)
	if failure := w.failure(err); failure != "" {
		w.broken(i, failure)
		return
	}
	step.State, step.Wake = playbook.Asked, w.now.Add(approval.Due)
	question.Due = step.Wake
	w.actions = append(w.actions, question)
}

// question is what an approval asks, and whom.
func (w *work) question(i int) (Ask, error) {
	step, n := &w.s.Steps[i], w.node(i)
	ask := Ask{Step: step.ID, Due: step.Wake, Approve: n.Step.Approval.Approve}
	for _, x := range n.To {
		value, err := w.evaluate(x, w.plain(i), step.Begun)
		if err != nil {
			return ask, err
		}
		to, _ := value.(string)
		if !playbook.IsAssignee(to) {
			return ask, x.Refuse("%q is no person: user:NAME, group:NAME or role:NAME is expected", clip(to))
		}
		ask.To = append(ask.To, to)
	}
	if !n.Message.Given() {
		return ask, nil
	}
	value, err := w.evaluate(n.Message, w.plain(i), step.Begun)
	text, _ := value.(string)
	ask.Message = clip(text)
	return ask, err
}

// decide ends an approval.
func (w *work) decide(i int, approve bool, by, comment string) {
	step := &w.s.Steps[i]
	step.By, step.Comment = clip(by), clip(comment)
	if approve {
		w.done(i, playbook.Approved)
	} else {
		w.done(i, playbook.Rejected)
	}
}

// pause begins a wait for a time.
func (w *work) pause(i int) {
	step, x := &w.s.Steps[i], w.node(i).For
	value, err := w.evaluate(x, w.plain(i), step.Begun)
	if failure := w.failure(err); failure != "" {
		w.broken(i, failure)
		return
	}
	switch v := value.(type) {
	case time.Duration:
		step.Wake = step.Begun.Add(v)
	case time.Time:
		step.Wake = exact(v)
	default:
		w.broken(i, x.Refuse("it is neither a duration nor a datetime").Error())
		return
	}
	if most := step.Begun.Add(playbook.MaxWait); step.Wake.After(most) {
		w.broken(i, x.Refuse("it waits until %s; a step may wait until %s", step.Wake.Format(time.RFC3339), most.Format(time.RFC3339)).Error())
		return
	}
	step.State = playbook.Waiting
	w.timer(i)
}

// done ends a step and sees to what follows: its loop, or the end of the run.
func (w *work) done(i int, state string) {
	n, step := w.node(i), &w.s.Steps[i]
	w.end(i, state)
	reaction := playbook.Reaction{Act: playbook.Continue}
	switch state {
	case playbook.Failed:
		reaction = n.Step.OnError
	case playbook.PartiallySuccessful:
		reaction = n.Step.OnPartial
	}
	if n.Handler {
		return
	}
	if reaction.Act == playbook.Continue && n.Loop != nil && step.Turns < n.Step.Loop.Max {
		again, err := w.truth(n.While, view{step: i, at: step.Done, self: &single{step: i, whole: true}}, w.now)
		if failure := w.failure(err); failure != "" {
			step.Error = fail(n.Step, statusInvalid, "%s.", failure)
			step.State = playbook.Failed
			reaction = n.Step.OnError
		}
		step.Back = again
	}
	if reaction.Act == playbook.Stop {
		w.stop(i)
	}
}

// stop ends the run with the error of a step.
func (w *work) stop(i int) {
	if w.s.Phase != Going {
		return
	}
	step := w.node(i).Step
	w.s.Phase, w.s.Error = Failing, w.s.Steps[i].Error
	if w.s.Error == nil {
		w.s.Error = fail(step, statusUnknown, "It was %s.", w.s.Steps[i].State)
	}
}

// goBack begins a loop anew, once all that it goes through is finished.
func (w *work) goBack(i int) bool {
	body := w.node(i).Loop
	for _, n := range body {
		if step := &w.s.Steps[n]; !finished(step.State) || step.Back && n != i {
			return false
		}
	}
	for _, n := range body {
		step := &w.s.Steps[n]
		turns := 0
		if n == i {
			turns = step.Turns + 1
		}
		*step = Step{ID: step.ID, Round: step.Round + 1, Turns: turns}
	}
	return true
}
