package fleet

import (
	"context"
	"crypto/ed25519"
	"time"
)

// UninstallState says whether an agent is known to have removed itself.
type UninstallState string

// The states of an uninstall order; docs/states.md draws them.
const (
	UninstallOpen      UninstallState = "open"      // the agent has not said yet that it is gone
	UninstallConfirmed UninstallState = "confirmed" // the agent removed itself and said so
)

// Uninstall is the order to an agent to remove itself. It outlives the asset,
// which is gone when the order is there.
type Uninstall struct {
	ID          int64 // rises with every order; the version of the instruction
	HostID      int64 // id the asset had
	HostName    string
	AgentID     string
	PublicKey   ed25519.PublicKey
	RequestedBy string // user who asked for it
	State       UninstallState
	Created     time.Time
	Confirmed   time.Time // zero while open
}

// UninstallFilter selects orders; zero values select everything.
type UninstallFilter struct {
	RequestedBy string // username
	State       UninstallState
	Before      int64 // only ids below
	Limit       int   // at least 1
}

// Uninstalls is where orders are found.
type Uninstalls interface {
	// UninstallOrder returns the order to an agent, or fault.NotFound.
	UninstallOrder(ctx context.Context, agentID string) (Uninstall, error)
	// ConfirmUninstall notes that the agent removed itself. A second
	// confirmation changes nothing; without an order it is fault.NotFound.
	ConfirmUninstall(ctx context.Context, agentID string, at time.Time) error
	// Uninstalls lists orders, newest first.
	Uninstalls(ctx context.Context, f UninstallFilter) ([]Uninstall, error)
}
