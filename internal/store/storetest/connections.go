package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

func testConnections(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, l *layer){
		"a connection is stored with everything it has":               testConnectionRoundTrip,
		"a change writes secrets, and removes those that are no more": testConnectionChange,
		"a name is unique within its site":                            testConnectionNames,
		"sites have members and are kept while they have connections": testSites,
		"the recipient of shared connections stays an internal site":  testRecipientStaysInternal,
		"a grant goes with its user, a vault stays with its users":    testConnectionReferences,
		"requests over a connection keep to its pace":                 testPace,
		"a scan is launched by one of two that claim it":              testLaunches,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupLayer(t, create))
		})
	}
}

// layer is a bundle with what the automation layer needs.
type layer struct {
	*bundle
	clouds *clouds
	main   int64 // the site that is there
	relay  int64 // one for every site
}

func setupLayer(tb testing.TB, create func(tb testing.TB) Database) *layer {
	tb.Helper()
	c := setupClouds(tb, create)
	l := &layer{bundle: c.bundle, clouds: c}
	l.main = must(l.Sites(tb.Context()))(tb)[0].ID
	l.relay = createRelay(tb, l.bundle, "plant").ID
	l.clouds.queue.calls = nil
	return l
}

// sample is a connection with something in every field.
func (l *layer) sample(name string) connection.Connection {
	return connection.Connection{
		Integration: "qualys-cloud-agent", Name: name, SiteID: l.main, SiteName: "Main", SiteKind: connection.Internal, Shared: true,
		Description: "where the agents are", Active: true, RelayID: l.relay,
		Parameters: map[string]string{"serverUrl": "https://qualysapi.example.net", "username": "ana", "apiVersion": "2.0"}, Stored: []string{"password"},
		Limits:  connection.Limits{RequestsPerMinute: 30, Concurrency: 2},
		Check:   connection.Check{Enabled: true, Every: 5 * time.Minute, MailAfter: 3, MailTo: []string{"soc@example.net"}},
		Health:  connection.Health{Status: connection.Failing, Checked: Start, Next: Start.Add(5 * time.Minute), Failures: 2, Since: Start.Add(-time.Hour), Told: true},
		Created: Start, Modified: Start.Add(time.Second),
	}
}

const plainPassword = "correct-horse-7431"

func (l *layer) connection(tb testing.TB, name string) connection.Connection {
	tb.Helper()
	return must(l.CreateConnection(tb.Context(), l.sample(name), map[string]string{"password": plainPassword}))(tb)
}

func (l *layer) user(tb testing.TB, name string) access.User {
	tb.Helper()
	return must(l.CreateUser(tb.Context(), access.User{Username: name, PasswordHash: "x", Created: Start}))(tb)
}

func testConnectionRoundTrip(t *testing.T, l *layer) {
	ctx := t.Context()
	ana := l.user(t, "ana")
	vault := l.connection(t, "vault")
	want := l.sample("lab")
	want.Vault = connection.VaultUse{ConnectionID: vault.ID, Items: map[string]connection.VaultItem{"username": {Path: "lab/qualys", Field: "user"}}}
	want.Grants = []connection.Grant{{Kind: connection.ToUser, ID: ana.ID, Name: "ana", Level: connection.Own}, {Kind: connection.ToRole, ID: 1, Name: access.ManagerRole, Level: connection.Use}}
	made := must(l.CreateConnection(ctx, want, map[string]string{"password": plainPassword}))(t)
	want.ID = made.ID
	sorted := cmpopts.SortSlices(func(a, b connection.Grant) bool { return a.Kind < b.Kind })
	if diff := cmp.Diff(want, must(l.Connection(ctx, made.ID))(t), sorted); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if all := must(l.Connections(ctx))(t); len(all) != 2 || all[1].ID != made.ID || len(all[1].Grants) != 2 || all[0].Grants != nil {
		t.Errorf("listed are %+v", all)
	}
	if got := must(l.ConnectionSecrets(ctx, made.ID))(t); got["password"] != plainPassword {
		t.Errorf("secrets are %v", got)
	}
	var text strings.Builder
	if err := l.InTx(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"connections", "secrets"} {
			if err := dumpTable(ctx, tx, table, &text); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), plainPassword) || !strings.Contains(text.String(), "where the agents are") {
		t.Error("the database shows the password, or not the connection")
	}
	_, err := l.Connection(ctx, made.ID+100)
	wantCode(t, err, fault.NotFound)
}

func testConnectionChange(t *testing.T, l *layer) {
	ctx := t.Context()
	made := l.connection(t, "lab")
	changed := must(l.UpdateConnection(ctx, made.ID, func(c *connection.Connection) (map[string]string, error) {
		c.Name, c.Shared, c.Active, c.Stored = "prod", false, false, []string{"token"}
		return map[string]string{"token": "another-secret"}, nil
	}))(t)
	if diff := cmp.Diff(changed, must(l.Connection(ctx, made.ID))(t)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if got := must(l.ConnectionSecrets(ctx, made.ID))(t); !cmp.Equal(got, map[string]string{"token": "another-secret"}) {
		t.Errorf("secrets are %v", got)
	}
	_, err := l.UpdateConnection(ctx, made.ID, func(c *connection.Connection) (map[string]string, error) {
		c.Name = "lost"
		return nil, fault.New(fault.Invalid, "no", "")
	})
	wantCode(t, err, fault.Invalid)
	if got := must(l.Connection(ctx, made.ID))(t); got.Name != "prod" {
		t.Errorf("a change that failed left the name %q", got.Name)
	}
	if err := l.DeleteConnection(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if got := must(l.ConnectionSecrets(ctx, made.ID))(t); len(got) > 0 {
		t.Errorf("a connection that is gone has secrets: %v", got)
	}
	wantCode(t, l.DeleteConnection(ctx, made.ID), fault.NotFound)
}

func testConnectionNames(t *testing.T, l *layer) {
	ctx := t.Context()
	l.connection(t, "lab")
	other := l.connection(t, "prod")
	_, err := l.CreateConnection(ctx, l.sample("lab"), nil)
	wantCode(t, err, fault.Conflict)
	_, err = l.UpdateConnection(ctx, other.ID, func(c *connection.Connection) (map[string]string, error) {
		c.Name = "lab"
		return nil, nil
	})
	wantCode(t, err, fault.Conflict)
	elsewhere := must(l.CreateSite(ctx, connection.Site{Name: "Berlin", Kind: connection.Client, Created: Start}))(t)
	twin := l.sample("lab")
	twin.SiteID, twin.Shared = elsewhere.ID, false
	if _, err := l.CreateConnection(ctx, twin, nil); err != nil {
		t.Errorf("the name is taken in another site: %v", err)
	}
	gone := l.sample("nowhere")
	gone.SiteID = 999
	_, err = l.CreateConnection(ctx, gone, nil)
	wantCode(t, err, fault.NotFound)
}

func testSites(t *testing.T, l *layer) {
	ctx := t.Context()
	ana, bob := l.user(t, "ana"), l.user(t, "bob")
	site := must(l.CreateSite(ctx, connection.Site{Name: "Berlin", Kind: connection.Client, Description: "a client", Created: Start}))(t)
	if err := l.ChangeMembers(ctx, site.ID, []string{"bob", "ana", "bob"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.ChangeMembers(ctx, l.main, []string{"bob"}, nil); err != nil {
		t.Fatal(err)
	}
	sites := must(l.Sites(ctx))(t)
	want := site
	want.Members = []string{"ana", "bob"}
	if diff := cmp.Diff([]connection.Site{{ID: l.main, Name: "Main", Kind: connection.Internal, Description: sites[0].Description, Created: sites[0].Created, Members: []string{"bob"}}, want}, sites); diff != "" {
		t.Errorf("sites (-want +got):\n%s", diff)
	}
	if mine := must(l.SitesOf(ctx, ana.ID))(t); len(mine) != 1 || mine[0].Name != "Berlin" {
		t.Errorf("ana has %v", mine)
	}
	if mine := must(l.SitesOf(ctx, bob.ID))(t); len(mine) != 2 {
		t.Errorf("bob has %v", mine)
	}
	wantCode(t, l.ChangeMembers(ctx, site.ID, []string{"ana", "nobody"}, []string{"bob"}), fault.Invalid)
	if err := l.ChangeMembers(ctx, site.ID, nil, []string{"bob"}); err != nil {
		t.Fatal(err)
	}
	if mine := must(l.SitesOf(ctx, bob.ID))(t); len(mine) != 1 {
		t.Errorf("bob has %v after leaving", mine)
	}
	_, err := l.CreateSite(ctx, connection.Site{Name: "Berlin", Kind: connection.Client, Created: Start})
	wantCode(t, err, fault.Conflict)
	l.connection(t, "lab")
	wantCode(t, l.DeleteSite(ctx, l.main), fault.Conflict)
	if err := l.DeleteSite(ctx, site.ID); err != nil {
		t.Error(err)
	}
	wantCode(t, l.DeleteSite(ctx, site.ID), fault.NotFound)
}

func testRecipientStaysInternal(t *testing.T, l *layer) {
	ctx := t.Context()
	l.connection(t, "lab")
	toClient := func(s *connection.Site) error { s.Kind = connection.Client; return nil }
	_, err := l.UpdateSite(ctx, l.main, toClient)
	wantCode(t, err, fault.Conflict)
	renamed := must(l.UpdateSite(ctx, l.main, func(s *connection.Site) error { s.Name = "Head"; return nil }))(t)
	if renamed.Name != "Head" || must(l.Connections(ctx))(t)[0].SiteName != "Head" {
		t.Errorf("the site is %+v", renamed)
	}
}

func testConnectionReferences(t *testing.T, l *layer) {
	ctx := t.Context()
	ana := l.user(t, "ana")
	vault := l.connection(t, "vault")
	lab := l.sample("lab")
	lab.Vault = connection.VaultUse{ConnectionID: vault.ID, Items: map[string]connection.VaultItem{"password": {Path: "a", Field: "b"}}}
	lab.Grants = []connection.Grant{{Kind: connection.ToUser, ID: ana.ID, Level: connection.Use}}
	made := must(l.CreateConnection(ctx, lab, nil))(t)
	wantCode(t, l.DeleteConnection(ctx, vault.ID), fault.Conflict)
	if err := l.DeleteUser(ctx, "ana"); err != nil {
		t.Fatal(err)
	}
	if got := must(l.Connection(ctx, made.ID))(t); len(got.Grants) > 0 {
		t.Errorf("grants of somebody who is gone: %+v", got.Grants)
	}
	if err := l.DeleteConnection(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteConnection(ctx, vault.ID); err != nil {
		t.Error(err)
	}
}

func testPace(t *testing.T, l *layer) {
	ctx := t.Context()
	made := l.connection(t, "lab")
	const perMinute = 60 // one a second, with six at once after a rest
	waits := []time.Duration{}
	for range 9 {
		waits = append(waits, must(l.Pace(ctx, made.ID, perMinute, Start))(t))
	}
	second := time.Second
	if want := []time.Duration{0, 0, 0, 0, 0, 0, second, 2 * second, 3 * second}; !slices.Equal(waits, want) {
		t.Errorf("they wait %v, want %v", waits, want)
	}
	if wait := must(l.Pace(ctx, made.ID, perMinute, Start.Add(time.Minute)))(t); wait != 0 {
		t.Errorf("after a rest it waits %s", wait)
	}
}

func testLaunches(t *testing.T, l *layer) {
	ctx := t.Context()
	made := l.connection(t, "lab")
	ledger := l.Launches(made.ID)
	claim := launchClaim("run-1", 1, 2)
	if standing := must(ledger.Claim(ctx, claim))(t); len(standing) > 0 {
		t.Fatalf("an empty ledger has %v", standing)
	}
	if standing := must(ledger.Claim(ctx, claim))(t); len(standing) > 0 {
		t.Errorf("its own claims, of which nothing is known, keep it away: %v", standing)
	}
	if err := ledger.Settle(ctx, claim, []int64{1}, []int64{2}); err != nil {
		t.Fatal(err)
	}
	standing := must(ledger.Claim(ctx, claim))(t)
	if len(standing) != 1 || standing[0].AssetID != 1 || !standing[0].Settled || standing[0].Key != "run-1" {
		t.Errorf("what it has launched is %v", standing)
	}
	other := launchClaim("run-2", 1, 2, 3)
	if standing := must(ledger.Claim(ctx, other))(t); fmt.Sprint(len(standing)) != "2" {
		t.Errorf("another one finds %v", standing)
	}
	late := other
	late.Since = Start.Add(time.Second)
	if standing := must(ledger.Claim(ctx, late))(t); len(standing) > 0 {
		t.Errorf("what is too old to matter keeps it away: %v", standing)
	}
	forced := launchClaim("run-3", 1)
	forced.Force = true
	if standing := must(ledger.Claim(ctx, forced))(t); len(standing) > 0 {
		t.Errorf("force is kept away by %v", standing)
	}
	scan := launchClaim("run-4", 1)
	scan.ScanType = "Vulnerability_Scan"
	if standing := must(ledger.Claim(ctx, scan))(t); len(standing) > 0 {
		t.Errorf("another type is kept away by %v", standing)
	}
	twin := l.connection(t, "twin")
	if standing := must(l.Launches(twin.ID).Claim(ctx, other))(t); len(standing) > 0 {
		t.Errorf("another connection is kept away by %v", standing)
	}
}
