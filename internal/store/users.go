package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// CreateUser stores a new user and returns it with its id. A name that is taken
// is fault.Conflict.
func (s *Store) CreateUser(ctx context.Context, u access.User) (access.User, error) {
	var check checker
	check.indexed("username", u.Username)
	check.text("firstName", u.FirstName)
	check.text("lastName", u.LastName)
	if u.Username == "" {
		check.err = fault.Newf(fault.Invalid, "username is empty")
	}
	if check.err != nil {
		return access.User{}, check.err
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO users (username, first_name, last_name, role, password_hash, disabled, created)
			VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			u.Username, u.FirstName, u.LastName, string(u.Role), u.PasswordHash, u.Disabled, micros(u.Created)).Scan(&u.ID)
	})
	switch {
	case s.dialect.Duplicate(err):
		return access.User{}, fault.Newf(fault.Conflict, "a user named %q exists already", u.Username)
	case err != nil:
		return access.User{}, fmt.Errorf("create user %q: %w", u.Username, err)
	}
	return u, nil
}

// UserByName returns the user, or fault.NotFound. Names are case-sensitive.
func (s *Store) UserByName(ctx context.Context, username string) (access.User, error) {
	var u access.User
	var created sql.NullInt64
	err := s.queryRow(ctx, `SELECT id, username, first_name, last_name, role, password_hash, disabled, created
		FROM users WHERE username = ?`, storable(username)).
		Scan(&u.ID, &u.Username, &u.FirstName, &u.LastName, &u.Role, &u.PasswordHash, &u.Disabled, &created)
	if err != nil {
		return access.User{}, fmt.Errorf("read user %q: %w", username, found(err, "user %q", username))
	}
	u.Created = when(created)
	return u, nil
}

// SetPassword replaces a user's password hash. An unknown user is
// fault.NotFound.
func (s *Store) SetPassword(ctx context.Context, username, hash string) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE users SET password_hash = ? WHERE username = ?", hash, storable(username))
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return found(err, "user %q", username)
	})
	if err != nil {
		return fmt.Errorf("set password of user %q: %w", username, err)
	}
	return nil
}
