package connection

import (
	"context"

	"vedette.dev/vedette/internal/access"
)

// Connections is the storage Directory needs for connections. One that does not
// exist is fault.NotFound.
type Connections interface {
	// Connections returns every connection in ascending order of id.
	Connections(ctx context.Context) ([]Connection, error)
	// Connection returns one.
	Connection(ctx context.Context, id int64) (Connection, error)
	// CreateConnection stores a connection with its secrets and returns it as stored. A
	// name that is taken in the site is fault.Conflict; a site, a vault or a relay that
	// does not exist fault.Invalid.
	CreateConnection(ctx context.Context, c Connection, secrets map[string]string) (Connection, error)
	// UpdateConnection stores what change makes of a connection, and the secrets it
	// returns beside those that are stored, of which those that are not in Stored any
	// more are removed. change may be called several times; its error undoes everything.
	UpdateConnection(ctx context.Context, id int64, change func(*Connection) (map[string]string, error)) (Connection, error)
	// DeleteConnection removes a connection with its secrets and grants; its runs
	// stay, and those that have not ended fail when they find it gone. One that is the vault of another one, or
	// that a schedule uses, is fault.Conflict.
	DeleteConnection(ctx context.Context, id int64) error
	// ConnectionSecrets returns the secrets of a connection by their names.
	ConnectionSecrets(ctx context.Context, id int64) (map[string]string, error)
}

// Sites is the storage Directory needs for sites. One that does not exist is
// fault.NotFound.
type Sites interface {
	// Sites returns every site with its members in ascending order of id.
	Sites(ctx context.Context) ([]Site, error)
	// SitesOf returns the sites of a user, without members, in ascending order of id.
	SitesOf(ctx context.Context, userID int64) ([]Site, error)
	// CreateSite stores a site and returns it with its id; a name that is taken is
	// fault.Conflict.
	CreateSite(ctx context.Context, s Site) (Site, error)
	// UpdateSite stores what change makes of a site without its members. A client site
	// that a shared connection belongs to is fault.Conflict.
	UpdateSite(ctx context.Context, id int64, change func(*Site) error) (Site, error)
	// DeleteSite removes a site; one that connections belong to is fault.Conflict.
	DeleteSite(ctx context.Context, id int64) error
	// ChangeMembers adds users to a site and removes others, all of them or none; a
	// user that does not exist is fault.Invalid and named.
	ChangeMembers(ctx context.Context, id int64, add, remove []string) error
}

// People is where those are found whom grants are for.
type People interface {
	// UserByName returns the user, or fault.NotFound. Names are case-sensitive.
	UserByName(ctx context.Context, username string) (access.User, error)
	// Roles returns all roles.
	Roles(ctx context.Context) ([]access.Role, error)
}

// Relays is where it is known which relays there are.
type Relays interface {
	// RelayOf returns the id of a relay, which is found by its id or, where that is 0, by
	// its name, and the site to whose connections it is kept, 0 for none. One that does
	// not exist is fault.NotFound.
	RelayOf(ctx context.Context, id int64, name string) (relayID, siteID int64, err error)
}
