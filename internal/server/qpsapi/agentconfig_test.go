package qpsapi_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// shelf is an in-memory fleet.ProfileStore without priorities to move.
type shelf struct {
	mu   sync.Mutex
	all  []fleet.Profile
	tags []fleet.TagRef
}

func (s *shelf) Profiles(context.Context) ([]fleet.Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all), nil
}

func (s *shelf) ProfileAgents(context.Context) (map[int64]int64, error) {
	return map[int64]int64{1: 41, 3: 2}, nil
}

func (s *shelf) CreateProfile(_ context.Context, p fleet.Profile) (fleet.Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.ID, p.Priority = 151889, len(s.all)+1
	if err := s.resolve(&p); err != nil {
		return p, err
	}
	s.all = append(s.all, p)
	return p, nil
}

func (s *shelf) resolve(p *fleet.Profile) error {
	for _, side := range []*[]fleet.TagRef{&p.Include.Tags, &p.Exclude.Tags} {
		*side = slices.Clone(*side)
		for i, named := range *side {
			at := slices.IndexFunc(s.tags, func(t fleet.TagRef) bool { return t.ID == named.ID || named.ID == 0 && t.Name == named.Name })
			if at < 0 {
				return fault.New(fault.Invalid, fmt.Sprintf("ConfigTag: there is no tag %d ('%s').", named.ID, named.Name), "Search for the ids of the tags there are.")
			}
			(*side)[i] = s.tags[at]
		}
	}
	return nil
}

func (s *shelf) UpdateProfile(_ context.Context, id int64, change func(*fleet.Profile) error) (fleet.Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.all {
		if p.ID != id {
			continue
		}
		if err := change(&p); err != nil {
			return p, err
		}
		if err := s.resolve(&p); err != nil {
			return p, err
		}
		s.all[i] = p
		return p, nil
	}
	return fleet.Profile{}, fleet.NoProfile(id)
}

func (s *shelf) DeleteProfile(_ context.Context, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.all {
		if p.ID != id {
			continue
		}
		if p.System {
			return fault.New(fault.Conflict, "Configuration profile '"+p.Name+"' is a system profile, it cannot be deleted.", "Leave it.")
		}
		s.all = slices.Delete(s.all, i, i+1)
		return nil
	}
	return fleet.NoProfile(id)
}

// named is users whose admin has a first and a last name.
type named struct{ users }

func (n named) Authenticate(ctx context.Context, username, password, address string) (access.Principal, error) {
	principal, err := n.users.Authenticate(ctx, username, password, address)
	principal.User.FirstName, principal.User.LastName = "My", "Name"
	return principal, err
}

func profilePlatform() *platform {
	created := time.Date(2031, 1, 5, 8, 0, 0, 0, time.UTC)
	store := &shelf{
		all: []fleet.Profile{
			{ID: 1, Name: "Normal", System: true, Default: true, Priority: 1, Performance: performance.Settings{"CPU_LIMIT": "20"}, Created: created},
			{ID: 2, Name: "Low", System: true, Priority: 2, Performance: performance.Settings{"CPU_LIMIT": "5"}, Created: created},
			{
				ID: 3, Name: "Edge <profile>", Description: "invented", Priority: 3, Created: created.AddDate(0, 0, 1), CreatedBy: "Ada O'Neil",
				Include:    fleet.ProfileTags{Tags: []fleet.TagRef{{ID: 51077, Name: "Edge"}}, All: true},
				Exclude:    fleet.ProfileTags{Tags: []fleet.TagRef{{ID: 51020, Name: "Lab"}}},
				TagSetUUID: "f5edf058-0000-4000-8000-00000000000a", SuspendScanning: true, InMemoryDB: true,
				Blackout:    []agentwire.Blackout{{StartHour: 22, EndHour: 6, Days: [7]bool{time.Friday: true}}},
				Performance: performance.Settings{"INTERVAL_EVENT_STATUS": "900", "CPU_LIMIT": "1", "PRIORITY_STATUS_UPLOAD_INTERVAL": "300"},
			},
		},
		tags: []fleet.TagRef{{ID: 51077, Name: "Edge"}, {ID: 51020, Name: "Lab"}, {ID: 6332818, Name: "Tag1"}},
	}
	return newPlatform(func(c *qpsapi.Config) {
		c.Users = named{}
		c.Profiles = &fleet.Profiles{
			Store: store, Now: func() time.Time { return time.Date(2017, 2, 20, 9, 35, 4, 0, time.UTC) },
			NewID: func() string { return "f5edf058-c55b-40b8-bc32-94959ca4304c" }, Changed: func() {},
		}
	})
}

const profilesPath = "/qps/rest/1.0/%s/ca/agentconfig"

func profileXML(elements string) string {
	return "<ServiceRequest><data><AgentConfig>" + elements + "</AgentConfig></data></ServiceRequest>"
}

func profileJSON(members string) string {
	return `{"ServiceRequest":{"data":{"AgentConfig":{` + members + `}}}}`
}

// TestProfileAnswersAreTheSameForBothRequestForms calls everything in both
// forms, asks for both, and compares with one golden file per form asked for.
func TestProfileAnswersAreTheSameForBothRequestForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, operation, rest, xml, json string }{
		{"get", "GET", "get", "/3", "", ""},
		{"get fields", "POST", "get", "/3/?fields=id,priority,tags.includeTags.list.ConfigTag.name,totalAgents", "<ServiceRequest/>", "3"},
		{"get unknown", "GET", "get", "/99", "", ""},
		{"get no number", "GET", "get", "/first", "", ""},
		{"count", "GET", "count", "", "", ""},
		{
			"count default", "POST", "count", "",
			`<ServiceRequest><filters><Criteria field="isDefault" operator="EQUALS">1</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"isDefault","operator":"EQUALS","value":"true"}]}}}`,
		},
		{
			"search page", "POST", "search", "/",
			`<ServiceRequest><filters><Criteria field="priority" operator="GREATER">1</Criteria></filters><preferences><limitResults>1</limitResults></preferences></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"priority","operator":"GREATER","value":1}]},"preferences":{"limitResults":1}}}`,
		},
		{"search fields", "POST", "search", "?fields=id,name", "<ServiceRequest/>", "{}"},
		{
			"search unknown field", "POST", "search", "",
			`<ServiceRequest><filters><Criteria field="colour" operator="EQUALS">red</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"colour","operator":"EQUALS","value":"red"}]}}}`,
		},
		{
			"create", "POST", "create", "/",
			profileXML(`<name>West</name><isDefault>0</isDefault><tags><includeTags><list><ConfigTag><name>Edge</name></ConfigTag></list></includeTags></tags>`),
			profileJSON(`"name":"West","isDefault":"0","tags":{"includeTags":{"list":[{"ConfigTag":{"name":"Edge"}}]}}`),
		},
		{
			"create with priority", "POST", "create", "",
			profileXML(`<name>West</name><priority>2</priority><isDefault>0</isDefault><tags><includeResolution>ANY</includeResolution></tags>`),
			profileJSON(`"name":"West","priority":2,"isDefault":0,"tags":{"includeResolution":"ANY"}`),
		},
		{"create without tags", "POST", "create", "", profileXML(`<name>West</name><isDefault>0</isDefault>`), profileJSON(`"name":"West","isDefault":0`)},
		{
			"create with unknown tag", "POST", "create", "",
			profileXML(`<name>West</name><isDefault>0</isDefault><tags><includeTags><list><ConfigTag><id>1</id><name>West</name></ConfigTag></list></includeTags></tags>`),
			profileJSON(`"name":"West","isDefault":0,"tags":{"includeTags":{"list":[{"ConfigTag":{"id":1,"name":"West"}}]}}`),
		},
		{
			"create out of range", "POST", "create", "",
			profileXML(`<name>West</name><isDefault>0</isDefault><tags><includeResolution>ANY</includeResolution></tags><performanceProfile><settings><list><PerformanceLevelSettings><key>CPU_LIMIT</key><value>101</value></PerformanceLevelSettings></list></settings></performanceProfile>`),
			profileJSON(`"name":"West","isDefault":0,"tags":{"includeResolution":"ANY"},"performanceProfile":{"settings":{"list":[{"PerformanceLevelSettings":{"key":"CPU_LIMIT","value":101}}]}}`),
		},
		{"update", "POST", "update", "/3", profileXML(`<name>Edge</name><suspendScanning>false</suspendScanning>`), profileJSON(`"name":"Edge","suspendScanning":false`)},
		{"update by id in body", "POST", "update", "", profileXML(`<id>3</id><name>Edge</name><priority>1</priority>`), profileJSON(`"id":3,"name":"Edge","priority":1`)},
		{"update without id", "POST", "update", "/", profileXML(`<name>Edge</name>`), profileJSON(`"name":"Edge"`)},
		{"update with two ids", "POST", "update", "/3", profileXML(`<id>2</id><name>Edge</name>`), profileJSON(`"id":2,"name":"Edge"`)},
		{"update nothing", "POST", "update", "/3", `<ServiceRequest/>`, `{"ServiceRequest":{}}`},
		{
			"update system profile", "POST", "update", "/2",
			profileXML(`<name>Lowest</name>`), profileJSON(`"name":"Lowest"`),
		},
		{
			"update with a key twice", "POST", "update", "/3",
			profileXML(`<name>Edge</name><performanceProfile><settings><list><PerformanceLevelSettings><key>CPU_LIMIT</key><value>10</value></PerformanceLevelSettings><PerformanceLevelSettings><key>CPU_LIMIT</key><value>11</value></PerformanceLevelSettings></list></settings></performanceProfile>`),
			profileJSON(`"name":"Edge","performanceProfile":{"settings":{"list":[{"PerformanceLevelSettings":{"key":"CPU_LIMIT","value":10}},{"PerformanceLevelSettings":{"key":"CPU_LIMIT","value":11}}]}}`),
		},
		{"delete", "POST", "delete", "/3/", "", "{}"},
		{"delete system profile", "POST", "delete", "/2", "<ServiceRequest/>", ""},
	} {
		for _, in := range []struct{ form, contentType, body string }{{"xml", "text/xml", tc.xml}, {"json", "application/json", tc.json}} {
			for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
				t.Run(tc.name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
					t.Parallel()
					w := profilePlatform().do(t, request{
						method: tc.method, path: fmt.Sprintf(profilesPath, tc.operation) + tc.rest, body: in.body, contentType: in.contentType, accept: out.accept,
					})
					got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
					goldenProfile(t, filepath.Join("testdata", "profile-"+strings.ReplaceAll(tc.name, " ", "-")+"."+out.form), got, in.form == "xml")
				})
			}
		}
	}
}

func goldenProfile(t *testing.T, name, got string, writes bool) {
	t.Helper()
	switch {
	case !*update:
		compareGolden(t, name, got)
	case writes:
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheSampleOfTheReleaseNoteIsAccepted sends the create request of the 2017
// release note as it is printed, the damage of its scan repaired, and looks for
// the elements of its answer in their order.
func TestTheSampleOfTheReleaseNoteIsAccepted(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile(filepath.Join("testdata", "release-note-create-profile.request.xml"))
	if err != nil {
		t.Fatal(err)
	}
	w := profilePlatform().do(t, request{
		method: "POST", path: fmt.Sprintf(profilesPath, "create") + "/", body: string(sample), contentType: "text/xml",
		header: map[string]string{"Cache-Control": "no-cache"},
	})
	body := w.Body.String()
	goldenProfile(t, filepath.Join("testdata", "release-note-create-profile.xml"), body, true)

	var elements []string
	for _, match := range regexp.MustCompile(`\n      <([A-Za-z]+)`).FindAllStringSubmatch(body, -1) {
		elements = append(elements, match[1])
	}
	want := []string{
		"id", "name", "isDefault", "createdDate", "createdBy", "description", "tags", "suspendScanning", "preventAgentUpdate", "totalAgents",
		"blackoutConfig", "performanceProfile",
	}
	if diff := cmp.Diff(want, elements); diff != "" {
		t.Errorf("elements (-sample +got):\n%s", diff)
	}
	profile := envelope(t, w).Records[0].(*qps.AgentConfig)
	if got := len(profile.PerformanceSettings); got != 15 {
		t.Errorf("%d parameters come back, 15 were sent", got)
	}
	if profile.CreatedBy != "My Name" || qps.FormatTime(profile.CreatedDate) != "2017-02-20T09:35:04Z" || profile.TotalAgents != 0 {
		t.Errorf("got %+v", profile)
	}
}

// TestAProfileMovesToAnotherPlatform does what the vendor's migration tool does:
// get, drop what belongs to the old platform, keep tags by name only, create.
func TestAProfileMovesToAnotherPlatform(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"application/xml", "application/json"} {
		from := profilePlatform().do(t, request{path: fmt.Sprintf(profilesPath, "get") + "/3", accept: accept}).Body.String()
		for _, drop := range []string{
			`<id>\d+</id>`, `<(createdDate|createdBy|totalAgents|tagSetUuid)>[^<]*</[^>]*>`, `<responseCode>SUCCESS</responseCode>|<count>1</count>`,
			`"id":\d+,`, `"createdDate":"[^"]*",|"createdBy":"[^"]*",|"totalAgents":\d+,|,"tagSetUuid":"[^"]*"`, `"responseCode":"SUCCESS","count":1,`,
		} {
			from = regexp.MustCompile(drop).ReplaceAllString(from, "")
		}
		from = strings.NewReplacer("ServiceResponse", "ServiceRequest", "Edge &lt;profile&gt;", "Moved", "Edge <profile>", "Moved").Replace(from)
		to := profilePlatform()
		response := envelope(t, to.do(t, request{method: "POST", path: fmt.Sprintf(profilesPath, "create"), body: from}))
		// The one value that the ranges do not take is refused by name.
		if err := response.Err(200); err == nil || !strings.Contains(err.Error(), "CPU_LIMIT is 1,") {
			t.Fatalf("%s: %v\n%s", accept, err, from)
		}
		response = envelope(t, to.do(t, request{
			method: "POST", path: fmt.Sprintf(profilesPath, "create"),
			body: strings.NewReplacer("<value>1</value>", "<value>10</value>", `"value":"1"`, `"value":"10"`).Replace(from),
		}))
		if err := response.Err(200); err != nil {
			t.Fatalf("%s: %v\n%s", accept, err, from)
		}
		got := response.Records[0].(*qps.AgentConfig)
		if diff := cmp.Diff([]qps.ConfigTag{{ID: 51077, Name: "Edge"}}, got.Tags.Include); diff != "" {
			t.Errorf("%s: tags (-want +got):\n%s", accept, diff)
		}
		if got.Name != "Moved" || got.Tags.IncludeResolution != qps.ResolveAll || !got.InMemoryDBEnabled || len(got.Blackouts) != 1 || len(got.PerformanceSettings) != 3 {
			t.Errorf("%s: got %+v", accept, got)
		}
	}
}

func TestProfilesArePagedInEveryStyle(t *testing.T) {
	t.Parallel()
	const page = `<ServiceRequest><preferences><limitResults>2</limitResults>%s</preferences><filters>%s</filters></ServiceRequest>`
	for _, tc := range []struct {
		name, body string
		want       []int64
		more       bool
	}{
		{"first page", fmt.Sprintf(page, "", ""), []int64{1, 2}, true},
		{"offset", fmt.Sprintf(page, "<startFromOffset>3</startFromOffset>", ""), []int64{3}, false},
		{"offset beyond the end", fmt.Sprintf(page, "<startFromOffset>9223372036854775807</startFromOffset>", ""), nil, false},
		{"first id", fmt.Sprintf(page, "<startFromId>2</startFromId>", ""), []int64{2, 3}, false},
		{"id criterion", fmt.Sprintf(page, "", `<Criteria field="id" operator="GREATER">2</Criteria>`), []int64{3}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			response := envelope(t, profilePlatform().do(t, request{method: "POST", path: fmt.Sprintf(profilesPath, "search"), body: tc.body}))
			var ids []int64
			for _, r := range response.Records {
				ids = append(ids, r.(*qps.AgentConfig).ID)
			}
			if more := response.HasMore != nil && *response.HasMore; more != tc.more {
				t.Errorf("more is %v, want %v", more, tc.more)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}
