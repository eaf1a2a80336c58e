package access

import (
	"context"
	"time"
)

// Role says what a user may do. There is one so far.
type Role string

// RoleManager may do everything.
const RoleManager Role = "MANAGER"

// User is somebody, or something, that calls the API.
type User struct {
	ID           int64
	Username     string
	FirstName    string
	LastName     string
	Role         Role
	PasswordHash string // PHC string of argon2id
	Disabled     bool
	Created      time.Time
}

// Users is the storage Authenticator needs.
type Users interface {
	// UserByName returns the user, or fault.NotFound. Names are case-sensitive.
	UserByName(ctx context.Context, username string) (User, error)
}
