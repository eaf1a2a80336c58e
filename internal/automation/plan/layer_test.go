package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// busy is an office with one of everything.
func busy() *office {
	o := newOffice()
	o.sites = append(o.sites, qpsclient.Site{ID: 2, Name: "Acme", Kind: "client", Members: []string{"ana"}})
	o.relays = []qpsclient.Relay{{ID: 3, Name: "plant", Description: "Graz"}}
	main := &qpsclient.Reference{ID: 1, Name: "Main"}
	limits := func() qpsclient.ConnectionLimits {
		return qpsclient.ConnectionLimits{RequestsPerMinute: new(0), Concurrency: new(2)}
	}
	check := func() qpsclient.HealthCheck {
		return qpsclient.HealthCheck{Enabled: new(true), IntervalMinutes: new(15), MailAfter: new(0), MailTo: []string{}}
	}
	o.connections = []qpsclient.Connection{
		{
			ID: 4, Integration: "openbao", Name: "bao", Site: main, Active: true, Level: "own", Limits: limits(), HealthCheck: check(),
			Parameters: map[string]string{"serverUrl": "https://bao.example.net:8200", "auth": "token", "token": qpsclient.KeptSecret, "authMount": "approle", "mount": "secret", "allowHttp": "false"},
		},
		{
			ID: 5, Integration: "qualys-cloud-agent", Name: "prod", Site: main, Active: true, Level: "own", Limits: limits(), HealthCheck: check(),
			UserPermissions: []qpsclient.UserPermission{{User: "ana", Level: "own"}, {Role: "Analyst", Level: "use"}},
			Parameters:      map[string]string{"serverUrl": "https://qualysapi.qualys.com", "username": "acme", "password": qpsclient.KeptSecret, "apiVersion": "2.0", "allowHttp": "false"},
		},
		{
			ID: 6, Integration: "qualys-cloud-agent", Name: "lab", Site: main, Active: false, Level: "own", Limits: limits(), HealthCheck: check(), Relay: &qpsclient.Reference{ID: 3, Name: "plant"},
			Parameters:    map[string]string{"serverUrl": "https://lab.example.net", "username": "lab", "apiVersion": "2.0", "allowHttp": "false"},
			PasswordVault: qpsclient.PasswordVault{Connection: &qpsclient.Reference{ID: 4}, Items: map[string]qpsclient.VaultItem{"password": {Path: "soc/lab", Field: "password"}}},
		},
	}
	o.schedules = []qpsclient.AutomationSchedule{{
		ID: 7, Kind: "user", Name: "nightly", Site: *main, Owner: "ana", Command: "search-cloud-agents", Connection: qpsclient.Reference{ID: 5, Name: "prod"},
		Inputs: qpsclient.Inputs{"os": "Windows", "maxRecords": json.Number("10000")}, ScheduleRule: qpsclient.ScheduleRule{Cron: "30 2 * * *", TimeZone: "Europe/Berlin"},
		CatchUp: "none", Overlap: "skip", Active: true,
	}}
	o.last = 10
	return o
}

func (o *office) plan(t *testing.T, text string, prune bool) (*Plan, error) {
	t.Helper()
	documents, err := Decode("f", []byte(text))
	if err != nil {
		return nil, err
	}
	return Make(t.Context(), shelf{office: o}, documents, Options{Prune: prune})
}

func TestAPlanOfTheAutomationLayerIsWhatDiffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
	}{
		{"nothing said", "{kind: Site, name: Main}\n---\n{kind: Relay, name: plant}\n---\n{kind: Connection, site: Main, name: prod}\n---\n{kind: Schedule, site: Main, name: nightly}", []string{}},
		{"said as it is", `{kind: Site, name: Acme, siteKind: client, members: [ana]}
---
{kind: Connection, site: Main, name: prod, integration: qualys-cloud-agent, relay: none, active: true, userPermissions: [role:Analyst=use, user:ana=own],
 parameters: {Qualys API Server URL: QualysAPI.qualys.com/, apiVersion: 2.0, allowHttp: False}, passwordVault: {items: {}}, limits: {concurrency: 2}, healthCheck: {intervalMinutes: 15, mailTo: []}}
---
{kind: Connection, site: Main, name: lab, relay: plant, passwordVault: {connection: bao, items: {Password: {path: soc/lab, field: password}}}}
---
{kind: Schedule, site: Main, name: nightly, connection: Main/prod, command: search-cloud-agents, inputs: {OS: Windows}, cron: "30  2 * * *", timeZone: Europe/Berlin, start: none}`, []string{}},
		{"a site with members", "{kind: Site, name: SOC, description: d, members: [ana, bob]}", []string{"create Site SOC 0", "  description: <nil> -> d", "  members: <nil> -> [ana bob]"}},
		{"other members", "{kind: Site, name: Acme, siteKind: internal, members: [bob]}", []string{"change Site Acme 2", "  siteKind: client -> internal", "  members: [ana] -> [bob]"}},
		{"a relay", "{kind: Relay, name: mill, site: Acme}", []string{
			"create Relay mill 0", "  site: <nil> -> Acme", `note Relay "mill" is new, and nobody has its token. This shows one to start it with: vedette relays rotate mill`,
		}},
		{"a relay that differs", "{kind: Relay, name: plant, site: Acme, description: Graz}", []string{
			`note The site of relay "plant" differs, and a platform changes none: to have it as f:1 says, delete the relay and register it anew.`,
		}},
		{"what others refer to is made first", `{kind: Schedule, site: New, name: s, connection: New/c, command: test-connection, every: 90m}
---
{kind: Connection, site: New, name: c, integration: qualys-cloud-agent, relay: r, parameters: {serverUrl: a.example.net, username: u}, passwordVault: {connection: New/v, items: {password: {path: p, field: f}}}}
---
{kind: Connection, site: New, name: v, integration: openbao, parameters: {serverUrl: v.example.net}}
---
{kind: Relay, name: r}
---
{kind: Site, name: New}`, []string{
			"create Site New 0", "create Relay r 0",
			"create Connection New/v 0", "  integration: <nil> -> openbao", "  parameters.serverUrl: <nil> -> https://v.example.net", "  parameters.token: <nil> -> missing",
			"create Connection New/c 0", "  integration: <nil> -> qualys-cloud-agent", "  relay: <nil> -> r", "  passwordVault.connection: <nil> -> New/v", "  passwordVault.items.password: <nil> -> p#f",
			"  parameters.serverUrl: <nil> -> https://a.example.net", "  parameters.username: <nil> -> u",
			"create Schedule New/s 0", "  connection: <nil> -> New/c", "  command: <nil> -> test-connection", "  every: <nil> -> 1h30m",
			`note Relay "r" is new, and nobody has its token. This shows one to start it with: vedette relays rotate r`,
			`note Connection "New/v" runs no command until it has its token: vedette automation connections update New/v --parameter-file token=FILE`,
		}},
		{"a connection changes", `{kind: Connection, site: Main, name: prod, description: d, active: false, userPermissions: [user:bob=edit], parameters: {username: other}, limits: {requestsPerMinute: 60}, healthCheck: {enabled: false, mailAfter: 3, mailTo: [soc@example.net]}}`, []string{
			"change Connection Main/prod 5", "  userPermissions: [role:Analyst=use user:ana=own] -> [user:bob=edit]", "  description:  -> d", "  active: true -> false", "  limits.requestsPerMinute: 0 -> 60",
			"  healthCheck.enabled: true -> false", "  healthCheck.mailAfter: 0 -> 3", "  healthCheck.mailTo: [] -> [soc@example.net]", "  parameters.username: acme -> other",
		}},
		{"a password that another server would get is dropped", "{kind: Connection, site: Main, name: prod, parameters: {serverUrl: qualysapi.qualys.eu}}", []string{
			"change Connection Main/prod 5", "  parameters.serverUrl: https://qualysapi.qualys.com -> https://qualysapi.qualys.eu", "  parameters.password: ******** -> missing",
			`note Connection "Main/prod" runs no command until it has its password: vedette automation connections update Main/prod --account-password-file FILE`,
		}},
		{"a vault takes the place of a password", "{kind: Connection, site: Main, name: prod, passwordVault: {connection: bao, items: {password: {path: a, field: b}}}}", []string{
			"change Connection Main/prod 5", "  passwordVault.connection: <nil> -> Main/bao", "  passwordVault.items.password: <nil> -> a#b",
		}},
		{"without its vault a connection has no password", "{kind: Connection, site: Main, name: lab, relay: none, passwordVault: {items: {}}}", []string{
			"change Connection Main/lab 6", "  relay: plant -> none", "  passwordVault.connection: Main/bao -> none", "  passwordVault.items.password: soc/lab#password -> none", "  parameters.password: <nil> -> missing",
			`note Connection "Main/lab" runs no command until it has its password: vedette automation connections update Main/lab --account-password-file FILE`,
		}},
		{"a schedule changes, and is somebody else's", "{kind: Schedule, site: Main, name: nightly, every: 6h, timeZone: '', inputs: {os: Linux, hostName: a}, pauseAfterFailures: 3, end: 2032-01-01T00:00:00Z}", []string{
			"change Schedule Main/nightly 7", "  inputs.hostName:  -> a", "  inputs.os: Windows -> Linux", "  every:  -> 6h", "  cron: 30 2 * * * -> ", "  timeZone: Europe/Berlin -> ",
			"  end: none -> 2032-01-01T00:00:00Z", "  pauseAfterFailures: 0 -> 3", "  owner: ana -> mia",
		}},
		{"who pauses a schedule does not own it", "{kind: Schedule, site: Main, name: nightly, active: false}", []string{"change Schedule Main/nightly 7", "  active: true -> false"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := busy().plan(t, tt.give, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatLeadsNowhereIsRefusedWhereItIsWritten(t *testing.T) {
	t.Parallel()
	const plantedInFile = "planted-in-a-file-7431"
	tests := []struct{ name, give, want string }{
		{"site of a connection", "kind: Connection\nname: c\nsite: Nowhere\nintegration: openbao", `f:3:7: site: there is no site "Nowhere", neither on the platform nor in the files.`},
		{"site of a relay", "kind: Relay\nname: r\nsite: Nowhere", `f:3:7: site: there is no site "Nowhere", neither on the platform nor in the files.`},
		{"relay", "kind: Connection\nname: prod\nsite: Main\nrelay: mill", `f:4:8: relay: there is no relay "mill", neither on the platform nor in the files.`},
		{"user", "kind: Connection\nname: prod\nsite: Main\nuserPermissions: [user:ana=own, user:zoe=use]", `f:4:33: userPermissions[1]: there is no user "zoe".`},
		{"role", "kind: Connection\nname: prod\nsite: Main\nuserPermissions:\n- role:Boss=use", `f:5:3: userPermissions[0]: there is no role "Boss".`},
		{"member", "kind: Site\nname: Main\nmembers: [zoe]", `f:3:11: members[0]: there is no user "zoe".`},
		{"permission", "kind: Connection\nname: prod\nsite: Main\nuserPermissions: [ana]", `f:4:19: userPermissions[0]: "ana" is no permission.`},
		{"permission twice", "kind: Connection\nname: prod\nsite: Main\nuserPermissions: [user:ana=own, user:ana=use]", `f:4:33: userPermissions[1]: "user:ana" is there twice.`},
		{"vault", "kind: Connection\nname: prod\nsite: Main\npasswordVault:\n  connection: Main/cellar\n  items: {password: {path: a, field: b}}", `f:5:15: passwordVault.connection: there is no connection "Main/cellar", neither on the platform nor in the files.`},
		{"vault without items", "kind: Connection\nname: prod\nsite: Main\npasswordVault: {connection: bao}", `f:4:1: passwordVault: connection and items go together.`},
		{"parameter", "kind: Connection\nname: prod\nsite: Main\nparameters: {url: a}", `f:4:19: parameters.url: Qualys Cloud Agent has no such parameter.`},
		{"parameter twice", "kind: Connection\nname: prod\nsite: Main\nparameters: {Username: a, username: b}", `f:4:37: parameters.username: it is given as username and as Username.`},
		{"secret", "kind: Connection\nname: prod\nsite: Main\nparameters: {password: " + plantedInFile + "}", `f:4:24: parameters.password: it is secret, and no file has secrets.`},
		{"secret that is none", "kind: Connection\nname: prod\nsite: Main\nparameters: {password: [" + plantedInFile + "]}", `f:4:14: parameters.password: this is no plain text.`},
		{"server", "kind: Connection\nname: prod\nsite: Main\nparameters: {serverUrl: 'http://a.example.net'}", `f:4:13: parameters: Qualys API Server URL has http://, use https://.`},
		{"integration", "kind: Connection\nname: c\nsite: Main\nintegration: qualys", `f:4:14: integration: there is no integration "qualys".`},
		{"no integration", "kind: Connection\nname: c\nsite: Main", `f:1: integration: the key is missing, and the connection is new.`},
		{"another integration", "kind: Connection\nname: prod\nsite: Main\nintegration: openbao", `f:4:14: integration: connection "Main/prod" is one of qualys-cloud-agent.`},
		{"no site", "kind: Connection\nname: prod", `f:1: site: the key is missing.`},
		{"described twice", "{kind: Connection, name: prod, site: Main}\n---\n{kind: Connection, name: prod, site: Main}", `f:3: the connection "Main/prod" is described in f:1 already.`},
		{"connection of a schedule", "kind: Schedule\nname: s\nsite: Main\nconnection: test\ncommand: test-connection", `f:4:13: connection: there is no connection "test", neither on the platform nor in the files.`},
		{"ambiguous", "{kind: Connection, name: prod, site: Acme, integration: openbao, parameters: {serverUrl: a.example.net}}\n---\nkind: Schedule\nname: s\nsite: Main\nconnection: prod\ncommand: test-connection", `f:6:13: connection: 2 connections are called "prod".`},
		{"command", "kind: Schedule\nname: nightly\nsite: Main\ncommand: search", `f:4:10: command: connection "Main/prod" has no command "search".`},
		{"input", "kind: Schedule\nname: nightly\nsite: Main\ninputs: {osName: a}", `f:4:9: inputs: Search Cloud Agents has no input "osName".`},
		{"no connection", "kind: Schedule\nname: s\nsite: Main\ncommand: test-connection", `f:1: connection: the key is missing, and the schedule is new.`},
		{"every and cron", "kind: Schedule\nname: nightly\nsite: Main\nevery: 1h\ncron: '0 0 * * *'", `f:5:7: cron: every and cron exclude each other.`},
		{"interval", "kind: Schedule\nname: nightly\nsite: Main\nevery: often", `f:4:8: every: "often" is no interval.`},
		{"cron", "kind: Schedule\nname: nightly\nsite: Main\ncron: 61 * * * *", `f:4:7: cron: '61 * * * *' is not allowed, `},
		{"zone", "kind: Schedule\nname: nightly\nsite: Main\ntimeZone: Mars", `f:4:11: timeZone: `},
		{"time", "kind: Schedule\nname: nightly\nsite: Main\nstart: soon", `f:4:1: start: "soon" is no time.`},
		{"word", "kind: Schedule\nname: nightly\nsite: Main\noverlap: wait", `f:4:1: overlap: "wait" is not allowed.`},
		{"deep", "kind: Schedule\nname: nightly\nsite: Main\ninputs: {a: " + strings.Repeat("[", 9) + strings.Repeat("]", 9) + "}", `f:4:20: inputs.a: lists and mappings are too deep within each other.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := busy().plan(t, tt.give, false)
			f, ok := asFault(err)
			if !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, tt.want) {
				t.Fatalf("error\n %v, want\n %s", err, tt.want)
			}
			if strings.Contains(f.Message+f.Resolution, plantedInFile) {
				t.Errorf("the error has the secret: %s %s", f.Message, f.Resolution)
			}
		})
	}
}

func TestAKeptPasswordStaysWithTheRestOfTheChange(t *testing.T) {
	t.Parallel()
	o := busy()
	for _, tt := range []struct {
		give  string
		later bool
	}{
		{"{kind: Connection, site: Main, name: prod, description: d, parameters: {username: other}}", false},
		{"{kind: Connection, site: Main, name: prod, relay: plant}", true},
	} {
		p, err := o.plan(t, tt.give, false)
		if err != nil {
			t.Fatal(err)
		}
		watched := &watchedOffice{office: o}
		if _, err := p.Apply(t.Context(), layerOnly{LayerWriter: watched}, func(Change) {}); err != nil {
			t.Fatal(err)
		}
		if watched.change.SecretsLater != tt.later {
			t.Errorf("%s: the password may be dropped: %t, want %t", tt.give, watched.change.SecretsLater, tt.later)
		}
	}
}

func TestWhoCannotListWhatIsNamedLeavesItToThePlatform(t *testing.T) {
	t.Parallel()
	o := busy()
	o.me = qpsclient.Caller{User: qpsclient.User{Username: "ana"}}
	o.denied = map[Kind]bool{"User": true, "Role": true, KindRelay: true}
	p, err := o.plan(t, "{kind: Connection, site: Main, name: prod, relay: mill, userPermissions: [user:zoe=use, role:Boss=use]}", false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"change Connection Main/prod 5", "  relay: none -> mill", "  userPermissions: [role:Analyst=use user:ana=own] -> [role:Boss=use user:ana=own user:zoe=use]",
		"  parameters.password: ******** -> missing",
		`note ana keeps owning connection "Main/prod", which no file says: only managers can do without.`,
		`note Connection "Main/prod" runs no command until it has its password: vedette automation connections update Main/prod --account-password-file FILE`,
	}
	if diff := cmp.Diff(want, lines(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	o.connections[1].Level = "edit"
	if _, err := o.plan(t, "{kind: Connection, site: Main, name: prod, userPermissions: []}", false); !fault.Is(err, fault.Invalid) {
		t.Errorf("who may edit says who may use it: %v", err)
	}
	o.denied[KindConnection] = true
	if _, err := o.plan(t, "{kind: Connection, site: Main, name: prod}", false); !forbidden(err) {
		t.Errorf("what is described cannot be seen: %v", err)
	}
}

func TestPruningLeavesTheSitesOfOthersAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
	}{
		{"another site", "{kind: Connection, site: Acme, name: prod, integration: qualys-cloud-agent, parameters: {serverUrl: a.example.net, username: u}, passwordVault: {connection: bao, items: {password: {path: a, field: b}}}}", []string{
			"create Connection Acme/prod 0", "  integration: <nil> -> qualys-cloud-agent", "  passwordVault.connection: <nil> -> Main/bao", "  passwordVault.items.password: <nil> -> a#b",
			"  parameters.serverUrl: <nil> -> https://a.example.net", "  parameters.username: <nil> -> u",
		}},
		{"what is used stays", "{kind: Connection, site: Main, name: lab}", []string{
			`kept Connection Main/prod: it is used by schedule "Main/nightly"`, `kept Connection Main/bao: it is used by connection "Main/lab"`,
		}},
		{"what nothing uses any more", "{kind: Connection, site: Main, name: prod}\n---\n{kind: Schedule, site: Main, name: other, connection: prod, command: test-connection, every: 1h}\n---\n{kind: Relay, name: mill}\n---\n{kind: Site, name: Main}", []string{
			"create Relay mill 0", "create Schedule Main/other 0", "  connection: <nil> -> Main/prod", "  command: <nil> -> test-connection", "  every: <nil> -> 1h",
			"delete Schedule Main/nightly 7", "delete Connection Main/lab 6", "delete Connection Main/bao 4", "delete Relay plant 3", "delete Site Empty 9", "kept Site Acme: it has members: 1",
			`note Relay "mill" is new, and nobody has its token. This shows one to start it with: vedette relays rotate mill`,
		}},
		{"sites and relays that are in use", "{kind: Relay, name: mill}\n---\n{kind: Site, name: Acme}", []string{
			"create Relay mill 0", "delete Site Empty 9", `kept Relay plant: it is used by connection "Main/lab"`, `kept Site Main: connection "Main/bao" belongs to it`,
			`note Relay "mill" is new, and nobody has its token. This shows one to start it with: vedette relays rotate mill`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := busy()
			o.sites = append(o.sites, qpsclient.Site{ID: 9, Name: "Empty", Kind: "internal"})
			p, err := o.plan(t, tt.give, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
	o := busy()
	o.connections[2].Level = "use"
	p, err := o.plan(t, "{kind: Connection, site: Main, name: prod}\n---\n{kind: Connection, site: Main, name: bao}", true)
	if err != nil || !slices.Equal(lines(p), []string{"kept Connection Main/lab: this account does not own it"}) {
		t.Errorf("plan %v (%v)", lines(p), err)
	}
}

func TestAPlatformWithoutAnAutomationLayerHasNothingOfIt(t *testing.T) {
	t.Parallel()
	s := stocked()
	if _, err := planOf(t, s, "{kind: Site, name: Main}", false); err == nil {
		t.Error("a site was planned for a platform that has none")
	}
	for _, selection := range []Selection{{Kinds: []Kind{KindSchedule}}, {Site: "Main"}} {
		if _, err := Describe(t.Context(), s, selection); err == nil {
			t.Errorf("%v was described of a platform that has none", selection)
		}
	}
}

func TestASelectionIsDescribedAlone(t *testing.T) {
	t.Parallel()
	o := busy()
	o.connections[1].Site = &qpsclient.Reference{ID: 2, Name: "Acme"}
	for _, tt := range []struct {
		selection Selection
		want      []string
	}{
		{Selection{Site: "Main"}, []string{"sites.yaml 1", "relays.yaml 1", "connections.yaml 2", "schedules.yaml 1"}},
		{Selection{Site: "Acme"}, []string{"sites.yaml 1", "connections.yaml 1"}},
		{Selection{Kinds: []Kind{KindConnection}}, []string{"connections.yaml 3"}},
		{Selection{Kinds: []Kind{KindTag, KindSite}}, []string{"sites.yaml 2"}},
	} {
		d, err := Describe(t.Context(), shelf{office: o}, tt.selection)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range d.Files {
			got = append(got, f.Name+" "+string(rune('0'+f.Count)))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.selection, got, tt.want)
		}
	}
	if _, err := Describe(t.Context(), shelf{office: o}, Selection{Site: "Nowhere"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a site that is not there: %v", err)
	}
	o.denied = map[Kind]bool{KindRelay: true, KindSchedule: true}
	d, err := Describe(t.Context(), shelf{office: o}, Selection{})
	if err != nil || len(d.KeptOut) != 2 || d.KeptOut[0].Kind != KindRelay || d.KeptOut[1].Reason != hiddenReason {
		t.Errorf("left out is %v (%v), want what the account may not see", d.KeptOut, err)
	}
	if _, err := Describe(t.Context(), shelf{office: o}, Selection{Kinds: []Kind{KindSchedule}}); !forbidden(err) {
		t.Errorf("a kind that is named, and may not be seen: %v", err)
	}
}

func TestTimesOfSchedulesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	documents, err := Decode("f", []byte("{kind: Schedule, name: s, site: Main, start: 2031-04-01T08:00:00+02:00, end: none}"))
	if err != nil {
		t.Fatal(err)
	}
	s := documents[0].Schedule
	if !s.Start.Equal(time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)) || !s.End.IsZero() {
		t.Errorf("from %s to %s", s.Start, s.End)
	}
}
