package qpsclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheAutomationLayerIsCalledAsItIsDescribed(t *testing.T) {
	t.Parallel()
	no, name, two, password := false, "x", 2, map[string]string{"password": "p"}
	for _, tt := range []struct {
		name         string
		act          func(c *Client) (any, error)
		answer, sent string
		want         any
	}{
		{"integrations", func(c *Client) (any, error) { return c.Integrations(t.Context(), "a b") }, `{"integrations":[{"name":"q","connections":3}]}`,
			"GET /automation/v1/integrations?search=a+b ", []IntegrationSummary{{Name: "q", Connections: 3}}},
		{"integration", func(c *Client) (any, error) { return c.Integration(t.Context(), "q/x") },
			`{"name":"q","platforms":[{"name":"P","url":"https://p"}],"parameters":[{"name":"password","type":"secret"}],"commands":[{"name":"go","inputs":[{"name":"n","default":false}]}]}`,
			"GET /automation/v1/integrations/q%2Fx ", Integration{
				Name: "q", Platforms: []IntegrationPlatform{{"P", "https://p"}}, Parameters: []IntegrationParameter{{Name: "password", Type: "secret"}},
				Commands: []Command{{Name: "go", Inputs: []CommandInput{{Name: "n", Default: json.RawMessage("false")}}}},
			}},
		{"sites", func(c *Client) (any, error) { return c.Sites(t.Context()) }, `{"sites":[{"id":1,"members":["ann"]}]}`, "GET /automation/v1/sites ", []Site{{ID: 1, Members: []string{"ann"}}}},
		{"create site", func(c *Client) (any, error) { return c.CreateSite(t.Context(), NewSite{Name: "SOC", Kind: "client"}) }, `{"id":1}`,
			`POST /automation/v1/sites {"name":"SOC","kind":"client"}`, Site{ID: 1}},
		{"update site", func(c *Client) (any, error) { return c.UpdateSite(t.Context(), 1, SiteChange{Name: &name}) }, `{"id":1}`,
			`PATCH /automation/v1/sites/1 {"name":"x"}`, Site{ID: 1}},
		{"members", func(c *Client) (any, error) { return c.ChangeMembers(t.Context(), 1, []string{"ann"}, nil) }, `{"id":1}`,
			`POST /automation/v1/sites/1/members {"add":["ann"]}`, Site{ID: 1}},
		{"connections", func(c *Client) (any, error) {
			return c.Connections(t.Context(), ConnectionQuery{Site: "SOC", Integration: "q", Name: "p&q"})
		}, `{"connections":[{"id":3,"recipientSite":{"id":1,"name":"SOC"}}]}`, "GET /automation/v1/connections?integration=q&name=p%26q&site=SOC ",
			[]Connection{{ID: 3, RecipientSite: &Reference{ID: 1, Name: "SOC"}}}},
		{"connection", func(c *Client) (any, error) { return c.Connection(t.Context(), 3) }, `{"id":3}`, "GET /automation/v1/connections/3 ", Connection{ID: 3}},
		{"create connection", func(c *Client) (any, error) {
			return c.CreateConnection(t.Context(), NewConnection{Integration: "q", Name: "lab", Site: &Reference{Name: "SOC"}, Parameters: password})
		}, `{"id":3}`, `POST /automation/v1/connections {"integration":"q","name":"lab","site":{"name":"SOC"},"parameters":{"password":"p"}}`, Connection{ID: 3}},
		{"test before it is made", func(c *Client) (any, error) {
			return c.TestNewConnection(t.Context(), NewConnection{Integration: "q", Name: "lab", Parameters: password})
		}, `{"returnData":"Failed","result":{"columns":[],"rows":[]},"errors":[{"failureIndicator":"Test failed.","statusCode":401,"message":"No."}]}`,
			`POST /automation/v1/connections/test {"integration":"q","name":"lab","parameters":{"password":"p"}}`,
			CommandOutcome{ReturnData: "Failed", Result: CommandTable{Columns: []string{}, Rows: [][]string{}}, Errors: []CommandError{{Indicator: "Test failed.", StatusCode: 401, Message: "No."}}}},
		{"update connection", func(c *Client) (any, error) {
			return c.UpdateConnection(t.Context(), 3, ConnectionChange{
				Active: &no, UserPermissions: []UserPermission{}, Relay: &Reference{}, Limits: &ConnectionLimits{Concurrency: &two}, HealthCheck: &HealthCheck{MailTo: []string{}},
			})
		}, `{"id":3}`, `PATCH /automation/v1/connections/3 {"relay":{},"active":false,"userPermissions":[],"limits":{"concurrency":2},"healthCheck":{"mailTo":[]}}`, Connection{ID: 3}},
		{"update nothing else", func(c *Client) (any, error) { return c.UpdateConnection(t.Context(), 3, ConnectionChange{Name: &name}) }, `{"id":3}`,
			`PATCH /automation/v1/connections/3 {"name":"x"}`, Connection{ID: 3}},
		{"test connection", func(c *Client) (any, error) { return c.TestConnection(t.Context(), 3) }, `{"id":9,"state":"queued"}`, "POST /automation/v1/connections/3/test ", CommandRun{ID: 9, State: RunQueued}},
		{"run", func(c *Client) (any, error) {
			return c.RunCommand(t.Context(), 3, "go/x", CommandRequest{Inputs: map[string]any{"ids": []int64{7}}, DryRun: true, Wait: &CommandWait{Timeout: "2h"}})
		}, `{"id":9,"inputs":{"ids":[9007199254740993]}}`, `POST /automation/v1/connections/3/commands/go%2Fx {"inputs":{"ids":[7]},"dryRun":true,"wait":{"timeout":"2h"}}`,
			CommandRun{ID: 9, Inputs: InputValues{"ids": []any{json.Number("9007199254740993")}}}},
		{"runs", func(c *Client) (any, error) {
			return c.CommandRuns(t.Context(), CommandRunQuery{ConnectionID: 3, Command: "go", State: RunFailed, Origin: "health", StartedBy: "ann", Limit: 5, Before: 9})
		}, `{"runs":[{"id":8}]}`, "GET /automation/v1/runs?before=9&command=go&connection=3&limit=5&origin=health&startedBy=ann&state=failed ", []CommandRun{{ID: 8}}},
		{"one run", func(c *Client) (any, error) { return c.CommandRun(t.Context(), 9) }, `{"id":9,"state":"failed"}`, "GET /automation/v1/runs/9 ", CommandRun{ID: 9, State: RunFailed}},
		{"wait", func(c *Client) (any, error) { return c.WaitForCommandRun(t.Context(), 9, time.Hour) }, `{"id":9}`, "GET /automation/v1/runs/9?wait=50 ", CommandRun{ID: 9}},
		{"cancel", func(c *Client) (any, error) { return c.CancelCommandRun(t.Context(), 9) }, `{"id":9}`, "POST /automation/v1/runs/9/cancel ", CommandRun{ID: 9}},
		{"again", func(c *Client) (any, error) { return c.RepeatCommandRun(t.Context(), 9) }, `{"id":10,"rerunOf":9}`, "POST /automation/v1/runs/9/again ", CommandRun{ID: 10, RerunOf: 9}},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, said(200, tt.answer))
			c, _ := newClient(t, p.URL)
			got, err := tt.act(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			sent := p.received()[0]
			if diff := cmp.Diff(tt.sent, fmt.Sprintf("%s %s %s", sent.method, sent.uri, sent.body)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsDeletedOfTheAutomationLayerHasNoAnswer(t *testing.T) {
	t.Parallel()
	for uri, act := range map[string]func(c *Client) error{
		"/automation/v1/sites/1":       func(c *Client) error { return c.DeleteSite(t.Context(), 1) },
		"/automation/v1/connections/3": func(c *Client) error { return c.DeleteConnection(t.Context(), 3) },
	} {
		p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		c, _ := newClient(t, p.URL)
		if err := act(c); err != nil {
			t.Error(err)
		}
		if sent := p.received()[0]; sent.method != http.MethodDelete || sent.uri != uri {
			t.Errorf("sent %s %s, want DELETE %s", sent.method, sent.uri, uri)
		}
	}
}

// With a key a platform queues one run however often it is asked, so an answer that
// got lost is asked for again; without one it might be another run.
func TestARunWithAKeyIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key   string
		calls int
	}{{"ticket-7", 2}, {"", 1}} {
		p := newPlatform(t, said(502, ""), said(200, `{"id":9}`))
		c, _ := newClient(t, p.URL)
		r, err := c.RunCommand(t.Context(), 3, "go", CommandRequest{Key: tt.key})
		sent := p.received()
		if len(sent) != tt.calls || (err == nil) != (tt.key != "") || tt.key != "" && r.ID != 9 {
			t.Errorf("key %q: %d calls, run %d, %v", tt.key, len(sent), r.ID, err)
		}
		for _, s := range sent {
			if got := s.header.Get("Idempotency-Key"); got != tt.key {
				t.Errorf("sent with key %q, want %q", got, tt.key)
			}
		}
	}
}

func TestAPlatformWithoutAnAutomationLayerSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(404, ""))
	c, _ := newClient(t, p.URL)
	_, listing := c.Connections(t.Context(), ConnectionQuery{})
	_, running := c.RunCommand(t.Context(), 1, "go", CommandRequest{})
	for _, err := range []error{listing, running, c.DeleteSite(t.Context(), 1)} {
		if !errors.Is(err, ErrNoAutomationAPI) {
			t.Errorf("error %v, want ErrNoAutomationAPI", err)
		}
	}
}
