package engine_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

func TestAWaitForATimeEndsThen(t *testing.T) {
	t.Parallel()
	for _, wait := range []string{"1h", "2026-03-02T10:00:00Z", "\"${{ duration('30m') + duration('30m') }}\"", "\"${{ now() + duration('1h') }}\""} {
		w := newWorld(t, "  - {id: a, wait: {for: "+wait+"}}\n  - {id: b, uses: test/read}")
		w.pass(59*time.Minute).expect("", "a=Waiting b=Pending", "")
		w.pass(time.Minute).expect("b/0/0", "a=Successful b=Successful", "Successful")
	}
}

func TestAWaitForATimeThatIsTooFarAwayFails(t *testing.T) {
	t.Parallel()
	newWorld(t, "  - {id: a, wait: {for: \"${{ duration('1000h') }}\"}}").expect("", "a=Failed", "Failed")
}

func TestAConditionIsLookedAtUntilItHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read, wait: {interval: 1m, timeout: 5m}, until: \"${{ self.keyFields.ids == [3] }}\"}\n  - {id: b, uses: test/read, with: {value: \"${{ steps.a.keyFields.ids }}\"}}")
	w.run().expect("a/0/0", "a=Waiting b=Pending", "")
	w.pass(time.Minute).expect("a/0/0 a/0/0", "a=Waiting b=Pending", "")
	w.pass(time.Minute).expect("a/0/0 a/0/0 a/0/0 b/0/0", "a=Successful b=Successful", "Successful")
}

func TestAConditionThatDoesNotComeInTimeIsAFailureAndNoSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read, wait: {interval: 2m, timeout: 5m}, until: false, onError: continue}\n  - {id: b, if: \"${{ steps.a.errors[0].statusCode == 504 }}\", uses: test/read}")
	w.pass(time.Hour).expect(strings.Repeat("a/0/0 ", 4)+"b/0/0", "a=Failed b=Successful", playbook.PartiallySuccessful)
	if looks := w.now.Sub(monday); looks != time.Hour {
		t.Fatal(looks)
	}
}

func TestACommandThatAsksToBeContinuedIsSentAgainWithItsCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/keyed, connection: c, wait: {interval: 1m, timeout: 1h}}")
	var cursors []string
	w.answer = func(s engine.Start) engine.Answered {
		if cursors = append(cursors, string(s.Cursor)); len(cursors) < 3 {
			return engine.Answered{Continue: &engine.Continue{Cursor: json.RawMessage(`{"page":` + string(rune('0'+len(cursors))) + `}`), After: time.Minute}}
		}
		return engine.Answered{State: playbook.Successful}
	}
	w.pass(10*time.Minute).expect("a/0/0 a/0/0 a/0/0", "a=Successful", "Successful")
	if !slices.Equal(cursors, []string{"", `{"page":1}`, `{"page":2}`}) {
		t.Errorf("cursors %q", cursors)
	}
}

func TestACommandIsNotContinuedForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}")
	w.answer = func(engine.Start) engine.Answered {
		return engine.Answered{Continue: &engine.Continue{After: 10 * time.Hour}}
	}
	w.pass(48*time.Hour).expect("a/0/0 a/0/0 a/0/0 a/0/0", "a=Failed", "Failed")
}

func TestApprovals(t *testing.T) {
	t.Parallel()
	const steps = "  - {id: gate, approval: {to: [group:soc], message: \"Scan for ${{ inputs.days }} days?\", due: 4h}}\n  - {id: a, uses: test/read}\n  - {id: b, if: \"${{ steps.gate.state == 'Rejected' }}\", needs: [gate], uses: test/read, with: {value: \"${{ steps.gate.by }}\"}}\n"
	tests := []struct {
		name, steps           string
		act                   func(*world)
		sent, states, outcome string
	}{
		{"nobody has answered yet", steps, func(w *world) { w.pass(3 * time.Hour) }, "", "gate=Asked a=Pending b=Pending", ""},
		{
			"approved", steps, func(w *world) { w.event(engine.Decided{Step: "gate", Approve: true, By: "user:ada"}) },
			"a/0/0", "gate=Approved a=Successful b=Skipped", "Successful",
		},
		{
			"rejected: what follows does not run, unless it looks at the state", steps,
			func(w *world) { w.event(engine.Decided{Step: "gate", By: "user:ada", Comment: "no"}) },
			"b/0/0", "gate=Rejected a=Skipped b=Successful", "Successful",
		},
		{"nobody answers: rejected", steps, func(w *world) { w.pass(4 * time.Hour) }, "b/0/0", "gate=Rejected a=Skipped b=Successful", "Successful"},
		{
			"nobody answers: approved if it says so", strings.Replace(steps, "due: 4h", "due: 4h, onTimeout: approve", 1), func(w *world) { w.pass(4 * time.Hour) },
			"a/0/0", "gate=Approved a=Successful b=Skipped", "Successful",
		},
		{
			"a skipped approval lets through", strings.Replace(steps, "approval:", "if: false, approval:", 1), func(*world) {},
			"a/0/0", "gate=Skipped a=Successful b=Skipped", "Successful",
		},
		{
			"asked again by a loop", "  - {id: gate, approval: {to: [user:ada]}, loop: {goto: gate, while: \"${{ self.state == 'Rejected' && self.comment == 'later' }}\", max: 3}}\n",
			func(w *world) {
				w.event(engine.Decided{Step: "gate", Comment: "later"})
				w.event(engine.Decided{Step: "gate", Approve: true})
			},
			"", "gate=Approved", "Successful",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.steps)
			tt.act(w)
			w.run().expect(tt.sent, tt.states, tt.outcome)
		})
	}
	w := newWorld(t, steps)
	if a := w.asks[0]; a.Message != "Scan for 7 days?" || a.To[0] != "group:soc" || !a.Due.Equal(monday.Add(4*time.Hour)) || a.Unknown != nil {
		t.Errorf("asked %+v", a)
	}
	w.event(engine.Decided{Step: "gate", Approve: true})
	if w.event(engine.Decided{Step: "gate"}) {
		t.Error("the approval was answered twice")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	fails := func(times int, status int, after time.Duration) func(engine.Start) engine.Answered {
		return func(engine.Start) engine.Answered {
			if times--; times >= 0 {
				return engine.Answered{State: playbook.Failed, Statuses: []int{status}, RetryAfter: after}
			}
			return engine.Answered{State: playbook.Successful}
		}
	}
	tests := []struct {
		name, step  string
		answer      func(engine.Start) engine.Answered
		sent, state string
		pauses      []time.Duration
	}{
		{"pauses double, and chance takes half of them", "uses: test/read, retry: {max: 3}", fails(3, 503, 0), "4", "Successful", []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"fixed pauses", "uses: test/read, retry: {max: 2, backoff: fixed, base: 10s}", fails(2, 429, 0), "3", "Successful", []time.Duration{10 * time.Second, 10 * time.Second}},
		{"not more often than max", "uses: test/read, retry: {max: 2}", fails(9, 503, 0), "3", "Failed", []time.Duration{time.Second, 2 * time.Second}},
		{"as long as the platform asks", "uses: test/read, retry: {max: 1}", fails(1, 429, time.Minute), "2", "Successful", []time.Duration{time.Minute}},
		{"not longer than the limit", "uses: test/read, retry: {max: 5, base: 10s, limit: 20s}", fails(4, 502, 0), "5", "Successful", []time.Duration{5 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}},
		{"not after another error", "uses: test/read, retry: {max: 3}", fails(1, 401, 0), "1", "Failed", nil},
		{"only the statuses that are named", "uses: test/read, retry: {max: 3, on: [409]}", fails(1, 503, 0), "1", "Failed", nil},
		{"not when it could be done twice", "uses: test/write, retry: {max: 3}", fails(1, 504, 0), "1", "Failed", nil},
		{"but when it was refused before", "uses: test/write, retry: {max: 3}", fails(1, 429, 0), "2", "Successful", []time.Duration{time.Second}},
		{"with its key", "uses: test/keyed, connection: c, retry: {max: 3}", fails(1, 504, 0), "2", "Successful", []time.Duration{time.Second}},
		{"never without retry", "uses: test/read", fails(1, 503, 0), "1", "Failed", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "  - {id: a, "+tt.step+"}")
			w.answer = tt.answer
			var pauses []time.Duration
			for w.run(); !w.wake.IsZero(); w.run() {
				pauses = append(pauses, w.wake.Sub(w.now))
				w.now = w.wake
				w.event(nil)
			}
			if got := w.states(); got != "a="+tt.state {
				t.Errorf("states %s, want a=%s", got, tt.state)
			}
			if len(w.log) != int(tt.sent[0]-'0') || slices.ContainsFunc(w.log, func(key string) bool { return key != "a/0/0" }) {
				t.Errorf("sent %q, want %s times a/0/0", w.log, tt.sent)
			}
			if !slices.Equal(pauses, tt.pauses) {
				t.Errorf("pauses %v, want %v", pauses, tt.pauses)
			}
		})
	}
}

func TestAfterACrashACommandIsSentAgainOnlyIfThatIsSafe(t *testing.T) {
	t.Parallel()
	for _, uses := range []string{"test/read", "test/keyed, connection: c"} {
		w := newWorld(t, "  - {id: a, uses: "+uses+"}")
		job, _ := w.take(0)
		w.event(engine.Lost{Ref: job.Ref})
		if len(w.jobs) != 1 || w.jobs[0].Key != job.Key || w.jobs[0].Send != 2 {
			t.Fatalf("%s: jobs %+v", uses, w.jobs)
		}
		if w.event(engine.Answered{Ref: job.Ref, State: playbook.Failed}) {
			t.Errorf("%s: the answer of the one that was lost counted", uses)
		}
		second, _ := w.take(0)
		if w.event(engine.Answered{Ref: job.Ref, State: playbook.Failed}) {
			t.Errorf("%s: the answer of the one that was lost counted for the second", uses)
		}
		w.reply(second)
		w.expect("a/0/0 a/0/0", "a=Successful", "Successful")
	}

	unknown := func() (*world, engine.Ref) {
		w := newWorld(t, "  - {id: a, uses: test/write}\n  - {id: b, uses: test/read}\n  - {id: c, needs: [], uses: test/read}")
		job, _ := w.take(0)
		w.event(engine.Lost{Ref: job.Ref})
		w.run().expect("a/0/0 c/0/0", "a=Unknown b=Pending c=Successful", "")
		if len(w.asks) != 1 || w.asks[0].Unknown == nil || *w.asks[0].Unknown != job.Ref {
			t.Fatalf("asked %+v", w.asks)
		}
		return w, job.Ref
	}
	w, ref := unknown()
	w.event(engine.Settled{Ref: ref, Verdict: engine.CarriedOut})
	w.run().expect("a/0/0 c/0/0 b/0/0", "a=Successful b=Successful c=Successful", "Successful")

	w, ref = unknown()
	w.event(engine.Settled{Ref: ref, Verdict: engine.NotCarriedOut, By: "user:ada"})
	w.run().expect("a/0/0 c/0/0", "a=Failed b=Cancelled c=Successful", "Failed")

	w, ref = unknown()
	w.event(engine.Settled{Ref: ref, Verdict: engine.SendAgain})
	w.run().expect("a/0/0 c/0/0 a/0/0 b/0/0", "a=Successful b=Successful c=Successful", "Successful")

	w, _ = unknown()
	w.pass(engine.UnknownDue).expect("a/0/0 c/0/0", "a=Failed b=Cancelled c=Successful", "Failed")
}

func TestACommandThatKillsItsPlatformIsNotSentForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}")
	for len(w.jobs) > 0 {
		job, _ := w.take(0)
		w.event(engine.Lost{Ref: job.Ref})
	}
	if len(w.log) != engine.MaxLost+1 {
		t.Errorf("it was sent %d times", len(w.log))
	}
	w.expect(strings.TrimSpace(strings.Repeat("a/0/0 ", engine.MaxLost+1)), "a=Failed", "Failed")
}

func TestACommandThatNobodyAnswersForIsLostAfterItsTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/write, timeout: 10m}")
	w.take(0)
	w.pass(10 * time.Minute)
	w.expect("a/0/0", "a=Running", "")
	w.pass(2 * time.Minute)
	w.expect("a/0/0", "a=Unknown", "")
}

func TestACommandThatWaitsByItselfIsNotLostMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/keyed, connection: c, timeout: 10m, wait: {timeout: 2h}}")
	w.take(0)
	if want := monday.Add(2*time.Hour + 11*time.Minute); !w.wake.Equal(want) {
		t.Errorf("it counts as lost at %s, want %s", w.wake, want)
	}
}

func TestAPausedRunBeginsNothingAndGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}\n  - {id: b, uses: test/read}\n  - {id: c, needs: [], uses: test/read}\n  - {id: d, needs: [], wait: {for: 1h}}\n")
	job, _ := w.take(0)
	waiting := w.jobs[0]
	w.event(engine.Paused{})
	if w.event(engine.Sent{Ref: waiting.Ref}) {
		t.Error("a step was sent in a paused run")
	}
	w.jobs = nil
	w.reply(job)
	w.pass(2 * time.Hour)
	w.expect("a/0/0", "a=Successful b=Pending c=Waiting d=Waiting", "")
	if w.event(engine.Paused{}) {
		t.Error("the run was paused twice")
	}
	w.event(engine.Resumed{})
	w.run().expect("a/0/0 c/0/0 b/0/0", "a=Successful b=Successful c=Successful d=Successful", "Successful")
}

func TestACancelledRunEndsWhenWhatWasSentHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steps:\n  - {id: a, uses: test/read}\n  - {id: b, uses: test/read}\n  - {id: c, needs: [], uses: test/read}\n  - {id: d, needs: [], wait: {for: 1h}}\n  - {id: e, needs: [], approval: {to: user:ada}}\nonError:\n  - {uses: test/read}\n")
	job, _ := w.take(0)
	w.event(engine.Cancelled{})
	if len(w.stops) != 1 || w.stops[0].Ref != job.Ref {
		t.Errorf("stops %+v", w.stops)
	}
	w.run().expect("a/0/0", "a=Running b=Cancelled c=Cancelled d=Cancelled e=Cancelled on_error_1=Pending", "")
	if w.event(engine.Cancelled{}) {
		t.Error("the run was cancelled twice")
	}
	w.reply(job)
	w.expect("a/0/0", "a=Successful b=Cancelled c=Cancelled d=Cancelled e=Cancelled on_error_1=Pending", "Cancelled")
	if w.event(engine.Decided{Step: "e", Approve: true}) {
		t.Error("an event was accepted after the end")
	}
}

func TestAPausedRunCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}")
	w.event(engine.Paused{})
	w.event(engine.Cancelled{})
	w.expect("", "a=Cancelled", "Cancelled")
}

func TestARunGoesOnFromTheStepThatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  - {id: a, uses: test/write}
  - {id: b, forEach: [x, y, z], uses: test/write, with: {value: "${{ item }}"}, onPartial: fail}
  - {id: c, uses: test/write, with: {value: "${{ steps.a.keyFields.ids }}"}}
  - {id: d, needs: [], if: false, uses: test/write}
  - {id: e, needs: [], uses: test/write, onError: continue}
`)
	bad := true
	w.answer = func(s engine.Start) engine.Answered {
		if s.Step == "e" || bad && s.With["value"] == "y" {
			return engine.Answered{State: playbook.Failed}
		}
		return engine.Answered{State: playbook.Successful}
	}
	w.run().expect("a/0/0 e/0/0 b/0/0 b/1/0 b/2/0", "a=Successful b=PartiallySuccessful c=Cancelled d=Skipped e=Failed", "Failed")

	old := w.state()
	w.log, w.finish, bad = nil, nil, false
	w.store(w.engine.Rerun(old, "r2", "user:bob", monday.Add(time.Hour)))
	w.event(nil)
	w.run().expect("r2/b/1/0 r2/c/0/0", "a=Successful b=Successful c=Successful d=Skipped e=Failed", playbook.PartiallySuccessful)
}

func TestOutstandingHasWhatNobodyHasDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read, with: {value: \"${{ now() }}\"}}\n  - {id: b, needs: [], approval: {to: user:ada}}\n  - {id: c, needs: [], wait: {for: 1h}}\n  - {id: d, needs: [], uses: test/write}\n")
	lost, _ := w.take(1)
	w.event(engine.Lost{Ref: lost.Ref})
	actions, err := w.engine.Outstanding(t.Context(), w.state(), w, monday.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range actions {
		switch a := a.(type) {
		case engine.Start:
			got = append(got, "start "+a.Step)
			if at, _ := a.With["value"].(time.Time); !at.Equal(monday) {
				t.Errorf("now() is %v when the step is sent again, and not when it began", a.With["value"])
			}
		case engine.Ask:
			got = append(got, "ask "+a.Step)
		case engine.Wake:
			got = append(got, "wake "+a.At.Format(time.TimeOnly))
		}
	}
	if want := []string{"start a", "ask b", "ask d", "wake 10:00:00"}; !slices.Equal(got, want) {
		t.Errorf("outstanding %q, want %q", got, want)
	}
}

func TestACommandThatIsSentAgainHasTheSameInputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}\n  - {id: b, needs: [], uses: test/read}\n  - {id: c, needs: [a, b], join: any-once, uses: test/read, with: {value: \"${{ steps.b.state + ' ' + string(now()) }}\"}}\n")
	a, _ := w.take(0)
	w.reply(a) // c follows, and b is not finished
	b, _ := w.take(0)
	first, _ := w.take(0)
	w.reply(b)
	w.now = w.now.Add(time.Hour)
	w.event(engine.Lost{Ref: first.Ref})
	if again := w.jobs[0]; first.Step != "c" || first.With["value"] != "Pending 2026-03-02T09:00:00Z" || again.With["value"] != first.With["value"] {
		t.Errorf("sent with %v, and again with %v", first.With, again.With)
	}
}

func TestALoopThatWasAboutToGoBackDoesSoInTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  - {id: a, uses: test/write}
  - {id: b, needs: [a], uses: test/write}
  - {id: c, needs: [a], uses: test/write}
  - {id: d, needs: [b, c], join: any-once, uses: test/write, loop: {goto: a, while: true, max: 1}}
`)
	for _, id := range []string{"a", "b", "d"} { // and c is not finished
		job, _ := w.take(slices.IndexFunc(w.jobs, func(s engine.Start) bool { return s.Step == id }))
		w.reply(job)
	}
	w.answer = failing("c")
	w.run().expect("a/0/0 b/0/0 d/0/0 c/0/0", "a=Successful b=Successful c=Failed d=Successful", "Failed")
	old := w.state()
	w.log, w.finish, w.answer = nil, nil, nil
	w.store(w.engine.Rerun(old, "r2", "", w.now))
	w.event(nil)
	w.run().expect("r2/c/0/0 r2/a/0/1 r2/b/0/1 r2/c/0/1 r2/d/0/1", "a=Successful b=Successful c=Successful d=Successful", "Successful")
}
