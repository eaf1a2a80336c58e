package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

var _ access.Tokens = (*Store)(nil)

const tokenColumns = "k.id, k.user_id, k.name, k.created, k.expires"

func tokenFields(t *access.Token, created, expires *sql.NullInt64) []any {
	return []any{&t.ID, &t.UserID, &t.Name, created, expires}
}

// UserOfToken returns the token with this digest and its user; see access.Tokens.
func (s *Store) UserOfToken(ctx context.Context, digest []byte) (access.User, access.Token, error) {
	var token access.Token
	var created, expires sql.NullInt64
	row := s.queryRow(ctx, "SELECT "+userColumns+", "+tokenColumns+" FROM api_tokens AS k JOIN user_details AS u ON u.id = k.user_id WHERE k.digest = ?", digest)
	user, err := scanUser(row.Scan, tokenFields(&token, &created, &expires)...)
	if err != nil {
		return access.User{}, access.Token{}, fmt.Errorf("read user of token: %w", found(err, "such token"))
	}
	token.Created, token.Expires = when(created), when(expires)
	return user, token, nil
}

// CreateToken stores a token; see access.Accounts. What has expired of the user's
// tokens goes. A token ends, at most access.MaxTokenLife after it was made.
func (s *Store) CreateToken(ctx context.Context, t access.Token, digest []byte, limit int) (access.Token, error) {
	if err := checkToken(t); err != nil {
		return access.Token{}, err
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		var id int64
		err := tx.QueryRow(ctx, "SELECT id FROM users WHERE id = ?"+s.dialect.ForNoKeyUpdate(), t.UserID).Scan(&id)
		if err != nil {
			return found(err, "user %d", t.UserID)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM api_tokens WHERE user_id = ? AND expires <= ?", t.UserID, micros(t.Created)); err != nil {
			return fmt.Errorf("delete expired tokens: %w", err)
		}
		var held int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM api_tokens WHERE user_id = ?", t.UserID).Scan(&held); err != nil {
			return fmt.Errorf("count tokens: %w", err)
		}
		if held >= limit {
			return fault.New(fault.Conflict, fmt.Sprintf("The user has %d tokens, at most %d are allowed.", held, limit), "Revoke a token that is not needed any more.")
		}
		return tx.QueryRow(ctx, "INSERT INTO api_tokens (user_id, name, digest, created, expires) VALUES (?, ?, ?, ?, ?) RETURNING id",
			t.UserID, t.Name, digest, micros(t.Created), micros(t.Expires)).Scan(&t.ID)
	})
	if err != nil {
		return access.Token{}, fmt.Errorf("create token %q: %w", t.Name, err)
	}
	return t, nil
}

func checkToken(t access.Token) error {
	var check checker
	check.text("name", t.Name)
	switch {
	case check.err != nil:
		return check.err
	case t.Name == "":
		return fault.New(fault.Invalid, "name is empty.", "Give the token a name to tell it from others.")
	case !t.Expires.After(t.Created):
		return fault.New(fault.Invalid, "expires: a token must expire, and not before it is made.", "Give the time at which it shall expire.")
	case t.Expires.Sub(t.Created) > access.MaxTokenLife:
		return fault.New(fault.Invalid, fmt.Sprintf("expires: %s is more than %d days away.", t.Expires.UTC().Format("2006-01-02"), int(access.MaxTokenLife.Hours()/24)),
			"Choose an earlier time; make a new token when it has come.")
	}
	return nil
}

// Tokens returns a user's tokens; see access.Accounts.
func (s *Store) Tokens(ctx context.Context, userID int64) ([]access.Token, error) {
	var tokens []access.Token
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT "+tokenColumns+" FROM api_tokens AS k WHERE k.user_id = ? ORDER BY k.id", []any{userID}, func(rows *sql.Rows) error {
			var t access.Token
			var created, expires sql.NullInt64
			if err := rows.Scan(tokenFields(&t, &created, &expires)...); err != nil {
				return err
			}
			t.Created, t.Expires = when(created), when(expires)
			tokens = append(tokens, t)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read tokens of user %d: %w", userID, err)
	}
	return tokens, nil
}

// DeleteToken removes a token; see access.Accounts.
func (s *Store) DeleteToken(ctx context.Context, userID, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "DELETE FROM api_tokens WHERE user_id = ? AND id = ?", userID, id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return found(err, "token %d of this user", id)
	})
	if err != nil {
		return fmt.Errorf("delete token %d: %w", id, err)
	}
	return nil
}
