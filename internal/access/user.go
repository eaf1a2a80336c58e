package access

import (
	"slices"
	"time"
)

// User is somebody, or something, that calls the API.
type User struct {
	ID           int64
	Username     string // case-sensitive
	FirstName    string
	LastName     string
	Roles        []Role // ascending by id; a user without one may do nothing
	Scope        Scope
	PasswordHash string // PHC string of argon2id
	// PasswordChanged ends every token that was issued before.
	PasswordChanged time.Time
	Disabled        bool
	Created         time.Time
	Settings        Settings
}

// Settings are how a user is served. They decide nothing of what the user may do.
type Settings struct {
	// Email is where mail for them goes; empty for nowhere. Managers alone set it.
	Email string
	// TimeFormat is the name of the format in which they read and write times,
	// TimeZone that of the zone, in the IANA database. Empty is the default.
	TimeFormat string
	TimeZone   string
}

// Manager reports whether one of the user's roles may do everything.
func (u User) Manager() bool {
	return slices.ContainsFunc(u.Roles, func(r Role) bool { return r.Manager })
}

// Scope says which host assets a user may see and change: those that carry one
// of the tags or a tag below one of them. The zero Scope has none. Managers have
// every asset whatever their scope says.
type Scope struct {
	All    bool    // every asset
	TagIDs []int64 // as assigned, ascending
	// Reach is TagIDs and every tag below them, ascending. Storage fills it in.
	Reach []int64
}

// Principal is a user who has proved to be who they say, and what they may do.
// The zero Principal may do nothing.
type Principal struct {
	User User
	// ByToken says that a token was shown, not the password: whoever has it may
	// not make it last longer.
	ByToken bool

	manager bool
	granted map[Permission]bool
}

// NewPrincipal returns what the user may do by their roles together.
func NewPrincipal(u User) Principal {
	p := Principal{User: u, manager: u.Manager(), granted: make(map[Permission]bool)}
	for _, role := range u.Roles {
		for _, permission := range role.Permissions {
			p.granted[permission] = true
		}
	}
	return p
}

// Manager reports whether the principal may do everything.
func (p Principal) Manager() bool { return p.manager }

// May reports whether the principal has any of the permissions. Without one
// named only managers may.
func (p Principal) May(anyOf ...Permission) bool {
	return p.manager || slices.ContainsFunc(anyOf, func(q Permission) bool { return p.granted[q] })
}

// Permissions returns everything the principal may do, sorted.
func (p Principal) Permissions() []Permission {
	all := []Permission{APIAccess, UIAccess}
	for _, module := range Modules() {
		all = append(all, module.Permissions()...)
	}
	all = slices.DeleteFunc(all, func(q Permission) bool { return !p.May(q) })
	slices.Sort(all)
	return all
}

// Everywhere reports whether the principal's scope is every asset.
func (p Principal) Everywhere() bool { return p.manager || p.User.Scope.All }

// Reach returns the tags whose assets are in scope; see Everywhere.
func (p Principal) Reach() []int64 { return p.User.Scope.Reach }
