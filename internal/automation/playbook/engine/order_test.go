package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

func TestStepsFollowEachOther(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, steps           string
		answer                func(engine.Start) engine.Answered
		sent, states, outcome string
	}{
		{
			name:  "a step follows the one above",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read}",
			sent:  "a/0/0 b/0/0", states: "a=Successful b=Successful", outcome: "Successful",
		},
		{
			name:  "a step that needs nothing starts at once",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read}\n  - {id: c, needs: [], uses: test/read}",
			sent:  "a/0/0 c/0/0 b/0/0", states: "a=Successful b=Successful c=Successful", outcome: "Successful",
		},
		{
			name:  "a step whose condition is false is skipped and counts as finished",
			steps: "  - {id: a, if: false, uses: test/read}\n  - {id: b, if: \"${{ steps.a.state == 'Skipped' }}\", uses: test/read}",
			sent:  "b/0/0", states: "a=Skipped b=Successful", outcome: "Successful",
		},
		{
			name:  "join all waits for all",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, needs: [], uses: test/read}\n  - {id: c, needs: [a, b], uses: test/read}",
			sent:  "a/0/0 b/0/0 c/0/0", states: "a=Successful b=Successful c=Successful", outcome: "Successful",
		},
		{
			name:  "join any-once starts with the first and only once",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, needs: [], uses: test/read}\n  - {id: c, needs: [a, b], join: any-once, uses: test/read}\n",
			sent:  "a/0/0 b/0/0 c/0/0", states: "a=Successful b=Successful c=Successful", outcome: "Successful",
		},
		{
			name:  "join any-each starts once for each and knows for which",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, needs: [], uses: test/read}\n  - {id: c, needs: [a, b], join: any-each, uses: test/read, with: {value: \"${{ item }}\"}}\n  - {id: d, if: \"${{ steps.c.rawData == ['a', 'b'] }}\", uses: test/read}",
			sent:  "a/0/0 b/0/0 c/0/0 c/1/0 d/0/0", states: "a=Successful b=Successful c=Successful d=Successful", outcome: "Successful",
		},
		{
			name:   "a failed step stops the run and the steps of onError run",
			steps:  "steps:\n  - {id: a, uses: test/read}\n  - {id: b, uses: test/read}\nonError:\n  - {uses: core/email, with: {to: [x], subject: \"${{ run.name }} failed at ${{ error.step }}: ${{ error.message }}\"}}\n  - {id: after, uses: test/read}",
			answer: failing("a", "on_error_1"),
			sent:   "a/0/0 on_error_1/0/0 after/0/0", states: "a=Failed b=Cancelled on_error_1=Failed after=Successful", outcome: "Failed",
		},
		{
			name:   "a step may fail and the run goes on",
			steps:  "  - {id: a, uses: test/read, onError: continue}\n  - {id: b, uses: test/read}",
			answer: failing("a"),
			sent:   "a/0/0 b/0/0", states: "a=Failed b=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:   "a branch holds what follows and leads to its step",
			steps:  "  - {id: a, uses: test/read, onError: {branch: mend}}\n  - {id: b, uses: test/read}\n  - {id: c, uses: test/read}\n  - {id: mend, uses: test/read, with: {value: \"${{ error.step + error.failureIndicator }}\"}}",
			answer: failing("a"),
			sent:   "a/0/0 mend/0/0", states: "a=Failed b=Skipped c=Skipped mend=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:  "a branch that is not taken is skipped and holds nothing",
			steps: "  - {id: a, uses: test/read, onError: {branch: mend}}\n  - {id: mend, uses: test/read}\n  - {id: b, uses: test/read}",
			sent:  "a/0/0 b/0/0", states: "a=Successful mend=Skipped b=Successful", outcome: "Successful",
		},
		{
			name:   "paths meet again with any-once",
			steps:  "  - {id: a, uses: test/read, onError: {branch: mend}}\n  - {id: mend, uses: test/read}\n  - {id: b, needs: [a, mend], join: any-once, uses: test/read}",
			answer: failing("a"),
			sent:   "a/0/0 mend/0/0 b/0/0", states: "a=Failed mend=Successful b=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:   "one that is held is enough for join all",
			steps:  "  - {id: a, uses: test/read, onError: {branch: mend}}\n  - {id: other, needs: [], uses: test/read}\n  - {id: b, needs: [a, other], uses: test/read}\n  - {id: mend, uses: test/read}",
			answer: failing("a"),
			sent:   "a/0/0 other/0/0 mend/0/0", states: "a=Failed other=Successful b=Skipped mend=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:   "a condition that looks at what failed decides by itself",
			steps:  "  - {id: a, uses: test/read, onError: {branch: mend}}\n  - {id: b, if: \"${{ steps.a.state == 'Failed' }}\", uses: test/read}\n  - {id: mend, uses: test/read}",
			answer: failing("a"),
			sent:   "a/0/0 b/0/0 mend/0/0", states: "a=Failed b=Successful mend=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:   "partial success may stop the run",
			steps:  "  - {id: a, uses: test/read, onPartial: fail}\n  - {id: b, uses: test/read}",
			answer: func(engine.Start) engine.Answered { return engine.Answered{State: playbook.PartiallySuccessful} },
			sent:   "a/0/0", states: "a=PartiallySuccessful b=Cancelled", outcome: "Failed",
		},
		{
			name:  "an expression that fails fails its step",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read, with: {value: \"${{ steps.a.rawData.nope }}\"}}",
			sent:  "a/0/0", states: "a=Successful b=Failed", outcome: "Failed",
		},
		{
			name:  "a condition that is neither true nor false fails its step",
			steps: "  - {id: a, uses: test/read, with: {value: 1}}\n  - {id: b, if: \"${{ steps.a.rawData }}\", uses: test/read}",
			sent:  "a/0/0", states: "a=Successful b=Failed", outcome: "Failed",
		},
		{
			name:  "a loop goes back as often as its condition holds",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read, loop: {goto: a, while: \"${{ self.keyFields.ids[0] < 6 }}\", max: 9}}\n  - {id: c, uses: test/read}",
			sent:  "a/0/0 b/0/0 a/0/1 b/0/1 a/0/2 b/0/2 c/0/0", states: "a=Successful b=Successful c=Successful", outcome: "Successful",
		},
		{
			name:  "a loop goes back max times at most",
			steps: "  - {id: a, uses: test/read, loop: {goto: a, while: true, max: 2}}",
			sent:  "a/0/0 a/0/1 a/0/2", states: "a=Successful", outcome: "Successful",
		},
		{
			name:  "a loop within a loop begins anew with it",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read, loop: {goto: b, while: true, max: 1}}\n  - {id: c, uses: test/read, loop: {goto: a, while: true, max: 1}}",
			sent:  "a/0/0 b/0/0 b/0/1 c/0/0 a/0/1 b/0/2 b/0/3 c/0/1", states: "a=Successful b=Successful c=Successful", outcome: "Successful",
		},
		{
			name:  "what needs a step of a loop from outside waits for its end",
			steps: "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read, loop: {goto: a, while: true, max: 1}}\n  - {id: c, needs: [a], uses: test/read, with: {value: \"${{ steps.a.keyFields.ids[0] }}\"}}\n  - {id: d, if: \"${{ steps.c.rawData == 3 }}\", uses: test/read}",
			sent:  "a/0/0 b/0/0 a/0/1 b/0/1 c/0/0 d/0/0", states: "a=Successful b=Successful c=Successful d=Successful", outcome: "Successful",
		},
		{
			name:   "a loop may try again what failed",
			steps:  "  - {id: a, uses: test/write, onError: continue, loop: {goto: a, while: \"${{ self.state == 'Failed' }}\", max: 2}}",
			answer: failing("a"),
			sent:   "a/0/0 a/0/1 a/0/2", states: "a=Failed", outcome: "PartiallySuccessful",
		},
		{
			name:  "forEach over nothing succeeds at once",
			steps: "  - {id: a, uses: test/read, forEach: []}\n  - {id: b, if: \"${{ size(steps.a.items) == 0 && size(steps.a.keyFields.ids) == 0 }}\", uses: test/read}",
			sent:  "b/0/0", states: "a=Successful b=Successful", outcome: "Successful",
		},
		{
			name:  "forEach runs once for each item",
			steps: "  - {id: a, uses: test/read, forEach: [x, y, z], with: {value: \"${{ item }}\"}}\n  - {id: b, if: \"${{ steps.a.rawData == ['x', 'y', 'z'] && steps.a.items[1].rawData == 'y' && steps.a.keyFields.ids == [1, 2, 3] }}\", uses: test/read}",
			sent:  "a/0/0 a/1/0 a/2/0 b/0/0", states: "a=Successful b=Successful", outcome: "Successful",
		},
		{
			name:  "one item that fails makes forEach partially successful",
			steps: "  - {id: a, uses: test/read, forEach: [1, 2], with: {value: \"${{ item }}\"}}\n  - {id: b, uses: test/read}",
			answer: func(s engine.Start) engine.Answered {
				if s.With["value"] == int64(2) {
					return engine.Answered{State: playbook.Failed}
				}
				return engine.Answered{State: playbook.Successful}
			},
			sent: "a/0/0 a/1/0 b/0/0", states: "a=PartiallySuccessful b=Successful", outcome: "PartiallySuccessful",
		},
		{
			name:  "a forEach that is longer than max fails",
			steps: "  - {id: a, uses: test/read, forEach: {in: [1, 2, 3], max: 2}}",
			sent:  "", states: "a=Failed", outcome: "Failed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.steps)
			w.answer = tt.answer
			w.run().expect(tt.sent, tt.states, strings.Replace(tt.outcome, "PartiallySuccessful", playbook.PartiallySuccessful, 1))
		})
	}
}

func TestJoinAllWaitsForTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}\n  - {id: b, needs: [], uses: test/read}\n  - {id: c, needs: [a, b], uses: test/read}\n")
	job, _ := w.take(0)
	w.reply(job)
	if len(w.jobs) != 1 || w.jobs[0].Step != "b" {
		t.Errorf("jobs after the first: %+v", w.jobs)
	}
}

func TestForEachHasNoMoreItemsUnderWayThanItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read, forEach: {in: \"${{ inputs.hosts }}\", parallel: 2}, with: {value: \"${{ item }}\"}}\n")
	if w.finish == nil || len(w.log) != 0 {
		t.Fatal("a forEach over an empty input did something")
	}
	w = &world{t: t, program: w.program, engine: w.engine, now: monday, inputs: map[string]any{"hosts": []any{"a", "b", "c", "d", "e"}}, outcomes: map[string]map[string]any{}}
	w.store(w.engine.Begin("r1", "", nil, monday))
	w.event(nil)
	for left := 5; left > 0; left-- {
		if want := min(left, 2); len(w.jobs) != want {
			t.Fatalf("%d items are under way with %d left, want %d", len(w.jobs), left, want)
		}
		job, _ := w.take(0)
		w.reply(job)
	}
	w.expect("a/0/0 a/1/0 a/2/0 a/3/0 a/4/0", "a=Successful", "Successful")
}

func TestAStartHasEverythingACommandNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  - id: find
    uses: test/read
    with: {value: {since: "${{ now() - duration(string(inputs.days * 24) + 'h') }}", of: ["${{ run.startedBy }}", x]}}
    timeout: 5m
  - id: scan
    forEach: [one, two]
    uses: test/keyed
    connection: qualys-${{ item }}
    wait: {interval: 2m, timeout: 1h}
`)
	want := engine.Start{
		Ref: engine.Ref{Step: "find", Send: 1}, Key: "r1/find/0/0", Uses: "test/read", Timeout: 5 * time.Minute,
		With: map[string]any{"value": map[string]any{"since": monday.Add(-7 * 24 * time.Hour), "of": []any{"user:ada", "x"}}},
	}
	if diff := cmp.Diff(want, w.jobs[0]); diff != "" {
		t.Errorf("start (-want +got):\n%s", diff)
	}
	job, _ := w.take(0)
	w.reply(job)
	second := w.jobs[1]
	if second.Connection != "qualys-two" || second.Key != "r1/scan/1/0" || second.Wait == nil || *second.Wait != (engine.Wait{Interval: 2 * time.Minute, Timeout: time.Hour}) {
		t.Errorf("start of the second item: %+v", second)
	}
}

func TestARunGivesItsOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steps:\n  - {id: a, uses: test/read}\n  - {id: b, if: false, uses: test/read}\noutputs:\n  ids: ${{ steps.a.keyFields.ids }}\n  text: ${{ steps.b.state }} after ${{ size(steps.b.keyFields.ids) }}\n").run()
	if diff := cmp.Diff(map[string]any{"ids": []any{int64(1)}, "text": "Skipped after 0"}, w.finish.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestAnOutputThatFailsFailsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steps:\n  - {id: a, uses: test/read}\noutputs:\n  x: ${{ steps.a.rawData.nope }}\n").run()
	if w.finish.Outcome != playbook.Failed || w.finish.Outputs != nil || w.finish.Error.Indicator != "Output x failed." {
		t.Errorf("finish %+v", w.finish)
	}
	if s := w.state(); s.Outcome != playbook.Failed || s.Error == nil {
		t.Errorf("the state says %s, %v", s.Outcome, s.Error)
	}
}

func TestAPlaybookThatIsCalledIsRunOnceAndGivesItsOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: playbook/other, with: {n: 2}}\n  - {id: b, uses: test/read, with: {value: \"${{ steps.a.outputs.sum + 1 }}\"}}")
	job := w.jobs[0]
	if job.Playbook != "other" || !cmp.Equal(job.Chain, []string{"p"}) || !cmp.Equal(job.With, map[string]any{"n": int64(2)}) || job.Timeout != playbook.MaxWait {
		t.Errorf("start %+v", job)
	}
	w.outcomes["child"] = map[string]any{"outputs": map[string]any{"sum": int64(5)}}
	w.answer = func(s engine.Start) engine.Answered {
		if s.Playbook != "" {
			return engine.Answered{State: playbook.Successful, Outcome: "child"}
		}
		if s.With["value"] != int64(6) {
			t.Errorf("value %v", s.With["value"])
		}
		return engine.Answered{State: playbook.Successful}
	}
	w.run().expect("a/0/0 b/0/0", "a=Successful b=Successful", "Successful")
}

func TestPlaybooksDoNotCallEachOtherWithoutEnd(t *testing.T) {
	t.Parallel()
	program := compile(t, "  - {id: a, uses: playbook/other}\n")
	deep := make([]string, playbook.MaxDepth-1)
	for i := range deep {
		deep[i] = fmt.Sprint("p", i)
	}
	for _, chain := range [][]string{{"other"}, deep} {
		w := &world{t: t, program: program, engine: engine.New(program, nil), now: monday}
		w.store(w.engine.Begin("r1", "", chain, monday))
		w.event(nil)
		w.expect("", "a=Failed", playbook.Failed)
	}
}

func TestLoopsOfLoopsEndAtTheLimitOfTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  - {id: a, wait: {for: 0s}, loop: {goto: a, while: true, max: 1000}}
  - {id: b, wait: {for: 0s}, loop: {goto: a, while: true, max: 1000}}
  - {id: c, wait: {for: 0s}, onError: continue, loop: {goto: a, while: true, max: 1000}}
`)
	calls := 1
	for ; w.finish == nil && calls < 1000; calls++ {
		if !w.wake.Equal(w.now) {
			t.Fatalf("it goes on at %s", w.wake)
		}
		w.event(nil)
	}
	if calls < 10 {
		t.Errorf("%d calls did all of it: others wait while one is at work", calls)
	}
	if w.finish == nil || w.finish.Outcome != playbook.Failed || w.finish.Error.StatusCode != 413 {
		t.Errorf("finish %+v", w.finish)
	}
}
