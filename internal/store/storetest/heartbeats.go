package storetest

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testHeartbeats(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("the newest contact of each host is kept", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
		save(t, b.Store,
			fleet.Heartbeat{HostID: one, At: Start.Add(90 * time.Minute), ConnectedFrom: "192.0.2.1", Sequence: 7, AgentVersion: "2.1.0", Event: "Manifest Downloaded"},
			fleet.Heartbeat{HostID: two, At: Start.Add(90*time.Minute + 999*time.Millisecond), ConnectedFrom: "192.0.2.2", Sequence: math.MaxUint64},
			fleet.Heartbeat{HostID: two + 1000, At: Start.Add(time.Hour)})
		save(t, b.Store, fleet.Heartbeat{HostID: one, At: Start.Add(time.Hour), ConnectedFrom: "late", AgentVersion: "2.0.5", Event: "late"})
		b.reopen(t)
		want := qps.AgentInfo{
			AgentVersion: "2.1.0", AgentID: AgentID(1), Status: qps.AgentActive, LastCheckedIn: Start.Add(90 * time.Minute),
			ConnectedFrom: "192.0.2.1", ChirpStatus: "Manifest Downloaded", Platform: "Linux",
			ActivatedModules: []string{"AGENT_PC", "AGENT_VM"}, AgentConfiguration: qps.AgentConfiguration{ID: 1, Name: "Normal"},
			ActivationKey: qps.ActivationKeyRef{ActivationID: ActivationKey, Title: "Edge key"},
		}
		if diff := cmp.Diff(want, agentInfo(t, b.Store, one)); diff != "" {
			t.Error(diff)
		}
		want.AgentVersion, want.AgentID, want.ConnectedFrom, want.ChirpStatus = "2.0.0", AgentID(2), "192.0.2.2", "Provisioned"
		if diff := cmp.Diff(want, agentInfo(t, b.Store, two)); diff != "" {
			t.Error("no event and no version keep the stored ones: ", diff)
		}
	})
	t.Run("texts that cannot be stored count as not sent", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
		later := Start.Add(time.Hour)
		for _, bad := range []string{"nul\x00", "broken\xff", strings.Repeat("x", 5000)} {
			save(t, b.Store,
				fleet.Heartbeat{HostID: one, At: later, ConnectedFrom: bad, AgentVersion: bad, Event: bad},
				fleet.Heartbeat{HostID: two, At: later, Event: "fine"})
			for id, event := range map[int64]string{one: "Provisioned", two: "fine"} {
				a := agentInfo(t, b.Store, id)
				if a.ChirpStatus != event || a.AgentVersion != "2.0.0" || a.ConnectedFrom != "" || !a.LastCheckedIn.Equal(later) {
					t.Errorf("host %d: got %+v, want event %q", id, a, event)
				}
			}
			later = later.Add(time.Hour)
		}
	})
	t.Run("replicas that save the same hosts at once do not lose any", func(t *testing.T) {
		t.Parallel()
		testHeartbeatRace(t, setup(t, create))
	})
	t.Run("an agent that misses three contacts is inactive", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		id := enrol(t, b.Store, 1).HostID
		interval := Profiles()[0].Performance.StatusInterval()
		for after, want := range map[time.Duration]string{3 * interval: qps.AgentActive, 3*interval + time.Second: qps.AgentInactive} {
			*b.now = Start.Add(after)
			if got := agentInfo(t, b.Store, id).Status; got != want {
				t.Errorf("%s after the last contact: got %s, want %s", after, got, want)
			}
		}
	})
}

// testHeartbeatRace saves batches in opposite orders, as two replicas whose
// agents moved from one to the other.
func testHeartbeatRace(t *testing.T, b *bundle) {
	const hosts, rounds = 40, 10
	replicas := []*store.Store{b.Store, b.database(t, b.clock)}
	batch := make([]fleet.Heartbeat, hosts)
	for i := range batch {
		batch[i] = fleet.Heartbeat{HostID: enrol(t, b.Store, i).HostID}
	}
	var wait sync.WaitGroup
	for r, replica := range replicas {
		wait.Go(func() {
			mine := slices.Clone(batch)
			if r == 1 {
				slices.Reverse(mine)
			}
			for round := range rounds {
				for i := range mine {
					mine[i].At, mine[i].Sequence = Start.Add(time.Duration(2*round+r)*time.Minute), uint64(2*round+r)
				}
				if err := replica.SaveHeartbeats(t.Context(), mine); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for _, h := range batch {
		if got := agentInfo(t, b.Store, h.HostID).LastCheckedIn; !got.Equal(Start.Add((2*rounds - 1) * time.Minute)) {
			t.Errorf("host %d: last contact is %s", h.HostID, got)
		}
	}
}

func save(tb testing.TB, s *store.Store, batch ...fleet.Heartbeat) {
	tb.Helper()
	if err := s.SaveHeartbeats(tb.Context(), batch); err != nil {
		tb.Fatal(err)
	}
}

func agentInfo(tb testing.TB, s *store.Store, hostID int64) qps.AgentInfo {
	tb.Helper()
	h := must(s.Host(tb.Context(), fleet.WholeFleet(), hostID))(tb)
	if h.AgentInfo == nil {
		tb.Fatalf("host %d has no agent", hostID)
	}
	return *h.AgentInfo
}
