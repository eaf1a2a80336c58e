package relay

import (
	"net/netip"
	"time"
)

// Limits of relays.
const (
	// MaxRelays bounds the relays of a platform: each replica holds a channel to
	// every one of them.
	MaxRelays = 200
	// MaxDescriptionLength is in characters.
	MaxDescriptionLength = 1000
)

// Relay is a service in a closed network that carries connections to targets
// there. Version, Host, Addresses and LastSeen are what it last said of itself;
// they are empty for one that has never been seen.
type Relay struct {
	ID          int64
	Name        string // unique, and no number
	Description string
	// SiteID is the site whose connections may use it, 0 for those of every site.
	SiteID    int64
	SiteName  string
	Status    Status
	Version   string // of its program
	Host      string // the name of its machine
	Addresses []netip.Addr
	Replicas  int       // of the platform that have a channel to it
	LastSeen  time.Time // to about half a minute
	Created   time.Time
	// TokenChanged is when its token was last issued or revoked.
	TokenChanged time.Time
	// Generation counts the tokens it has had; a channel ends with the generation
	// it was opened in.
	Generation int64
}

// Status says whether a relay can be used.
type Status string

// The states of a relay.
const (
	Registered Status = "registered" // has a token, and has never had a channel
	Online     Status = "online"     // a replica of the platform has a channel to it
	Offline    Status = "offline"    // had a channel and has none
	Revoked    Status = "revoked"    // has no token: it gets no channel before the next rotation
)

// Times that replicas of a platform agree on.
const (
	// KeptEvery is how often a replica says which channels it has: often enough for
	// a status to be believed, and one write for all channels together.
	KeptEvery = 30 * time.Second
	// GoneAfter is when a channel that nobody spoke of any more is gone, with the
	// replica that had it: two times in a row were missed.
	GoneAfter = 75 * time.Second
)

// Hello is what a relay says of itself when it opens a channel. All of it is the
// relay's word.
type Hello struct {
	Version   string
	Host      string
	Addresses []netip.Addr
	// Instance is different for every start of a relay's program: it tells one
	// that comes back from another one with the same token.
	Instance string
	// Number tells the channels of one instance apart: it has one for every URL.
	Number int
}

// Channel is a channel that a replica of the platform has to a relay.
type Channel struct {
	RelayID    int64
	Generation int64  // of the token that opened it
	Replica    string // random, different for every start of a platform
	Remote     string // address the relay came from
	Opened     time.Time
	Hello
}

// Standing is what has become of the relay of a channel.
type Standing struct {
	RelayID    int64
	Generation int64 // now
	// Instance is that of the channel that was opened last, on any replica.
	Instance string
}
