package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// cutOff conducts a run until the first command is called, and stops as a platform
// does that is killed: nothing of the command is stored.
func (s *stage) cutOff(t *testing.T, id int64) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	s.answer = func(ctx context.Context, _ *run.Beginning) integration.Answer {
		kill()
		<-ctx.Done()
		return failing(504)
	}
	if err := s.Conduct(ctx, id); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	s.answer = nil
}

func testCutOffRepeats(t *testing.T, s *stage) {
	p := s.save(t, "cut", "steps:\n"+searchStep)
	r := s.start(t, p, nil)
	s.cutOff(t, r.ID)
	if record := s.commands(t, r.ID)[0]; record.State != run.Running {
		t.Errorf("the record of what was cut off is %+v", record)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	calls := s.called()
	if len(calls) != 2 || calls[0] != calls[1] {
		t.Errorf("calls %q, want two with one key", calls)
	}
	if records := s.commands(t, r.ID); len(records) != 1 || records[0].Attempts != 2 || records[0].State != run.Succeeded {
		t.Errorf("records %+v", records)
	}
}

func testCutOffUnknown(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "cut", "steps:\n"+keyStep)
	r := s.start(t, p, nil)
	s.cutOff(t, r.ID)
	r = s.conduct(t, r.ID)
	wantState(t, r, conductor.Waiting)
	if calls := s.called(); len(calls) != 1 {
		t.Errorf("calls %q: it was sent twice", calls)
	}
	if record := s.commands(t, r.ID)[0]; record.State != run.Unknown {
		t.Errorf("the record of what was cut off is %+v", record)
	}
	open := must(s.desk.Questions(ctx, s.ana, 0, true, true, 10))(t)
	if len(open) != 1 || open[0].Kind != conductor.Unknown {
		t.Fatalf("it asks %+v", open)
	}
	must(s.desk.Answer(ctx, s.ana, open[0].ID, "send-again", ""))(t)
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
}

func testCutOffPlaces(t *testing.T, s *stage) {
	p := s.save(t, "full", "steps:\n  - {id: find, forEach: {in: \"${{ [1, 2] }}\", parallel: 2}, uses: qualys-cloud-agent/search-cloud-agents}\n")
	r := s.start(t, p, nil)
	ctx, kill := context.WithCancel(t.Context())
	var calls atomic.Int32
	s.answer = func(ctx context.Context, _ *run.Beginning) integration.Answer {
		if calls.Add(1) == 2 { // the connection is full
			kill()
		}
		<-ctx.Done()
		return failing(504)
	}
	if err := s.Conduct(ctx, r.ID); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	s.answer = nil
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
}

func testLooks(t *testing.T, s *stage) {
	p := s.save(t, "looks", "steps:\n  - {id: look, uses: qualys-cloud-agent/search-cloud-agents, wait: {interval: 1s, timeout: 1m}, until: \"${{ size(self.keyFields.cloudAgentIds) == 3 }}\"}\n")
	var calls atomic.Int64
	s.answer = func(context.Context, *run.Beginning) integration.Answer {
		ids := []int64{1, 2, 3}
		return succeeded(ids[:calls.Add(1)]...)
	}
	r := s.start(t, p, nil)
	over := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() { // who conducts waits for looks that come soon
		for ticker := time.NewTicker(time.Millisecond); ; {
			select {
			case <-over:
				ticker.Stop()
				return
			case <-ticker.C:
				s.advance(10 * time.Millisecond)
			}
		}
	})
	r = s.conduct(t, r.ID)
	close(over)
	clock.Wait()
	wantState(t, r, conductor.Succeeded)
	if calls.Load() != 3 {
		t.Errorf("it looked %d times", calls.Load())
	}
}

// heldTurns notes what turns hold and begin.
type heldTurns struct {
	conductor.Turns
	notes []string
}

// heldTurn is a turn of one.
type heldTurn struct {
	conductor.Turn
	turns *heldTurns
}

// Turn implements conductor.Turns.
func (h *heldTurns) Turn(ctx context.Context, id int64, do func(ctx context.Context, t conductor.Turn) error) error {
	h.notes = append(h.notes, "turn")
	return h.Turns.Turn(ctx, id, func(ctx context.Context, t conductor.Turn) error { return do(ctx, heldTurn{t, h}) })
}

// Hold implements conductor.Turn.
func (h heldTurn) Hold(ctx context.Context, names []string) error {
	h.turns.notes = append(h.turns.notes, fmt.Sprint("hold ", names))
	return h.Turn.Hold(ctx, names)
}

// Begin implements conductor.Turn.
func (h heldTurn) Begin(ctx context.Context, r run.Run, ref engine.Ref) (run.Beginning, error) {
	h.turns.notes = append(h.turns.notes, "begin "+ref.Step)
	return h.Turn.Begin(ctx, r, ref)
}

// A step that cannot begin leads to another one, which may need a connection that a
// second run waits for: it begins with the next turn.
func testConnectionsHeld(t *testing.T, s *stage) {
	other := s.connection(t, "other")
	p := s.save(t, "both", `steps:
  - {id: one, needs: [], uses: qualys-cloud-agent/search-cloud-agents, connection: other}
  - {id: two, needs: [], uses: qualys-cloud-agent/search-cloud-agents}
  - {id: three, needs: [], uses: qualys-cloud-agent/search-cloud-agents, connection: gone, onError: continue}
  - {id: large, needs: [], uses: qualys-cloud-agent/create-activation-key, with: {title: "${{ inputs.title }}"}, onError: {branch: four}}
  - {id: four, uses: qualys-cloud-agent/search-cloud-agents}
inputs:
  title: {}
`)
	turns := &heldTurns{Turns: s.Store}
	s.Turns = turns
	r := s.conduct(t, s.start(t, p, map[string]any{"title": strings.Repeat("x", conductor.MaxInputBytes)}).ID)
	wantState(t, r, conductor.Partial)
	want := "[turn hold [other lab gone] begin one begin two begin three turn begin four "
	if got := fmt.Sprint(turns.notes); !strings.HasPrefix(got, want) {
		t.Errorf("the turns did %s, want %s", got, want)
	}
	for _, record := range s.commands(t, r.ID) {
		if record.Step == "one" && record.ConnectionID != other.ID || record.Step == "three" && record.ConnectionID != 0 {
			t.Errorf("step %s has connection %d", record.Step, record.ConnectionID)
		}
	}
}

func testNestedPause(t *testing.T, s *stage) {
	ctx := t.Context()
	s.save(t, "inner", "steps:\n"+searchStep+"outputs: {n: \"${{ 3 }}\"}\n")
	p := s.save(t, "outer", "steps:\n  - {id: call, uses: playbook/inner}\noutputs: {got: \"${{ steps.call.outputs.n }}\"}\n")
	r := s.start(t, p, nil)
	s.conduct(t, r.ID)
	inner := must(s.PlaybookRuns(ctx, conductor.Filter{ParentID: r.ID, Limit: 1}))(t)[0]
	wantState(t, s.conduct(t, inner.ID), conductor.Succeeded)
	must(s.desk.Pause(ctx, s.ana, r.ID))(t)
	must(s.desk.Resume(ctx, s.ana, r.ID))(t)
	r = s.conduct(t, r.ID)
	wantState(t, r, conductor.Succeeded)
	if string(r.Outputs) != `{"got":3}` {
		t.Errorf("it left %s", r.Outputs)
	}
}

func testTwoConductors(t *testing.T, s *stage) {
	p := s.save(t, "race", "steps:\n"+searchStep+scanStep+keyStep+"  - {id: after, uses: qualys-cloud-agent/search-cloud-agents}\n")
	ids := make([]int64, 10)
	for i := range ids {
		ids[i] = s.start(t, p, nil).ID
	}
	var everybody sync.WaitGroup
	for range 3 {
		everybody.Go(func() {
			for _, id := range ids {
				if err := s.Conduct(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	everybody.Wait()
	sent := map[string]int{}
	for _, key := range s.called() {
		if sent[key]++; strings.Contains(key, "/make/") && sent[key] > 1 {
			t.Errorf("%s was sent %d times", key, sent[key])
		}
	}
	for _, id := range ids {
		r := must(s.PlaybookRun(t.Context(), id))(t)
		for !r.State.Ended() {
			open := must(s.desk.Questions(t.Context(), s.ana, id, true, true, 10))(t)
			for _, q := range open {
				must(s.desk.Answer(t.Context(), s.ana, q.ID, "carried-out", ""))(t)
			}
			r = s.conduct(t, id)
		}
		wantState(t, r, conductor.Succeeded)
	}
}

func testNested(t *testing.T, s *stage) {
	s.save(t, "inner", "inputs:\n  n: {type: integer, required: true}\nsteps:\n"+searchStep+"outputs: {twice: \"${{ inputs.n * 2 }}\"}\n")
	p := s.save(t, "outer", "steps:\n  - {id: call, uses: playbook/inner, with: {n: 21}}\noutputs: {got: \"${{ steps.call.outputs.twice }}\"}\n")
	r := s.play(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Succeeded)
	if string(r.Outputs) != `{"got":42}` {
		t.Errorf("it left %s", r.Outputs)
	}
	below := must(s.desk.List(t.Context(), s.ana, conductor.Filter{ParentID: r.ID, Limit: 10}))(t)
	if len(below) != 1 || below[0].Playbook != "inner" || below[0].Parent.Step != "call" || below[0].Trigger.Kind != "playbook" {
		t.Errorf("below it are %+v", below)
	}
	if top := must(s.desk.List(t.Context(), s.ana, conductor.Filter{Top: true, Limit: 10}))(t); len(top) != 1 {
		t.Errorf("%d runs are on top", len(top))
	}
	if due := must(s.DuePlaybookRuns(t.Context(), s.now.Add(time.Hour), 0, 10))(t); len(due) != 0 {
		t.Errorf("%v are still due", due)
	}
}

func testNestedCancel(t *testing.T, s *stage) {
	s.save(t, "inner", "steps:\n  - {id: nap, wait: {for: 2h}}\n")
	p := s.save(t, "outer", "steps:\n  - {id: call, uses: playbook/inner, timeout: 5h}\n")
	r := s.start(t, p, nil)
	s.conduct(t, r.ID)
	inner := must(s.PlaybookRuns(t.Context(), conductor.Filter{ParentID: r.ID, Limit: 1}))(t)[0]
	s.conduct(t, inner.ID)
	if _, err := s.desk.Cancel(t.Context(), s.ana, inner.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("the inner one alone: %v", err)
	}
	must(s.desk.Cancel(t.Context(), s.ana, r.ID))(t)
	wantState(t, s.play(t, r.ID), conductor.Cancelled)
	wantState(t, must(s.PlaybookRun(t.Context(), inner.ID))(t), conductor.Cancelled)
}
