package connection

import (
	"slices"

	"vedette.dev/vedette/internal/access"
)

// Level is what a grant allows; a higher one includes those below.
type Level string

// The levels, from low to high.
const (
	Use  Level = "use"  // see the connection and run commands with it
	Edit Level = "edit" // and change it
	Own  Level = "own"  // and delete it and say who may use it
)

// Levels lists the levels from low to high.
func Levels() []Level { return []Level{Use, Edit, Own} }

// covers reports whether a level includes another one.
func (l Level) covers(needed Level) bool {
	return l != "" && slices.Index(Levels(), l) >= slices.Index(Levels(), needed)
}

// GranteeKind says whom a grant is for.
type GranteeKind string

// The kinds of grantees.
const (
	ToUser GranteeKind = "user"
	ToRole GranteeKind = "role"
)

// Grant lets a user, or everybody with a role, use a connection.
type Grant struct {
	Kind  GranteeKind
	ID    int64  // of the user or the role
	Name  string // of the user or the role
	Level Level
}

// levelOf returns the highest level that grants give to a principal, none for the
// empty level.
func levelOf(p access.Principal, grants []Grant) Level {
	if p.Manager() {
		return Own
	}
	var highest Level
	for _, g := range grants {
		mine := g.Kind == ToUser && g.ID == p.User.ID ||
			g.Kind == ToRole && slices.ContainsFunc(p.User.Roles, func(r access.Role) bool { return r.ID == g.ID })
		if mine && (highest == "" || g.Level.covers(highest)) {
			highest = g.Level
		}
	}
	return highest
}
