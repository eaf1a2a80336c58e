package store

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

// pendingStates are the states of scan requests that are not final, as SQL; the
// same list is in the indexes.
const pendingStates = "('queued', 'delivered', 'running', 'uploaded')"

// AgentState returns the state of an agent, or fault.NotFound.
func (s *Store) AgentState(ctx context.Context, agentID string) (fleet.AgentState, error) {
	var a fleet.AgentState
	var publicKey []byte
	err := s.queryRow(ctx, `SELECT host_id, agent_id, public_key, profile_id, profile_version, manifest_version,
			coalesce((SELECT max(r.id) FROM scan_requests r WHERE r.host_id = a.host_id AND r.state IN `+pendingStates+`), 0),
			coalesce((SELECT nullif(o.run, '`+noRun+`') FROM agent_holders o WHERE o.host_id = a.host_id), '')
		FROM agents a WHERE agent_id = ?`, storable(agentID)).
		Scan(&a.HostID, &a.AgentID, &publicKey, &a.ProfileID, &a.ProfileVersion, &a.ManifestVersion, &a.DemandVersion, &a.Run)
	if err != nil {
		return fleet.AgentState{}, fmt.Errorf("read agent %q: %w", agentID, found(err, "agent %q", agentID))
	}
	a.PublicKey = publicKey
	return a, nil
}
