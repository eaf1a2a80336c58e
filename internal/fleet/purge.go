package fleet

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// MinPurgeSilence is the shortest silence a purge may ask for. An agent may
// check in as rarely as once a day.
const MinPurgeSilence = 48 * time.Hour

// PurgeRule selects agents in scope that have been silent. Empty texts select all.
type PurgeRule struct {
	Scope         Scope
	Silence       time.Duration // since the last check-in; at least MinPurgeSilence
	ActivationKey string        // UUID of the key they came with
	Version       string        // of the agent
	Profile       string        // name of the configuration profile
}

func (r PurgeRule) conditions(since time.Time) ([]Condition, error) {
	criteria := []qps.Criterion{{Field: string(FieldLastCheckedIn), Operator: qps.OpLesser, Value: since.UTC().Format(time.RFC3339Nano)}}
	for _, c := range []struct {
		field Field
		value string
	}{{FieldActivationKey, r.ActivationKey}, {FieldAgentVersion, r.Version}, {FieldAgentConfigurationName, r.Profile}} {
		if c.value != "" {
			criteria = append(criteria, qps.Criterion{Field: string(c.field), Operator: qps.OpEquals, Value: c.value})
		}
	}
	return ParseConditions(criteria)
}

// Purge removes the agents a rule selects, with everything known of their hosts,
// and frees the units of their activation keys. The agents are not told: one
// that comes back provisions again as a new asset. With dryRun nothing is
// removed. It returns the hosts that were, or would be, removed, with their
// agents. Up to MaxActionTargets are removed in one call.
func (a *Actions) Purge(ctx context.Context, r PurgeRule, dryRun bool) ([]qps.HostAsset, error) {
	if r.Silence < MinPurgeSilence {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("inactiveFor: %s is too short, working agents may check in only once a day.", r.Silence),
			fmt.Sprintf("Specify at least %d seconds.", int64(MinPurgeSilence/time.Second)))
	}
	since := a.Now().Add(-r.Silence)
	conditions, err := r.conditions(since)
	if err != nil {
		return nil, err
	}
	hosts, err := a.selected(ctx, Selection{Scope: r.Scope, Conditions: conditions})
	if err != nil || dryRun {
		return hosts, err
	}
	removed, err := a.remove(ctx, idsOf(hosts), Removal{SilentSince: since})
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]qps.HostAsset, len(hosts))
	for _, h := range hosts {
		byID[h.ID] = h
	}
	purged := make([]qps.HostAsset, len(removed))
	for i, id := range removed {
		purged[i] = byID[id]
	}
	return purged, nil
}
