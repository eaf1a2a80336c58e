package ondemand

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// requests is a Requests that remembers launches and sweeps.
type requests struct {
	Requests
	launches          []Launch
	cutoff, abandoned time.Time
	refuse            error
}

func (r *requests) CreateScanRequests(_ context.Context, l Launch) ([]Request, error) {
	if r.refuse != nil {
		return nil, r.refuse
	}
	r.launches = append(r.launches, l)
	created := make([]Request, len(l.HostIDs))
	for i, host := range l.HostIDs {
		created[i] = Request{ID: int64(100 + i), HostID: host, Type: l.Type, State: Queued}
	}
	return created, nil
}

func (r *requests) ExpireScanRequests(_ context.Context, cutoff, abandoned, _ time.Time) (int64, error) {
	r.cutoff, r.abandoned = cutoff, abandoned
	return 3, nil
}

// everywhere orders a scan of somebody who may see the whole fleet.
func everywhere(scan agentwire.ScanType, override bool) Order {
	return Order{Scope: fleet.WholeFleet(), Type: scan, OverrideCPU: override, By: "ada"}
}

// hosts is a Targets over a number of assets; every third has no agent.
type hosts int

func (h hosts) SearchHosts(_ context.Context, q fleet.Query) (fleet.Page, error) {
	var page fleet.Page
	if !q.Scope.All {
		return page, nil
	}
	for id := max(q.FromID, 1); id <= int64(h); id++ {
		if q.Conditions[0].Field == fleet.FieldID && q.Conditions[0].Ints[0] != id {
			continue
		}
		if len(page.Hosts) == q.Limit {
			page.More = true
			break
		}
		host := qps.HostAsset{ID: id}
		if id%3 != 0 {
			host.AgentInfo = &qps.AgentInfo{}
		}
		page.Hosts = append(page.Hosts, host)
	}
	return page, nil
}

var at = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func launcher(r Requests, t Targets) *Launcher {
	return &Launcher{Requests: r, Targets: t, Now: func() time.Time { return at }}
}

func byTag(t *testing.T) []fleet.Condition {
	t.Helper()
	conditions, err := fleet.ParseConditions([]qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: fleet.SystemTag}})
	if err != nil {
		t.Fatal(err)
	}
	return conditions
}

func TestALaunchStoresARequest(t *testing.T) {
	t.Parallel()
	store := &requests{}
	request, err := launcher(store, hosts(7)).LaunchOne(t.Context(), 7, everywhere(agentwire.InventoryScan, true))
	if err != nil {
		t.Fatal(err)
	}
	if request.HostID != 7 || len(store.launches) != 1 {
		t.Fatalf("got %+v after %d launches", request, len(store.launches))
	}
	l := store.launches[0]
	if !l.OverrideCPU || l.RequestedBy != "ada" || !l.At.Equal(at) || l.Type != agentwire.InventoryScan {
		t.Errorf("stored %+v", l)
	}
}

func TestScanTypesWithoutAnEngineAreRefusedByName(t *testing.T) {
	t.Parallel()
	for scan, want := range map[agentwire.ScanType]fault.Code{
		agentwire.VulnerabilityScan:    fault.Conflict,
		agentwire.PolicyComplianceScan: fault.Conflict,
		agentwire.UDCScan:              fault.Conflict,
		agentwire.SCAScan:              fault.Conflict,
		agentwire.SWCAScan:             fault.Conflict,
		"Full_Scan":                    fault.Invalid,
		"":                             fault.Invalid,
	} {
		t.Run(string(scan), func(t *testing.T) {
			t.Parallel()
			store := &requests{}
			l := launcher(store, hosts(3))
			_, one := l.LaunchOne(t.Context(), 7, everywhere(scan, false))
			_, bulk := l.LaunchMatching(t.Context(), byTag(t), everywhere(scan, false))
			for _, err := range []error{one, bulk} {
				if !fault.Is(err, want) || !strings.Contains(err.Error(), string(scan)) {
					t.Errorf("got %v, want %s that names the type", err, want)
				}
			}
			if len(store.launches) != 0 {
				t.Error("a request was stored")
			}
		})
	}
}

func TestABulkLaunchReachesEveryMatchingAgentInOneTransaction(t *testing.T) {
	t.Parallel()
	store := &requests{}
	created, err := launcher(store, hosts(2500)).LaunchMatching(t.Context(), byTag(t), everywhere(agentwire.InventoryScan, false))
	if err != nil {
		t.Fatal(err)
	}
	want := 2500 - 2500/3
	if len(created) != want || len(store.launches) != 1 {
		t.Errorf("launched %d requests in %d transactions, want %d in one", len(created), len(store.launches), want)
	}
}

func TestABulkLaunchIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		fleet      hosts
		conditions func(*testing.T) []fleet.Condition
		want       fault.Code
	}{
		{"no criterion", 3, func(*testing.T) []fleet.Condition { return nil }, fault.Invalid},
		{"too many agents", 20_000, byTag, fault.TooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := &requests{}
			_, err := launcher(store, test.fleet).LaunchMatching(t.Context(), test.conditions(t), everywhere(agentwire.InventoryScan, false))
			if !fault.Is(err, test.want) || len(store.launches) != 0 {
				t.Errorf("got %v after %d launches, want %s", err, len(store.launches), test.want)
			}
		})
	}
}

func TestABulkLaunchThatMatchesNothingLaunchesNothing(t *testing.T) {
	t.Parallel()
	store := &requests{}
	created, err := launcher(store, hosts(0)).LaunchMatching(t.Context(), byTag(t), everywhere(agentwire.InventoryScan, false))
	if err != nil || len(created) != 0 || len(store.launches) != 0 {
		t.Errorf("got %v, %v after %d launches", created, err, len(store.launches))
	}
}

func TestAHostWithoutAnAgentIsRefusedWithTheLineThatInstallsOne(t *testing.T) {
	t.Parallel()
	store := &requests{}
	_, one := launcher(store, hosts(7)).LaunchOne(t.Context(), 6, everywhere(agentwire.InventoryScan, false))
	onlyThree, err := fleet.ParseConditions([]qps.Criterion{{Field: "id", Operator: qps.OpEquals, Value: "3"}})
	if err != nil {
		t.Fatal(err)
	}
	_, bulk := launcher(store, hosts(7)).LaunchMatching(t.Context(), onlyThree, everywhere(agentwire.InventoryScan, false))
	for says, err := range map[string]error{"Host asset 6 has no agent": one, "None of the 1 host assets": bulk} {
		refused, ok := errors.AsType[*fault.Error](err)
		if !ok || refused.Code != fault.Conflict || !strings.Contains(refused.Message, says) || !strings.Contains(refused.Resolution, "vedette keys install-line KEY") {
			t.Errorf("got %v, want a refusal that says %q and what to do", err, says)
		}
	}
	if len(store.launches) != 0 {
		t.Errorf("%d requests were stored", len(store.launches))
	}
}

func TestAHostThatIsOutOfScopeOrUnknownIsNotFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		host  int64
		scope fleet.Scope
	}{
		"out of scope": {7, fleet.Scope{TagIDs: []int64{1}}},
		"unknown":      {8, fleet.WholeFleet()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &requests{}
			_, err := launcher(store, hosts(7)).LaunchOne(t.Context(), test.host, Order{Scope: test.scope, Type: agentwire.InventoryScan, By: "ada"})
			if !fault.Is(err, fault.NotFound) || len(store.launches) != 0 {
				t.Errorf("got %v after %d launches", err, len(store.launches))
			}
		})
	}
}

func TestTheStoresRefusalKeepsItsCode(t *testing.T) {
	t.Parallel()
	store := &requests{refuse: fault.Newf(fault.NotFound, "no host asset 7")}
	_, err := launcher(store, hosts(7)).LaunchOne(t.Context(), 7, everywhere(agentwire.InventoryScan, false))
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestSweepExpiresWhatWaitedTooLong(t *testing.T) {
	t.Parallel()
	store := &requests{}
	ended, err := launcher(store, nil).Sweep(t.Context())
	if err != nil || ended != 3 {
		t.Fatalf("got %d, %v", ended, err)
	}
	if !store.cutoff.Equal(at.Add(-ExpireAfter)) || !store.abandoned.Equal(at.Add(-AbandonAfter)) {
		t.Errorf("swept with %s and %s", store.cutoff, store.abandoned)
	}
}

func TestOnlyFourStatesAreFinal(t *testing.T) {
	t.Parallel()
	for state, final := range map[State]bool{
		Queued: false, Delivered: false, Running: false, Uploaded: false,
		Complete: true, Rejected: true, Expired: true, Failed: true,
	} {
		if state.Final() != final {
			t.Errorf("%s: final %v", state, !final)
		}
	}
}
