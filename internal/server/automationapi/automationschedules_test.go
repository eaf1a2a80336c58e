package automationapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
)

// carriedOut is the part of the storage that carries out firings, which no call of
// the API needs.
type carriedOut interface {
	DueSchedules(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error)
	Fire(ctx context.Context, id int64, now time.Time) (schedule.Firing, error)
	OwedFirings(ctx context.Context, id int64) (schedule.Schedule, []schedule.Firing, error)
	StartFiring(ctx context.Context, f schedule.Firing, r run.Run, secrets map[string]string) error
}

// calendar keeps schedules and their firings.
type calendar struct {
	carriedOut // for others
	mu         sync.Mutex
	schedules  []schedule.Schedule
	firings    []schedule.Firing
}

func (c *calendar) Schedule(_ context.Context, id int64) (schedule.Schedule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.schedules {
		if s.ID == id {
			return s, nil
		}
	}
	return schedule.Schedule{}, schedule.NoSchedule(id)
}

func (c *calendar) Schedules(_ context.Context, f schedule.Filter) ([]schedule.Schedule, error) {
	return c.schedulesOf(f), nil
}

func (c *calendar) schedulesOf(f schedule.Filter) []schedule.Schedule {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.schedules), func(s schedule.Schedule) bool { return f.SiteIDs != nil && !slices.Contains(f.SiteIDs, s.SiteID) })
}

func (c *calendar) CreateSchedule(_ context.Context, s schedule.Schedule) (schedule.Schedule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.ID = int64(len(c.schedules) + 1)
	c.schedules = append(c.schedules, s)
	return s, nil
}

func (c *calendar) UpdateSchedule(_ context.Context, id int64, change func(schedule.Schedule) (schedule.Schedule, error)) (schedule.Schedule, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.schedules {
		if s.ID == id {
			changed, err := change(s)
			if err == nil {
				c.schedules[i] = changed
			}
			return changed, err
		}
	}
	return schedule.Schedule{}, schedule.NoSchedule(id)
}

func (c *calendar) DeleteSchedule(_ context.Context, id int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schedules = slices.DeleteFunc(c.schedules, func(s schedule.Schedule) bool { return s.ID == id })
	return nil
}

func (c *calendar) FireNow(_ context.Context, id int64, now time.Time) (schedule.Firing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := schedule.Firing{ScheduleID: id, At: now, Fired: now, Action: schedule.Start, ByHand: true}
	c.firings = append(c.firings, f)
	return f, nil
}

func (c *calendar) Firings(_ context.Context, id int64, limit int) ([]schedule.Firing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := slices.DeleteFunc(slices.Clone(c.firings), func(f schedule.Firing) bool { return f.ScheduleID != id })
	slices.Reverse(of)
	return of[:min(len(of), limit)], nil
}

// fired records firings as a platform that carries them out does.
func (c *calendar) fired(firings ...schedule.Firing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.firings = append(c.firings, firings...)
}

// hourly is the body of a schedule of a search.
const hourly = `{"name":"hourly","command":"search-cloud-agents","connection":{"name":"lab"},"inputs":{"Host Name":"edge","lastCheckedInTo":"01/02/2025 08:00 PM"},
	"every":"1h","jitterPercent":10,"overlap":"queue","catchUp":"one","pauseAfterFailures":3}`

func TestASchedulesLifeIsShown(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	if w := s.call("ann", "POST", "/connections", made(`,"healthCheck":{"enabled":true,"intervalMinutes":15}`)); w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	for _, step := range []struct {
		name, method, target, body string
		status                     int
	}{
		{"schedule-made", "POST", "/schedules", hourly, 201},
		{"schedule-list", "GET", "/schedules", "", 200},
		{"schedule-paused", "PATCH", "/schedules/1", `{"active":false}`, 200},
		{"schedule-run", "POST", "/schedules/1/run", "", 202},
		{"schedule-changed", "PATCH", "/schedules/1", `{"cron":"30 2 * * *","timeZone":"Europe/Berlin","jitterPercent":0,"start":"05/01/2031 12:00 AM","end":"2031-06-01T00:00:00Z","active":true,"inputs":{}}`, 200},
		{"schedule-unbound", "PATCH", "/schedules/1", `{"every":"90m","timeZone":"","start":"","end":""}`, 200},
		{"schedule-got", "GET", "/schedules/1", "", 200},
	} {
		w := s.call("ann", step.method, step.target, step.body)
		if w.Code != step.status {
			t.Fatalf("%s: status %d: %s", step.name, w.Code, w.Body)
		}
		silent(t, w.Body.String())
		matchGolden(t, step.name, w.Body.Bytes())
	}
	s.calendar.fired(
		schedule.Firing{ScheduleID: 1, At: start.Add(time.Hour), Fired: start.Add(time.Hour + time.Second), Action: schedule.Start, RunID: 7, RunState: run.Failed, Missed: 2},
		schedule.Firing{ScheduleID: 1, At: start.Add(2 * time.Hour), Fired: start.Add(2 * time.Hour), Action: schedule.Skip, Reason: "The run before was still at work."},
	)
	matchGolden(t, "schedule-firings", s.call("ann", "GET", "/schedules/1/firings?limit=2", "").Body.Bytes())
	if w := s.call("ann", "DELETE", "/schedules/1", ""); w.Code != http.StatusNoContent {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w := s.call("ann", "GET", "/schedules?kind=user", ""); w.Body.String() != "{\"schedules\":[]}\n" {
		t.Errorf("after the end there are %s", w.Body)
	}
}

func TestWhatIsWrongWithAScheduleIsSaid(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	if w := s.call("ann", "POST", "/schedules", hourly); w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	search := func(more string) string {
		return `{"name":"x","command":"search-cloud-agents","connection":{"id":1}` + more + `}`
	}
	for _, tc := range []struct {
		as, method, target, body string
		status                   int
		says                     string
	}{
		{"ann", "POST", "/schedules", search(`,"every":"1h","interval":5`), 400, "interval"},
		{"ann", "POST", "/schedules", search(`,"every":60`), 400, "every must be a string"},
		{"ann", "POST", "/schedules", search(`,"every":"1h","jitterPercent":"10"`), 400, "jitterPercent must be an integer"},
		{"ann", "POST", "/schedules", search(``), 400, "Neither every nor cron is given."},
		{"ann", "POST", "/schedules", search(`,"every":"soon"`), 400, "every: invalid value 'soon'. Specify every as whole days"},
		{"ann", "POST", "/schedules", search(`,"every":"1h","cron":"@daily"`), 400, "exclude each other"},
		{"ann", "POST", "/schedules", search(`,"every":"1h","start":"2031-05-01"`), 400, "start: "},
		{"ann", "POST", "/schedules", search(`,"every":"1h","timeZone":"Mars/Olympus"`), 400, "timeZone: "},
		{"ann", "POST", "/schedules", search(`,"every":"1h","overlap":"all"`), 400, "overlap: 'all' is not allowed"},
		{"ann", "POST", "/schedules", search(`,"every":"1h","site":{"name":"Acme"}`), 400, "site: there is no site 'Acme'."},
		{"ann", "POST", "/schedules", search(`,"every":"1h","site":{"id":2}`), 400, "site: there is no site 2."},
		{"ann", "POST", "/schedules", search(`,"every":"1h","playbook":{"id":4}`), 400, "Command 'search-cloud-agents' and playbook 4 exclude each other."},
		{"ann", "POST", "/schedules", search(`,"every":"1h","inputs":{"colour":"red"}`), 400, "colour"},
		{"ann", "POST", "/schedules", `{"name":"x","command":"search-cloud-agents","connection":{"name":"prod"},"every":"1h"}`, 400, "connection: there is no connection 'prod'."},
		{"ann", "POST", "/schedules", `{"name":"x","command":"search-cloud-agents","connection":{"id":9},"every":"1h"}`, 404, "There is no connection 9."},
		{"ann", "POST", "/schedules", `{"name":"x","connection":{"id":1},"every":"1h"}`, 400, "Neither a command nor a playbook is given."},
		{"bob", "POST", "/schedules", search(`,"every":"1h"`), 404, "There is no connection 1."},
		{"ann", "PATCH", "/schedules/1", `{"site":{"id":1}}`, 400, "site"},
		{"ann", "PATCH", "/schedules/1", `{"cron":"@daily"}`, 400, "jitterPercent: '10' is not allowed"},
		{"bob", "GET", "/schedules/1", "", 404, "There is no schedule 1."},
		{"bob", "PATCH", "/schedules/1", `{"active":false}`, 404, "There is no schedule 1."},
		{"bob", "DELETE", "/schedules/1", "", 404, "There is no schedule 1."},
		{"bob", "POST", "/schedules/1/run", "", 404, "There is no schedule 1."},
		{"bob", "GET", "/schedules/1/firings", "", 404, "There is no schedule 1."},
		{"bob", "GET", "/schedules/2", "", 404, "There is no schedule 2."},
		{"ann", "GET", "/schedules?kind=own", "", 400, "kind: invalid value 'own'. Specify kind as one of user, system."},
		{"ann", "GET", "/schedules/1/firings?limit=501", "", 400, "limit: invalid value '501'. Specify limit as an integer from 1 to 500."},
		{"ann", "POST", "/schedules/preview", `{"every":"1h","count":101}`, 400, "count: invalid value '101'."},
		{"ann", "POST", "/schedules/preview", `{"cron":"31 2 30 2 *"}`, 400, "cron: '31 2 30 2 *' is not allowed"},
		{"ann", "POST", "/schedules/preview", `{"every":"1h","catchUp":"one"}`, 400, "catchUp"},
	} {
		t.Run(tc.as+" "+tc.method+" "+tc.target+" "+tc.body, func(t *testing.T) {
			t.Parallel()
			w := s.call(tc.as, tc.method, tc.target, tc.body)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if _, text := explanation(t, w); !strings.Contains(text, tc.says) {
				t.Errorf("answer says %q, want %q", text, tc.says)
			}
		})
	}
}

func TestAPreviewStoresNothing(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	_, err := s.memory.UpdateUser(t.Context(), "ann", func(u *access.User) error {
		u.Settings = access.Settings{TimeFormat: string(automation.DottedDayMonth), TimeZone: "Europe/Berlin"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ body, want string }{
		{`{"every":"6h"}`, `{"firings":["2031-04-01T12:00:00Z","2031-04-01T18:00:00Z","2031-04-02T00:00:00Z","2031-04-02T06:00:00Z","2031-04-02T12:00:00Z"],"inWords":"every 6 hours"}`},
		// The night the clock is put back has the time once.
		{`{"cron":"30 2 * * *","timeZone":"Europe/Berlin","after":"25.10.2031 12:00","count":2}`, `{"firings":["2031-10-26T00:30:00Z","2031-10-27T01:30:00Z"],"inWords":"at 02:30, Europe/Berlin"}`},
		{`{"every":"1h","end":"01.04.2031 09:30"}`, `{"firings":["2031-04-01T07:00:00Z"],"inWords":"every hour, until 2031-04-01T07:30:00Z"}`},
		{`{"every":"1h","end":"2031-04-01T06:30:00Z"}`, `{"firings":[],"inWords":"every hour, until 2031-04-01T06:30:00Z"}`},
	} {
		w := s.call("ann", "POST", "/schedules/preview", tc.body)
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != tc.want {
			t.Errorf("%s: status %d: %s\nwant %s", tc.body, w.Code, got, tc.want)
		}
	}
	if kept := s.calendar.schedulesOf(schedule.Filter{}); len(kept) != 0 {
		t.Errorf("kept are %+v", kept)
	}
}

func TestWhoChangesAScheduleBecomesItsOwner(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	for _, step := range []struct{ as, method, target, body, owner string }{
		{"ann", "POST", "/schedules", hourly, "ann"},
		{"admin", "PATCH", "/schedules/1", `{"active":false}`, "ann"},
		{"admin", "PATCH", "/schedules/1", `{"active":true}`, "ann"},
		{"admin", "PATCH", "/schedules/1", `{"every":"2h"}`, "admin"},
		{"ann", "PATCH", "/schedules/1", `{"name":"two-hourly"}`, "ann"},
	} {
		w := s.call(step.as, step.method, step.target, step.body)
		if w.Code >= 300 || !strings.Contains(w.Body.String(), `"owner":"`+step.owner+`"`) {
			t.Errorf("%s %s: status %d, want the owner %s: %s", step.as, step.body, w.Code, step.owner, w.Body)
		}
	}
	var told []string
	for _, e := range s.memory.Entries() {
		if strings.HasSuffix(e.Action, "automation schedule") {
			told = append(told, e.Actor+" "+e.Action+" "+e.Object+": "+e.Detail)
		}
	}
	want := []string{
		"ann create automation schedule 1 hourly: search-cloud-agents on connection 1, every hour",
		"admin update automation schedule 1 hourly: changed: active; search-cloud-agents on connection 1, every hour; owner: ann",
		"admin update automation schedule 1 hourly: changed: active; search-cloud-agents on connection 1, every hour; owner: ann",
		"admin update automation schedule 1 hourly: changed: every; search-cloud-agents on connection 1, every 2 hours; owner: admin",
		"ann update automation schedule 1 two-hourly: changed: name; search-cloud-agents on connection 1, every 2 hours; owner: ann",
	}
	if !slices.Equal(told, want) {
		t.Errorf("the audit log has\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

// The rights of a schedule's owner are not for others to use, nor for an owner who has
// lost the connection.
func TestWhoMayNotUseItsConnectionStartsNoSchedule(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	for _, step := range []struct {
		as, method, target, body string
		want                     int
	}{
		{"admin", "POST", "/schedules", hourly, http.StatusCreated},
		{"ann", "POST", "/schedules/1/run", "", http.StatusAccepted},
		{"ann", "PATCH", "/schedules/1", `{"active":false}`, http.StatusOK},
		{"admin", "PATCH", "/connections/1", `{"userPermissions":[]}`, http.StatusOK},
		{"ann", "POST", "/schedules/1/run", "", http.StatusNotFound},
		{"ann", "PATCH", "/schedules/1", `{"active":true}`, http.StatusNotFound},
		{"admin", "PATCH", "/schedules/1", `{"active":true}`, http.StatusOK},
		{"ann", "PATCH", "/schedules/1", `{"active":false}`, http.StatusOK},
	} {
		if w := s.call(step.as, step.method, step.target, step.body); w.Code != step.want {
			t.Errorf("%s %s %s %s: status %d, want %d: %s", step.as, step.method, step.target, step.body, w.Code, step.want, w.Body)
		}
	}
	refused := 0
	for _, e := range s.memory.Entries() {
		if e.Actor == "ann" && e.Outcome == access.Refused {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d refusals are in the audit log, want 2", refused)
	}
}
