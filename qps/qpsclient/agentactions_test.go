package qpsclient

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func TestAgentActionsGoToTheirEndpoints(t *testing.T) {
	t.Parallel()
	bulk := AgentSelection{Criteria: []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}}}
	for _, tt := range []struct {
		name string
		act  func(c *Client) (Affected, error)
		uri  string
	}{
		{"activate one", func(c *Client) (Affected, error) {
			return c.ActivateModules(t.Context(), AgentSelection{AssetID: 7}, []Module{ModuleVM, ModuleSwCA})
		}, "/qps/rest/2.0/activate/am/asset/7?module=AGENT_VM,AGENT_SwCA"},
		{"activate many", func(c *Client) (Affected, error) { return c.ActivateModules(t.Context(), bulk, []Module{ModuleVM}) },
			"/qps/rest/2.0/activate/am/asset?module=AGENT_VM"},
		{"deactivate one", func(c *Client) (Affected, error) {
			return c.DeactivateModules(t.Context(), AgentSelection{AssetID: 7}, []Module{ModulePC})
		}, "/qps/rest/2.0/deactivate/am/asset/7?module=AGENT_PC"},
		{"uninstall one", func(c *Client) (Affected, error) { return c.UninstallAgents(t.Context(), AgentSelection{AssetID: 7}) },
			"/qps/rest/2.0/uninstall/am/asset/7"},
		{"uninstall many", func(c *Client) (Affected, error) { return c.UninstallAgents(t.Context(), bulk) }, "/qps/rest/2.0/uninstall/am/asset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAsset, &qps.Asset{ID: 7}, &qps.HostAsset{ID: 8})))
			c, _ := newClient(t, p.URL)
			got, err := tt.act(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Affected{Count: 2, HasCount: true, AssetIDs: []int64{7, 8}}, got); diff != "" {
				t.Errorf("affected (-want +got):\n%s", diff)
			}
			sent := p.received()[0]
			if sent.method != http.MethodPost || sent.uri != tt.uri || strings.Contains(sent.body, "Cloud Agent") != strings.Contains(tt.name, "many") {
				t.Errorf("sent %s %s with %s", sent.method, sent.uri, sent.body)
			}
		})
	}
}

func TestAgentActionsAreCheckedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAsset)))
	c, _ := newClient(t, p.URL)
	one := AgentSelection{AssetID: 7}
	for name, act := range map[string]func() error{
		"nothing selected": func() error { _, err := c.UninstallAgents(t.Context(), AgentSelection{}); return err },
		"a negative id":    func() error { _, err := c.UninstallAgents(t.Context(), AgentSelection{AssetID: -1}); return err },
		"an id and criteria": func() error {
			_, err := c.UninstallAgents(t.Context(), AgentSelection{7, []qps.Criterion{{}}})
			return err
		},
		"no module":             func() error { _, err := c.ActivateModules(t.Context(), one, nil); return err },
		"a module with a trick": func() error { _, err := c.ActivateModules(t.Context(), one, []Module{"AGENT_VM&x=y"}); return err },
	} {
		if err := act(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if n := len(p.received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAnUninstallThatMayHaveHappenedIsNotRepeated(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, refusal(500, qps.CodeOtherError, "m", "r"))
	c, _ := newClient(t, p.URL)
	if _, err := c.UninstallAgents(t.Context(), AgentSelection{AssetID: 7}); err == nil || len(p.received()) != 1 {
		t.Errorf("%v after %d requests, want an error after one", err, len(p.received()))
	}
}

func TestUninstallsAndPurgesAreRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	p := newPlatform(t,
		answer(200, `{"uninstalls":[{"id":2,"assetId":8,"agentId":"u","hostName":"edge","state":"open","requestedBy":"ada","created":"2031-04-01T06:00:00Z"}]}`, "Content-Type", "application/json"),
		answer(200, `{"applied":true,"agents":[{"assetId":7,"agentId":"u","hostName":"edge","agentVersion":"2.0.0","lastCheckedIn":"2031-04-01T06:00:00Z"}]}`, "Content-Type", "application/json"),
		answer(200, `{"applied":false,"agents":[]}`, "Content-Type", "application/json"),
	)
	c, _ := newClient(t, p.URL)
	list, err := c.Uninstalls(t.Context(), UninstallQuery{State: UninstallOpen, Limit: 5, Before: 9})
	if err != nil {
		t.Fatal(err)
	}
	want := []Uninstall{{ID: 2, AssetID: 8, AgentID: "u", HostName: "edge", State: UninstallOpen, RequestedBy: "ada", Created: at}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("uninstalls (-want +got):\n%s", diff)
	}
	rule := PurgeRule{InactiveFor: 30 * 24 * time.Hour, AgentVersion: "2.0.0"}
	purged, err := c.PurgeAgents(t.Context(), rule, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]PurgedAgent{{AssetID: 7, AgentID: "u", HostName: "edge", AgentVersion: "2.0.0", LastCheckedIn: at}}, purged); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	// An answer that says it did something else than asked is no answer.
	if _, err := c.PurgeAgents(t.Context(), rule, true); err == nil {
		t.Error("a purge that was not applied passed for one that was")
	}
	sent := p.received()
	if sent[0].uri != "/automation/v1/uninstalls?before=9&limit=5&state=open" {
		t.Errorf("asked %s", sent[0].uri)
	}
	if body := `{"inactiveFor":2592000,"agentVersion":"2.0.0","apply":true}`; sent[1].body != body || sent[1].header.Get("Content-Type") != "application/json" {
		t.Errorf("sent %s of type %s, want %s", sent[1].body, sent[1].header.Get("Content-Type"), body)
	}
}

func TestAPlatformWithoutTheAutomationAPIIsRecognised(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(404, "<html>not found</html>", "Content-Type", "text/html"))
	c, _ := newClient(t, p.URL)
	if _, err := c.Uninstalls(context.Background(), UninstallQuery{}); !errors.Is(err, ErrNoAutomationAPI) {
		t.Errorf("uninstalls: %v", err)
	}
	if _, err := c.PurgeAgents(context.Background(), PurgeRule{}, true); !errors.Is(err, ErrNoAutomationAPI) {
		t.Errorf("purge: %v", err)
	}
	if _, err := c.Installation(context.Background()); !errors.Is(err, ErrNoAutomationAPI) {
		t.Errorf("installation: %v", err)
	}
}
