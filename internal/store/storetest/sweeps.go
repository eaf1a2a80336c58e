package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/schedule"
)

// wantInTurn reads rows that are due page after page, and wants each of them once.
func wantInTurn(t *testing.T, page func(ctx context.Context, after int64, limit int) ([]int64, error), want []int64) {
	t.Helper()
	const limit = 2
	var got []int64
	for after := int64(0); ; after = got[len(got)-1] {
		ids := must(page(t.Context(), after, limit))(t)
		if len(ids) > limit {
			t.Fatalf("a page has %d rows", len(ids))
		}
		got = append(got, ids...)
		if len(ids) < limit {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("due in turn (-want +got):\n%s", diff)
	}
}

func testPendingInTurn(t *testing.T, l *layer) {
	ctx := t.Context()
	crowded, other := l.connection(t, "crowded"), l.connection(t, "other")
	var open []int64
	for range 4 {
		open = append(open, l.queued(t, search(crowded), nil).ID)
	}
	must(l.BeginCommand(ctx, open[0], Start))(t)
	waiting := must(l.BeginCommand(ctx, open[1], Start))(t).Run
	waiting.Resume = Start.Add(time.Hour)
	if err := l.PauseCommand(ctx, waiting); err != nil {
		t.Fatal(err)
	}
	open = append(open, l.queued(t, search(other), nil).ID)
	later := func(at time.Time) func(context.Context, int64, int) ([]int64, error) {
		return func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return l.PendingRuns(ctx, at, after, limit)
		}
	}
	wantInTurn(t, later(Start.Add(time.Hour)), open)
	wantInTurn(t, later(Start), append([]int64{open[0]}, open[2:]...))
}

func testDueInTurn(t *testing.T, p *planned) {
	var due []int64
	for n := range 5 {
		s := schedule.Schedule{
			Name: fmt.Sprintf("search %d", n), SiteID: p.main, Owner: "ana",
			Target: schedule.Target{Command: "search-cloud-agents", ConnectionID: p.lab.ID}, Spec: schedule.Spec{Cron: "0 * * * *", Zone: "UTC"},
		}
		due = append(due, must(p.CreateSchedule(t.Context(), s.Resumed(Start)))(t).ID)
	}
	must(p.Fire(t.Context(), due[3], hour(1)))(t) // it owes a run, and is due later
	wantInTurn(t, func(ctx context.Context, after int64, limit int) ([]int64, error) {
		return p.DueSchedules(ctx, hour(1), after, limit)
	}, due)
}
