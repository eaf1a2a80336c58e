package fleet

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// JoiningKeys is the storage Admission needs.
type JoiningKeys interface {
	// CustomerID returns the subscription's UUID.
	CustomerID(ctx context.Context) (string, error)
	// KeyByUUID returns the activation key with this UUID without its modules and
	// tags, or fault.NotFound.
	KeyByUUID(ctx context.Context, uuid string) (ActivationKey, error)
}

// Admission says which hosts, not known yet, may fetch what an agent is installed
// from. It is safe for concurrent use.
type Admission struct {
	Keys JoiningKeys
	Now  func() time.Time
}

// Admit checks what a host shows for itself: the subscription and an activation
// key that is neither disabled nor expired. A key that is used up will do: hosts
// that it has made agents may be installed again. Every refusal is the same
// fault.Unauthenticated, so that it tells nobody whether a key exists.
func (a *Admission) Admit(ctx context.Context, customerID, activationKey string) error {
	customer, err := a.Keys.CustomerID(ctx)
	if err != nil {
		return fmt.Errorf("look up subscription: %w", err)
	}
	// The key is looked up whatever the customer is, so that the answer takes as long.
	key, err := a.Keys.KeyByUUID(ctx, activationKey)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("look up activation key: %w", err)
	}
	known := subtle.ConstantTimeCompare([]byte(customer), []byte(customerID)) & subtle.ConstantTimeCompare([]byte(key.Key), []byte(activationKey))
	expired := !key.ExpireDate.IsZero() && !a.Now().Before(key.ExpireDate)
	if err != nil || known != 1 || key.Disabled || expired {
		return fault.New(fault.Unauthenticated, "The customer id and the activation key admit no host here: unknown, disabled or expired.",
			"See 'vedette keys list' for the keys there are, and take a new install line of one that is enabled.")
	}
	return nil
}
