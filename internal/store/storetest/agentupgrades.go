package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

func testAgentUpgrades(t *testing.T, create func(tb testing.TB) Database) {
	b := setup(t, create)
	ctx := t.Context()
	one, two := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	good := agentwire.UpgradeReport{Outcome: agentwire.UpgradeDone, From: "2.0.0", To: "2.1.0", At: Start}
	bad := agentwire.UpgradeReport{Outcome: agentwire.UpgradeRolledBack, From: "2.1.0", To: "2.2.0", Reason: "it was broken", At: Start.Add(time.Hour)}
	for _, record := range []struct {
		host   int64
		report agentwire.UpgradeReport
	}{{one, good}, {two, bad}, {two, bad}, {one, bad}, {one, good}} {
		if err := b.RecordUpgrade(ctx, record.host, record.report, record.report.At.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.RecordUpgrade(ctx, two+100, good, Start); err == nil {
		t.Error("an upgrade of an unknown host was recorded")
	}
	list := func(f fleet.UpgradeFilter) (hosts []int64) {
		for _, u := range must(b.Upgrades(ctx, f))(t) {
			hosts = append(hosts, u.HostID)
			want := good
			if u.HostID == two {
				want = bad
			}
			if diff := cmp.Diff(fleet.Upgrade{HostID: u.HostID, HostName: u.HostName, UpgradeReport: want, Reported: want.At.Add(time.Minute)}, u); diff != "" || u.HostName == "" {
				t.Errorf("upgrade: %s", diff)
			}
		}
		return hosts
	}
	for name, tt := range map[string]struct {
		filter fleet.UpgradeFilter
		want   []int64
	}{
		"all":             {fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 10}, []int64{one, two}},
		"a page":          {fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 1}, []int64{one}},
		"the next page":   {fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 10, After: one}, []int64{two}},
		"unsuccessful":    {fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 10, Unsuccessful: true}, []int64{two}},
		"out of scope":    {fleet.UpgradeFilter{Limit: 10}, nil},
		"of another tag":  {fleet.UpgradeFilter{Scope: fleet.Scope{TagIDs: []int64{1 << 40}}, Limit: 10}, nil},
		"none after last": {fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 10, After: two}, nil},
	} {
		if diff := cmp.Diff(tt.want, list(tt.filter)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	uninstall(t, b, two)
	if left := list(fleet.UpgradeFilter{Scope: fleet.WholeFleet(), Limit: 10}); len(left) != 1 {
		t.Errorf("after an uninstall there are upgrades of %v", left)
	}
}
