package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// Enroller turns hosts into agents. It is safe for concurrent use.
type Enroller struct {
	Enrolments Enrolments
	Now        func() time.Time
}

// Enrol makes the host an agent. The request must have been signed with the key
// it brings. Unknown customers and keys that may not be used are
// fault.Forbidden with the reason; the same public key always gets the same
// agent.
func (e *Enroller) Enrol(ctx context.Context, r agentwire.ProvisionRequest, connectedFrom string) (Enrolled, error) {
	if len(r.PublicKey) != ed25519.PublicKeySize {
		return Enrolled{}, fault.Newf(fault.Invalid, "publicKey has %d bytes, an Ed25519 key has %d", len(r.PublicKey), ed25519.PublicKeySize)
	}
	if r.Host.Name == "" {
		return Enrolled{}, fault.Newf(fault.Invalid, "host.name is empty")
	}
	if r.Host.Cloud != nil {
		if err := r.Host.Cloud.Check(); err != nil {
			return Enrolled{}, fault.Newf(fault.Invalid, "host: %s", err)
		}
	}
	customer, err := e.Enrolments.CustomerID(ctx)
	if err != nil {
		return Enrolled{}, fmt.Errorf("look up subscription: %w", err)
	}
	// Compared in constant time: together with the activation key this is what a
	// host has to know to join.
	if subtle.ConstantTimeCompare([]byte(customer), []byte(r.CustomerID)) != 1 {
		return Enrolled{}, fault.New(fault.Forbidden, "customer id or activation key is not known here", "Check CustomerId, ActivationId and ServerUri.")
	}
	enrolled, err := e.Enrolments.EnrolAgent(ctx, Enrolment{
		ActivationKey: r.ActivationID,
		PublicKey:     ed25519.PublicKey(r.PublicKey),
		AgentID:       uuid.NewString(),
		AgentVersion:  r.AgentVersion,
		ConnectedFrom: connectedFrom,
		Host:          r.Host,
		At:            e.Now(),
	})
	if err != nil {
		return Enrolled{}, fmt.Errorf("enrol host %q: %w", r.Host.Name, err)
	}
	return enrolled, nil
}
