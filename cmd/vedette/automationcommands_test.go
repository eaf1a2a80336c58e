package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// commandSession executes commands of automation against a whole platform, on a
// clock that the test moves.
type commandSession struct {
	integration.Session
	now time.Time
}

// newCommandSession starts a platform with three agents.
func newCommandSession(t *testing.T) *commandSession {
	t.Helper()
	p := startOperatorPlatform(t, platformConfig{})
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	for n := range 3 {
		_, err := p.store.EnrolAgent(t.Context(), fleet.Enrolment{
			ActivationKey: p.admin.activationKey, PublicKey: storetest.PublicKey(n), AgentID: storetest.AgentID(n), AgentVersion: "2.0.0", At: time.Now(),
			Host: agentwire.Host{Name: fmt.Sprintf("edge-%d", n), OS: "Debian GNU/Linux 12", Platform: "Linux"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	of, _ := integration.Find("qualys-cloud-agent")
	config := of.ClientConfig(map[string]string{"serverUrl": p.url, "username": "boss", "password": operatorPassword, "apiVersion": "2.0"})
	config.Transport = p.client.Transport
	client, err := qpsclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &commandSession{now: time.Now()}
	s.Session = integration.Session{Client: client, Now: func() time.Time { return s.now }}
	return s
}

// run executes a command to its end and expects a state.
func (s *commandSession) run(t *testing.T, want automation.State, name string, inputs map[string]any, change ...func(*integration.Call)) automation.Outcome {
	t.Helper()
	c, ok := integration.FindCommand("qualys-cloud-agent/" + name)
	if !ok {
		t.Fatalf("there is no command %s", name)
	}
	values, err := c.Check(inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	call := integration.Call{Values: values, Key: "run-1/" + name}
	for _, f := range change {
		f(&call)
	}
	for range 100 {
		answer := c.Execute(t.Context(), s.Session, call)
		if answer.Continue == nil {
			if answer.State != want {
				t.Errorf("%s with %v is %s, want %s: %+v", name, inputs, answer.State, want, answer.Errors)
			}
			return answer.Outcome
		}
		s.now, call.Cursor = s.now.Add(answer.Continue.After), answer.Continue.Cursor
	}
	t.Fatalf("%s does not end", name)
	return automation.Outcome{}
}

const (
	good = automation.Successful
	some = automation.PartiallySuccessful
	bad  = automation.Failed
)

func TestCommandsOfAutomationManageAgentsOfThisPlatform(t *testing.T) {
	t.Parallel()
	s := newCommandSession(t)
	s.run(t, good, "test-connection", nil)
	agents := s.run(t, good, "search-cloud-agents", map[string]any{"Host Name": "edge"}).KeyFields["cloudAgentIds"]
	if len(agents) != 3 {
		t.Fatalf("agents = %v, want three", agents)
	}
	if rest := s.run(t, good, "search-cloud-agents", map[string]any{"afterId": agents[1]}).KeyFields["cloudAgentIds"]; len(rest) != 1 || rest[0] != agents[2] {
		t.Errorf("agents after %d = %v, want %d", agents[1], rest, agents[2])
	}
	if _, err := s.Client.CreateTag(t.Context(), qps.TagChange{Name: new("Edge")}); err != nil {
		t.Fatal(err)
	}
	tagged := map[string]any{"cloudAgentIds": []int64{agents[0], agents[1], 999}, "tags": "Edge"}
	s.run(t, some, "tag-cloud-agents", tagged)
	if found := s.run(t, good, "search-cloud-agents", map[string]any{"tag": "Edge"}).KeyFields["cloudAgentIds"]; len(found) != 2 {
		t.Errorf("agents with the tag = %v, want two", found)
	}
	s.run(t, some, "untag-cloud-agents", tagged)
	if found := s.run(t, good, "search-cloud-agents", map[string]any{"tag": "Edge"}).KeyFields["cloudAgentIds"]; len(found) != 0 {
		t.Errorf("agents with the tag = %v, want none", found)
	}
	s.run(t, good, "activate-modules", map[string]any{"cloudAgentIds": agents, "modules": "VM"})
	s.run(t, bad, "deactivate-modules", map[string]any{"cloudAgentIds": agents, "modules": "VM"}) // SwCA needs it
	s.run(t, good, "deactivate-modules", map[string]any{"cloudAgentIds": agents, "modules": []string{"VM", "SwCA"}})
	s.run(t, some, "uninstall-cloud-agents", map[string]any{"cloudAgentIds": []int64{agents[2], 999}})
	s.run(t, bad, "get-cloud-agent", map[string]any{"cloudAgentId": agents[2]})
	s.run(t, good, "get-cloud-agent", map[string]any{"cloudAgentId": agents[0]})
}

// No agent runs here, so the scans stay queued.
func TestCommandsOfAutomationLaunchAndFollowScansOfThisPlatform(t *testing.T) {
	t.Parallel()
	s := newCommandSession(t)
	agents := s.run(t, good, "search-cloud-agents", nil).KeyFields["cloudAgentIds"]
	inputs := map[string]any{"cloudAgentIds": agents}
	dry := s.run(t, good, "launch-on-demand-scans", inputs, func(c *integration.Call) { c.DryRun = true })
	if len(dry.Result.Rows) != 3 {
		t.Errorf("a dry run shows %v, want three requests", dry.Result.Rows)
	}
	if none := s.run(t, good, "scan-status", inputs).KeyFields["pending"]; len(none) != 0 {
		t.Errorf("scans after a dry run = %v, want none", none)
	}
	launched := s.run(t, bad, "launch-on-demand-scans", inputs, func(c *integration.Call) { c.Wait = &integration.Wait{} })
	if len(launched.Errors) != 1 || launched.Errors[0].StatusCode != 504 || len(launched.Errors[0].AgentIDs) != 3 {
		t.Errorf("errors = %+v, want one 504 for three agents", launched.Errors)
	}
	if pending := s.run(t, good, "scan-status", inputs).KeyFields["pending"]; len(pending) != 3 {
		t.Errorf("pending scans = %v, want three", pending)
	}
	s.run(t, some, "launch-on-demand-scans", map[string]any{"cloudAgentIds": []int64{agents[0], 999}}, func(c *integration.Call) { c.Key = "run-2" })
}

func TestCommandsOfAutomationManageObjectsOfThisPlatform(t *testing.T) {
	t.Parallel()
	s := newCommandSession(t)
	key := s.run(t, good, "create-activation-key", map[string]any{"title": "Edge", "maxAgents": 5, "expires": "2099-01-01T00:00:00Z", "modules": "VM_LICENSE"})
	var records []struct {
		ActivationKey string
		MaxAgents     int64
		Disabled      bool
	}
	if err := json.Unmarshal(key.ContextData, &records); err != nil || len(records) != 1 || records[0].MaxAgents != 5 {
		t.Fatalf("context data of the key = %s, %v", key.ContextData, err)
	}
	changed := s.run(t, good, "update-activation-key", map[string]any{"key": "Edge", "disabled": true})
	if err := json.Unmarshal(changed.ContextData, &records); err != nil || !records[0].Disabled || records[0].MaxAgents != 5 {
		t.Errorf("context data of the changed key = %s, %v, want it disabled with its maximum", changed.ContextData, err)
	}
	s.run(t, good, "delete-activation-key", map[string]any{"key": records[0].ActivationKey})
	s.run(t, bad, "delete-activation-key", map[string]any{"key": "Edge"})
	s.run(t, good, "list-activation-keys", nil)

	s.run(t, good, "create-configuration-profile", map[string]any{"name": "Edge", "performanceLevel": "Low", "blackouts": "mon-fri 8-18"})
	s.run(t, good, "update-configuration-profile", map[string]any{"profile": "Edge", "performance": map[string]any{"CPU_LIMIT": 10}, "priority": 1})
	if n := len(s.run(t, good, "list-configuration-profiles", nil).Result.Rows); n < 2 {
		t.Errorf("%d profiles, want those of the system and Edge", n)
	}
	s.run(t, good, "delete-configuration-profile", map[string]any{"profile": "Edge"})

	connector := map[string]any{"name": "Main", "roleArn": "arn:aws:iam::123456789012:role/vedette", "externalId": "x-2f7c", "regions": "eu-west-1", "disabled": true, "every": "4h"}
	id := s.run(t, good, "create-connector", connector).KeyFields["connectorIds"]
	s.run(t, good, "update-connector", map[string]any{"connector": "Main", "every": "12h"})
	s.run(t, good, "list-connectors", nil)
	s.run(t, bad, "run-connectors", map[string]any{"connectors": "Main"}) // it is disabled
	s.run(t, good, "delete-connector", map[string]any{"connector": fmt.Sprint(id[0])})
	s.run(t, bad, "update-connector", map[string]any{"connector": "Main", "every": "4h"})
}
