package plan

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"vedette.dev/vedette/qps/qpsclient"
)

// LayerReader is what making a plan needs of the automation layer of a platform.
// Platforms without one, such as Qualys, give qpsclient.ErrNoAutomationAPI.
type LayerReader interface {
	Me(ctx context.Context) (qpsclient.Caller, error)
	Users(ctx context.Context) ([]qpsclient.User, error)
	Roles(ctx context.Context) ([]qpsclient.Role, error)
	Sites(ctx context.Context) ([]qpsclient.Site, error)
	Relays(ctx context.Context) ([]qpsclient.Relay, error)
	Connections(ctx context.Context, q qpsclient.ConnectionQuery) ([]qpsclient.Connection, error)
	Playbooks(ctx context.Context, site string) ([]qpsclient.Playbook, error)
	PlaybookVersion(ctx context.Context, id, number int64) (qpsclient.PlaybookVersion, error)
	AutomationSchedules(ctx context.Context, q qpsclient.AutomationScheduleQuery) ([]qpsclient.AutomationSchedule, error)
	ChannelReader
}

// LayerWriter is what making changes needs of the automation layer of a platform.
// Every change is made with the rights of who applies the plan, and refused by the
// platform where these do not reach.
type LayerWriter interface {
	SiteWriter
	RelayWriter
	ConnectionWriter
	PlaybookWriter
	ScheduleWriter
	ChannelWriter
}

// layer is what a platform has of its automation layer, as far as the caller sees it
// and a plan looks at it.
type layer struct {
	me          qpsclient.Caller
	sites       stock[qpsclient.Site]
	relays      stock[qpsclient.Relay]
	connections stock[qpsclient.Connection]
	playbooks   stock[keptPlaybook]
	schedules   stock[qpsclient.AutomationSchedule]
	mail        *qpsclient.MailSettings // nil for none
	webhook     *qpsclient.Webhook      // nil for none

	// inTexts are the playbooks, by name, whose texts have the schedules of these names:
	// such schedules are of no file, and never pruned.
	inTexts map[string]string

	// What the caller may not list is nil, and left for the platform to judge.
	users, roles map[string]bool

	// What objects use after the plan.
	runsWith    map[*item[qpsclient.AutomationSchedule]]*item[qpsclient.Connection]
	fetchesFrom map[*item[qpsclient.Connection]]*item[qpsclient.Connection]
	reachedBy   map[*item[qpsclient.Connection]]*item[qpsclient.Relay]
	starts      map[*item[qpsclient.AutomationSchedule]]*item[keptPlaybook]

	live map[*item[keptPlaybook]]string // the text of those that are described, after the plan

	hidden map[Kind]bool
}

// readLayer reads the automation layer where documents are of it.
func (m *maker) readLayer(ctx context.Context, r LayerReader, o Options) error {
	wanted := map[Kind]bool{}
	for _, kind := range layerKinds() {
		if m.described[kind] {
			wanted[kind] = true
		}
	}
	switch {
	case len(wanted) == 0:
		return nil
	case o.Prune: // to see what is in use
		wanted[KindConnection], wanted[KindPlaybook], wanted[KindSchedule] = true, true, true
	case wanted[KindSchedule]:
		wanted[KindConnection] = true
	}
	strict := maps.Clone(wanted)
	if wanted[KindSchedule] { // many who may not see playbooks have schedules of commands
		wanted[KindPlaybook] = true
	}
	if wanted[KindConnection] { // only managers see all relays
		wanted[KindRelay] = true
	}
	var err error
	if m.layer, err = readLayer(ctx, r, wanted, strict); err != nil {
		return err
	}
	return m.layer.readPeople(ctx, r)
}

// readLayer reads the sites, to which everything belongs, and the objects of the
// kinds. What the caller may not list is an error where it is strict, and hidden
// otherwise.
func readLayer(ctx context.Context, r LayerReader, kinds, strict map[Kind]bool) (*layer, error) {
	l := &layer{hidden: map[Kind]bool{}, inTexts: map[string]string{}}
	l.sites.kind, l.relays.kind, l.connections.kind, l.playbooks.kind, l.schedules.kind = KindSite, KindRelay, KindConnection, KindPlaybook, KindSchedule
	var err error
	if l.me, err = r.Me(ctx); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		kind Kind
		read func(context.Context, LayerReader) error
	}{{KindSite, l.readSites}, {KindRelay, l.readRelays}, {KindConnection, l.readConnections}, {KindPlaybook, l.readPlaybooks}, {KindSchedule, l.readSchedules}, {KindMail, l.readMail}, {KindWebhook, l.readWebhook}} {
		if !kinds[step.kind] && step.kind != KindSite {
			continue
		}
		err := step.read(ctx, r)
		if err != nil && (strict[step.kind] || !forbidden(err)) {
			return nil, err
		}
		l.hidden[step.kind] = err != nil
	}
	return l, nil
}

func (l *layer) readSites(ctx context.Context, r LayerReader) error {
	sites, err := r.Sites(ctx)
	for i := range sites {
		l.sites.add("", sites[i].Name, sites[i].ID, &sites[i])
	}
	return err
}

func (l *layer) readRelays(ctx context.Context, r LayerReader) error {
	relays, err := r.Relays(ctx)
	for i := range relays {
		l.relays.add("", relays[i].Name, relays[i].ID, &relays[i])
	}
	return err
}

func (l *layer) readConnections(ctx context.Context, r LayerReader) error {
	connections, err := r.Connections(ctx, qpsclient.ConnectionQuery{})
	for i := range connections {
		c := &connections[i]
		l.connections.add(c.Home().Name, c.Name, c.ID, c)
		if c.Relay != nil && l.relays.byID(c.Relay.ID) == nil { // the connection tells of it alone
			l.relays.add("", c.Relay.Name, c.Relay.ID, &qpsclient.Relay{ID: c.Relay.ID, Name: c.Relay.Name})
		}
	}
	return err
}

func (l *layer) readSchedules(ctx context.Context, r LayerReader) error {
	schedules, err := r.AutomationSchedules(ctx, qpsclient.AutomationScheduleQuery{Kind: "user"})
	for i := range schedules {
		s := &schedules[i]
		if s.Trigger == 0 {
			l.schedules.add(s.Site.Name, s.Name, s.ID, s)
			continue
		}
		inText := item[qpsclient.AutomationSchedule]{site: s.Site.Name, name: s.Name}
		l.inTexts[inText.text()] = s.Playbook.Name
	}
	return err
}

// readPeople reads who can be named, as far as the caller may list them.
func (l *layer) readPeople(ctx context.Context, r LayerReader) error {
	users, err := r.Users(ctx)
	switch {
	case err == nil:
		l.users = map[string]bool{}
		for _, u := range users {
			l.users[u.Username] = true
		}
	case !forbidden(err):
		return err
	}
	roles, err := r.Roles(ctx)
	switch {
	case err == nil:
		l.roles = map[string]bool{}
		for _, role := range roles {
			l.roles[role.Name] = true
		}
	case !forbidden(err):
		return err
	}
	return nil
}

// forbidden reports whether the caller lacks a right for what was asked for.
func forbidden(err error) bool {
	status, ok := errors.AsType[*qpsclient.StatusError](err)
	return ok && status.StatusCode == http.StatusForbidden
}

// planLayer plans what is described of the automation layer. Everything is placed
// first, so that documents may refer to what others describe.
func (m *maker) planLayer() error {
	if m.layer == nil {
		return nil
	}
	l := m.layer
	l.useNow()
	for _, step := range []func() error{
		func() error { return l.sites.place(m.documents[KindSite]) },
		func() error { return l.relays.place(m.documents[KindRelay]) },
		func() error { return l.connections.place(m.documents[KindConnection]) },
		func() error { return l.playbooks.place(m.documents[KindPlaybook]) },
		func() error { return l.schedules.place(m.documents[KindSchedule]) },
		m.planSites, m.planRelays, m.planConnections, m.planPlaybooks, m.planSchedules, m.planMail, m.planWebhook,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// useNow notes what objects use before the plan.
func (l *layer) useNow() {
	l.runsWith = map[*item[qpsclient.AutomationSchedule]]*item[qpsclient.Connection]{}
	l.fetchesFrom = map[*item[qpsclient.Connection]]*item[qpsclient.Connection]{}
	l.reachedBy = map[*item[qpsclient.Connection]]*item[qpsclient.Relay]{}
	l.starts = map[*item[qpsclient.AutomationSchedule]]*item[keptPlaybook]{}
	l.live = map[*item[keptPlaybook]]string{}
	for _, s := range l.schedules.items {
		l.runsWith[s] = l.connections.byID(s.current.Connection.ID)
		l.starts[s] = l.playbooks.byID(s.current.Playbook.ID)
	}
	for _, c := range l.connections.items {
		if vault := c.current.PasswordVault.Connection; vault != nil {
			l.fetchesFrom[c] = l.connections.byID(vault.ID)
		}
		if c.current.Relay != nil {
			l.reachedBy[c] = l.relays.byID(c.current.Relay.ID)
		}
	}
}

// siteOf returns the site that a key of a document names.
func (m *maker) siteOf(d *Document, key, name string) (*item[qpsclient.Site], error) {
	return m.layer.sites.resolve(d, key, name)
}

// checkUser refuses a user that there is not, as far as the caller may know.
func (l *layer) checkUser(d *Document, key, name string) error {
	if l.users == nil || l.users[name] {
		return nil
	}
	return d.refuseAt(key, "Names are case-sensitive. 'vedette users list' shows the users there are, 'vedette users create' makes one.", "there is no user %s", quote(name))
}

// checkRole refuses a role that there is not, as far as the caller may know.
func (l *layer) checkRole(d *Document, key, name string) error {
	if l.roles == nil || l.roles[name] {
		return nil
	}
	return d.refuseAt(key, "Names are case-sensitive. 'vedette roles list' shows the roles there are, 'vedette roles create' makes one.", "there is no role %s", quote(name))
}
