package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

// sent is the data of the last write that a command sends, on one line.
func sent(t *testing.T, name string, inputs map[string]any) (path, data string) {
	t.Helper()
	p := newPlatform(t)
	if out := run(t, p, name, inputs); out.State != automation.Successful {
		t.Fatalf("outcome = %+v", out)
	}
	for _, r := range p.received() {
		if r.key != "" {
			path, data = r.path, element(r.body, "data")
		}
	}
	return path, data
}

// element is an element of a request, on one line.
func element(body, name string) string {
	begin, end := strings.Index(body, "<"+name+">"), strings.Index(body, "</"+name+">")
	if begin < 0 || end < 0 {
		return ""
	}
	var line strings.Builder
	for part := range strings.Lines(body[begin : end+len(name)+3]) {
		line.WriteString(strings.TrimSpace(part))
	}
	return line.String()
}

func TestWhatIsSaidOfObjectsReachesThePlatform(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, command string
		inputs        map[string]any
		path, data    string
	}{
		{"a-key-with-limits", "create-activation-key", map[string]any{"title": "Edge", "maxAgents": 250, "expires": "06/30/2032 12:00 AM", "modules": "VM_LICENSE", "tags": "Edge, 7"},
			"/qps/rest/1.0/create/ca/agentactkey",
			"<data><AgentActKey><title>Edge</title><type>COUNT_TIME_LIMITED</type><countPurchased>250</countPurchased><expireDate>2032-06-30T00:00:00Z</expireDate>" +
				"<modules><list><ActivationKeyModule><license>VM_LICENSE</license></ActivationKeyModule></list></modules>" +
				"<tags><list><Tag><name>Edge</name></Tag><Tag><id>7</id></Tag></list></tags></AgentActKey></data>"},
		{"a-key-by-its-uuid-that-keeps-its-maximum", "update-activation-key", map[string]any{"key": "5D2A7C1E-0000-4000-8000-000000000005", "disabled": true, "tags": []any{}},
			"/qps/rest/1.0/update/ca/agentactkey/5",
			"<data><AgentActKey><id>5</id><type>COUNT_LIMITED</type><countPurchased>9</countPurchased><isDisabled>true</isDisabled><tags><list/></tags></AgentActKey></data>"},
		{"a-profile-by-its-name", "update-configuration-profile", map[string]any{"profile": "Edge", "performance": map[string]any{"CPU_LIMIT": 10}, "blackouts": "sat 22-6", "includeTags": "Edge"},
			"/qps/rest/1.0/update/ca/agentconfig/5",
			"<data><AgentConfig><id>5</id><name>Edge</name><tags><includeTags><list><ConfigTag><name>Edge</name></ConfigTag></list></includeTags><includeResolution>ANY</includeResolution><excludeTags/><excludeResolution>ANY</excludeResolution></tags>" +
				"<blackoutConfig><settings><list><BlackoutConfig><startHour>22</startHour><endHour>6</endHour><monday>0</monday><tuesday>0</tuesday><wednesday>0</wednesday>" +
				"<thursday>0</thursday><friday>0</friday><saturday>1</saturday><sunday>0</sunday></BlackoutConfig></list></settings></blackoutConfig>" +
				"<performanceProfile><settings><list><PerformanceLevelSettings><key>CPU_LIMIT</key><value>10</value></PerformanceLevelSettings></list></settings></performanceProfile></AgentConfig></data>"},
		{"a-govcloud-account", "create-connector",
			map[string]any{"name": "Gov", "partition": "AWS GovCloud (US)", "authRecordId": 9001, "regions": "us-gov-west-1, us-gov-east-1", "every": "4h"},
			"/qps/rest/2.0/create/am/awsassetdataconnector",
			"<data><AwsAssetDataConnector><name>Gov</name><isGovCloudConfigured>true</isGovCloudConfigured><isChinaConfigured>false</isChinaConfigured><runFrequency>240</runFrequency>" +
				"<authRecord><id>9001</id></authRecord><endpoints><set><AwsEndpointSimple><regionCode>us-gov-west-1</regionCode></AwsEndpointSimple>" +
				"<AwsEndpointSimple><regionCode>us-gov-east-1</regionCode></AwsEndpointSimple></set></endpoints><allRegions>false</allRegions></AwsAssetDataConnector></data>"},
		{"tags-by-name", "tag-cloud-agents", map[string]any{"cloudAgentIds": "1, 2", "tags": "Edge"},
			"/qps/rest/2.0/update/am/hostasset", "<data><HostAsset><tags><add><TagSimple><id>5</id></TagSimple></add></tags></HostAsset></data>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, data := sent(t, tt.command, tt.inputs)
			if path != tt.path {
				t.Errorf("path = %s, want %s", path, tt.path)
			}
			if diff := cmp.Diff(tt.data, data); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectsThatAreNotMeantAreNotTouched(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, command string
		inputs        map[string]any
		status        int
		message       string
	}{
		{"an-unknown-key", "delete-activation-key", map[string]any{"key": "East"}, 404, `There is no activation key "East".`},
		{"an-unknown-profile", "delete-configuration-profile", map[string]any{"profile": "East"}, 404, `There is no configuration profile "East".`},
		{"a-connector-that-is-no-name", "delete-connector", map[string]any{"connector": "-1"}, 400, `The connector "-1" is neither a name nor a positive integer.`},
		{"nothing-to-change", "update-connector", map[string]any{"connector": "5"}, 400, "There is nothing to change."},
		{"a-module-that-is-none", "activate-modules", map[string]any{"cloudAgentIds": 1, "modules": "WEB"}, 400, `Module "WEB" is not known.`},
		{"a-misspelled-parameter", "create-configuration-profile", map[string]any{"name": "x", "performance": `{"cpu_limit": 5}`}, 400,
			`Performance Parameters parameter: "cpu_limit" is not known.`},
		{"a-window-that-is-none", "create-configuration-profile", map[string]any{"name": "x", "blackouts": "always"}, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			out := run(t, p, tt.command, tt.inputs)
			if out.State != automation.Failed || len(out.Errors) != 1 || out.Errors[0].StatusCode != tt.status || tt.message != "" && out.Errors[0].Message != tt.message {
				t.Errorf("outcome = %+v, want Failed with %d %s", out, tt.status, tt.message)
			}
			for _, r := range p.received() {
				if r.key != "" {
					t.Errorf("%s was sent", r)
				}
			}
		})
	}
}

func TestANameOfSeveralObjectsIsNoName(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		xml(w, http.StatusOK, qps.NewResult(qps.SchemaTag, &qps.Tag{ID: 5, Name: "Edge"}, &qps.Tag{ID: 6, Name: "Edge"}))
		return true
	}
	out := run(t, p, "tag-cloud-agents", map[string]any{"cloudAgentIds": 1, "tags": "Edge"})
	const want = "Tag Cloud Agents failed.\nStatus Code: 409.\nMessage: The name \"Edge\" is that of several: tag 5, 6.\nUse the ID.\n"
	if len(out.Errors) != 1 || out.Errors[0].Text() != want || len(p.received()) != 1 {
		t.Errorf("outcome = %+v, want one error %q", out, want)
	}
}

// A change that was made is a success, whatever happens to the look at its result.
func TestAChangeThatCannotBeShownIsStillMade(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n != 2 {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	out := run(t, p, "update-connector", map[string]any{"connector": "5", "disabled": true})
	if out.State != automation.Successful || len(out.Notes) != 1 || !strings.HasPrefix(out.Notes[0], "The change was made") || out.KeyFields["connectorIds"][0] != 5 {
		t.Errorf("outcome = %+v, want Successful with a note", out)
	}
}

func TestListsLeaveRecordsAndKeyFields(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{
		"list-activation-keys": "activationKeyIds", "list-configuration-profiles": "configurationProfileIds", "list-connectors": "connectorIds",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := run(t, newPlatform(t), name, nil)
			var records []map[string]any
			if err := json.Unmarshal(out.ContextData, &records); err != nil || len(records) != 1 || records[0]["id"] != 5.0 {
				t.Errorf("context data = %s, %v, want one record with id 5", out.ContextData, err)
			}
			if diff := cmp.Diff([]int64{5}, out.KeyFields[field]); diff != "" {
				t.Errorf("key field %s (-want +got):\n%s", field, diff)
			}
			if len(out.Result.Rows) != 1 || len(out.Result.Rows[0]) != len(out.Result.Columns) {
				t.Errorf("result = %+v, want one full row", out.Result)
			}
		})
	}
}

// What the manifest promises and what a command leaves are the same.
func TestKeyFieldsAreThoseOfTheManifest(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			c := command(t, s.command)
			declared := map[string]bool{}
			for _, k := range c.KeyFields {
				declared[k.Name] = true
			}
			out := run(t, newPlatform(t), s.command, s.inputs)
			for field := range out.KeyFields {
				if !declared[field] {
					t.Errorf("%s leaves %s, which the manifest does not name", c.Name, field)
				}
			}
			if len(c.KeyFields) > 0 && len(out.KeyFields) == 0 {
				t.Errorf("%s leaves no key fields", c.Name)
			}
			for _, output := range []struct {
				name string
				is   bool
			}{{"contextData", out.ContextData != nil}, {"keyFields", out.KeyFields != nil}, {"passdown", out.Passdown != nil}} {
				has := false
				for _, o := range c.Outputs {
					has = has || o.Name == output.name
				}
				if has != output.is {
					t.Errorf("%s: the manifest says %t of %s, the outcome %t", c.Name, has, output.name, output.is)
				}
			}
		})
	}
}

func TestASampleOfEveryCommandIsTested(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, s := range samples() {
		tested[s.command] = true
	}
	for _, c := range qualys(t).Commands {
		if !tested[c.Name] {
			t.Errorf("there is no sample of %s", c.Name)
		}
	}
}

// Nobody knows whether there is an object now: who makes another one should look
// first.
func TestAnObjectThatMayHaveBeenMadeIsSaidToBe(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]map[string]any{
		"create-activation-key": {"title": "Edge"}, "create-configuration-profile": {"name": "Edge"}, "create-connector": {"name": "Edge"},
	} {
		for _, lost := range []bool{true, false} {
			p := newPlatform(t)
			p.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				if lost {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			out := run(t, p, name, inputs)
			if said := strings.HasPrefix(out.Errors[0].Resolution, "The platform may have carried it out all the same"); said != lost {
				t.Errorf("%s, connection lost %t: next step = %q", name, lost, out.Errors[0].Resolution)
			}
		}
	}
}
