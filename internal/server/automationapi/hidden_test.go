package automationapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
)

// What somebody may not see is answered in the same words as what is not there, wherever
// it is named, and only the audit log tells the two apart.
func TestWhatIsHiddenIsAnsweredAsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	vault := func(connection string) string {
		return made(`,"passwordVault":{"connection":` + connection + `,"items":{"password":{"path":"a","field":"b"}}}`)
	}
	const searches = `{"name":"x","command":"search-cloud-agents","every":"1h","connection":{"name":"lab"}`
	for _, tc := range []struct {
		name, method, target, body string // with @ in place of what is named
		hidden, absent             string
		status                     int
	}{
		{"runs of a connection", "GET", "/runs?connection=@", "", "2", "9", 404},
		{"connections of a site", "GET", "/connections?site=@", "", "Acme", "Nowhere", 404},
		{"connections of a site by its id", "GET", "/connections?site=@", "", "2", "9", 404},
		{"schedules of a site", "GET", "/schedules?site=@", "", "Acme", "Nowhere", 404},
		{"schedules of a site by its id", "GET", "/schedules?site=@", "", "2", "9", 404},
		{"the site of a connection", "POST", "/connections", made(`,"site":{"name":"@"}`), "Acme", "Nowhere", 400},
		{"the site of a connection by its id", "POST", "/connections", made(`,"site":{"id":@}`), "2", "9", 400},
		{"the recipient of a connection", "POST", "/connections", made(`,"shareToInternalSites":true,"recipientSite":{"id":@}`), "2", "9", 400},
		{"the site of a connection there is", "PATCH", "/connections/1", `{"site":{"id":@}}`, "2", "9", 400},
		{"the relay of a connection", "POST", "/connections", made(`,"relay":{"name":"@"}`), "dock", "lost", 400},
		{"the relay of a connection by its id", "POST", "/connections", made(`,"relay":{"id":@}`), "5", "9", 400},
		{"the relay of a test", "POST", "/connections/test", made(`,"relay":{"id":@}`), "5", "9", 400},
		{"the relay of a connection there is", "PATCH", "/connections/1", `{"relay":{"name":"@"}}`, "dock", "lost", 400},
		{"a vault", "POST", "/connections", vault(`{"name":"@"}`), "remote", "lost", 400},
		{"a vault by its id", "POST", "/connections", vault(`{"id":@}`), "2", "9", 404},
		{"the site of a schedule", "POST", "/schedules", searches + `,"site":{"name":"@"}}`, "Acme", "Nowhere", 400},
		{"the site of a schedule by its id", "POST", "/schedules", searches + `,"site":{"id":@}}`, "2", "9", 400},
		{"the connection of a schedule", "POST", "/schedules", strings.Replace(searches, "lab", "@", 1) + `}`, "remote", "lost", 400},
		{"the connection of a schedule by its id", "POST", "/schedules", strings.Replace(searches, `"name":"lab"`, `"id":@`, 1) + `}`, "2", "9", 404},
		{"playbooks of a site", "GET", "/playbooks?site=@", "", "Acme", "Nowhere", 404},
		{"the site of a playbook", "POST", "/playbooks", body(scanText, `,"site":{"name":"@"}`), "Acme", "Nowhere", 400},
		{"the site of a playbook by its id", "POST", "/playbooks", body(scanText, `,"site":{"id":@}`), "2", "9", 400},
		{"the site of a check", "POST", "/playbooks/check", body(scanText, `,"site":{"id":@}`), "2", "9", 400},
		{"a playbook", "GET", "/playbooks/@", "", "1", "9", 404},
		{"runs of a playbook", "GET", "/playbook-runs?playbook=@", "", "1", "9", 404},
		{"a run of a playbook", "GET", "/playbook-runs/@", "", "1", "9", 404},
		{"runs that a run began", "GET", "/playbook-runs?parent=@", "", "1", "9", 404},
		{"questions of a run", "GET", "/questions?run=@", "", "1", "9", 404},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newTheatre(t)
			s.add(t)
			s.must(t, "admin", "POST", "/playbooks", body(scanText, `,"site":{"name":"Acme"}`), http.StatusCreated)
			s.must(t, "admin", "POST", "/playbooks/1/runs", `{"draft":true,"inputs":{"agents":[7]}}`, http.StatusAccepted)
			w := s.call("admin", "POST", "/connections", strings.Replace(made(`,"site":{"name":"Acme"}`), `"lab"`, `"remote"`, 1))
			if w.Code != http.StatusCreated {
				t.Fatal(w.Body)
			}
			before := len(s.memory.Entries())
			say := func(named string) (answer, audited string) {
				named = strings.ReplaceAll(named, " ", "%20")
				w := s.call("ann", tc.method, strings.ReplaceAll(tc.target, "@", named), strings.ReplaceAll(tc.body, "@", named))
				code, text := explanation(t, w)
				for _, e := range s.memory.Entries()[before:] {
					audited += fmt.Sprintf("%s %s; ", e.Actor, e.Outcome)
				}
				before = len(s.memory.Entries())
				return fmt.Sprintf("%d %s: %s", w.Code, code, text), audited
			}
			hidden, refusal := say(tc.hidden)
			absent, failure := say(tc.absent)
			if named := strings.ReplaceAll(hidden, tc.hidden, tc.absent); named != strings.ReplaceAll(absent, tc.hidden, tc.absent) || !strings.HasPrefix(hidden, fmt.Sprint(tc.status)) {
				t.Errorf("hidden is answered as\n%s\nabsent as\n%s", hidden, absent)
			}
			if refusal != "ann "+string(access.Refused)+"; " {
				t.Errorf("of what is hidden the audit log has %q", refusal)
			}
			if strings.Contains(failure, string(access.Refused)) {
				t.Errorf("of what is absent the audit log has %q", failure)
			}
		})
	}
}
