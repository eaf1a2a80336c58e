package access

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fault"
)

// Limits on roles: they are listed in one answer, and given to users in one
// transaction whose request has at most 64 KiB.
const (
	MaxRoles           = 500
	MaxUsersPerRequest = 500
)

// NewRole is what a role is made of.
type NewRole struct {
	Name        string
	Description string
	Grant       Grant
}

// RoleChange is what to change of a role; nil leaves it as it is.
type RoleChange struct {
	Name        *string
	Description *string
	API, UI     *bool // types of access
	// Modules and Permissions replace all permissions together, as those of a new
	// role: Permissions refines Modules.
	Modules     []string
	Permissions []string
}

// AllRoles returns all roles in ascending order of id.
func (d *Directory) AllRoles(ctx context.Context, by Principal) ([]Role, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	return d.Roles.Roles(ctx)
}

// Role returns a role. An unknown one is fault.NotFound and names those there
// are.
func (d *Directory) Role(ctx context.Context, by Principal, id int64) (Role, error) {
	roles, err := d.AllRoles(ctx, by)
	if err != nil {
		return Role{}, err
	}
	for _, r := range roles {
		if r.ID == id {
			return r, nil
		}
	}
	return Role{}, missingRole(id, roles)
}

func missingRole(id int64, roles []Role) error {
	there := make([]string, len(roles))
	for i, r := range roles {
		there[i] = fmt.Sprintf("%d %s", r.ID, echo(r.Name))
	}
	return fault.New(fault.NotFound, fmt.Sprintf("There is no role %d.", id), "The roles are: "+listed(there)+".")
}

// CreateRole makes a role: all permissions of the chosen modules, unless some of
// them are named.
func (d *Directory) CreateRole(ctx context.Context, by Principal, n NewRole) (Role, error) {
	by, err := d.still(ctx, by)
	if err != nil {
		return Role{}, err
	}
	if err := mayManage(by); err != nil {
		return Role{}, err
	}
	r := Role{Name: n.Name, Description: n.Description, Created: d.Now().UTC()}
	if err := checkRole(r); err != nil {
		return Role{}, err
	}
	if r.Permissions, err = n.Grant.permissions(); err != nil {
		return Role{}, err
	}
	roles, err := d.Roles.Roles(ctx)
	if err != nil {
		return Role{}, err
	}
	if len(roles) >= MaxRoles {
		return Role{}, fault.New(fault.Conflict, fmt.Sprintf("There are %d roles, which is the most there may be.", len(roles)), "Delete roles that are not needed any more.")
	}
	return d.Roles.CreateRole(ctx, r)
}

// UpdateRole changes a role, for all its users at once. That of managers cannot
// be changed: fault.Conflict.
func (d *Directory) UpdateRole(ctx context.Context, by Principal, id int64, c RoleChange) (Role, error) {
	by, err := d.still(ctx, by)
	if err != nil {
		return Role{}, err
	}
	before, err := d.Role(ctx, by, id)
	if err != nil {
		return Role{}, err
	}
	if before.Manager {
		return Role{}, fault.New(fault.Conflict, "The role "+ManagerRole+" cannot be changed.", "Make a role of your own.")
	}
	if c.empty() {
		return Role{}, fault.New(fault.Invalid, "Nothing to change is given.", "Give at least one of name, description, apiAccess, uiAccess, modules and permissions.")
	}
	if c.permits() {
		if err := needsPassword(by, "changing what a role allows"); err != nil {
			return Role{}, err
		}
	}
	changed, err := d.Roles.UpdateRole(ctx, id, c.apply)
	if fault.Is(err, fault.NotFound) { // deleted meanwhile
		_, err = d.Role(ctx, by, id)
	}
	return changed, err
}

func (c RoleChange) empty() bool { return c.Name == nil && c.Description == nil && !c.permits() }

// permits reports whether the change is about what the role allows.
func (c RoleChange) permits() bool {
	return c.API != nil || c.UI != nil || c.Modules != nil || c.Permissions != nil
}

// apply makes the change to a role.
func (c RoleChange) apply(r *Role) error {
	if c.Name != nil {
		r.Name = *c.Name
	}
	if c.Description != nil {
		r.Description = *c.Description
	}
	if err := checkRole(*r); err != nil {
		return err
	}
	api, ui := slices.Contains(r.Permissions, APIAccess), slices.Contains(r.Permissions, UIAccess)
	if c.API != nil {
		api = *c.API
	}
	if c.UI != nil {
		ui = *c.UI
	}
	permissions := r.Permissions
	var err error
	if c.Modules != nil || c.Permissions != nil {
		if permissions, err = (Grant{Modules: c.Modules, Permissions: c.Permissions}).ofModules(); err != nil {
			return err
		}
	}
	r.Permissions, err = withAccess(permissions, api, ui)
	return err
}

// DeleteRole removes a role that no user has. One that is in use, and that of
// managers, is fault.Conflict.
func (d *Directory) DeleteRole(ctx context.Context, by Principal, id int64) error {
	by, err := d.still(ctx, by)
	if err != nil {
		return err
	}
	r, err := d.Role(ctx, by, id)
	if err != nil {
		return err
	}
	if r.Manager {
		return fault.New(fault.Conflict, "The role "+ManagerRole+" cannot be deleted.", "Leave it as it is.")
	}
	return d.Roles.DeleteRole(ctx, id)
}

// RoleUsers returns the names of a role's users in ascending order.
func (d *Directory) RoleUsers(ctx context.Context, by Principal, id int64) ([]string, error) {
	if _, err := d.Role(ctx, by, id); err != nil {
		return nil, err
	}
	return d.Roles.RoleUsers(ctx, id)
}

// AssignRole gives a role to users, or takes it from them: all of them or none.
// Nobody takes the role of managers from themselves.
func (d *Directory) AssignRole(ctx context.Context, by Principal, id int64, usernames []string, give bool) error {
	by, err := d.still(ctx, by)
	if err != nil {
		return err
	}
	r, err := d.Role(ctx, by, id)
	if err != nil {
		return err
	}
	if n := len(usernames); n == 0 || n > MaxUsersPerRequest {
		return fault.New(fault.Invalid, fmt.Sprintf("%d users are given.", n), fmt.Sprintf("Give 1 to %d usernames.", MaxUsersPerRequest))
	}
	if give {
		if err := needsPassword(by, "giving a role to users"); err != nil {
			return err
		}
	}
	if r.Manager && !give && slices.Contains(usernames, by.User.Username) {
		return fault.New(fault.Conflict, "You cannot take the role "+ManagerRole+" from yourself.", "Ask another manager to do so.")
	}
	if err := d.knownUsers(ctx, usernames); err != nil {
		return err
	}
	names := slices.Clone(usernames)
	slices.Sort(names)
	return d.Roles.AssignRole(ctx, id, slices.Compact(names), give)
}

// knownUsers refuses a name that no user has, with those there are.
func (d *Directory) knownUsers(ctx context.Context, usernames []string) error {
	users, err := d.Accounts.Users(ctx)
	if err != nil {
		return err
	}
	there := make([]string, len(users))
	for i, u := range users {
		there[i] = u.Username
	}
	for _, name := range usernames {
		if !slices.Contains(there, name) {
			return fault.New(fault.Invalid, "There is no user '"+echo(name)+"'.", "The users are: "+listed(there)+".")
		}
	}
	return nil
}

func checkRole(r Role) error {
	if err := checkRoleName(r.Name); err != nil {
		return err
	}
	return checkText("description", r.Description, MaxDescriptionLength)
}
