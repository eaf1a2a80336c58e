package agentapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

// Arbiter decides which of several machines the identity of an agent belongs to.
type Arbiter interface {
	Judge(ctx context.Context, agent fleet.AgentState, claim fleet.Claim) (fleet.Ruling, error)
}

// cloneVersion is the version of every clone instruction: it is for one run and
// there is nothing to come after it.
const cloneVersion = 1

// disputeRetry is when a machine comes again that may be a clone or have new
// hardware. The agent doubles it each time.
const disputeRetry = 5 * time.Minute

var errDisputed = errors.New("this identity is in use on other hardware: whether this machine is a clone of it, or the same with other hardware, shows when that one checks in or stays away")

// rightful refuses a status request of a machine that the identity does not
// belong to, or not yet. Nothing of the machine is kept. It returns the echo that
// the answer to a rightful one brings.
func (g *Gateway) rightful(r *request, message agentwire.StatusRequest) (echo string, err error) {
	ruling, err := g.Arbiter.Judge(r.Context(), r.agent, fleet.Claim{Run: message.Run, Fingerprint: message.Fingerprint, Echo: message.Echo})
	switch {
	case err != nil:
		return "", err
	case ruling.Verdict == fleet.Waiting:
		return "", errDisputed
	case ruling.Verdict == fleet.Cloned:
		signed, err := g.sign(r.agent.AgentID, agentwire.KindClone, cloneVersion, agentwire.Clone{Run: message.Run})
		if err != nil {
			return "", err
		}
		return "", &ordered{http.StatusConflict, agentwire.ProblemCloned, "this identity belongs to another machine: take one of your own", signed}
	}
	return ruling.Echo, nil
}
