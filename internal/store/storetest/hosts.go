package storetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func testHosts(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("pages follow each other in all three styles", func(t *testing.T) {
		t.Parallel()
		testPages(t, setup(t, create))
	})
	t.Run("what is not wanted is not read", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		host := enrol(t, b.Store, 4).HostID
		send(t, b.Store, pack(host, nil, fullSnapshot()), Start)
		want := must(b.Host(t.Context(), fleet.WholeFleet(), host))(t)
		for _, element := range []string{"software", "tags", "openPort", "agentInfo", "volume"} {
			q := idQuery(host)
			q.Include = func(e string) bool { return e == element }
			got := must(b.SearchHosts(t.Context(), q))(t).Hosts[0]
			read := map[string]bool{
				"software": len(got.Software) > 0, "tags": len(got.Tags) > 0, "openPort": len(got.OpenPorts) > 0,
				"agentInfo": got.AgentInfo != nil, "volume": len(got.Volumes) > 0,
			}
			for other, isRead := range read {
				if isRead != (other == element) {
					t.Errorf("only %s is wanted: %s is read: %t", element, other, isRead)
				}
			}
			if element == "agentInfo" {
				if diff := cmp.Diff(want.AgentInfo, got.AgentInfo); diff != "" {
					t.Error(diff)
				}
			}
		}
	})
	t.Run("unknown hosts and impossible pages are refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		_, err := b.Host(t.Context(), fleet.WholeFleet(), 1)
		wantCode(t, err, fault.NotFound)
		for _, limit := range []int{0, -1} {
			_, err = b.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: limit})
			wantCode(t, err, fault.Invalid)
		}
	})
}

func testPages(t *testing.T, b *bundle) {
	ctx := t.Context()
	const hosts = 7
	var all []int64
	for i := range hosts {
		all = append(all, enrol(t, b.Store, i).HostID)
	}
	for _, conditions := range [][]fleet.Condition{nil, conditions(t, "tagName", qps.OpEquals, "Cloud Agent"), conditions(t, "name", qps.OpContains, "edge-cache")} {
		for _, size := range []int{1, 3, 7, 100} {
			styles := map[string]func(q *fleet.Query, last int64){
				"startFromOffset": func(q *fleet.Query, _ int64) { q.Offset += int64(size) },
				"startFromId":     func(q *fleet.Query, last int64) { q.FromID = last + 1 },
				"id cursor": func(q *fleet.Query, last int64) {
					q.Conditions = slices.Concat(conditions, []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpGreater, Ints: []int64{last}}})
				},
			}
			for style, next := range styles {
				var got []int64
				q := fleet.Query{Scope: fleet.WholeFleet(), Conditions: conditions, Limit: size}
				for more := true; more && len(got) <= hosts; {
					page := must(b.SearchHosts(ctx, q))(t)
					for _, h := range page.Hosts {
						got = append(got, h.ID)
					}
					more = page.More
					next(&q, got[len(got)-1])
				}
				if diff := cmp.Diff(all, got); diff != "" {
					t.Errorf("%s by %d: %s", style, size, diff)
				}
			}
		}
	}
}

func idQuery(id int64) fleet.Query {
	return fleet.Query{Scope: fleet.WholeFleet(), Conditions: []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{id}}}, Limit: 1}
}

func conditions(tb testing.TB, field string, op qps.Operator, value string) []fleet.Condition {
	tb.Helper()
	return must(fleet.ParseConditions([]qps.Criterion{{Field: field, Operator: op, Value: value}}))(tb)
}
