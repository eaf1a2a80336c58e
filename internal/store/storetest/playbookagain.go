package storetest

import (
	"context"
	"fmt"
	"testing"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// The items of a forEach that failed are gone on with, under keys of their own, if they
// stopped the run. What nothing stopped has nothing to go on with.
func testPartialAgain(t *testing.T, s *stage) {
	for policy, again := range map[string]bool{"continue": false, "fail": true} {
		p := s.save(t, "each-"+policy, "steps: [{id: make, forEach: {in: \"${{ ['a', 'b', 'c'] }}\"}, onPartial: "+policy+", uses: qualys-cloud-agent/create-activation-key, with: {title: \"${{ item }}\"}}]\n")
		s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
			if b.Run.Inputs["title"] == "b" {
				return failing(400)
			}
			return succeeded(7)
		}
		r := s.conduct(t, s.start(t, p, nil).ID)
		s.called()
		s.answer = nil
		next, err := s.desk.Again(t.Context(), s.ana, r.ID, "")
		if !again {
			if r.State != conductor.Partial || !fault.Is(err, fault.Conflict) {
				t.Errorf("a run that is %s: %v", r.State, err)
			}
			continue
		}
		if r.State != conductor.Failed || err != nil {
			t.Fatalf("a run that is %s: %v", r.State, err)
		}
		wantState(t, s.conduct(t, next.ID), conductor.Succeeded)
		if calls := s.called(); len(calls) != 1 || calls[0] != fmt.Sprintf("playbook-%d/make/1/0", next.ID) {
			t.Errorf("calls %q", calls)
		}
	}
}
