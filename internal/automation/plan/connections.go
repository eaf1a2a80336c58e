package plan

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/qps/qpsclient"
)

// ConnectionWriter changes connections.
type ConnectionWriter interface {
	CreateConnection(ctx context.Context, n qpsclient.NewConnection) (qpsclient.Connection, error)
	UpdateConnection(ctx context.Context, id int64, change qpsclient.ConnectionChange) (qpsclient.Connection, error)
	DeleteConnection(ctx context.Context, id int64) error
}

// plannedConnection is a connection that is made or changed.
type plannedConnection struct {
	*item[qpsclient.Connection]
	said        *Connection
	now         qpsclient.Connection // as it is, or a new one before anything is said of it
	integration integration.Integration
	differ      differences
	change      qpsclient.ConnectionChange // without what has no id before the plan is applied

	site       *item[qpsclient.Site]
	relay      *item[qpsclient.Relay] // nil for none
	relaySaid  bool
	vault      *item[qpsclient.Connection]
	parameters map[string]string // as they will be
	moved      bool              // secrets will be sent elsewhere
	stored     []string          // the secrets that it has
	missing    []string          // those that it will need and not have
}

// planConnections plans vaults before the connections that use them.
func (m *maker) planConnections() error {
	items := slices.Clone(m.layer.connections.items)
	slices.SortStableFunc(items, func(a, b *item[qpsclient.Connection]) int { return usesVault(a) - usesVault(b) })
	for _, i := range items {
		if i.described == nil {
			continue
		}
		if err := m.planConnection(i); err != nil {
			return err
		}
	}
	return nil
}

func usesVault(i *item[qpsclient.Connection]) int {
	if i.described != nil && i.described.Connection.PasswordVault != nil && i.described.Connection.PasswordVault.Connection != nil {
		return 1
	}
	return 0
}

func (m *maker) planConnection(i *item[qpsclient.Connection]) error {
	p := &plannedConnection{item: i, said: i.described.Connection}
	for _, step := range []func(*plannedConnection) error{
		m.findIntegration, m.compareReferences, m.comparePermissions, p.compareSettings, m.compareVault, m.compareParameters,
	} {
		if err := step(p); err != nil {
			return err
		}
	}
	m.layer.fetchesFrom[i], m.layer.reachedBy[i] = p.vault, p.relay
	p.losses()
	m.noteMissing(p)
	c := i.change(KindConnection)
	if c.Properties = p.differ; i.current != nil && len(p.differ) == 0 {
		return nil
	}
	if err := p.allowed(); err != nil {
		return err
	}
	c.make = func(ctx context.Context, a *applier, c *Change) error { return a.writeConnection(ctx, p, c) }
	m.changes[KindConnection] = append(m.changes[KindConnection], c)
	return nil
}

// allowed refuses what the platform would refuse, before anything is changed.
func (p *plannedConnection) allowed() error {
	owning := slices.ContainsFunc(p.differ, func(d Property) bool { return d.Name == "userPermissions" || d.Name == "shareToInternalSites" })
	if p.current == nil || p.now.Level == "own" || p.now.Level == "edit" && !owning {
		return nil
	}
	return p.described.refuse("Ask an owner of the connection, or leave it out.", "this account may %s connection %s, and this would change it%s",
		p.now.Level, quote(p.text()), map[bool]string{true: " in what only owners say"}[owning])
}

// findIntegration finds what the connection is of, which does not change.
func (m *maker) findIntegration(p *plannedConnection) error {
	d := p.described
	if p.current != nil {
		p.now = *p.current
		if said := p.said.Integration; said != nil && *said != p.now.Integration {
			return d.refuseAt("integration", "Delete the connection first, or give this one another name.", "connection %s is one of %s", quote(p.text()), p.now.Integration)
		}
	} else {
		if p.said.Integration == nil {
			return d.refuse("Write it: 'vedette automation integrations list' shows which there are.", "integration: the key is missing, and the connection is new")
		}
		p.now = qpsclient.Connection{Integration: *p.said.Integration, Active: true}
		p.differ = append(p.differ, Property{"integration", nil, *p.said.Integration})
	}
	var known bool
	if p.integration, known = integration.Find(p.now.Integration); known {
		return nil
	}
	var names []string
	for _, i := range integration.Integrations() {
		names = append(names, i.Name)
	}
	return d.refuseAt("integration", "Use one of "+strings.Join(names, ", ")+".", "there is no integration %s", quote(p.now.Integration))
}

func (m *maker) compareReferences(p *plannedConnection) (err error) {
	if p.site, err = m.siteOf(p.described, "site", p.item.site); err != nil {
		return err
	}
	propose(&p.differ, "shareToInternalSites", p.now.ShareToInternalSites, p.said.ShareToInternalSites, &p.change.ShareToInternalSites, p.current == nil)
	if p.now.Relay != nil {
		p.relay = m.layer.relays.byID(p.now.Relay.ID)
	}
	if p.said.Relay == nil {
		return nil
	}
	before := relayText(p.relay)
	p.relay = nil
	if *p.said.Relay != NoRelay {
		if p.relay, err = m.relayNamed(p.described, *p.said.Relay); err != nil {
			return err
		}
	}
	p.relaySaid = compare(&p.differ, "relay", before, new(relayText(p.relay)))
	p.moved = p.relaySaid
	return nil
}

// relayNamed finds a relay. Only managers see which there are: what others name is
// left for the platform to find.
func (m *maker) relayNamed(d *Document, name string) (*item[qpsclient.Relay], error) {
	if m.layer.hidden[KindRelay] && len(m.layer.relays.named(name)) == 0 {
		return m.layer.relays.add("", name, 0, nil), nil
	}
	return m.layer.relays.resolve(d, "relay", name)
}

func relayText(i *item[qpsclient.Relay]) string {
	if i == nil {
		return NoRelay
	}
	return i.name
}

// comparePermissions leaves the entry that makes whoever applies an owner: without it
// they could not go on.
func (m *maker) comparePermissions(p *plannedConnection) error {
	if p.said.UserPermissions == nil {
		return nil
	}
	wanted := slices.Clone(*p.said.UserPermissions)
	mine := false
	for n, text := range wanted {
		grant, _ := parsePermission(text)
		var err error
		if grant.Role != "" {
			err = m.layer.checkRole(p.described, itemKey("userPermissions", n), grant.Role)
		} else {
			err = m.layer.checkUser(p.described, itemKey("userPermissions", n), grant.User)
		}
		if err != nil {
			return err
		}
		mine = mine || grant.User == m.layer.me.User.Username && grant.User != ""
	}
	now := permissionTexts(p.now.UserPermissions)
	if own := "user:" + m.layer.me.User.Username + "=own"; !m.layer.me.Manager && !mine && (p.current == nil || slices.Contains(now, own)) {
		wanted = append(wanted, own)
		m.note("%s keeps owning connection %s, which no file says: only managers can do without.", m.layer.me.User.Username, quote(p.text()))
	}
	if !compareList(&p.differ, "userPermissions", now, &wanted) && p.current != nil {
		return nil
	}
	p.change.UserPermissions = []qpsclient.UserPermission{}
	for _, text := range wanted {
		grant, _ := parsePermission(text)
		p.change.UserPermissions = append(p.change.UserPermissions, grant)
	}
	return nil
}

func (p *plannedConnection) compareSettings(*plannedConnection) error {
	isNew, said := p.current == nil, p.said
	propose(&p.differ, "description", p.now.Description, said.Description, &p.change.Description, isNew)
	propose(&p.differ, "active", p.now.Active, said.Active, &p.change.Active, isNew)
	var limits qpsclient.ConnectionLimits
	propose(&p.differ, "limits.requestsPerMinute", valueOf(p.now.Limits.RequestsPerMinute), said.Limits.RequestsPerMinute, &limits.RequestsPerMinute, isNew)
	propose(&p.differ, "limits.concurrency", valueOf(p.now.Limits.Concurrency), said.Limits.Concurrency, &limits.Concurrency, isNew)
	if limits != (qpsclient.ConnectionLimits{}) {
		p.change.Limits = &limits
	}
	now, wanted := p.now.HealthCheck, said.HealthCheck
	var check qpsclient.HealthCheck
	propose(&p.differ, "healthCheck.enabled", valueOf(now.Enabled), wanted.Enabled, &check.Enabled, isNew)
	propose(&p.differ, "healthCheck.intervalMinutes", valueOf(now.IntervalMinutes), wanted.IntervalMinutes, &check.IntervalMinutes, isNew)
	propose(&p.differ, "healthCheck.mailAfter", valueOf(now.MailAfter), wanted.MailAfter, &check.MailAfter, isNew)
	if compareList(&p.differ, "healthCheck.mailTo", now.MailTo, wanted.MailTo) || isNew && wanted.MailTo != nil {
		check.MailTo = *wanted.MailTo
	}
	if check.Enabled != nil || check.IntervalMinutes != nil || check.MailAfter != nil || check.MailTo != nil {
		p.change.HealthCheck = &check
	}
	return nil
}

func (m *maker) compareVault(p *plannedConnection) error {
	if p.now.PasswordVault.Connection != nil {
		p.vault = m.layer.connections.byID(p.now.PasswordVault.Connection.ID)
	}
	if p.said.PasswordVault == nil {
		return nil
	}
	var before differences
	describeVault(&before, p.vault, p.now.PasswordVault.Items)
	if p.vault = nil; p.said.PasswordVault.Connection != nil {
		vault, err := m.layer.connections.resolve(p.described, "passwordVault.connection", *p.said.PasswordVault.Connection)
		if err != nil {
			return err
		}
		p.vault = vault
	}
	items := make(map[string]qpsclient.VaultItem, len(p.said.PasswordVault.Items))
	for name, item := range p.said.PasswordVault.Items {
		parameter, known := p.integration.Parameter(name)
		if !known {
			return p.described.refuseAt("passwordVault.items."+name, "'vedette automation integrations show "+p.integration.Name+"' lists them.", "%s has no such parameter", p.integration.DisplayName)
		}
		items[parameter.Name] = item
	}
	var after differences
	describeVault(&after, p.vault, items)
	if differ := changed(before, after); len(differ) > 0 {
		p.differ = append(p.differ, differ...)
		p.change.PasswordVault = &qpsclient.PasswordVault{Items: items}
	}
	p.now.PasswordVault.Items = items
	return nil
}

// describeVault says what a vault is used for as properties without an old value.
func describeVault(d *differences, vault *item[qpsclient.Connection], items map[string]qpsclient.VaultItem) {
	if vault != nil && len(items) > 0 {
		*d = append(*d, Property{"passwordVault.connection", nil, vault.text()})
	}
	for _, name := range slices.Sorted(maps.Keys(items)) {
		*d = append(*d, Property{"passwordVault.items." + name, nil, items[name].Path + "#" + items[name].Field})
	}
}

// changed returns the properties that are in one list and not, or otherwise, in the
// other.
func changed(before, after differences) differences {
	var d differences
	find := func(list differences, name string) any {
		for _, p := range list {
			if p.Name == name {
				return p.New
			}
		}
		return nil
	}
	for _, p := range before {
		if now := find(after, p.Name); now == nil {
			d = append(d, Property{p.Name, p.New, "none"})
		}
	}
	for _, p := range after {
		if was := find(before, p.Name); was != p.New {
			d = append(d, Property{p.Name, was, p.New})
		}
	}
	return d
}

// compareParameters compares parameters in the form in which platforms keep them.
func (m *maker) compareParameters(p *plannedConnection) error {
	all := map[string]string{}
	for name, value := range p.now.Parameters {
		if value == qpsclient.KeptSecret {
			p.stored = append(p.stored, name)
			continue
		}
		all[name] = value
	}
	said := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.said.Parameters)) {
		at := "parameters." + name
		parameter, known := p.integration.Parameter(name)
		switch {
		case !known:
			return p.described.refuseAt(at, "'vedette automation integrations show "+p.integration.Name+"' lists them.", "%s has no such parameter", p.integration.DisplayName)
		case parameter.Secret():
			return p.described.refuseAt(at, "Leave it out, and give it to the connection once: "+p.giving(parameter.Name), "it is secret, and no file has secrets")
		case said[parameter.Name]:
			return p.described.refuseAt(at, "Give it once.", "it is given as %s and as %s", parameter.Name, parameter.DisplayName)
		}
		said[parameter.Name], all[parameter.Name] = true, p.said.Parameters[name]
	}
	elsewhere := slices.Collect(maps.Keys(p.now.PasswordVault.Items))
	maps.DeleteFunc(all, func(name string, _ string) bool { return slices.Contains(elsewhere, name) && !said[name] })
	for _, name := range p.integration.SecretsNeeded(all) {
		if !slices.Contains(elsewhere, name) {
			all[name] = qpsclient.KeptSecret // so that the others are checked
		}
	}
	wanted, err := p.integration.CheckParameters(all, elsewhere...)
	if err != nil {
		return asInvalidAt(p.described, "parameters", err)
	}
	for _, parameter := range p.integration.Parameters {
		name := parameter.Name
		old, now := p.now.Parameters[name], wanted[name]
		if !said[name] || old == now {
			continue
		}
		p.differ = append(p.differ, Property{"parameters." + name, shownValue(old), shownValue(now)})
		if p.change.Parameters == nil {
			p.change.Parameters = map[string]string{}
		}
		p.change.Parameters[name] = now
		p.moved = p.moved || parameter.SendsSecrets()
	}
	p.parameters = wanted
	return nil
}

// shownValue is a parameter in a plan; of a certificate, which takes many lines, what
// tells it from another.
func shownValue(text string) string {
	if strings.Contains(text, "\n") {
		return fmt.Sprintf("%d bytes, SHA-256 %.8x…", len(text), sha256.Sum256([]byte(text)))
	}
	return text
}
