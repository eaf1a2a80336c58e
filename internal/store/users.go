package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

var _ access.Accounts = (*Store)(nil)

// maxUserLinks bounds the roles and, by themselves, the tags of a user: all are
// read at every request.
const maxUserLinks = 1000

// userColumns are what scanUser reads.
const userColumns = `u.id, u.username, u.first_name, u.last_name, u.password_hash, u.password_changed, u.disabled, u.created,
	u.scope_all, u.roles, u.scope, u.reach, u.time_format, u.time_zone, u.email`

// storedRole is a role as the view user_details has it.
type storedRole struct {
	ID          int64               `json:"id"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Manager     bool                `json:"manager"`
	Created     int64               `json:"created"`
	Permissions []access.Permission `json:"permissions"`
}

// scanUser reads userColumns, and more columns into extra.
func scanUser(scan func(...any) error, extra ...any) (access.User, error) {
	var u access.User
	var changed, created sql.NullInt64
	var roles, scope, reach []byte
	err := scan(append([]any{
		&u.ID, &u.Username, &u.FirstName, &u.LastName, &u.PasswordHash, &changed, &u.Disabled, &created,
		&u.Scope.All, &roles, &scope, &reach, &u.Settings.TimeFormat, &u.Settings.TimeZone, &u.Settings.Email,
	}, extra...)...)
	if err != nil {
		return access.User{}, err
	}
	u.PasswordChanged, u.Created = when(changed), when(created)
	var stored []storedRole
	if err := errors.Join(decode(roles, &stored), decode(scope, &u.Scope.TagIDs), decode(reach, &u.Scope.Reach)); err != nil {
		return access.User{}, err
	}
	u.Scope.TagIDs, u.Scope.Reach = sorted(u.Scope.TagIDs), sorted(u.Scope.Reach)
	for _, r := range stored {
		u.Roles = append(u.Roles, access.Role{
			ID: r.ID, Name: r.Name, Description: r.Description, Manager: r.Manager, Permissions: sorted(r.Permissions),
			Created: time.UnixMicro(r.Created).UTC(),
		})
	}
	slices.SortFunc(u.Roles, func(a, b access.Role) int { return cmp.Compare(a.ID, b.ID) })
	return u, nil
}

// sorted returns the values in order, nil for none.
func sorted[T cmp.Ordered](values []T) []T {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	return values
}

// UserByName returns the user; see access.Users.
func (s *Store) UserByName(ctx context.Context, username string) (access.User, error) {
	u, err := scanUser(s.queryRow(ctx, "SELECT "+userColumns+" FROM user_details AS u WHERE u.username = ?", storable(username)).Scan)
	if err != nil {
		return access.User{}, fmt.Errorf("read user %q: %w", username, found(err, "user %q", username))
	}
	return u, nil
}

// UserByID returns the user; see access.Users.
func (s *Store) UserByID(ctx context.Context, id int64) (access.User, error) {
	u, err := scanUser(s.queryRow(ctx, "SELECT "+userColumns+" FROM user_details AS u WHERE u.id = ?", id).Scan)
	if err != nil {
		return access.User{}, fmt.Errorf("read user %d: %w", id, found(err, "user %d", id))
	}
	return u, nil
}

// Users returns all users; see access.Accounts.
func (s *Store) Users(ctx context.Context) ([]access.User, error) {
	var users []access.User
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT "+userColumns+" FROM user_details AS u", nil, func(rows *sql.Rows) error {
			u, err := scanUser(rows.Scan)
			users = append(users, u)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	slices.SortFunc(users, func(a, b access.User) int { return cmp.Compare(a.Username, b.Username) })
	return users, nil
}

// CreateUser stores a new user; see access.Accounts.
func (s *Store) CreateUser(ctx context.Context, u access.User) (access.User, error) {
	if err := checkUser(u); err != nil {
		return access.User{}, err
	}
	var stored access.User
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO users (username, first_name, last_name, password_hash, password_changed, disabled, created, scope_all,
				time_format, time_zone, email)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			u.Username, u.FirstName, u.LastName, u.PasswordHash, micros(u.PasswordChanged), u.Disabled, micros(u.Created), u.Scope.All,
			u.Settings.TimeFormat, u.Settings.TimeZone, u.Settings.Email).Scan(&u.ID)
		if err != nil {
			return err
		}
		stored, err = tx.linkUser(ctx, u)
		return err
	})
	if err != nil {
		return access.User{}, s.userFailure("create", u.Username, err)
	}
	return stored, nil
}

// UpdateUser stores what change makes of a user; see access.Accounts. A password
// that changes ends the user's tokens, whether or not change says when.
func (s *Store) UpdateUser(ctx context.Context, username string, change func(*access.User) error) (access.User, error) {
	var stored access.User
	name := username // after the change
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		before, err := tx.user(ctx, username)
		if err != nil {
			return err
		}
		after := before
		after.Roles, after.Scope.TagIDs = slices.Clone(before.Roles), slices.Clone(before.Scope.TagIDs)
		if err := change(&after); err != nil {
			return err
		}
		after.ID, name = before.ID, after.Username
		if after.PasswordHash != before.PasswordHash && after.PasswordChanged.Equal(before.PasswordChanged) {
			after.PasswordChanged = s.now()
		}
		if err := checkUser(after); err != nil {
			return err
		}
		if err := tx.writeUser(ctx, after); err != nil {
			return err
		}
		if stored, err = tx.linkUser(ctx, after); err != nil {
			return err
		}
		return tx.keepManager(ctx, before)
	})
	if err != nil {
		return access.User{}, s.userFailure("update", name, err)
	}
	return stored, nil
}

// DeleteUser removes a user; see access.Accounts.
func (s *Store) DeleteUser(ctx context.Context, username string) error {
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		before, err := tx.user(ctx, username)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM users WHERE id = ?", before.ID); err != nil {
			return err
		}
		return tx.keepManager(ctx, before)
	})
	if err != nil {
		return fmt.Errorf("delete user %q: %w", username, err)
	}
	return nil
}

func (s *Store) userFailure(attempt, username string, err error) error {
	if s.dialect.Duplicate(err) {
		return fault.New(fault.Conflict, fmt.Sprintf("username: a user named %q exists already.", username), "Choose another username.")
	}
	return fmt.Errorf("%s user %q: %w", attempt, username, err)
}

func checkUser(u access.User) error {
	var check checker
	check.indexed("username", u.Username)
	check.text("firstName", u.FirstName)
	check.text("lastName", u.LastName)
	check.text("timeFormat", u.Settings.TimeFormat)
	check.text("timeZone", u.Settings.TimeZone)
	check.text("email", u.Settings.Email)
	switch {
	case check.err != nil:
		return check.err
	case u.Username == "":
		return fault.Newf(fault.Invalid, "username is empty")
	case len(u.Roles) > maxUserLinks:
		return fault.Newf(fault.Invalid, "roles: %d are given, at most %d are allowed", len(u.Roles), maxUserLinks)
	case len(u.Scope.TagIDs) > maxUserLinks:
		return fault.Newf(fault.Invalid, "scope: %d tags are given, at most %d are allowed", len(u.Scope.TagIDs), maxUserLinks)
	}
	return nil
}

// inUsersTx runs a change of users or roles in one transaction. Such transactions
// run one after the other, since who the last manager is depends on all users:
// the row of the role of managers stands for them.
func (s *Store) inUsersTx(ctx context.Context, change func(tx *Tx) error) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.ids(ctx, "SELECT id FROM roles WHERE id = ?"+s.dialect.ForNoKeyUpdate(), access.ManagerRoleID); err != nil {
			return fmt.Errorf("lock users: %w", err)
		}
		return change(tx)
	})
}

func (t *Tx) user(ctx context.Context, username string) (access.User, error) {
	u, err := scanUser(t.QueryRow(ctx, "SELECT "+userColumns+" FROM user_details AS u WHERE u.username = ?", storable(username)).Scan)
	return u, found(err, "user %q", username)
}

func (t *Tx) writeUser(ctx context.Context, u access.User) error {
	_, err := t.Exec(ctx, `UPDATE users SET username = ?, first_name = ?, last_name = ?, password_hash = ?, password_changed = ?,
			disabled = ?, scope_all = ?, time_format = ?, time_zone = ?, email = ? WHERE id = ?`,
		u.Username, u.FirstName, u.LastName, u.PasswordHash, micros(u.PasswordChanged), u.Disabled, u.Scope.All,
		u.Settings.TimeFormat, u.Settings.TimeZone, u.Settings.Email, u.ID)
	return err
}

// linkUser gives a stored user exactly the roles and tags of u, by their ids, and
// returns the user as stored.
func (t *Tx) linkUser(ctx context.Context, u access.User) (access.User, error) {
	roleIDs := make([]int64, len(u.Roles))
	for i, role := range u.Roles {
		roleIDs[i] = role.ID
	}
	for _, link := range []struct {
		table, column, of, missing, next string
		ids                              []int64
	}{
		{"user_roles", "role_id", "roles", "roles: there is no role with the id %d.", "List the roles there are, or create it.", roleIDs},
		{"user_scope", "tag_id", "tags", "scope: there is no tag with the id %d.", "Search for the ids of the tags there are.", u.Scope.TagIDs},
	} {
		// The rows are kept from being deleted until the link is there.
		known, err := t.ids(ctx, "SELECT id FROM "+link.of+" WHERE "+t.dialect.InIDs("id")+" ORDER BY id"+t.dialect.ForNoKeyUpdate(), t.dialect.IDsParam(link.ids))
		if err != nil {
			return access.User{}, fmt.Errorf("look up %d of %s: %w", len(link.ids), link.of, err)
		}
		for _, id := range link.ids {
			if !slices.Contains(known, id) {
				return access.User{}, fault.New(fault.Invalid, fmt.Sprintf(link.missing, id), link.next)
			}
		}
		if _, err := t.Exec(ctx, "DELETE FROM "+link.table+" WHERE user_id = ?", u.ID); err != nil {
			return access.User{}, err
		}
		_, err = t.Exec(ctx, "INSERT INTO "+link.table+" (user_id, "+link.column+") SELECT CAST(? AS BIGINT), id FROM "+link.of+" WHERE "+t.dialect.InIDs("id"),
			u.ID, t.dialect.IDsParam(known))
		if err != nil {
			return access.User{}, err
		}
	}
	return t.user(ctx, u.Username)
}

// keepManager refuses a change after which no enabled manager is left, of a user
// who was one before.
func (t *Tx) keepManager(ctx context.Context, before access.User) error {
	if before.Disabled || !before.Manager() {
		return nil
	}
	var left bool
	err := t.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM user_roles AS x JOIN users AS u ON u.id = x.user_id
		WHERE x.role_id = ? AND NOT u.disabled)`, access.ManagerRoleID).Scan(&left)
	if err != nil {
		return fmt.Errorf("look for managers: %w", err)
	}
	if !left {
		return fault.New(fault.Conflict, fmt.Sprintf("User '%s' is the last enabled manager.", before.Username),
			"Give another enabled user the role "+access.ManagerRole+" first.")
	}
	return nil
}
