package access

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
)

const (
	// MinTokenLife is how long an API token lasts at least.
	MinTokenLife = time.Minute
	// MaxTokens bounds the tokens of a user that have not expired.
	MaxTokens = 50
)

// CreateToken makes a token of the caller's own, which lasts for lifetime, and
// returns its secret, which is not kept. Not even a manager makes one for
// somebody else: what is done with a token is done in its user's name.
func (d *Directory) CreateToken(ctx context.Context, by Principal, username, name string, lifetime time.Duration) (t Token, secret string, err error) {
	if by, err = d.still(ctx, by); err != nil {
		return Token{}, "", err
	}
	if err := needsPassword(by, "making a token"); err != nil {
		return Token{}, "", err
	}
	if username != by.User.Username {
		return Token{}, "", fault.New(fault.Forbidden, "A token acts in the name of its user, who alone makes it.", "Sign in as that user.")
	}
	if err := checkName("name", name); err != nil {
		return Token{}, "", err
	}
	if lifetime < MinTokenLife || lifetime > MaxTokenLife {
		return Token{}, "", fault.New(fault.Invalid, fmt.Sprintf("expiresIn: invalid value '%d'.", int64(lifetime/time.Second)),
			fmt.Sprintf("Give seconds from %d to %d, which is a year.", int64(MinTokenLife/time.Second), int64(MaxTokenLife/time.Second)))
	}
	secret = NewTokenSecret(TokenPrefix)
	// Not cut to the second: one that is made right after a change of the password
	// would be dated before it, and have ended before it began.
	now := d.Now().UTC()
	t, err = d.Accounts.CreateToken(ctx, Token{UserID: by.User.ID, Name: name, Created: now, Expires: now.Add(lifetime)}, TokenDigest(secret), MaxTokens)
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// UserTokens returns a user's tokens in ascending order of id, those that have
// expired too. Users see their own, managers everybody's.
func (d *Directory) UserTokens(ctx context.Context, by Principal, username string) ([]Token, error) {
	owner, err := d.tokenOwner(ctx, by, username)
	if err != nil {
		return nil, err
	}
	return d.Accounts.Tokens(ctx, owner)
}

// RevokeToken ends a token. Users end their own, managers everybody's.
func (d *Directory) RevokeToken(ctx context.Context, by Principal, username string, id int64) error {
	owner, err := d.tokenOwner(ctx, by, username)
	if err != nil {
		return err
	}
	err = d.Accounts.DeleteToken(ctx, owner, id)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, fmt.Sprintf("User '%s' has no token %d.", echo(username), id), "List the user's tokens.")
	}
	return err
}

func (d *Directory) tokenOwner(ctx context.Context, by Principal, username string) (int64, error) {
	if username == by.User.Username {
		return by.User.ID, nil
	}
	if !by.Manager() {
		return 0, fault.New(fault.Forbidden, "You may see and revoke no tokens but your own.", "Ask a manager.")
	}
	u, err := d.User(ctx, by, username)
	return u.ID, err
}
