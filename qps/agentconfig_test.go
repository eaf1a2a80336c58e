package qps

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fullProfile() *AgentConfig {
	return &AgentConfig{
		ID: 3301, Name: `Edge <west> & "co"`, IsDefault: true, Priority: 4, CreatedDate: at(1, 0), CreatedBy: "Ada O'Neil", Description: "invented",
		Tags: ConfigTags{
			Include: []ConfigTag{{ID: 51077, UUID: "0f7c1c52-0000-4000-8000-00000000e001", Name: "Edge"}, {ID: 51078, Name: "West"}}, IncludeResolution: ResolveAll,
			Exclude: []ConfigTag{{ID: 51020, Name: "Lab"}}, ExcludeResolution: ResolveAny, TagSetUUID: "f5edf058-0000-4000-8000-00000000000a",
		},
		SuspendScanning: true, PreventAgentUpdate: true, InMemoryDBEnabled: true, TotalAgents: 12,
		Blackouts:           []BlackoutConfig{{StartHour: 22, EndHour: 6, Days: [7]bool{true, true, false, false, false, false, true}}, {StartHour: 0, EndHour: 24}},
		PerformanceSettings: []PerformanceLevelSettings{{"CPU_LIMIT", "15"}, {"FUTURE_KEY", "<x>"}},
	}
}

func TestProfilesMatchTheGoldenFilesAndReadBack(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*Response{
		"profile": NewResult(SchemaAgentConfig, fullProfile()),
		"profiles": NewPage(SchemaAgentConfig, []Record{
			&AgentConfig{ID: 1, Name: "Normal", IsDefault: true, Tags: ConfigTags{IncludeResolution: ResolveAny}}, &AgentConfig{ID: 9_000_000_000_001, Name: "x"},
		}, true, 9_000_000_000_001),
	} {
		for _, form := range forms {
			t.Run(name+"."+form.String(), func(t *testing.T) {
				t.Parallel()
				body := AppendResponse(nil, form, resp, nil)
				golden(t, name+"."+form.String(), body)
				if diff := cmp.Diff(resp.Records, decodeResponse(t, form, body).Records); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestProfileChangesReadTheSameFromBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, xml, json string
		want            AgentConfigChange
	}{
		{
			"a whole profile",
			`<name> Edge </name><description>d</description><isDefault>0</isDefault><suspendScanning>false</suspendScanning><preventAgentUpdate>1</preventAgentUpdate>
				<tags><includeTags><list><ConfigTag><id>51077</id><name>Edge</name></ConfigTag><ConfigTag><name>West</name></ConfigTag></list></includeTags>
				<includeResolution>ANY</includeResolution><excludeTags><set><ConfigTag><id>5</id></ConfigTag></set></excludeTags><excludeResolution>all</excludeResolution></tags>
				<blackoutConfig><settings><list><BlackoutConfig><startHour>7</startHour><endHour> 9 </endHour><monday>1</monday><tuesday>true</tuesday><sunday>0</sunday></BlackoutConfig></list></settings></blackoutConfig>
				<performanceProfile><settings><list><PerformanceLevelSettings><key>CPU_LIMIT</key><value>15</value></PerformanceLevelSettings></list></settings></performanceProfile>`,
			`"performanceProfile":{"settings":{"list":[{"PerformanceLevelSettings":{"key":"CPU_LIMIT","value":15}}]}},
				"blackoutConfig":{"settings":{"list":[{"BlackoutConfig":{"startHour":7,"endHour":"9","monday":1,"tuesday":true}}]}},
				"tags":{"includeTags":{"list":[{"ConfigTag":{"id":51077,"name":"Edge"}},{"ConfigTag":{"name":"West"}}]},"includeResolution":"ANY",
				"excludeTags":{"list":{"ConfigTag":[{"id":"5"}]}},"excludeResolution":"ALL"},
				"name":"Edge","description":"d","isDefault":0,"suspendScanning":"false","preventAgentUpdate":true`,
			AgentConfigChange{
				Name: new("Edge"), Description: new("d"), IsDefault: new(false), SuspendScanning: new(false), PreventAgentUpdate: new(true),
				Tags: &ConfigTags{
					Include: []ConfigTag{{ID: 51077, Name: "Edge"}, {Name: "West"}}, IncludeResolution: ResolveAny,
					Exclude: []ConfigTag{{ID: 5}}, ExcludeResolution: ResolveAll,
				},
				Blackouts:           &[]BlackoutConfig{{StartHour: 7, EndHour: 9, Days: [7]bool{false, true, true}}},
				PerformanceSettings: &[]PerformanceLevelSettings{{"CPU_LIMIT", "15"}},
			},
		},
		{
			"the update in use", `<id>3301</id><name>Edge</name><isDefault>1</isDefault><priority>1</priority>`, `"id":3301,"name":"Edge","isDefault":"1","priority":1`,
			AgentConfigChange{ID: new(int64(3301)), Name: new("Edge"), IsDefault: new(true), Priority: new(int64(1))},
		},
		{
			"empty elements say nothing",
			`<name>n</name><description/><priority></priority><isDefault> </isDefault><tags/><blackoutConfig/><performanceProfile><settings/></performanceProfile>`,
			`"name":"n","description":"","priority":null,"isDefault":"","tags":{},"blackoutConfig":{},"performanceProfile":{"settings":{}}`,
			AgentConfigChange{Name: new("n")},
		},
		{
			"empty lists empty",
			`<tags><includeTags/><includeResolution>ANY</includeResolution><excludeTags></excludeTags></tags><blackoutConfig><settings><list/></settings></blackoutConfig>
				<performanceProfile><settings><list/></settings></performanceProfile>`,
			`"tags":{"includeTags":{},"includeResolution":"ANY"},"blackoutConfig":{"settings":{"list":[]}},"performanceProfile":{"settings":{"list":[]}}`,
			AgentConfigChange{
				Tags:      &ConfigTags{IncludeResolution: ResolveAny, ExcludeResolution: ResolveAny},
				Blackouts: &[]BlackoutConfig{}, PerformanceSettings: &[]PerformanceLevelSettings{},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				"<ServiceRequest><data><AgentConfig>" + tc.xml + "</AgentConfig></data></ServiceRequest>", `{"ServiceRequest":{"data":{"AgentConfig":{` + tc.json + `}}}}`,
				string(EncodeRequest(XML, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
				string(EncodeRequest(JSON, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
			} {
				got, err := ParseAgentConfigChange(dataOf(t, body))
				if err != nil {
					t.Fatalf("%v\n%s", err, body)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s\n(-want +got):\n%s", body, diff)
				}
			}
		})
	}
}

// TestAProfileThatWasReadCanBeSentBack is what migration tools do.
func TestAProfileThatWasReadCanBeSentBack(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		body := string(AppendResponse(nil, form, NewResult(SchemaAgentConfig, fullProfile()), nil))
		body = strings.NewReplacer("ServiceResponse", "ServiceRequest", "<responseCode>SUCCESS</responseCode>", "", "<count>1</count>", "",
			`"responseCode":"SUCCESS","count":1,`, "").Replace(body)
		got, err := ParseAgentConfigChange(dataOf(t, body))
		if err != nil {
			t.Fatalf("%v: %v", form, err)
		}
		if *got.Name != fullProfile().Name || len(got.Tags.Include) != 2 || len(*got.Blackouts) != 2 || len(*got.PerformanceSettings) != 2 {
			t.Errorf("%v: got %+v", form, got)
		}
	}
}

func TestWrongProfileElementsAreNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, data, says string }{
		{"another object", `<Tag/>`, "'Tag'"},
		{"unknown element", `<AgentConfig><title>x</title></AgentConfig>`, "'title'"},
		{"element given twice", `<AgentConfig><name>x</name><name>y</name></AgentConfig>`, "'name' is given more than once"},
		{"misspelled setting", `<AgentConfig><performanceProfile><settings><list><PerformancelLevelSettings/></list></settings></performanceProfile></AgentConfig>`, "'PerformancelLevelSettings'"},
		{"default that is no bit", `<AgentConfig><isDefault>yes</isDefault></AgentConfig>`, "'yes' for 'isDefault'"},
		{"priority that is no number", `<AgentConfig><priority>first</priority></AgentConfig>`, "'first' for 'priority'"},
		{"id beyond 64 bits", `<AgentConfig><id>9223372036854775808</id></AgentConfig>`, "9223372036854775808"},
		{"name with elements", `<AgentConfig><name><b>x</b></name></AgentConfig>`, "'name'"},
		{"unknown resolution", `<AgentConfig><tags><includeResolution>SOME</includeResolution></tags></AgentConfig>`, "'SOME' for 'includeResolution'"},
		{"tag of another kind", `<AgentConfig><tags><includeTags><list><TagSimple/></list></includeTags></tags></AgentConfig>`, "'TagSimple'"},
		{"tags without a list", `<AgentConfig><tags><includeTags><ConfigTag/></includeTags></tags></AgentConfig>`, "'ConfigTag'"},
		{"window without an end", `<AgentConfig><blackoutConfig><settings><list><BlackoutConfig><startHour>1</startHour></BlackoutConfig></list></settings></blackoutConfig></AgentConfig>`, "'endHour' is missing"},
		{"unknown day", `<AgentConfig><blackoutConfig><settings><list><BlackoutConfig><someday>1</someday></BlackoutConfig></list></settings></blackoutConfig></AgentConfig>`, "'someday'"},
		{"day that is no bit", `<AgentConfig><blackoutConfig><settings><list><BlackoutConfig><startHour>1</startHour><endHour>2</endHour><monday>2</monday></BlackoutConfig></list></settings></blackoutConfig></AgentConfig>`, "'2' for 'monday'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseAgentConfigChange(dataOf(t, "<ServiceRequest><data>"+tc.data+"</data></ServiceRequest>"))
			refused, ok := errors.AsType[*RequestError](err)
			if !ok || refused.Code != CodeInvalidRequest || refused.Resolution == "" || !strings.Contains(refused.Message, tc.says) {
				t.Errorf("got %v, want INVALID_REQUEST with %q", err, tc.says)
			}
		})
	}
	if _, err := ParseAgentConfigChange(nil); err == nil {
		t.Error("no element at all is accepted")
	}
}

// FuzzProfileChange sends what could be read once more: it must be read alike.
func FuzzProfileChange(f *testing.F) {
	f.Add(`<ServiceRequest><data><AgentConfig><name>n</name><isDefault>0</isDefault><tags><includeTags><list><ConfigTag><id>1</id></ConfigTag></list></includeTags></tags></AgentConfig></data></ServiceRequest>`)
	f.Add(`{"ServiceRequest":{"data":{"AgentConfig":{"priority":1,"blackoutConfig":{"settings":{"list":[{"BlackoutConfig":{"startHour":1,"endHour":2,"sunday":true}}]}}}}}}`)
	f.Add(`{"ServiceRequest":{"data":[{"AgentConfig":{"performanceProfile":{"settings":{"list":[{"PerformanceLevelSettings":{"key":"a\r","value":null}}]}}}}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := DecodeRequest(strings.NewReader(body), "")
		if err != nil || req.Data == nil || len(req.Data.Children) == 0 {
			return
		}
		change, err := ParseAgentConfigChange(req.Data.Children[0])
		if err != nil {
			return
		}
		for _, form := range forms {
			sent := EncodeRequest(form, &Request{Data: &Node{Name: "data", Children: []*Node{change.Node()}}})
			again, err := DecodeRequest(strings.NewReader(string(sent)), "")
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, sent)
			}
			read, err := ParseAgentConfigChange(again.Data.Children[0])
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, sent)
			}
			if diff := cmp.Diff(change, read); diff != "" {
				t.Fatalf("%v (-sent +read):\n%s", form, diff)
			}
		}
	})
}
