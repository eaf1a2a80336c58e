package storetest

import (
	"context"
	"slices"
	"testing"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/store"
)

// vouching has commands fail, and returns who vouches for those that are called, by step.
func (s *stage) vouching() map[string][]string {
	asked := map[string][]string{}
	s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range b.Publishers {
			asked[b.Run.Step] = append(asked[b.Run.Step], p.Playbook+" by "+p.Name)
		}
		return failing(400)
	}
	return asked
}

// publishes has somebody publish a version of a playbook.
func (s *stage) publishes(t *testing.T, p library.Playbook, number int64, name string, id int64) {
	t.Helper()
	p.Live, p.Publisher, p.PublisherID, p.Modified = number, name, id, Start
	if err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

const publishedStep = "steps: [{id: made, uses: qualys-cloud-agent/create-activation-key, with: {title: x}}]\n"

// Who published what a run calls vouches for it, and for what that calls in turn, as they
// were when the run was queued.
func testPublishers(t *testing.T, s *stage) {
	asked := s.vouching()
	s.save(t, "deep", publishedStep)
	inner := s.save(t, "inner", "steps: [{id: call, uses: playbook/deep}]\n")
	outer := s.save(t, "outer", "steps: [{id: call, uses: playbook/inner}]\n")
	s.publishes(t, inner, 1, "bob", 4711)
	r := s.start(t, outer, nil)
	s.publishes(t, inner, 1, "eve", 4712)
	wantState(t, s.play(t, r.ID), conductor.Failed)
	if want := []string{"outer by ana", "inner by bob"}; !slices.Equal(asked["made"], want) {
		t.Errorf("%q vouch for it, want %q", asked["made"], want)
	}

	// A draft is run by somebody who could have written it. What it calls is not.
	must(s.AddVersion(t.Context(), outer, 0, library.Version{Source: "kind: Playbook\nname: outer\nsteps: [{id: call, uses: playbook/inner}]\n", Author: "ana", Created: Start}))(t)
	draft, _, err := s.desk.Start(t.Context(), s.ana, conductor.Request{PlaybookID: outer.ID, Version: 2})
	if err != nil {
		t.Fatal(err)
	}
	clear(asked)
	s.play(t, draft.ID)
	if want := []string{"inner by eve", "deep by ana"}; !slices.Equal(asked["made"], want) {
		t.Errorf("%q vouch for what a draft calls, want %q", asked["made"], want)
	}

	// A release before this one noted nobody.
	old := s.start(t, outer, nil)
	err = s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE playbook_runs SET publishers = NULL WHERE id = ?", old.ID)
		if err == nil {
			_, err = tx.Exec(t.Context(), "UPDATE playbook_pins SET publisher = NULL, publisher_id = NULL WHERE run_id = ?", old.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	clear(asked)
	wantState(t, s.play(t, old.ID), conductor.Failed)
	if len(asked) != 0 {
		t.Errorf("%q vouch for a run of an older release", asked)
	}
}

// Who vouches for a version that is gone on with is who published it last.
func testPublishersAgain(t *testing.T, s *stage) {
	asked := s.vouching()
	p := s.save(t, "once", publishedStep)
	s.publishes(t, p, 1, "bob", 4711)
	r := s.play(t, s.start(t, p, nil).ID)
	must(s.AddVersion(t.Context(), p, 0, library.Version{Source: "kind: Playbook\nname: once\n" + publishedStep, Author: "ana", Created: Start}))(t)
	s.publishes(t, p, 2, "ana", s.ana.User.ID)
	s.play(t, must(s.desk.Again(t.Context(), s.ana, r.ID, ""))(t).ID)
	s.publishes(t, p, 1, "eve", 4712)
	s.play(t, must(s.desk.Again(t.Context(), s.ana, r.ID, ""))(t).ID)
	if want := []string{"once by bob", "once by bob", "once by eve"}; !slices.Equal(asked["made"], want) {
		t.Errorf("%q vouch for it, want %q", asked["made"], want)
	}
}
