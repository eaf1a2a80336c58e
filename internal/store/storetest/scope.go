package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/qps"
)

// testScope has one host inside a scope and one outside. Searches and counts are
// compared with fleet.Match by testRandomCriteria.
func testScope(t *testing.T, create func(tb testing.TB) Database) {
	b := setup(t, create)
	ctx := t.Context()
	inside, outside := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	lab := MakeTags(t, b.Store, "lab")[0]
	if _, err := b.AssignTags(ctx, []int64{inside}, qps.TagAssignment{Add: []int64{lab}}); err != nil {
		t.Fatal(err)
	}
	requests := must(b.CreateScanRequests(ctx, ondemand.Launch{HostIDs: []int64{inside, outside}, Type: agentwire.InventoryScan, RequestedBy: "ada", At: Start}))(t)
	ofLab, nothing := fleet.Scope{TagIDs: []int64{lab}}, fleet.Scope{}

	t.Run("a host outside is not found", func(t *testing.T) {
		if h := must(b.Host(ctx, ofLab, inside))(t); h.ID != inside {
			t.Errorf("got host %d", h.ID)
		}
		_, err := b.Host(ctx, ofLab, outside)
		wantCode(t, err, fault.NotFound)
		_, err = b.Host(ctx, nothing, inside)
		wantCode(t, err, fault.NotFound)
	})
	t.Run("scans of hosts outside are not found", func(t *testing.T) {
		for scope, want := range map[*fleet.Scope][]int64{&ofLab: {requests[0].ID}, &nothing: nil} {
			var got []int64
			for _, r := range must(b.ScanRequests(ctx, ondemand.Filter{Scope: *scope, Limit: 10}))(t) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("scope %v: %s", *scope, diff)
			}
		}
		if r := must(b.ScanRequest(ctx, ofLab, requests[0].ID))(t); r.HostID != inside {
			t.Errorf("got the scan of host %d", r.HostID)
		}
		_, err := b.ScanRequest(ctx, ofLab, requests[1].ID)
		wantCode(t, err, fault.NotFound)
	})
	t.Run("agents outside keep their key", func(t *testing.T) {
		other := createKey(t, b.Store, fleet.ActivationKey{Key: "5d2f0000-0000-4000-8000-00000000b00f", Title: "Other", Type: fleet.KeyUnlimited})
		all := conditions(t, "tagName", qps.OpEquals, fleet.SystemTag)
		if n := must(b.MoveAgents(ctx, ofLab, other.Key, all, 10, Start))(t); n != 1 {
			t.Errorf("%d agents met the criteria, want 1", n)
		}
		if h := must(b.Host(ctx, fleet.WholeFleet(), outside))(t); h.AgentInfo.ActivationKey.ActivationID != ActivationKey {
			t.Errorf("the host outside has the key %s", h.AgentInfo.ActivationKey.ActivationID)
		}
	})
}
