package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

func testModules(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"modules are given to all agents or to none":                     testChangedModules,
		"two changes of one agent at once do not exclude each other":     testModuleRace,
		"a new set without a change writes nothing and is still counted": testSameModules,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

func modulesOf(t *testing.T, b *bundle, host int64) []string {
	t.Helper()
	return must(b.Host(t.Context(), fleet.WholeFleet(), host))(t).AgentInfo.ActivatedModules
}

func testChangedModules(t *testing.T, b *bundle) {
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	seen := map[int64][]fleet.Module{}
	found := must(b.ChangeModules(t.Context(), []int64{two, one, two + 100}, func(host int64, active []fleet.Module) ([]fleet.Module, error) {
		seen[host] = active
		if host == one {
			return []fleet.Module{fleet.ModuleVM, fleet.ModuleSwCA}, nil
		}
		return nil, nil
	}))(t)
	if diff := cmp.Diff([]int64{one, two}, found); diff != "" {
		t.Errorf("agents found: %s", diff)
	}
	both := []fleet.Module{fleet.ModulePC, fleet.ModuleVM}
	if diff := cmp.Diff(map[int64][]fleet.Module{one: both, two: both}, seen); diff != "" {
		t.Errorf("modules before: %s", diff)
	}
	if got := modulesOf(t, b, one); !slices.Equal(got, []string{"AGENT_SwCA", "AGENT_VM"}) {
		t.Errorf("first agent has %v", got)
	}
	if got := modulesOf(t, b, two); len(got) != 0 {
		t.Errorf("second agent has %v", got)
	}
	_, err := b.ChangeModules(t.Context(), []int64{one, two}, func(host int64, _ []fleet.Module) ([]fleet.Module, error) {
		if host == two {
			return nil, fault.Newf(fault.Conflict, "not here")
		}
		return []fleet.Module{fleet.ModuleSCA}, nil
	})
	wantCode(t, err, fault.Conflict)
	if got := modulesOf(t, b, one); !slices.Equal(got, []string{"AGENT_SwCA", "AGENT_VM"}) {
		t.Errorf("a refused change left %v on the first agent", got)
	}
}

func testSameModules(t *testing.T, b *bundle) {
	one := enrol(t, b.Store, 1).HostID
	found := must(b.ChangeModules(t.Context(), []int64{one}, func(_ int64, active []fleet.Module) ([]fleet.Module, error) { return active, nil }))(t)
	if got := modulesOf(t, b, one); len(found) != 1 || !slices.Equal(got, []string{"AGENT_PC", "AGENT_VM"}) {
		t.Errorf("found %v, modules %v", found, got)
	}
	if none := must(b.ChangeModules(t.Context(), nil, nil))(t); len(none) != 0 {
		t.Errorf("a change of no host found %v", none)
	}
}

// testModuleRace activates, on one agent and at once, many modules each of which
// wants to be the only one.
func testModuleRace(t *testing.T, b *bundle) {
	one := enrol(t, b.Store, 1).HostID
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			_, err := b.ChangeModules(t.Context(), []int64{one}, func(_ int64, active []fleet.Module) ([]fleet.Module, error) {
				if len(active) == 1 {
					return active, nil
				}
				return []fleet.Module{fleet.Module(fmt.Sprintf("AGENT_%d", i))}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := modulesOf(t, b, one); len(got) != 1 {
		t.Errorf("modules %v, want one", got)
	}
}

func testRemoval(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"a removed host leaves nothing but the order":               testRemovedHost,
		"a purge leaves no order and spares who checked in since":   testPurgedHost,
		"an order stays open until the agent confirms it":           testOrderLife,
		"orders are listed newest first":                            testListedOrders,
		"removals of one host at once free one unit":                testRemovalRace,
		"a host that enrols again with the same key is a new asset": testReturnedHost,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

func uninstall(t *testing.T, b *bundle, hosts ...int64) []int64 {
	t.Helper()
	return must(b.RemoveAgents(t.Context(), fleet.Removal{HostIDs: hosts, Order: true, By: "ada", At: *b.now}))(t)
}

// rowsOf counts the rows that tables hold of a host.
func rowsOf(t *testing.T, b *bundle, host int64) int {
	t.Helper()
	rows := 0
	for _, table := range []string{
		"host_details", "host_tags", "host_ports", "host_software", "agents", "host_modules", "heartbeats",
		"snapshots", "uploads", "upload_fragments", "scan_requests",
	} {
		var n int
		err := b.InTx(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE host_id = ?", host).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		rows += n
	}
	return rows
}

func unitsUsed(t *testing.T, b *bundle) int {
	t.Helper()
	return must(b.ActivationKeys(t.Context()))(t)[0].CountUsed
}

func testRemovedHost(t *testing.T, b *bundle) {
	ctx := t.Context()
	one, two := enrol(t, b.Store, 1), enrol(t, b.Store, 2)
	for _, host := range []int64{one.HostID, two.HostID} {
		send(t, b.Store, pack(host, nil, fullSnapshot()), Start)
		launch(t, b.Store, agentwire.InventoryScan, host)
	}
	last := must(b.LastChange(ctx))(t)
	if removed := uninstall(t, b, one.HostID, 4711); !slices.Equal(removed, []int64{one.HostID}) {
		t.Errorf("removed %v, want host %d", removed, one.HostID)
	}
	_, err := b.Host(ctx, fleet.WholeFleet(), one.HostID)
	wantCode(t, err, fault.NotFound)
	_, err = b.AgentState(ctx, one.AgentID)
	wantCode(t, err, fault.NotFound)
	if n := must(b.CountHosts(ctx, fleet.WholeFleet(), conditions(t, "name", "CONTAINS", "edge-cache")))(t); n != 1 {
		t.Errorf("%d hosts are found by name, want the other one", n)
	}
	if n := rowsOf(t, b, one.HostID); n != 0 {
		t.Errorf("%d rows of the host are left", n)
	}
	if rowsOf(t, b, two.HostID) == 0 || len(must(b.Host(ctx, fleet.WholeFleet(), two.HostID))(t).Software) == 0 {
		t.Error("the other host lost its inventory")
	}
	if used := unitsUsed(t, b); used != 1 {
		t.Errorf("%d units of the key are used, want 1", used)
	}
	changes := must(b.ChangesSince(ctx, last, 10))(t)
	if len(changes) != 1 || changes[0].HostID != one.HostID || changes[0].AgentID != one.AgentID {
		t.Errorf("replicas are told %+v, want the removed agent", changes)
	}
	want := fleet.Uninstall{
		ID: 1, HostID: one.HostID, HostName: "edge-cache-04", AgentID: one.AgentID, PublicKey: PublicKey(1),
		RequestedBy: "ada", State: fleet.UninstallOpen, Created: Start,
	}
	if diff := cmp.Diff(want, must(b.UninstallOrder(ctx, one.AgentID))(t)); diff != "" {
		t.Errorf("order: %s", diff)
	}
	if again := uninstall(t, b, one.HostID); len(again) != 0 {
		t.Errorf("removed %v again", again)
	}
	beat := fleet.Heartbeat{HostID: one.HostID, At: Start.Add(time.Hour)} // was on its way
	if err := b.SaveHeartbeats(ctx, []fleet.Heartbeat{beat}); err != nil {
		t.Error(err)
	}
}

func testPurgedHost(t *testing.T, b *bundle) {
	ctx := t.Context()
	silent, busy := enrol(t, b.Store, 1), enrol(t, b.Store, 2)
	if err := b.SaveHeartbeats(ctx, []fleet.Heartbeat{{HostID: busy.HostID, At: Start.Add(2 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	removed := must(b.RemoveAgents(ctx, fleet.Removal{HostIDs: []int64{busy.HostID, silent.HostID}, SilentSince: Start.Add(time.Hour), At: Start}))(t)
	if !slices.Equal(removed, []int64{silent.HostID}) || unitsUsed(t, b) != 1 {
		t.Errorf("removed %v with %d units left in use, want the silent host and 1", removed, unitsUsed(t, b))
	}
	_, err := b.UninstallOrder(ctx, silent.AgentID)
	wantCode(t, err, fault.NotFound)
}

func testOrderLife(t *testing.T, b *bundle) {
	ctx := t.Context()
	one := enrol(t, b.Store, 1)
	wantCode(t, b.ConfirmUninstall(ctx, one.AgentID, Start), fault.NotFound)
	uninstall(t, b, one.HostID)
	b.reopen(t)
	confirmed := Start.Add(time.Minute + 5*time.Millisecond)
	for _, at := range []time.Time{confirmed, Start.Add(time.Hour)} {
		if err := b.ConfirmUninstall(ctx, one.AgentID, at); err != nil {
			t.Fatal(err)
		}
		if u := must(b.UninstallOrder(ctx, one.AgentID))(t); u.State != fleet.UninstallConfirmed || !u.Confirmed.Equal(confirmed) {
			t.Errorf("order is %s at %s, want confirmed at %s", u.State, u.Confirmed, confirmed)
		}
	}
	for _, unknown := range []string{"", "\x00", "\xff", AgentID(9)} {
		wantCode(t, b.ConfirmUninstall(ctx, unknown, Start), fault.NotFound)
		_, err := b.UninstallOrder(ctx, unknown)
		wantCode(t, err, fault.NotFound)
	}
	_, err := b.RemoveAgents(ctx, fleet.Removal{HostIDs: []int64{1}, Order: true, By: "nul\x00"})
	wantCode(t, err, fault.Invalid)
}

func testListedOrders(t *testing.T, b *bundle) {
	ctx := t.Context()
	var hosts []int64
	for i := range 4 {
		hosts = append(hosts, enrol(t, b.Store, i).HostID)
	}
	uninstall(t, b, hosts...)
	if err := b.ConfirmUninstall(ctx, AgentID(1), Start); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		filter fleet.UninstallFilter
		want   []int64
	}{
		{fleet.UninstallFilter{Limit: 10}, []int64{4, 3, 2, 1}},
		{fleet.UninstallFilter{Limit: 2}, []int64{4, 3}},
		{fleet.UninstallFilter{Limit: 10, Before: 3}, []int64{2, 1}},
		{fleet.UninstallFilter{Limit: 10, State: fleet.UninstallOpen}, []int64{4, 3, 1}},
		{fleet.UninstallFilter{Limit: 10, State: fleet.UninstallConfirmed}, []int64{2}},
		{fleet.UninstallFilter{Limit: 10, State: fleet.UninstallConfirmed, Before: 2}, nil},
	} {
		var got []int64
		for _, u := range must(b.Uninstalls(ctx, test.filter))(t) {
			got = append(got, u.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: got %v, want %v", test.filter, got, test.want)
		}
	}
}

func testRemovalRace(t *testing.T, b *bundle) {
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	enrol(t, b.Store, 3)
	counts := make([]int, 6)
	var wait sync.WaitGroup
	for i := range counts {
		wait.Go(func() {
			removed, err := b.RemoveAgents(t.Context(), fleet.Removal{HostIDs: []int64{two, one}, Order: i%2 == 0, By: "ada", At: Start})
			if err != nil {
				t.Error(err)
			}
			counts[i] = len(removed)
		})
	}
	wait.Wait()
	slices.Sort(counts)
	if counts[4] != 0 || counts[5] != 2 || unitsUsed(t, b) != 1 {
		t.Errorf("removals took %v hosts and left %d units in use, want one that took both and 1", counts, unitsUsed(t, b))
	}
}

func testReturnedHost(t *testing.T, b *bundle) {
	first := enrol(t, b.Store, 1)
	uninstall(t, b, first.HostID)
	e := enrolment(1)
	e.AgentID = AgentID(99)
	again := must(b.EnrolAgent(t.Context(), e))(t)
	if again.Known || again.HostID == first.HostID || again.AgentID != AgentID(99) {
		t.Errorf("got %+v, want another asset than %+v", again, first)
	}
	if u := must(b.UninstallOrder(t.Context(), first.AgentID))(t); u.State != fleet.UninstallOpen {
		t.Errorf("the order to the former agent is %s", u.State)
	}
	uninstall(t, b, again.HostID)
	if n := len(must(b.Uninstalls(t.Context(), fleet.UninstallFilter{Limit: 10}))(t)); n != 2 {
		t.Errorf("%d orders, want one for each life", n)
	}
}
