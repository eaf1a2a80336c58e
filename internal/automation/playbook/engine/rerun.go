package engine

import (
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// Rerun returns the state of a new run that goes on where another one, which has
// ended, stopped: what follows only what stays, and did not stop the run, stays as
// it was, with what it left. What failed, was rejected or was cancelled begins
// anew, of a forEach only the items that did not succeed. The new run has keys of
// its own, so nothing is taken for a repetition of the old one.
func (e *Engine) Rerun(old *State, run, by string, now time.Time) *State {
	s := e.Begin(run, by, slices.Clone(old.Chain), now)
	s.Clock = old.Clock
	kept := make([]bool, len(s.Steps))
	follows := func(n *playbook.Node) bool {
		if n.Step.Join == playbook.JoinAnyOnce && len(n.Needs) > 0 {
			return slices.ContainsFunc(n.Needs, func(need int) bool { return kept[need] })
		}
		return !slices.ContainsFunc(n.Needs, func(need int) bool { return !kept[need] })
	}
	for changed := true; changed; {
		changed = false
		for i := range s.Steps {
			if n := &e.program.Nodes[i]; !kept[i] && !n.Handler && keeps(n, &old.Steps[i]) && follows(n) {
				kept[i], changed = true, true
			}
		}
	}
	for i := range s.Steps {
		was := old.Steps[i]
		was.Executions = slices.Clone(was.Executions)
		switch {
		case kept[i]:
			s.Steps[i] = was
		case e.program.Nodes[i].Handler:
		default:
			s.Steps[i].Round, s.Steps[i].Turns = was.Round, was.Turns
			if n := &e.program.Nodes[i]; n.Step.ForEach != nil && follows(n) {
				s.Steps[i] = resumed(was)
			}
		}
	}
	return s
}

// Reruns reports whether anything of a run that has ended would begin anew in one that
// goes on with it. A step that failed in part, or whose failure the playbook lets pass,
// stopped nothing, and is left as it is: what follows it was done.
func (e *Engine) Reruns(old *State) bool {
	s := e.Rerun(old, old.Run, old.StartedBy, old.StartedAt)
	for i := range s.Steps {
		if step := &s.Steps[i]; !e.program.Nodes[i].Handler && (!finished(step.State) || step.Back) {
			return true
		}
	}
	return false
}

// keeps reports whether a step need not run again. One whose loop was about to go
// back does that in the new run, once the others in the loop are finished.
func keeps(n *playbook.Node, s *Step) bool {
	switch s.State {
	case playbook.Successful, playbook.Skipped:
		return true // an approval was for that run, and is asked for anew
	case playbook.PartiallySuccessful:
		return n.Step.OnPartial.Act != playbook.Stop
	case playbook.Failed:
		return n.Step.OnError.Act != playbook.Stop
	}
	return false
}

// resumed returns a forEach of which only those items run again that did not
// succeed; one that had not begun begins as a whole.
func resumed(was Step) Step {
	if !slices.ContainsFunc(was.Executions, func(x Execution) bool { return x.State == playbook.Successful }) {
		return Step{ID: was.ID, Round: was.Round, Turns: was.Turns}
	}
	for item := range was.Executions {
		if x := &was.Executions[item]; x.State != playbook.Successful {
			*x = Execution{}
		}
	}
	was.State, was.Done, was.Error, was.Wake, was.Back = playbook.Ready, 0, nil, time.Time{}, false
	return was
}
