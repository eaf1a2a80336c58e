package integration

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

func command(t *testing.T, name string) Command {
	t.Helper()
	c, ok := FindCommand("qualys-cloud-agent/" + name)
	if !ok {
		t.Fatalf("there is no command %s", name)
	}
	return c
}

func TestInputsAreNamedAsInTheFormOrAsInFiles(t *testing.T) {
	t.Parallel()
	want := Values{"cloudAgentIds": []int64{12, 7}, "scanType": "Vulnerability Scan", "overrideCpuThrottleLimits": true}
	for _, raw := range []map[string]any{
		{"Cloud Agent IDs": []any{"12", "7"}, "Scan Type": "Vulnerability Scan", "Override CPU Throttle Limits": true},
		{"cloudAgentIds": `[ "12", 7, "12" ]`, "scanType": "vulnerability scan", "overrideCpuThrottleLimits": "True"},
		{"cloudAgentIds": "12, 7", "scanType": "Vulnerability_Scan", "Override CPU Throttle Limits": "true"},
		{"cloudAgentIds": []int64{12, 7}, "scanType": "VULNERABILITY SCAN", "overrideCpuThrottleLimits": true},
		{"cloudAgentIds": []any{float64(12), json.Number("7")}, "scanType": "Vulnerability Scan", "overrideCpuThrottleLimits": true},
	} {
		got, err := command(t, "launch-on-demand-scans").Check(raw, nil)
		if err != nil {
			t.Errorf("check %v: %v", raw, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("check %v (-want +got):\n%s", raw, diff)
		}
	}
}

func TestDefaultsAreThoseOfThePublishedIntegration(t *testing.T) {
	t.Parallel()
	got, err := command(t, "launch-on-demand-scans").Check(map[string]any{"cloudAgentIds": "1", "scanType": "", "overrideCpuThrottleLimits": nil}, nil)
	want := Values{"cloudAgentIds": []int64{1}, "scanType": "Inventory Scan", "overrideCpuThrottleLimits": false}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, values (-want +got):\n%s", err, diff)
	}
	if got, err := command(t, "search-cloud-agents").Check(nil, nil); err != nil || got.Has("lastCheckedInFrom") || got.Has("lastCheckedInTo") || got.Has("hostName") || got.Has("os") {
		t.Errorf("a search without inputs = %v, %v, want none of the four filters", got, err)
	}
}

func TestWrongInputsAreNamedWithWhatIsAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, command string
		raw           map[string]any
		want          string // of message and resolution
	}{
		{"nothing-given", "launch-on-demand-scans", nil, "Cloud Agent IDs parameter is required. Run Search Cloud Agents to obtain the Cloud Agent IDs."},
		{"an-empty-list", "launch-on-demand-scans", map[string]any{"cloudAgentIds": "[]"}, "Cloud Agent IDs parameter is required."},
		{"a-uuid", "launch-on-demand-scans", map[string]any{"cloudAgentIds": []any{"1", "5d2a7c1e"}},
			`Cloud Agent IDs parameter: "5d2a7c1e" is not a positive integer. A Cloud Agent ID is the id of the host asset`},
		{"a-negative-id", "launch-on-demand-scans", map[string]any{"cloudAgentIds": -3}, "Cloud Agent IDs parameter: -3 is not a positive integer."},
		{"a-fraction", "launch-on-demand-scans", map[string]any{"cloudAgentIds": []any{1.5}}, "Cloud Agent IDs parameter: 1.5 is not a positive integer."},
		{"an-object", "launch-on-demand-scans", map[string]any{"cloudAgentIds": map[string]any{"id": 1}}, `Cloud Agent IDs parameter {"id":1} is not a list of IDs.`},
		{"broken-json", "launch-on-demand-scans", map[string]any{"cloudAgentIds": `["1"`}, `Cloud Agent IDs parameter "[\"1\"" is not a list of IDs.`},
		{"an-unknown-scan-type", "launch-on-demand-scans", map[string]any{"cloudAgentIds": 1, "Scan Type": "Full"},
			`Scan Type parameter "Full" is not allowed, use one of: Inventory Scan, Vulnerability Scan, Policy Compliance Scan, UDC Scan, SCA Scan, SWCA Scan.`},
		{"yes-for-true", "launch-on-demand-scans", map[string]any{"cloudAgentIds": 1, "overrideCpuThrottleLimits": "yes"},
			`Override CPU Throttle Limits parameter "yes" is not allowed, use True or False.`},
		{"an-unknown-input", "search-cloud-agents", map[string]any{"hostname": "x"}, `Search Cloud Agents has no input "hostname". Its inputs are: Last Checked In Time From (lastCheckedInFrom)`},
		{"an-input-of-none", "test-connection", map[string]any{"x": 1}, `Test Connection has no input "x". It takes no inputs.`},
		{"one-input-by-both-names", "search-cloud-agents", map[string]any{"os": "x", "OS": "y"}, "OS parameter is given twice, as os and as OS. Give it once."},
		{"no-time", "search-cloud-agents", map[string]any{"lastCheckedInTo": "yesterday"}, `Last Checked In Time To parameter: "yesterday" is not a time, use MM/DD/YYYY hh:mm AM/PM`},
		{"a-number-for-a-time", "search-cloud-agents", map[string]any{"lastCheckedInTo": 12}, "Last Checked In Time To parameter 12 is not a time. Example: 01/02/2025 08:00 PM"},
		{"a-long-host-name", "search-cloud-agents", map[string]any{"hostName": strings.Repeat("a", 256)}, "Host Name parameter has 256 bytes, at most 255 are allowed."},
		{"a-control-character", "search-cloud-agents", map[string]any{"hostName": "a\x00b"}, "Host Name parameter has control characters, which are not allowed."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := command(t, tt.command).Check(tt.raw, nil)
			refused, ok := errors.AsType[*fault.Error](err)
			if !ok || refused.Code != fault.Invalid {
				t.Fatalf("error = %v, want a fault of code invalid", err)
			}
			if got := refused.Message + " " + refused.Resolution; !strings.HasPrefix(got, tt.want) {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestALaunchTakesAThousandAgentsAndNoMore(t *testing.T) {
	t.Parallel()
	ids := make([]int64, 1001)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	c := command(t, "launch-on-demand-scans")
	if _, err := c.Check(map[string]any{"cloudAgentIds": ids[:1000]}, nil); err != nil {
		t.Errorf("1000 agents: %v", err)
	}
	if _, err := c.Check(map[string]any{"cloudAgentIds": ids}, nil); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("1001 agents: %v, want a refusal", err)
	}
}

// zoned reads times as a user five hours behind UTC writes them.
type zoned struct{}

func (zoned) ReadTime(text string, utc bool) (time.Time, error) {
	zone := time.FixedZone("behind", -5*60*60)
	if utc {
		zone = time.UTC
	}
	return time.ParseInLocation("2006-01-02 15:04", text, zone)
}

func TestTheTimesOfASearchAreUTCWhateverTheZoneOfTheUserIs(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC)
	got, err := command(t, "search-cloud-agents").Check(map[string]any{"Last Checked In Time To": "2025-01-02 20:00"}, zoned{})
	if err != nil || !got.Time("lastCheckedInTo").Equal(at) {
		t.Errorf("labelled UTC = %v, %v, want %v", got, err, at)
	}
	other := Input{Name: "expires", DisplayName: "Expires", Type: DateTime}
	if got, err := other.Read("2025-01-02 15:00", zoned{}); err != nil || got != at {
		t.Errorf("not labelled = %v, %v, want %v", got, err, at)
	}
}

func TestASecretThatIsWrongIsNotRepeated(t *testing.T) {
	t.Parallel()
	in := Input{Name: "key", DisplayName: "Key", Type: Secret, Max: new(int64(4))}
	for _, raw := range []any{"hunter22", map[string]any{"hunter22": 1}, "a\x00hunter22"} {
		if _, err := in.Read(raw, nil); err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("error for %v = %v, want one without the value", raw, err)
		}
	}
}

func TestCheckedValuesAreReadAgainAsTheyWere(t *testing.T) {
	t.Parallel()
	c := Command{DisplayName: "Sample", Inputs: []Input{
		{Name: "text", DisplayName: "text", Type: Text, Emptiable: true}, {Name: "number", DisplayName: "number", Type: Integer},
		{Name: "yes", DisplayName: "yes", Type: Boolean}, {Name: "at", DisplayName: "at", Type: DateTime},
		{Name: "ids", DisplayName: "ids", Type: IDs}, {Name: "texts", DisplayName: "texts", Type: Texts, Emptiable: true},
		{Name: "every", DisplayName: "every", Type: Duration}, {Name: "object", DisplayName: "object", Type: Object},
	}}
	want := Values{
		"text": "", "number": int64(1)<<53 + 1, "yes": false, "at": time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC), "ids": []int64{9, 1<<53 + 1},
		"texts": []string{}, "every": 90 * time.Minute, "object": map[string]any{"a": "b"},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var raw Values
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	got, err := c.Check(raw, nil)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, values (-want +got):\n%s", err, diff)
	}
}

// FuzzInputs reads any JSON as each type: what is accepted is accepted again as
// it was stored.
func FuzzInputs(f *testing.F) {
	for _, seed := range []string{`"[1,2]"`, `[1,"2"]`, `1.5`, `"1h"`, `"12/29/2024 09:00 AM"`, `{"a":1}`, `null`, `true`, `"True"`, `"a,b"`, `1e300`, `-0.0`} {
		f.Add(seed)
	}
	types := []Type{Text, Integer, Boolean, DateTime, Choice, IDs, Texts, Duration, Object}
	f.Fuzz(func(t *testing.T, text string) {
		var raw any
		if json.Unmarshal([]byte(text), &raw) != nil {
			return
		}
		for _, kind := range types {
			c := Command{DisplayName: "Sample", Inputs: []Input{{Name: "value", DisplayName: "Value", Type: kind, Choices: []string{"a", "true"}}}}
			first, err := c.Check(map[string]any{"value": raw}, nil)
			if err != nil {
				continue
			}
			stored, err := json.Marshal(first)
			if err != nil {
				t.Fatalf("%s %s: marshal %v: %v", kind, text, first, err)
			}
			var again map[string]any
			if err := json.Unmarshal(stored, &again); err != nil {
				t.Fatal(err)
			}
			second, err := c.Check(again, nil)
			if diff := cmp.Diff(first, second); err != nil || diff != "" {
				t.Errorf("%s %s: error %v, values (-first +second):\n%s", kind, text, err, diff)
			}
		}
	})
}
