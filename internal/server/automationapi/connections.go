package automationapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/server"
)

// ListConnections implements GET /automation/v1/connections.
func (a api) ListConnections(ctx context.Context, request ListConnectionsRequestObject) (ListConnectionsResponseObject, error) {
	visible, err := a.connections.List(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	site, of, part := given(request.Params.Site), given(request.Params.Integration), strings.ToLower(given(request.Params.Name))
	if site != "" && !slices.ContainsFunc(visible, func(c connection.Found) bool { return isSite(site, c.SiteID, c.SiteName) }) {
		if _, err := a.connections.Site(ctx, server.PrincipalOf(ctx), site); err != nil {
			return nil, err
		}
	}
	relays, err := a.relayNames(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListConnections200JSONResponse{Connections: []Connection{}}
	for i := range visible {
		c := &visible[i]
		if isSite(site, c.SiteID, c.SiteName) && (of == "" || of == c.Integration) && strings.Contains(strings.ToLower(c.Name), part) {
			answer.Connections = append(answer.Connections, connectionOf(c, relays))
		}
	}
	return answer, nil
}

// isSite reports whether a site is the one that a filter means; an empty filter means
// all.
func isSite(filter string, id int64, name string) bool {
	return filter == "" || filter == name || filter == strconv.FormatInt(id, 10)
}

// GetConnection implements GET /automation/v1/connections/{id}.
func (a api) GetConnection(ctx context.Context, request GetConnectionRequestObject) (GetConnectionResponseObject, error) {
	shown, err := a.connection(ctx, request.Id)
	return GetConnection200JSONResponse(shown), err
}

// connection returns a connection as it is now.
func (a api) connection(ctx context.Context, id int64) (Connection, error) {
	found, err := a.connections.Get(ctx, server.PrincipalOf(ctx), id)
	if err != nil {
		return Connection{}, err
	}
	relays, err := a.relayNames(ctx)
	return connectionOf(&found, relays), err
}

// relayNames returns the names of all relays. Who sees a connection reads the name of
// its relay, and of no other.
func (a api) relayNames(ctx context.Context) (map[int64]string, error) {
	relays, err := a.relays.List(ctx)
	names := make(map[int64]string, len(relays))
	for i := range relays {
		names[relays[i].ID] = relays[i].Name
	}
	return names, err
}

// CreateConnection implements POST /automation/v1/connections.
func (a api) CreateConnection(ctx context.Context, request CreateConnectionRequestObject) (CreateConnectionResponseObject, error) {
	body := request.Body
	server.Describe(ctx, server.Echo(body.Name), "")
	draft, err := a.draft(ctx, body)
	if err != nil {
		return nil, err
	}
	made, err := a.connections.Create(ctx, server.PrincipalOf(ctx), draft)
	if err != nil {
		return nil, err
	}
	describeConnection(ctx, &made, fmt.Sprintf("%s; user permissions: %s", made.Integration, grantText(made.Grants)))
	shown, err := a.connection(ctx, made.ID)
	return CreateConnection201JSONResponse(shown), err
}

// TestNewConnection implements POST /automation/v1/connections/test.
func (a api) TestNewConnection(ctx context.Context, request TestNewConnectionRequestObject) (TestNewConnectionResponseObject, error) {
	server.Describe(ctx, server.Echo(request.Body.Name), "")
	draft, err := a.draft(ctx, request.Body)
	if err != nil {
		return nil, err
	}
	draft.SecretsLater = false // a test needs them now
	outcome, err := a.trials.Test(ctx, server.PrincipalOf(ctx), draft)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, "", string(outcome.State))
	return TestNewConnection200JSONResponse(outcomeOf(outcome)), nil
}

// UpdateConnection implements PATCH /automation/v1/connections/{id}.
func (a api) UpdateConnection(ctx context.Context, request UpdateConnectionRequestObject) (UpdateConnectionResponseObject, error) {
	found, err := a.connections.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	describeConnection(ctx, &found.Connection, "")
	change, err := a.change(ctx, &found.Connection, request.Body)
	if err != nil {
		return nil, err
	}
	changed, err := a.connections.Update(ctx, server.PrincipalOf(ctx), request.Id, change)
	if err != nil {
		return nil, err
	}
	detail := "changed: " + orNone(request.Body.members())
	if change.Grants != nil {
		detail += "; user permissions: " + grantText(changed.Grants)
	}
	describeConnection(ctx, &changed, detail)
	relays, err := a.relayNames(ctx)
	return UpdateConnection200JSONResponse(connectionOf(&connection.Found{Connection: changed, Level: found.Level}, relays)), err
}

// DeleteConnection implements DELETE /automation/v1/connections/{id}.
func (a api) DeleteConnection(ctx context.Context, request DeleteConnectionRequestObject) (DeleteConnectionResponseObject, error) {
	found, err := a.connections.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	describeConnection(ctx, &found.Connection, "")
	return DeleteConnection204Response{}, a.connections.Delete(ctx, server.PrincipalOf(ctx), request.Id)
}

// TestConnection implements POST /automation/v1/connections/{id}/test.
func (a api) TestConnection(ctx context.Context, request TestConnectionRequestObject) (TestConnectionResponseObject, error) {
	queued, _, err := a.ask(ctx, run.Request{ConnectionID: request.Id, Command: connection.TestCommand, Origin: run.ByTest})
	return TestConnection202JSONResponse(queued), err
}

// describeConnection names a connection in the audit log.
func describeConnection(ctx context.Context, c *connection.Connection, detail string) {
	server.Describe(ctx, fmt.Sprintf("%d %s/%s", c.ID, c.SiteName, c.Name), detail)
}

// grantText says for the audit log who may use a connection.
func grantText(grants []connection.Grant) string {
	texts := make([]string, len(grants))
	for i, g := range grants {
		texts[i] = fmt.Sprintf("%s %s: %s", g.Kind, g.Name, g.Level)
	}
	return orNone(texts)
}

func connectionOf(c *connection.Found, relays map[int64]string) Connection {
	shown := Connection{
		Id: c.ID, Integration: c.Integration, Name: c.Name, ShareToInternalSites: c.Shared, Description: c.Description, Active: c.Active,
		UserPermissions: []UserPermission{}, Parameters: map[string]string{}, PasswordVault: passwordVault{Items: map[string]vaultItem{}},
		Limits: connectionLimits{RequestsPerMinute: &c.Limits.RequestsPerMinute, Concurrency: &c.Limits.Concurrency},
		HealthCheck: healthCheck{
			Enabled: &c.Check.Enabled, IntervalMinutes: new(int64(c.Check.Every / time.Minute)), MailAfter: &c.Check.MailAfter, MailTo: append([]string{}, c.Check.MailTo...),
		},
		Health: ConnectionHealth{
			Status: HealthStatus(c.Health.Status), Checked: reached(c.Health.Checked), Next: reached(c.Health.Next),
			Failures: c.Health.Failures, Since: reached(c.Health.Since),
		},
		Level: ConnectionLevel(c.Level), Created: wireTime(c.Created), Modified: wireTime(c.Modified),
	}
	site := &reference{ID: c.SiteID, Name: c.SiteName}
	if c.Shared {
		shown.RecipientSite = site
	} else {
		shown.Site = site
	}
	if missing := c.Missing(); len(missing) > 0 {
		shown.Missing = &missing
	}
	if c.RelayID != 0 {
		shown.Relay = &reference{ID: c.RelayID, Name: relays[c.RelayID]}
	}
	for _, g := range c.Grants {
		shown.UserPermissions = append(shown.UserPermissions, permissionFor(g))
	}
	for name, value := range c.Parameters {
		shown.Parameters[name] = value
	}
	for _, name := range c.Stored {
		shown.Parameters[name] = connection.Kept
	}
	if c.Vault.Enabled() {
		shown.PasswordVault.Connection = &reference{ID: c.Vault.ConnectionID}
		for name, item := range c.Vault.Items {
			shown.PasswordVault.Items[name] = vaultItem(item)
		}
	}
	return shown
}

func permissionFor(g connection.Grant) userPermission {
	permission := userPermission{Level: string(g.Level)}
	if g.Kind == connection.ToRole {
		permission.Role = g.Name
	} else {
		permission.User = g.Name
	}
	return permission
}
