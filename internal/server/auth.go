package server

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// Authenticator checks credentials. Wrong ones are a fault.Unauthenticated. The
// address is the IP address they came from.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password, address string) (access.Principal, error)
	// AuthenticateToken checks a token as Authorization: Bearer carries it.
	AuthenticateToken(ctx context.Context, token, address string) (access.Principal, error)
}

// Guard lets only those operators through who may do what they ask for, and
// records what they do.
type Guard struct {
	Users Authenticator
	// Journal takes a row for every write and for every refusal.
	Journal access.Journal
	// PlainHeaders also accepts the request headers "user" and "password" when
	// there is no Authorization header (Qualys Asset Management API, JSON
	// samples).
	PlainHeaders bool
	// Budget is the concurrency that authenticated requests count against, nil for
	// none. What is not authenticated does not count: strangers take no place of
	// those who are known.
	Budget *Budget
	// Limits are those of each user, nil for none.
	Limits *Limits
}

// Operation is what a guarded route does.
type Operation struct {
	Name string // as the audit log has it, such as "update am/hostasset"
	// AnyOf are the permissions of which one is enough; beside it API access is
	// always needed. None means that only managers may.
	AnyOf []access.Permission
	// Open says that API access alone is enough.
	Open bool
	// Write says that it changes something: it is recorded, whatever its outcome.
	Write bool
}

type principalKey struct{}

// PrincipalOf returns who a Guard let through; without a Guard, the zero
// Principal, who may do nothing.
func PrincipalOf(ctx context.Context) access.Principal {
	principal, _ := ctx.Value(principalKey{}).(access.Principal)
	return principal
}

// UserOf returns the user a Guard let through, the zero User without one.
func UserOf(ctx context.Context) access.User { return PrincipalOf(ctx).User }

// ScopeOf returns the part of the fleet that a request may see and change. It is
// empty without a Guard.
func ScopeOf(ctx context.Context) fleet.Scope {
	principal := PrincipalOf(ctx)
	return fleet.Scope{All: principal.Everywhere(), TagIDs: principal.Reach()}
}

// errPanicked is what the audit log has of a handler that panicked; the log has
// the panic itself.
var errPanicked = errors.New("the handler panicked")

// Protect returns h behind the guard. Requests are refused before their body is
// read.
func (g Guard) Protect(op Operation, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sameSite(r); err != nil {
			Fail(w, r, err)
			return
		}
		principal, err := g.authenticate(r)
		if err != nil {
			Fail(w, r, err)
			return
		}
		ex := exchangeOf(r.Context())
		ex.user = principal.User.Username
		leave, err := g.Limits.admit(w, principal.User.Username)
		if err != nil {
			Fail(w, r, err)
			return
		}
		defer leave()
		release, err := g.Budget.AcquireFor(principal.User.Username)
		if err != nil {
			Fail(w, r, err)
			return
		}
		defer release()
		ex.audit = &auditing{
			journal: g.Journal, operation: op, actor: principal.User.Username, address: addressOf(r),
			object: cmp.Or(r.PathValue("username"), r.PathValue("id")), program: programOf(r),
		}
		if err := permit(op, principal); err != nil {
			Fail(w, r, Settle(r.Context(), err))
			return
		}
		// What a handler did not settle itself. Of one that panicked nobody knows how
		// far it came.
		returned := false
		defer func() {
			outcome := ex.err
			if outcome == nil && !returned {
				outcome = errPanicked
			}
			_ = Settle(r.Context(), outcome) // too late for an answer; Settle has logged it
		}()
		r = r.WithContext(context.WithValue(r.Context(), principalKey{}, principal))
		ex.guarded(principal.User.Username, h).ServeHTTP(w, r)
		returned = true
	})
}

// sameSite refuses a request that a browser makes for a page from elsewhere: it
// adds the name and password it was once told here, whoever wrote the page.
// Programs send none of the fields that tell.
func sameSite(r *http.Request) error {
	if new(http.CrossOriginProtection).Check(r) == nil {
		return nil
	}
	return fault.New(fault.Forbidden, "The request was made by a web page from elsewhere.", "Send it from a program, or from a page of this platform.")
}

// permit refuses what the principal's roles do not allow.
func permit(op Operation, p access.Principal) error {
	if p.May(access.APIAccess) && (op.Open || p.May(op.AnyOf...)) {
		return nil
	}
	needed := "the role " + access.ManagerRole
	switch {
	case !p.May(access.APIAccess):
		needed = access.APIAccess.Label()
	case len(op.AnyOf) > 0:
		labels := make([]string, len(op.AnyOf))
		for i, permission := range op.AnyOf {
			labels[i] = permission.Label()
		}
		needed = strings.Join(labels, " or ")
	}
	return fault.New(fault.Forbidden, "User '"+Echo(p.User.Username)+"' may not use this call, it needs "+needed+".",
		"Ask a manager to check the permission settings of this account.")
}

func (g Guard) authenticate(r *http.Request) (access.Principal, error) {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return g.Users.AuthenticateToken(r.Context(), strings.TrimSpace(token), addressOf(r))
	}
	username, password, ok := r.BasicAuth()
	if !ok && g.PlainHeaders && r.Header.Get("Authorization") == "" {
		username, password = r.Header.Get("user"), r.Header.Get("password")
		ok = username != "" || password != ""
	}
	if !ok {
		return access.Principal{}, NoCredentials()
	}
	return g.Users.Authenticate(r.Context(), username, password, addressOf(r))
}

// addressOf returns the IP address a request came from. Headers that proxies set
// are not believed: anybody can set them.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
