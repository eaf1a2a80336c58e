package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// maxTokenBytes bounds a token before anything looks at it. A session token that
// lists every permission has less than a kilobyte.
const maxTokenBytes = 4096

// bearer is a token that was found genuine, with its user.
type bearer struct {
	user            User
	name            string // as the audit log has it
	issued, expires time.Time
}

// AuthenticateToken returns the principal whom an API token or a session token
// belongs to. A token that is not genuine, has been revoked or has expired, and
// one whose user is gone, is disabled or has had another password since it was
// made, is fault.Unauthenticated.
//
// A genuine token leaves a row in the audit log when it has not been seen for a
// minute. Others leave none: they cannot be guessed, and belong to nobody.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token, address string) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, refusedToken()
	}
	b, err := a.bearer(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	outcome, detail := Done, b.name
	ended := b.ended(a.now())
	if ended != "" {
		outcome, detail = Refused, b.name+": "+ended
	}
	if err := a.recordBearer(ctx, token, address, b.user.Username, outcome, detail); err != nil {
		return Principal{}, err
	}
	if ended != "" {
		return Principal{}, refusedToken()
	}
	principal := NewPrincipal(b.user)
	principal.ByToken = true
	return principal, nil
}

func refusedToken() error {
	return fault.New(fault.Unauthenticated, "Authentication failed", "The token is not valid or has expired. Sign in at /auth, or create another API token.")
}

// bearer finds out whose a token is.
func (a *Authenticator) bearer(ctx context.Context, token string) (bearer, error) {
	if strings.HasPrefix(token, TokenPrefix) {
		user, t, err := a.storage.UserOfToken(ctx, TokenDigest(token))
		if err != nil {
			return bearer{}, unknownToken(err)
		}
		return bearer{user: user, name: fmt.Sprintf("token %d, '%s'", t.ID, t.Name), issued: t.Created, expires: t.Expires}, nil
	}
	s, err := a.issuer.read(token)
	if err != nil {
		return bearer{}, refusedToken()
	}
	user, err := a.storage.UserByID(ctx, s.userID)
	if err != nil {
		return bearer{}, unknownToken(err)
	}
	return bearer{user: user, name: "session token " + s.id, issued: s.issued, expires: s.expires}, nil
}

func unknownToken(err error) error {
	if fault.Is(err, fault.NotFound) {
		return refusedToken()
	}
	return fmt.Errorf("look up token: %w", err)
}

// ended says why the token is not valid any more, nothing if it is.
func (b bearer) ended(now time.Time) string {
	switch {
	case !now.Before(b.expires):
		return "it has expired"
	case b.user.Disabled:
		return "the user is disabled"
	case b.issued.Before(b.user.PasswordChanged):
		return "the password was changed after it was made"
	}
	return ""
}

// recordBearer records a genuine token, unless the same was recorded of it not
// long ago.
func (a *Authenticator) recordBearer(ctx context.Context, token, address, username string, outcome Outcome, detail string) error {
	caller, of := a.digest("token", token, NetworkOf(address)), a.digest(detail)
	if seen, ok := a.recall(caller); ok && seen == of {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if err := a.record(ctx, username, address, outcome, detail); err != nil {
		return err
	}
	a.remember(caller, of)
	return nil
}
