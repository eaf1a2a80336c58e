package connection

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fault"
)

// Directory is where connections are made, changed and found, by the rights of who
// asks; see the package comment. It is safe for concurrent use.
type Directory struct {
	Connections Connections
	Sites       Sites
	People      People
	Relays      Relays
	Now         func() time.Time
	// Random returns a number in [0, 1).
	Random func() float64
}

// Found is a connection as somebody may see it.
type Found struct {
	Connection
	Level Level // what they may do with it
}

// List returns the connections that a principal sees, in ascending order of id.
func (d *Directory) List(ctx context.Context, p access.Principal) ([]Found, error) {
	all, err := d.Connections.Connections(ctx)
	if err != nil {
		return nil, err
	}
	sites, err := d.reach(ctx, p)
	if err != nil {
		return nil, err
	}
	visible := []Found{}
	for i := range all {
		if level := sites.levelOf(p, &all[i]); level != "" {
			visible = append(visible, Found{all[i], level})
		}
	}
	return visible, nil
}

// Get returns a connection that the principal sees; any other is fault.NotFound,
// whether it exists or not.
func (d *Directory) Get(ctx context.Context, p access.Principal, id int64) (Found, error) {
	return d.get(ctx, p, id, Use)
}

// get returns a connection for which the principal has a level. A lower one is
// fault.Forbidden: who sees it knows that it exists.
func (d *Directory) get(ctx context.Context, p access.Principal, id int64, needed Level) (Found, error) {
	c, err := d.Connections.Connection(ctx, id)
	if err != nil {
		return Found{}, err
	}
	sites, err := d.reach(ctx, p)
	if err != nil {
		return Found{}, err
	}
	level := sites.levelOf(p, &c)
	if level == "" {
		return Found{}, access.Hidden(NoConnection(id))
	}
	if !level.covers(needed) {
		return Found{}, fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may %s connection '%s', not %s it.", p.User.Username, level, c.Name, needed),
			"Ask somebody who owns the connection, or a manager, to grant "+string(needed)+".")
	}
	return Found{c, level}, nil
}

// NoConnection is the error for a connection that does not exist, or that who asks
// does not see.
func NoConnection(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no connection %d.", id), "List the connections there are.")
}

// Named returns the connection that the principal sees under a name. None, and several
// of that name, are fault.Invalid at the field.
func (d *Directory) Named(ctx context.Context, p access.Principal, field, name string) (Found, error) {
	visible, err := d.List(ctx, p)
	if err != nil {
		return Found{}, err
	}
	named := slices.DeleteFunc(visible, func(c Found) bool { return c.Name != name })
	switch len(named) {
	case 0:
		refused := fault.New(fault.Invalid, fmt.Sprintf("%s: there is no connection '%s'.", field, automation.Echo(name)), "List the connections there are.")
		all, err := d.Connections.Connections(ctx)
		if err != nil {
			return Found{}, err
		}
		if slices.ContainsFunc(all, func(c Connection) bool { return c.Name == name }) {
			return Found{}, access.Hidden(refused)
		}
		return Found{}, refused
	case 1:
		return named[0], nil
	}
	ids := make([]string, len(named))
	for i := range named {
		ids[i] = strconv.FormatInt(named[i].ID, 10)
	}
	return Found{}, fault.New(fault.Invalid, fmt.Sprintf("%s: the connections %s are called '%s'.", field, strings.Join(ids, ", "), automation.Echo(name)), "Give the id of one of them.")
}

// ToUse returns a connection that the principal may run commands with. One that is
// not Ready is fault.Conflict.
func (d *Directory) ToUse(ctx context.Context, p access.Principal, id int64) (Connection, error) {
	found, err := d.get(ctx, p, id, Use)
	if err == nil {
		err = found.Ready()
	}
	return found.Connection, err
}

// Ready refuses, as fault.Conflict, a connection that is switched off or misses a
// secret.
func (c *Connection) Ready() error {
	if !c.Active {
		return fault.New(fault.Conflict, fmt.Sprintf("Connection '%s' is inactive.", c.Name), "Make the connection active, then run the command again.")
	}
	if missing := c.Missing(); len(missing) > 0 {
		return fault.New(fault.Conflict, fmt.Sprintf("Connection '%s' misses its %s.", c.Name, strings.Join(missing, ", ")), "Give the connection what it misses, then run the command again.")
	}
	return nil
}

// Create makes a connection. Its maker owns it.
func (d *Directory) Create(ctx context.Context, p access.Principal, draft Draft) (Connection, error) {
	c, secrets, err := d.Draft(ctx, p, draft)
	if err != nil {
		return Connection{}, err
	}
	c.Created = d.Now().UTC().Truncate(time.Microsecond)
	c.Modified = c.Created
	c.Plan(c.Created, d.Random())
	return d.Connections.CreateConnection(ctx, c, secrets)
}

// Draft returns the connection that a draft would make, with its secrets, so that it
// can be tested before it is made. Nothing is stored.
func (d *Directory) Draft(ctx context.Context, p access.Principal, draft Draft) (Connection, map[string]string, error) {
	of, known := integration.Find(draft.Integration)
	if !known {
		return Connection{}, nil, noIntegration(draft.Integration)
	}
	c := Connection{
		Integration: of.Name, Name: draft.Name, SiteID: draft.SiteID, Shared: draft.Shared, Description: draft.Description,
		Active: !draft.Inactive, RelayID: draft.RelayID,
		Vault: draft.Vault, Limits: draft.Limits, Check: draft.Check, Health: Health{Status: Unknown},
	}
	if err := d.place(ctx, p, &c); err != nil {
		return Connection{}, nil, err
	}
	if err := d.relayFor(ctx, p, &c, draft.RelayName); err != nil {
		return Connection{}, nil, err
	}
	c.Grants = append([]Grant{}, draft.Grants...)
	if !p.Manager() && !slices.ContainsFunc(c.Grants, func(g Grant) bool { return g.Kind == ToUser && g.Name == p.User.Username }) {
		c.Grants = append(c.Grants, Grant{Kind: ToUser, Name: p.User.Username, Level: Own})
	}
	var err error
	if c.Grants, err = d.grantees(ctx, c.Grants); err != nil {
		return Connection{}, nil, err
	}
	secrets, err := d.settle(ctx, p, &c, of, Change{Parameters: draft.Parameters, SecretsLater: draft.SecretsLater}, &Connection{})
	return c, secrets, err
}

func noIntegration(name string) error {
	known := []string{}
	for _, i := range integration.Integrations() {
		known = append(known, i.Name)
	}
	return fault.New(fault.Invalid, fmt.Sprintf("integration: there is no integration '%s'.", automation.Echo(name)), "Use one of "+strings.Join(known, ", ")+".")
}

// settle fills in, and checks, what a change makes of a connection as it was before.
func (d *Directory) settle(ctx context.Context, p access.Principal, c *Connection, of integration.Integration, change Change, before *Connection) (map[string]string, error) {
	c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.Vault.check(of); err != nil {
		return nil, err
	}
	if c.Vault.Enabled() && (c.Vault.ConnectionID != before.Vault.ConnectionID || !maps.Equal(c.Vault.Items, before.Vault.Items)) {
		// Who chooses what is fetched can have it sent to a server of their own: that
		// is more than to use a vault.
		vault, err := d.get(ctx, p, c.Vault.ConnectionID, Edit)
		if err != nil {
			return nil, fmt.Errorf("find vault: %w", err)
		}
		if _, isVault := integration.FindCommand(vault.Integration + "/" + FetchCommand); !isVault {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("passwordVault: connection '%s' is not a connection to a password vault.", vault.Name), "Choose a connection of an integration that has the command Fetch Credential.")
		}
	}
	if _, isVault := integration.FindCommand(of.Name + "/" + FetchCommand); isVault && c.RelayID != 0 {
		return nil, fault.New(fault.Invalid, "relay: a password vault is reached directly.", "Leave the relay out.")
	}
	return c.setParameters(of, change.Parameters, before.Missing(), change.SecretsLater)
}

// Update changes a connection. Who may use it, and which sites see it, only its owners
// say.
func (d *Directory) Update(ctx context.Context, p access.Principal, id int64, change Change) (Connection, error) {
	needed := Edit
	if change.Grants != nil || change.SiteID != nil || change.Shared != nil {
		needed = Own
	}
	if _, err := d.get(ctx, p, id, needed); err != nil {
		return Connection{}, err
	}
	if change.Grants != nil {
		grants, err := d.grantees(ctx, *change.Grants)
		if err != nil {
			return Connection{}, err
		}
		change.Grants = &grants
	}
	return d.Connections.UpdateConnection(ctx, id, func(c *Connection) (map[string]string, error) {
		return d.apply(ctx, p, c, change)
	})
}

// apply makes a connection what the change says.
func (d *Directory) apply(ctx context.Context, p access.Principal, c *Connection, change Change) (map[string]string, error) {
	of, known := integration.Find(c.Integration)
	if !known {
		return nil, noIntegration(c.Integration)
	}
	before := *c
	before.Stored = slices.Clone(c.Stored)
	change.write(c)
	if c.SiteID != before.SiteID || c.Shared != before.Shared {
		if err := d.place(ctx, p, c); err != nil {
			return nil, err
		}
	}
	if err := d.relayFor(ctx, p, c, change.RelayName); err != nil {
		return nil, err
	}
	secrets, err := d.settle(ctx, p, c, of, change, &before)
	if err != nil {
		return nil, err
	}
	if err := sameTarget(of, &before, c, secrets); err != nil {
		if !change.SecretsLater {
			return nil, err
		}
		c.Stored = slices.Sorted(maps.Keys(secrets))
	}
	now := d.Now().UTC().Truncate(time.Microsecond)
	c.Modified = now
	if c.Active != before.Active || c.Check.Enabled != before.Check.Enabled || c.Check.Every != before.Check.Every ||
		len(c.Missing()) != len(before.Missing()) {
		c.Plan(now, d.Random())
	}
	if len(secrets) > 0 || before.RelayID != c.RelayID || !maps.Equal(before.Parameters, c.Parameters) {
		c.Health = Health{Status: Unknown, Next: c.Health.Next, Told: c.Health.Told}
	}
	return secrets, nil
}

func (ch Change) write(c *Connection) {
	set(&c.Name, ch.Name)
	set(&c.SiteID, ch.SiteID)
	set(&c.Shared, ch.Shared)
	set(&c.Description, ch.Description)
	set(&c.Active, ch.Active)
	set(&c.RelayID, ch.RelayID)
	set(&c.Grants, ch.Grants)
	set(&c.Vault, ch.Vault)
	set(&c.Limits, ch.Limits)
	set(&c.Check, ch.Check)
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// sameTarget refuses a change of where secrets are sent to by somebody who does not
// give them anew: who may edit a connection could otherwise have its password sent
// to a server of their own.
func sameTarget(of integration.Integration, before, after *Connection, given map[string]string) error {
	if before.RelayID == after.RelayID && sameAddresses(of, before, after) {
		return nil
	}
	for _, name := range before.Stored {
		if _, anew := given[name]; !anew && slices.Contains(after.Stored, name) {
			return fault.New(fault.Invalid, name+": the value is missing.",
				"Give "+strings.Join(before.Stored, ", ")+" anew when the server URL, the certificate of its authority or the relay changes: they are sent there.")
		}
	}
	return nil
}

// sameAddresses reports whether the parameters that say where secrets go, and who may
// read them on the way, are the same.
func sameAddresses(of integration.Integration, before, after *Connection) bool {
	for _, p := range of.Parameters {
		if p.SendsSecrets() && before.Parameters[p.Name] != after.Parameters[p.Name] {
			return false
		}
	}
	return true
}

// Delete removes a connection.
func (d *Directory) Delete(ctx context.Context, p access.Principal, id int64) error {
	if _, err := d.get(ctx, p, id, Own); err != nil {
		return err
	}
	return d.Connections.DeleteConnection(ctx, id)
}
