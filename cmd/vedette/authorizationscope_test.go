package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
)

// TestNobodyReachesBeyondTheirScope gives a user every permission and one scope
// after the other, and lets them try every call that reads, counts or changes
// assets, one by one and in bulk, on both engines.
func TestNobodyReachesBeyondTheirScope(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name   string
		config func(testing.TB) platformConfig
	}{
		{"SQLite", func(testing.TB) platformConfig { return platformConfig{} }},
		{"PostgreSQL", func(tb testing.TB) platformConfig { return platformConfig{Database: pgtest.Database(tb)} }},
	} {
		for _, scope := range []struct {
			name    string
			tags    []string
			all     bool
			classes []string // of hosts that are in scope
		}{
			{"none", nil, false, nil},
			{"a tag with one below it", []string{"Lab"}, false, []string{"lab", "bench"}},
			{"the tag below", []string{"Bench"}, false, []string{"bench"}},
			{"two tags", []string{"Bench", "Office"}, false, []string{"bench", "office"}},
			{"the system tag", []string{fleet.SystemTag}, false, []string{"lab", "bench", "office", "plain"}},
			{"every asset", nil, true, []string{"lab", "bench", "office", "plain"}},
		} {
			t.Run(engine.name+"/"+scope.name, func(t *testing.T) {
				t.Parallel()
				f := newScopedFleet(t, engine.config(t))
				f.addScopedUser(t, scope.all, scope.tags)
				f.reads(t, scope.classes)
				f.cannotBeTaken(t, scope.classes)
				f.changes(t, scope.classes)
				f.removes(t, scope.classes)
			})
		}
	}
}

// classes are the tags that hosts carry besides the system tag; plain ones carry
// none. Bench is below Lab.
var classes = map[string]string{"lab": "Lab", "bench": "Bench", "office": "Office", "plain": ""}

// purposes are the ends of host names: what happens to them in removes.
var purposes = []string{"stays", "asset", "hostasset", "purge"}

const scoped = "scoped" // the user

// scopedFleet is a platform with a host for each class and purpose.
type scopedFleet struct {
	*operatorPlatform
	tags  map[string]int64
	ids   []int64          // of all hosts
	class map[int64]string // by host
	other string           // UUID of a key that carries every tag of the classes
}

func newScopedFleet(t *testing.T, config platformConfig) *scopedFleet {
	t.Helper()
	f := &scopedFleet{operatorPlatform: startOperatorPlatform(t, config), tags: make(map[string]int64), class: make(map[int64]string)}
	ctx := t.Context()
	all, err := f.store.Tags(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f.tags[fleet.SystemTag] = all[0].ID
	f.addTag(t, "Lab", 0)
	f.addTag(t, "Bench", f.tags["Lab"])
	f.addTag(t, "Office", 0)
	f.addTag(t, "Extra", 0)
	long := time.Now().AddDate(0, -1, 0)
	for _, class := range []string{"lab", "bench", "office", "plain"} {
		for _, purpose := range purposes {
			n := len(f.ids) + 1
			enrolled, err := f.store.EnrolAgent(ctx, fleet.Enrolment{
				ActivationKey: f.admin.activationKey, PublicKey: storetest.PublicKey(n), AgentID: storetest.AgentID(n), AgentVersion: "2.0.0",
				Host: agentwire.Host{Name: class + "-" + purpose, OS: "Debian GNU/Linux 12"}, At: long,
			})
			if err != nil {
				t.Fatal(err)
			}
			f.ids = append(f.ids, enrolled.HostID)
			f.class[enrolled.HostID] = class
			if tag := classes[class]; tag != "" {
				if _, err := f.store.AssignTags(ctx, []int64{enrolled.HostID}, qps.TagAssignment{Add: []int64{f.tags[tag]}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	key, err := f.store.CreateActivationKey(ctx, fleet.ActivationKey{
		Key: "5d2f0000-0000-4000-8000-00000000b00f", Title: "Teams", Type: fleet.KeyUnlimited, Created: long,
		Tags: []qps.TagSimple{{Name: "Lab"}, {Name: "Bench"}, {Name: "Office"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.other = key.Key
	return f
}

func (f *scopedFleet) addTag(t *testing.T, name string, parent int64) {
	t.Helper()
	id, err := f.store.CreateTag(t.Context(), qps.TagChange{Name: &name, ParentTagID: &parent})
	if err != nil {
		t.Fatal(err)
	}
	f.tags[name] = id
}

// addScopedUser makes the user with every permission, and a manager.
func (f *scopedFleet) addScopedUser(t *testing.T, all bool, names []string) {
	t.Helper()
	scope := access.Scope{All: all}
	for _, name := range names {
		scope.TagIDs = append(scope.TagIDs, f.tags[name])
	}
	slices.Sort(scope.TagIDs)
	c := caller{name: scoped, permissions: []access.Permission{access.APIAccess}}
	for _, m := range access.Modules() {
		c.permissions = append(c.permissions, m.Permissions()...)
	}
	hash := hashOf(t, operatorPassword)
	f.addUser(t, hash, c, scope)
	f.addUser(t, hash, caller{name: "boss", manager: true}, access.Scope{})
}

// in returns the hosts of the classes, ascending.
func (f *scopedFleet) in(inScope []string) []int64 {
	var ids []int64
	for _, id := range f.ids {
		if slices.Contains(inScope, f.class[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

var (
	idElement    = regexp.MustCompile(`<id>(\d+)</id>`)
	countElement = regexp.MustCompile(`<count>(\d+)</count>`)
	totalElement = regexp.MustCompile(`<totalAgents>(\d+)</totalAgents>`)
)

func numbers(expression *regexp.Regexp, answer string) []int64 {
	var all []int64
	for _, match := range expression.FindAllStringSubmatch(answer, -1) {
		n, _ := strconv.ParseInt(match[1], 10, 64) // the expression matched digits
		all = append(all, n)
	}
	return all
}

func criteriaXML(criteria string) string {
	field, rest, _ := strings.Cut(criteria, " ")
	operator, value, _ := strings.Cut(rest, ": ")
	return fmt.Sprintf(`<Criteria field=%q operator=%q>%s</Criteria>`, field, operator, value)
}

func requestXML(data string, criteria ...string) string {
	var filters strings.Builder
	for _, c := range criteria {
		filters.WriteString(criteriaXML(c))
	}
	return "<ServiceRequest><preferences><limitResults>1000</limitResults></preferences><filters>" + filters.String() + "</filters>" + data + "</ServiceRequest>"
}

func (f *scopedFleet) everyID() string {
	texts := make([]string, len(f.ids))
	for i, id := range f.ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, ",")
}

// reads checks that everything that lists, counts or shows assets, or what
// belongs to them, shows those of the classes and no others.
func (f *scopedFleet) reads(t *testing.T, inScope []string) {
	t.Helper()
	want := f.in(inScope)
	selections := map[string][]string{
		"hostasset": {"", "tagName EQUALS: Cloud Agent", "tagName NOT EQUALS: Nowhere", "name CONTAINS: -", "id IN: " + f.everyID(), "id GREATER: 0", "os CONTAINS: Debian"},
		"asset":     {"", "tagName EQUALS: Cloud Agent", "name CONTAINS: -", "id IN: " + f.everyID()},
	}
	for object, list := range selections {
		for _, criteria := range list {
			var chosen []string
			if criteria != "" {
				chosen = []string{criteria}
			}
			_, found := f.call(t, scoped, http.MethodPost, "/qps/rest/2.0/search/am/"+object+"?fields=id", requestXML("", chosen...))
			if diff := gocmp.Diff(want, numbers(idElement, found)); diff != "" {
				t.Errorf("search %s by %q: %s", object, criteria, diff)
			}
			_, counted := f.call(t, scoped, http.MethodPost, "/qps/rest/2.0/count/am/"+object, requestXML("", chosen...))
			if diff := gocmp.Diff([]int64{int64(len(want))}, numbers(countElement, counted)); diff != "" {
				t.Errorf("count %s by %q: %s", object, criteria, diff)
			}
		}
		for _, id := range f.ids {
			_, answer := f.call(t, scoped, http.MethodGet, fmt.Sprintf("/qps/rest/2.0/get/am/%s/%d", object, id), "")
			seen := strings.Contains(answer, ">SUCCESS<")
			if seen != slices.Contains(want, id) || !seen && (!strings.Contains(answer, ">NOT_FOUND<") || strings.Contains(answer, f.class[id]+"-")) {
				t.Errorf("get %s %d (%s) is answered:\n%.400s", object, id, f.class[id], answer)
			}
		}
	}
	_, profiles := f.call(t, scoped, http.MethodPost, "/qps/rest/1.0/search/ca/agentconfig", "")
	var agents int64
	for _, n := range numbers(totalElement, profiles) {
		agents += n
	}
	if agents != int64(len(want)) {
		t.Errorf("profiles have %d agents in scope, want %d", agents, len(want))
	}
}

// cannotBeTaken lets the user try to make more of the fleet their own. What a
// user with the whole fleet may do is not tried.
func (f *scopedFleet) cannotBeTaken(t *testing.T, inScope []string) {
	t.Helper()
	if len(inScope) == len(classes) {
		return
	}
	lab, bench, office := f.tags["Lab"], f.tags["Bench"], f.tags["Office"]
	profile := func(elements, tags string) string {
		return "<ServiceRequest><data><AgentConfig><name>Taken</name>" + elements + "<tags><includeTags><list>" + tags + "</list></includeTags></tags></AgentConfig></data></ServiceRequest>"
	}
	for _, attempt := range []struct{ path, body string }{
		{fmt.Sprintf("2.0/update/am/tag/%d", bench), "<ServiceRequest><data><Tag><ruleType>NAME_CONTAINS</ruleType><ruleText>.</ruleText></Tag></data></ServiceRequest>"},
		{fmt.Sprintf("2.0/update/am/tag/%d", lab), fmt.Sprintf("<ServiceRequest><data><Tag><children><set><TagSimple><id>%d</id></TagSimple></set></children></Tag></data></ServiceRequest>", f.tags["Extra"])},
		{"2.0/create/am/tag", "<ServiceRequest><data><Tag><name>Mine</name><ruleType>NAME_CONTAINS</ruleType><ruleText>.</ruleText></Tag></data></ServiceRequest>"},
		{"2.0/create/am/tag", fmt.Sprintf("<ServiceRequest><data><Tag><name>Above</name><children><set><TagSimple><id>%d</id></TagSimple><TagSimple><id>%d</id></TagSimple></set></children></Tag></data></ServiceRequest>", lab, office)},
		{"2.0/delete/am/tag", requestXML("", "name EQUALS: Extra")},
		{"1.0/create/ca/agentactkey", "<ServiceRequest><data><AgentActKey><title>x</title><type>UNLIMITED</type></AgentActKey></data></ServiceRequest>"},
		{"1.0/update/ca/agentactkey/1", fmt.Sprintf("<ServiceRequest><data><AgentActKey><tags><add><Tag><id>%d</id></Tag></add></tags><applyOnAgents>true</applyOnAgents></AgentActKey></data></ServiceRequest>", bench)},
		{"1.0/update/ca/agentactkey/1", "<ServiceRequest><data><AgentActKey><isDisabled>true</isDisabled></AgentActKey></data></ServiceRequest>"},
		{"1.0/delete/ca/agentactkey/1", ""},
		{"1.0/create/ca/agentconfig", profile("<isDefault>true</isDefault>", "")},
		{"1.0/create/ca/agentconfig", profile("<isDefault>false</isDefault>", fmt.Sprintf("<ConfigTag><id>%d</id></ConfigTag><ConfigTag><id>%d</id></ConfigTag>", bench, f.tags["Extra"]))},
		{"1.0/update/ca/agentconfig/2", profile("<suspendScanning>true</suspendScanning>", "")},
		{"1.0/delete/ca/agentconfig/2", ""},
	} {
		status, answer := f.call(t, scoped, http.MethodPost, "/qps/rest/"+attempt.path, attempt.body)
		if !strings.Contains(answer, ">UNAUTHORIZED<") && !strings.Contains(answer, ">NOT_FOUND<") {
			t.Errorf("%s is answered %d, want a refusal:\n%.400s", attempt.path, status, answer)
		}
	}
	f.reads(t, inScope)
}

// state returns what a manager sees of each host, and its modules.
func (f *scopedFleet) state(t *testing.T) map[int64]string {
	t.Helper()
	page, err := f.store.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	state := make(map[int64]string)
	for i := range page.Hosts {
		h := &page.Hosts[i]
		content, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		state[h.ID] = string(content)
	}
	return state
}

// changes lets the user change assets one by one and all at once, and checks that
// those in scope changed and the others did not.
func (f *scopedFleet) changes(t *testing.T, inScope []string) {
	t.Helper()
	extra := fmt.Sprintf("<data><%%[1]s><tags><add><TagSimple><id>%d</id></TagSimple></add></tags></%%[1]s></data>", f.tags["Extra"])
	all := "name CONTAINS: -"
	keyInSight := slices.ContainsFunc(inScope, func(class string) bool { return class != "plain" }) && !(len(inScope) == len(classes) && f.onlySystemTag(t))
	for _, change := range []struct {
		name, path, data string
		one              bool // takes an id in the path
		invisible        bool // leaves no trace in the asset; the answer's count is checked alone
		never            bool // out of reach for this user altogether
	}{
		{"tags of hosts", "2.0/update/am/hostasset", fmt.Sprintf(extra, "HostAsset"), true, false, false},
		{"tags of assets", "2.0/update/am/asset", fmt.Sprintf(extra, "Asset"), true, true, false},
		{"deactivate", "2.0/deactivate/am/asset?module=AGENT_PC", "", true, true, false},
		{"activate", "2.0/activate/am/asset?module=AGENT_PC", "", true, true, false},
		{"scan", "1.0/ods/ca/agentasset?scan=Inventory_Scan", "", true, true, false},
		{"key", "1.0/cak/ca/changeactkey", "<data><ChangeActKey><newActivationKey>" + f.other + "</newActivationKey></ChangeActKey></data>", false, false, !keyInSight},
	} {
		before := f.state(t)
		outside := slices.DeleteFunc(slices.Clone(f.ids), func(id int64) bool { return slices.Contains(f.in(inScope), id) })
		if change.one {
			for _, id := range outside {
				path, query, _ := strings.Cut(change.path, "?")
				_, answer := f.call(t, scoped, http.MethodPost, fmt.Sprintf("/qps/rest/%s/%d?%s", path, id, query), requestXML(change.data))
				if !strings.Contains(answer, ">NOT_FOUND<") {
					t.Errorf("%s of host %d, which is out of scope, is answered:\n%.400s", change.name, id, answer)
				}
			}
		}
		criteria := all
		if change.name == "key" {
			criteria = "tagName EQUALS: Cloud Agent"
		}
		_, answer := f.call(t, scoped, http.MethodPost, "/qps/rest/"+change.path, requestXML(change.data, criteria))
		want := []int64{int64(len(f.in(inScope)))}
		if change.never {
			want = nil
		}
		if diff := gocmp.Diff(want, numbers(countElement, answer)); diff != "" {
			t.Errorf("%s in bulk: %s\n%.400s", change.name, diff, answer)
		}
		after := f.state(t)
		for _, id := range f.ids {
			changed := before[id] != after[id]
			if changed && slices.Contains(outside, id) {
				t.Errorf("%s changed host %d, which is out of scope:\n%s\n%s", change.name, id, before[id], after[id])
			}
			if !changed && !slices.Contains(outside, id) && !change.invisible && !change.never {
				t.Errorf("%s did not change host %d, which is in scope", change.name, id)
			}
		}
	}
	f.scansAreThoseOf(t, inScope)
}

// onlySystemTag says whether the user's scope is the system tag, which no key
// carries by itself.
func (f *scopedFleet) onlySystemTag(t *testing.T) bool {
	t.Helper()
	u, err := f.store.UserByName(t.Context(), scoped)
	if err != nil {
		t.Fatal(err)
	}
	return !u.Scope.All && slices.Equal(u.Scope.Reach, []int64{f.tags[fleet.SystemTag]})
}

// scansAreThoseOf has a manager scan everything and checks which scans the user
// sees.
func (f *scopedFleet) scansAreThoseOf(t *testing.T, inScope []string) {
	t.Helper()
	if _, answer := f.call(t, "boss", http.MethodPost, "/qps/rest/1.0/ods/ca/agentasset?scan=Inventory_Scan", requestXML("", "name CONTAINS: -")); !strings.Contains(answer, ">SUCCESS<") {
		t.Fatalf("a manager's scan is answered:\n%s", answer)
	}
	type list struct {
		Scans []struct{ ID, AssetID int64 }
	}
	read := func(user string) (found list) {
		_, answer := f.call(t, user, http.MethodGet, "/automation/v1/scans?limit=1000", "")
		if err := json.Unmarshal([]byte(answer), &found); err != nil {
			t.Fatalf("%v in %s", err, answer)
		}
		return found
	}
	var seen []int64
	for _, scan := range read(scoped).Scans {
		seen = append(seen, scan.AssetID)
	}
	slices.Sort(seen)
	if diff := gocmp.Diff(f.in(inScope), seen); diff != "" {
		t.Errorf("scans of hosts: %s", diff)
	}
	for _, scan := range read("boss").Scans {
		status, _ := f.call(t, scoped, http.MethodGet, fmt.Sprintf("/automation/v1/scans/%d", scan.ID), "")
		if want := cmp.Or(map[bool]int{true: http.StatusOK}[slices.Contains(seen, scan.AssetID)], http.StatusNotFound); status != want {
			t.Errorf("scan %d of host %d is answered %d, want %d", scan.ID, scan.AssetID, status, want)
		}
	}
}

// removes lets the user uninstall and purge everything, and checks what is left.
func (f *scopedFleet) removes(t *testing.T, inScope []string) {
	t.Helper()
	before := f.state(t)
	outside := slices.DeleteFunc(slices.Clone(f.ids), func(id int64) bool { return slices.Contains(f.in(inScope), id) })
	for _, id := range outside {
		if _, answer := f.call(t, scoped, http.MethodPost, fmt.Sprintf("/qps/rest/2.0/uninstall/am/asset/%d", id), ""); !strings.Contains(answer, ">NOT_FOUND<") {
			t.Errorf("uninstall of host %d, which is out of scope, is answered:\n%.400s", id, answer)
		}
	}
	f.call(t, scoped, http.MethodPost, "/qps/rest/2.0/uninstall/am/asset", requestXML("", "name CONTAINS: -asset"))
	f.call(t, scoped, http.MethodPost, "/qps/rest/2.0/uninstall/am/hostasset", requestXML("", "name CONTAINS: -hostasset"))
	f.wantHosts(t, before, func(id int64, purpose string) bool {
		return slices.Contains(outside, id) || purpose == "stays" || purpose == "purge"
	})
	_, answer := f.call(t, scoped, http.MethodGet, "/automation/v1/uninstalls?limit=1000", "")
	if got, want := strings.Count(answer, `"assetId"`), 2*len(inScope); got != want {
		t.Errorf("%d uninstall orders are seen, want %d", got, want)
	}
	// The boss uninstalls one more, of which nobody else is told.
	f.call(t, "boss", http.MethodPost, "/qps/rest/2.0/uninstall/am/asset", requestXML("", "name EQUALS: plain-asset"))
	_, answer = f.call(t, scoped, http.MethodGet, "/automation/v1/uninstalls?limit=1000", "")
	if got, want := strings.Count(answer, `"assetId"`), 2*len(inScope); got != want && !f.wholeFleet(t) {
		t.Errorf("%d uninstall orders are seen after one of a manager, want %d", got, want)
	}
	delete(before, f.ids[slices.IndexFunc(f.ids, func(id int64) bool { return strings.Contains(before[id], `"plain-asset"`) })])
	f.call(t, scoped, http.MethodPost, "/automation/v1/agents/purge", `{"inactiveFor": 604800, "apply": true}`)
	f.wantHosts(t, before, func(id int64, _ string) bool { return slices.Contains(outside, id) })
}

func (f *scopedFleet) wholeFleet(t *testing.T) bool {
	t.Helper()
	u, err := f.store.UserByName(t.Context(), scoped)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scope.All
}

// wantHosts checks that exactly those of the hosts in before are left for which
// stays holds, and that those out of scope are as they were.
func (f *scopedFleet) wantHosts(t *testing.T, before map[int64]string, stays func(id int64, purpose string) bool) {
	t.Helper()
	after := f.state(t)
	for id := range before {
		purpose := purposes[slices.Index(f.ids, id)%len(purposes)]
		if _, there := after[id]; there != stays(id, purpose) {
			t.Errorf("host %d, %s-%s, is there: %t", id, f.class[id], purpose, there)
		}
	}
}
