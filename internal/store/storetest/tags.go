package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testTags(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, b *bundle){
		"a tree is made in one call and read back":                  testTagTree,
		"a refused tree leaves nothing":                             testRefusedTree,
		"tags are changed and deleted":                              testChangedTags,
		"a tag that selects agents of a profile is not deleted":     testTagOfProfile,
		"a tag on many hosts is deleted":                            testDeletedTag,
		"static tags are added, removed and set":                    testAssignments,
		"a bulk assignment changes every matching host":             testBulkAssignment,
		"only static tags that exist are assigned":                  testRefusedAssignments,
		"rules are evaluated when a host enrols or changes":         testRulesOfOneHost,
		"rules are evaluated for all hosts when they change":        testRulesOfAllHosts,
		"a tag by rule and a tag by hand give the host its profile": testProfileByTag,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, create))
		})
	}
}

func ptr[T any](v T) *T { return &v }

func makeTag(t *testing.T, b *bundle, c qps.TagChange) int64 {
	t.Helper()
	return must(b.CreateTag(t.Context(), c))(t)
}

func makeRule(t *testing.T, b *bundle, kind fleet.RuleType, text string) int64 {
	t.Helper()
	return makeTag(t, b, qps.TagChange{Name: ptr(string(kind) + " " + text), RuleType: ptr(string(kind)), RuleText: &text})
}

// evaluate lets all passes end and returns how many transactions it took.
func evaluate(t *testing.T, b *bundle) int {
	t.Helper()
	for steps := 1; ; steps++ {
		if !must(b.EvaluateRules(t.Context()))(t) {
			return steps - 1
		}
	}
}

func tagsOf(t *testing.T, b *bundle, host int64) []int64 {
	t.Helper()
	ids := []int64{}
	for _, tag := range must(b.Host(t.Context(), fleet.WholeFleet(), host))(t).Tags {
		if tag.Name != fleet.SystemTag {
			ids = append(ids, tag.ID)
		}
	}
	return ids
}

func wantTags(t *testing.T, b *bundle, host int64, want ...int64) {
	t.Helper()
	if diff := cmp.Diff(append([]int64{}, want...), tagsOf(t, b, host)); diff != "" {
		t.Errorf("tags of host %d (-want +got):\n%s", host, diff)
	}
}

func testTagTree(t *testing.T, b *bundle) {
	system := must(b.Tags(t.Context()))(t)[0]
	id := makeTag(t, b, qps.TagChange{
		Name: ptr("Edge"), Color: ptr("#2A6F97"), ParentTagID: &system.ID, CriticalityScore: ptr[int64](4), Description: ptr("at the edge"),
		RuleType: ptr("CLOUD_ASSET"), RuleText: ptr("aws.ec2.vpcId: q"), Provider: ptr("EC2"),
		Children: &qps.TagChildren{Replace: true, Add: []qps.TagChange{{Name: ptr(`West %_\'"` + "\u20ac")}, {Name: ptr("East"), Children: &qps.TagChildren{Add: []qps.TagChange{{Name: ptr("Far")}}}}}},
	})
	at := Start.Truncate(time.Second)
	want := []fleet.Tag{
		system,
		{ID: id, ParentID: system.ID, Name: "Edge", Color: "#2A6F97", RuleType: fleet.RuleCloudAsset, RuleText: "aws.ec2.vpcId: q", Criticality: 4, Description: "at the edge", Provider: "EC2", Evaluating: true, Created: at, Modified: at},
		{ID: id + 1, ParentID: id, Name: `West %_\'"` + "\u20ac", RuleType: fleet.RuleStatic, Created: at, Modified: at},
		{ID: id + 2, ParentID: id, Name: "East", RuleType: fleet.RuleStatic, Created: at, Modified: at},
		{ID: id + 3, ParentID: id + 2, Name: "Far", RuleType: fleet.RuleStatic, Created: at, Modified: at},
	}
	if diff := cmp.Diff(want, must(b.Tags(t.Context()))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.reopen(t)
	if diff := cmp.Diff(want, must(b.Tags(t.Context()))(t)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func testRefusedTree(t *testing.T, b *bundle) {
	before := must(b.Tags(t.Context()))(t)
	_, err := b.CreateTag(t.Context(), qps.TagChange{Name: ptr("a"), Children: &qps.TagChildren{Add: []qps.TagChange{{Name: ptr("b")}, {Name: ptr("b")}}}})
	wantCode(t, err, fault.Conflict)
	wantCode(t, b.UpdateTags(t.Context(), []int64{before[0].ID}, qps.TagChange{Name: ptr("Mine")}), fault.Conflict)
	wantCode(t, b.DeleteTags(t.Context(), []int64{before[0].ID}), fault.Conflict)
	wantCode(t, b.DeleteTags(t.Context(), []int64{4711}), fault.NotFound)
	if diff := cmp.Diff(before, must(b.Tags(t.Context()))(t)); diff != "" {
		t.Errorf("a refused call changed (-before +after):\n%s", diff)
	}
}

func testChangedTags(t *testing.T, b *bundle) {
	ctx := t.Context()
	parent := makeTag(t, b, qps.TagChange{Name: ptr("a"), Children: &qps.TagChildren{Add: []qps.TagChange{{Name: ptr("b")}, {Name: ptr("c")}}}})
	*b.now = Start.Add(time.Hour)
	if err := b.UpdateTags(ctx, []int64{parent + 1, parent + 2}, qps.TagChange{Color: ptr("#abc"), ParentTagID: ptr[int64](0)}); err != nil {
		t.Fatal(err)
	}
	for _, tag := range must(b.Tags(ctx))(t)[2:] {
		if tag.Color != "#abc" || tag.ParentID != 0 || !tag.Modified.Equal(b.clock()) || !tag.Created.Equal(Start) {
			t.Errorf("tag is %+v, want it changed", tag)
		}
	}
	// Both or none: the second would be called like the first.
	wantCode(t, b.UpdateTags(ctx, []int64{parent + 1, parent + 2}, qps.TagChange{Name: ptr("d")}), fault.Conflict)
	if err := b.UpdateTags(ctx, []int64{parent}, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{{ID: ptr(parent + 1)}}}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.DeleteTags(ctx, []int64{parent}), fault.Conflict)
	if err := b.DeleteTags(ctx, []int64{parent, parent + 1}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range must(b.Tags(ctx))(t) {
		names = append(names, tag.Name)
	}
	if diff := cmp.Diff([]string{fleet.SystemTag, "c"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// selectBy makes the tag the only one that selects agents of the profile Low,
// which is the second.
func selectBy(t *testing.T, b *bundle, tag int64) {
	t.Helper()
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO profile_tags (profile_id, tag_id, excluded) VALUES (2, ?, ?)", tag, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testTagOfProfile(t *testing.T, b *bundle) {
	tag := makeTag(t, b, qps.TagChange{Name: ptr("a")})
	host := enrol(t, b.Store, 1).HostID
	must(b.AssignTags(t.Context(), []int64{host}, qps.TagAssignment{Add: []int64{tag}}))(t)
	selectBy(t, b, tag)
	err := b.DeleteTags(t.Context(), []int64{tag})
	wantCode(t, err, fault.Conflict)
	if !strings.Contains(messageOf(err), "'Low'") {
		t.Errorf("message %q does not name the profile", messageOf(err))
	}
	wantTags(t, b, host, tag)
}

func testDeletedTag(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "a", "b")
	hosts := make([]Synthetic, 5001)
	for i := range hosts {
		hosts[i] = Synthetic{ID: int64(i + 1), Name: "h", TagIDs: tags, Created: Start, Modified: Start}
	}
	Fill(t, b.Store, hosts)
	if err := b.DeleteTags(t.Context(), tags[:1]); err != nil {
		t.Fatal(err)
	}
	wantTags(t, b, 1, tags[1])
	wantTags(t, b, 5001, tags[1])
}

func testAssignments(t *testing.T, b *bundle) {
	ctx := t.Context()
	tags := MakeTags(t, b.Store, "a", "b", "c")
	system := must(b.Tags(ctx))(t)[0].ID
	rule := makeRule(t, b, fleet.RuleNameContains, "edge")
	host, other := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	*b.now = Start.Add(time.Hour)
	for _, step := range []struct {
		name string
		a    qps.TagAssignment
		want []int64
	}{
		{"add", qps.TagAssignment{Add: tags[:2]}, []int64{tags[0], tags[1], rule}},
		{"add again", qps.TagAssignment{Add: tags[:2]}, []int64{tags[0], tags[1], rule}},
		{"remove one and add one", qps.TagAssignment{Add: tags[2:], Remove: tags[:1]}, []int64{tags[1], tags[2], rule}},
		{"remove what is not there", qps.TagAssignment{Remove: tags[:1]}, []int64{tags[1], tags[2], rule}},
		{"set", qps.TagAssignment{Replace: true, Add: tags[:1]}, []int64{tags[0], rule}},
		{"set with what was read", qps.TagAssignment{Replace: true, Add: []int64{system, tags[0], tags[1], rule}}, []int64{tags[0], tags[1], rule}},
		{"set to nothing", qps.TagAssignment{Replace: true}, []int64{rule}},
	} {
		if diff := cmp.Diff([]int64{host}, must(b.AssignTags(ctx, []int64{host, 4711}, step.a))(t)); diff != "" {
			t.Errorf("%s: hosts (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.want, tagsOf(t, b, host)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	got := must(b.Host(ctx, fleet.WholeFleet(), host))(t)
	if !got.Modified.Equal(b.clock()) || !slices.ContainsFunc(got.Tags, func(tag qps.TagSimple) bool { return tag.ID == system }) {
		t.Errorf("host is %+v, want it modified and with its system tag", got)
	}
	wantTags(t, b, other, rule)
}

func testBulkAssignment(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "a", "b")
	hosts := make([]Synthetic, 600) // several transactions
	for i := range hosts {
		hosts[i] = Synthetic{ID: int64(i + 1), Name: fmt.Sprintf("h%d", i%2), TagIDs: tags[:1], Created: Start, Modified: Start}
	}
	Fill(t, b.Store, hosts)
	tagger := &fleet.Tagger{Assignments: b.Store}
	changed := must(tagger.AssignMatching(t.Context(), fleet.WholeFleet(), conditions(t, "name", qps.OpEquals, "h0"), qps.TagAssignment{Add: tags[1:], Remove: tags[:1]}))(t)
	if len(changed) != 300 {
		t.Fatalf("%d hosts changed, want 300", len(changed))
	}
	for tag, want := range map[string]int64{"a": 300, "b": 300} {
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "tagName", qps.OpEquals, tag)))(t); n != want {
			t.Errorf("%d hosts have tag %s, want %d", n, tag, want)
		}
	}
	wantTags(t, b, 599, tags[1])
	wantTags(t, b, 600, tags[0])
}

func testRefusedAssignments(t *testing.T, b *bundle) {
	system := must(b.Tags(t.Context()))(t)[0].ID
	static, rule := MakeTags(t, b.Store, "a")[0], makeRule(t, b, fleet.RuleNameContains, "x")
	host := enrol(t, b.Store, 1).HostID
	for _, tc := range []struct {
		name string
		a    qps.TagAssignment
		code fault.Code
		says string
	}{
		{"unknown tag", qps.TagAssignment{Add: []int64{static, 4711}}, fault.Invalid, "4711"},
		{"unknown tag to remove", qps.TagAssignment{Add: []int64{static}, Remove: []int64{4711}}, fault.Invalid, "4711"},
		{"unknown tag to set", qps.TagAssignment{Replace: true, Add: []int64{4711}}, fault.Invalid, "4711"},
		{"system tag to remove", qps.TagAssignment{Add: []int64{static}, Remove: []int64{system}}, fault.Conflict, "system tag"},
		{"system tag to add", qps.TagAssignment{Add: []int64{static, system}}, fault.Conflict, "system tag"},
		{"tag of a rule to add", qps.TagAssignment{Add: []int64{static, rule}}, fault.Conflict, "NAME_CONTAINS"},
		{"tag of a rule to remove", qps.TagAssignment{Add: []int64{static}, Remove: []int64{rule}}, fault.Conflict, "NAME_CONTAINS"},
	} {
		for _, hosts := range [][]int64{{host}, nil} {
			_, err := b.AssignTags(t.Context(), hosts, tc.a)
			if fault.CodeOf(err) != tc.code || !strings.Contains(messageOf(err), tc.says) {
				t.Errorf("%s: got %v, want %s with %q", tc.name, err, tc.code, tc.says)
			}
		}
	}
	wantTags(t, b, host)
}

func testRulesOfOneHost(t *testing.T, b *bundle) {
	name, os := makeRule(t, b, fleet.RuleNameContains, "edge-"), makeRule(t, b, fleet.RuleOS, "^Debian")
	software, port := makeRule(t, b, fleet.RuleSoftware, `^openssl 3\.`), makeRule(t, b, fleet.RulePorts, "8000-8099")
	network := makeRule(t, b, fleet.RuleNetwork, "198.51.100.0/24")
	makeRule(t, b, "ASSET_SEARCH", "<x/>")
	host := enrol(t, b.Store, 1).HostID
	wantTags(t, b, host, name, os)

	first := snapshot("edge-cache-01")
	first.Host.OS = "Debian GNU/Linux 12"
	first.Software = []agentwire.Software{{Kind: "deb", Name: "openssl", Version: "3.0.7"}}
	first.Ports = []agentwire.Port{{Protocol: "TCP", Address: "::", Port: 8080}}
	first.Interfaces = []agentwire.Interface{{Name: "lo", Address: "127.0.0.1"}, {Name: "eth0", Address: "198.51.100.7"}}
	send(t, b.Store, pack(host, nil, first), Start)
	wantTags(t, b, host, name, os, software, port, network)

	second := snapshot("core")
	second.Host.OS = "Rocky Linux 9"
	second.Software = []agentwire.Software{{Kind: "deb", Name: "openssl", Version: "1.1"}}
	send(t, b.Store, pack(host, first, second), Start)
	wantTags(t, b, host)
}

func testRulesOfAllHosts(t *testing.T, b *bundle) {
	hosts := make([]Synthetic, 2500) // several transactions
	for i := range hosts {
		hosts[i] = Synthetic{ID: int64(i + 1), Name: fmt.Sprintf("h%d", i%5), Created: Start, Modified: Start, Ports: []int{20 + i%2}}
	}
	Fill(t, b.Store, hosts)
	count := func(tag string, want int64) {
		t.Helper()
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "tagName", qps.OpEquals, tag)))(t); n != want {
			t.Errorf("%d hosts have tag %q, want %d", n, tag, want)
		}
	}
	id := makeTag(t, b, qps.TagChange{Name: ptr("r"), RuleType: ptr("NAME_CONTAINS"), RuleText: ptr("h[12]")})
	count("r", 0)
	if !must(b.EvaluateRules(t.Context()))(t) {
		t.Fatal("there is nothing to evaluate")
	}
	b.reopen(t) // the pass continues where it was
	if steps := evaluate(t, b); steps < 1 {
		t.Errorf("the rest took %d steps", steps)
	}
	count("r", 1000)
	if must(b.Tags(t.Context()))(t)[1].Evaluating {
		t.Error("the tag is still being evaluated")
	}
	for _, step := range []struct {
		kind, text string
		want       int64
	}{{"OPEN_PORTS", "20", 1250}, {"OPEN_PORTS", "21-22", 1250}, {"NAME_CONTAINS", "h0", 500}, {"VULN_EXIST", "38170", 0}, {"NAME_CONTAINS", "h0", 500}, {"STATIC", "", 500}} {
		if err := b.UpdateTags(t.Context(), []int64{id}, qps.TagChange{RuleType: &step.kind, RuleText: &step.text}); err != nil {
			t.Fatal(err)
		}
		evaluate(t, b)
		count("r", step.want)
	}
	if err := b.UpdateTags(t.Context(), []int64{id}, qps.TagChange{Color: ptr("#fff")}); err != nil {
		t.Fatal(err)
	}
	if steps := evaluate(t, b); steps != 0 {
		t.Errorf("a new color took %d steps to evaluate", steps)
	}
}

func testProfileByTag(t *testing.T, b *bundle) {
	ctx := t.Context()
	rule, static := makeRule(t, b, fleet.RuleNameContains, "core"), MakeTags(t, b.Store, "a")[0]
	selectBy(t, b, rule)
	selectBy(t, b, static)
	host := enrol(t, b.Store, 1).HostID
	profile := func(want string) {
		t.Helper()
		if got := must(b.Host(ctx, fleet.WholeFleet(), host))(t).AgentInfo.AgentConfiguration.Name; got != want {
			t.Errorf("profile is %q, want %q", got, want)
		}
	}
	profile("Normal")
	last := must(b.LastChange(ctx))(t)
	must(b.AssignTags(ctx, []int64{host}, qps.TagAssignment{Add: []int64{static}}))(t)
	profile("Low")
	if changes := must(b.ChangesSince(ctx, last, 10))(t); len(changes) != 1 || changes[0].HostID != host {
		t.Errorf("changes are %+v, want one of host %d", changes, host)
	}
	must(b.AssignTags(ctx, []int64{host}, qps.TagAssignment{Remove: []int64{static}}))(t)
	profile("Normal")
	first, second := snapshot("core"), snapshot("edge")
	send(t, b.Store, pack(host, nil, first), Start)
	profile("Low")
	send(t, b.Store, pack(host, first, second), Start)
	profile("Normal")
	if err := b.UpdateTags(ctx, []int64{rule}, qps.TagChange{RuleText: ptr("edge")}); err != nil {
		t.Fatal(err)
	}
	evaluate(t, b)
	profile("Low")
	if got := must(b.Host(ctx, fleet.WholeFleet(), enrolNamed(t, b, 2, "edge-2")))(t).AgentInfo.AgentConfiguration.Name; got != "Low" {
		t.Errorf("profile of a new agent is %q, want Low", got)
	}
}

func enrolNamed(t *testing.T, b *bundle, n int, name string) int64 {
	t.Helper()
	e := enrolment(n)
	e.Host.Name = name
	return must(b.EnrolAgent(t.Context(), e))(t).HostID
}
