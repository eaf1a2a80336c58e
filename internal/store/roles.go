package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

var _ access.Roles = (*Store)(nil)

// namedUsers is how many users a message names.
const namedUsers = 5

// Roles returns all roles; see access.Roles.
func (s *Store) Roles(ctx context.Context) ([]access.Role, error) {
	var roles []access.Role
	err := s.view(ctx, func(tx *Tx) (err error) {
		roles, err = tx.roles(ctx, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return roles, nil
}

// roles reads roles in ascending order of id.
func (t *Tx) roles(ctx context.Context, where string, args ...any) ([]access.Role, error) {
	var roles []access.Role
	err := t.each(ctx, `SELECT r.id, r.name, r.description, r.manager, r.created, p.permission FROM roles AS r
		LEFT JOIN role_permissions AS p ON p.role_id = r.id`+where+" ORDER BY r.id", args, func(rows *sql.Rows) error {
		var r access.Role
		var created sql.NullInt64
		var permission sql.NullString
		if err := rows.Scan(&r.ID, &r.Name, &r.Description, &r.Manager, &created, &permission); err != nil {
			return err
		}
		if n := len(roles); n == 0 || roles[n-1].ID != r.ID {
			r.Created = when(created)
			roles = append(roles, r)
		}
		if permission.Valid {
			last := &roles[len(roles)-1]
			last.Permissions = append(last.Permissions, access.Permission(permission.String))
		}
		return nil
	})
	for i := range roles {
		slices.Sort(roles[i].Permissions)
	}
	return roles, err
}

func (t *Tx) role(ctx context.Context, id int64) (access.Role, error) {
	roles, err := t.roles(ctx, " WHERE r.id = ?", id)
	switch {
	case err != nil:
		return access.Role{}, fmt.Errorf("read role %d: %w", id, err)
	case len(roles) == 0:
		return access.Role{}, fault.New(fault.NotFound, fmt.Sprintf("There is no role %d.", id), "List the roles there are.")
	}
	return roles[0], nil
}

// RoleUsers returns the names of a role's users; see access.Roles. A role that
// does not exist is fault.NotFound.
func (s *Store) RoleUsers(ctx context.Context, id int64) ([]string, error) {
	var names []string
	err := s.view(ctx, func(tx *Tx) error {
		if _, err := tx.role(ctx, id); err != nil {
			return err
		}
		var err error
		names, err = tx.roleUsers(ctx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read users of role %d: %w", id, err)
	}
	return names, nil
}

func (t *Tx) roleUsers(ctx context.Context, id int64) ([]string, error) {
	var names []string
	err := t.each(ctx, "SELECT u.username FROM user_roles AS x JOIN users AS u ON u.id = x.user_id WHERE x.role_id = ?", []any{id},
		func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
	slices.Sort(names)
	return names, err
}

// CreateRole stores a new role; see access.Roles.
func (s *Store) CreateRole(ctx context.Context, r access.Role) (access.Role, error) {
	if err := checkRole(r); err != nil {
		return access.Role{}, err
	}
	var stored access.Role
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		err := tx.QueryRow(ctx, "INSERT INTO roles (name, description, manager, created) VALUES (?, ?, ?, ?) RETURNING id",
			r.Name, r.Description, false, micros(r.Created)).Scan(&r.ID)
		if err != nil {
			return err
		}
		stored, err = tx.permitRole(ctx, r)
		return err
	})
	if err != nil {
		return access.Role{}, s.roleFailure("create", r.Name, err)
	}
	return stored, nil
}

// UpdateRole stores what change makes of a role; see access.Roles.
func (s *Store) UpdateRole(ctx context.Context, id int64, change func(*access.Role) error) (access.Role, error) {
	var stored access.Role
	var name string
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		r, err := tx.role(ctx, id)
		if err != nil {
			return err
		}
		if r.Manager {
			return managerRoleStays("changed")
		}
		if err := change(&r); err != nil {
			return err
		}
		r.ID, name = id, r.Name
		if err := checkRole(r); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE roles SET name = ?, description = ? WHERE id = ?", r.Name, r.Description, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM role_permissions WHERE role_id = ?", id); err != nil {
			return err
		}
		stored, err = tx.permitRole(ctx, r)
		return err
	})
	if err != nil {
		return access.Role{}, s.roleFailure("update", name, err)
	}
	return stored, nil
}

// permitRole gives a stored role without permissions those of r, and returns the
// role as stored.
func (t *Tx) permitRole(ctx context.Context, r access.Role) (access.Role, error) {
	rows := make([][]any, len(r.Permissions))
	for i, permission := range r.Permissions {
		rows[i] = []any{string(permission)}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return access.Role{}, err
	}
	_, err = t.Exec(ctx, "INSERT INTO role_permissions (role_id, permission) SELECT DISTINCT CAST(? AS BIGINT), permission FROM "+
		t.dialect.Rows(columns("permission"))+" AS r", r.ID, param)
	if err != nil {
		return access.Role{}, fmt.Errorf("store %d permissions: %w", len(rows), err)
	}
	return t.role(ctx, r.ID)
}

// DeleteRole removes a role; see access.Roles.
func (s *Store) DeleteRole(ctx context.Context, id int64) error {
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		r, err := tx.role(ctx, id)
		if err != nil {
			return err
		}
		if r.Manager {
			return managerRoleStays("deleted")
		}
		users, err := tx.roleUsers(ctx, id)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.New(fault.Conflict, fmt.Sprintf("Role %d, '%s', is that of %s.", id, r.Name, nameSome(users)), "Take the role from its users first.")
		}
		_, err = tx.Exec(ctx, "DELETE FROM roles WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete role %d: %w", id, err)
	}
	return nil
}

// AssignRole gives a role to users or takes it from them; see access.Roles. A
// role that does not exist is fault.NotFound.
func (s *Store) AssignRole(ctx context.Context, id int64, usernames []string, give bool) error {
	err := s.inUsersTx(ctx, func(tx *Tx) error {
		if _, err := tx.role(ctx, id); err != nil {
			return err
		}
		for _, username := range usernames {
			before, err := tx.user(ctx, username)
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.Invalid, fmt.Sprintf("users: there is no user %q.", username), "List the users there are.")
			}
			if err != nil {
				return err
			}
			statement := "DELETE FROM user_roles WHERE user_id = ? AND role_id = ?"
			if give {
				statement = "INSERT INTO user_roles (user_id, role_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
			}
			if _, err := tx.Exec(ctx, statement, before.ID, id); err != nil {
				return err
			}
			if err := tx.keepManager(ctx, before); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("assign role %d: %w", id, err)
	}
	return nil
}

func (s *Store) roleFailure(attempt, name string, err error) error {
	if s.dialect.Duplicate(err) {
		return fault.New(fault.Conflict, fmt.Sprintf("name: a role named %q exists already.", name), "Choose another name.")
	}
	return fmt.Errorf("%s role %q: %w", attempt, name, err)
}

func managerRoleStays(done string) error {
	return fault.New(fault.Conflict, "The role "+access.ManagerRole+" cannot be "+done+".", "Create a role of your own instead.")
}

func checkRole(r access.Role) error {
	var check checker
	check.indexed("name", r.Name)
	check.text("description", r.Description)
	for _, permission := range r.Permissions {
		check.indexed("permissions", string(permission))
		if permission == "" {
			return fault.Newf(fault.Invalid, "permissions: an empty one is given")
		}
	}
	switch {
	case check.err != nil:
		return check.err
	case r.Name == "":
		return fault.Newf(fault.Invalid, "name is empty")
	case len(r.Permissions) > maxUserLinks:
		return fault.Newf(fault.Invalid, "permissions: %d are given, at most %d are allowed", len(r.Permissions), maxUserLinks)
	}
	return nil
}

// nameSome names users for a message, a few of them if there are many.
func nameSome(users []string) string {
	rest := len(users) - namedUsers
	if rest <= 0 {
		return "'" + strings.Join(users, "', '") + "'"
	}
	return fmt.Sprintf("'%s' and %d more", strings.Join(users[:namedUsers], "', '"), rest)
}
