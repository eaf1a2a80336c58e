package session

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// sighting is a request as the platform saw it.
type sighting struct {
	at    time.Time
	bytes int64  // of the body
	span  string // the Range field
}

// watch notes every request that matches.
func (b *bundle) watch(match func(*http.Request) bool) (seen func() []sighting) {
	var all []sighting
	before := b.platform.Intercept
	b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if match(r) {
			b.platform.Edit(func() { all = append(all, sighting{time.Now(), r.ContentLength, r.Header.Get("Range")}) })
		}
		return before != nil && before(w, r)
	}
	return func() (seen []sighting) {
		b.platform.Edit(func() { seen = slices.Clone(all) })
		return seen
	}
}

// to matches requests by method and the end of their path.
func to(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.HasSuffix(r.URL.Path, path) }
}

// aStart matches requests that start an upload or ask about one.
func aStart(r *http.Request) bool {
	digest, ok := strings.CutPrefix(r.URL.Path, agentwire.PathUploads)
	return ok && !strings.Contains(digest, "/")
}

// legacy makes the agent one of those that are driven by separate timers, under
// a profile in which every one of them is slow and the profile itself is asked
// for every minute.
func (b *bundle) legacy() {
	b.cfg.Legacy, b.cfg.Version = true, "1.5.0"
	b.platform.Profile.Performance = slow()
}

// slow returns settings under which nothing happens within a day but that the
// profile is fetched.
func slow() performance.Settings {
	const day = "86400"
	return performance.Settings{
		performance.KeyStatusInterval: day, performance.KeyManifestInterval: day, performance.KeyRevocationInterval: day,
		performance.KeyDeltaConfirmInterval: day, performance.KeyProvisionInterval: day, performance.KeyUpgradeCheckInterval: day,
		performance.KeyUpgradeRetryInterval: day, performance.KeyConfigurationInterval: "60", performance.KeyDeltaUploadInterval: "1",
		performance.KeyRxThrottle: "0", performance.KeyTxThrottle: "0",
	}
}

// change gives the platform's profile other values, as an operator would.
func (b *bundle) change(settings performance.Settings) {
	b.platform.Edit(func() {
		changed := maps.Clone(b.platform.Profile.Performance)
		if changed == nil {
			changed = map[string]string{}
		}
		maps.Copy(changed, settings)
		b.platform.Profile.Performance = changed
		b.platform.ProfileV++
	})
}

func gaps(seen []sighting) (between []time.Duration) {
	for i := 1; i < len(seen); i++ {
		between = append(between, seen[i].at.Sub(seen[i-1].at))
	}
	return between
}

func within(d, want time.Duration) bool { return d >= want*9/10 && d <= want*11/10+time.Second }

func TestEveryIntervalRulesTheTimersOfALegacyAgentThatAreRunning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, method, path, short string }{
		{performance.KeyStatusInterval, http.MethodPost, agentwire.PathStatus, "300"},
		{performance.KeyManifestInterval, http.MethodGet, agentwire.PathManifest, "60"},
		{performance.KeyConfigurationInterval, http.MethodGet, agentwire.PathConfig, "120"},
		{performance.KeyRevocationInterval, http.MethodGet, agentwire.PathRevocation, "3600"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.legacy()
				b.platform.Profile.Performance[tt.key] = "7200"
				requests := b.watch(to(tt.method, tt.path))
				b.beside()
				time.Sleep(6*time.Hour + time.Minute) // 7200 s ± 10 %, and the first at once
				before := requests()
				for i, gap := range gaps(before) {
					if !within(gap, 2*time.Hour) {
						t.Errorf("request %d came after %s, want 2 h ± 10 %%", i+1, gap)
					}
				}
				if n := len(before); n != 3 && n != 4 {
					t.Errorf("%d requests in six hours, want one every two", n)
				}
				b.change(performance.Settings{tt.key: tt.short})
				changed := time.Now()
				time.Sleep(12 * time.Hour)
				interval, err := time.ParseDuration(tt.short + "s")
				if err != nil {
					t.Fatal(err)
				}
				after := slices.DeleteFunc(requests(), func(s sighting) bool { return s.at.Before(changed) })
				different := map[time.Duration]bool{}
				for i, gap := range gaps(after) {
					different[gap] = true
					if !within(gap, interval) {
						t.Errorf("request %d after the change came after %s, want %s ± 10 %%", i+1, gap, interval)
					}
				}
				if len(different) < 5 {
					t.Errorf("%d different times between %d requests: there is no jitter", len(different), len(after))
				}
				// The timer that was running is cut short: nobody waits for its end.
				if tt.key != performance.KeyConfigurationInterval && after[0].at.Sub(changed) > interval+2*time.Minute {
					t.Errorf("the first request after the change came after %s", after[0].at.Sub(changed))
				}
			})
		})
	}
}

func TestAnAgentFollowsAnotherStatusIntervalWithoutARestart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "86400"}
		statuses := b.watch(to(http.MethodPost, agentwire.PathStatus))
		b.beside()
		time.Sleep(12 * time.Hour)
		before := len(statuses())
		b.change(performance.Settings{performance.KeyStatusInterval: "300"})
		time.Sleep(2 * time.Minute) // the wake-up poll brings it
		changed := len(statuses())
		time.Sleep(time.Hour)
		if n := len(statuses()) - changed; changed <= before || n < 10 || n > 13 {
			t.Errorf("%d status requests in an hour, want one every 300 s", n)
		}
	})
}

func TestUploadsKeepTheDeltaIntervalApart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inventory(agentwire.Schedule{Interval: 60})
		b.platform.Profile.Performance = performance.Settings{performance.KeyDeltaUploadInterval: "1800", performance.KeyStatusInterval: "300"}
		uploads := b.watch(aStart)
		b.beside()
		time.Sleep(4 * time.Hour)
		before := uploads()
		for i, gap := range gaps(before) {
			if gap < 27*time.Minute || gap > 36*time.Minute {
				t.Errorf("upload %d came %s after the one before, want 1800 s ± 10 %% and a scan", i+1, gap)
			}
		}
		if len(before) < 7 {
			t.Errorf("%d uploads in four hours at an interval of 1800 s", len(before))
		}
		b.change(performance.Settings{performance.KeyDeltaUploadInterval: "1"})
		time.Sleep(10 * time.Minute) // far less than the interval that was running
		if n := len(uploads()) - len(before); n < 7 {
			t.Errorf("%d uploads in ten minutes of scans every minute at an interval of 1 s", n)
		}
	})
}

func TestALegacyAgentAsksWhetherItsChangesWereProcessed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.change(performance.Settings{performance.KeyDeltaConfirmInterval: "600"})
		commits, starts := b.watch(to(http.MethodPost, "/commit")), b.watch(aStart)
		b.beside()
		time.Sleep(5 * time.Minute)
		if report, err := ReadReport(b.cfg.StateDir); err != nil || report.Confirmed != "" || len(commits()) != 1 {
			t.Errorf("%d commits, confirmed %q (%v); want one that is not confirmed yet", len(commits()), report.Confirmed, err)
		}
		time.Sleep(7 * time.Minute)
		b.settled()
		if asked := starts()[1].at.Sub(commits()[0].at); !within(asked, 10*time.Minute) {
			t.Errorf("the agent asked after %s, want 600 s ± 10 %%", asked)
		}

		b.change(performance.Settings{performance.KeyDeltaConfirmInterval: "3600"})
		time.Sleep(4 * time.Hour)
		b.change(performance.Settings{performance.KeyDeltaConfirmInterval: "60"})
		time.Sleep(4 * time.Minute)
		b.settled() // the timer that was running is cut short
		for i := 1; i < len(commits()); i++ {
			if asked := starts()[2*i+1].at.Sub(commits()[i].at); asked > time.Hour*11/10 {
				t.Errorf("the agent asked about upload %d after %s", i, asked)
			}
		}
		if a := b.agent(); a.Baselines != 1 {
			t.Errorf("%d baselines, want one", a.Baselines)
		}
	})
}

func TestALegacyAgentAsksBeforeItScansAnew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.change(performance.Settings{performance.KeyStatusInterval: "300"})
		b.beside()
		time.Sleep(time.Minute)
		b.upgrade(1, "2.0")
		request := b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(10 * time.Minute) // the confirmation would come in a day
		b.platform.Edit(func() {
			if request.State != "complete" {
				t.Errorf("request is %s, want complete\n%s", request.State, b.log)
			}
		})
		if a := b.agent(); a.Baselines != 1 || a.Deltas != 1 {
			t.Errorf("%d baselines and %d deltas, want 1 and 1", a.Baselines, a.Deltas)
		}
	})
}

func TestALegacyAgentLearnsAtItsRevocationIntervalThatItShallLeave(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{3600, 14400} {
		t.Run(fmt.Sprint(seconds), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.legacy()
				b.platform.Profile.Performance[performance.KeyConfigurationInterval] = "86400"
				b.platform.Profile.Performance[performance.KeyRevocationInterval] = fmt.Sprint(seconds)
				b.inventory(agentwire.Schedule{Interval: 86400})
				time.AfterFunc(time.Minute, b.platform.Uninstall)
				started := time.Now()
				b.mustLeave(12 * time.Hour)
				if took := time.Since(started); !within(took, time.Duration(seconds)*time.Second) {
					t.Errorf("it left after %s, want %d s ± 10 %%", took, seconds)
				}
				b.gone()
			})
		})
	}
}

func TestRepairsKeepTheProvisioningIntervalApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		legacy  bool
		setting string
		seconds int
	}{
		{"often", true, "60", 60},
		{"rarely", true, "7200", 7200},
		{"not a legacy agent", false, "7200", 900},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.legacy()
				b.cfg.Legacy = tt.legacy
				b.change(performance.Settings{performance.KeyStatusInterval: "300"})
				provisions := b.watch(to(http.MethodPost, agentwire.PathProvision))
				b.beside()
				time.Sleep(time.Hour)
				b.change(performance.Settings{performance.KeyProvisionInterval: tt.setting})
				time.Sleep(4 * time.Hour)
				b.platform.Forget()
				time.Sleep(10 * time.Minute)
				repaired := len(provisions())
				b.platform.Forget()
				time.Sleep(4 * time.Hour)
				seen := provisions()
				if repaired != 2 || len(seen) != 3 {
					t.Fatalf("%d provision requests and then %d, want one repair each time\n%s", repaired, len(seen), b.log)
				}
				// The second comes no sooner than the interval after the first, and with the
				// request that finds it necessary.
				least := time.Duration(tt.seconds) * time.Second * 9 / 10
				if gap := gaps(seen)[1]; gap < least || gap > least*11/9+12*time.Minute {
					t.Errorf("the second repair came %s after the first, want %d s", gap, tt.seconds)
				}
			})
		})
	}
}

func TestTheLoggingLevelFollowsTheProfileWhileTheAgentRuns(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		level := new(slog.LevelVar)
		b.cfg.Log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: level}))
		b.cfg.SetLogLevel = func(l performance.LoggingLevel) { level.Set(slog.Level(4 * (int(l) - 1))) }
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "300"}
		b.inventory(agentwire.Schedule{Interval: 600})
		b.beside()
		amount := func(setting string) int {
			b.change(performance.Settings{performance.KeyLoggingLevel: setting})
			time.Sleep(2 * time.Minute)
			before := b.logged("\n")
			time.Sleep(2 * time.Hour)
			return b.logged("\n") - before
		}
		verbose, info, none := amount("Verbose"), amount("Info"), amount("None")
		again := amount("0") // a number, as public clients send it
		if none != 0 || info == 0 || verbose <= info || again <= info {
			t.Errorf("%d lines at Verbose, %d at Info, %d at None, %d at Verbose again", verbose, info, none, again)
		}
	})
}

func TestALegacyAgentIsSilentInABlackoutToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.platform.Profile.Performance = performance.Settings{
			performance.KeyConfigurationInterval: "60", performance.KeyManifestInterval: "60", performance.KeyStatusInterval: "300",
		}
		b.inventory(agentwire.Schedule{Interval: 600})
		b.platform.Profile.Blackout = []agentwire.Blackout{{StartHour: 1, EndHour: 3, Days: [7]bool{true, true, true, true, true, true, true}}}
		requests := b.watch(func(*http.Request) bool { return true })
		b.run(4 * time.Hour)
		before, first := 0, time.Duration(0)
		for _, r := range requests() {
			switch at := r.at.Sub(epoch); {
			case at < time.Hour:
				before++
			case at < 3*time.Hour:
				t.Errorf("a request %s after midnight, within the blackout", at)
			case first == 0:
				first = at - 3*time.Hour
			}
		}
		if before < 100 || first <= 0 || first > resumeSpread {
			t.Errorf("%d requests before the blackout, the first after it came after %s", before, first)
		}
	})
}

func TestALegacyAgentSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.change(performance.Settings{performance.KeyConfigurationInterval: "600", performance.KeyManifestInterval: "600"})
		var down atomic.Bool
		b.wire.Cut = func(*http.Request, bool) error {
			if down.Load() {
				return http.ErrServerClosed
			}
			return nil
		}
		b.beside()
		time.Sleep(time.Hour)
		down.Store(true)
		time.Sleep(12 * time.Hour)
		down.Store(false)
		before := b.count("GET /config") + b.count("GET /manifest")
		time.Sleep(6 * time.Hour)
		if n := b.count("GET /config") + b.count("GET /manifest") - before; n < 60 || n > 80 {
			t.Errorf("%d requests in six hours after the outage, want two every 600 s", n)
		}
		if n := b.logged("contact failed"); n > 3 {
			t.Errorf("the outage was logged %d times, want once for each event it met", n)
		}
	})
}

func TestSettingsThatAProfileLeavesOutAreTheLowOnes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.platform.Profile.Performance = nil
		b.run(7 * 24 * time.Hour)
		low := performance.Settings(nil)
		for call, interval := range map[string]time.Duration{
			"POST /status": low.StatusInterval(), "GET /config": low.ConfigurationInterval(),
			"GET /manifest": low.ManifestInterval(), "GET /revocation": low.RevocationInterval(),
		} {
			want := int(7 * 24 * time.Hour / interval)
			if n := b.count(call); n < want*95/100 || n > want*105/100+2 {
				t.Errorf("%d times %s in a week, want about %d: one every %s", n, call, want, interval)
			}
		}
	})
}

func TestLegacyParametersAreNothingToOtherAgents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.bulk(1000, "1.")
		b.platform.Profile.Performance = performance.Settings{
			performance.KeyConfigurationInterval: "60", performance.KeyManifestInterval: "60", performance.KeyRevocationInterval: "3600",
			performance.KeyDeltaConfirmInterval: "60", performance.KeyDownloadFragmentSize: "64", performance.KeyUploadFragmentSize: "64",
			performance.KeyRxThrottle: "200", performance.KeyTxThrottle: "200",
		}
		fragments, asked := b.watch(to(http.MethodPut, "/fragments")), b.watch(aStart)
		b.run(time.Hour)
		if n := len(asked()); n != 1 {
			t.Errorf("the platform was asked %d times about the one upload, want once to start it", n)
		}
		baseline := fragments()
		b.run(23 * time.Hour)
		if b.count("GET /config") != 1 || b.count("GET /manifest") != 1 || b.count("GET /revocation") != 0 {
			t.Errorf("%d times the profile, %d times the manifest and %d times a revocation was asked for, want 1, 1 and 0",
				b.count("GET /config"), b.count("GET /manifest"), b.count("GET /revocation"))
		}
		if took, pauses := duration(baseline); pauses < 10 || took != 0 {
			t.Errorf("%d fragments took %s, want no pauses", pauses+1, took)
		}
	})
}
