package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// many is a fleet of a number of hosts, of which every third has no agent.
type many struct {
	size     int64
	queries  []Query
	removals []Removal
	vanished int64 // a host that storage does not find any more
	fails    int   // the removal with this number fails
}

func (m *many) SearchHosts(_ context.Context, q Query) (Page, error) {
	m.queries = append(m.queries, q)
	var page Page
	for id := max(q.FromID, 1); id <= m.size; id++ {
		if len(page.Hosts) == q.Limit {
			page.More = true
			break
		}
		h := qps.HostAsset{ID: id, Name: fmt.Sprint(id)}
		if id%3 != 0 {
			h.AgentInfo = &qps.AgentInfo{}
		}
		if c := q.Conditions[0]; c.Field != FieldID || slices.Contains(c.Ints, id) {
			page.Hosts = append(page.Hosts, h)
		}
	}
	return page, nil
}

func (m *many) CountHosts(context.Context, Scope, []Condition) (int64, error) { return m.size, nil }

func (m *many) Host(context.Context, Scope, int64) (qps.HostAsset, error) {
	return qps.HostAsset{}, nil
}

func (m *many) ChangeModules(_ context.Context, ids []int64, change func(int64, []Module) ([]Module, error)) ([]int64, error) {
	var found []int64
	for _, id := range ids {
		if id == m.vanished {
			continue
		}
		if _, err := change(id, nil); err != nil {
			return nil, err
		}
		found = append(found, id)
	}
	return found, nil
}

func (m *many) RemoveAgents(_ context.Context, r Removal) ([]int64, error) {
	m.removals = append(m.removals, r)
	if len(m.removals) == m.fails {
		return nil, errors.New("disk full")
	}
	return slices.DeleteFunc(slices.Clone(r.HostIDs), func(id int64) bool { return id == m.vanished }), nil
}

var actionTime = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)

func (m *many) actions() *Actions {
	return &Actions{Agents: m, Hosts: m, Now: func() time.Time { return actionTime }}
}

func everyAgent(t *testing.T) Selection {
	t.Helper()
	conditions, err := ParseConditions([]qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: SystemTag}})
	if err != nil {
		t.Fatal(err)
	}
	return Selection{Scope: WholeFleet(), Conditions: conditions}
}

func TestManyAgentsAreRemovedAFewAtATime(t *testing.T) {
	t.Parallel()
	m := &many{size: 2500}
	removed, err := m.actions().Uninstall(t.Context(), everyAgent(t), "ada")
	if err != nil {
		t.Fatal(err)
	}
	want := 2500 - 2500/3
	if len(removed) != want || len(m.removals) != (want+removalChunk-1)/removalChunk {
		t.Errorf("removed %d hosts in %d transactions, want %d by %d", len(removed), len(m.removals), want, removalChunk)
	}
	for _, r := range m.removals {
		if len(r.HostIDs) > removalChunk || !r.Order || r.By != "ada" || !r.At.Equal(actionTime) {
			t.Fatalf("removal %+v", r)
		}
	}
}

func TestARemovalThatFailsSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	m := &many{size: 100, fails: 3}
	removed, err := m.actions().Uninstall(t.Context(), everyAgent(t), "ada")
	if err == nil || len(removed) != 2*removalChunk || fault.CodeOf(err) != fault.Internal {
		t.Errorf("removed %d, %v", len(removed), err)
	}
}

func TestActionsAreBoundedAndNeedASelection(t *testing.T) {
	t.Parallel()
	tag := everyAgent(t)
	but := Selection{Scope: WholeFleet(), Conditions: []Condition{{Field: FieldName, Operator: qps.OpNotEquals, Texts: []string{"x"}}}}
	for _, tt := range []struct {
		name string
		size int64
		act  func(a *Actions) error
		want fault.Code
	}{
		{"uninstall of nothing named", 3, func(a *Actions) error { _, err := a.Uninstall(t.Context(), Selection{}, "ada"); return err }, fault.Invalid},
		{"uninstall of all but one", 3, func(a *Actions) error { _, err := a.Uninstall(t.Context(), but, "ada"); return err }, fault.Invalid},
		{"uninstall of too many", 20_000, func(a *Actions) error { _, err := a.Uninstall(t.Context(), tag, "ada"); return err }, fault.TooLarge},
		{"uninstall of a host without an agent", 3, func(a *Actions) error {
			_, err := a.Uninstall(t.Context(), Selection{Scope: WholeFleet(), HostID: 3}, "ada")
			return err
		}, fault.NotFound},
		{"uninstall of no host", 3, func(a *Actions) error {
			_, err := a.Uninstall(t.Context(), Selection{Scope: WholeFleet(), HostID: 9}, "ada")
			return err
		}, fault.NotFound},
		{"activation of nothing named", 3, func(a *Actions) error {
			_, err := a.Activate(t.Context(), Selection{}, []Module{ModuleVM})
			return err
		}, fault.Invalid},
		{"activation of too many", 20_000, func(a *Actions) error { _, err := a.Activate(t.Context(), tag, []Module{ModuleVM}); return err }, fault.TooLarge},
		{"activation of what excludes each other", 3, func(a *Actions) error {
			_, err := a.Activate(t.Context(), tag, []Module{ModuleSCA, ModulePC})
			return err
		}, fault.Invalid},
		{"deactivation on no host", 3, func(a *Actions) error {
			_, err := a.Deactivate(t.Context(), Selection{Scope: WholeFleet(), HostID: 9}, []Module{ModuleVM})
			return err
		}, fault.NotFound},
		{"purge of agents that are busy", 3, func(a *Actions) error {
			_, err := a.Purge(t.Context(), PurgeRule{Silence: MinPurgeSilence - 1}, false)
			return err
		}, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &many{size: tt.size}
			if err := tt.act(m.actions()); !fault.Is(err, tt.want) || len(m.removals) != 0 {
				t.Errorf("got %v after %d removals, want %s", err, len(m.removals), tt.want)
			}
		})
	}
}

func TestAHostThatVanishesMeanwhileIsNotAnsweredFor(t *testing.T) {
	t.Parallel()
	m := &many{size: 4, vanished: 2}
	hosts, err := m.actions().Activate(t.Context(), everyAgent(t), []Module{ModuleVM})
	if err != nil || len(hosts) != 2 || hosts[0].ID != 1 || hosts[1].ID != 4 {
		t.Errorf("got %v, %v; want hosts 1 and 4", idsOf(hosts), err)
	}
	if _, err := m.actions().Activate(t.Context(), Selection{Scope: WholeFleet(), HostID: 2}, []Module{ModuleVM}); !fault.Is(err, fault.NotFound) {
		t.Errorf("one that vanished: %v", err)
	}
	if _, err := m.actions().Uninstall(t.Context(), Selection{Scope: WholeFleet(), HostID: 2}, "ada"); !fault.Is(err, fault.NotFound) {
		t.Errorf("one that vanished before it was uninstalled: %v", err)
	}
}

func TestAPurgeLeavesNoOrderAndSparesWhoCameBack(t *testing.T) {
	t.Parallel()
	m := &many{size: 5, vanished: 4}
	rule := PurgeRule{Silence: 30 * 24 * time.Hour, ActivationKey: "k", Version: "1.0", Profile: "Low"}
	would, err := m.actions().Purge(t.Context(), rule, true)
	if err != nil || len(would) != 4 || len(m.removals) != 0 {
		t.Fatalf("dry run: %v hosts, %d removals, %v", idsOf(would), len(m.removals), err)
	}
	since := actionTime.Add(-rule.Silence)
	conditions := m.queries[0].Conditions
	if len(conditions) != 4 || conditions[0].Field != FieldLastCheckedIn || conditions[0].Operator != qps.OpLesser || !conditions[0].Time.Equal(since) {
		t.Errorf("conditions %+v", conditions)
	}
	purged, err := m.actions().Purge(t.Context(), rule, false)
	if err != nil || !slices.Equal(idsOf(purged), []int64{1, 2, 5}) || purged[0].Name != "1" {
		t.Errorf("purged %v, %v; host 4 checked in meanwhile", idsOf(purged), err)
	}
	for _, r := range m.removals {
		if r.Order || !r.SilentSince.Equal(since) {
			t.Errorf("removal %+v, want none with an order", r)
		}
	}
}
