package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

// ten is a playbook of ten steps that read what the one before left.
func ten(tb testing.TB) *playbook.Program {
	var steps strings.Builder
	steps.WriteString("  - {id: s0, uses: test/read}\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&steps, "  - {id: s%d, if: \"${{ steps.s%d.state == 'Successful' }}\", uses: test/read, with: {value: \"${{ steps.s%d.keyFields.ids[0] + 1 }}\"}}\n", i, i-1, i-1)
	}
	return compile(tb, steps.String())
}

// BenchmarkRunOfTenSteps is a whole run: each step is two calls of Advance, with
// the state read from JSON and written to it around each.
func BenchmarkRunOfTenSteps(b *testing.B) {
	program := ten(b)
	e := engine.New(program, func() float64 { return 0.5 })
	var bytes int
	for b.Loop() {
		w := &world{t: b, program: program, engine: e, now: monday, outcomes: map[string]map[string]any{}}
		w.store(e.Begin("r1", "", nil, monday))
		w.event(nil)
		if w.run().finish == nil {
			b.Fatal("the run did not end")
		}
		bytes = len(w.stored)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10, "µs/step")
	b.ReportMetric(float64(bytes), "bytes/state")
}

func TestAStateIsSmall(t *testing.T) {
	t.Parallel()
	program := ten(t)
	w := &world{t: t, program: program, engine: engine.New(program, nil), now: monday, outcomes: map[string]map[string]any{}}
	w.store(w.engine.Begin("r1", "", nil, monday))
	w.event(nil)
	if w.run(); len(w.stored) > 3000 {
		t.Errorf("the state of ten steps has %d bytes: %s", len(w.stored), w.stored)
	}
}

func TestAStateOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	one := engine.New(compile(t, "  - {id: a, uses: test/read}"), nil)
	if _, err := one.Advance(t.Context(), engine.New(ten(t), nil).Begin("r1", "", nil, monday), nil, nil, monday); err == nil {
		t.Error("a state of ten steps was accepted for a playbook of one")
	}
}

// forgetful is a memory that fails.
type forgetful struct{ world }

func (forgetful) Outcome(context.Context, string, string) (any, error) {
	return nil, errors.New("the database is gone")
}

func TestAMemoryThatFailsFailsNoStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}\n  - {id: b, if: \"${{ size(steps.a.keyFields.ids) > 0 }}\", uses: test/read}")
	job, _ := w.take(0)
	_, err := w.engine.Advance(t.Context(), w.state(), &forgetful{}, engine.Answered{Ref: job.Ref, State: playbook.Successful, Outcome: "x"}, w.now)
	if err == nil || err.Error() != "the database is gone" {
		t.Errorf("error %v", err)
	}
	w.reply(job) // the state is as it was
	w.run().expect("a/0/0 b/0/0", "a=Successful b=Successful", "Successful")
}

func TestOnlyTheStateOfAStepIsSeenWithoutItsOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read}\n  - {id: b, if: \"${{ steps.a.state == 'Successful' }}\", uses: test/read}")
	job, _ := w.take(0)
	if _, err := w.engine.Advance(t.Context(), w.state(), &forgetful{}, engine.Answered{Ref: job.Ref, State: playbook.Successful, Outcome: "x"}, w.now); err != nil {
		t.Errorf("the outcome was asked for: %v", err)
	}
}

// watched notes which fields are asked for.
type watched struct {
	*world
	asked []string
}

func (w *watched) Outcome(ctx context.Context, place, field string) (any, error) {
	w.asked = append(w.asked, field)
	return w.world.Outcome(ctx, place, field)
}

func TestOnlyFieldsThatAreReadAreLoadedAndEachOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  - {id: a, uses: test/read, forEach: [1, 2]}\n  - {id: b, if: \"${{ size(steps.a.keyFields.ids) == 2 && steps.a.state == 'Successful' }}\", uses: test/read, with: {value: \"${{ steps.a.keyFields.ids[1] + size(steps.a.errors) }}\"}}")
	first, _ := w.take(0)
	w.reply(first)
	second, _ := w.take(0)
	m := &watched{world: w}
	w.outcomes["x"] = map[string]any{"keyFields": map[string]any{"ids": []any{int64(8)}}}
	actions, err := w.engine.Advance(t.Context(), w.state(), m, engine.Answered{Ref: second.Ref, State: playbook.Successful, Outcome: "x"}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	if start, ok := actions[0].(engine.Start); !ok || start.With["value"] != int64(8) {
		t.Errorf("actions %+v", actions)
	}
	slices.Sort(m.asked)
	if want := []string{"errors", "errors", "keyFields", "keyFields"}; !slices.Equal(m.asked, want) {
		t.Errorf("asked for %q, want %q", m.asked, want)
	}
}
