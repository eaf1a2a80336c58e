package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

func testSchedules(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, p *planned){
		"a schedule is stored, changed and removed":                   testScheduleRoundTrip,
		"a firing happens once, whoever fires":                        testFiringOnce,
		"no schedule is hidden behind those that stay due":            testDueInTurn,
		"a firing that was decided about is started once, also later": testFiringStartedOnce,
		"a run hands on to the next":                                  testFiringPassdown,
		"a firing waits for the end of the run before":                testFiringQueued,
		"a firing waits for all runs before":                          testFiringQueuedBeside,
		"a firing cancels the run before":                             testFiringCancels,
		"a schedule that fails again and again is paused and tells":   testSchedulePaused,
		"a schedule runs by hand beside its firings":                  testFiringByHand,
		"what a schedule needs stays, and its runs outlive it":        testScheduleReferences,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := setupLayer(t, create)
			p := &planned{layer: l, lab: l.connection(t, "lab")}
			l.clouds.queue.calls = nil
			test(t, p)
		})
	}
}

// planned is a layer with a connection.
type planned struct {
	*layer
	lab connection.Connection
}

// hourly returns a schedule that fires at every full hour.
func (p *planned) hourly(t *testing.T, change func(*schedule.Spec)) schedule.Schedule {
	t.Helper()
	s := schedule.Schedule{
		Name: "nightly search", SiteID: p.main, OwnerID: 41, Owner: "ana",
		Target: schedule.Target{Command: "search-cloud-agents", ConnectionID: p.lab.ID, Inputs: map[string]any{"os": "Windows"}},
		Spec:   schedule.Spec{Cron: "0 * * * *", Zone: "Europe/Berlin"},
	}
	if change != nil {
		change(&s.Spec)
	}
	return must(p.CreateSchedule(t.Context(), s.Resumed(Start)))(t)
}

// hour is the time of the nth firing of hourly.
func hour(n int) time.Time { return Start.Truncate(time.Hour).Add(time.Duration(n) * time.Hour) }

func (p *planned) fire(t *testing.T, s schedule.Schedule, at time.Time) schedule.Firing {
	t.Helper()
	f := must(p.Fire(t.Context(), s.ID, at))(t)
	p.startOwed(t, s)
	return f
}

// startOwed starts what is owed and returns how many runs that were.
func (p *planned) startOwed(t *testing.T, s schedule.Schedule) int {
	t.Helper()
	_, owed, err := p.OwedFirings(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range owed {
		if err := p.StartFiring(t.Context(), f, p.runOf(s, f), nil); err != nil {
			t.Fatal(err)
		}
	}
	return len(owed)
}

func (p *planned) runOf(s schedule.Schedule, f schedule.Firing) run.Run {
	r := search(p.lab)
	r.Origin, r.ScheduleID, r.Fired = run.BySchedule, s.ID, f.At
	return r
}

// end begins and ends the run of the newest firing.
func (p *planned) end(t *testing.T, s schedule.Schedule, state run.State) {
	t.Helper()
	runs := must(p.Runs(t.Context(), run.Filter{ScheduleID: s.ID, Limit: 1}))(t)
	b := must(p.BeginCommand(t.Context(), runs[0].ID, Start))(t)
	b.Run.State, b.Run.Ended = state, Start
	b.Run.Outcome = automation.Outcome{State: automation.Failed, Passdown: json.RawMessage(fmt.Sprintf(`{"of":%d}`, b.Run.ID))}
	if state == run.Failed {
		b.Run.Outcome.Passdown = nil
		b.Run.Outcome.Errors = []automation.Error{{Indicator: "Search Cloud Agents failed.", StatusCode: 401, Message: "Authentication failed."}}
	}
	if err := p.EndCommand(t.Context(), b.Run, nil); err != nil {
		t.Fatal(err)
	}
}

func testScheduleRoundTrip(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, func(s *schedule.Spec) {
		s.Start, s.End, s.Overlap, s.CatchUp, s.PauseAfter = Start.Truncate(time.Second), Start.Add(24*time.Hour).Truncate(time.Second), schedule.OverlapQueue, schedule.CatchUpOne, 3
	})
	if diff := cmp.Diff(s, must(p.Schedule(ctx, s.ID))(t)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if all := must(p.Schedules(ctx, schedule.Filter{SiteIDs: []int64{p.main}}))(t); len(all) != 1 {
		t.Errorf("listed are %v", all)
	}
	if all := must(p.Schedules(ctx, schedule.Filter{SiteIDs: []int64{p.main + 1}}))(t); len(all) != 0 {
		t.Errorf("another site lists %v", all)
	}
	_, err := p.CreateSchedule(ctx, s)
	wantCode(t, err, fault.Conflict)
	paused := must(p.UpdateSchedule(ctx, s.ID, func(s schedule.Schedule) (schedule.Schedule, error) { return s.Paused("by hand"), nil }))(t)
	if diff := cmp.Diff(paused, must(p.Schedule(ctx, s.ID))(t)); diff != "" || paused.Active {
		t.Errorf("paused (-want +got):\n%s", diff)
	}
	if due := must(p.DueSchedules(ctx, Start.Add(1000*time.Hour), 0, 10))(t); len(due) > 0 {
		t.Errorf("a paused schedule is due: %v", due)
	}
	if err := p.DeleteSchedule(ctx, s.ID); err != nil {
		t.Error(err)
	}
	wantCode(t, p.DeleteSchedule(ctx, s.ID), fault.NotFound)
	_, err = p.Schedule(ctx, s.ID)
	wantCode(t, err, fault.NotFound)
}

func testFiringOnce(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, nil)
	if f := must(p.Fire(ctx, s.ID, hour(1).Add(-time.Second)))(t); f.Action != schedule.Nothing {
		t.Errorf("it fires before its time: %+v", f)
	}
	if due := must(p.DueSchedules(ctx, hour(1), 0, 10))(t); !cmp.Equal(due, []int64{s.ID}) {
		t.Errorf("due are %v", due)
	}
	var mu sync.Mutex
	fired := 0
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			f, err := p.Fire(ctx, s.ID, hour(1).Add(time.Second))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if f.Action != schedule.Nothing {
				fired++
			}
		})
	}
	wait.Wait()
	if fired != 1 {
		t.Errorf("it fired %d times", fired)
	}
	if got := must(p.Schedule(ctx, s.ID))(t); !got.Next.Equal(hour(2)) || !got.Last.Equal(hour(1)) {
		t.Errorf("next is %s, last was %s", got.Next, got.Last)
	}
}

func testFiringStartedOnce(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, nil)
	f := must(p.Fire(ctx, s.ID, hour(1)))(t)
	if due := must(p.DueSchedules(ctx, hour(1), 0, 10))(t); !cmp.Equal(due, []int64{s.ID}) {
		t.Errorf("a firing without a run is not due: %v", due)
	}
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			if err := p.StartFiring(ctx, f, p.runOf(s, f), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	runs := must(p.Runs(ctx, run.Filter{ScheduleID: s.ID, Limit: 10}))(t)
	if len(runs) != 1 || !runs[0].Fired.Equal(hour(1)) {
		t.Fatalf("its runs are %+v", runs)
	}
	if due := must(p.DueSchedules(ctx, hour(1), 0, 10))(t); len(due) > 0 {
		t.Errorf("a firing with a run is due: %v", due)
	}
	if all := must(p.Firings(ctx, s.ID, 10))(t); len(all) != 1 || all[0].RunID != runs[0].ID || all[0].RunState != run.Queued || all[0].Action != schedule.Start {
		t.Errorf("firings are %+v", all)
	}
}

func testFiringPassdown(t *testing.T, p *planned) {
	s := p.hourly(t, nil)
	var handed []string
	for n, state := range []run.State{run.Succeeded, run.Failed, run.Succeeded} {
		p.fire(t, s, hour(n+1))
		handed = append(handed, string(must(p.Runs(t.Context(), run.Filter{ScheduleID: s.ID, Limit: 1}))(t)[0].Passdown))
		p.end(t, s, state)
	}
	first := must(p.Runs(t.Context(), run.Filter{ScheduleID: s.ID, Limit: 10}))(t)[2].ID
	want := fmt.Sprintf(`{"of":%d}`, first)
	if !cmp.Equal(handed, []string{"", want, want}) {
		t.Errorf("handed on are %q, want nothing and twice %s", handed, want)
	}
}

func testFiringQueued(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, func(s *schedule.Spec) { s.Overlap = schedule.OverlapQueue })
	p.fire(t, s, hour(1))
	if f := p.fire(t, s, hour(2)); f.Action != schedule.Queue {
		t.Errorf("the second is to %s", f.Action)
	}
	if f := p.fire(t, s, hour(3)); f.Action != schedule.Skip {
		t.Errorf("the third is to %s", f.Action)
	}
	p.clouds.queue.calls = nil
	p.end(t, s, run.Succeeded)
	wantCalls(t, p.clouds, fmt.Sprintf("enqueue schedule-firing %d", s.ID))
	if n := p.startOwed(t, s); n != 1 {
		t.Errorf("%d runs are owed after the end of the first", n)
	}
	runs := must(p.Runs(ctx, run.Filter{ScheduleID: s.ID, Limit: 10}))(t)
	if len(runs) != 2 || !runs[0].Fired.Equal(hour(2)) {
		t.Errorf("its runs are %+v", runs)
	}
}

// testFiringQueuedBeside has a run by hand end while the one that is waited for goes on.
func testFiringQueuedBeside(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, func(s *schedule.Spec) { s.Overlap = schedule.OverlapQueue })
	p.fire(t, s, hour(1))
	first := must(p.Runs(ctx, run.Filter{ScheduleID: s.ID, Limit: 1}))(t)[0]
	p.fire(t, s, hour(2))
	must(p.FireNow(ctx, s.ID, hour(2).Add(time.Minute)))(t)
	p.startOwed(t, s)
	p.end(t, s, run.Succeeded)
	if n := p.startOwed(t, s); n != 0 {
		t.Errorf("%d runs are owed while the first goes on", n)
	}
	if got := must(p.Schedule(ctx, s.ID))(t); !got.Waiting.Equal(hour(2)) {
		t.Errorf("it waits for %s", got.Waiting)
	}
	b := must(p.BeginCommand(ctx, first.ID, Start))(t)
	b.Run.State, b.Run.Ended = run.Succeeded, Start
	if err := p.EndCommand(ctx, b.Run, nil); err != nil {
		t.Fatal(err)
	}
	if n := p.startOwed(t, s); n != 1 {
		t.Errorf("%d runs are owed after the end of the first", n)
	}
}

func testFiringCancels(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, func(s *schedule.Spec) { s.Overlap = schedule.OverlapCancelPrevious })
	p.fire(t, s, hour(1))
	if f := p.fire(t, s, hour(2)); f.Action != schedule.CancelPrevious {
		t.Errorf("the second is to %s", f.Action)
	}
	runs := must(p.Runs(ctx, run.Filter{ScheduleID: s.ID, Limit: 10}))(t)
	if len(runs) != 2 || runs[1].State != run.Cancelled || runs[1].Outcome.Errors[0].StatusCode != automation.StatusCancelled || runs[0].State != run.Queued {
		t.Errorf("its runs are %+v", runs)
	}
	if got := must(p.Schedule(ctx, s.ID))(t); got.Failures != 0 {
		t.Errorf("a run that was cancelled counts as a failure: %+v", got)
	}
}

func testSchedulePaused(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, func(s *schedule.Spec) { s.PauseAfter = 2 })
	p.fire(t, s, hour(1))
	p.end(t, s, run.Failed)
	// A run that was refused counts as one that failed.
	f := must(p.Fire(ctx, s.ID, hour(2)))(t)
	refused := run.Refused(run.Request{ConnectionID: p.lab.ID, Command: "search-cloud-agents", Origin: run.BySchedule}, fault.New(fault.Forbidden, "You may not.", ""), hour(2))
	refused.SiteID, refused.ScheduleID, refused.Fired, refused.StartedBy = p.main, s.ID, f.At, "ana"
	if err := p.StartFiring(ctx, f, refused, nil); err != nil {
		t.Fatal(err)
	}
	got := must(p.Schedule(ctx, s.ID))(t)
	if got.Active || got.PausedReason == "" || got.Failures != 2 {
		t.Errorf("it is %+v", got)
	}
	last := must(p.Runs(ctx, run.Filter{ScheduleID: s.ID, Limit: 1}))(t)[0]
	whole := must(p.Run(ctx, last.ID))(t)
	if last.State != run.Failed || last.ConnectionName != "lab" || len(whole.Outcome.Errors) != 1 || whole.Outcome.Errors[0].Indicator != "Search Cloud Agents failed." {
		t.Errorf("the refused run is %+v", whole)
	}
	var text strings.Builder
	if err := p.InTx(ctx, func(tx *store.Tx) error { return dumpTable(ctx, tx, "notices", &text) }); err != nil {
		t.Fatal(err)
	}
	if strings.Count(text.String(), "schedule.paused") != 1 {
		t.Errorf("notices: %s", text.String())
	}
}

func testFiringByHand(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, nil)
	if f := must(p.FireNow(ctx, s.ID, hour(1)))(t); !f.ByHand || f.Action != schedule.Start {
		t.Errorf("by hand: %+v", f)
	}
	_, err := p.FireNow(ctx, s.ID, hour(1))
	wantCode(t, err, fault.Conflict)
	if n := p.startOwed(t, s); n != 1 {
		t.Errorf("%d runs are owed", n)
	}
	p.end(t, s, run.Succeeded)
	if f := p.fire(t, s, hour(1)); f.Action != schedule.Start {
		t.Errorf("its own firing at the same second is to %s", f.Action)
	}
	if all := must(p.Firings(ctx, s.ID, 10))(t); len(all) != 2 {
		t.Errorf("firings are %+v", all)
	}
}

func testScheduleReferences(t *testing.T, p *planned) {
	ctx := t.Context()
	s := p.hourly(t, nil)
	p.fire(t, s, hour(1))
	wantCode(t, p.DeleteConnection(ctx, p.lab.ID), fault.Conflict)
	if err := p.DeleteSchedule(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	runs := must(p.Runs(ctx, run.Filter{Limit: 10}))(t)
	if len(runs) != 1 {
		t.Fatalf("runs are %+v", runs)
	}
	b := must(p.BeginCommand(ctx, runs[0].ID, Start))(t)
	b.Run.State, b.Run.Ended = run.Succeeded, Start
	if err := p.EndCommand(ctx, b.Run, nil); err != nil {
		t.Errorf("a run whose schedule is gone does not end: %v", err)
	}
	if err := p.DeleteConnection(ctx, p.lab.ID); err != nil {
		t.Error(err)
	}
}
