package automationapi_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

// cabinet has profile 4, Edge, alone.
type cabinet struct {
	fleet.ProfileStore
	edge fleet.Profile
}

func (c *cabinet) Profiles(context.Context) ([]fleet.Profile, error) {
	return []fleet.Profile{c.edge}, nil
}

func (c *cabinet) UpdateProfile(_ context.Context, id int64, change func(*fleet.Profile) error) (fleet.Profile, error) {
	if id != c.edge.ID {
		return fleet.Profile{}, fleet.NoProfile(id)
	}
	p := c.edge
	if err := change(&p); err != nil {
		return fleet.Profile{}, err
	}
	c.edge = p
	return p, nil
}

func TestSchedulesAreShownAndChanged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		says                       string // of a problem
	}{
		{"schedules", "GET", "/profiles/4/schedules", "", 200, ""},
		{"schedules-updated", "PATCH", "/profiles/4/schedules/",
			`{"schedules":[{"module":"inventory","randomizeSeconds":0},{"module":"vm","intervalMinutes":1440,"delaySeconds":90}]}`, 200, ""},
		{"", "GET", "/profiles/5/schedules", "", 404, "Configuration profile 5 does not exist."},
		{"", "PATCH", "/profiles/5/schedules", `{"schedules":[{"module":"vm"}]}`, 404, "Configuration profile 5 does not exist."},
		{"", "GET", "/profiles/x/schedules", "", 400, "id: invalid value 'x'."},
		{"", "PATCH", "/profiles/4/schedules", `{}`, 400, "schedules: no module is named."},
		{"", "PATCH", "/profiles/4/schedules", `{"schedules":[{"module":"vm","interval":480}]}`, 400, "interval"},
		{"", "PATCH", "/profiles/4/schedules", `{"schedules":[{"module":"vm","intervalMinutes":"8h"}]}`, 400, "intervalMinutes must be an integer"},
		{"", "PATCH", "/profiles/4/schedules", `{"schedules":[{"module":"vm","intervalMinutes":10}]}`, 400, "intervalMinutes of vm: invalid value '10'."},
		{"", "PATCH", "/profiles/4/schedules", `{"schedules":[{"module":"edr"}]}`, 400, "module: 'edr' is not known."},
	} {
		t.Run(tc.method+" "+tc.target+" "+tc.body, func(t *testing.T) {
			t.Parallel()
			store := &cabinet{edge: fleet.Profile{ID: 4, Name: "Edge", Schedules: map[agentwire.Module]agentwire.Schedule{
				agentwire.ModuleInventory: {Interval: 28_800, Delay: 600, Randomize: 3600},
			}}}
			journal := &accesstest.Memory{}
			mux := server.NewMux(slog.New(slog.DiscardHandler))
			mux.Add(automationapi.Routes(automationapi.Config{
				Fleet: &automationapi.Fleet{Profiles: &fleet.Profiles{Store: store, Changed: func() {}}}, Users: operators{}, Journal: journal,
			})...)
			r := httptest.NewRequest(tc.method, "/automation/v1"+tc.target, strings.NewReader(tc.body))
			r.SetBasicAuth("admin", "right")
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if tc.says != "" {
				if _, text := explanation(t, w); !strings.Contains(text, tc.says) {
					t.Errorf("answer says %q, want %q", text, tc.says)
				}
				return
			}
			matchGolden(t, tc.name, w.Body.Bytes())
			if tc.method == "GET" {
				return
			}
			entries := journal.Entries()
			if len(entries) != 1 || entries[0].Action != "update schedules" || entries[0].Object != "4 Edge" ||
				entries[0].Detail != "inventory every 480 min, delay 600 s, randomize 0 s; vm every 1440 min, delay 90 s, randomize 0 s" {
				t.Errorf("the audit log has %+v", entries)
			}
		})
	}
}
