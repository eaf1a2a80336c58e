package session

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

func TestFirstRun(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		want := []string{
			"POST /provision", "POST /status", "GET /config", "GET /manifest", "POST /status",
			"GET /wakeup", "POST /uploads", "PUT /uploads/fragments", "POST /uploads/commit",
		}
		calls := slices.DeleteFunc(b.platform.Calls()[1:], func(c string) bool { return c == "GET /wakeup" })
		want = slices.DeleteFunc(want[1:], func(c string) bool { return c == "GET /wakeup" })
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("calls of the first minute (-want +got):\n%s", diff)
		}
		if b.count("GET /wakeup") == 0 {
			t.Error("no wake-up poll is held")
		}
		b.settled()
		if a := b.agent(); a.Baselines != 1 || a.Deltas != 0 {
			t.Errorf("%d baselines and %d deltas, want 1 and 0", a.Baselines, a.Deltas)
		}
		for _, line := range []string{`msg=provisioned`, `msg="profile applied"`, `msg="manifest stored"`, `msg="scan finished"`, `collected="packages=40"`, `msg="upload committed"`} {
			if b.logged(line) != 1 {
				t.Errorf("log has %d lines with %s, want 1", b.logged(line), line)
			}
		}
	})
}

func TestUnchangedStatus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(24 * time.Hour)
		interval := performance.Settings(nil).StatusInterval()
		statuses := b.agent().Statuses[2:]
		if n := len(statuses); n < 30 || n > 42 {
			t.Errorf("%d status requests in a day at an interval of %s, want about 36", n, interval)
		}
		for i := 1; i < len(statuses); i++ {
			if gap := statuses[i].Sub(statuses[i-1]); gap < interval*89/100 || gap > interval*111/100 {
				t.Errorf("status %d came after %s, want %s ± 10 %%", i, gap, interval)
			}
		}
		if b.count("GET /config") != 1 || b.count("GET /manifest") != 1 || b.count("GET /demands") != 0 {
			t.Errorf("instructions were fetched again without a change: %v", b.platform.Calls())
		}
		if n := len(b.runner.Jobs()); n != 6 && n != 7 {
			t.Errorf("%d scans in a day at an interval of 4 h, want 6 or 7", n)
		}
		last := b.agent().Last
		if last.Profile != 1 || last.Manifest != 1 || last.Event != agentwire.EventScanComplete {
			t.Errorf("last status is %+v, want versions 1 and event %q", last, agentwire.EventScanComplete)
		}
	})
}

func TestChangedConfiguration(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.platform.Edit(func() {
			b.platform.ProfileV = 2
			b.platform.Profile.Name = "Brisk"
			b.platform.Profile.Performance = map[string]string{performance.KeyStatusInterval: "600"}
		})
		b.run(time.Minute)
		before := len(b.agent().Statuses)
		b.run(2 * time.Hour)
		if n := len(b.agent().Statuses) - before; n < 11 || n > 15 {
			t.Errorf("%d status requests in two hours, want about 12 at the new interval", n)
		}
		if v := b.agent().Last.Profile; v != 2 {
			t.Errorf("agent reports profile version %d, want 2", v)
		}
		if b.logged("profile=Brisk") == 0 {
			t.Errorf("log does not name the new profile:\n%s", b.log)
		}
	})
}

func TestANewProfilePacesTheNextScan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.beside()
		time.Sleep(time.Minute)
		paces := []struct {
			settings map[string]string
			limit    int
			throttle time.Duration
		}{
			{map[string]string{performance.KeyCPULimit: "50", performance.KeyScanThrottle: "7"}, 50, 7 * time.Millisecond},
			{map[string]string{performance.KeyCPULimit: "400", performance.KeyScanThrottle: "0"}, 100, 0}, // stored under another range
			{map[string]string{}, 5, 20 * time.Millisecond},                                               // Low
		}
		for i, pace := range paces {
			b.platform.Edit(func() {
				b.platform.ProfileV++
				b.platform.Profile.Performance = pace.settings
			})
			time.Sleep(time.Hour) // longer than the interval of a check-in
			before := len(b.runner.Jobs())
			b.platform.Launch(agentwire.InventoryScan, false)
			time.Sleep(time.Minute)
			jobs := b.runner.Jobs()
			if len(jobs) != before+1 {
				t.Fatalf("%d scans after profile %d, want one more than %d", len(jobs), i+2, before)
			}
			if job := jobs[before]; job.CPULimit != pace.limit || job.Throttle != pace.throttle {
				t.Errorf("scan has the limit %d %% and pauses of %s, want those of its profile: %d %%, %s", job.CPULimit, job.Throttle, pace.limit, pace.throttle)
			}
		}
	})
}

func TestDemandWithinAWake(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.beside()
		time.Sleep(10 * time.Minute)
		b.upgrade(7, "1.1")
		request := b.platform.Launch(agentwire.InventoryScan, true)
		time.Sleep(time.Second)
		synctest.Wait()
		b.platform.Edit(func() {
			if request.State != "running" {
				t.Errorf("request is %s a second after it was launched, want running\n%s", request.State, b.log)
			}
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b.platform.Edit(func() {
			if request.State != "complete" || request.Answered != 1 {
				t.Errorf("request is %s, answered %d times, want complete once", request.State, request.Answered)
			}
		})
		if a := b.agent(); a.Baselines != 1 || a.Deltas != 1 {
			t.Errorf("%d baselines and %d deltas, want 1 and 1", a.Baselines, a.Deltas)
		}
		jobs := b.runner.Jobs()
		if jobs[0].Throttle != 20*time.Millisecond || jobs[1].Throttle != 0 {
			t.Errorf("throttles %s and %s, want the profile's 20ms and 0 for the override", jobs[0].Throttle, jobs[1].Throttle)
		}
		if jobs[0].CPULimit != 5 || jobs[1].CPULimit != 100 {
			t.Errorf("CPU limits %d and %d, want the profile's 5 and 100 for the override", jobs[0].CPULimit, jobs[1].CPULimit)
		}
		b.settled()
		time.Sleep(3*time.Hour + 45*time.Minute)
		if n := len(b.runner.Jobs()); n != 2 {
			t.Errorf("%d scans before the restarted interval has passed, want 2", n)
		}
	})
}

func TestDemandThatCannotRunIsRejectedWithTheReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		scan    agentwire.ScanType
		prepare func(p *sessiontest.Platform)
		reason  string
	}{
		{"module is not activated", agentwire.VulnerabilityScan, func(*sessiontest.Platform) {},
			`not activated: the manifest "INVENTORY-1.0.0" of this agent does not name the module of Vulnerability_Scan`},
		{"scanning is suspended", agentwire.InventoryScan, func(p *sessiontest.Platform) { p.Profile.SuspendScanning = true },
			`suspended: configuration profile "Low" suspends scanning`},
		{"manifest says nothing of the module", agentwire.SCAScan,
			func(p *sessiontest.Platform) { p.Manifest.Modules[agentwire.ModuleSCA] = agentwire.Recipe{} },
			`manifest missing: the manifest "INVENTORY-1.0.0" does not say what to collect for SCA_Scan`},
		{"manifest is not to be followed", agentwire.InventoryScan, func(p *sessiontest.Platform) {
			p.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				signed := p.Sign("00000000-0000-4000-8000-0000000000ff", agentwire.KindManifest, 1, p.Manifest)
				return r.URL.Path == agentwire.PathManifest && json.NewEncoder(w).Encode(signed) == nil
			}
		}, "manifest missing: the one the platform sent is not followed: instruction refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				tt.prepare(b.platform)
				b.beside()
				time.Sleep(time.Minute)
				scans := len(b.runner.Jobs())
				request := b.platform.Launch(tt.scan, false)
				time.Sleep(time.Minute)
				synctest.Wait()
				b.platform.Edit(func() {
					if request.State != "rejected" || !strings.HasPrefix(request.Reason, tt.reason) {
						t.Errorf("request is %s because %q, want rejected because %q", request.State, request.Reason, tt.reason)
					}
				})
				if n := len(b.runner.Jobs()); n != scans {
					t.Errorf("%d scans ran for it", n-scans)
				}
			})
		})
	}
}

func TestDemandsOfOneTypeShareTheNextScan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.runner.Takes = time.Minute
		b.beside()
		time.Sleep(30 * time.Second) // the first scan runs
		one := b.platform.Launch(agentwire.InventoryScan, false)
		two := b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		b.platform.Edit(func() {
			if one.State != "complete" || two.State != "complete" {
				t.Errorf("requests are %s and %s, want complete", one.State, two.State)
			}
		})
		if n := len(b.runner.Jobs()); n != 2 {
			t.Errorf("%d scans ran, want the first one and one for both requests", n)
		}
	})
}

func TestFailedWorkerIsReported(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.runner.Fail = errors.New("worker ended with status 3: package database is locked")
		request := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(time.Minute)
		if request.State != "failed" || !strings.Contains(request.Reason, "package database is locked") {
			t.Errorf("request is %s because %q, want failed with the worker's reason", request.State, request.Reason)
		}
		if a := b.agent(); a.Baselines+a.Deltas != 1 {
			t.Errorf("%d uploads, want only the first", a.Baselines+a.Deltas)
		}
	})
}

func TestLocalDemand(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		a := b.beside()
		time.Sleep(time.Minute)
		id, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan, Throttle: 5 * time.Millisecond})
		if want := time.Now().Format("20060102150405") + ".0"; err != nil || id != want {
			t.Errorf("control id %q, error %v, want %q", id, err, want)
		}
		if _, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan}); err == nil || !strings.HasPrefix(err.Error(), "already running: ") {
			t.Errorf("second demand: %v, want that a scan is running", err)
		}
		if _, err := a.Demand(t.Context(), Demand{Type: agentwire.SWCAScan}); err == nil || !strings.HasPrefix(err.Error(), "not activated: ") {
			t.Errorf("demand of another module: %v, want that it is not activated", err)
		}
		time.Sleep(time.Minute)
		if jobs := b.runner.Jobs(); len(jobs) != 2 || jobs[1].Throttle != 5*time.Millisecond || jobs[1].CPULimit != 5 {
			t.Errorf("jobs %+v, want a second one with the demanded throttle and the profile's CPU limit", jobs)
		}
	})
}

func TestWakeUpCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Wakeup = false
		b.run(3 * time.Hour)
		if n := b.count("GET /wakeup"); n != 0 {
			t.Errorf("%d wake-up polls, want none", n)
		}
		b.settled()
	})
}

func TestPollsThatAreNotHeldBecomeRare(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.WithoutHold = true
		b.run(6 * time.Hour)
		if n := b.count("GET /wakeup"); n > 60 {
			t.Errorf("%d polls in six hours against a proxy that does not hold them, want few", n)
		}
	})
}

func TestWakeUpsForNothingAreAnsweredLessAndLess(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.intercept(agentwire.PathWakeup, func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusOK)
			return true
		})
		b.run(2 * time.Hour)
		if n := len(b.agent().Statuses); n > 25 {
			t.Errorf("%d status requests in two hours of empty wake-ups, want few", n)
		}
	})
}

func TestSecondAgentOnOneFolderIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.beside()
		_, err := Open(b.cfg)
		if _, ok := errors.AsType[*LockedError](err); !ok {
			t.Errorf("second agent on the folder: %v, want that it is in use", err)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.intercept(agentwire.PathProvision, func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "https://elsewhere.test/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			_, _ = io.WriteString(w, "{}")
			return true
		})
		b.run(time.Minute)
		for _, call := range b.platform.Calls() {
			if call != "POST /provision" {
				t.Errorf("agent called %s after a redirect", call)
			}
		}
	})
}
