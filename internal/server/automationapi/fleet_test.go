package automationapi_test

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

// withoutFleet are the first words of the paths that a platform has which keeps no
// fleet. A call with another first word is about the fleet.
var withoutFleet = []string{
	"audit", "connections", "installation", "integrations", "notifications", "openapi.yaml", "permissions", "playbook-runs", "playbooks", "questions", "relays", "roles", "runs", "schedules", "sites", "users",
}

func TestCallsAboutTheFleetAreNotFoundOnAPlatformThatKeepsNone(t *testing.T) {
	t.Parallel()
	for _, route := range automationapi.Routes(automationapi.Config{Users: operators{}, Journal: &accesstest.Memory{}}) {
		word, _, _ := strings.Cut(strings.TrimPrefix(route.Path, "/automation/v1/"), "/")
		if slices.Contains(withoutFleet, word) {
			continue // has no service behind it in this test
		}
		for _, known := range []bool{true, false} {
			mux := server.NewMux(slog.New(slog.DiscardHandler))
			mux.Add(route)
			r := httptest.NewRequest(route.Methods[0], strings.NewReplacer("{id}", "1", "{partition}", "aws-cn").Replace(route.Path), strings.NewReader("{}"))
			if known {
				r.SetBasicAuth("admin", "right")
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			switch said := w.Body.String(); {
			case known && (w.Code != 404 || !strings.Contains(said, `"code":"not_found"`) || !strings.Contains(said, "runs the automation layer alone and keeps no fleet")):
				t.Errorf("%s %s: %d %s", r.Method, r.URL.Path, w.Code, said)
			case !known && w.Code != 401:
				t.Errorf("%s %s is answered %d to a stranger, want 401", r.Method, r.URL.Path, w.Code)
			}
		}
	}
}
