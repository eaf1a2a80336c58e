package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func testEnrolment(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("a host becomes an agent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		enrolled := enrol(t, b.Store, 1)
		if enrolled.Known || enrolled.AgentID != AgentID(1) {
			t.Errorf("got %+v", enrolled)
		}
		want := fleet.AgentState{HostID: enrolled.HostID, AgentID: AgentID(1), PublicKey: PublicKey(1), ProfileID: 1, ProfileVersion: 1, ManifestVersion: 1}
		if diff := cmp.Diff(want, must(b.AgentState(t.Context(), AgentID(1)))(t)); diff != "" {
			t.Error(diff)
		}
		for _, unknown := range []string{AgentID(2), "", "\x00", "\xff"} {
			_, err := b.AgentState(t.Context(), unknown)
			wantCode(t, err, fault.NotFound)
		}
	})
	t.Run("the same public key gets the same agent, whatever became of its key", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		createKey(t, b.Store, fleet.ActivationKey{Key: "once", Type: fleet.KeyCountLimited, CountPurchased: 1})
		e := enrolment(1)
		e.ActivationKey = "once"
		first := must(b.EnrolAgent(t.Context(), e))(t)
		e.AgentID, e.ActivationKey = AgentID(9), "gone"
		b.reopen(t)
		again := must(b.EnrolAgent(t.Context(), e))(t)
		if want := (fleet.Enrolled{HostID: first.HostID, AgentID: first.AgentID, Known: true}); again != want {
			t.Errorf("got %+v, want %+v", again, want)
		}
		if used := must(b.ActivationKeys(t.Context()))(t)[1].CountUsed; used != 1 {
			t.Errorf("%d units used, want 1", used)
		}
	})
	t.Run("a key is found by its UUID alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		at := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
		createKey(t, b.Store, fleet.ActivationKey{Key: "timed", Type: fleet.KeyTimeLimited, ExpireDate: at, Disabled: true})
		got := must(b.KeyByUUID(t.Context(), "timed"))(t)
		if got.Key != "timed" || !got.ExpireDate.Equal(at) || !got.Disabled {
			t.Errorf("got %+v", got)
		}
		for _, unknown := range []string{"TIMED", "timed ", "", "%", "\x00", "\xff"} {
			_, err := b.KeyByUUID(t.Context(), unknown)
			wantCode(t, err, fault.NotFound)
		}
	})
	t.Run("a key that may not be used is refused with the reason", func(t *testing.T) {
		t.Parallel()
		testRefusedKeys(t, setup(t, create))
	})
	t.Run("the last unit of a key goes to one host", func(t *testing.T) {
		t.Parallel()
		testLastUnit(t, setup(t, create))
	})
	t.Run("one public key that enrols many times at once is one agent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ids := make([]int64, 8)
		var wait sync.WaitGroup
		for i := range ids {
			wait.Go(func() {
				e := enrolment(1)
				e.AgentID = AgentID(100 + i)
				enrolled, err := b.EnrolAgent(t.Context(), e)
				if err != nil {
					t.Error(err)
				}
				ids[i] = enrolled.HostID
			})
		}
		wait.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("got hosts %v, want one", ids)
			}
		}
	})
	t.Run("facts that cannot be stored are refused and use no unit", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		for _, name := range []string{"nul\x00", "broken\xff", string(make([]byte, 5000))} {
			e := enrolment(1)
			e.Host.Name = name
			_, err := b.EnrolAgent(t.Context(), e)
			wantCode(t, err, fault.Invalid)
		}
		if used := must(b.ActivationKeys(t.Context()))(t)[0].CountUsed; used != 0 {
			t.Errorf("%d units used, want none", used)
		}
	})
}

func testRefusedKeys(t *testing.T, b *bundle) {
	createKey(t, b.Store, fleet.ActivationKey{Key: "disabled", Type: fleet.KeyUnlimited, Disabled: true})
	createKey(t, b.Store, fleet.ActivationKey{Key: "expired", Type: fleet.KeyTimeLimited, ExpireDate: Start})
	createKey(t, b.Store, fleet.ActivationKey{Key: "used up", Type: fleet.KeyCountTimeLimited, CountPurchased: 1, ExpireDate: Start.Add(time.Second)})
	last := enrolment(1)
	last.ActivationKey = "used up"
	must(b.EnrolAgent(t.Context(), last))(t)
	for key, message := range map[string]string{
		"disabled": "the activation key is disabled",
		"expired":  "the activation key expired at " + qps.FormatTime(Start),
		"used up":  "the activation key is used up: all of its 1 agents exist",
		"unknown":  "the activation key is not known here",
		"nul\x00":  "the activation key is not known here",
	} {
		e := enrolment(2)
		e.ActivationKey = key
		_, err := b.EnrolAgent(t.Context(), e)
		wantCode(t, err, fault.Forbidden)
		if got := messageOf(err); got != message {
			t.Errorf("key %q: got %q, want %q", key, got, message)
		}
	}
	if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), nil))(t); n != 1 {
		t.Errorf("refused hosts left something behind: %d hosts, want 1", n)
	}
}

func testLastUnit(t *testing.T, b *bundle) {
	const units, hosts = 3, 12
	createKey(t, b.Store, fleet.ActivationKey{Key: "few", Type: fleet.KeyCountLimited, CountPurchased: units})
	errs := make([]error, hosts)
	var wait sync.WaitGroup
	for i := range hosts {
		wait.Go(func() {
			e := enrolment(i)
			e.ActivationKey = "few"
			_, errs[i] = b.EnrolAgent(t.Context(), e)
		})
	}
	wait.Wait()
	enrolled := 0
	for _, err := range errs {
		if err == nil {
			enrolled++
			continue
		}
		wantCode(t, err, fault.Forbidden)
	}
	used := must(b.ActivationKeys(t.Context()))(t)[1].CountUsed
	count := must(b.CountHosts(t.Context(), fleet.WholeFleet(), nil))(t)
	if enrolled != units || used != units || count != units {
		t.Errorf("%d enrolled, %d units used, %d hosts; want %d each", enrolled, used, count, units)
	}
}
