package automationapi_test

import (
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/server/automationapi"
)

// everyField says all that the form of a connection has.
const everyField = `,"site":{"name":"SOC"},"relay":{"name":"plant-graz"},"description":"Production","active":true,
	"userPermissions":[{"user":"bob","level":"use"},{"role":"Engineer","level":"edit"}],
	"limits":{"requestsPerMinute":600,"concurrency":3},
	"healthCheck":{"enabled":true,"intervalMinutes":15,"mailAfter":3,"mailTo":["soc@example.net"]}`

// TestConnectionsAreShownAsTheFormHasThem makes each call that works once, with
// golden answers.
func TestConnectionsAreShownAsTheFormHasThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, as, method, target, body string
		status                         int
	}{
		{"connection-created", "ann", "POST", "/connections", made(everyField), 201},
		{"connection-shared", "admin", "POST", "/connections", made(`,"shareToInternalSites":true,"recipientSite":{"id":1},"active":false`), 201},
		{"connection-missing", "ann", "POST", "/connections", strings.Replace(made(`,"secretsLater":true`), `,"password":"`+accountPassword+`"`, "", 1), 201},
		{"connection-moved", "ann", "PATCH", "/connections/1", `{"parameters":{"serverUrl":"qualysapi.qualys.com"},"secretsLater":true}`, 200},
		{"connection", "ann", "GET", "/connections/1/", "", 200},
		{"connections", "ann", "GET", "/connections?site=SOC&integration=qualys-cloud-agent&name=LA", "", 200},
		{"connections-none", "ann", "GET", "/connections?site=SOC&name=nothing", "", 200},
		{"connection-updated", "ann", "PATCH", "/connections/1", `{"name":"lab 2","healthCheck":{"enabled":true},"limits":{"concurrency":5},"parameters":{"API Version":"3.0","password":"********"},"userPermissions":[{"user":"ann","level":"own"}]}`, 200},
		{"integrations", "ann", "GET", "/integrations?search=qualys", "", 200},
		{"integrations-none", "ann", "GET", "/integrations?search=nothing", "", 200},
		{"sites", "admin", "GET", "/sites", "", 200},
		{"sites-of-ann", "ann", "GET", "/sites", "", 200},
		{"site-created", "admin", "POST", "/sites", `{"name":"NOC","description":"Network"}`, 201},
		{"site-updated", "admin", "PATCH", "/sites/2", `{"name":"Acme Corp"}`, 200},
		{"site-members", "admin", "POST", "/sites/1/members", `{"add":["bob"],"remove":["ann"]}`, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSwitchboard(t)
			if tc.method != "POST" || !strings.HasPrefix(tc.target, "/connections") {
				s.add(t)
			}
			w := s.call(tc.as, tc.method, tc.target, tc.body)
			if w.Code != tc.status {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			silent(t, w.Body.String())
			matchGolden(t, tc.name, w.Body.Bytes())
		})
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, as, method, target, body string
		status                         int
		says                           string // of message and resolution
	}{
		{"another member", "ann", "POST", "/connections", made(`,"sites":1`), 400, `unknown field "sites"`},
		{"a password that is no text", "ann", "POST", "/connections", `{"parameters":{"password":["` + accountPassword + `"]}}`, 400, "parameters must be a string"},
		{"parameters that are a list", "ann", "POST", "/connections", `{"parameters":["` + accountPassword + `"]}`, 400, "parameters must be an object"},
		{"no integration", "ann", "POST", "/connections", `{"name":"lab"}`, 400, "Use one of openbao, qualys-cloud-agent"},
		{"no name", "ann", "POST", "/connections", strings.Replace(made(""), `"lab"`, `""`, 1), 400, "name: the value is missing."},
		{"a site of others", "ann", "POST", "/connections", made(`,"site":{"name":"Acme"}`), 400, "site: there is no site 'Acme'. Use one of SOC."},
		{"a site that is not there", "ann", "POST", "/connections", made(`,"site":{"id":9}`), 400, "site: there is no site 9. Use one of SOC."},
		{"a site of what is shared", "ann", "POST", "/connections", made(`,"site":{"id":1},"shareToInternalSites":true`), 400, "site: a connection that is shared to internal sites belongs to its recipientSite."},
		{"a recipient of what is not", "ann", "POST", "/connections", made(`,"recipientSite":{"id":1}`), 400, "recipientSite: the connection is not shared to internal sites."},
		{"a client as recipient", "admin", "POST", "/connections", made(`,"recipientSite":{"name":"Acme"},"shareToInternalSites":true`), 400, "recipientSite: site 'Acme' is the site of a client."},
		{"no relay of this name", "ann", "POST", "/connections", made(`,"relay":{"name":"plant"}`), 400, "relay: there is no relay 'plant' for the connections of this site. Choose one of the relays that are for every site, or for this one; managers know them."},
		{"no such relay", "ann", "POST", "/connections", made(`,"relay":{"id":7}`), 400, "relay: there is no relay 7 for the connections of this site."},
		{"a permission for nobody", "ann", "POST", "/connections", made(`,"userPermissions":[{"level":"use"}]`), 400, "each entry needs a user or a role, and not both"},
		{"a permission for two", "ann", "POST", "/connections", made(`,"userPermissions":[{"user":"bob","role":"Engineer","level":"use"}]`), 400, "and not both"},
		{"a level that is none", "ann", "POST", "/connections", made(`,"userPermissions":[{"user":"bob","level":"run"}]`), 400, "Specify level as use, edit or own."},
		{"a vault that is not there", "ann", "POST", "/connections", made(`,"passwordVault":{"connection":{"name":"vault"},"items":{"password":{"path":"a","field":"b"}}}`), 400, "passwordVault: there is no connection 'vault'."},
		{"no vault", "ann", "POST", "/connections", made(`,"passwordVault":{"items":{"password":{"path":"a","field":"b"}}}`), 400, "passwordVault: the connection to the vault is missing."},
		{"no concurrency", "ann", "POST", "/connections", made(`,"limits":{"concurrency":0}`), 400, "concurrency: invalid value"},
		{"checks all the time", "ann", "POST", "/connections", made(`,"healthCheck":{"intervalMinutes":0}`), 400, "intervalMinutes: invalid value '0'. Specify intervalMinutes as an integer from 1 to 10080."},
		{"checks once in an age", "ann", "POST", "/connections", made(`,"healthCheck":{"intervalMinutes":9223372036854775807}`), 400, "intervalMinutes"},
		{"http", "ann", "POST", "/connections/test", strings.Replace(made(""), "qualysapi.qualys.eu", "http://lab", 1), 400, "Qualys API Server URL has http://, use https://."},
		{"elsewhere without the password", "ann", "PATCH", "/connections/1", `{"parameters":{"serverUrl":"evil.example.net"}}`, 400, "password: the value is missing."},
		{"a site of others for what there is", "ann", "PATCH", "/connections/1", `{"site":{"name":"Acme"}}`, 400, "site: there is no site 'Acme'."},
		{"hidden", "bob", "GET", "/connections/1", "", 404, "There is no connection 1."},
		{"hidden from change", "bob", "PATCH", "/connections/1", `{"name":"x"}`, 404, "There is no connection 1."},
		{"hidden from deletion", "bob", "DELETE", "/connections/1", "", 404, "There is no connection 1."},
		{"hidden from tests", "bob", "POST", "/connections/1/test", "", 404, "There is no connection 1."},
		{"no such integration", "ann", "GET", "/integrations/tenable", "", 404, "There is no integration 'tenable'."},
		{"sites are for managers", "ann", "POST", "/sites", `{"name":"NOC"}`, 403, "it needs the role Manager"},
		{"a kind that is none", "admin", "POST", "/sites", `{"name":"NOC","kind":"partner"}`, 400, "Specify kind as internal or client."},
		{"nobody to add", "admin", "POST", "/sites/1/members", `{}`, 400, "Name 1 to 500 users in the two lists together."},
		{"no such site", "admin", "DELETE", "/sites/9", "", 404, "There is no site 9."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSwitchboard(t)
			s.add(t)
			w := s.call(tc.as, tc.method, tc.target, tc.body)
			_, text := explanation(t, w)
			if w.Code != tc.status || !strings.Contains(text, tc.says) {
				t.Errorf("status %d: %q, want %d with %q", w.Code, text, tc.status, tc.says)
			}
			silent(t, w.Body.String())
			if n := len(s.links.connections); n != 1 {
				t.Errorf("there are %d connections", n)
			}
		})
	}
}

func TestAConnectionIsTestedBeforeItIsMade(t *testing.T) {
	t.Parallel()
	s, platform := newSwitchboard(t), qualys(t)
	body := strings.Replace(made(""), "qualysapi.qualys.eu", platform.URL+`","allowHttp":"true`, 1)
	w := s.call("ann", "POST", "/connections/test", body)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"returnData":"Successful"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	w = s.call("ann", "POST", "/connections/test", strings.Replace(body, accountPassword, "wrong horse", 1))
	const want = `"failureIndicator":"Test Connection failed. Failed to check the connector.","statusCode":401,"message":"Authentication failed."`
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "wrong horse") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if len(s.links.connections) != 0 || len(s.links.runs) != 0 {
		t.Error("a test stored something")
	}
	entries := s.memory.Entries()
	if len(entries) != 2 || entries[0].Action != "test new connection" || entries[0].Detail != "Successful" || entries[1].Detail != "Failed" {
		t.Errorf("the audit log has %+v", entries)
	}
}

func TestChangesAreAuditedByNameAndWithoutValues(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	s.call("ann", "PATCH", "/connections/1", `{"parameters":{"password":"`+accountPassword+`-2"},"active":false}`)
	s.call("bob", "GET", "/connections/1", "")
	s.call("ann", "DELETE", "/connections/1", "")
	var rows []string
	for _, e := range s.memory.Entries() {
		rows = append(rows, e.Actor+" | "+e.Action+" | "+e.Object+" | "+string(e.Outcome)+" | "+e.Detail)
	}
	want := []string{
		"ann | create connection | 1 SOC/lab | done | qualys-cloud-agent; user permissions: user ann: own",
		"ann | update connection | 1 SOC/lab | done | changed: active, password",
		"bob | get connection | 1 | " + string(access.Refused) + " | It exists and is not theirs to see; they were told: There is no connection 1.",
		"ann | delete connection | 1 SOC/lab | done | ",
	}
	if got := strings.Join(rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the audit log has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestTheDescriptionKnowsEveryWordOfTheLayer compares the words of openapi.yaml with
// those of the domain.
func TestTheDescriptionKnowsEveryWordOfTheLayer(t *testing.T) {
	t.Parallel()
	for _, state := range run.States() {
		if !automationapi.RunState(state).Valid() {
			t.Errorf("state %q is not described", state)
		}
	}
	for _, origin := range run.Origins() {
		if !automationapi.RunOrigin(origin).Valid() {
			t.Errorf("origin %q is not described", origin)
		}
	}
	for _, level := range connection.Levels() {
		if !automationapi.ConnectionLevel(level).Valid() {
			t.Errorf("level %q is not described", level)
		}
	}
	for _, status := range []connection.HealthStatus{connection.Unknown, connection.Healthy, connection.Failing} {
		if !automationapi.HealthStatus(status).Valid() {
			t.Errorf("health %q is not described", status)
		}
	}
	for _, kind := range []connection.SiteKind{connection.Internal, connection.Client} {
		if !automationapi.SiteKind(kind).Valid() {
			t.Errorf("kind %q is not described", kind)
		}
	}
}
