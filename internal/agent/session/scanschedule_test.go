package session

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

func TestWhenTheNextIntervalScanIsDue(t *testing.T) {
	t.Parallel()
	const interval = 4 * time.Hour
	now := epoch.Add(30 * 24 * time.Hour)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := []struct {
		name     string
		schedule schedule
		history  history
		course   course
		want     time.Duration // from now
	}{
		{"the first at once", schedule{interval: interval}, history{Since: ago(0)}, course{draw: 0.5}, 0},
		{"the first after the delay", schedule{interval: interval, delay: time.Hour}, history{Since: ago(0)}, course{draw: 0.5}, time.Hour},
		{"the delay goes on over a restart", schedule{interval: interval, delay: time.Hour}, history{Since: ago(50 * time.Minute)}, course{}, 10 * time.Minute},
		{"the first is randomised as well", schedule{interval, time.Hour, 2 * time.Hour}, history{Since: ago(0)}, course{draw: 0.25}, 90 * time.Minute},
		{"an interval after the last", schedule{interval: interval}, history{LastScan: ago(time.Hour)}, course{}, 3 * time.Hour},
		{"no delay any more", schedule{interval: interval, delay: 12 * time.Hour}, history{LastScan: ago(time.Hour)}, course{}, 3 * time.Hour},
		{"each one is randomised", schedule{interval, 0, time.Hour}, history{LastScan: ago(time.Hour)}, course{draw: 0.5}, 3*time.Hour + 30*time.Minute},
		{"without randomisation a little early", schedule{interval: interval}, history{LastScan: ago(0)}, course{draw: 0.5}, interval - interval/40},
		{"one that is overdue", schedule{interval: interval}, history{LastScan: ago(10 * time.Hour)}, course{}, -6 * time.Hour},
		{"a last scan from the future", schedule{interval: interval}, history{LastScan: ago(-time.Hour)}, course{}, 0},
		{"a beginning from the future", schedule{interval: interval, delay: time.Hour}, history{Since: ago(-1000 * time.Hour)}, course{}, 0},
		{"not at once after a failure", schedule{interval: interval}, history{Since: ago(0)}, course{failures: 1, retry: now.Add(time.Minute)}, time.Minute},
		{"a failure brings nothing forward", schedule{interval: interval}, history{LastScan: ago(0)}, course{failures: 1, retry: now.Add(time.Minute)}, interval},
		{"a failure that is over counts no more", schedule{interval: interval}, history{Since: ago(0)}, course{retry: now.Add(time.Minute)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.course.due(tt.schedule, tt.history, now).Sub(now); got != tt.want {
				t.Errorf("due %s from now, want %s", got, tt.want)
			}
		})
	}
}

func TestStoredSchedulesOutOfRangeAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stored agentwire.Schedule
		want   schedule
	}{
		{agentwire.Schedule{}, schedule{interval: 4 * time.Hour}},
		{agentwire.Schedule{Interval: 60, Delay: 5, Randomize: 7}, schedule{time.Minute, 5 * time.Second, 7 * time.Second}},
		{agentwire.Schedule{Interval: -1, Delay: -1, Randomize: -1}, schedule{interval: 4 * time.Hour}},
		{agentwire.Schedule{Interval: 1 << 62, Delay: 1 << 62, Randomize: 1 << 62}, schedule{maxSchedule, maxSchedule, maxSchedule}},
	} {
		a := &Agent{profile: &held[agentwire.Profile]{}}
		a.profile.body.Schedules = map[agentwire.Module]agentwire.Schedule{agentwire.ModulePC: tt.stored}
		if got := a.schedule(agentwire.ModulePC); got != tt.want {
			t.Errorf("%+v became %+v, want %+v", tt.stored, got, tt.want)
		}
		if got := a.schedule(agentwire.ModuleVM); got != (schedule{interval: 4 * time.Hour}) {
			t.Errorf("a module without a schedule has %+v, want the default", got)
		}
	}
}

func TestTheDelayIsWaitedForOnceAndTheRandomisationEachTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Wakeup = false // nobody wakes it up, and five days have many polls
		b.inventory(agentwire.Schedule{Interval: 4 * 3600, Delay: 1800, Randomize: 3600})
		b.run(5 * 24 * time.Hour)
		runs := b.runner.Runs(agentwire.ModuleInventory)
		if first := runs[0].Start.Sub(epoch); first < 30*time.Minute || first > 91*time.Minute {
			t.Errorf("the first scan began after %s, want the delay of 30m and a part of an hour", first)
		}
		least, most := time.Duration(1<<62), time.Duration(0)
		for i := 1; i < len(runs); i++ {
			gap := runs[i].Start.Sub(runs[i-1].End)
			least, most = min(least, gap), max(most, gap)
		}
		if len(runs) < 20 || least < 4*time.Hour || most > 5*time.Hour+time.Second || most-least < 30*time.Minute {
			t.Errorf("%d scans, %s to %s apart, want 4 to 5 hours and each time another part of the hour", len(runs), least, most)
		}
	})
}

func TestARestartBeginsNoDelayAnew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inventory(agentwire.Schedule{Interval: 4 * 3600, Delay: 1800})
		b.run(20 * time.Minute)
		b.run(8 * time.Minute)
		if n := len(b.runner.Runs("")); n != 0 {
			t.Errorf("%d scans before the delay of half an hour has passed", n)
		}
		b.run(5 * time.Minute)
		if n := len(b.runner.Runs("")); n != 1 {
			t.Errorf("%d scans once half an hour has passed, over two restarts, want 1", n)
		}
	})
}

func TestAnOnDemandScanWaitsForNothingAndRestartsTheInterval(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Random = func() float64 { return 0.5 }
		b.inventory(agentwire.Schedule{Interval: 4 * 3600, Delay: 10 * 3600, Randomize: 3600})
		a := b.beside()
		time.Sleep(2 * time.Hour)
		b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(time.Minute)
		runs := b.runner.Runs("")
		if len(runs) != 1 || runs[0].Start.Sub(epoch) > 2*time.Hour+2*time.Second {
			t.Fatalf("scans ran at %v, want one when it was launched, after two hours", runs)
		}
		time.Sleep(3 * time.Hour)
		if _, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Hour)
		runs = b.runner.Runs("")
		if len(runs) != 3 {
			t.Fatalf("scans ran at %v, want two on demand and one for the interval", runs)
		}
		if gap := runs[2].Start.Sub(runs[1].End); gap < 4*time.Hour+30*time.Minute || gap > 4*time.Hour+31*time.Minute {
			t.Errorf("the interval scan came %s after the one on demand, want 4h30m", gap)
		}
	})
}

func TestAnOnDemandScanThatFailsLeavesTheIntervalAsItIs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Random = func() float64 { return 0.5 }
		b.inventory(agentwire.Schedule{Interval: 4 * 3600, Randomize: 3600})
		b.beside()
		time.Sleep(2 * time.Hour)
		b.runner.SetFail(errors.New("the package database is locked"))
		b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(time.Minute)
		b.runner.SetFail(nil)
		time.Sleep(4 * time.Hour)
		runs := b.runner.Runs("")
		if len(runs) != 3 {
			t.Fatalf("scans ran at %v, want the first, the one that failed and the next for the interval", runs)
		}
		if gap := runs[2].Start.Sub(runs[0].End); gap < 4*time.Hour+30*time.Minute || gap > 4*time.Hour+31*time.Minute {
			t.Errorf("the interval scan came %s after the last good one, want 4h30m", gap)
		}
	})
}

func TestANewScheduleRulesTheScanThatIsWaitedFor(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inventory(agentwire.Schedule{Interval: 24 * 3600})
		b.beside()
		time.Sleep(6 * time.Hour)
		before := len(b.runner.Runs(""))
		b.platform.Edit(func() {
			b.platform.ProfileV++
			b.inventory(agentwire.Schedule{Interval: 8 * 3600})
		})
		time.Sleep(3 * time.Hour)
		if runs := b.runner.Runs(""); before != 1 || len(runs) != 2 || runs[1].Start.Sub(runs[0].End) > 8*time.Hour {
			t.Errorf("scans ran at %v, want the second within the new interval of 8 hours", runs)
		}
	})
}

func TestEachModuleOfTheManifestHasAScheduleOfItsOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Wakeup = false
		b.runner.Takes = 10 * time.Minute
		b.platform.Manifest.Modules[agentwire.ModuleVM] = agentwire.Recipe{Collectors: []string{"packages"}}
		b.platform.Manifest.Modules[agentwire.ModuleUDC] = agentwire.Recipe{} // activated, and nothing to collect yet
		b.platform.Profile.Schedules = map[agentwire.Module]agentwire.Schedule{
			agentwire.ModuleInventory: {Interval: 24 * 3600},
			agentwire.ModuleVM:        {Interval: 6 * 3600, Delay: 3600},
			agentwire.ModuleUDC:       {Interval: 3600},
			agentwire.ModulePC:        {Interval: 3600}, // not activated
		}
		b.run(49 * time.Hour)
		inventory, vm, all := b.runner.Runs(agentwire.ModuleInventory), b.runner.Runs(agentwire.ModuleVM), b.runner.Runs("")
		if len(inventory) != 3 || len(vm) < 8 || len(vm) > 9 || len(all) != len(inventory)+len(vm) {
			t.Errorf("%d inventory, %d VM and %d scans in 49 hours, want 3 and 8 or 9 and no others", len(inventory), len(vm), len(all))
		}
		if delay := vm[0].Start.Sub(epoch); delay < time.Hour || delay > time.Hour+time.Minute {
			t.Errorf("the first VM scan began after %s, want its delay of 1h", delay)
		}
		for i := 1; i < len(all); i++ {
			if all[i].Start.Before(all[i-1].End) {
				t.Errorf("a scan of %s began at %s, before that of %s had ended at %s", all[i].Module, all[i].Start, all[i-1].Module, all[i-1].End)
			}
		}
	})
}

func TestAModuleThatIsActivatedAgainWaitsForItsDelayAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.Profile.Schedules = map[agentwire.Module]agentwire.Schedule{agentwire.ModuleVM: {Interval: 4 * 3600, Delay: 3600}}
		activate := func(on bool) {
			b.platform.Edit(func() {
				b.platform.ManifestV++
				b.platform.Manifest.Modules = map[agentwire.Module]agentwire.Recipe{agentwire.ModuleInventory: {Collectors: []string{"host"}}}
				if on {
					b.platform.Manifest.Modules[agentwire.ModuleVM] = agentwire.Recipe{Collectors: []string{"packages"}}
				}
			})
		}
		activate(true)
		b.beside()
		time.Sleep(2 * time.Hour)
		activate(false)
		time.Sleep(12 * time.Hour)
		if n := len(b.runner.Runs(agentwire.ModuleVM)); n != 1 {
			t.Errorf("%d scans of a module that was activated for two hours, want 1", n)
		}
		activate(true)
		again := b.platform.Launch(agentwire.InventoryScan, false) // wakes the agent up
		time.Sleep(50 * time.Minute)
		if n := len(b.runner.Runs(agentwire.ModuleVM)); n != 1 {
			t.Errorf("%d scans before the delay has passed again", n)
		}
		time.Sleep(time.Hour)
		if n := len(b.runner.Runs(agentwire.ModuleVM)); n != 2 || b.stateOf(again) != "complete" {
			t.Errorf("%d scans after the delay, want 2; the request is %s", n, b.stateOf(again))
		}
	})
}

func TestASuspendedAgentFinishesItsScanAndBeginsNoOther(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{held: 1}
		b.cfg.Upgrader = u
		b.platform.ReleaseV = 2
		b.runner.Takes = 10 * time.Minute
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "300"}
		a := b.beside()
		time.Sleep(time.Hour)
		b.upgrade(3, "2.0")
		request := b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(time.Minute)
		suspend := func(on bool) {
			b.platform.Edit(func() {
				b.platform.ProfileV++
				b.platform.Profile.SuspendScanning = on
			})
		}
		suspend(true)
		time.Sleep(20 * time.Minute)
		if b.stateOf(request) != "complete" {
			t.Errorf("the scan that ran when scanning was suspended is %s, want complete", b.stateOf(request))
		}
		b.settled()
		scans := len(b.runner.Runs(""))
		refused := b.platform.Launch(agentwire.InventoryScan, true)
		_, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan})
		if err == nil || !strings.HasPrefix(err.Error(), "suspended: ") {
			t.Errorf("a local demand: %v, want that scanning is suspended", err)
		}
		before, _ := u.calls()
		b.platform.Edit(func() { b.platform.ManifestV++; b.platform.Manifest.Name = "INVENTORY-1.1.0" })
		time.Sleep(24 * time.Hour)
		if n := len(b.runner.Runs("")); n != scans {
			t.Errorf("%d scans ran while scanning was suspended", n-scans)
		}
		if b.stateOf(refused) != "rejected" || !strings.HasPrefix(refused.Reason, "suspended: ") {
			t.Errorf("the request is %s because %q, want rejected because scanning is suspended", b.stateOf(refused), refused.Reason)
		}
		report, err := ReadReport(b.cfg.StateDir)
		if checks, _ := u.calls(); err != nil || report.Manifest != "INVENTORY-1.1.0" || report.ProfileVersion != 2 || len(checks) < len(before)+200 {
			t.Errorf("%d looks for another version, report %+v (%v), want that manifests, profiles and upgrades go on", len(checks)-len(before), report, err)
		}
		suspend(false)
		time.Sleep(20 * time.Minute)
		if n := len(b.runner.Runs("")); n != scans+1 {
			t.Errorf("%d scans since scanning goes on, want the one that was due", n-scans)
		}
	})
}

func TestARequestWaitsForAManifestThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.wire.Cut = func(r *http.Request, _ bool) error {
			if r.URL.Path == agentwire.PathManifest && time.Since(epoch) < time.Hour {
				return http.ErrServerClosed
			}
			return nil
		}
		a := b.beside()
		time.Sleep(time.Minute)
		request := b.platform.Launch(agentwire.InventoryScan, false)
		_, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan})
		if err == nil || !strings.HasPrefix(err.Error(), "manifest missing: ") {
			t.Errorf("a local demand: %v, want that the manifest is missing", err)
		}
		time.Sleep(50 * time.Minute)
		if b.stateOf(request) != "queued" {
			t.Errorf("the request is %s before the manifest is here, want it to wait: %s", b.stateOf(request), request.Reason)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if b.stateOf(request) != "complete" {
			t.Errorf("the request is %s after the manifest came, want complete", b.stateOf(request))
		}
	})
}

func TestABlackoutFollowsTheHostsClockOverDaylightSaving(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, from, to string // of the window from 1 to 3 in Berlin
	}{
		{"an ordinary night", "2000-03-20T00:00:00Z", "2000-03-20T02:00:00Z"},
		{"the night without the hour from 2 to 3", "2000-03-26T00:00:00Z", "2000-03-26T01:00:00Z"},
		{"the night with two hours from 2 to 3", "2000-10-28T23:00:00Z", "2000-10-29T02:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				berlin, err := time.LoadLocation("Europe/Berlin")
				from, errFrom := time.Parse(time.RFC3339, tt.from)
				to, errTo := time.Parse(time.RFC3339, tt.to)
				if err := errors.Join(err, errFrom, errTo); err != nil {
					t.Fatal(err)
				}
				const before = 2 * time.Hour
				b.clock.zone, b.clock.skew = berlin, from.Add(-before).Sub(epoch)
				b.platform.Profile.Blackout = []agentwire.Blackout{{StartHour: 1, EndHour: 3, Days: [7]bool{true, true, true, true, true, true, true}}}
				b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "300"}
				requests := b.watch(func(*http.Request) bool { return true })
				a := b.beside()
				time.Sleep(before + 5*time.Minute)
				request := b.platform.Launch(agentwire.InventoryScan, false)
				if _, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan}); err != nil {
					t.Errorf("a local demand in the blackout: %v", err)
				}
				time.Sleep(time.Until(epoch.Add(before + to.Sub(from) - time.Second)))
				if n := len(b.runner.Runs("")); n != 2 || b.stateOf(request) != "queued" {
					t.Errorf("%d scans so far and the request is %s, want the local one to have run and the request to wait", n, b.stateOf(request))
				}
				time.Sleep(time.Hour)
				var last, first time.Duration // seen from the start and the end of the window
				for _, r := range requests() {
					at := r.at.Sub(epoch) - before
					switch {
					case at < 0:
						last = at
					case at < to.Sub(from):
						t.Errorf("a request %s after the window began", at)
					case first == 0:
						first = at - to.Sub(from)
					}
				}
				if last < -time.Minute || first <= 0 || first > resumeSpread {
					t.Errorf("the last request came %s before the window, the first %s after it", -last, first)
				}
				if b.stateOf(request) != "complete" {
					t.Errorf("the request is %s an hour after the window, want complete", b.stateOf(request))
				}
				b.settled()
			})
		})
	}
}
