package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// connectionsPath is where a Vedette platform keeps the connections of its
// automation layer.
const connectionsPath = "/automation/v1/connections"

// KeptSecret stands for a secret in answers, and in a change for the one that is
// stored already.
const KeptSecret = "********"

// Connection is a platform and the account that is used there.
type Connection struct {
	ID          int64  `json:"id"`
	Integration string `json:"integration"`
	Name        string `json:"name"` // unique within the site
	// Site is the only site that may use it; nil of a shared one, which belongs to
	// RecipientSite.
	Site                 *Reference        `json:"site,omitempty"`
	ShareToInternalSites bool              `json:"shareToInternalSites"`
	RecipientSite        *Reference        `json:"recipientSite,omitempty"`
	Relay                *Reference        `json:"relay,omitempty"` // nil: reached directly
	Description          string            `json:"description"`
	Active               bool              `json:"active"`
	UserPermissions      []UserPermission  `json:"userPermissions"`
	Parameters           map[string]string `json:"parameters"` // secrets are KeptSecret
	// Missing are secret parameters without a value; until it has them it runs no
	// command.
	Missing       []string         `json:"missing,omitempty"`
	PasswordVault PasswordVault    `json:"passwordVault"`
	Limits        ConnectionLimits `json:"limits"`
	HealthCheck   HealthCheck      `json:"healthCheck"`
	Health        ConnectionHealth `json:"health"`
	Level         string           `json:"level"` // what the caller may do: use, edit or own
	Created       time.Time        `json:"created"`
	Modified      time.Time        `json:"modified"`
}

// Home is the site a connection belongs to; of a shared one the recipient site.
func (c Connection) Home() Reference {
	for _, site := range []*Reference{c.Site, c.RecipientSite} {
		if site != nil {
			return *site
		}
	}
	return Reference{}
}

// UserPermission lets a user, or everybody with a role, use a connection.
type UserPermission struct {
	User  string `json:"user,omitempty"`
	Role  string `json:"role,omitempty"`
	Level string `json:"level"` // use, edit or own
}

// PasswordVault says that parameters are fetched from a password vault. Without
// items no vault is used.
type PasswordVault struct {
	Connection *Reference           `json:"connection,omitempty"` // to the vault
	Items      map[string]VaultItem `json:"items"`                // by the name of the parameter
}

// VaultItem is one value in a vault.
type VaultItem struct {
	Path  string `json:"path"`
	Field string `json:"field"`
}

// ConnectionLimits are what all runs of a connection may ask of the platform. In a
// change nil leaves a limit as it is.
type ConnectionLimits struct {
	RequestsPerMinute *int `json:"requestsPerMinute,omitempty"` // 0 for no limit
	Concurrency       *int `json:"concurrency,omitempty"`       // runs at work at once
}

// HealthCheck says how often a connection is tested by itself. In a change nil
// leaves a setting as it is.
type HealthCheck struct {
	Enabled         *bool `json:"enabled,omitempty"`
	IntervalMinutes *int  `json:"intervalMinutes,omitempty"`
	// MailAfter is after how many failures in a row people are told; 0 for never.
	MailAfter *int     `json:"mailAfter,omitempty"`
	MailTo    []string `json:"mailTo,omitzero"`
}

// ConnectionHealth is what checks have said of a connection.
type ConnectionHealth struct {
	Status   string    `json:"status"` // unknown, healthy or failed
	Checked  time.Time `json:"checked,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Failures int       `json:"failures"` // in a row
	Since    time.Time `json:"since,omitzero"`
}

// NewConnection is what a connection is made of.
type NewConnection struct {
	Integration          string            `json:"integration"`
	Name                 string            `json:"name"`
	Site                 *Reference        `json:"site,omitempty"` // nil where the caller has one
	ShareToInternalSites bool              `json:"shareToInternalSites,omitempty"`
	RecipientSite        *Reference        `json:"recipientSite,omitempty"` // of a shared one, in place of Site
	Relay                *Reference        `json:"relay,omitempty"`
	Description          string            `json:"description,omitempty"`
	Active               *bool             `json:"active,omitempty"` // nil is true
	UserPermissions      []UserPermission  `json:"userPermissions,omitempty"`
	Parameters           map[string]string `json:"parameters"` // secrets included
	PasswordVault        *PasswordVault    `json:"passwordVault,omitempty"`
	Limits               *ConnectionLimits `json:"limits,omitempty"`
	HealthCheck          *HealthCheck      `json:"healthCheck,omitempty"`
	SecretsLater         bool              `json:"secretsLater,omitempty"` // those that are not given may be missing
}

// ConnectionChange is what to change of a connection; nil leaves it as it is.
type ConnectionChange struct {
	Name                 *string           `json:"name,omitempty"`
	Site                 *Reference        `json:"site,omitempty"`
	ShareToInternalSites *bool             `json:"shareToInternalSites,omitempty"`
	RecipientSite        *Reference        `json:"recipientSite,omitempty"`
	Relay                *Reference        `json:"relay,omitempty"` // without an id: none
	Description          *string           `json:"description,omitempty"`
	Active               *bool             `json:"active,omitempty"`
	UserPermissions      []UserPermission  `json:"userPermissions,omitzero"` // all there are to be
	Parameters           map[string]string `json:"parameters,omitempty"`     // those to change
	PasswordVault        *PasswordVault    `json:"passwordVault,omitempty"`
	Limits               *ConnectionLimits `json:"limits,omitempty"`
	HealthCheck          *HealthCheck      `json:"healthCheck,omitempty"`
	// SecretsLater drops secrets that have to be given anew and are not, in place of
	// having the change refused.
	SecretsLater bool `json:"secretsLater,omitempty"`
}

// ConnectionQuery selects connections; empty fields select everything.
type ConnectionQuery struct {
	Site        string // id or name
	Integration string // name
	Name        string // part of it, in any case
}

// Connections lists the connections that the caller sees, in ascending order of id.
func (c *Client) Connections(ctx context.Context, q ConnectionQuery) ([]Connection, error) {
	var answer struct {
		Connections []Connection `json:"connections"`
	}
	err := c.search(ctx, "list connections", connectionsPath, values{"site": q.Site, "integration": q.Integration, "name": q.Name}, &answer)
	return answer.Connections, err
}

// Connection returns one connection. A *StatusError with status 404 means that there
// is none with this id, or none that the caller sees.
func (c *Client) Connection(ctx context.Context, id int64) (Connection, error) {
	var answer Connection
	err := c.automation(ctx, fmt.Sprintf("read connection %d", id), http.MethodGet, connectionPath(id), nil, &answer)
	return answer, err
}

// CreateConnection makes a connection, which the caller owns.
func (c *Client) CreateConnection(ctx context.Context, n NewConnection) (Connection, error) {
	var answer Connection
	err := c.automation(ctx, "create connection "+n.Name, http.MethodPost, connectionsPath, n, &answer)
	return answer, err
}

// TestNewConnection tests a connection before it is made, and returns the outcome
// whether it passed or not. It takes up to a minute.
func (c *Client) TestNewConnection(ctx context.Context, n NewConnection) (CommandOutcome, error) {
	var answer CommandOutcome
	err := c.automation(ctx, "test connection "+n.Name, http.MethodPost, connectionsPath+"/test", n, &answer)
	return answer, err
}

// UpdateConnection changes a connection and returns it as it is then.
func (c *Client) UpdateConnection(ctx context.Context, id int64, change ConnectionChange) (Connection, error) {
	var answer Connection
	err := c.automation(ctx, fmt.Sprintf("update connection %d", id), http.MethodPatch, connectionPath(id), change, &answer)
	return answer, err
}

// DeleteConnection deletes a connection with its secrets.
func (c *Client) DeleteConnection(ctx context.Context, id int64) error {
	return c.automation(ctx, fmt.Sprintf("delete connection %d", id), http.MethodDelete, connectionPath(id), nil, nil)
}

func connectionPath(id int64) string { return connectionsPath + "/" + strconv.FormatInt(id, 10) }
