package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/theory/jsonpath"

	"vedette.dev/vedette/internal/automation"
)

// run executes a command with raw inputs as Test Command does.
func run(t *testing.T, p *platform, name string, inputs map[string]any) automation.Outcome {
	t.Helper()
	c := command(t, name)
	v, err := c.Check(inputs, nil)
	if err != nil {
		return c.Fail(err)
	}
	answer := c.Execute(t.Context(), p.session(t), Call{Values: v, Key: "run-1"})
	if answer.Continue != nil {
		t.Fatalf("%s has not ended: %+v", name, answer.Continue)
	}
	return answer.Outcome
}

// The error samples of the published integration, word for word.
func TestErrorsReadAsPublished(t *testing.T) {
	t.Parallel()
	refused := func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	tests := []struct {
		command string
		inputs  map[string]any
		fault   func(int, http.ResponseWriter, *http.Request) bool
		want    string
	}{
		{"launch-on-demand-scans", map[string]any{"Cloud Agent IDs": []any{"1"}, "Scan Type": "Vulnerability Scan"}, refused,
			"Launch On Demand Scans failed.\nStatus Code: 401.\nMessage: Authentication failed.\n"},
		{"search-cloud-agents", map[string]any{"Last Checked In Time From": "01/02/2025 08:00 PM", "Last Checked In Time To": "12/29/2024 09:00 AM"}, nil,
			"Search Cloud Agents failed.\nStatus Code: 400.\nMessage: Last Checked In Time From parameter should not be bigger than Last Checked In Time To parameter.\n"},
		{"test-connection", nil, refused, "Test Connection failed. Failed to check the connector.\nStatus Code: 401.\nMessage: Authentication failed.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.command, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.fault = tt.fault
			out := run(t, p, tt.command, tt.inputs)
			if out.State != automation.Failed || len(out.Errors) != 1 {
				t.Fatalf("outcome = %+v, want Failed with one error", out)
			}
			e := out.Errors[0]
			e.Resolution = "" // a line of its own, beyond what is published
			if got := e.Text(); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
			if tt.fault == nil && len(p.received()) != 0 {
				t.Error("the platform was called although the inputs are wrong")
			}
		})
	}
}

func TestCommandsArePresentedAsPublished(t *testing.T) {
	t.Parallel()
	const read = "Cloud Agent > CA Module Access Permissions > CA API Access Permissions for subusers"
	want := []string{
		"Test Connection: " + read,
		"Search Cloud Agents: " + read,
		"  Last Checked In Time From datetime", "  Last Checked In Time To datetime", "  Host Name text", "  OS text",
		"Launch On Demand Scans: Cloud Agent > CA Agent Permissions > Launch On-Demand Scan",
		"  Cloud Agent IDs ids required", "  Scan Type choice", "  Override CPU Throttle Limits boolean",
	}
	own := map[string]bool{"tag": true, "sinceLastRun": true, "maxRecords": true, "afterId": true} // beyond what is published
	var got []string
	for _, c := range qualys(t).Commands[:3] {
		got = append(got, c.DisplayName+": "+c.Permission)
		for _, in := range c.Inputs {
			if own[in.Name] {
				continue
			}
			line := fmt.Sprintf("  %s %s", in.DisplayName, in.Type)
			if in.Required {
				line += " required"
			}
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	var parameters []string
	for _, p := range qualys(t).Parameters[:4] {
		parameters = append(parameters, p.DisplayName)
	}
	if diff := cmp.Diff([]string{"Qualys API Server URL", "Username", "Password", "API Version"}, parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// The path that the published integration names for Cloud Agent IDs works on our
// raw data, with the evaluator that playbooks use.
func TestThePublishedPathFindsTheCloudAgentIDs(t *testing.T) {
	t.Parallel()
	out := run(t, newPlatform(t), "search-cloud-agents", nil)
	var raw any
	if err := json.Unmarshal(out.RawData, &raw); err != nil {
		t.Fatal(err)
	}
	path, err := jsonpath.Parse("$.ServiceResponse.data.HostAsset[*].id")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint([]any(path.Select(raw))); got != "[1 2 3]" {
		t.Errorf("%s = %s, want [1 2 3]", path, got)
	}
}

func TestASearchLeavesAllSevenOutputs(t *testing.T) {
	t.Parallel()
	out := run(t, newPlatform(t), "search-cloud-agents", nil)
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var shown map[string]json.RawMessage
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	for _, o := range command(t, "search-cloud-agents").Outputs {
		if _, has := shown[o.Name]; !has && o.Name != "errors" {
			t.Errorf("there is no %s in %s", o.Name, text)
		}
	}
	var records []struct {
		ID   int64
		Name string
	}
	if err := json.Unmarshal(out.ContextData, &records); err != nil || len(records) != 3 || records[2].Name != "host-3" {
		t.Errorf("context data = %s, %v, want three records", out.ContextData, err)
	}
	if got := string(shown["returnData"]); got != `"Successful"` {
		t.Errorf("return data = %s", got)
	}
}

func TestFiltersReachThePlatformAsUTC(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	out := run(t, p, "search-cloud-agents", map[string]any{
		"Last Checked In Time From": "12/29/2024 09:00 AM", "Last Checked In Time To": "01/02/2025 08:00 PM", "Host Name": "web", "OS": "Windows", "tag": "Edge", "afterId": 9,
	})
	if out.State != automation.Successful {
		t.Fatalf("outcome = %+v", out)
	}
	const want = `<filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria>` +
		`<Criteria field="lastCheckedIn" operator="GREATER">2024-12-29T09:00:00Z</Criteria><Criteria field="lastCheckedIn" operator="LESSER">2025-01-02T20:00:00Z</Criteria>` +
		`<Criteria field="name" operator="CONTAINS">web</Criteria><Criteria field="os" operator="CONTAINS">Windows</Criteria>` +
		`<Criteria field="tagName" operator="EQUALS">Edge</Criteria><Criteria field="id" operator="GREATER">9</Criteria></filters>`
	if got := element(p.received()[0].body, "filters"); got != want {
		t.Errorf("filters = %s, want %s", got, want)
	}
}

func TestAScheduleFindsWhatCheckedInSinceItsLastRun(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), command(t, "search-cloud-agents")
	v, err := c.Check(map[string]any{"sinceLastRun": true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := c.Execute(t.Context(), p.session(t), Call{Values: v})
	if want := `{"lastCheckedInTo":"2025-01-02T20:00:00Z"}`; string(first.Passdown) != want {
		t.Errorf("passdown = %s, want %s", first.Passdown, want)
	}
	c.Execute(t.Context(), p.session(t), Call{Values: v, Passdown: first.Passdown})
	requests := p.received()
	const want = `<filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria><Criteria field="lastCheckedIn" operator="GREATER">2025-01-02T19:59:00Z</Criteria></filters>`
	if got := element(requests[2].body, "filters"); got != want {
		t.Errorf("filters of the second run = %s, want %s", got, want)
	}
}
