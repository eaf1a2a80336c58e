package agentapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// unknownVersion is the version of every instruction that says that an agent is
// not known: it is for one request and there is nothing to come after it.
const unknownVersion = 1

// Orders are what agents are told whose assets are gone.
type Orders interface {
	UninstallOrder(ctx context.Context, agentID string) (fleet.Uninstall, error)
	ConfirmUninstall(ctx context.Context, agentID string, at time.Time) error
}

// order returns the order to the agent that signed a request, after having
// verified that it did.
func (g *Gateway) order(r *http.Request, signature *agentwire.RequestSignature) (fleet.Uninstall, error) {
	order, err := g.Orders.UninstallOrder(r.Context(), signature.KeyID)
	if fault.Is(err, fault.NotFound) {
		return order, errUnknownAgent
	}
	if err != nil {
		return order, err
	}
	return order, signature.Verify(r, order.PublicKey, g.Now())
}

// sendAway returns the refusal of a request of an agent this platform does not
// have: the order to uninstall itself, if there is one that it has not confirmed.
// A request that is replayed gets the same answer and changes nothing.
func (g *Gateway) sendAway(r *http.Request, signature *agentwire.RequestSignature) error {
	order, err := g.order(r, signature)
	if errors.Is(err, errUnknownAgent) || (err == nil && order.State == fleet.UninstallConfirmed) {
		return g.unknown(signature)
	}
	if err != nil {
		return err
	}
	signed, err := g.sign(order.AgentID, agentwire.KindUninstall, order.ID, agentwire.Uninstall{Ordered: order.Created.UTC()})
	if err != nil {
		return err
	}
	return &ordered{http.StatusGone, agentwire.ProblemUninstall, "this agent was uninstalled: it shall remove itself", signed}
}

// unknown returns the refusal of a request of an agent that is not known here, if
// it is one: nothing is left to verify it with. It is signed for this request
// alone, so that nobody can keep it for a time when the agent is known.
func (g *Gateway) unknown(signature *agentwire.RequestSignature) error {
	signed, err := g.sign(signature.KeyID, agentwire.KindUnknownAgent, unknownVersion, agentwire.UnknownAgent{Request: signature.ID()})
	if err != nil {
		return err
	}
	return &ordered{http.StatusNotFound, agentwire.ProblemUnknownAgent, errUnknownAgent.Error(), signed}
}

// uninstalled takes the confirmation of an agent that has removed itself. It may
// come again.
func (g *Gateway) uninstalled(w http.ResponseWriter, r *http.Request) {
	if err := g.confirm(r); err != nil {
		refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gateway) confirm(r *http.Request) error {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		return err
	}
	order, err := g.order(r, signature)
	if err != nil {
		return err
	}
	if _, err := signature.ReadBody(r.Body, 0); err != nil {
		return err
	}
	if err := g.Orders.ConfirmUninstall(r.Context(), order.AgentID, g.Now()); err != nil {
		return fmt.Errorf("agent %s confirms: %w", order.AgentID, err)
	}
	g.Log.InfoContext(r.Context(), "agent uninstalled", "agent", order.AgentID, "asset", order.HostID, "host", order.HostName)
	return nil
}
