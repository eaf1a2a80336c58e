package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// Memory is what a run began with and what its commands left. Nothing in it ever
// changes, and the engine changes nothing of it.
type Memory interface {
	// Inputs returns the inputs of the run, as Input.Take has them.
	Inputs(ctx context.Context) (map[string]any, error)
	// Trigger returns what started the run: kind, at and data, as expressions see
	// them.
	Trigger(ctx context.Context) (map[string]any, error)
	// Outcome returns a field of what is kept at a place, as expression.Decode has
	// it: of the JSON form of an automation.Outcome, such as keyFields, or outputs of
	// a playbook. What is not there is nil. Raw data is large, and asked for only by
	// expressions that read it.
	Outcome(ctx context.Context, place, field string) (any, error)
}

// Engine runs one version of a playbook.
type Engine struct {
	program *playbook.Program
	random  func() float64
}

// New returns the engine of a program. random gives numbers in [0, 1), which
// spread retries; it must be safe for concurrent use if the engine is to be.
func New(program *playbook.Program, random func() float64) *Engine {
	return &Engine{program, random}
}

// Begin returns the state of a run that has not begun anything. chain are the
// playbooks that called this one, the outermost first.
func (e *Engine) Begin(run, by string, chain []string, now time.Time) *State {
	s := &State{Run: run, StartedAt: exact(now), StartedBy: by, Chain: chain, Phase: Going, Clock: 1, Steps: make([]Step, len(e.program.Nodes))}
	for i := range s.Steps {
		s.Steps[i].ID = e.program.Nodes[i].Step.ID
	}
	return s
}

// exact is a time as its JSON form has it.
func exact(t time.Time) time.Time { return t.UTC().Round(0) }

// Advance applies an event, which may be nil, and takes the run as far as it goes
// by itself at this time. It returns what is to be done in addition to what other
// calls returned.
//
// ErrStale means that the event came too late and nothing changed. After any
// other error, which is one of the memory or of the context, the state must be
// thrown away and read again.
func (e *Engine) Advance(ctx context.Context, s *State, m Memory, event Event, now time.Time) ([]Action, error) {
	w, err := e.work(ctx, s, m, now)
	if err != nil {
		return nil, err
	}
	if s.Phase == Finished {
		if event != nil {
			return nil, ErrStale
		}
		return nil, nil
	}
	if event != nil {
		if err := event.apply(w); err != nil {
			return nil, err
		}
	}
	if s.Paused {
		w.settle()
	} else {
		w.timers()
		w.run()
	}
	if w.err != nil {
		return nil, w.err
	}
	if wake, ok := w.wake(); ok {
		w.actions = append(w.actions, wake)
	}
	return w.actions, nil
}

// Outstanding returns all actions that are open: what Advance has returned and
// nobody has done, as far as the state tells.
func (e *Engine) Outstanding(ctx context.Context, s *State, m Memory, now time.Time) ([]Action, error) {
	w, err := e.work(ctx, s, m, now)
	if err != nil {
		return nil, err
	}
	if s.Phase == Finished {
		w.announce()
		return w.actions, w.err
	}
	for i := range s.Steps {
		w.outstanding(i)
	}
	if wake, ok := w.wake(); ok {
		w.actions = append(w.actions, wake)
	}
	return w.actions, w.err
}

// work is one call of Advance.
type work struct {
	*Engine
	ctx     context.Context
	s       *State
	memory  Memory
	now     time.Time
	actions []Action
	err     error
	stopAll bool // running commands are to be stopped
	spent   int  // expressions that were evaluated
	lists   map[int][]any
	loaded  map[kept]any
}

// kept is a field of an outcome.
type kept struct{ place, field string }

func (e *Engine) work(ctx context.Context, s *State, m Memory, now time.Time) (*work, error) {
	if len(s.Steps) != len(e.program.Nodes) {
		return nil, fmt.Errorf("the state of run %s has %d steps, and its playbook %d: they are not of one version", s.Run, len(s.Steps), len(e.program.Nodes))
	}
	return &work{Engine: e, ctx: ctx, s: s, memory: m, now: exact(now), lists: map[int][]any{}, loaded: map[kept]any{}}, nil
}

func (w *work) node(i int) *playbook.Node { return &w.program.Nodes[i] }

// run takes the run as far as it goes.
func (w *work) run() {
	for changed := true; changed && w.err == nil && w.s.Phase != Finished && !w.tired(); {
		switch w.s.Phase {
		case Going:
			changed = w.going()
		case Failing:
			changed = w.failing()
		case Cancelling:
			changed = w.cancelling()
		}
	}
}

// settle ends the steps of a paused run that have come to an end.
func (w *work) settle() {
	for i := range w.s.Steps {
		step, n := &w.s.Steps[i], w.node(i)
		if n.Step.Uses != "" && n.Step.Join != playbook.JoinAnyEach && !finished(step.State) && ended(step) && w.err == nil {
			w.sum(i)
		}
	}
}

// going moves every step as far as it goes, once.
func (w *work) going() bool {
	changed, open := false, false
	for i := range w.s.Steps {
		if w.node(i).Handler {
			continue
		}
		changed = w.step(i) || changed
		if w.err != nil || w.s.Phase != Going {
			return w.err == nil
		}
		open = open || !finished(w.s.Steps[i].State) || w.s.Steps[i].Back
	}
	if !open {
		w.finish()
	}
	return changed
}

// step moves a step as far as it goes, and reports whether that was anywhere.
func (w *work) step(i int) bool {
	step := &w.s.Steps[i]
	switch {
	case step.Back:
		return w.goBack(i)
	case step.State == "":
		return w.join(i)
	case len(w.node(i).Step.Uses) > 0 && !finished(step.State):
		return w.executions(i)
	}
	return false
}

// failing lets what was sent end, and then runs the steps of onError one by one.
func (w *work) failing() bool {
	if w.drop() {
		return true
	}
	for i := range w.s.Steps {
		step := &w.s.Steps[i]
		if finished(step.State) {
			continue
		}
		if !w.node(i).Handler {
			return false // its command is under way
		}
		if step.State == "" {
			w.begin(i)
			return true
		}
		return w.executions(i)
	}
	w.finish()
	return true
}

// cancelling lets what was sent end.
func (w *work) cancelling() bool {
	w.drop()
	for i := range w.s.Steps {
		step := &w.s.Steps[i]
		if w.node(i).Handler && step.State == "" {
			continue
		}
		if !finished(step.State) {
			for item, x := range step.Executions {
				if x.State == playbook.Running && w.stopAll {
					r := Ref{step.ID, item, step.Round, x.Send}
					w.actions = append(w.actions, Stop{r, w.s.key(step.ID, item, step.Round)})
				}
			}
		}
	}
	w.stopAll = false
	for i := range w.s.Steps {
		if !finished(w.s.Steps[i].State) && (!w.node(i).Handler || w.s.Steps[i].State != "") {
			return false
		}
	}
	w.finish()
	return true
}

// drop cancels every step, and every execution, that was not sent. It reports
// whether there was one.
func (w *work) drop() bool {
	dropped := false
	for i := range w.s.Steps {
		step := &w.s.Steps[i]
		if finished(step.State) || w.node(i).Handler && (w.s.Phase == Failing || step.State == "") {
			continue
		}
		running := false
		for j := range step.Executions {
			switch x := &step.Executions[j]; {
			case x.State == playbook.Running:
				running = true
			case !finished(x.State):
				if x.State == playbook.Unknown {
					x.Error = fail(w.node(i).Step, statusUnknown, "Nobody said what became of it before the run ended.")
				}
				x.State, x.Wake, dropped = playbook.Cancelled, time.Time{}, true
			}
		}
		switch {
		case !running:
			w.end(i, w.dropped(i))
			dropped = true
		default:
			w.show(i)
		}
	}
	return dropped
}

// dropped is the state of a step that is not gone on with: what it came to if all
// of it was done.
func (w *work) dropped(i int) string {
	step := &w.s.Steps[i]
	if len(step.Executions) == 0 || len(step.Executions) < step.Items {
		return playbook.Cancelled
	}
	for _, x := range step.Executions {
		if x.State == playbook.Cancelled {
			return playbook.Cancelled
		}
	}
	return sum(step.Executions)
}

// end ends a step without looking at what follows.
func (w *work) end(i int, state string) {
	step := &w.s.Steps[i]
	step.State, step.Wake = state, time.Time{}
	step.Done = w.tick()
}

func (w *work) tick() int { w.s.Clock++; return w.s.Clock }

// finish ends the run.
func (w *work) finish() {
	switch w.s.Phase {
	case Cancelling:
		w.s.Outcome = playbook.Cancelled
	case Failing:
		w.s.Outcome = playbook.Failed
	default:
		w.s.Outcome = playbook.Successful
		for _, step := range w.s.Steps {
			if step.State == playbook.Failed || step.State == playbook.PartiallySuccessful {
				w.s.Outcome = playbook.PartiallySuccessful
			}
		}
	}
	w.s.Phase = Finished
	w.announce()
}

// announce adds the end of the run, with its outputs.
func (w *work) announce() {
	f := Finish{Error: w.s.Error}
	if w.s.Outcome == playbook.Successful || w.s.Outcome == playbook.PartiallySuccessful {
		f.Outputs = map[string]any{}
		for _, out := range w.program.Outputs {
			value, err := w.evaluate(out.Value, view{at: w.s.Clock, all: true}, w.s.StartedAt)
			if failure := w.failure(err); failure != "" {
				f.Outputs = nil
				f.Error = &Error{Indicator: "Output " + out.Name + " failed.", StatusCode: statusInvalid, Message: clip(failure + ".")}
				w.s.Outcome, w.s.Error = playbook.Failed, f.Error
				break
			}
			f.Outputs[out.Name] = value
		}
	}
	f.Outcome = w.s.Outcome
	w.actions = append(w.actions, f)
}

// failure returns why an expression failed; any other error is one of the
// platform, and ends the call.
func (w *work) failure(err error) string {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*playbook.Failure](err); ok {
		return f.Error()
	}
	w.err = err
	return "the platform failed"
}

// tired reports whether one call has done enough: the run goes on with the next one,
// at once. Who calls holds a transaction meanwhile, for which others wait.
func (w *work) tired() bool { return w.spent >= maxEvaluations }

// evaluate evaluates an expression as a view sees the run.
func (w *work) evaluate(x playbook.Expression, v view, now time.Time) (any, error) {
	w.spent++
	values, err := w.values(x, v)
	if err != nil {
		return nil, err
	}
	return x.Evaluate(w.ctx, values, now)
}
