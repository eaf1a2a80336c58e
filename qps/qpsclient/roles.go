package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Where a Vedette platform manages roles and shows its audit log.
const (
	rolesPath       = "/automation/v1/roles"
	permissionsPath = "/automation/v1/permissions"
	auditPath       = "/automation/v1/audit"
)

// Role is a set of permissions under a name.
type Role struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Manager     bool      `json:"manager"` // allows everything
	APIAccess   bool      `json:"apiAccess"`
	UIAccess    bool      `json:"uiAccess"`
	Permissions []string  `json:"permissions"` // keys
	Created     time.Time `json:"created"`
}

// NewRole is what a role is made of: all permissions of the modules, unless
// Permissions is not nil and names some. Both take keys and labels.
type NewRole struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	APIAccess   bool     `json:"apiAccess"`
	UIAccess    bool     `json:"uiAccess"`
	Modules     []string `json:"modules,omitempty"`
	Permissions []string `json:"permissions,omitzero"`
}

// RoleChange is what to change of a role; nil leaves it as it is. Modules and
// Permissions together replace the permissions.
type RoleChange struct {
	Name        *string  `json:"name,omitempty"`
	Description *string  `json:"description,omitempty"`
	APIAccess   *bool    `json:"apiAccess,omitempty"`
	UIAccess    *bool    `json:"uiAccess,omitempty"`
	Modules     []string `json:"modules,omitzero"`
	Permissions []string `json:"permissions,omitzero"`
}

// Permission is one thing a role allows.
type Permission struct {
	Key   string `json:"key"`
	Label string `json:"label"`
}

// PermissionModule is the permissions of a part of the platform, in groups.
type PermissionModule struct {
	Key    string `json:"key"`
	Label  string `json:"label"`
	Groups []struct {
		Label       string       `json:"label"`
		Permissions []Permission `json:"permissions"`
	} `json:"groups"`
}

// PermissionCatalogue is the permissions there are.
type PermissionCatalogue struct {
	Access  []Permission       `json:"access"` // the types of access
	Modules []PermissionModule `json:"modules"`
}

// Roles lists the roles of a platform by id. Platforms that have roles of another
// kind, such as Qualys, give ErrNoAutomationAPI, here and below.
func (c *Client) Roles(ctx context.Context) ([]Role, error) {
	var answer struct {
		Roles []Role `json:"roles"`
	}
	err := c.automation(ctx, "list roles", http.MethodGet, rolesPath, nil, &answer)
	return answer.Roles, err
}

// CreateRole makes a role.
func (c *Client) CreateRole(ctx context.Context, n NewRole) (Role, error) {
	var r Role
	err := c.automation(ctx, "create role "+n.Name, http.MethodPost, rolesPath, n, &r)
	return r, err
}

// UpdateRole changes a role and returns it as it is then.
func (c *Client) UpdateRole(ctx context.Context, id int64, change RoleChange) (Role, error) {
	var r Role
	err := c.automation(ctx, fmt.Sprintf("update role %d", id), http.MethodPatch, rolePath(id), change, &r)
	return r, err
}

// DeleteRole deletes a role that no user has.
func (c *Client) DeleteRole(ctx context.Context, id int64) error {
	return c.automation(ctx, fmt.Sprintf("delete role %d", id), http.MethodDelete, rolePath(id), nil, nil)
}

// RoleUsers lists the names of the users with a role.
func (c *Client) RoleUsers(ctx context.Context, id int64) ([]string, error) {
	var answer struct {
		Users []string `json:"users"`
	}
	err := c.automation(ctx, fmt.Sprintf("list users of role %d", id), http.MethodGet, rolePath(id)+"/users", nil, &answer)
	return answer.Users, err
}

// AssignRole gives a role to users, or takes it from them, all of them or none.
// It returns the names of those who have it then.
func (c *Client) AssignRole(ctx context.Context, id int64, usernames []string, give bool) ([]string, error) {
	list := "remove"
	if give {
		list = "add"
	}
	var answer struct {
		Users []string `json:"users"`
	}
	err := c.automation(ctx, fmt.Sprintf("assign role %d", id), http.MethodPost, rolePath(id)+"/users", map[string][]string{list: usernames}, &answer)
	return answer.Users, err
}

func rolePath(id int64) string { return rolesPath + "/" + strconv.FormatInt(id, 10) }

// Permissions returns the permissions that a role may have.
func (c *Client) Permissions(ctx context.Context) (PermissionCatalogue, error) {
	var answer PermissionCatalogue
	err := c.automation(ctx, "list permissions", http.MethodGet, permissionsPath, nil, &answer)
	return answer, err
}

// AuditOutcome is how something that was recorded ended.
type AuditOutcome string

// The outcomes.
const (
	AuditDone    AuditOutcome = "done"
	AuditRefused AuditOutcome = "refused"
	AuditFailed  AuditOutcome = "failed"
)

// AuditEntry is one row of the audit log.
type AuditEntry struct {
	ID      int64        `json:"id"`
	Time    time.Time    `json:"time"`
	Actor   string       `json:"actor"`   // username as given
	Address string       `json:"address"` // IP address
	Action  string       `json:"action"`
	Object  string       `json:"object"`
	Outcome AuditOutcome `json:"outcome"`
	Detail  string       `json:"detail"`
}

// AuditQuery selects rows of the audit log; zero values select everything.
type AuditQuery struct {
	Actor   string // exactly
	Action  string // part of it
	Object  string // part of it
	Outcome AuditOutcome
	Since   time.Time // inclusive
	Until   time.Time // exclusive
	Limit   int       // at most so many; zero leaves it to the platform
	Before  int64     // only ids below
}

// encode returns the query as it goes on the wire.
func (q AuditQuery) encode() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	at := func(name string, t time.Time) {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	set("actor", q.Actor)
	set("action", q.Action)
	set("object", q.Object)
	set("outcome", string(q.Outcome))
	at("since", q.Since)
	at("until", q.Until)
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	return v.Encode()
}

// Audit lists rows of the audit log, newest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	var answer struct {
		Entries []AuditEntry `json:"entries"`
	}
	in := call{method: http.MethodGet, path: auditPath, query: q.encode(), accept: mediaJSON, maxBytes: accessBytes}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("search audit log: %w", noAutomationAPI(err))
	}
	return answer.Entries, nil
}
