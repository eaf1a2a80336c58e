package connection_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
)

var start = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

// memory keeps connections and sites.
type memory struct {
	connections map[int64]connection.Connection
	secrets     map[int64]map[string]string
	sites       []connection.Site
	roles       []access.Role
	users       []access.User
}

func (m *memory) Connections(context.Context) ([]connection.Connection, error) {
	var all []connection.Connection
	for _, id := range slices.Sorted(maps.Keys(m.connections)) {
		all = append(all, m.connections[id])
	}
	return all, nil
}

func (m *memory) Connection(_ context.Context, id int64) (connection.Connection, error) {
	c, there := m.connections[id]
	if !there {
		return c, connection.NoConnection(id)
	}
	return c, nil
}

func (m *memory) CreateConnection(_ context.Context, c connection.Connection, secrets map[string]string) (connection.Connection, error) {
	c.ID = int64(len(m.connections) + 1)
	m.connections[c.ID], m.secrets[c.ID] = c, secrets
	return c, nil
}

func (m *memory) UpdateConnection(_ context.Context, id int64, change func(*connection.Connection) (map[string]string, error)) (connection.Connection, error) {
	c := m.connections[id]
	c.Stored, c.Parameters = slices.Clone(c.Stored), maps.Clone(c.Parameters)
	secrets, err := change(&c)
	if err != nil {
		return c, err
	}
	m.connections[id] = c
	maps.Copy(m.secrets[id], secrets)
	return c, nil
}

func (m *memory) DeleteConnection(_ context.Context, id int64) error {
	delete(m.connections, id)
	return nil
}

func (m *memory) ConnectionSecrets(_ context.Context, id int64) (map[string]string, error) {
	return m.secrets[id], nil
}

func (m *memory) Sites(context.Context) ([]connection.Site, error) { return m.sites, nil }

func (m *memory) SitesOf(_ context.Context, userID int64) ([]connection.Site, error) {
	var mine []connection.Site
	for _, s := range m.sites {
		for _, u := range m.users {
			if u.ID == userID && slices.Contains(s.Members, u.Username) {
				mine = append(mine, s)
			}
		}
	}
	return mine, nil
}

func (m *memory) CreateSite(_ context.Context, s connection.Site) (connection.Site, error) {
	s.ID = int64(len(m.sites) + 1)
	m.sites = append(m.sites, s)
	return s, nil
}

func (m *memory) UpdateSite(_ context.Context, id int64, change func(*connection.Site) error) (connection.Site, error) {
	s := m.sites[id-1]
	return s, change(&s)
}

func (m *memory) DeleteSite(context.Context, int64) error { return nil }

func (m *memory) ChangeMembers(context.Context, int64, []string, []string) error { return nil }

func (m *memory) UserByName(_ context.Context, name string) (access.User, error) {
	for _, u := range m.users {
		if u.Username == name {
			return u, nil
		}
	}
	return access.User{}, fault.New(fault.NotFound, "There is no user.", "")
}

func (m *memory) Roles(context.Context) ([]access.Role, error) { return m.roles, nil }

// RelayOf knows plant (7), for every site, and dock (9), for the connections of Acme.
func (m *memory) RelayOf(_ context.Context, id int64, name string) (relayID, siteID int64, err error) {
	switch {
	case id == 7, id == 0 && name == "plant":
		return 7, 0, nil
	case id == 9, id == 0 && name == "dock":
		return 9, 3, nil
	}
	return 0, 0, fault.New(fault.NotFound, "There is no such relay.", "")
}

// house is a directory with two sites and a few people: ana and bob at home, kim at
// a client's, mia who manages everything.
type house struct {
	*connection.Directory
	*memory
}

func newHouse() *house {
	analysts := access.Role{ID: 2, Name: "Analyst"}
	m := &memory{
		connections: map[int64]connection.Connection{}, secrets: map[int64]map[string]string{},
		roles: []access.Role{{ID: 1, Name: access.ManagerRole, Manager: true}, analysts},
		sites: []connection.Site{
			{ID: 1, Name: "Main", Kind: connection.Internal, Members: []string{"ana", "bob"}},
			{ID: 2, Name: "Branch", Kind: connection.Internal, Members: []string{"eve"}},
			{ID: 3, Name: "Acme", Kind: connection.Client, Members: []string{"kim"}},
		},
	}
	for i, name := range []string{"ana", "bob", "eve", "kim", "mia"} {
		u := access.User{ID: int64(i + 1), Username: name}
		if name == "bob" {
			u.Roles = []access.Role{analysts}
		}
		if name == "mia" {
			u.Roles = []access.Role{m.roles[0]}
		}
		m.users = append(m.users, u)
	}
	return &house{&connection.Directory{Connections: m, Sites: m, People: m, Relays: m, Now: func() time.Time { return start }, Random: func() float64 { return 0 }}, m}
}

func (h *house) as(name string) access.Principal {
	u, err := h.UserByName(context.Background(), name)
	if err != nil {
		panic(err)
	}
	return access.NewPrincipal(u)
}

func draft() connection.Draft {
	return connection.Draft{
		Integration: "qualys-cloud-agent", Name: "lab", SiteID: 1,
		Parameters: map[string]string{"serverUrl": "qualysapi.example.net/", "username": "acme_ab1", "password": "correct-horse-7431"},
	}
}

func (h *house) made(t *testing.T, by string, d connection.Draft) connection.Connection {
	t.Helper()
	c, err := h.Create(t.Context(), h.as(by), d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAConnectionIsMadeAsTheFormSays(t *testing.T) {
	t.Parallel()
	h := newHouse()
	d := draft()
	d.Check = connection.Check{Enabled: true, Every: 10 * time.Minute, MailAfter: 3, MailTo: []string{"soc@example.net"}}
	c := h.made(t, "ana", d)
	if c.Parameters["serverUrl"] != "https://qualysapi.example.net" || c.Parameters["apiVersion"] != "2.0" || c.Parameters["password"] != "" {
		t.Errorf("parameters are %v", c.Parameters)
	}
	if !slices.Equal(c.Stored, []string{"password"}) || h.secrets[c.ID]["password"] != "correct-horse-7431" {
		t.Errorf("secrets are %v", c.Stored)
	}
	if !c.Active || c.Limits.Concurrency != connection.DefaultConcurrency || c.Health.Status != connection.Unknown || !c.Health.Next.Equal(start.Add(10*time.Minute)) {
		t.Errorf("it is %+v", c)
	}
	if len(c.Grants) != 1 || c.Grants[0].Name != "ana" || c.Grants[0].Level != connection.Own {
		t.Errorf("grants are %+v", c.Grants)
	}
}

func TestADraftThatCannotBeNamesFieldValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a", 300)
	for name, tt := range map[string]struct {
		change func(*connection.Draft)
		want   []string
	}{
		"integration":        {func(d *connection.Draft) { d.Integration = "qualys" }, []string{"integration", "'qualys'", "qualys-cloud-agent"}},
		"no name":            {func(d *connection.Draft) { d.Name = "" }, []string{"name", "missing", "1 to 255"}},
		"long name":          {func(d *connection.Draft) { d.Name = many }, []string{"name", "300", "255"}},
		"name of lines":      {func(d *connection.Draft) { d.Name = "a\x1b[2J" }, []string{"name", "cannot be printed"}},
		"site of others":     {func(d *connection.Draft) { d.SiteID = 3 }, []string{"site", "3", "Use one of Main"}},
		"no such site":       {func(d *connection.Draft) { d.SiteID = 99 }, []string{"site", "99", "Use one of Main"}},
		"shared to a client": {func(d *connection.Draft) { d.Shared, d.SiteID = true, 3 }, []string{"recipientSite"}},
		"relay":              {func(d *connection.Draft) { d.RelayID = 8 }, []string{"relay", "8"}},
		"level":              {func(d *connection.Draft) { d.Grants = []connection.Grant{{Kind: "user", Name: "bob", Level: "all"}} }, []string{"userPermissions", "'all'", "use, edit or own"}},
		"nobody":             {func(d *connection.Draft) { d.Grants = []connection.Grant{{Kind: "user", Name: "zoe", Level: "use"}} }, []string{"userPermissions", "'zoe'"}},
		"twice": {func(d *connection.Draft) {
			d.Grants = []connection.Grant{{Kind: "role", Name: "Analyst", Level: "use"}, {Kind: "role", Name: "Analyst", Level: "own"}}
		}, []string{"userPermissions", "twice"}},
		"URL":               {func(d *connection.Draft) { d.Parameters["serverUrl"] = "http://qualysapi.example.net" }, []string{"Qualys API Server URL", "https://"}},
		"no password":       {func(d *connection.Draft) { delete(d.Parameters, "password") }, []string{"Password", "required"}},
		"unknown parameter": {func(d *connection.Draft) { d.Parameters["passwort"] = "x" }, []string{"passwort", "apiVersion"}},
		"check while off":   {func(d *connection.Draft) { d.Inactive, d.Check.Enabled = true, true }, []string{"healthCheck", "inactive"}},
		"interval":          {func(d *connection.Draft) { d.Check = connection.Check{Enabled: true, Every: 90 * time.Second} }, []string{"intervalMinutes", "1.5", "1 to 10080"}},
		"mail to nobody":    {func(d *connection.Draft) { d.Check.MailAfter = 3 }, []string{"mailTo", "missing"}},
		"mail to nowhere": {func(d *connection.Draft) {
			d.Check.MailAfter, d.Check.MailTo = 3, []string{"soc@example.net\r\nBcc: x@example.net"}
		}, []string{"mailTo", "not an e-mail address"}},
		"concurrency": {func(d *connection.Draft) { d.Limits.Concurrency = 51 }, []string{"concurrency", "51", "1 to 50"}},
		"pace":        {func(d *connection.Draft) { d.Limits.RequestsPerMinute = -1 }, []string{"requestsPerMinute", "-1"}},
		"vault that is none": {func(d *connection.Draft) {
			d.Vault = connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"password": {Path: "a", Field: "b"}}}
		}, []string{"passwordVault", "not a connection to a password vault"}},
		"address of a vault": {func(d *connection.Draft) {
			d.Vault = connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"serverUrl": {Path: "a", Field: "b"}}}
		}, []string{"passwordVault", "'serverUrl'", "may come from a vault"}},
		"authority of a vault": {func(d *connection.Draft) {
			d.Vault = connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"caCertificate": {Path: "a", Field: "b"}}}
		}, []string{"passwordVault", "'caCertificate'", "password, username"}},
		"vault of nothing": {func(d *connection.Draft) {
			d.Vault = connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"pin": {Path: "a", Field: "b"}}}
		}, []string{"passwordVault", "'pin'", "password"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse()
			h.made(t, "ana", draft())
			d := draft()
			tt.change(&d)
			_, err := h.Create(t.Context(), h.as("ana"), d)
			text := messages(err)
			for _, part := range tt.want {
				if !strings.Contains(text, part) {
					t.Errorf("%q does not say %q", text, part)
				}
			}
			if strings.Contains(text, "correct-horse") {
				t.Errorf("%q tells the password", text)
			}
			if len(h.connections) != 1 {
				t.Error("it was made all the same")
			}
		})
	}
}

// messages is what a person is told.
func messages(err error) string {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	return e.Message + " " + e.Resolution
}

func TestRoleSiteAndGrantDecideTogether(t *testing.T) {
	t.Parallel()
	grants := map[string][]connection.Grant{
		"nobody":   nil,
		"bob uses": {{Kind: connection.ToUser, ID: 2, Name: "bob", Level: connection.Use}},
		"analysts": {{Kind: connection.ToRole, ID: 2, Name: "Analyst", Level: connection.Edit}},
		"eve uses": {{Kind: connection.ToUser, ID: 3, Name: "eve", Level: connection.Use}},
		"kim owns": {{Kind: connection.ToUser, ID: 4, Name: "kim", Level: connection.Own}},
	}
	for _, tt := range []struct {
		who, grant string
		shared     bool
		want       connection.Level
	}{
		{"mia", "nobody", false, connection.Own},
		{"bob", "nobody", false, ""},
		{"bob", "bob uses", false, connection.Use},
		{"bob", "analysts", false, connection.Edit},
		{"ana", "analysts", false, ""},
		{"eve", "eve uses", false, ""},
		{"eve", "eve uses", true, connection.Use},
		{"kim", "kim owns", false, ""},
		{"kim", "kim owns", true, ""},
	} {
		h := newHouse()
		h.connections[1] = connection.Connection{ID: 1, Integration: "qualys-cloud-agent", Name: "lab", SiteID: 1, Shared: tt.shared, Active: true, Grants: grants[tt.grant]}
		found, err := h.Get(t.Context(), h.as(tt.who), 1)
		if found.Level != tt.want {
			t.Errorf("%s with %q, shared %t: level %q, want %q", tt.who, tt.grant, tt.shared, found.Level, tt.want)
		}
		listed, _ := h.List(t.Context(), h.as(tt.who))
		if (len(listed) == 1) != (tt.want != "") {
			t.Errorf("%s with %q, shared %t: listed %d", tt.who, tt.grant, tt.shared, len(listed))
		}
		if tt.want != "" {
			continue
		}
		_, absent := h.Get(t.Context(), h.as(tt.who), 99)
		if strings.ReplaceAll(fmt.Sprint(err), "1", "") != strings.ReplaceAll(fmt.Sprint(absent), "99", "") || !access.IsHidden(err) || access.IsHidden(absent) {
			t.Errorf("%s can tell what is hidden (%v) from what is not there (%v), or the log cannot", tt.who, err, absent)
		}
	}
}

func TestWhoMayUseAConnectionMayNotChangeIt(t *testing.T) {
	t.Parallel()
	h := newHouse()
	d := draft()
	d.Grants = []connection.Grant{{Kind: connection.ToUser, Name: "bob", Level: connection.Use}}
	c := h.made(t, "ana", d)
	if _, err := h.ToUse(t.Context(), h.as("bob"), c.ID); err != nil {
		t.Errorf("bob may not use it: %v", err)
	}
	name := "mine"
	_, err := h.Update(t.Context(), h.as("bob"), c.ID, connection.Change{Name: &name})
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("bob changed it: %v", err)
	}
	if err := h.Delete(t.Context(), h.as("bob"), c.ID); !fault.Is(err, fault.Forbidden) {
		t.Errorf("bob deleted it: %v", err)
	}
	editor := []connection.Grant{{Kind: connection.ToUser, Name: "ana", Level: connection.Own}, {Kind: connection.ToUser, Name: "bob", Level: connection.Edit}}
	if _, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Grants: &editor}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Update(t.Context(), h.as("bob"), c.ID, connection.Change{Name: &name}); err != nil {
		t.Errorf("bob, who may edit, may not: %v", err)
	}
	if _, err := h.Update(t.Context(), h.as("bob"), c.ID, connection.Change{Grants: &editor}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("bob said who may use it: %v", err)
	}
}

func TestAPasswordDoesNotFollowItsConnectionToAnotherServer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]connection.Change{
		"URL":     {Parameters: map[string]string{"serverUrl": "https://evil.example.net"}},
		"kept":    {Parameters: map[string]string{"serverUrl": "https://evil.example.net", "password": connection.Kept}},
		"by name": {Parameters: map[string]string{"Qualys API Server URL": "https://evil.example.net"}},
		"plain":   {Parameters: map[string]string{"serverUrl": "http://qualysapi.example.net", "allowHttp": "true"}},
		"relay":   {RelayID: new(int64(7))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse()
			c := h.made(t, "ana", draft())
			_, err := h.Update(t.Context(), h.as("ana"), c.ID, change)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(messages(err), "password") {
				t.Errorf("it was changed, or not for this: %v", err)
			}
			if change.Parameters == nil {
				change.Parameters = map[string]string{}
			}
			change.Parameters["password"] = "given-anew"
			if _, err := h.Update(t.Context(), h.as("ana"), c.ID, change); err != nil {
				t.Errorf("with the password given anew: %v", err)
			}
			if h.secrets[c.ID]["password"] != "given-anew" {
				t.Errorf("the secret is %q", h.secrets[c.ID]["password"])
			}
		})
	}
}

func TestAChangeLeavesWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	h := newHouse()
	d := draft()
	d.Check = connection.Check{Enabled: true, Every: 5 * time.Minute}
	c := h.made(t, "ana", d)
	healthy := h.connections[c.ID]
	healthy.Health.Status = connection.Healthy
	h.connections[c.ID] = healthy
	text := "new words"
	got, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Description: &text, Parameters: map[string]string{"password": connection.Kept}})
	if err != nil || got.Description != text || got.Parameters["username"] != "acme_ab1" || !slices.Equal(got.Stored, []string{"password"}) || got.Health.Status != connection.Healthy {
		t.Errorf("it is %+v, %v", got, err)
	}
	if got, err = h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Parameters: map[string]string{"username": "other"}}); err != nil || got.Health.Status != connection.Unknown {
		t.Errorf("nobody knows how the other account is, and it says %s, %v", got.Health.Status, err)
	}
	off := false
	if _, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Active: &off}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an inactive connection is checked: %v", err)
	}
	stopped := connection.Check{}
	if got, err = h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Active: &off, Check: &stopped}); err != nil || !got.Health.Next.IsZero() {
		t.Errorf("the next check is %s, %v", got.Health.Next, err)
	}
	if _, err := h.ToUse(t.Context(), h.as("ana"), c.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("an inactive connection is used: %v", err)
	}
}

// What is fetched goes where the connection leads, so who chooses an item can have
// its value: that takes more than the right to use the vault.
func TestWhoMayOnlyUseAVaultChoosesNoItemOfIt(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.connections[1] = connection.Connection{ID: 1, Integration: "openbao", Name: "bao", SiteID: 1, Active: true, Grants: []connection.Grant{
		{Kind: connection.ToUser, ID: 1, Name: "ana", Level: connection.Edit}, {Kind: connection.ToUser, ID: 2, Name: "bob", Level: connection.Use},
	}}
	d := draft()
	delete(d.Parameters, "password")
	d.Vault = connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"password": {Path: "soc/qualys", Field: "password"}}}
	if _, _, err := h.Draft(t.Context(), h.as("bob"), d); !fault.Is(err, fault.Forbidden) {
		t.Errorf("bob chose an item: %v", err)
	}
	d.Grants = []connection.Grant{{Kind: connection.ToUser, Name: "ana", Level: connection.Own}, {Kind: connection.ToUser, Name: "bob", Level: connection.Edit}}
	c := h.made(t, "ana", d)
	text := "new words"
	if _, err := h.Update(t.Context(), h.as("bob"), c.ID, connection.Change{Description: &text}); err != nil {
		t.Errorf("bob may not change what has nothing to do with the vault: %v", err)
	}
	other := connection.VaultUse{ConnectionID: 1, Items: map[string]connection.VaultItem{"password": {Path: "soc/root", Field: "password"}}}
	if _, err := h.Update(t.Context(), h.as("bob"), c.ID, connection.Change{Vault: &other}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("bob chose another item: %v", err)
	}
}

func TestWhoMayEditAConnectionOpensItToNoOtherSite(t *testing.T) {
	t.Parallel()
	h := newHouse()
	d := draft()
	d.Grants = []connection.Grant{{Kind: connection.ToUser, Name: "ana", Level: connection.Own}, {Kind: connection.ToUser, Name: "bob", Level: connection.Edit}}
	c := h.made(t, "ana", d)
	for name, change := range map[string]connection.Change{"shared": {Shared: new(true)}, "moved": {SiteID: new(int64(1))}} {
		if _, err := h.Update(t.Context(), h.as("bob"), c.ID, change); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s by an editor: %v", name, err)
		}
		if _, err := h.Update(t.Context(), h.as("ana"), c.ID, change); err != nil {
			t.Errorf("%s by an owner: %v", name, err)
		}
	}
}
