package session

import (
	"context"
	"errors"
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
	cut            int // calls that ended because their context did
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

func (u *upgrader) Check(context.Context, Download) (bool, error) {
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

func TestAnotherVersionIsLookedForWithEachStatus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		u := &upgrader{}
		b.cfg.Upgrader = u
		b.platform.Profile.Performance = performance.Settings{performance.KeyUpgradeCheckInterval: "86400"}
		b.run(24 * time.Hour)
		checks, setups := u.calls()
		statuses := len(b.agent().Statuses) - 1 // the first contact took two
		if len(checks) != statuses || len(setups) != 0 {
			t.Errorf("%d checks and %d setups at %d contacts, want one check each", len(checks), len(setups), statuses)
		}
	})
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
		u := &upgrader{found: true, fail: errors.New("disk is full")}
		b.cfg.Upgrader = u
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
		u := &upgrader{found: true, takes: 10 * time.Hour}
		b.cfg.Upgrader = u
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
		u := &upgrader{found: true, takes: 10 * time.Hour}
		b.cfg.Upgrader = u
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
