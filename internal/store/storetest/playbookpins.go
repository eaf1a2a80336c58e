package storetest

import (
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
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

// sets changes what is stored as nothing of the platform of today does.
func (s *stage) sets(t *testing.T, statement string, args ...any) {
	t.Helper()
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), statement, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pins returns the runs that have pins, once for each.
func (s *stage) pins(t *testing.T) []int64 {
	t.Helper()
	var runs []int64
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT run_id FROM playbook_pins ORDER BY run_id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for runs = nil; rows.Next(); {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			runs = append(runs, id)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// A release that pinned nothing has queued runs, and stored versions without what they
// call.
func testUnpinnedCallsLive(t *testing.T, s *stage) {
	s.save(t, "inner", "steps: [{id: nap, wait: {for: 5s}}]\noutputs: {n: \"${{ 1 }}\"}\n")
	outer := s.save(t, "outer", "steps: [{id: call, uses: playbook/inner}]\noutputs: {n: \"${{ steps.call.outputs.n }}\"}\n")
	s.sets(t, "UPDATE playbook_versions SET calls = NULL")
	old := s.start(t, outer, nil)
	if pins := s.pins(t); !slices.Equal(pins, []int64{old.ID}) {
		t.Fatalf("the pins of run %d are those of %v", old.ID, pins)
	}
	s.sets(t, "DELETE FROM playbook_pins")
	s.forgets()
	r := s.play(t, old.ID)
	wantState(t, r, conductor.Succeeded)
	if string(r.Outputs) != `{"n":1}` {
		t.Errorf("it left %s", r.Outputs)
	}
}

func testEscapedCallPinned(t *testing.T, s *stage) {
	inner := s.save(t, "inner", "steps: [{id: nap, wait: {for: 5s}}]\n")
	r := s.start(t, s.save(t, "outer", `steps: [{id: call, uses: "playbook\u002Finner"}]`+"\n"), nil)
	s.changes(t, inner, "inner", "inputs: {must: {required: true}}\nsteps: [{id: nap, wait: {for: 5s}}]\n", true)
	s.forgets()
	wantState(t, s.play(t, r.ID), conductor.Succeeded)
}

// What was called goes by the pins of the topmost run even when that has ended; and what
// is read to conduct a run are no texts.
func testPinsOfTopmost(t *testing.T, s *stage) {
	inner := s.save(t, "inner", "steps: [{id: nap, wait: {for: 5s}}]\n")
	s.save(t, "middle", "steps: [{id: nap, wait: {for: 5s}}, {id: call, uses: playbook/inner}]\n")
	top := s.start(t, s.save(t, "outer", "steps: [{id: call, uses: playbook/middle}]\n"), nil)
	s.conduct(t, top.ID)
	below := must(s.PlaybookRuns(t.Context(), conductor.Filter{ParentID: top.ID, Limit: 2}))(t)
	if len(below) != 1 {
		t.Fatalf("it began %+v", below)
	}
	if pins := s.pins(t); !slices.Equal(pins, []int64{top.ID, top.ID}) {
		t.Errorf("there are pins of %v, want two of %d", pins, top.ID)
	}
	v, calls, err := s.RunVersion(t.Context(), below[0].ID)
	if err != nil || v.Playbook != "middle" || v.Source != "" || len(calls) != 2 || calls[0].Playbook != "inner" || calls[0].Source != "" {
		t.Errorf("it is of %+v and calls %+v: %v", v, calls, err)
	}
	s.sets(t, "UPDATE playbook_runs SET ended = queued WHERE id = ?", top.ID)
	if err := s.DeletePlaybook(t.Context(), inner.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("what a run is about to call is deleted: %v", err)
	}
	wantState(t, s.play(t, below[0].ID), conductor.Succeeded)
}
