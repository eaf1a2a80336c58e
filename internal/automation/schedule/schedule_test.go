package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/fault"
)

// hourly is a schedule that fires at every full hour, from one o'clock on.
func hourly(change func(*Spec)) Schedule {
	s := Schedule{
		ID: 7, Name: "Rescan", SiteID: 1, Owner: "soar",
		Target: Target{Command: "search-cloud-agents", ConnectionID: 3}, Spec: Spec{Cron: "@hourly"},
	}
	if change != nil {
		change(&s.Spec)
	}
	return s.Resumed(day("2026-01-01T00:30:00Z"))
}

func TestAScheduleFiresAndGoesOnToItsNextFiring(t *testing.T) {
	t.Parallel()
	s := hourly(nil)
	if same, d := s.Fire(day("2026-01-01T00:59:59Z"), false); d != (Decision{}) || !same.Next.Equal(s.Next) || !same.Last.IsZero() {
		t.Errorf("before it is due: %+v, %+v", d, same)
	}
	s, d := s.Fire(day("2026-01-01T01:00:03Z"), false)
	if want := (Decision{Action: Start, Firing: day("2026-01-01T01:00:00Z")}); d != want {
		t.Errorf("decided %+v, want %+v", d, want)
	}
	if !s.Last.Equal(day("2026-01-01T01:00:00Z")) || !s.Next.Equal(day("2026-01-01T02:00:00Z")) || s.State() != StateActive {
		t.Errorf("afterwards %+v", s)
	}
	if _, d := s.Fire(day("2026-01-01T01:00:04Z"), false); d != (Decision{}) {
		t.Errorf("a second replica decides %+v", d)
	}
}

func TestWhatAFiringDoesWhileTheRunBeforeIsAtWork(t *testing.T) {
	t.Parallel()
	tests := []struct {
		overlap Overlap
		waiting bool
		want    Action
		reason  string
	}{
		{"", false, Skip, "The run before was still at work."},
		{OverlapSkip, false, Skip, "The run before was still at work."},
		{OverlapQueue, false, Queue, "The run before is still at work; this one starts when it ends."},
		{OverlapQueue, true, Skip, "The run before is still at work, and the firing of 2026-01-01T00:00:00Z waits for its end already."},
		{OverlapCancelPrevious, false, CancelPrevious, "The run before was still at work and is cancelled."},
	}
	for _, tt := range tests {
		s := hourly(func(s *Spec) { s.Overlap = tt.overlap })
		if tt.waiting {
			s.Waiting = day("2026-01-01T00:00:00Z")
		}
		s, d := s.Fire(day("2026-01-01T01:00:00Z"), true)
		if want := (Decision{Action: tt.want, Firing: day("2026-01-01T01:00:00Z"), Reason: tt.reason}); d != want {
			t.Errorf("%q: decided %+v, want %+v", tt.overlap, d, want)
		}
		if waits := !s.Waiting.IsZero(); waits != (tt.overlap == OverlapQueue) {
			t.Errorf("%q: waiting %v", tt.overlap, s.Waiting)
		}
	}
}

func TestTheFiringThatWaitedStartsWhenTheRunEnds(t *testing.T) {
	t.Parallel()
	s, _ := hourly(func(s *Spec) { s.Overlap = OverlapQueue }).Fire(day("2026-01-01T01:00:00Z"), true)
	s, d := s.Finished(Cancelled)
	if want := (Decision{Action: Start, Firing: day("2026-01-01T01:00:00Z"), Reason: "It waited for the end of the run before."}); d != want {
		t.Errorf("decided %+v, want %+v", d, want)
	}
	if _, d := s.Finished(Succeeded); d != (Decision{}) {
		t.Errorf("it starts again: %+v", d)
	}
}

func TestMissedFiringsAreSaidAndRunOnceIfWanted(t *testing.T) {
	t.Parallel()
	now := day("2026-01-01T04:30:00Z")
	s, d := hourly(nil).Fire(now, false)
	want := Decision{
		Action: Skip, Firing: day("2026-01-01T04:00:00Z"), Missed: 3,
		Reason: "It was to run at 2026-01-01T04:00:00Z and nothing did so in time; missed firings are left out.",
	}
	if d != want || !s.Next.Equal(day("2026-01-01T05:00:00Z")) {
		t.Errorf("without catching up %+v, next %v", d, s.Next)
	}
	s, d = hourly(func(s *Spec) { s.CatchUp = CatchUpOne }).Fire(now, false)
	if want := (Decision{Action: Start, Firing: day("2026-01-01T04:00:00Z"), Missed: 3}); d != want || !s.Next.Equal(day("2026-01-01T05:00:00Z")) {
		t.Errorf("with catching up %+v, next %v", d, s.Next)
	}
}

func TestAJitterPutsOffTheFiringButDoesNotRenameIt(t *testing.T) {
	t.Parallel()
	s := hourly(func(s *Spec) { *s = Spec{Every: Interval(time.Hour), Jitter: 50} })
	spread := s.Spec.Spread(s.ID)
	if spread < time.Minute {
		t.Fatalf("the spread of schedule %d is %s; choose another id for this test", s.ID, spread)
	}
	due := day("2026-01-01T01:00:00Z").Add(spread)
	if !s.DueAt().Equal(due) {
		t.Errorf("due at %v, want %v", s.DueAt(), due)
	}
	if _, d := s.Fire(due.Add(-time.Second), false); d != (Decision{}) {
		t.Errorf("before it is due: %+v", d)
	}
	if _, d := s.Fire(due, false); d != (Decision{Action: Start, Firing: day("2026-01-01T01:00:00Z")}) {
		t.Errorf("when it is due: %+v", d)
	}
}

func TestAScheduleIsPausedAfterFailuresInARow(t *testing.T) {
	t.Parallel()
	s := hourly(func(s *Spec) { s.PauseAfter, s.Overlap = 3, OverlapQueue })
	for _, end := range []End{Failed, Failed, Cancelled, Succeeded, Failed, Failed, Cancelled} {
		if s, _ = s.Finished(end); !s.Active {
			t.Fatal("paused too early")
		}
	}
	s, _ = s.Fire(day("2026-01-01T01:00:00Z"), true)
	s, d := s.Finished(Failed)
	if s.State() != StatePaused || s.PausedReason != "3 runs in a row failed." || !s.DueAt().IsZero() || !s.Waiting.IsZero() {
		t.Errorf("afterwards %+v", s)
	}
	if want := (Decision{Action: Skip, Firing: day("2026-01-01T01:00:00Z"), Reason: "The schedule was paused: 3 runs in a row failed."}); d != want {
		t.Errorf("the firing that waited: %+v, want %+v", d, want)
	}
	if _, d := s.Fire(day("2026-01-01T05:00:00Z"), false); d != (Decision{}) {
		t.Errorf("while paused: %+v", d)
	}
	s = s.Resumed(day("2026-01-01T05:30:00Z"))
	if s.State() != StateActive || s.Failures != 0 || s.PausedReason != "" || !s.Next.Equal(day("2026-01-01T06:00:00Z")) {
		t.Errorf("resumed %+v", s)
	}
}

func TestAScheduleGoesOnHoweverOftenItFailsUnlessItIsToPause(t *testing.T) {
	t.Parallel()
	s := hourly(nil)
	for range 100 {
		s, _ = s.Finished(Failed)
	}
	if !s.Active || s.Failures != 100 {
		t.Errorf("%+v", s)
	}
}

func TestAScheduleEndsWithItsLastFiring(t *testing.T) {
	t.Parallel()
	s := hourly(func(s *Spec) { s.End = day("2026-01-01T01:30:00Z") })
	s, d := s.Fire(day("2026-01-01T01:00:00Z"), false)
	if d.Action != Start || s.State() != StateEnded || !s.DueAt().IsZero() {
		t.Errorf("%+v, %+v", d, s)
	}
	s = s.Respecified(Spec{Cron: "@hourly"}, day("2026-01-01T05:00:00Z"))
	if s.State() != StateActive || !s.Next.Equal(day("2026-01-01T06:00:00Z")) {
		t.Errorf("with another end %+v", s)
	}
	s = s.Paused("Paused by soar.").Respecified(Spec{Cron: "@daily"}, day("2026-01-01T05:00:00Z"))
	if !s.DueAt().IsZero() {
		t.Errorf("changed while paused, it is due at %v", s.DueAt())
	}
}

func TestAScheduleIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(*Schedule)
		want   string
	}{
		{func(s *Schedule) { s.Name = " " }, "name: it is empty."},
		{func(s *Schedule) { s.Name = strings.Repeat("é", 101) }, "name: it has 101 characters, at most 100 are allowed."},
		{func(s *Schedule) { s.Target = Target{} }, "Neither a command nor a playbook is given."},
		{func(s *Schedule) { s.Target.PlaybookID = 4 }, "Command 'search-cloud-agents' and playbook 4 exclude each other."},
		{func(s *Schedule) { s.Target.ConnectionID = 0 }, "Command 'search-cloud-agents' has no connection."},
		{func(s *Schedule) { s.Spec.Overlap = "wait" }, "overlap: 'wait' is not allowed, use skip, queue or cancel_previous."},
	}
	for _, tt := range tests {
		s := hourly(nil)
		tt.change(&s)
		if err := s.Check(); !fault.Is(err, fault.Invalid) || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	s := hourly(nil)
	s.Target = Target{PlaybookID: 4}
	if err := s.Check(); err != nil {
		t.Errorf("a playbook with a connection of its own: %v", err)
	}
}

// TestEveryFiringIsDecidedAboutOnce lets time pass, runs take long and replicas
// ask at once, and compares what was decided with the firings there were.
func TestEveryFiringIsDecidedAboutOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{
			Every:   Interval(time.Duration(rapid.Int64Range(60, 7200).Draw(t, "every")) * time.Second),
			Overlap: rapid.SampledFrom([]Overlap{OverlapSkip, OverlapQueue, OverlapCancelPrevious}).Draw(t, "overlap"),
			CatchUp: rapid.SampledFrom([]CatchUp{CatchUpNone, CatchUpOne}).Draw(t, "catch-up"),
			Jitter:  rapid.IntRange(0, MaxJitter).Draw(t, "jitter"),
		}
		now := day("2026-01-01T00:30:00Z")
		s := Schedule{ID: 9, Spec: spec}.Resumed(now)
		began, last, accounted, atWork := now, time.Time{}, 0, 0
		take := func(d Decision) {
			if d.Action == Start { // with CancelPrevious one ends and one begins
				atWork++
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 10_000).Draw(t, "seconds")) * time.Second)
			if atWork > 0 && rapid.Bool().Draw(t, "ends") {
				var d Decision
				atWork--
				s, d = s.Finished(Succeeded)
				take(d)
			}
			var d Decision
			s, d = s.Fire(now, atWork > 0)
			take(d)
			if d.Action != Nothing {
				if !d.Firing.After(last) || d.Firing.Add(spec.Spread(9)).After(now) {
					t.Fatalf("%+v at %v, after that of %v", d, now, last)
				}
				last = d.Firing
				accounted += 1 + d.Missed
			}
			if _, again := s.Fire(now, atWork > 0); again.Action != Nothing {
				t.Fatalf("%+v is decided twice, then %+v", d, again)
			}
			if atWork > 1 || !s.Waiting.IsZero() && (atWork == 0 || spec.Overlap != OverlapQueue) {
				t.Fatalf("%d runs are at work, %v waits", atWork, s.Waiting)
			}
		}
		if !s.Last.Equal(last) {
			t.Fatalf("last %v, want %v", s.Last, last)
		}
		if firings := int(last.Unix()/int64(time.Duration(spec.Every)/time.Second) - began.Unix()/int64(time.Duration(spec.Every)/time.Second)); !last.IsZero() && accounted != firings {
			t.Fatalf("%d firings were decided about, there were %d", accounted, firings)
		}
	})
}
