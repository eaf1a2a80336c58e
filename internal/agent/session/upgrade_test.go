package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// upgrader is an Upgrader that notes when it is called.
type upgrader struct {
	mu             sync.Mutex
	found          bool
	fail           error
	takes          time.Duration
	checks, setups []time.Time
	cut            int   // calls that ended because their context did
	held           int64 // version of the release metadata
	expired        bool
	report         *agentwire.UpgradeReport
}

func (u *upgrader) set(found bool, fail error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.found, u.fail = found, fail
}

func (u *upgrader) calls() (checks, setups []time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]time.Time(nil), u.checks...), append([]time.Time(nil), u.setups...)
}

func (u *upgrader) Metadata() (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.held, u.expired
}

func (u *upgrader) Report() *agentwire.UpgradeReport {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.report
}

func (u *upgrader) Reported(agentwire.UpgradeReport) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report = nil
	return nil
}

func (u *upgrader) Check(context.Context, []byte, Download) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.checks = append(u.checks, time.Now())
	return u.found, nil
}

func (u *upgrader) Setup(ctx context.Context, _ Download) error {
	u.mu.Lock()
	u.setups = append(u.setups, time.Now())
	fail := u.fail
	u.mu.Unlock()
	select {
	case <-time.After(u.takes):
		return fail
	case <-ctx.Done():
		u.mu.Lock()
		defer u.mu.Unlock()
		u.cut++
		return ctx.Err()
	}
}

func spans(at []time.Time) (between []time.Duration) {
	for i := 1; i < len(at); i++ {
		between = append(between, at[i].Sub(at[i-1]))
	}
	return between
}

func TestAnotherVersionIsLookedForWhenThePlatformHasOtherMetadata(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{held: 7}
		b.cfg.Upgrader = u
		b.platform.ReleaseV = 7
		b.platform.Profile.Performance = performance.Settings{performance.KeyUpgradeCheckInterval: "86400"}
		b.beside()
		time.Sleep(24 * time.Hour)
		if checks, _ := u.calls(); len(checks) != 0 {
			t.Errorf("%d checks while the platform has nothing else, want none", len(checks))
		}

		agent, contacts := b.agent(), 0
		b.platform.Edit(func() {
			b.platform.ReleaseV = 8
			contacts = -len(agent.Statuses)
		})
		time.Sleep(24 * time.Hour)
		checks, setups := u.calls()
		b.platform.Edit(func() { contacts += len(agent.Statuses) })
		if len(checks) != contacts || len(setups) != 0 {
			t.Errorf("%d checks and %d setups at %d contacts that announce metadata it does not get, want one check each", len(checks), len(setups), contacts)
		}
	})
}

func TestMetadataThatHasExpiredIsAskedForUnannounced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{held: 7, expired: true}
		b.cfg.Upgrader = u
		b.run(24 * time.Hour)
		checks, _ := u.calls()
		if statuses := len(b.agent().Statuses) - 1; len(checks) != statuses { // the first contact took two
			t.Errorf("%d checks at %d contacts, want one each", len(checks), statuses)
		}
	})
}

func TestHowAnUpgradeEndedIsReportedUntilThePlatformHasIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		report := agentwire.UpgradeReport{Outcome: agentwire.UpgradeRolledBack, From: "2.0.0", To: "2.1.0", Reason: "it was broken", At: epoch}
		u := &upgrader{held: 7, report: &report}
		b.cfg.Upgrader = u
		refusals := 3
		b.intercept(agentwire.PathUpgraded, func(w http.ResponseWriter) bool {
			if refusals == 0 {
				return false
			}
			refusals--
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		b.run(time.Hour)
		agent := b.agent()
		if len(agent.Upgrades) != 1 || agent.Upgrades[0] != report || u.Report() != nil {
			t.Errorf("the platform was told %v, want %v once", agent.Upgrades, report)
		}
		if agent.Last.Event != agentwire.EventNotUpgraded && b.count("POST /upgrade") != 4 {
			t.Errorf("the last event is %q after %d reports", agent.Last.Event, b.count("POST /upgrade"))
		}
	})
}

func TestAnAgentSaysHowItIs(t *testing.T) {
	t.Parallel()
	always := []agentwire.Blackout{{StartHour: 0, EndHour: 5, Days: [7]bool{true, true, true, true, true, true, true}}}
	for _, tt := range []struct {
		name     string
		blackout []agentwire.Blackout
		answer   int // of status requests; 0 for what the platform says
		want     []Health
	}{
		{"the platform answers", nil, 0, []Health{HealthReached}},
		{"it is too busy", nil, http.StatusTooManyRequests, []Health{HealthReached}},
		{"it is not available", nil, http.StatusServiceUnavailable, []Health{HealthReached}},
		{"it does not accept the signature", nil, http.StatusUnauthorized, []Health{HealthStarted}},
		{"it is out of reach", nil, http.StatusBadGateway, []Health{HealthStarted}},
		{"in a blackout", always, 0, []Health{HealthSilent}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.platform.Profile.Blackout = tt.blackout
				b.run(time.Minute)
				b.intercept(agentwire.PathStatus, func(w http.ResponseWriter) bool {
					if tt.answer != 0 {
						w.WriteHeader(tt.answer)
					}
					return tt.answer != 0
				})
				var said []Health
				b.cfg.OnTrial, b.cfg.Health = true, func(h Health) { said = append(said, h) }
				b.run(5 * time.Minute)
				if len(said) > 1 && said[0] == HealthStarted && tt.want[0] != HealthStarted {
					said = said[1:] // before the first contact, which is spread
				}
				if !slices.Equal(said, tt.want) {
					t.Errorf("it said %v, want %v", said, tt.want)
				}
			})
		})
	}
}

func TestALegacyAgentLooksForAnotherVersionAtTheUpgradeCheckInterval(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{}
		b.cfg.Upgrader = u
		b.legacy()
		b.change(performance.Settings{performance.KeyUpgradeCheckInterval: "10800"})
		b.beside()
		time.Sleep(24 * time.Hour)
		before, _ := u.calls()
		b.change(performance.Settings{performance.KeyUpgradeCheckInterval: "300"})
		changed := time.Now()
		time.Sleep(6 * time.Hour)
		all, _ := u.calls()
		for _, gap := range spans(before) {
			if !within(gap, 3*time.Hour) {
				t.Errorf("a check came after %s, want 10800 s ± 10 %%", gap)
			}
		}
		after := all[len(before):]
		for _, gap := range spans(after) {
			if !within(gap, 5*time.Minute) {
				t.Errorf("a check came after %s under the new profile, want 300 s ± 10 %%", gap)
			}
		}
		if len(before) < 8 || len(after) < 65 || after[0].Sub(changed) > 7*time.Minute {
			t.Errorf("%d checks in a day and %d in six hours after, the first after %s", len(before), len(after), after[0].Sub(changed))
		}
	})
}

func TestAnUpgradeThatFailsIsTriedAgainAtTheReattemptInterval(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{found: true, held: 1, fail: errors.New("disk is full")}
		b.cfg.Upgrader = u
		b.platform.ReleaseV = 2
		b.platform.Profile.Performance = performance.Settings{performance.KeyUpgradeRetryInterval: "7200", performance.KeyStatusInterval: "300"}
		b.beside()
		time.Sleep(24 * time.Hour)
		checks, before := u.calls()
		for _, gap := range spans(before) {
			if !within(gap, 2*time.Hour) {
				t.Errorf("an attempt came after %s, want 7200 s ± 10 %%", gap)
			}
		}
		if len(before) < 11 || before[0].Sub(checks[0]) > time.Minute {
			t.Errorf("%d attempts in a day, the first %s after it was found", len(before), before[0].Sub(checks[0]))
		}
		if n := b.logged("disk is full") - b.logged("level=DEBUG msg=\"upgrade failed\""); n != 1 {
			t.Errorf("the failure was logged %d times beyond the details, want once", n)
		}

		b.change(performance.Settings{performance.KeyUpgradeRetryInterval: "180"})
		time.Sleep(2 * time.Hour)
		_, all := u.calls()
		if n := len(all) - len(before); n < 35 || n > 45 {
			t.Errorf("%d attempts in two hours, want one every 180 s", n)
		}

		u.set(true, nil)
		time.Sleep(5 * time.Minute)
		u.set(false, nil) // this is the version now
		_, all = u.calls()
		time.Sleep(6 * time.Hour)
		if _, later := u.calls(); len(later) != len(all) {
			t.Errorf("%d attempts after the one that succeeded", len(later)-len(all))
		}
	})
}

func TestAProfileCanPreventUpgrades(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{found: true, held: 1, takes: 10 * time.Hour}
		b.cfg.Upgrader = u
		b.platform.ReleaseV = 2
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "300"}
		b.beside()
		time.Sleep(time.Hour)
		b.platform.Edit(func() { b.platform.ProfileV, b.platform.Profile.PreventUpdate = 2, true })
		time.Sleep(10 * time.Minute)
		checks, setups := u.calls()
		if len(setups) != 1 || u.cut != 1 {
			t.Errorf("%d setups of which %d were cut short, want one that the profile ended", len(setups), u.cut)
		}
		time.Sleep(24 * time.Hour)
		if later, more := u.calls(); len(later) != len(checks) || len(more) != len(setups) {
			t.Errorf("%d checks and %d setups although the profile prevents upgrades", len(later)-len(checks), len(more)-len(setups))
		}
		b.platform.Edit(func() { b.platform.ProfileV, b.platform.Profile.PreventUpdate = 3, false })
		time.Sleep(10 * time.Minute)
		if later, more := u.calls(); len(later) == len(checks) || len(more) != 2 {
			t.Errorf("%d checks and %d setups since the profile allows upgrades again", len(later)-len(checks), len(more)-len(setups))
		}
	})
}

func TestNoUpgradeRunsInABlackout(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{found: true, held: 1, takes: 10 * time.Hour}
		b.cfg.Upgrader = u
		b.platform.ReleaseV = 2
		b.platform.Profile.Blackout = []agentwire.Blackout{{StartHour: 1, EndHour: 5, Days: [7]bool{true, true, true, true, true, true, true}}}
		b.beside()
		time.Sleep(time.Hour + time.Minute)
		if _, setups := u.calls(); len(setups) != 1 || u.cut != 1 {
			t.Errorf("%d setups of which %d were cut short, want one that the blackout ended", len(setups), u.cut)
		}
		time.Sleep(3*time.Hour + 58*time.Minute)
		if checks, setups := u.calls(); len(checks) == 0 || checks[len(checks)-1].Sub(epoch) > time.Hour || len(setups) != 1 {
			t.Error("an upgrade was looked for or begun in a blackout")
		}
		time.Sleep(time.Hour)
		if _, setups := u.calls(); len(setups) != 2 {
			t.Errorf("%d setups after the blackout, want a second one", len(setups))
		}
	})
}
