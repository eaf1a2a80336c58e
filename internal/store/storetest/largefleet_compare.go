package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

// CompareLargeFleets makes the same fleet in two databases made by Bootstrap, in
// one as for benchmarks, in the other by agents alone, and compares the hosts and
// what searches find.
func CompareLargeFleets(t *testing.T, made, grown *store.Store, bulk Bulk) {
	t.Helper()
	p := &fleetPlan{hosts: 60, models: 45}
	p.fill(t, made, bulk)
	p.prepare(t, grown)
	for host := 1; host <= p.hosts; host++ {
		p.admit(t, grown, host)
	}
	all := fleet.Query{Scope: fleet.WholeFleet(), Limit: 1000}
	want := must(grown.SearchHosts(t.Context(), all))(t).Hosts
	if diff := cmp.Diff(want, must(made.SearchHosts(t.Context(), all))(t).Hosts); diff != "" {
		t.Error(diff)
	}
	for _, host := range want {
		if len(host.Software) != packagesPerHost || len(host.OpenPorts) != portsPerHost || len(host.Tags) != tagsPerHost {
			t.Fatalf("host %d has %d packages, %d ports and %d tags", host.ID, len(host.Software), len(host.OpenPorts), len(host.Tags))
		}
	}
	for _, q := range p.inquiries() {
		query := fleet.Query{Scope: q.scope, Conditions: q.conditions(t), FromID: q.from, Offset: q.offset, Limit: 100, Include: func(string) bool { return false }}
		want := must(grown.SearchHosts(t.Context(), query))(t).Hosts
		if diff := cmp.Diff(want, must(made.SearchHosts(t.Context(), query))(t).Hosts); diff != "" {
			t.Errorf("%s: %s", q.name, diff)
		}
	}
	// What enrols next gets an id of its own.
	p.hosts++
	p.admit(t, made, p.hosts)
}
