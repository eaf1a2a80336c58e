package access

import (
	"context"
	"time"
)

// Users is where users are found. Users come with their roles and the reach of
// their scope.
type Users interface {
	// UserByName returns the user, or fault.NotFound. Names are case-sensitive.
	UserByName(ctx context.Context, username string) (User, error)
	// UserByID returns the user, or fault.NotFound.
	UserByID(ctx context.Context, id int64) (User, error)
}

// SignIns counts failed sign-ins by the name that was tried and the address it
// came from, for all replicas together.
type SignIns interface {
	// LockedUntil returns the end of the lock, the zero time without one.
	LockedUntil(ctx context.Context, username, address string) (time.Time, error)
	// CountFailure counts a failure and locks as long as lock says for so many in
	// a row; it returns the end of the lock. Failures older than forget count no
	// more.
	CountFailure(ctx context.Context, username, address string, at time.Time, forget time.Duration, lock func(failures int) time.Duration) (time.Time, error)
	// ForgetFailures is called after a success that ended failures.
	ForgetFailures(ctx context.Context, username, address string) error
}

// Tokens keeps API tokens by a digest of their secret.
type Tokens interface {
	// UserOfToken returns the user of the token with this digest and the token,
	// or fault.NotFound. Whether it has expired is for the caller to see.
	UserOfToken(ctx context.Context, digest []byte) (User, Token, error)
}

// Accounts is the storage Directory needs for users and their tokens.
type Accounts interface {
	Users
	// Users returns all users in ascending order of username.
	Users(ctx context.Context) ([]User, error)
	// CreateUser stores a new user with roles and scope, by the ids in them, and
	// returns it. A name that is taken is fault.Conflict; a role or tag that does
	// not exist is fault.Invalid and named.
	CreateUser(ctx context.Context, u User) (User, error)
	// UpdateUser stores what change makes of a user, in one transaction in which
	// no other change of users happens; change may be called several times. Its
	// error undoes everything. A change that leaves no enabled manager is
	// fault.Conflict.
	UpdateUser(ctx context.Context, username string, change func(*User) error) (User, error)
	// DeleteUser removes a user with their tokens; the last enabled manager stays,
	// with fault.Conflict.
	DeleteUser(ctx context.Context, username string) error
	// CreateToken stores a token under a digest of its secret; a user has at most
	// limit tokens that have not expired, more is fault.Conflict.
	CreateToken(ctx context.Context, t Token, digest []byte, limit int) (Token, error)
	// Tokens returns a user's tokens in ascending order of id.
	Tokens(ctx context.Context, userID int64) ([]Token, error)
	// DeleteToken removes a token of a user, or is fault.NotFound.
	DeleteToken(ctx context.Context, userID, id int64) error
}

// Roles is the storage Directory needs for roles. A role that does not exist is
// fault.NotFound.
type Roles interface {
	// Roles returns all roles in ascending order of id.
	Roles(ctx context.Context) ([]Role, error)
	// RoleUsers returns the names of a role's users in ascending order.
	RoleUsers(ctx context.Context, id int64) ([]string, error)
	// CreateRole stores a new role; a name that is taken is fault.Conflict.
	CreateRole(ctx context.Context, r Role) (Role, error)
	// UpdateRole stores what change makes of a role in one transaction; the role
	// of managers is fault.Conflict.
	UpdateRole(ctx context.Context, id int64, change func(*Role) error) (Role, error)
	// DeleteRole removes a role that no user has; otherwise, and for the role of
	// managers, fault.Conflict that names users.
	DeleteRole(ctx context.Context, id int64) error
	// AssignRole gives a role to users, or takes it from them, all of them or
	// none; a user that does not exist is fault.Invalid and named. Taking the role
	// of managers from the last enabled one is fault.Conflict.
	AssignRole(ctx context.Context, id int64, usernames []string, give bool) error
}

// AuditLog is where the audit log is read.
type AuditLog interface {
	// AuditEntries returns entries, newest first.
	AuditEntries(ctx context.Context, f AuditFilter) ([]Entry, error)
}
