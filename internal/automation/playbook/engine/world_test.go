package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/expression"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// surroundings have three commands that differ in whether they may be sent twice.
type surroundings struct{}

func (surroundings) Command(uses string) (playbook.Command, bool) {
	c := playbook.Command{KeyFields: []string{"ids"}, Inputs: []playbook.CommandInput{{Name: "value", Type: playbook.TypeAny}}, Local: true}
	switch uses {
	case "test/read":
		c.ReadOnly, c.Repeats = true, true
	case "test/keyed":
		c.Repeats, c.Waits, c.Local = true, true, false
	case "test/write":
	default:
		return playbook.Command{}, false
	}
	return c, true
}

func (surroundings) CommandNames() []string { return []string{"test/read", "test/keyed", "test/write"} }

func (surroundings) Playbook(name string) (playbook.Signature, bool) {
	return playbook.Signature{Inputs: []playbook.Input{{Name: "n", Type: playbook.TypeInteger}}, Outputs: map[string]expression.Type{"sum": expression.Integer}}, name == "other"
}

func (surroundings) PlaybookNames() []string { return []string{"other"} }

// compile checks the steps of a playbook.
func compile(t testing.TB, steps string) *playbook.Program {
	t.Helper()
	text := "kind: Playbook\nname: p\ninputs:\n  hosts: {type: list}\n  days: {type: integer, default: 7}\n"
	if !strings.Contains(steps, "steps:") {
		text += "steps:\n"
	}
	text += steps
	d, problems := playbook.Parse([]byte(text))
	if problems != nil {
		t.Fatalf("problems:\n%v\n%s", problems, text)
	}
	p, problems, err := playbook.Check(d, surroundings{})
	if err != nil || problems != nil {
		t.Fatalf("error %v, problems:\n%v\n%s", err, problems, text)
	}
	return p
}

// tester is what a test and a property have in common.
type tester interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world does what the engine says, in a memory of its own, and keeps the state as
// JSON between two calls.
type world struct {
	t        tester
	engine   *engine.Engine
	program  *playbook.Program
	stored   []byte
	now      time.Time
	inputs   map[string]any
	outcomes map[string]map[string]any
	jobs     []engine.Start
	stops    []engine.Stop
	asks     []engine.Ask
	wake     time.Time
	finish   *engine.Finish
	log      []string // what was sent, in order
	// answer says what a command comes to; nil is success.
	answer func(s engine.Start) engine.Answered
}

func newWorld(t testing.TB, steps string) *world {
	t.Helper()
	w := &world{t: t, program: compile(t, steps), now: monday, inputs: map[string]any{"days": int64(7), "hosts": []any{}}, outcomes: map[string]map[string]any{}}
	w.engine = engine.New(w.program, func() float64 { return 0.5 })
	w.store(w.engine.Begin("r1", "user:ada", nil, monday))
	w.event(nil)
	return w
}

// Inputs, Trigger and Outcome implement engine.Memory.
func (w *world) Inputs(context.Context) (map[string]any, error) { return w.inputs, nil }

func (w *world) Trigger(context.Context) (map[string]any, error) {
	return map[string]any{"kind": "manual", "at": monday, "data": nil}, nil
}

func (w *world) Outcome(_ context.Context, place, field string) (any, error) {
	if o, ok := w.outcomes[place]; ok {
		return o[field], nil
	}
	return nil, errors.New("there is no outcome " + place)
}

func (w *world) state() *engine.State {
	s := &engine.State{}
	if err := json.Unmarshal(w.stored, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) store(s *engine.State) {
	content, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.stored = content
}

// event advances the run, and takes in what is to be done. It reports whether the
// event came in time.
func (w *world) event(e engine.Event) bool {
	w.t.Helper()
	s := w.state()
	actions, err := w.engine.Advance(context.Background(), s, w, e, w.now)
	if errors.Is(err, engine.ErrStale) {
		return false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.store(s)
	w.wake = time.Time{}
	for _, a := range actions {
		switch a := a.(type) {
		case engine.Start:
			w.jobs = append(w.jobs, a)
		case engine.Stop:
			w.stops = append(w.stops, a)
		case engine.Ask:
			w.asks = append(w.asks, a)
		case engine.Wake:
			w.wake = a.At
		case engine.Finish:
			if w.finish != nil {
				w.t.Error("the run finished twice")
			}
			w.finish = &a
		}
	}
	return true
}

// take takes the nth job up and sends it. It reports whether it was still wanted.
func (w *world) take(n int) (engine.Start, bool) {
	w.t.Helper()
	job := w.jobs[n]
	w.jobs = slices.Delete(w.jobs, n, n+1)
	if !w.event(engine.Sent{Ref: job.Ref}) {
		return job, false
	}
	w.log = append(w.log, strings.TrimPrefix(job.Key, "r1/"))
	return job, true
}

// reply answers a command that was sent.
func (w *world) reply(job engine.Start) {
	w.t.Helper()
	a := engine.Answered{State: playbook.Successful}
	if w.answer != nil {
		a = w.answer(job)
	}
	a.Ref = job.Ref
	if a.State != "" && a.Outcome == "" {
		a.Outcome = fmt.Sprint(job.Key, "#", job.Send)
		if w.outcomes[a.Outcome] == nil {
			w.outcomes[a.Outcome] = map[string]any{"returnData": a.State, "keyFields": map[string]any{"ids": []any{int64(len(w.outcomes) + 1)}}, "rawData": job.With["value"]}
		}
	}
	if a.State == playbook.Failed && a.Error == nil {
		a.Error = &engine.Error{Indicator: job.Uses + " failed.", StatusCode: 500, Message: "No."}
	}
	w.event(a)
}

// run does what there is to do until nothing is left, without waiting.
func (w *world) run() *world {
	w.t.Helper()
	for len(w.jobs) > 0 {
		if job, wanted := w.take(0); wanted {
			w.reply(job)
		}
	}
	return w
}

// pass lets time go by, and lets the run wake up on the way.
func (w *world) pass(d time.Duration) *world {
	w.t.Helper()
	for end := w.now.Add(d); ; {
		w.run()
		if w.wake.IsZero() || w.wake.After(end) {
			w.now = end
			return w
		}
		w.now = w.wake
		w.event(nil)
	}
}

// states are the states of the steps: "find=Successful scan=Skipped".
func (w *world) states() string {
	var list []string
	for _, s := range w.state().Steps {
		state := s.State
		if state == "" {
			state = playbook.Pending
		}
		list = append(list, s.ID+"="+strings.ReplaceAll(state, " ", ""))
	}
	return strings.Join(list, " ")
}

// expect compares what was sent, the states and the outcome.
func (w *world) expect(sent, states, outcome string) {
	w.t.Helper()
	if got := strings.Join(w.log, " "); got != sent {
		w.t.Errorf("sent %s, want %s", got, sent)
	}
	if got := w.states(); got != states {
		w.t.Errorf("states %s, want %s", got, states)
	}
	got := ""
	if w.finish != nil {
		got = w.finish.Outcome
	}
	if got != outcome {
		w.t.Errorf("outcome %q, want %q", got, outcome)
	}
}

// failing makes an answer that fails the named steps.
func failing(steps ...string) func(engine.Start) engine.Answered {
	return func(s engine.Start) engine.Answered {
		if slices.Contains(steps, s.Step) {
			return engine.Answered{State: playbook.Failed, Statuses: []int{500}}
		}
		return engine.Answered{State: playbook.Successful}
	}
}
