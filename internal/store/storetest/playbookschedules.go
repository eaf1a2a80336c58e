package storetest

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

func testPlaybookSchedules(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, s *playbill){
		"a playbook in whose text there is a schedule is started by it, once":   testPlaybookFires,
		"a firing by hand starts a playbook beside the schedule":                testPlaybookFiresByHand,
		"what a firing gives a playbook is in its text":                         testPlaybookFiringInputs,
		"a schedule that somebody made starts a playbook with its inputs":       testPlaybookScheduleOfUser,
		"a firing waits for the end of the run of a playbook":                   testPlaybookFiringQueued,
		"a firing cancels the run of a playbook before":                         testPlaybookFiringCancels,
		"a publisher who may not run playbooks any more starts none":            testPlaybookFiringRefused,
		"another version leaves alone what it says the same of":                 testTriggerSchedulesStay,
		"a playbook that is not live has no schedules":                          testTriggerSchedulesGo,
		"the schedule of a playbook takes no name from somebody":                testTriggerScheduleNames,
		"a playbook that the schedule of somebody runs stays":                   testDeleteScheduledPlaybook,
		"a schedule that fails again and again with a playbook is paused":       testPlaybookSchedulePaused,
		"a playbook is published and fired at the same time without a deadlock": testPublishBesideFirings,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &playbill{stage: setupStage(t, create)}
			s.firer = &schedule.Firer{
				Schedules: s.Store, Owners: s.Store, Journal: s.Store, Now: s.clock, Log: slog.New(slog.DiscardHandler),
				Playbooks: &trigger.Scheduler{Live: trigger.Live{Shelf: s.Store, Programs: s.Programs}, Sites: s.desk.Sites, Firings: s.Store, Now: s.clock},
			}
			test(t, s)
		})
	}
}

// playbill is a stage with somebody who fires schedules.
type playbill struct {
	*stage
	firer *schedule.Firer
}

const hourlyText = "on: {schedule: [{cron: '0 * * * *', timeZone: Europe/Berlin}]}\n"

// publish saves a version of a playbook, as another one if it is there, and makes it
// live at the time it is.
func (s *playbill) publish(tb testing.TB, p library.Playbook, name, rest string) library.Playbook {
	tb.Helper()
	ctx := tb.Context()
	text := "kind: Playbook\nname: " + name + "\ndefaults: {connection: lab}\n" + rest
	if _, problems, err := s.Programs.(*library.Programs).Compile(ctx, s.main, text); err != nil || problems != nil {
		tb.Fatalf("%v\n%v", err, problems)
	}
	v := library.Version{Source: text, Author: "ana", Created: s.clock()}
	if p.ID == 0 {
		p = must(s.CreatePlaybook(ctx, library.Playbook{SiteID: s.main, Name: name}, v))(tb)
	} else {
		p.Name = name
		p = must(s.AddVersion(ctx, p, 0, v))(tb)
	}
	p.Live, p.Publisher, p.PublisherID, p.Modified = p.Latest, "ana", s.ana.User.ID, s.clock()
	if err := s.Publish(ctx, p); err != nil {
		tb.Fatal(err)
	}
	return p
}

// only returns the only schedule there is.
func (s *playbill) only(tb testing.TB) schedule.Schedule {
	tb.Helper()
	all := must(s.Schedules(tb.Context(), schedule.Filter{}))(tb)
	if len(all) != 1 {
		tb.Fatalf("schedules are %+v", all)
	}
	return all[0]
}

// fireAt has a schedule fire at a time.
func (s *playbill) fireAt(tb testing.TB, id int64, at time.Time) {
	tb.Helper()
	s.advance(at.Sub(s.clock()))
	if err := s.firer.Fire(tb.Context(), id); err != nil {
		tb.Fatal(err)
	}
}

// runsOf returns the runs of a schedule, newest first.
func (s *playbill) runsOf(tb testing.TB, id int64) []conductor.Run {
	tb.Helper()
	return must(s.PlaybookRuns(tb.Context(), conductor.Filter{ScheduleID: id, Limit: 10}))(tb)
}

func testPlaybookFires(t *testing.T, s *playbill) {
	ctx := t.Context()
	p := s.publish(t, library.Playbook{}, "tour", hourlyText+"steps:\n"+searchStep)
	of := s.only(t)
	if of.Name != "tour" || of.SiteID != s.main || of.OwnerID != s.ana.User.ID || !of.Next.Equal(hour(1)) || of.Target.PlaybookID != p.ID || of.Target.Trigger != 1 {
		t.Fatalf("the schedule is %+v", of)
	}
	s.advance(hour(1).Sub(s.clock()))
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			if err := s.firer.Fire(ctx, of.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	runs := s.runsOf(t, of.ID)
	if len(runs) != 1 {
		t.Fatalf("its runs are %+v", runs)
	}
	r := runs[0]
	if r.PlaybookID != p.ID || r.Version != 1 || r.Trigger.Kind != "schedule" || r.UserID != s.ana.User.ID || r.StartedBy != "ana" || !r.Fired.Equal(hour(1)) || r.State != conductor.Queued {
		t.Errorf("the run is %+v", r)
	}
	s.fireAt(t, of.ID, hour(2))
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	s.fireAt(t, of.ID, hour(3))
	got := []string{}
	for _, f := range must(s.Firings(ctx, of.ID, 10))(t) {
		got = append(got, fmt.Sprint(f.Action, " ", f.PlaybookRunID != 0, " ", f.PlaybookRunState))
	}
	if want := []string{"start true queued", "skip false ", "start true successful"}; !cmp.Equal(got, want) {
		t.Errorf("firings are %q, want %q", got, want)
	}
}

func testPlaybookFiresByHand(t *testing.T, s *playbill) {
	s.publish(t, library.Playbook{}, "tour", hourlyText+"steps:\n"+searchStep)
	of := s.only(t)
	must(s.FireNow(t.Context(), of.ID, hour(1)))(t)
	s.fireAt(t, of.ID, hour(1))
	runs := s.runsOf(t, of.ID)
	if len(runs) != 1 || !runs[0].Fired.IsZero() {
		t.Fatalf("the run by hand is at work, and the runs are %+v", runs)
	}
	if got := s.only(t); !got.Next.Equal(hour(2)) {
		t.Errorf("next is %s", got.Next)
	}
}

func testPlaybookFiringInputs(t *testing.T, s *playbill) {
	s.publish(t, library.Playbook{}, "tour", "inputs: {days: {type: integer}, at: {type: datetime}}\non: {schedule: [{every: 24h, with: {days: 9}}, {cron: '0 * * * *', with: {days: 3, at: '${{ trigger.at }}'}}]}\nsteps:\n"+searchStep)
	all := must(s.Schedules(t.Context(), schedule.Filter{}))(t)
	if len(all) != 2 || all[1].Name != "tour-2" || all[1].Target.Trigger != 2 {
		t.Fatalf("schedules are %+v", all)
	}
	s.fireAt(t, all[1].ID, hour(1))
	r := must(s.PlaybookRun(t.Context(), s.runsOf(t, all[1].ID)[0].ID))(t)
	if !cmp.Equal(r.Inputs, map[string]any{"days": int64(3), "at": hour(1).UTC().Format(time.RFC3339Nano)}) {
		t.Errorf("its inputs are %#v", r.Inputs)
	}
	s.publish(t, library.Playbook{}, "broken", "inputs: {days: {type: integer}}\non: {schedule: [{every: 1h, with: {days: '${{ [1].filter(x, x > 1)[0] }}'}}]}\nsteps:\n"+searchStep)
	all = must(s.Schedules(t.Context(), schedule.Filter{}))(t)
	s.fireAt(t, all[2].ID, hour(3))
	r = s.runsOf(t, all[2].ID)[0]
	if r.State != conductor.Failed || r.Error == nil || r.Error.StatusCode != http.StatusBadRequest || !strings.Contains(r.Error.Message, "on.schedule[0].with.days") || r.Error.Resolution == "" {
		t.Errorf("an expression that fails leads to %+v with %+v", r, r.Error)
	}
}

// byAna makes a schedule of ana's for a playbook.
func (s *playbill) byAna(tb testing.TB, p library.Playbook, overlap schedule.Overlap, inputs map[string]any) schedule.Schedule {
	tb.Helper()
	made := schedule.Schedule{
		Name: "by ana", SiteID: s.main, OwnerID: s.ana.User.ID, Owner: "ana", Target: schedule.Target{PlaybookID: p.ID, Inputs: inputs},
		Spec: schedule.Spec{Cron: "0 * * * *", Overlap: overlap, PauseAfter: 2},
	}
	return must(s.CreateSchedule(tb.Context(), made.Resumed(s.clock())))(tb)
}

func testPlaybookScheduleOfUser(t *testing.T, s *playbill) {
	p := s.publish(t, library.Playbook{}, "tour", "inputs: {host: {type: integer, required: true}}\nsteps:\n"+searchStep)
	of := s.byAna(t, p, "", map[string]any{"host": 9007199254740993})
	if got := must(s.Schedule(t.Context(), of.ID))(t); got.Target.PlaybookID != p.ID || got.Target.Trigger != 0 {
		t.Errorf("it is stored as %+v", got)
	}
	s.fireAt(t, of.ID, hour(1))
	r := must(s.PlaybookRun(t.Context(), s.runsOf(t, of.ID)[0].ID))(t)
	if r.State != conductor.Queued || !cmp.Equal(r.Inputs, map[string]any{"host": int64(9007199254740993)}) {
		t.Errorf("the run is %+v", r)
	}
	of.Name, of.Target.PlaybookID = "another", p.ID+100
	_, err := s.CreateSchedule(t.Context(), of)
	wantCode(t, err, fault.NotFound)
}

func testPlaybookFiringQueued(t *testing.T, s *playbill) {
	p := s.publish(t, library.Playbook{}, "tour", "steps:\n"+searchStep)
	of := s.byAna(t, p, schedule.OverlapQueue, nil)
	s.fireAt(t, of.ID, hour(1))
	s.fireAt(t, of.ID, hour(2))
	first := s.runsOf(t, of.ID)
	if len(first) != 1 || !s.only(t).Waiting.Equal(hour(2)) {
		t.Fatalf("runs are %+v, and the schedule is %+v", first, s.only(t))
	}
	s.clouds.queue.calls = nil
	wantState(t, s.conduct(t, first[0].ID), conductor.Succeeded)
	wantCalls(t, s.clouds, fmt.Sprintf("enqueue schedule-firing %d", of.ID))
	s.fireAt(t, of.ID, hour(2).Add(time.Minute))
	if runs := s.runsOf(t, of.ID); len(runs) != 2 || !runs[0].Fired.Equal(hour(2)) {
		t.Errorf("after its end the runs are %+v", runs)
	}
}

func testPlaybookFiringCancels(t *testing.T, s *playbill) {
	p := s.publish(t, library.Playbook{}, "nap", "steps:\n  - {id: nap, wait: {for: 24h}}\n")
	of := s.byAna(t, p, schedule.OverlapCancelPrevious, nil)
	s.fireAt(t, of.ID, hour(1))
	first := s.runsOf(t, of.ID)[0]
	wantState(t, s.conduct(t, first.ID), conductor.Waiting)
	s.fireAt(t, of.ID, hour(2))
	wantState(t, s.conduct(t, first.ID), conductor.Cancelled)
	if runs := s.runsOf(t, of.ID); len(runs) != 2 || runs[0].State != conductor.Queued {
		t.Errorf("runs are %+v", runs)
	}
	if got := s.only(t); got.Failures != 0 || !got.Active {
		t.Errorf("a run that was cancelled counts as a failure: %+v", got)
	}
}

func testPlaybookFiringRefused(t *testing.T, s *playbill) {
	ctx := t.Context()
	s.publish(t, library.Playbook{}, "tour", hourlyText+"steps:\n"+searchStep)
	of := s.only(t)
	must(s.CreateUser(ctx, access.User{Username: "boss", PasswordHash: "x", Created: Start, Roles: s.ana.User.Roles}))(t) // one manager must be there
	must(s.UpdateUser(ctx, "ana", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	s.fireAt(t, of.ID, hour(1))
	r := s.runsOf(t, of.ID)[0]
	if r.State != conductor.Failed || r.Error == nil || r.Error.StatusCode != http.StatusForbidden || !strings.Contains(r.Error.Message, "'ana', who is gone or disabled") ||
		!strings.HasPrefix(r.Error.Resolution, "Publish the playbook") || r.Ended.IsZero() || !r.Due.IsZero() {
		t.Errorf("the run is %+v with %+v", r, r.Error)
	}
	if got := s.only(t); got.Failures != 1 {
		t.Errorf("the schedule has %d failures", got.Failures)
	}
}

func testTriggerSchedulesStay(t *testing.T, s *playbill) {
	ctx := t.Context()
	p := s.publish(t, library.Playbook{}, "tour", "on: {schedule: [{every: 1h}, {every: 2h}, {every: 3h}]}\nsteps:\n"+searchStep)
	before := must(s.Schedules(ctx, schedule.Filter{}))(t)
	s.fireAt(t, before[0].ID, hour(1))
	must(s.UpdateSchedule(ctx, before[1].ID, func(s schedule.Schedule) (schedule.Schedule, error) { return s.Paused("by hand"), nil }))(t)
	s.advance(10 * time.Minute)
	s.publish(t, p, "grand-tour", "on: {schedule: [{every: 1h}, {every: 30m, with: {}}]}\nsteps:\n"+searchStep)
	after := must(s.Schedules(ctx, schedule.Filter{}))(t)
	if len(after) != 2 || after[0].ID != before[0].ID || after[1].ID != before[1].ID {
		t.Fatalf("schedules are %+v", after)
	}
	if after[0].Name != "grand-tour" || !after[0].Next.Equal(hour(2)) || len(must(s.Firings(ctx, after[0].ID, 10))(t)) != 1 {
		t.Errorf("what stays the same is %+v", after[0])
	}
	if after[1].Name != "grand-tour-2" || after[1].Active || after[1].PausedReason != "by hand" || after[1].Spec.Every != schedule.Interval(30*time.Minute) {
		t.Errorf("what has other times is %+v", after[1])
	}
}

func testTriggerSchedulesGo(t *testing.T, s *playbill) {
	ctx := t.Context()
	p := s.publish(t, library.Playbook{}, "tour", hourlyText+"steps:\n"+searchStep)
	s.fireAt(t, s.only(t).ID, hour(1))
	r := s.runsOf(t, s.only(t).ID)[0]
	p.Live = 0
	if err := s.Publish(ctx, p); err != nil {
		t.Fatal(err)
	}
	if all := must(s.Schedules(ctx, schedule.Filter{}))(t); len(all) != 0 {
		t.Errorf("schedules are %+v", all)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded) // whose schedule is gone
	p = s.publish(t, p, "tour", hourlyText+"steps:\n"+searchStep)
	s.only(t)
	if err := s.DeletePlaybook(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if all := must(s.Schedules(ctx, schedule.Filter{}))(t); len(all) != 0 {
		t.Errorf("schedules of a playbook that is gone are %+v", all)
	}
}

func testTriggerScheduleNames(t *testing.T, s *playbill) {
	p := s.publish(t, library.Playbook{}, "by-ana", "steps:\n"+searchStep)
	of := s.byAna(t, p, "", nil)
	must(s.UpdateSchedule(t.Context(), of.ID, func(s schedule.Schedule) (schedule.Schedule, error) { s.Name = "by-ana"; return s, nil }))(t)
	for range 2 {
		p = s.publish(t, p, "by-ana", hourlyText+"steps:\n"+searchStep)
		all := must(s.Schedules(t.Context(), schedule.Filter{}))(t)
		if len(all) != 2 || all[1].Name != "by-ana (2)" {
			t.Errorf("schedules are %+v", all)
		}
	}
}

func testDeleteScheduledPlaybook(t *testing.T, s *playbill) {
	p := s.publish(t, library.Playbook{}, "tour", hourlyText+"steps:\n"+searchStep)
	of := s.byAna(t, p, "", nil)
	wantCode(t, s.DeletePlaybook(t.Context(), p.ID), fault.Conflict)
	if err := s.DeleteSchedule(t.Context(), of.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DeletePlaybook(t.Context(), p.ID); err != nil {
		t.Error(err)
	}
}

func testPlaybookSchedulePaused(t *testing.T, s *playbill) {
	s.email(t, "ana", "ana@example.net")
	p := s.publish(t, library.Playbook{}, "tour", "inputs: {days: {type: integer}}\nsteps:\n"+searchStep)
	of := s.byAna(t, p, "", map[string]any{"days": 3})
	p = s.publish(t, p, "tour", "inputs: {weeks: {type: integer}}\nsteps:\n"+searchStep)
	s.fireAt(t, of.ID, hour(1))
	if r := s.runsOf(t, of.ID)[0]; r.State != conductor.Failed || r.Version != 2 || !strings.Contains(r.Error.Message, "no input") {
		t.Errorf("inputs that do not fit lead to %+v with %+v", r, r.Error)
	}
	p.Live = 0
	if err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s.fireAt(t, of.ID, hour(2))
	if r := s.runsOf(t, of.ID)[0]; r.State != conductor.Failed || !strings.Contains(r.Error.Message, "no live version") {
		t.Errorf("a playbook that is not live leads to %+v with %+v", r, r.Error)
	}
	if got := s.only(t); got.Active || got.PausedReason != "2 runs in a row failed." {
		t.Errorf("the schedule is %+v", got)
	}
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net")
	s.wantTold(t, notice.KindSchedulePaused, "ana@example.net")
	s.advance(2 * time.Hour)
	must(s.FireNow(t.Context(), of.ID, s.clock()))(t)
	s.fireAt(t, of.ID, s.clock())
	if r := s.runsOf(t, of.ID)[0]; r.State != conductor.Failed || !r.Queued.Equal(s.clock()) {
		t.Errorf("by hand it leads to %+v", r)
	}
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net") // who ran it by hand sees it
}

func testPublishBesideFirings(t *testing.T, s *playbill) {
	ctx := t.Context()
	p := s.publish(t, library.Playbook{}, "tour", "on: {schedule: [{every: 1m, overlap: cancel_previous}]}\nsteps:\n  - {id: nap, wait: {for: 24h}}\n")
	of := s.only(t)
	p.Live, p.Publisher, p.PublisherID, p.Modified = 1, "ana", s.ana.User.ID, s.clock()
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for range 5 {
				if err := s.Publish(ctx, p); err != nil {
					t.Error(err)
				}
			}
		})
		wait.Go(func() {
			for range 5 {
				s.advance(time.Minute)
				if err := s.firer.Fire(ctx, of.ID); err != nil {
					t.Error(err)
				}
				for _, r := range s.runsOf(t, of.ID) {
					if err := s.Conduct(ctx, r.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	if open := must(s.PlaybookRuns(ctx, conductor.Filter{ScheduleID: of.ID, Open: true, Limit: 100}))(t); len(open) == 0 {
		t.Error("no run is at work")
	}
}
