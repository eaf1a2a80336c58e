package plan

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// tagWriter changes tags.
type tagWriter interface {
	CreateTag(ctx context.Context, change qps.TagChange) (*qps.Tag, error)
	UpdateTag(ctx context.Context, id int64, change qps.TagChange) error
	DeleteTags(ctx context.Context, ids ...int64) error
}

// layerOnly is a Writer of the automation layer alone.
type layerOnly struct {
	LayerWriter
	tagWriter
	KeyWriter
	ProfileWriter
	ConnectorWriter
}

// office is an automation layer in memory. It keeps what it is given like a platform.
type office struct {
	me          qpsclient.Caller
	users       []string
	roles       []string
	sites       []qpsclient.Site
	relays      []qpsclient.Relay
	connections []qpsclient.Connection
	playbooks   []qpsclient.Playbook
	texts       map[int64][]string // of each playbook, by version
	schedules   []qpsclient.AutomationSchedule
	mail        *qpsclient.MailSettings
	webhook     *qpsclient.Webhook
	denied      map[Kind]bool // what the caller may not list
	absent      bool          // there is no automation layer
	last        int64
	did         []string // each write
	breaks      int      // after so many writes, when it is not zero
}

func newOffice() *office {
	return &office{
		me: qpsclient.Caller{User: qpsclient.User{Username: "mia"}, Manager: true}, users: []string{"mia", "ana", "bob"}, roles: []string{"Analyst"},
		sites: []qpsclient.Site{{ID: 1, Name: "Main", Kind: "internal", Description: "from the beginning"}}, last: 1,
	}
}

var errDenied = &qpsclient.StatusError{StatusCode: http.StatusForbidden, Message: "not yours"}

func (o *office) list(kind Kind) error {
	switch {
	case o.absent:
		return fmt.Errorf("list: %w", qpsclient.ErrNoAutomationAPI)
	case o.denied[kind]:
		return fmt.Errorf("list: %w", errDenied)
	}
	return nil
}

func (o *office) Me(context.Context) (qpsclient.Caller, error) { return o.me, o.list("") }

func (o *office) Users(context.Context) ([]qpsclient.User, error) {
	var all []qpsclient.User
	for _, name := range o.users {
		all = append(all, qpsclient.User{Username: name})
	}
	return all, o.list("User")
}

func (o *office) Roles(context.Context) ([]qpsclient.Role, error) {
	var all []qpsclient.Role
	for _, name := range o.roles {
		all = append(all, qpsclient.Role{Name: name})
	}
	return all, o.list("Role")
}

// listed is what a caller gets who may list a kind.
func listed[T any](o *office, kind Kind, all []T) ([]T, error) {
	if err := o.list(kind); err != nil {
		return nil, err
	}
	return slices.Clone(all), nil
}

func (o *office) Sites(context.Context) ([]qpsclient.Site, error) {
	return listed(o, KindSite, o.sites)
}

func (o *office) Relays(context.Context) ([]qpsclient.Relay, error) {
	return listed(o, KindRelay, o.relays)
}

func (o *office) Connections(context.Context, qpsclient.ConnectionQuery) ([]qpsclient.Connection, error) {
	return listed(o, KindConnection, o.connections)
}

func (o *office) AutomationSchedules(context.Context, qpsclient.AutomationScheduleQuery) ([]qpsclient.AutomationSchedule, error) {
	return listed(o, KindSchedule, o.schedules)
}

// write counts a write, and gives what it makes an id.
func (o *office) write(format string, args ...any) (int64, error) {
	if o.breaks > 0 && len(o.did) >= o.breaks {
		return 0, fmt.Errorf("the line is broken")
	}
	o.did = append(o.did, fmt.Sprintf(format, args...))
	o.last++
	return o.last, nil
}

// only returns the object with an id.
func only[T any](list []T, id int64, idOf func(T) int64) *T {
	return &list[slices.IndexFunc(list, func(t T) bool { return idOf(t) == id })]
}

func (o *office) site(id int64) *qpsclient.Site {
	return only(o.sites, id, func(s qpsclient.Site) int64 { return s.ID })
}

func (o *office) CreateSite(_ context.Context, n qpsclient.NewSite) (qpsclient.Site, error) {
	id, err := o.write("create site %s", n.Name)
	s := qpsclient.Site{ID: id, Name: n.Name, Kind: n.Kind, Description: n.Description}
	if s.Kind == "" {
		s.Kind = "internal"
	}
	if err == nil {
		o.sites = append(o.sites, s)
	}
	return s, err
}

func (o *office) UpdateSite(_ context.Context, id int64, change qpsclient.SiteChange) (qpsclient.Site, error) {
	s := o.site(id)
	_, err := o.write("update site %s", s.Name)
	if err == nil {
		take(&s.Kind, change.Kind)
		take(&s.Description, change.Description)
	}
	return *s, err
}

func take[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

func (o *office) ChangeMembers(_ context.Context, id int64, add, remove []string) (qpsclient.Site, error) {
	s := o.site(id)
	_, err := o.write("members of %s: +%v -%v", s.Name, add, remove)
	if err == nil {
		s.Members = sorted(append(without(s.Members, remove), add...))
	}
	return *s, err
}

func (o *office) DeleteSite(_ context.Context, id int64) error {
	_, err := o.write("delete site %s", o.site(id).Name)
	if err == nil {
		o.sites = slices.DeleteFunc(o.sites, func(s qpsclient.Site) bool { return s.ID == id })
	}
	return err
}

func (o *office) RegisterRelay(_ context.Context, n qpsclient.NewRelay) (qpsclient.RelayToken, error) {
	id, err := o.write("register relay %s", n.Name)
	r := qpsclient.Relay{ID: id, Name: n.Name, Description: n.Description}
	if n.Site != "" {
		of, _ := strconv.ParseInt(n.Site, 10, 64)
		r.Site = &qpsclient.Reference{ID: of, Name: o.site(of).Name}
	}
	if err == nil {
		o.relays = append(o.relays, r)
	}
	return qpsclient.RelayToken{Relay: r, Token: "vdr_planted"}, err
}

func (o *office) DeleteRelay(_ context.Context, name string) (qpsclient.Relay, error) {
	_, err := o.write("delete relay %s", name)
	if err == nil {
		o.relays = slices.DeleteFunc(o.relays, func(r qpsclient.Relay) bool { return r.Name == name })
	}
	return qpsclient.Relay{}, err
}

func (o *office) connection(id int64) *qpsclient.Connection {
	return only(o.connections, id, func(c qpsclient.Connection) int64 { return c.ID })
}

func (o *office) CreateConnection(_ context.Context, n qpsclient.NewConnection) (qpsclient.Connection, error) {
	id, err := o.write("create connection %s", n.Name)
	if err != nil {
		return qpsclient.Connection{}, err
	}
	c := qpsclient.Connection{
		ID: id, Integration: n.Integration, Name: n.Name, ShareToInternalSites: n.ShareToInternalSites, Active: true, Level: "own", Parameters: map[string]string{},
		Limits:      qpsclient.ConnectionLimits{RequestsPerMinute: new(0), Concurrency: new(2)},
		HealthCheck: qpsclient.HealthCheck{Enabled: new(false), IntervalMinutes: new(30), MailAfter: new(0)},
	}
	if c.Site = n.Site; n.ShareToInternalSites {
		c.RecipientSite = n.RecipientSite
	}
	for _, ref := range []*qpsclient.Reference{c.Site, c.RecipientSite} {
		if ref != nil {
			ref.Name = o.site(ref.ID).Name
		}
	}
	change := qpsclient.ConnectionChange{
		Relay: n.Relay, Description: &n.Description, Active: n.Active, UserPermissions: n.UserPermissions, Parameters: n.Parameters,
		PasswordVault: n.PasswordVault, Limits: n.Limits, HealthCheck: n.HealthCheck, SecretsLater: n.SecretsLater,
	}
	o.connections = append(o.connections, c)
	return o.settle(id, change)
}

func (o *office) UpdateConnection(_ context.Context, id int64, change qpsclient.ConnectionChange) (qpsclient.Connection, error) {
	if _, err := o.write("update connection %s", o.connection(id).Name); err != nil {
		return qpsclient.Connection{}, err
	}
	return o.settle(id, change)
}

// settle makes a connection what a change says, as the room of connections does.
func (o *office) settle(id int64, change qpsclient.ConnectionChange) (qpsclient.Connection, error) {
	c := o.connection(id)
	take(&c.Description, change.Description)
	take(&c.Active, change.Active)
	if change.ShareToInternalSites != nil && *change.ShareToInternalSites != c.ShareToInternalSites {
		c.ShareToInternalSites, c.Site, c.RecipientSite = *change.ShareToInternalSites, c.RecipientSite, c.Site
	}
	if change.Relay != nil {
		if c.Relay = nil; change.Relay.ID != 0 {
			c.Relay = &qpsclient.Reference{ID: change.Relay.ID, Name: only(o.relays, change.Relay.ID, func(r qpsclient.Relay) int64 { return r.ID }).Name}
		}
	}
	if change.UserPermissions != nil {
		c.UserPermissions = change.UserPermissions
	}
	if change.PasswordVault != nil {
		c.PasswordVault = *change.PasswordVault
	}
	if change.Limits != nil {
		l := c.Limits
		take(l.Concurrency, change.Limits.Concurrency)
		take(l.RequestsPerMinute, change.Limits.RequestsPerMinute)
	}
	if h := change.HealthCheck; h != nil {
		take(c.HealthCheck.Enabled, h.Enabled)
		take(c.HealthCheck.IntervalMinutes, h.IntervalMinutes)
		take(c.HealthCheck.MailAfter, h.MailAfter)
		if h.MailTo != nil {
			c.HealthCheck.MailTo = h.MailTo
		}
	}
	of, _ := integration.Find(c.Integration)
	parameters := maps.Clone(c.Parameters)
	maps.Copy(parameters, change.Parameters)
	var missing []string
	for _, name := range of.SecretsNeeded(parameters) {
		_, inVault := c.PasswordVault.Items[name]
		if parameters[name] == "" && !inVault {
			missing = append(missing, name)
			parameters[name] = qpsclient.KeptSecret
		}
	}
	if len(missing) > 0 && !change.SecretsLater && len(c.Missing) == 0 {
		return *c, fmt.Errorf("%v is required", missing)
	}
	checked, err := of.CheckParameters(parameters, slices.Collect(maps.Keys(c.PasswordVault.Items))...)
	if err != nil {
		return *c, err
	}
	for _, name := range missing {
		delete(checked, name)
	}
	c.Parameters, c.Missing = checked, missing
	return *c, nil
}

func (o *office) DeleteConnection(_ context.Context, id int64) error {
	_, err := o.write("delete connection %s", o.connection(id).Name)
	if err == nil {
		o.connections = slices.DeleteFunc(o.connections, func(c qpsclient.Connection) bool { return c.ID == id })
	}
	return err
}

func (o *office) CreateAutomationSchedule(_ context.Context, n qpsclient.NewAutomationSchedule) (qpsclient.AutomationSchedule, error) {
	id, err := o.write("create schedule %s", n.Name)
	s := qpsclient.AutomationSchedule{
		ID: id, Kind: "user", Name: n.Name, Site: qpsclient.Reference{ID: n.Site.ID, Name: o.site(n.Site.ID).Name}, Owner: o.me.User.Username,
		Command: n.Command, Connection: n.Connection, Playbook: n.Playbook, Inputs: n.Inputs, ScheduleRule: n.ScheduleRule, CatchUp: n.CatchUp, Overlap: n.Overlap,
		JitterPercent: n.JitterPercent, PauseAfterFailures: n.PauseAfterFailures, Active: n.Active == nil || *n.Active,
	}
	if n.Playbook.ID != 0 && o.playbook(n.Playbook.ID).Live == 0 {
		return s, fmt.Errorf("playbook %d is not live", n.Playbook.ID)
	}
	if s.CatchUp == "" {
		s.CatchUp = "none"
	}
	if s.Overlap == "" {
		s.Overlap = "skip"
	}
	if err == nil {
		o.schedules = append(o.schedules, s)
	}
	return s, err
}

func (o *office) UpdateAutomationSchedule(_ context.Context, id int64, change qpsclient.AutomationScheduleChange) (qpsclient.AutomationSchedule, error) {
	s := only(o.schedules, id, func(s qpsclient.AutomationSchedule) int64 { return s.ID })
	if _, err := o.write("update schedule %s", s.Name); err != nil {
		return *s, err
	}
	take(&s.Command, change.Command)
	take(&s.Connection, change.Connection)
	if change.Inputs != nil {
		s.Inputs = change.Inputs
	}
	if change.Every != nil || change.Cron != nil {
		s.Every, s.Cron = valueOf(change.Every), valueOf(change.Cron)
	}
	take(&s.TimeZone, change.TimeZone)
	for _, bound := range []struct {
		to   *time.Time
		text *string
	}{{&s.Start, change.Start}, {&s.End, change.End}} {
		if bound.text != nil {
			*bound.to, _ = time.Parse(time.RFC3339, *bound.text) // empty for none
		}
	}
	take(&s.CatchUp, change.CatchUp)
	take(&s.Overlap, change.Overlap)
	take(&s.JitterPercent, change.JitterPercent)
	take(&s.PauseAfterFailures, change.PauseAfterFailures)
	take(&s.Active, change.Active)
	s.Owner = o.me.User.Username
	return *s, nil
}

func (o *office) DeleteAutomationSchedule(_ context.Context, id int64) error {
	_, err := o.write("delete schedule %d", id)
	if err == nil {
		o.schedules = slices.DeleteFunc(o.schedules, func(s qpsclient.AutomationSchedule) bool { return s.ID == id })
	}
	return err
}

// watchedOffice keeps the last change of a connection.
type watchedOffice struct {
	*office
	change qpsclient.ConnectionChange
}

func (w *watchedOffice) UpdateConnection(_ context.Context, _ int64, change qpsclient.ConnectionChange) (qpsclient.Connection, error) {
	w.change = change
	return qpsclient.Connection{}, nil
}

func (o *office) Playbooks(context.Context, string) ([]qpsclient.Playbook, error) {
	return listed(o, KindPlaybook, o.playbooks)
}

func (o *office) PlaybookVersion(_ context.Context, id, number int64) (qpsclient.PlaybookVersion, error) {
	return qpsclient.PlaybookVersion{Number: number, Text: o.texts[id][number-1]}, o.list(KindPlaybook)
}

func (o *office) CreatePlaybook(_ context.Context, siteID int64, text string) (qpsclient.Playbook, error) {
	definition, problems := playbook.Parse([]byte(text))
	if problems != nil {
		return qpsclient.Playbook{}, problems
	}
	id, err := o.write("create playbook %s", definition.Name)
	if err != nil {
		return qpsclient.Playbook{}, err
	}
	o.playbooks = append(o.playbooks, qpsclient.Playbook{ID: id, Name: definition.Name, Site: qpsclient.Reference{ID: siteID, Name: o.site(siteID).Name}})
	return o.version(id, text)
}

func (o *office) playbook(id int64) *qpsclient.Playbook {
	return only(o.playbooks, id, func(p qpsclient.Playbook) int64 { return p.ID })
}

func (o *office) version(id int64, text string) (qpsclient.Playbook, error) {
	if o.texts == nil {
		o.texts = map[int64][]string{}
	}
	o.texts[id] = append(o.texts[id], text)
	p := o.playbook(id)
	p.Latest = int64(len(o.texts[id]))
	return *p, nil
}

func (o *office) SavePlaybook(_ context.Context, id, base int64, text string) (qpsclient.Playbook, error) {
	if base != o.playbook(id).Latest {
		return qpsclient.Playbook{}, fmt.Errorf("version %d is not the newest", base)
	}
	if _, err := o.write("save playbook %s", o.playbook(id).Name); err != nil {
		return qpsclient.Playbook{}, err
	}
	return o.version(id, text)
}

func (o *office) PublishPlaybook(_ context.Context, id, number int64) (qpsclient.Playbook, error) {
	p := o.playbook(id)
	_, err := o.write("publish playbook %s", p.Name)
	if err == nil {
		p.Live, p.Publisher = number, o.me.User.Username
	}
	return *p, err
}

func (o *office) WithdrawPlaybook(_ context.Context, id int64) (qpsclient.Playbook, error) {
	p := o.playbook(id)
	_, err := o.write("withdraw playbook %s", p.Name)
	if err == nil {
		p.Live = 0
	}
	return *p, err
}

func (o *office) DeletePlaybook(_ context.Context, id int64) error {
	_, err := o.write("delete playbook %s", o.playbook(id).Name)
	if err == nil {
		o.playbooks = slices.DeleteFunc(o.playbooks, func(p qpsclient.Playbook) bool { return p.ID == id })
	}
	return err
}
