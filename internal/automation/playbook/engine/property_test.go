package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

// drawSteps draws the steps of a playbook.
func drawSteps(t *rapid.T) string {
	var text strings.Builder
	var ids, branches []string
	for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
		id := fmt.Sprint("s", i)
		keys := []string{"id: " + id}
		target := len(branches) > 0 && rapid.Bool().Draw(t, "target")
		switch {
		case target:
			keys[0] = "id: " + branches[0]
			id, branches = branches[0], branches[1:]
		case len(ids) > 0 && rapid.Bool().Draw(t, "needs"):
			needs := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, min(len(ids), 3), rapid.ID).Draw(t, "of")
			keys = append(keys, "needs: ["+strings.Join(needs, ", ")+"]", "join: "+rapid.SampledFrom([]string{"all", "any-once", "any-once"}).Draw(t, "join"))
		}
		command := false
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			keys = append(keys, "approval: {to: user:ada, due: 1h}")
		case 1:
			keys = append(keys, "wait: {for: "+rapid.SampledFrom([]string{"0s", "1m", "2h"}).Draw(t, "for")+"}")
		case 2:
			keys = append(keys, "uses: test/read, wait: {interval: 1m, timeout: 5m}, until: \"${{ size(self.errors) == 0 && self.keyFields.ids[0] > 3 }}\"")
			command = true
		case 3:
			keys = append(keys, fmt.Sprintf("uses: test/read, forEach: {in: %s, parallel: 2}, with: {value: \"${{ item }}\"}", rapid.SampledFrom([]string{"[]", "[1]", "[1, 2, 3, 4]"}).Draw(t, "in")))
			command = true
		default:
			keys = append(keys, "uses: "+rapid.SampledFrom([]string{"test/read", "test/write", "test/write", "test/keyed, connection: c"}).Draw(t, "uses"))
			if command = true; len(ids) > 0 && !target && !strings.Contains(strings.Join(keys, ""), "join") && rapid.Bool().Draw(t, "each") {
				keys = append(keys, "join: any-each", "needs: ["+strings.Join(ids[max(0, len(ids)-3):], ", ")+"]")
			}
		}
		switch rapid.IntRange(0, 5).Draw(t, "if") {
		case 0:
			keys = append(keys, "if: false")
		case 1:
			keys = append(keys, "if: \"${{ run.id.startsWith('r') }}\"")
		}
		if command {
			switch rapid.IntRange(0, 5).Draw(t, "onError") {
			case 0:
				keys = append(keys, "onError: continue", "onPartial: fail")
			case 1, 2:
				branch := fmt.Sprint("b", i)
				keys, branches = append(keys, "onError: {branch: "+branch+"}"), append(branches, branch)
			case 3:
				keys = append(keys, "retry: {max: 2, on: [500]}", "onError: continue")
			}
		}
		fmt.Fprintf(&text, "  - {%s}\n", strings.Join(keys, ", "))
		ids = append(ids, id)
	}
	for _, id := range branches {
		fmt.Fprintf(&text, "  - {id: %s, uses: test/write}\n", id)
	}
	return text.String()
}

// drawPlaybook draws one that is right, with loops where they fit.
func drawPlaybook(t *rapid.T) *playbook.Program {
	steps := drawSteps(t)
	parse := func(steps string) *playbook.Program {
		d, problems := playbook.Parse([]byte("kind: Playbook\nname: p\nsteps:\n" + steps))
		if problems != nil {
			return nil
		}
		p, problems, err := playbook.Check(d, surroundings{})
		if err != nil || problems != nil {
			t.Fatalf("error %v, problems:\n%v\n%s", err, problems, steps)
		}
		return p
	}
	p := parse(steps)
	if p == nil {
		t.Fatalf("the steps that were drawn are not right:\n%s", steps)
	}
	lines := strings.Split(strings.TrimSpace(steps), "\n")
	for range rapid.IntRange(0, 3).Draw(t, "loops") {
		n := rapid.IntRange(0, len(lines)-1).Draw(t, "from")
		loop := fmt.Sprintf(", loop: {goto: %s, while: %s, max: %d}}", p.Nodes[rapid.IntRange(0, n).Draw(t, "goto")].Step.ID,
			rapid.SampledFrom([]string{"true", "\"${{ self.state == 'Failed' || run.id == 'r1' }}\""}).Draw(t, "while"), rapid.IntRange(1, 3).Draw(t, "max"))
		if strings.Contains(lines[n], "loop:") {
			continue
		}
		with := slices.Clone(lines)
		with[n] = strings.TrimSuffix(with[n], "}") + loop
		if looped := parse("  " + strings.Join(with, "\n")); looped != nil {
			p, lines = looped, with
		}
	}
	t.Logf("steps:\n%s", strings.Join(lines, "\n"))
	return p
}

// twin runs a playbook twice over: with a state that lives on, and with one that
// is read from its JSON form before each event.
type twin struct {
	*world
	t     *rapid.T
	alive *engine.State
	sent  map[string]int // how often by key
	again map[string]bool
}

func (w *twin) do(e engine.Event) bool {
	before := len(w.jobs)
	inTime := w.event(e)
	// The same event on the state that lives on must lead to the same.
	actions, err := w.engine.Advance(context.Background(), w.alive, w, e, w.now)
	if errors.Is(err, engine.ErrStale) != !inTime {
		w.t.Fatalf("%T: in time %v, error %v", e, inTime, err)
	}
	var starts []engine.Start
	for _, a := range actions {
		if s, ok := a.(engine.Start); ok {
			starts = append(starts, s)
		}
	}
	if diff := cmp.Diff(w.jobs[before:], starts); diff != "" && len(starts)+len(w.jobs[before:]) > 0 {
		w.t.Fatalf("%T: the state that was stored starts something else (-stored +alive):\n%s", e, diff)
	}
	content, _ := json.Marshal(w.alive)
	if string(content) != string(w.stored) {
		w.t.Fatalf("%T: the states differ:\n%s\n%s", e, w.stored, content)
	}
	w.check()
	return inTime
}

// check looks for what must never be.
func (w *twin) check() {
	s := w.state()
	under := 0
	for i, step := range s.Steps {
		n := w.program.Nodes[i]
		if n.Step.Loop != nil && step.Turns > n.Step.Loop.Max {
			w.t.Fatalf("the loop of %s has gone back %d times", step.ID, step.Turns)
		}
		for _, x := range step.Executions {
			if x.State == playbook.Ready || x.State == playbook.Running {
				under++
			}
		}
	}
	if s.Phase == engine.Finished && under > 0 {
		w.t.Fatalf("the run has ended with %d commands under way", under)
	}
	if s.Phase != engine.Finished && s.Phase != engine.Cancelling && !s.Paused && under == 0 && w.wake.IsZero() {
		w.t.Fatalf("the run stands still: %s", w.stored)
	}
}

// open returns the jobs that nobody took, from the state alone.
func (w *twin) openJobs() []engine.Start {
	actions, err := w.engine.Outstanding(context.Background(), w.state(), w, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	var starts []engine.Start
	for _, a := range actions {
		if s, ok := a.(engine.Start); ok {
			starts = append(starts, s)
		}
	}
	return starts
}

// needsAreMet reports whether a step that is sent may run.
func (w *twin) needsAreMet(id string) bool {
	s := w.state()
	for i, n := range w.program.Nodes {
		if n.Step.ID != id || len(n.Needs) == 0 {
			continue
		}
		done := 0
		for _, need := range n.Needs {
			switch s.Steps[need].State {
			case "", playbook.Ready, playbook.Running, playbook.Waiting, playbook.Asked, playbook.Unknown:
			default:
				done++
			}
		}
		// Of a step that waits for any, what it needed may have begun anew already.
		return done == len(n.Needs) || n.Step.Join != playbook.JoinAll && (done > 0 || len(w.program.Nodes[i].Loops) > 0)
	}
	return true
}

func TestEveryPlaybookEndsAndKeepsToItsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		program := drawPlaybook(t)
		w := &twin{
			world: &world{t: t, program: program, engine: engine.New(program, func() float64 { return 0.5 }), now: monday, outcomes: map[string]map[string]any{}},
			t:     t, sent: map[string]int{}, again: map[string]bool{},
		}
		w.alive = w.engine.Begin("r1", "", nil, monday)
		w.store(w.alive)
		w.do(nil)
		var running []engine.Start
		for turn := 0; w.finish == nil; turn++ {
			if turn > 5000 {
				t.Fatalf("the run does not end: %s", w.stored)
			}
			calm := turn > 60 // then everything succeeds and time goes by
			choice := 0
			if !calm {
				choice = rapid.IntRange(0, 11).Draw(t, "choice")
			}
			running = w.move(choice, calm, running)
		}
		for key, times := range w.sent {
			if strings.Contains(w.uses(key), "write") && times > 1 && !w.again[key] {
				t.Fatalf("%s, which must not be carried out twice, was sent %d times", key, times)
			}
		}
	})
}

// uses returns the command behind a key.
func (w *twin) uses(key string) string {
	for _, n := range w.program.Nodes {
		if strings.HasPrefix(key, "r1/"+n.Step.ID+"/") {
			return n.Step.Uses
		}
	}
	return ""
}

// move does one thing, and returns what is running then.
func (w *twin) move(choice int, calm bool, running []engine.Start) []engine.Start {
	pick := func(n int, what string) int {
		if calm {
			return 0
		}
		return rapid.IntRange(0, n-1).Draw(w.t, what)
	}
	switch {
	case choice == 11 && w.do(engine.Paused{}):
		w.jobs = nil
		w.do(engine.Resumed{})
	case choice == 10 && len(running) > 0: // the platform dies
		w.jobs = w.openJobs() // and another one looks for what is to be done
		for _, job := range running {
			w.do(engine.Lost{Ref: job.Ref})
		}
		return nil
	case choice == 9 && len(w.asks) > 0:
		ask := w.asks[pick(len(w.asks), "ask")]
		if ask.Unknown == nil {
			w.do(engine.Decided{Step: ask.Step, Approve: rapid.Bool().Draw(w.t, "approve")})
			break
		}
		verdict := rapid.SampledFrom([]engine.Verdict{engine.CarriedOut, engine.NotCarriedOut, engine.SendAgain}).Draw(w.t, "verdict")
		if w.do(engine.Settled{Ref: *ask.Unknown, Verdict: verdict}) && verdict == engine.SendAgain {
			w.again[fmt.Sprintf("r1/%s/%d/%d", ask.Step, ask.Unknown.Item, ask.Unknown.Round)] = true
		}
	case choice == 8 && rapid.IntRange(0, 9).Draw(w.t, "cancel") == 0:
		w.do(engine.Cancelled{})
	case choice <= 4 && len(w.jobs) > 0:
		n := pick(len(w.jobs), "job")
		job := w.jobs[n]
		w.jobs = slices.Delete(w.jobs, n, n+1)
		met := w.needsAreMet(job.Step)
		if w.do(engine.Sent{Ref: job.Ref}) {
			if !met {
				w.t.Fatalf("%s is sent before what it needs is finished: %s", job.Step, w.stored)
			}
			w.sent[job.Key]++
			return append(running, job)
		}
	case len(running) > 0:
		n := pick(len(running), "running")
		job := running[n]
		answer := w.comesTo(job, calm)
		if w.do(answer) && answer.Continue != nil {
			w.sent[job.Key] = 0 // it was answered, and asks to be continued
		}
		return slices.Delete(running, n, n+1)
	case !w.wake.IsZero():
		w.now = w.wake
		w.do(nil)
	}
	return running
}

// comesTo says what a command comes to.
func (w *twin) comesTo(job engine.Start, calm bool) engine.Answered {
	a := engine.Answered{Ref: job.Ref, State: playbook.Successful}
	if !calm {
		switch rapid.IntRange(0, 5).Draw(w.t, "answer") {
		case 0:
			a.State, a.Statuses = playbook.Failed, []int{500}
		case 1:
			a.State = playbook.PartiallySuccessful
		case 2:
			return engine.Answered{Ref: job.Ref, Continue: &engine.Continue{Cursor: json.RawMessage(`1`), After: time.Second}}
		}
	}
	a.Outcome = fmt.Sprint(job.Key, "#", job.Send)
	w.outcomes[a.Outcome] = map[string]any{"returnData": a.State, "keyFields": map[string]any{"ids": []any{int64(math.Mod(float64(len(w.outcomes)), 6))}}}
	return a
}
