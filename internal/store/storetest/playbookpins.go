package storetest

import (
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
)

// forgets is the platform started again: it has compiled nothing.
func (s *stage) forgets() {
	programs := &library.Programs{Shelf: s.Store}
	s.Programs, s.desk.Programs = programs, programs
}

// changes stores other versions of a playbook until none is kept any more but those that
// somebody needs. The last one is live, if any is to be.
func (s *stage) changes(t *testing.T, p library.Playbook, name, rest string, live bool) {
	t.Helper()
	p.Name = name
	for range library.MaxVersions + 1 {
		text := "kind: Playbook\nname: " + name + "\n" + rest
		p = must(s.AddVersion(t.Context(), p, 0, library.Version{Source: text, Author: "ana", Created: Start}))(t)
	}
	if p.Live = 0; live {
		p.Live = p.Latest
	}
	if err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// What a run calls does not change while it goes on: not when another version becomes
// live, which needs what nobody gives, and not when there is none any more.
func testCallsPinned(t *testing.T, s *stage) {
	inner := s.save(t, "inner", "steps: [{id: nap, wait: {for: 5s}}]\noutputs: {n: \"${{ 1 }}\"}\n")
	middle := s.save(t, "middle", "steps: [{id: call, uses: playbook/inner}]\noutputs: {n: \"${{ steps.call.outputs.n }}\"}\n")
	outer := s.save(t, "outer", `steps:
  - {id: deep, uses: playbook/middle}
  - {id: nap, wait: {for: 1m}}
  - {id: direct, uses: playbook/inner}
outputs: {deep: "${{ steps.deep.outputs.n }}", direct: "${{ steps.direct.outputs.n }}"}
`)
	r := s.start(t, outer, nil)
	s.changes(t, inner, "inner", "inputs: {must: {required: true}}\nsteps: [{id: nap, wait: {for: 5s}}]\noutputs: {other: \"${{ 2 }}\"}\n", true)
	s.changes(t, middle, "renamed", "steps: [{id: nap, wait: {for: 5s}}]\n", false)
	s.forgets()
	if err := s.DeletePlaybook(t.Context(), inner.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("what an open run calls is deleted: %v", err)
	}
	r = s.play(t, r.ID)
	wantState(t, r, conductor.Succeeded)
	if string(r.Outputs) != `{"deep":1,"direct":1}` {
		t.Errorf("it left %s", r.Outputs)
	}
	below := must(s.PlaybookRuns(t.Context(), conductor.Filter{Limit: 10}))(t)
	for _, called := range below {
		if called.Version != 1 {
			t.Errorf("it ran version %d of %s", called.Version, called.Playbook)
		}
	}
	if len(below) != 4 {
		t.Errorf("there are %d runs, want 4", len(below))
	}
	if err := s.DeletePlaybook(t.Context(), inner.ID); err != nil {
		t.Errorf("what a run has called is not deleted: %v", err)
	}
}

// A run that goes on with another one is a run of its own: it calls what is live by
// then, which may be why it is gone on with.
func testAgainCallsLive(t *testing.T, s *stage) {
	inner := s.save(t, "inner", "inputs: {n: {default: s}}\nsteps: [{id: bad, wait: {for: \"${{ duration('x' + inputs.n) }}\"}}]\n")
	r := s.play(t, s.start(t, s.save(t, "outer", "steps: [{id: call, uses: playbook/inner}]\n"), nil).ID)
	wantState(t, r, conductor.Failed)
	inner.Live, inner.Modified = 2, Start.Add(time.Hour)
	must(s.AddVersion(t.Context(), inner, 0, library.Version{Source: "kind: Playbook\nname: inner\nsteps: [{id: good, wait: {for: 5s}}]\n", Author: "ana", Created: Start}))(t)
	if err := s.Publish(t.Context(), inner); err != nil {
		t.Fatal(err)
	}
	wantState(t, s.play(t, must(s.desk.Again(t.Context(), s.ana, r.ID, ""))(t).ID), conductor.Succeeded)
}
