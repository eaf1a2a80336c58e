package server

import (
	"context"
	"net/http"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// Authenticator checks credentials. Wrong ones are a fault.Unauthenticated.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password string) (access.User, error)
}

// Guard lets only authenticated operators through.
type Guard struct {
	Users Authenticator
	// PlainHeaders also accepts the request headers "user" and "password" when
	// there is no Authorization header (Qualys Asset Management API, JSON
	// samples).
	PlainHeaders bool
	// Budget is the concurrency that authenticated requests count against, nil for
	// none. What is not authenticated does not count: strangers take no place of
	// those who are known.
	Budget *Budget
}

type userKey struct{}

// UserOf returns the user a Guard let through, the zero User without one.
func UserOf(ctx context.Context) access.User {
	user, _ := ctx.Value(userKey{}).(access.User)
	return user
}

// Protect returns h behind the guard. Requests are refused before their body is
// read.
func (g Guard) Protect(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := g.authenticate(r)
		if err != nil {
			Fail(w, r, err)
			return
		}
		release, err := g.Budget.acquire()
		if err != nil {
			Fail(w, r, err)
			return
		}
		defer release()
		exchangeOf(r.Context()).user = user.Username
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

func (g Guard) authenticate(r *http.Request) (access.User, error) {
	username, password, ok := r.BasicAuth()
	if !ok && g.PlainHeaders && r.Header.Get("Authorization") == "" {
		username, password = r.Header.Get("user"), r.Header.Get("password")
		ok = username != "" || password != ""
	}
	if !ok {
		return access.User{}, NoCredentials()
	}
	user, err := g.Users.Authenticate(r.Context(), username, password)
	if err != nil {
		return access.User{}, err
	}
	// Managers may do everything. A role this version does not know may do
	// nothing, rather than what a later version allows it to see.
	if user.Role != access.RoleManager {
		return access.User{}, fault.New(fault.Forbidden,
			"User '"+Echo(user.Username)+"' has no permission to use the API.",
			"Ask a manager to check the permission settings of this account.")
	}
	return user, nil
}
