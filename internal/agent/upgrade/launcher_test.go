package upgrade

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

// errTaken says that another version took the place of the launcher.
var errTaken = errors.New("another version runs")

// child is an agent on trial that does as a test says.
type child struct {
	done chan struct{}
	how  string
}

func (c *child) Done() <-chan struct{} { return c.done }
func (c *child) Ended() string         { return c.how }
func (c *child) Stop() {
	select {
	case <-c.done:
	default:
		close(c.done)
	}
}

// watched is a host that runs 2.0.0 and has 2.1.0 on trial.
type watched struct {
	*Versions
	launcher *Launcher
	starts   int
	became   []string
	behave   func(c *child) // of each child, from its start
	probe    error
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{Versions: open(t)}
	w.install(t, "2.1.0")
	if err := w.begin("2.1.0", "2.0.0"); err != nil {
		t.Fatal(err)
	}
	w.launcher = &Launcher{
		Versions: w.Versions, Self: "/packaged", Version: "2.0.0", Packaged: "/packaged", Patience: DefaultPatience, Log: slog.New(slog.DiscardHandler),
		Start: func(string) (Child, error) {
			w.starts++
			c := &child{done: make(chan struct{})}
			go w.behave(c)
			return c, nil
		},
		Exec: func(path string) error {
			w.became = append(w.became, path)
			panic(errTaken) // it does not return
		},
		Probe:    func(context.Context) error { return w.probe },
		Departed: func() bool { return false },
	}
	return w
}

// run runs the launcher and returns how long it took and what came of it: true for
// this version, false for the end.
func (w *watched) run(ctx context.Context, t *testing.T) (here bool, took time.Duration) {
	t.Helper()
	start := time.Now()
	defer func() {
		took = time.Since(start)
		if r := recover(); r != nil && r != any(errTaken) {
			panic(r)
		}
	}()
	here, err := w.launcher.Run(ctx)
	if err != nil {
		t.Error(err)
	}
	return here, time.Since(start)
}

func (w *watched) says(h session.Health) {
	if err := w.Healthy("2.1.0", h); err != nil {
		panic(err)
	}
}

func (w *watched) wantReport(t *testing.T, outcome agentwire.UpgradeOutcome, reason string) {
	t.Helper()
	if r := w.report(); r == nil || r.Outcome != outcome || !strings.Contains(r.Reason, reason) || r.From != "2.0.0" || r.To != "2.1.0" {
		t.Errorf("report is %+v, want %s: %s", r, outcome, reason)
	}
}

func TestAVersionThatReachesThePlatformTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.behave = func(*child) {
			w.says(session.HealthStarted)
			time.Sleep(5 * time.Minute)
			w.says(session.HealthReached)
		}
		_, took := w.run(t.Context(), t)
		if len(w.became) != 1 || w.became[0] != w.program("2.1.0") || took > 6*time.Minute {
			t.Errorf("%v took over after %s", w.became, took)
		}
		w.wantReport(t, agentwire.UpgradeDone, "")
	})
}

func TestAVersionIsRolledBackThatDoesNotWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		behave func(w *watched, c *child)
		reason string
		starts int
		took   time.Duration // at least
	}{
		"it does not reach the platform": {func(w *watched, _ *child) { w.says(session.HealthStarted) }, "did not reach the platform within 10m0s, which version 2.0.0 reaches", 1, DefaultPatience},
		"it hangs":                       {func(*watched, *child) {}, "did not begin to work", 1, DefaultPatience},
		"it crashes": {func(_ *watched, c *child) {
			c.how = "exit status 2"
			c.Stop()
		}, "started 3 times: exit status 2", 3, 0},
		"it ends as if all were well": {func(_ *watched, c *child) { c.Stop() }, "ended by itself", 3, 0},
		"it crashes after a while": {func(w *watched, c *child) {
			w.says(session.HealthStarted)
			time.Sleep(9 * time.Minute)
			c.how = "exit status 2"
			c.Stop()
		}, "started 3 times: exit status 2", 3, 27 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t)
				w.behave = func(c *child) { tt.behave(w, c) }
				here, took := w.run(t.Context(), t)
				if !here || w.starts != tt.starts || took < tt.took {
					t.Errorf("the old version runs again: %t, after %d starts and %s", here, w.starts, took)
				}
				w.wantReport(t, agentwire.UpgradeRolledBack, tt.reason)
				w.wantCurrent(t, "", false)
			})
		})
	}
}

func TestAnOutageAndABlackoutAreNoFaultOfANewVersion(t *testing.T) {
	t.Parallel()
	const silence = time.Hour
	for name, during := range map[string]func(w *watched){
		"the platform is out of reach": func(w *watched) {
			w.says(session.HealthStarted)
			time.Sleep(silence)
		},
		"a blackout": func(w *watched) {
			w.says(session.HealthSilent)
			time.Sleep(silence)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t)
				w.probe = errors.New("no route to host")
				w.behave = func(*child) {
					during(w)
					w.says(session.HealthReached)
				}
				if _, took := w.run(t.Context(), t); len(w.became) != 1 || took < silence {
					t.Errorf("%v took over after %s", w.became, took)
				}
				w.wantReport(t, agentwire.UpgradeDone, "")
			})
		})
	}
}

func TestAStopDuringTheTrialCountsForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.behave = func(*child) { w.says(session.HealthStarted) }
		for range 3 * maxTrialStarts {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if here, _ := w.run(ctx, t); here {
				t.Error("the old version runs although the agent was stopped")
			}
			cancel()
		}
		w.wantCurrent(t, "2.1.0", true)
	})
}

func TestALauncherThatIsKilledAgainAndAgainGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		for range maxTrialStarts { // which is all that is left of a trial that was killed
			if _, _, err := w.started("2.1.0"); err != nil {
				t.Fatal(err)
			}
		}
		if here, _ := w.run(t.Context(), t); !here || w.starts != 0 {
			t.Errorf("the old version runs: %t, after %d more starts", here, w.starts)
		}
		w.wantReport(t, agentwire.UpgradeRolledBack, "stopped each time")
	})
}

func TestAnAdministratorMayGoBackDuringTheTrial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.behave = func(*child) {
			time.Sleep(time.Minute)
			if _, _, err := w.RollBack("by hand", time.Now()); err != nil {
				panic(err)
			}
		}
		if here, took := w.run(t.Context(), t); !here || took > 2*time.Minute {
			t.Errorf("the old version runs: %t, after %s", here, took)
		}
		w.wantReport(t, agentwire.UpgradeRolledBack, "by hand")
	})
}

func TestACrashLoopAfterTheTrialGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		if err := w.passed("2.1.0", time.Now()); err != nil {
			t.Fatal(err)
		}
		for range maxStarts - 1 {
			w.run(t.Context(), t)
		}
		if err := w.Lasted("2.1.0"); err != nil {
			t.Fatal(err)
		}
		for range maxStarts {
			if here, _ := w.run(t.Context(), t); here {
				t.Fatalf("it was rolled back after %d starts", len(w.became))
			}
		}
		if here, _ := w.run(t.Context(), t); !here || len(w.became) != 2*maxStarts-1 {
			t.Errorf("the packaged version runs: %t, after %d starts", here, len(w.became))
		}
		if r := w.report(); r == nil || r.Outcome != agentwire.UpgradeRolledBack || r.To != "2.1.0" || !strings.Contains(r.Reason, "ended within") {
			t.Errorf("report is %+v", r)
		}
	})
}

func TestAVersionThatCannotBeRunIsRolledBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t)
		w.launcher.Start = func(string) (Child, error) { return nil, errors.New("exec format error") }
		if here, _ := w.run(t.Context(), t); !here {
			t.Error("the old version does not run")
		}
		w.wantReport(t, agentwire.UpgradeRolledBack, "exec format error")
	})
}
