package agentapi

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// instructionLife is how long an instruction is fresh. Expired ones stay in
// force on the agent, which warns; a new status renews them.
const instructionLife = 30 * 24 * time.Hour

// Signer signs what agents are told. It is safe for concurrent use.
type Signer struct {
	Root        ed25519.PublicKey // pinned by agents when they are provisioned
	Key         ed25519.PrivateKey
	Certificate agentwire.InstructionKey // the root vouches for Key
}

// manifestName is the version of the inventory manifest, for people.
const manifestName = "INVENTORY-1.0.0"

// inventoryManifest tells agents to collect what their host is and has.
func inventoryManifest() agentwire.Manifest {
	return agentwire.Manifest{
		Name: manifestName,
		Modules: map[agentwire.Module]agentwire.Recipe{
			agentwire.ModuleInventory: {Collectors: []string{
				"host", "software", "ports", "interfaces", "accounts", "processors", "volumes",
			}},
		},
	}
}

func (g *Gateway) config(w http.ResponseWriter, r *request) error {
	profile, err := g.Profiles.Profile(r.Context(), r.agent.ProfileID)
	if err != nil {
		return fmt.Errorf("profile %d of agent %s: %w", r.agent.ProfileID, r.agent.AgentID, err)
	}
	return g.instruct(w, r, agentwire.KindProfile, r.agent.ProfileVersion, profile.Wire())
}

func (g *Gateway) manifest(w http.ResponseWriter, r *request) error {
	return g.instruct(w, r, agentwire.KindManifest, r.agent.ManifestVersion, inventoryManifest())
}

func (g *Gateway) demands(w http.ResponseWriter, r *request) error {
	requests, err := g.Demands.DeliverScanRequests(r.Context(), r.agent.HostID, g.Now(), agentwire.MaxDemands)
	if err != nil {
		return fmt.Errorf("deliver scan requests of agent %s: %w", r.agent.AgentID, err)
	}
	var list agentwire.DemandList
	version := r.agent.DemandVersion // also when all of them ended meanwhile: the agent need not ask again
	for _, request := range requests {
		list.Demands = append(list.Demands, agentwire.Demand{ID: request.ID, Type: request.Type, OverrideCPU: request.OverrideCPU})
		version = max(version, request.ID)
	}
	return g.instruct(w, r, agentwire.KindDemands, version, list)
}

// instruct answers with a signed instruction for the agent, or the part of it
// that is asked for.
func (g *Gateway) instruct(w http.ResponseWriter, r *request, kind agentwire.InstructionKind, version int64, body any) error {
	signed, err := g.sign(r.agent.AgentID, kind, version, body)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(signed)
	if err != nil {
		return fmt.Errorf("encode %s of agent %s: %w", kind, r.agent.AgentID, err)
	}
	w.Header()["Content-Type"] = jsonType
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(doc)))
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(doc))
	return nil
}

// revocation answers an agent that need not uninstall itself: every other one was
// sent away before.
func (g *Gateway) revocation(w http.ResponseWriter, _ *request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sign signs an instruction for an agent.
func (g *Gateway) sign(agentID string, kind agentwire.InstructionKind, version int64, body any) (*agentwire.SignedInstruction, error) {
	doc, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s of agent %s: %w", kind, agentID, err)
	}
	now := g.Now().UTC().Truncate(agentwire.IssuedEvery)
	return agentwire.SignInstruction(agentwire.Instruction{
		Audience: agentID, Kind: kind, Version: version,
		Issued: now, Expires: now.Add(instructionLife), Body: doc,
	}, g.Signer.Key, g.Signer.Certificate)
}
