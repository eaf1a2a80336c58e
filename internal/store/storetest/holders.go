package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

func testHolders(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("a holder is kept as it was judged", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		id := enrol(t, b.Store, 1).HostID
		want := fleet.Holder{
			Fingerprint: "f00d",
			Runs:        []fleet.Run{{ID: "one", First: Start}, {ID: "two", First: Start.Add(time.Minute)}},
			Denied:      []fleet.Run{{ID: "other", First: Start.Add(time.Nanosecond)}},
			Heir:        &fleet.Heir{Fingerprint: "cafe", Run: "three", First: Start.Add(time.Hour), Refuted: true},
		}
		if got := judge(t, b.Store, id, want); !cmp.Equal(got, fleet.Holder{}) {
			t.Errorf("before the first claim the holder is %+v", got)
		}
		b.reopen(t)
		if diff := cmp.Diff(want, judge(t, b.Store, id, want)); diff != "" {
			t.Error(diff)
		}
		if run := must(b.AgentState(t.Context(), AgentID(1)))(t).Run; run != "two" {
			t.Errorf("run %q speaks for the agent, want the last", run)
		}
		want.Heir = &fleet.Heir{Fingerprint: "cafe", Run: "three", First: Start.Add(time.Hour)}
		judge(t, b.Store, id, want)
		if run := must(b.AgentState(t.Context(), AgentID(1)))(t).Run; run != "" {
			t.Errorf("run %q speaks for the agent while an heir waits, want none", run)
		}
		want.Runs, want.Heir = want.Runs[:1], nil
		judge(t, b.Store, id, want)
		if run := must(b.AgentState(t.Context(), AgentID(1)))(t).Run; run != "one" {
			t.Errorf("run %q speaks for the agent, want the one that is left", run)
		}
	})
	t.Run("silence is told by the last check-in and the profile's interval", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		id := enrol(t, b.Store, 1).HostID
		save(t, b.Store, fleet.Heartbeat{HostID: id, At: Start.Add(time.Hour), Sequence: 1})
		want := fleet.Silence{LastHeard: Start.Add(time.Hour), Inactive: 3 * Profiles()[0].Performance.StatusInterval()}
		_, err := b.JudgeClaim(t.Context(), id, func(h fleet.Holder, got fleet.Silence) (fleet.Holder, fleet.Verdict) {
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			return h, fleet.Waiting
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("an agent that is gone has no holder", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		id := enrol(t, b.Store, 1).HostID
		judge(t, b.Store, id, fleet.Holder{Runs: []fleet.Run{{ID: "one", First: Start}}})
		must(b.RemoveAgents(t.Context(), fleet.Removal{HostIDs: []int64{id}, By: "ada", At: Start}))(t)
		_, err := b.JudgeClaim(t.Context(), id, func(h fleet.Holder, _ fleet.Silence) (fleet.Holder, fleet.Verdict) { return h, fleet.Rightful })
		wantCode(t, err, fault.NotFound)
	})
	t.Run("replicas that judge at once agree", func(t *testing.T) {
		t.Parallel()
		testClaimRace(t, setup(t, create))
	})
}

// judge puts next in the place of the holder and returns what was there.
func judge(t *testing.T, s *store.Store, hostID int64, next fleet.Holder) (before fleet.Holder) {
	t.Helper()
	verdict, err := s.JudgeClaim(t.Context(), hostID, func(h fleet.Holder, _ fleet.Silence) (fleet.Holder, fleet.Verdict) {
		before = h
		return next, fleet.Cloned
	})
	if err != nil || verdict != fleet.Cloned {
		t.Fatalf("verdict %d, %v", verdict, err)
	}
	return before
}

// testClaimRace has machines from one image claim an identity whose holder has
// been silent, at two replicas at once. One gets it, one waits.
func testClaimRace(t *testing.T, b *bundle) {
	const machines = 20
	id := enrol(t, b.Store, 1).HostID
	judge(t, b.Store, id, fleet.Holder{Fingerprint: "origin", Runs: []fleet.Run{{ID: "origin", First: Start}}})
	now := Start.Add(24 * time.Hour)
	replicas := []*store.Store{b.Store, b.database(t, b.clock)}
	verdicts, errs := make([]fleet.Verdict, machines), make([]error, machines)
	var wait sync.WaitGroup
	for i := range machines {
		wait.Go(func() {
			claim := fleet.Claim{Run: fmt.Sprint("run ", i), Fingerprint: fmt.Sprint("F", i)}
			verdicts[i], errs[i] = replicas[i%2].JudgeClaim(t.Context(), id, func(h fleet.Holder, s fleet.Silence) (fleet.Holder, fleet.Verdict) {
				return h.Judge(claim, s, now)
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	count := make(map[fleet.Verdict]int)
	for _, verdict := range verdicts {
		count[verdict]++
	}
	want := map[fleet.Verdict]int{fleet.Rightful: 1, fleet.Waiting: 1, fleet.Cloned: machines - 2}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
}
