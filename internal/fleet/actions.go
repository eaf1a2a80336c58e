package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

const (
	// MaxActionTargets bounds the agents of one bulk action.
	MaxActionTargets = 10_000
	// actionPage is how many hosts of a bulk action are found at a time.
	actionPage = 1000
	// removalChunk is how many hosts are removed in one transaction, for which
	// other writers wait on SQLite: a host with 3,000 packages takes it 20 to 40 ms.
	removalChunk = 2
)

// AgentActions is the storage Actions needs.
type AgentActions interface {
	// ChangeModules gives each of the hosts' agents the modules that change
	// returns for those it has, all of them or none. Hosts without an agent are
	// passed over; the others are returned in ascending order. change may be
	// called again for a transaction that lost against another.
	ChangeModules(ctx context.Context, hostIDs []int64, change func(hostID int64, active []Module) ([]Module, error)) ([]int64, error)
	// RemoveAgents removes hosts with everything known of them in one
	// transaction and frees a unit of each agent's activation key. It returns
	// those it removed in ascending order.
	RemoveAgents(ctx context.Context, r Removal) ([]int64, error)
}

// Removal says which hosts are removed. Hosts without an agent stay.
type Removal struct {
	HostIDs []int64
	// SilentSince, unless zero, keeps hosts whose agent has checked in since.
	SilentSince time.Time
	// Order leaves an order to each agent to remove itself, from the user By.
	Order bool
	By    string
	At    time.Time
}

// Selection says which agents in scope an action is for: one host asset, or
// those that meet all conditions.
type Selection struct {
	Scope      Scope
	HostID     int64 // 0 for conditions
	Conditions []Condition
}

func (s Selection) conditions() []Condition {
	if s.HostID != 0 {
		return []Condition{{Field: FieldID, Operator: qps.OpEquals, Ints: []int64{s.HostID}}}
	}
	return s.Conditions
}

// Actions carries out what operators do with agents. It is safe for concurrent
// use.
type Actions struct {
	Agents AgentActions
	Hosts  Hosts
	Now    func() time.Time
}

// Activate activates modules on the selected agents, on all of them or on none;
// modules that are active already stay so. It returns the assets with id, name,
// times and tags. Modules that exclude each other, or need another one, are a
// fault.Conflict that names the first such asset.
func (a *Actions) Activate(ctx context.Context, s Selection, modules []Module) ([]qps.HostAsset, error) {
	if slices.Contains(modules, ModulePC) && slices.Contains(modules, ModuleSCA) {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("module: %s and %s exclude each other.", ModulePC, ModuleSCA), "Name one of the two.")
	}
	return a.changeModules(ctx, s, func(hostID int64, active []Module) ([]Module, error) {
		return activated(hostID, active, modules)
	})
}

// Deactivate deactivates modules on the selected agents, on all of them or on
// none; modules that are not active are passed over. It returns what Activate
// does. VM stays, with a fault.Conflict, where SwCA needs it.
func (a *Actions) Deactivate(ctx context.Context, s Selection, modules []Module) ([]qps.HostAsset, error) {
	return a.changeModules(ctx, s, func(hostID int64, active []Module) ([]Module, error) {
		return deactivated(hostID, active, modules)
	})
}

func (a *Actions) changeModules(ctx context.Context, s Selection, change func(int64, []Module) ([]Module, error)) ([]qps.HostAsset, error) {
	hosts, err := a.selected(ctx, s)
	if err != nil || len(hosts) == 0 {
		return nil, err
	}
	changed, err := a.Agents.ChangeModules(ctx, idsOf(hosts), change)
	if err != nil {
		return nil, fmt.Errorf("change modules of %d agents: %w", len(hosts), err)
	}
	// Those removed meanwhile are not answered for.
	hosts = slices.DeleteFunc(hosts, func(h qps.HostAsset) bool {
		_, found := slices.BinarySearch(changed, h.ID)
		return !found
	})
	if len(hosts) == 0 && s.HostID != 0 {
		return nil, noAgent(s.HostID)
	}
	return hosts, nil
}

// Uninstall removes the selected hosts, frees the units of their activation
// keys and leaves each agent the order to remove itself. It returns the ids of
// the hosts, which are gone then. NOT EQUALS is refused as a selector: it would
// select what nobody thought of.
//
// Many hosts are removed in several transactions. An error in between, such as
// the end of ctx, leaves the rest in place; the same call continues.
func (a *Actions) Uninstall(ctx context.Context, s Selection, by string) ([]int64, error) {
	for _, c := range s.Conditions {
		if c.Operator == qps.OpNotEquals {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Criteria: Operator 'NOT EQUALS' of criteria '%s' cannot select agents to uninstall.", c.Field),
				"Say which agents to uninstall, not which to keep.")
		}
	}
	hosts, err := a.selected(ctx, s)
	if err != nil {
		return nil, err
	}
	removed, err := a.remove(ctx, idsOf(hosts), Removal{Order: true, By: by})
	if err == nil && len(removed) == 0 && s.HostID != 0 {
		err = noAgent(s.HostID)
	}
	return removed, err
}

// remove removes hosts a few at a time, as r says.
func (a *Actions) remove(ctx context.Context, hostIDs []int64, r Removal) ([]int64, error) {
	removed := make([]int64, 0, len(hostIDs))
	r.At = a.Now()
	for r.HostIDs = range slices.Chunk(hostIDs, removalChunk) {
		ids, err := a.Agents.RemoveAgents(ctx, r)
		if err != nil {
			return removed, fmt.Errorf("remove agents, %d of %d done: %w", len(removed), len(hostIDs), err)
		}
		removed = append(removed, ids...)
	}
	return removed, nil
}

// selected returns the hosts of a selection that have an agent.
func (a *Actions) selected(ctx context.Context, s Selection) ([]qps.HostAsset, error) {
	q := Query{
		Scope: s.Scope, Conditions: s.conditions(), Limit: actionPage,
		Include: func(element string) bool { return element == "agentInfo" || element == "tags" },
	}
	if len(q.Conditions) == 0 {
		return nil, fault.New(fault.Invalid, "Criteria: at least one criterion is required for a bulk action.",
			"Specify a criterion such as id; tagName EQUALS Cloud Agent selects every agent.")
	}
	var hosts []qps.HostAsset
	for {
		page, err := a.Hosts.SearchHosts(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("find the agents of an action: %w", err)
		}
		for _, h := range page.Hosts {
			if h.AgentInfo != nil {
				hosts = append(hosts, h)
			}
		}
		if len(hosts) > MaxActionTargets {
			return nil, fault.New(fault.TooLarge,
				fmt.Sprintf("Criteria: more than %d agents match, the most one action may address.", MaxActionTargets), "Add a criterion and act in several steps.")
		}
		if !page.More {
			break
		}
		q.FromID = page.Hosts[len(page.Hosts)-1].ID + 1
	}
	if len(hosts) == 0 && s.HostID != 0 {
		return nil, noAgent(s.HostID)
	}
	return hosts, nil
}

func idsOf(hosts []qps.HostAsset) []int64 {
	ids := make([]int64, len(hosts))
	for i := range hosts {
		ids[i] = hosts[i].ID
	}
	return ids
}

func noAgent(hostID int64) error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no asset %d with an agent.", hostID), "Search for the ids of the agents there are.")
}
