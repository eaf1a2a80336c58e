package relay

import (
	"context"
	"time"
)

// Relays is the storage Directory needs. A relay that does not exist is
// fault.NotFound.
type Relays interface {
	// Relays returns all relays in ascending order of name.
	Relays(ctx context.Context) ([]Relay, error)
	// Relay returns one relay.
	Relay(ctx context.Context, id int64) (Relay, error)
	// CreateRelay stores a new relay with the digest of its token. A name that is
	// taken, and one relay more than MaxRelays, is fault.Conflict; a site that does not
	// exist is fault.Invalid. Site is a name or an id, empty for none.
	CreateRelay(ctx context.Context, r Relay, site string, digest []byte) (Relay, error)
	// SetRelayToken puts the digest of another token in place of a relay's, none
	// for nil, and raises its generation.
	SetRelayToken(ctx context.Context, id int64, digest []byte, at time.Time) (Relay, error)
	// DeleteRelay removes a relay with its channels. One that connections use is
	// fault.Conflict.
	DeleteRelay(ctx context.Context, id int64) error
	// RelayOfToken returns the relay whose token has the digest.
	RelayOfToken(ctx context.Context, digest []byte) (Relay, error)
}
