package qpsclient

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func profilesOf(more bool, profiles ...*qps.AgentConfig) *qps.Response {
	records := make([]qps.Record, len(profiles))
	for i, p := range profiles {
		records[i] = p
	}
	return qps.NewPage(qps.SchemaAgentConfig, records, more, 0)
}

func TestAgentConfigsFollowsPages(t *testing.T) {
	t.Parallel()
	p := newPlatform(t,
		envelope(200, profilesOf(true, &qps.AgentConfig{ID: 2, Name: "b"}, &qps.AgentConfig{ID: 1, Name: "a"})),
		envelope(200, profilesOf(false, &qps.AgentConfig{ID: 3, Name: "c"}, &qps.AgentConfig{ID: 2, Name: "b"})))
	c, _ := newClient(t, p.URL)
	profiles, err := c.AgentConfigs(t.Context(), qps.Criterion{Field: "name", Operator: qps.OpContains, Value: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var names string
	for _, profile := range profiles {
		names += profile.Name
	}
	if names != "abc" {
		t.Errorf("got %q, want each profile once, by id", names)
	}
	requests := p.received()
	for i, text := range []string{`operator="CONTAINS">x<`, `operator="GREATER">2<`} {
		if got := requests[i]; got.method != "POST" || got.uri != "/qps/rest/1.0/search/ca/agentconfig" || !strings.Contains(got.body, text) {
			t.Errorf("request %d is %s %s %s, want %s in it", i, got.method, got.uri, got.body, text)
		}
	}
}

func TestAgentConfigsGivesUpOnPagesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, envelope(200, profilesOf(true, &qps.AgentConfig{ID: 1})))
	c, _ := newClient(t, p.URL)
	if _, err := c.AgentConfigs(t.Context()); err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Errorf("got %v", err)
	}
	if _, err := c.AgentConfigPriorities(t.Context()); err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Errorf("got %v", err)
	}
}

func TestPrioritiesAreAskedForByName(t *testing.T) {
	t.Parallel()
	// The second one is of a platform that does not give it.
	p := newPlatform(t, envelope(200, profilesOf(false, &qps.AgentConfig{ID: 1, Priority: 7}, &qps.AgentConfig{ID: 2})))
	c, _ := newClient(t, p.URL)
	got, err := c.AgentConfigPriorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]int64{1: 7}, got); diff != "" {
		t.Error(diff)
	}
	if uri := p.received()[0].uri; uri != "/qps/rest/1.0/search/ca/agentconfig?fields=id,priority" {
		t.Errorf("asked at %s", uri)
	}
}

func TestAgentConfigCalls(t *testing.T) {
	t.Parallel()
	change := qps.AgentConfigChange{Name: new("Edge"), IsDefault: new(true)}
	for _, tc := range []struct {
		name, method, uri, body string
		do                      func(c *Client) error
	}{
		{"get", "GET", "/get/ca/agentconfig/7", "", func(c *Client) error {
			p, err := c.GetAgentConfig(t.Context(), 7)
			if err == nil && p.Name != "Edge" {
				t.Errorf("got %+v", p)
			}
			return err
		}},
		{"create", "POST", "/create/ca/agentconfig", "<isDefault>1</isDefault>", func(c *Client) error {
			_, err := c.CreateAgentConfig(t.Context(), change)
			return err
		}},
		{"update", "POST", "/update/ca/agentconfig/7", "<id>7</id>", func(c *Client) error { return c.UpdateAgentConfig(t.Context(), 7, change) }},
		{"delete", "POST", "/delete/ca/agentconfig/7", "", func(c *Client) error { return c.DeleteAgentConfig(t.Context(), 7) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAgentConfig, &qps.AgentConfig{ID: 7, Name: "Edge"})))
			c, _ := newClient(t, p.URL)
			if err := tc.do(c); err != nil {
				t.Fatal(err)
			}
			if got := p.received()[0]; got.method != tc.method || got.uri != "/qps/rest/1.0"+tc.uri || !strings.Contains(got.body, tc.body) {
				t.Errorf("asked %s %s %s", got.method, got.uri, got.body)
			}
			refusing := newPlatform(t, refusal(200, qps.CodeInvalidRequest, "name: the element is missing.", "Specify name."))
			c, _ = newClient(t, refusing.URL)
			if err := tc.do(c); err == nil || !strings.Contains(err.Error(), "name: the element is missing") {
				t.Errorf("a refusal is %v", err)
			}
			// A write whose outcome is unknown is not repeated.
			broken := newPlatform(t, answer(502, ""))
			c, _ = newClient(t, broken.URL)
			err := tc.do(c)
			if n := len(broken.received()); err == nil || (tc.method == "POST") != (n == 1) {
				t.Errorf("%d attempts, error %v", n, err)
			}
		})
	}
	t.Run("an answer without a profile", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAgentConfig)))
		c, _ := newClient(t, p.URL)
		if _, err := c.CreateAgentConfig(t.Context(), change); err == nil || !strings.Contains(err.Error(), "no AgentConfig") {
			t.Errorf("got %v", err)
		}
	})
}
