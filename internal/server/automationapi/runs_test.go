package automationapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

const (
	searching = "/connections/1/commands/search-cloud-agents"
	launching = "/connections/1/commands/launch-on-demand-scans"
)

// found is the outcome of a search.
func found() run.Run {
	return run.Run{State: run.Succeeded, Outcome: automation.Outcome{
		State: automation.Successful, Result: automation.Table{Columns: []string{"ID"}, Rows: [][]string{{"7"}}},
		RawData: json.RawMessage(`{"ServiceResponse":{"count":1}}`), ContextData: json.RawMessage(`[{"id":7}]`), Passdown: json.RawMessage(`{"after":7}`),
		KeyFields: map[string][]int64{"cloudAgentIds": {7}},
	}}
}

// launchedSome is the outcome of a launch that failed for one agent.
func launchedSome() run.Run {
	return run.Run{State: run.Partial, Outcome: automation.Outcome{
		State: automation.PartiallySuccessful, Errors: []automation.Error{{Indicator: "Launch On Demand Scans failed.", StatusCode: 404, Message: "There is no asset 8.", AgentIDs: []int64{8}}},
		Notes: []string{"One of two."},
	}}
}

func TestARunIsShownWithItsSevenOutputs(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	for _, step := range []struct {
		name, method, target, body string
		status                     int
		before                     func()
	}{
		{"run-queued", "POST", searching, `{"inputs":{"Last Checked In Time To":"01/02/2025 08:00 PM","os":"Windows"},"dryRun":true}`, 202, func() {}},
		{"run-successful", "GET", "/runs/1", "", 200, func() { s.links.end(1, found()) }},
		{"run-waits", "POST", launching, `{"inputs":{"cloudAgentIds":[7,9007199254740993]},"force":true,"test":true,"wait":{"interval":"30s","timeout":"2h"}}`, 202, func() {}},
		{"run-partial", "GET", "/runs/2", "", 200, func() { s.links.end(2, launchedSome()) }},
		{"run-test", "POST", "/connections/1/test", "", 202, func() {}},
		{"run-cancelled", "POST", "/runs/3/cancel", "", 200, func() {}},
		{"run-again", "POST", "/runs/2/again", "", 202, func() {}},
		{"runs", "GET", "/runs?limit=2", "", 200, func() {}},
	} {
		step.before()
		w := s.call("ann", step.method, step.target, step.body)
		if w.Code != step.status {
			t.Fatalf("%s: status %d: %s", step.name, w.Code, w.Body)
		}
		silent(t, w.Body.String())
		matchGolden(t, step.name, w.Body.Bytes())
	}
}

func TestTimesOfInputsAreReadAsTheUserChose(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	_, err := s.memory.UpdateUser(t.Context(), "ann", func(u *access.User) error {
		u.Settings = access.Settings{TimeFormat: string(automation.DottedDayMonth), TimeZone: "Europe/Berlin"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The two filters are labelled UTC.
	w := s.call("ann", "POST", searching, `{"inputs":{"lastCheckedInTo":"02.01.2025 20:00"}}`)
	if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"lastCheckedInTo":"2025-01-02T20:00:00Z"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	w = s.call("ann", "POST", searching, `{"inputs":{"lastCheckedInTo":"01/02/2025 08:00 PM"}}`)
	if _, text := explanation(t, w); w.Code != http.StatusBadRequest || !strings.Contains(text, "DD.MM.YYYY HH:mm") || !strings.Contains(text, "RFC 3339") {
		t.Errorf("status %d: %s", w.Code, text)
	}
}

func TestAKeyIsForOneRun(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	sent := func(as, target, key, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/automation/v1"+target, strings.NewReader(body))
		r.SetBasicAuth(as, "right")
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		return w
	}
	ask := func(as, target, key string) *httptest.ResponseRecorder {
		return sent(as, target, key, `{"inputs":{"cloudAgentIds":7}}`)
	}
	first, again := ask("ann", launching, "ticket-7"), ask("ann", launching, "ticket-7")
	if first.Code != http.StatusAccepted || again.Code != http.StatusOK || first.Body.String() != again.Body.String() {
		t.Errorf("first %d: %s\nagain %d: %s", first.Code, first.Body, again.Code, again.Body)
	}
	if other := ask("admin", launching, "ticket-7"); other.Code != http.StatusAccepted {
		t.Errorf("another user's key: status %d: %s", other.Code, other.Body)
	}
	w := s.call("ann", "POST", "/connections", strings.Replace(made(""), `"lab"`, `"other"`, 1))
	if w.Code != http.StatusCreated {
		t.Fatal(w.Body)
	}
	w = ask("ann", "/connections/2/commands/launch-on-demand-scans", "ticket-7")
	if _, text := explanation(t, w); w.Code != http.StatusConflict || !strings.Contains(text, "it is that of run 1, whose request differs in connection.") {
		t.Errorf("another connection: status %d: %s", w.Code, text)
	}
	w = sent("ann", launching, "ticket-7", `{"inputs":{"Cloud Agent IDs":[8]},"dryRun":true}`)
	if _, text := explanation(t, w); w.Code != http.StatusConflict || !strings.Contains(text, "whose request differs in dryRun, inputs.cloudAgentIds.") {
		t.Errorf("other inputs: status %d: %s", w.Code, text)
	}
	if w = sent("ann", launching, "ticket-7", `{"inputs":{"Cloud Agent IDs":[7]}}`); w.Code != http.StatusOK || w.Body.String() != first.Body.String() {
		t.Errorf("the same request in other words: status %d: %s", w.Code, w.Body)
	}
	w = ask("ann", launching, "two words")
	if _, text := explanation(t, w); w.Code != http.StatusBadRequest || !strings.Contains(text, "printable ASCII") {
		t.Errorf("a key with a space: status %d: %s", w.Code, text)
	}
	if len(s.links.runs) != 2 {
		t.Errorf("there are %d runs, want 2", len(s.links.runs))
	}
}

func TestWhatCannotBeRunIsRefused(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	for _, tc := range []struct {
		name, as, method, target, body string
		status                         int
		says                           string
	}{
		{"another member", "ann", "POST", launching, `{"input":{}}`, 400, `unknown field "input"`},
		{"inputs that are a list", "ann", "POST", launching, `{"inputs":[1]}`, 400, "cannot be read"},
		{"no ids", "ann", "POST", launching, `{}`, 400, "Cloud Agent IDs parameter is required. Run Search Cloud Agents to obtain the Cloud Agent IDs."},
		{"no such command", "ann", "POST", "/connections/1/commands/reboot", `{}`, 400, "Use one of test-connection"},
		{"a wait that never looks", "ann", "POST", launching, `{"inputs":{"cloudAgentIds":1},"wait":{"interval":"soon"}}`, 400, "wait.interval: invalid value 'soon'. Specify wait.interval as a duration such as 30s or 5m."},
		{"a wait for nothing", "ann", "POST", searching, `{"wait":{}}`, 400, "wait: Search Cloud Agents begins nothing that could be waited for."},
		{"a connection that is hidden", "bob", "POST", launching, `{"inputs":{"cloudAgentIds":1}}`, 404, "There is no connection 1."},
		{"no such run", "ann", "GET", "/runs/9", "", 404, "There is no run 9."},
		{"too long a wait", "ann", "GET", "/runs/9?wait=51", "", 400, "wait: invalid value '51'. Specify wait as an integer from 0 to 50, in seconds."},
		{"a state that is none", "ann", "GET", "/runs?state=done", "", 400, "queued, running, waiting, successful, partially-successful, failed, cancelled, unknown"},
		{"an origin that is none", "ann", "GET", "/runs?origin=me", "", 400, "test, command, schedule, health, playbook"},
		{"a connection that is none", "ann", "GET", "/runs?connection=0", "", 400, "connection: invalid value '0'."},
		{"too many", "ann", "GET", "/runs?limit=1001", "", 400, "from 1 to 1000"},
		{"before nothing", "ann", "GET", "/runs?before=0", "", 400, "before: invalid value '0'."},
	} {
		w := s.call(tc.as, tc.method, tc.target, tc.body)
		if _, text := explanation(t, w); w.Code != tc.status || !strings.Contains(text, tc.says) {
			t.Errorf("%s: status %d: %q, want %d with %q", tc.name, w.Code, text, tc.status, tc.says)
		}
	}
	if len(s.links.runs) != 0 {
		t.Errorf("there are %d runs", len(s.links.runs))
	}
}

func TestFiltersOfRunsStayWithinWhatTheUserSees(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	s.add(t)
	const query = "/runs?connection=1&command=test-connection&state=failed&origin=health&startedBy=bob&limit=7&before=99"
	want := run.Filter{ConnectionIDs: []int64{1}, Command: "test-connection", State: run.Failed, Origin: run.ByHealth, StartedBy: "bob", Limit: 7, Before: 99}
	if w := s.call("ann", "GET", query, ""); w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
	if diff := cmp.Diff(want, s.links.asked); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
	if w := s.call("ann", "GET", "/runs", ""); w.Code != http.StatusOK || !slices.Equal(s.links.asked.ConnectionIDs, []int64{1}) {
		t.Errorf("status %d: %s, asked %+v", w.Code, w.Body, s.links.asked)
	}
	s.links.asked = run.Filter{}
	if w := s.call("bob", "GET", "/runs", ""); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"runs":[]}` || s.links.asked.Limit != 0 {
		t.Errorf("status %d: %s, asked %+v", w.Code, w.Body, s.links.asked)
	}
	if w := s.call("bob", "GET", query, ""); w.Code != http.StatusNotFound || s.links.asked.Limit != 0 {
		t.Errorf("status %d: %s, asked %+v", w.Code, w.Body, s.links.asked)
	}
}

// TestTheEndOfARunIsWaitedFor has a clock of its own.
func TestTheEndOfARunIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		wait        string
		ends        time.Duration
		state       automationapi.RunState
		least, most time.Duration
		stops       bool
	}{
		{"no wait", "", time.Hour, automationapi.RunQueued, 0, 0, false},
		{"ended in between", "?wait=50", 3 * time.Second, automationapi.RunSuccessful, 3 * time.Second, 5 * time.Second, false},
		{"not ended in time", "?wait=10", time.Hour, automationapi.RunQueued, 10 * time.Second, 10 * time.Second, false},
		{"ended at the last moment", "?wait=10", 9990 * time.Millisecond, automationapi.RunSuccessful, 9990 * time.Millisecond, 10 * time.Second, false},
		{"the platform stops", "?wait=50", time.Hour, automationapi.RunQueued, 4 * time.Second, 4 * time.Second, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitchboard(t)
				s.add(t)
				s.call("ann", "POST", searching, `{}`)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if tc.stops {
					time.AfterFunc(4*time.Second, stop)
				}
				ended := time.AfterFunc(tc.ends, func() { s.links.end(1, found()) })
				defer ended.Stop()
				r := httptest.NewRequestWithContext(ctx, "GET", "/automation/v1/runs/1"+tc.wait, nil)
				r.SetBasicAuth("ann", "right")
				w, began := httptest.NewRecorder(), time.Now()
				s.mux.ServeHTTP(w, r)
				var got automationapi.Run
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Fatalf("status %d: %s", w.Code, w.Body)
				}
				if took := time.Since(began); got.State != tc.state || took < tc.least || took > tc.most {
					t.Errorf("%s after %s, want %s after %s to %s", got.State, took, tc.state, tc.least, tc.most)
				}
			})
		})
	}
}

// TestWhoWaitsTakesNoPlaceOfOthers has a clock of its own.
func TestWhoWaitsTakesNoPlaceOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSwitchboard(t, func(c *automationapi.Config) { c.Budget = server.NewBudget(operatorBudget) })
		s.add(t)
		s.call("ann", "POST", searching, `{}`)
		var all sync.WaitGroup
		var answered [server.WaitingRequests]int
		for i := range answered {
			all.Go(func() { answered[i] = s.call("ann", "GET", "/runs/1?wait=20", "").Code })
		}
		synctest.Wait()
		for _, target := range []string{"/runs/1", "/runs/1?wait=0", "/connections"} {
			if w := s.call("ann", "GET", target, ""); w.Code != http.StatusOK {
				t.Errorf("beside those who wait %s is answered with %d: %s", target, w.Code, w.Body)
			}
		}
		if w := s.call("admin", "GET", "/runs/1?wait=1", ""); w.Code != http.StatusOK {
			t.Errorf("somebody else may not wait: %d: %s", w.Code, w.Body)
		}
		all.Wait()
		refused := 0
		for _, code := range answered {
			if code == http.StatusServiceUnavailable {
				refused++
			}
		}
		if refused != server.WaitingRequests/4 {
			t.Errorf("%d of %d that one user has waiting are refused, want a quarter", refused, server.WaitingRequests)
		}
	})
}
