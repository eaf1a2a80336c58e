package fleet

import (
	"context"
	"crypto/ed25519"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// AgentState is what the check-in path needs to know of an agent: who it is and
// which versions of its instructions are current. Versions only rise, but for
// DemandVersion.
type AgentState struct {
	HostID          int64
	AgentID         string
	PublicKey       ed25519.PublicKey
	ProfileID       int64
	ProfileVersion  int64
	ManifestVersion int64
	// DemandVersion is the highest id of the host's on-demand requests that are not
	// final: queued, delivered, running or uploaded. It is 0 when there is none, so
	// it falls when the newest one ends.
	DemandVersion int64
	// Run is the run of the agent that speaks for it, empty when none has yet; see
	// Holder.
	Run string
}

// Heartbeat is one contact of an agent. Of several of one host the newest counts.
type Heartbeat struct {
	HostID        int64
	At            time.Time
	ConnectedFrom string // address the request came from
	Sequence      uint64 // highest sequence number seen
	AgentVersion  string // empty keeps the stored one
	Event         string // last event of the agent; empty keeps the stored one
}

// Enrolment is a host that asks to become an agent.
type Enrolment struct {
	ActivationKey string
	PublicKey     ed25519.PublicKey
	AgentID       string // id to give it; ignored when the public key is known already
	AgentVersion  string
	ConnectedFrom string
	Host          agentwire.Host
	At            time.Time
}

// Enrolled is the agent it became.
type Enrolled struct {
	HostID  int64
	AgentID string
	Known   bool // the same public key had enrolled before; no unit of the key was used
}

// Enrolments is the storage Enroller needs.
type Enrolments interface {
	// EnrolAgent makes the host asset and its agent, puts the system tag and the
	// key's tags and modules on it, gives it the profile of its tags and uses one unit
	// of the key: all of it or nothing. A key that is unknown, disabled, expired
	// or used up is refused with a fault.Forbidden that says which. A public key
	// that is already enrolled gets its agent back, whatever became of the key.
	EnrolAgent(ctx context.Context, e Enrolment) (Enrolled, error)
	// CustomerID returns the subscription's UUID.
	CustomerID(ctx context.Context) (string, error)
}

// AgentStates is the storage Roster needs.
type AgentStates interface {
	// AgentState returns the state of an agent, or fault.NotFound.
	AgentState(ctx context.Context, agentID string) (AgentState, error)
}

// Heartbeats is the storage Pulse needs.
type Heartbeats interface {
	// SaveHeartbeats stores a batch that holds each host at most once, ordered by
	// host id. Hosts that no longer exist are passed over.
	SaveHeartbeats(ctx context.Context, batch []Heartbeat) error
}

// Change says that something about a host changed that other replicas cache.
type Change struct {
	Seq    int64 // commit order
	HostID int64
	// AgentID is the agent of the host, also when it was removed.
	AgentID string
}

// Changes is the storage the change tail needs.
type Changes interface {
	// ChangesSince returns up to limit changes after seq in commit order.
	ChangesSince(ctx context.Context, seq int64, limit int) ([]Change, error)
	// LastChange returns the highest committed seq, 0 for none.
	LastChange(ctx context.Context) (int64, error)
}
