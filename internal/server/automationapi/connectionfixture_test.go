package automationapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/qps/qpsclient"
)

// operatorBudget is how many calls are answered at once where a test looks at that.
const operatorBudget = 2

// accountPassword is the secret of every connection of these tests.
const accountPassword = "correct-horse-7431"

// links keeps sites, connections and runs.
type links struct {
	mu          sync.Mutex
	sites       []connection.Site
	members     map[int64][]string
	connections map[int64]connection.Connection
	secrets     map[int64]map[string]string
	runs        []run.Run
	asked       run.Filter
	ann         int64 // her id
}

func (l *links) Sites(context.Context) ([]connection.Site, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.sites)
	for i := range all {
		all[i].Members = slices.Sorted(slices.Values(l.members[all[i].ID]))
	}
	return all, nil
}

// SitesOf knows ann alone.
func (l *links) SitesOf(_ context.Context, userID int64) ([]connection.Site, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var mine []connection.Site
	for _, s := range l.sites {
		if userID == l.ann && slices.Contains(l.members[s.ID], "ann") {
			mine = append(mine, s)
		}
	}
	return mine, nil
}

func (l *links) CreateSite(_ context.Context, s connection.Site) (connection.Site, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.ID = int64(len(l.sites) + 1)
	l.sites = append(l.sites, s)
	return s, nil
}

func (l *links) UpdateSite(_ context.Context, id int64, change func(*connection.Site) error) (connection.Site, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.sites {
		if l.sites[i].ID == id {
			return l.sites[i], change(&l.sites[i])
		}
	}
	return connection.Site{}, fault.Newf(fault.NotFound, "There is no site %d.", id)
}

func (l *links) DeleteSite(context.Context, int64) error { return nil }

func (l *links) ChangeMembers(_ context.Context, id int64, add, remove []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members[id] = slices.DeleteFunc(append(l.members[id], add...), func(name string) bool { return slices.Contains(remove, name) })
	return nil
}

func (l *links) Connections(context.Context) ([]connection.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []connection.Connection
	for _, id := range slices.Sorted(maps.Keys(l.connections)) {
		all = append(all, l.connections[id])
	}
	return all, nil
}

func (l *links) Connection(_ context.Context, id int64) (connection.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, there := l.connections[id]
	if !there {
		return c, connection.NoConnection(id)
	}
	return c, nil
}

func (l *links) CreateConnection(_ context.Context, c connection.Connection, secrets map[string]string) (connection.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.ID = int64(len(l.connections) + 1)
	l.connections[c.ID], l.secrets[c.ID] = c, secrets
	return c, nil
}

func (l *links) UpdateConnection(ctx context.Context, id int64, change func(*connection.Connection) (map[string]string, error)) (connection.Connection, error) {
	c, err := l.Connection(ctx, id)
	if err != nil {
		return c, err
	}
	c.Parameters, c.Stored = maps.Clone(c.Parameters), slices.Clone(c.Stored)
	secrets, err := change(&c) // which reads others
	if err != nil {
		return c, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connections[id] = c
	maps.Copy(l.secrets[id], secrets)
	return c, nil
}

func (l *links) DeleteConnection(_ context.Context, id int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.connections, id)
	return nil
}

func (l *links) ConnectionSecrets(_ context.Context, id int64) (map[string]string, error) {
	return l.secrets[id], nil
}

// RelayOf knows plant-graz (4), for every site, and dock (5), for the connections of Acme.
func (l *links) RelayOf(_ context.Context, id int64, name string) (relayID, siteID int64, err error) {
	switch {
	case id == 4, id == 0 && name == "plant-graz":
		return 4, 0, nil
	case id == 5, id == 0 && name == "dock":
		return 5, 2, nil
	}
	return 0, 0, fault.New(fault.NotFound, "There is no such relay.", "")
}

// relayStore is the storage of relays; its name keeps the methods of plants apart.
type relayStore = relay.Relays

// plants are the relays there are; nothing but their list is asked for.
type plants struct{ relayStore }

func (plants) Relays(context.Context) ([]relay.Relay, error) {
	return []relay.Relay{{ID: 4, Name: "plant-graz"}}, nil
}

func (l *links) CreateRun(_ context.Context, r run.Run, _ map[string]string) (run.Run, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, earlier := range l.runs {
		if r.Key != "" && earlier.Key == r.Key && earlier.UserID == r.UserID {
			return earlier, false, run.SameRequest(&earlier, &r, nil)
		}
	}
	r.ID = int64(len(l.runs) + 1)
	l.runs = append(l.runs, r)
	return r, true, nil
}

func (l *links) Run(_ context.Context, id int64) (run.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id < 1 || id > int64(len(l.runs)) {
		return run.Run{}, run.NoRun(id)
	}
	return l.runs[id-1], nil
}

func (l *links) Runs(_ context.Context, f run.Filter) ([]run.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = f
	newest := slices.Clone(l.runs)
	slices.Reverse(newest)
	return newest[:min(len(newest), f.Limit)], nil
}

func (l *links) CancelRun(_ context.Context, r run.Run, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Ended = at
	l.runs[r.ID-1] = r
	return nil
}

// end ends a run.
func (l *links) end(id int64, o run.Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.runs[id-1]
	r.State, r.Outcome, r.Ended = o.State, o.Outcome, start.Add(3*time.Second)
}

// switchboard is the platform's automation layer: the manager admin, ann, a member of
// SOC (1) who may do everything with connections, and bob, who may as well and is of
// no site. Acme (2) is the site of a client.
type switchboard struct {
	office
	links    *links
	calendar *calendar
}

// newSwitchboard returns one with what more adds to its configuration.
func newSwitchboard(t *testing.T, more ...func(*automationapi.Config)) switchboard {
	t.Helper()
	memory := accesstest.New(access.User{Username: "admin", Created: start}, nil)
	var all []access.Permission
	for _, m := range access.Modules() {
		if m.Key == "AUTO" {
			all = append(m.Permissions(), access.APIAccess)
		}
	}
	role, err := memory.CreateRole(t.Context(), access.Role{Name: "Engineer", Permissions: all, Created: start})
	if err != nil {
		t.Fatal(err)
	}
	l := &links{
		sites:   []connection.Site{{ID: 1, Name: "SOC", Kind: connection.Internal, Created: start}, {ID: 2, Name: "Acme", Kind: connection.Client, Created: start}},
		members: map[int64][]string{1: {"ann"}}, connections: map[int64]connection.Connection{}, secrets: map[int64]map[string]string{},
	}
	for _, name := range []string{"ann", "bob"} {
		u, err := memory.CreateUser(t.Context(), access.User{Username: name, Roles: []access.Role{role}, Created: start})
		if err != nil {
			t.Fatal(err)
		}
		if name == "ann" {
			l.ann = u.ID
		}
	}
	now := func() time.Time { return start }
	directory := &connection.Directory{Connections: l, Sites: l, People: memory, Relays: l, Now: now, Random: func() float64 { return 0 }}
	desk := &run.Desk{Records: l, Connections: directory, Now: now}
	s := switchboard{office{memory: memory, mux: server.NewMux(slog.New(slog.DiscardHandler))}, l, &calendar{}}
	config := automationapi.Config{
		Users: operators{memory}, Journal: memory, Budget: server.NewBudget(server.OperatorRequests), Connections: directory, Relays: &relay.Directory{Relays: plants{}},
		Runs: desk, Schedules: &schedule.Directory{Schedules: s.calendar, Connections: directory, Desk: desk, Playbooks: programme{directory}, Now: now},
		Trials: &run.Trial{Connections: directory, Runner: &run.Runner{Opener: opener{}, Now: now, Log: slog.New(slog.DiscardHandler)}},
	}
	for _, add := range more {
		add(&config)
	}
	s.mux.Add(automationapi.Routes(config)...)
	return s
}

// opener opens sessions that try once.
type opener struct{}

func (opener) Open(_ context.Context, c connection.Connection, parameters map[string]string) (integration.Session, error) {
	of, _ := integration.Find(c.Integration)
	config := of.ClientConfig(parameters)
	config.Tries = 1
	client, err := qpsclient.New(config)
	return integration.Session{Client: client, Now: func() time.Time { return start }}, err
}

// made is the body of a connection called lab.
func made(more string) string {
	return `{"integration":"qualys-cloud-agent","name":"lab","parameters":{"serverUrl":"qualysapi.qualys.eu","username":"acme_ab1","password":"` + accountPassword + `"}` + more + `}`
}

// add makes the connection called lab as ann.
func (s switchboard) add(t *testing.T) {
	t.Helper()
	if w := s.call("ann", "POST", "/connections", made("")); w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
}

// qualys is a platform that knows the account of the tests, as far as Test Connection
// looks.
func qualys(t *testing.T) *httptest.Server {
	t.Helper()
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if _, password, _ := r.BasicAuth(); password != accountPassword {
			fmt.Fprint(w, `<ServiceResponse><responseCode>INVALID_CREDENTIALS</responseCode><responseErrorDetails><errorMessage>Authentication failed</errorMessage></responseErrorDetails></ServiceResponse>`)
			return
		}
		fmt.Fprint(w, `<ServiceResponse><responseCode>SUCCESS</responseCode><count>12</count></ServiceResponse>`)
	}))
	t.Cleanup(platform.Close)
	return platform
}

// silent checks that nothing that is said repeats the password.
func silent(t *testing.T, said string) {
	t.Helper()
	if strings.Contains(said, accountPassword) {
		t.Errorf("the password is told: %s", said)
	}
}
