package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/store"
)

func testScanRequests(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"a request goes from launch to delivery to the agent's reports": testScanLife,
		"a request repeated while one is pending joins it":              testJoinedScan,
		"requests launched at once for one host are one":                testScanRace,
		"a launch is not lost on requests that end meanwhile":           testLaunchWhileRequestsEnd,
		"a host without an agent fails the whole launch":                testLaunchWithoutAgent,
		"requests nobody answers end":                                   testExpiredScans,
		"more requests than one transaction ends":                       testManyExpiredScans,
		"requests are listed newest first":                              testListedScans,
		"reports the machine does not allow change nothing":             testRefusedReports,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

func testScanLife(t *testing.T, b *bundle) {
	ctx := t.Context()
	one, two := enrol(t, b.Store, 1), enrol(t, b.Store, 2)
	requests := must(b.CreateScanRequests(ctx, ondemand.Launch{
		HostIDs: []int64{two.HostID, one.HostID}, Type: agentwire.InventoryScan, OverrideCPU: true, RequestedBy: "admin", At: Start,
	}))(t)
	want := ondemand.Request{
		ID: requests[0].ID, HostID: two.HostID, AgentID: two.AgentID, Type: agentwire.InventoryScan, OverrideCPU: true, State: ondemand.Queued, RequestedBy: "admin", Created: Start,
	}
	if diff := cmp.Diff(want, requests[0]); diff != "" || requests[1].HostID != one.HostID || requests[1].ID <= requests[0].ID {
		t.Errorf("%s\nand then %+v", diff, requests[1])
	}
	if state := must(b.AgentState(ctx, two.AgentID))(t); state.DemandVersion != want.ID {
		t.Errorf("demand version %d, want %d", state.DemandVersion, want.ID)
	}
	want.State, want.Delivered = ondemand.Delivered, Start.Add(time.Second+5*time.Millisecond)
	for _, at := range []time.Time{want.Delivered, Start.Add(time.Hour)} {
		delivered := must(b.DeliverScanRequests(ctx, two.HostID, at, 10))(t)
		if diff := cmp.Diff([]ondemand.Request{want}, delivered); diff != "" {
			t.Errorf("delivery at %s: %s", at, diff)
		}
	}
	b.reopen(t)
	report := func(state agentwire.ScanState, reason string, at time.Time) {
		t.Helper()
		if err := b.ReportScanRequest(ctx, two.HostID, want.ID, agentwire.ScanReport{State: state, Reason: reason}, at); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, must(b.ScanRequest(ctx, fleet.WholeFleet(), want.ID))(t)); diff != "" {
			t.Errorf("after %s: %s", state, diff)
		}
	}
	want.State, want.Started = ondemand.Running, Start.Add(2*time.Second)
	report(agentwire.ScanRunning, "", want.Started)
	report(agentwire.ScanRunning, "", Start.Add(time.Hour)) // again
	want.State, want.Ended, want.Reason = ondemand.Failed, Start.Add(3*time.Second), "the package database is broken"
	report(agentwire.ScanFailed, want.Reason, want.Ended)
	report(agentwire.ScanRejected, "late", Start.Add(time.Hour)) // final
	if state := must(b.AgentState(ctx, two.AgentID))(t); state.DemandVersion != 0 {
		t.Errorf("demand version %d though nothing is pending", state.DemandVersion)
	}
	if again := launch(t, b.Store, agentwire.InventoryScan, two.HostID)[0]; again.ID <= want.ID {
		t.Errorf("a new launch joined the failed request: %+v", again)
	}
}

func testJoinedScan(t *testing.T, b *bundle) {
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	first := launch(t, b.Store, agentwire.InventoryScan, one)[0]
	vulnerability := launch(t, b.Store, agentwire.VulnerabilityScan, one)[0]
	both := launch(t, b.Store, agentwire.InventoryScan, two, one, one)
	if both[1] != first || both[2] != first || both[0].HostID != two || vulnerability.ID == first.ID {
		t.Errorf("got %+v, want the second and third to be %+v", both, first)
	}
	if all := must(b.ScanRequests(t.Context(), ondemand.Filter{Scope: fleet.WholeFleet(), Limit: 10}))(t); len(all) != 3 {
		t.Errorf("%d requests stored, want 3", len(all))
	}
	if none := must(b.CreateScanRequests(t.Context(), ondemand.Launch{Type: agentwire.InventoryScan}))(t); len(none) != 0 {
		t.Errorf("a launch for no host made %v", none)
	}
}

func testScanRace(t *testing.T, b *bundle) {
	hosts := []int64{enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID}
	ids := make([]int64, 8)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			requests, err := b.CreateScanRequests(t.Context(), ondemand.Launch{HostIDs: []int64{hosts[i%2], hosts[1-i%2]}, Type: agentwire.InventoryScan, At: Start})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = requests[0].ID + requests[1].ID
		})
	}
	wait.Wait()
	if all := must(b.ScanRequests(t.Context(), ondemand.Filter{Scope: fleet.WholeFleet(), Limit: 100}))(t); len(all) != 2 {
		t.Errorf("%d requests stored, want 2", len(all))
	}
	for _, sum := range ids {
		if sum != ids[0] {
			t.Errorf("launches got different requests: %v", ids)
		}
	}
}

// testLaunchWhileRequestsEnd launches for hosts whose pending requests end at
// that moment: each host has the pending one or gets another.
func testLaunchWhileRequestsEnd(t *testing.T, b *bundle) {
	const hosts, rounds = 10, 20
	ctx := t.Context()
	ids := make([]int64, hosts)
	for i := range ids {
		ids[i] = enrol(t, b.Store, i).HostID
	}
	for range rounds {
		pending := launch(t, b.Store, agentwire.InventoryScan, ids...)
		var wait sync.WaitGroup
		wait.Go(func() {
			for _, r := range pending {
				if err := b.ReportScanRequest(ctx, r.HostID, r.ID, agentwire.ScanReport{State: agentwire.ScanFailed}, Start); err != nil {
					t.Error(err)
				}
			}
		})
		wait.Go(func() {
			for range 6 {
				_, err := b.CreateScanRequests(ctx, ondemand.Launch{HostIDs: ids, Type: agentwire.InventoryScan, At: Start})
				if err != nil {
					t.Error(err)
				}
			}
		})
		wait.Wait()
	}
}

func testLaunchWithoutAgent(t *testing.T, b *bundle) {
	host := enrol(t, b.Store, 1).HostID
	_, err := b.CreateScanRequests(t.Context(), ondemand.Launch{HostIDs: []int64{host, host + 7}, Type: agentwire.InventoryScan, At: Start})
	wantCode(t, err, fault.NotFound)
	if all := must(b.ScanRequests(t.Context(), ondemand.Filter{Scope: fleet.WholeFleet(), Limit: 10}))(t); len(all) != 0 {
		t.Errorf("a failed launch stored %v", all)
	}
}

func testExpiredScans(t *testing.T, b *bundle) {
	ctx := t.Context()
	one, two, three, four := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID, enrol(t, b.Store, 3).HostID, enrol(t, b.Store, 4).HostID
	requests := launch(t, b.Store, agentwire.InventoryScan, one, two, three, four)
	setScanState(t, b.Store, requests[3].ID, ondemand.Uploaded)
	must(b.DeliverScanRequests(ctx, two, Start, 10))(t)
	must(b.DeliverScanRequests(ctx, three, Start, 10))(t)
	if err := b.ReportScanRequest(ctx, three, requests[2].ID, agentwire.ScanReport{State: agentwire.ScanRunning}, Start); err != nil {
		t.Fatal(err)
	}
	at := Start.Add(time.Hour)
	for _, step := range []struct {
		cutoff, abandoned time.Time
		moved             int64
		states            []ondemand.State
	}{
		{Start, Start, 0, []ondemand.State{ondemand.Queued, ondemand.Delivered, ondemand.Running, ondemand.Uploaded}},
		{Start.Add(time.Second), Start, 1, []ondemand.State{ondemand.Expired, ondemand.Delivered, ondemand.Running, ondemand.Uploaded}},
		{Start.Add(time.Second), Start.Add(time.Second), 3, []ondemand.State{ondemand.Expired, ondemand.Failed, ondemand.Failed, ondemand.Failed}},
		{Start.Add(time.Second), Start.Add(time.Second), 0, []ondemand.State{ondemand.Expired, ondemand.Failed, ondemand.Failed, ondemand.Failed}},
	} {
		if moved := must(b.ExpireScanRequests(ctx, step.cutoff, step.abandoned, at))(t); moved != step.moved {
			t.Errorf("%d moved, want %d", moved, step.moved)
		}
		for i, want := range step.states {
			r := must(b.ScanRequest(ctx, fleet.WholeFleet(), requests[i].ID))(t)
			if r.State != want || r.State.Final() != r.Ended.Equal(at) || r.State.Final() != (r.Reason != "") {
				t.Errorf("request %d is %+v, want %s", i, r, want)
			}
		}
	}
}

// setScanState sets a state that no part of the platform gives a request yet.
func setScanState(tb testing.TB, s *store.Store, id int64, state ondemand.State) {
	tb.Helper()
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(tb.Context(), "UPDATE scan_requests SET state = ? WHERE id = ?", string(state), id)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func testManyExpiredScans(t *testing.T, b *bundle) {
	ctx := t.Context()
	hosts := Hosts(t, b.Store, 1100)
	ids := make([]int64, len(hosts))
	for i := range hosts {
		hosts[i].Software, hosts[i].Ports, ids[i] = nil, nil, hosts[i].ID
	}
	Fill(t, b.Store, hosts)
	launch(t, b.Store, agentwire.InventoryScan, ids...)
	later := Start.Add(time.Second)
	if moved := must(b.ExpireScanRequests(ctx, later, later, later))(t); moved != 1100 {
		t.Errorf("%d moved, want 1100", moved)
	}
	if left := must(b.ScanRequests(ctx, ondemand.Filter{Scope: fleet.WholeFleet(), State: ondemand.Queued, Limit: 1}))(t); len(left) != 0 {
		t.Errorf("%v is still queued", left)
	}
}

func testListedScans(t *testing.T, b *bundle) {
	ctx := t.Context()
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	a := launch(t, b.Store, agentwire.InventoryScan, one, two)
	v := launch(t, b.Store, agentwire.VulnerabilityScan, one)
	must(b.DeliverScanRequests(ctx, two, Start, 10))(t)
	for name, c := range map[string]struct {
		filter ondemand.Filter
		want   []int64
	}{
		"all":         {ondemand.Filter{Scope: fleet.WholeFleet(), Limit: 10}, []int64{v[0].ID, a[1].ID, a[0].ID}},
		"newest":      {ondemand.Filter{Scope: fleet.WholeFleet(), Limit: 1}, []int64{v[0].ID}},
		"next page":   {ondemand.Filter{Scope: fleet.WholeFleet(), Before: v[0].ID, Limit: 10}, []int64{a[1].ID, a[0].ID}},
		"of a host":   {ondemand.Filter{Scope: fleet.WholeFleet(), HostID: one, Limit: 10}, []int64{v[0].ID, a[0].ID}},
		"of a type":   {ondemand.Filter{Scope: fleet.WholeFleet(), Type: agentwire.VulnerabilityScan, Limit: 10}, []int64{v[0].ID}},
		"in a state":  {ondemand.Filter{Scope: fleet.WholeFleet(), State: ondemand.Delivered, Limit: 10}, []int64{a[1].ID}},
		"of all that": {ondemand.Filter{Scope: fleet.WholeFleet(), HostID: two, Type: agentwire.InventoryScan, State: ondemand.Queued, Limit: 10}, nil},
		"of nonsense": {ondemand.Filter{Scope: fleet.WholeFleet(), State: "\x00", Limit: 10}, nil},
	} {
		var got []int64
		for _, r := range must(b.ScanRequests(ctx, c.filter))(t) {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func testRefusedReports(t *testing.T, b *bundle) {
	ctx := t.Context()
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	r := launch(t, b.Store, agentwire.InventoryScan, one)[0]
	wantCode(t, b.ReportScanRequest(ctx, two, r.ID, agentwire.ScanReport{State: agentwire.ScanRunning}, Start), fault.NotFound)
	wantCode(t, b.ReportScanRequest(ctx, one, r.ID+1, agentwire.ScanReport{State: agentwire.ScanRunning}, Start), fault.NotFound)
	wantCode(t, b.ReportScanRequest(ctx, one, r.ID, agentwire.ScanReport{State: "complete"}, Start), fault.Invalid)
	wantCode(t, b.ReportScanRequest(ctx, one, r.ID, agentwire.ScanReport{State: agentwire.ScanFailed, Reason: "\x00"}, Start), fault.Invalid)
	if got := must(b.ScanRequest(ctx, fleet.WholeFleet(), r.ID))(t); got != r {
		t.Errorf("got %+v, want it unchanged", got)
	}
	_, err := b.ScanRequest(ctx, fleet.WholeFleet(), r.ID+1)
	wantCode(t, err, fault.NotFound)
}
