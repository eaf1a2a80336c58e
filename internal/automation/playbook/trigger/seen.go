package trigger

import (
	"context"
	"encoding/json"
	"slices"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// seen returns the occurrences with what the publisher sees of their data, and the ids
// of those of which that is nothing.
func (s *starter) seen(ctx context.Context, all []Occurrence) (shown []Occurrence, hidden []int64, err error) {
	var show func(o *Occurrence) (bool, error)
	scope := fleet.Scope{All: s.publisher.Everywhere(), TagIDs: s.publisher.Reach()}
	switch s.text.Kind {
	case playbook.AgentInactive:
		show, err = s.seenAgents(ctx, scope, all)
	case playbook.ScanFinished:
		show, err = s.seenScans(ctx, scope, all)
	case playbook.KeyNearlyUsedUp:
		show = func(o *Occurrence) (bool, error) { return s.seenKey(ctx, scope, o) }
	default:
		return all, nil, nil // who sees connectors sees all of them
	}
	for i := range all {
		var some bool
		if err == nil {
			some, err = show(&all[i])
		}
		if err != nil {
			return nil, nil, err
		}
		if some {
			shown = append(shown, all[i])
		} else {
			hidden = append(hidden, all[i].ID)
		}
	}
	return shown, hidden, nil
}

// seenAgents returns what leaves the agents in scope in an occurrence.
func (s *starter) seenAgents(ctx context.Context, scope fleet.Scope, all []Occurrence) (func(o *Occurrence) (bool, error), error) {
	var hosts []int64
	for i := range all {
		var d InactiveAgents
		if err := json.Unmarshal(all[i].Data, &d); err != nil {
			return nil, err
		}
		hosts = append(hosts, d.AgentIDs...)
	}
	in, err := s.hosts(ctx, scope, hosts)
	return func(o *Occurrence) (bool, error) {
		var d InactiveAgents
		if err := json.Unmarshal(o.Data, &d); err != nil {
			return false, err
		}
		d.AgentIDs = slices.DeleteFunc(d.AgentIDs, func(id int64) bool { return !in[id] })
		doc, err := json.Marshal(d)
		o.Data = doc
		return len(d.AgentIDs) > 0, err
	}, err
}

// seenScans returns what tells whether the host of an occurrence is in scope.
func (s *starter) seenScans(ctx context.Context, scope fleet.Scope, all []Occurrence) (func(o *Occurrence) (bool, error), error) {
	of := map[int64]int64{} // hosts by occurrence
	var hosts []int64
	for i := range all {
		var d FinishedScan
		if err := json.Unmarshal(all[i].Data, &d); err != nil {
			return nil, err
		}
		of[all[i].ID] = d.AgentID
		hosts = append(hosts, d.AgentID)
	}
	in, err := s.hosts(ctx, scope, hosts)
	return func(o *Occurrence) (bool, error) { return in[of[o.ID]], nil }, err
}

func (s *starter) hosts(ctx context.Context, scope fleet.Scope, ids []int64) (map[int64]bool, error) {
	seen, err := s.Hosts.HostsInScope(ctx, scope, ids)
	in := make(map[int64]bool, len(seen))
	for _, id := range seen {
		in[id] = true
	}
	return in, err
}

func (s *starter) seenKey(ctx context.Context, scope fleet.Scope, o *Occurrence) (bool, error) {
	var d NearlyUsedUpKey
	if err := json.Unmarshal(o.Data, &d); err != nil {
		return false, err
	}
	_, err := s.Keys.Get(ctx, scope, d.KeyID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}
