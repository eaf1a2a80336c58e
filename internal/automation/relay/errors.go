package relay

import (
	"fmt"
	"time"
)

// OfflineError says that a call was not made because its relay cannot be reached
// now. Nothing was sent to the target.
type OfflineError struct {
	Name     string    // of the relay
	LastSeen time.Time // zero for never
	// Revoked says that the relay has no token, and cannot come back by itself.
	Revoked bool
	// Elsewhere says that the relay has a channel to another replica of the
	// platform, and none to this one.
	Elsewhere bool
}

func (e *OfflineError) Error() string {
	switch {
	case e.Elsewhere:
		return fmt.Sprintf("relay %s is connected to another replica of the platform, not to this one", e.Name)
	case e.Revoked:
		return fmt.Sprintf("relay %s is offline: its token was revoked", e.Name)
	case e.LastSeen.IsZero():
		return fmt.Sprintf("relay %s is offline: it has never been connected", e.Name)
	}
	return fmt.Sprintf("relay %s is offline: it was last seen at %s", e.Name, e.LastSeen.UTC().Format(time.RFC3339))
}

// NextStep tells a person what to do.
func (e *OfflineError) NextStep() string {
	switch {
	case e.Elsewhere:
		return "Start the relay with one --url for each replica."
	case e.Revoked:
		return fmt.Sprintf("Issue another token with 'vedette relays rotate %s' and give it to the relay.", e.Name)
	}
	return fmt.Sprintf("Start 'vedette relay' in the network of the target, or see its log for why it does not reach the platform; 'vedette relays list' shows when %s is back.", e.Name)
}

// Permanent reports that trying again at once is of no use; a client of a platform
// does not repeat the call.
func (e *OfflineError) Permanent() bool { return true }

// RefusedError says that a target is not on an allow-list. Nothing was sent to it.
type RefusedError struct {
	Target string
	Name   string // of the relay
	// ByRelay says that the relay's own allow-list does not have the target, or
	// that the relay may not reach the address behind it; the platform's has it.
	ByRelay bool
}

func (e *RefusedError) Error() string {
	if e.ByRelay {
		return fmt.Sprintf("relay %s refuses the target %s", e.Name, e.Target)
	}
	return fmt.Sprintf("the target %s is not on the allow-list of the connection, which uses relay %s", e.Target, e.Name)
}

// NextStep tells a person what to do.
func (e *RefusedError) NextStep() string {
	if e.ByRelay {
		return fmt.Sprintf("If the target is meant, add --allow %s to the relay and start it again; its log says why it refused.", e.Target)
	}
	return fmt.Sprintf("If the target is meant, add %s to the allow-list of the connection.", e.Target)
}

// Permanent reports that trying again is of no use.
func (e *RefusedError) Permanent() bool { return true }
