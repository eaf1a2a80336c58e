package automationapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// draft returns what a body says of a new connection.
func (a api) draft(ctx context.Context, body *newConnection) (connection.Draft, error) {
	d := connection.Draft{
		Integration: body.Integration, Name: body.Name, Shared: body.ShareToInternalSites, Description: body.Description,
		Inactive: body.Active != nil && !*body.Active, Parameters: body.Parameters, SecretsLater: body.SecretsLater,
	}
	var err error
	if d.SiteID, err = a.siteFor(ctx, d.Shared, body.Site, body.RecipientSite); err != nil {
		return d, err
	}
	if body.Relay != nil {
		d.RelayID, d.RelayName = body.Relay.ID, nameOf(body.Relay)
	}
	if d.Grants, err = grantsOf(body.UserPermissions); err != nil {
		return d, err
	}
	if d.Vault, err = a.vaultOf(ctx, body.PasswordVault); err != nil {
		return d, err
	}
	d.Limits = body.Limits.over(connection.Limits{Concurrency: connection.DefaultConcurrency})
	d.Check, err = body.HealthCheck.over(connection.Check{Every: connection.DefaultCheckEvery})
	return d, err
}

// change returns what a body says is to change of a connection.
func (a api) change(ctx context.Context, c *connection.Connection, body *connectionChange) (connection.Change, error) {
	ch := connection.Change{
		Name: body.Name, Shared: body.ShareToInternalSites, Description: body.Description, Active: body.Active, Parameters: body.Parameters,
		SecretsLater: body.SecretsLater,
	}
	shared := c.Shared
	if body.ShareToInternalSites != nil {
		shared = *body.ShareToInternalSites
	}
	site, err := a.siteFor(ctx, shared, body.Site, body.RecipientSite)
	if err != nil {
		return ch, err
	}
	if site != 0 {
		ch.SiteID = &site
	}
	if body.Relay != nil {
		ch.RelayID, ch.RelayName = &body.Relay.ID, nameOf(body.Relay)
	}
	if body.UserPermissions != nil {
		grants, err := grantsOf(*body.UserPermissions)
		if err != nil {
			return ch, err
		}
		ch.Grants = &grants
	}
	if body.PasswordVault != nil {
		vault, err := a.vaultOf(ctx, body.PasswordVault)
		if err != nil {
			return ch, err
		}
		ch.Vault = &vault
	}
	if body.Limits != nil {
		ch.Limits = new(body.Limits.over(c.Limits))
	}
	if body.HealthCheck != nil {
		check, err := body.HealthCheck.over(c.Check)
		if err != nil {
			return ch, err
		}
		ch.Check = &check
	}
	return ch, nil
}

// members names what a change says, for the audit log, which has no values.
func (b *connectionChange) members() []string {
	var names []string
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"name", b.Name != nil}, {"site", b.Site != nil}, {"shareToInternalSites", b.ShareToInternalSites != nil}, {"recipientSite", b.RecipientSite != nil},
		{"relay", b.Relay != nil}, {"description", b.Description != nil}, {"active", b.Active != nil}, {"userPermissions", b.UserPermissions != nil},
		{"passwordVault", b.PasswordVault != nil}, {"limits", b.Limits != nil}, {"healthCheck", b.HealthCheck != nil}, {"secretsLater", b.SecretsLater},
	} {
		if m.given {
			names = append(names, m.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Parameters)) {
		names = append(names, server.Echo(name))
	}
	return names
}

// siteFor returns the site that a body puts a connection in, 0 where it says none: a
// site, or of a shared connection its recipient site.
func (a api) siteFor(ctx context.Context, shared bool, site, recipient *reference) (int64, error) {
	switch {
	case shared && site != nil:
		return 0, fault.New(fault.Invalid, "site: a connection that is shared to internal sites belongs to its recipientSite.", "Give the site as recipientSite, or set shareToInternalSites to false.")
	case !shared && recipient != nil:
		return 0, fault.New(fault.Invalid, "recipientSite: the connection is not shared to internal sites.", "Give the site as site, or set shareToInternalSites to true.")
	}
	field, ref := "site", site
	if shared {
		field, ref = "recipientSite", recipient
	}
	return a.siteNamed(ctx, field, ref)
}

// siteNamed returns the site that a member of a body names, 0 where it names none. By
// its name it is one that the caller has.
func (a api) siteNamed(ctx context.Context, field string, ref *reference) (int64, error) {
	switch {
	case ref == nil:
		return 0, nil
	case ref.ID != 0 || ref.Name == "":
		return ref.ID, nil
	}
	site, err := a.connections.SiteFor(ctx, server.PrincipalOf(ctx), field, 0, ref.Name)
	return site.ID, err
}

// nameOf returns the name in a reference without an id.
func nameOf(ref *reference) string {
	if ref.ID != 0 {
		return ""
	}
	return ref.Name
}

func grantsOf(permissions []userPermission) ([]connection.Grant, error) {
	grants := make([]connection.Grant, len(permissions))
	for i, p := range permissions {
		if (p.User == "") == (p.Role == "") {
			return nil, fault.New(fault.Invalid, "userPermissions: each entry needs a user or a role, and not both.", "Name who may use the connection in user, or everybody with a role in role.")
		}
		grants[i] = connection.Grant{Kind: connection.ToUser, Name: p.User, Level: connection.Level(p.Level)}
		if p.Role != "" {
			grants[i].Kind, grants[i].Name = connection.ToRole, p.Role
		}
	}
	return grants, nil
}

// vaultOf returns what a body says of the password vault. A vault is a connection
// that the caller sees.
func (a api) vaultOf(ctx context.Context, body *passwordVault) (connection.VaultUse, error) {
	if body == nil || len(body.Items) == 0 {
		return connection.VaultUse{}, nil
	}
	use := connection.VaultUse{Items: make(map[string]connection.VaultItem, len(body.Items))}
	for name, item := range body.Items {
		use.Items[name] = connection.VaultItem(item)
	}
	if body.Connection == nil {
		return use, nil
	}
	var err error
	use.ConnectionID, err = a.connectionNamed(ctx, "passwordVault", body.Connection)
	return use, err
}

// connectionNamed returns the connection that a member of a body names. By its name
// it is one that the caller sees.
func (a api) connectionNamed(ctx context.Context, field string, ref *reference) (int64, error) {
	if ref.ID != 0 {
		return ref.ID, nil
	}
	found, err := a.connections.Named(ctx, server.PrincipalOf(ctx), field, ref.Name)
	return found.ID, err
}

// over returns limits with what the body says in place of what there is.
func (b *connectionLimits) over(l connection.Limits) connection.Limits {
	if b == nil {
		return l
	}
	if b.RequestsPerMinute != nil {
		l.RequestsPerMinute = *b.RequestsPerMinute
	}
	if b.Concurrency != nil {
		if l.Concurrency = *b.Concurrency; l.Concurrency == 0 {
			l.Concurrency = -1 // for the directory, 0 is what nobody chose
		}
	}
	return l
}

// over returns a health check with what the body says in place of what there is.
func (b *healthCheck) over(c connection.Check) (connection.Check, error) {
	if b == nil {
		return c, nil
	}
	if b.Enabled != nil {
		c.Enabled = *b.Enabled
	}
	if b.IntervalMinutes != nil {
		const least, most = int64(connection.MinCheckEvery / time.Minute), int64(connection.MaxCheckEvery / time.Minute)
		if *b.IntervalMinutes < least || *b.IntervalMinutes > most {
			return c, invalid("intervalMinutes", fmt.Sprint(*b.IntervalMinutes), fmt.Sprintf("an integer from %d to %d", least, most))
		}
		c.Every = time.Duration(*b.IntervalMinutes) * time.Minute
	}
	if b.MailAfter != nil {
		c.MailAfter = *b.MailAfter
	}
	if b.MailTo != nil {
		c.MailTo = b.MailTo
	}
	return c, nil
}
