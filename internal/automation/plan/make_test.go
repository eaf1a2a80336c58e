package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// shelf is what a platform has, to be read.
type shelf struct {
	*office
	tags       []*qps.Tag
	keys       []*qps.AgentActKey
	profiles   []*qps.AgentConfig
	connectors []*qps.AwsAssetDataConnector
	refused    error // of searches for connectors
	priorities map[int64]int64
	reserved   int64            // the tag that only a get tells to be reserved
	agents     map[string]int64 // by the UUID of their key
	err        error            // of searches for agents
}

func (s shelf) Tags(context.Context, ...qps.Criterion) ([]*qps.Tag, error) { return s.tags, nil }
func (s shelf) ActivationKeys(context.Context, ...qps.Criterion) ([]*qps.AgentActKey, error) {
	return s.keys, nil
}
func (s shelf) AgentConfigs(context.Context, ...qps.Criterion) ([]*qps.AgentConfig, error) {
	return s.profiles, nil
}
func (s shelf) AgentConfigPriorities(context.Context) (map[int64]int64, error) {
	return s.priorities, nil
}
func (s shelf) GetTag(_ context.Context, id int64) (*qps.Tag, error) {
	for _, t := range s.tags {
		if t.ID == id {
			told := *t
			if id == s.reserved {
				told.ReservedType = "SYSTEM"
			}
			return &told, nil
		}
	}
	return nil, errors.New("no such tag")
}
func (s shelf) CountHostAssets(_ context.Context, criteria []qps.Criterion) (int64, error) {
	return s.agents[criteria[0].Value], s.err
}

func (s shelf) AWSConnectors(context.Context, ...qps.Criterion) ([]*qps.AwsAssetDataConnector, error) {
	return s.connectors, s.refused
}

func (s shelf) AWSAuthRecords(context.Context, ...qps.Criterion) ([]*qps.AwsAuthRecord, error) {
	return []*qps.AwsAuthRecord{{ID: 1, Name: "keys"}, {ID: 2, Name: "twin"}, {ID: 3, Name: "twin"}}, nil
}

func stocked() shelf {
	year := time.Date(2032, 6, 30, 0, 0, 0, 0, time.UTC)
	return shelf{
		office: &office{absent: true},
		tags: []*qps.Tag{
			{ID: 1, Name: "Cloud Agent"},
			{ID: 2, Name: "Edge", Color: "#FF", RuleType: "STATIC", CriticalityScore: 3, Description: "the edge"},
			{ID: 3, Name: "West", ParentTagID: 2, RuleType: "OS_REGEX", RuleText: "^Debian"},
			{ID: 4, Name: "Old"},
			{ID: 5, Name: "Under", ParentTagID: 1},
			{ID: 6, Name: "Group", SrcAssetGroupID: 9},
			{ID: 7, Name: "Quiet"},
			{ID: 8, Name: "Used"},
		},
		keys: []*qps.AgentActKey{
			{ID: 1, Title: "Edge", ActivationKey: "k1", Type: "COUNT_TIME_LIMITED", CountPurchased: 9, ExpireDate: year, Licenses: []string{"VM_LICENSE", "EDR"}, Tags: []qps.TagSimple{{ID: 3, Name: "West"}}},
			{ID: 2, Title: "Twin", ActivationKey: "k2", Type: "UNLIMITED"},
			{ID: 3, Title: "Twin", ActivationKey: "k3", Type: "UNLIMITED"},
			{ID: 4, Title: "Spare", ActivationKey: "k4", Type: "UNLIMITED"},
			{ID: 5, Title: "Busy", ActivationKey: "k5", Type: "UNLIMITED", CountUsed: 2, Tags: []qps.TagSimple{{ID: 8, Name: "Used"}}},
			{ID: 6, Title: "Silent", ActivationKey: "k6", Type: "UNLIMITED"},
			{ID: 7, Title: "", ActivationKey: "k7", Type: "UNLIMITED"},
		},
		profiles: []*qps.AgentConfig{
			{ID: 1, Name: "Normal", IsDefault: true},
			{
				ID: 2, Name: "Edge", CreatedBy: "A B", Description: "x", SuspendScanning: true,
				Tags:                qps.ConfigTags{Include: []qps.ConfigTag{{ID: 2, Name: "Edge"}}, IncludeResolution: "ANY"},
				Blackouts:           []qps.BlackoutConfig{{StartHour: 8, EndHour: 18, Days: [7]bool{1: true}}},
				PerformanceSettings: []qps.PerformanceLevelSettings{{Key: "CPU_LIMIT", Value: "500"}, {Key: "AGENT_LOGGING_LEVEL", Value: "0"}},
			},
			{ID: 3, Name: "Spare", CreatedBy: "A B", TotalAgents: 4},
		},
		priorities: map[int64]int64{1: 1, 2: 2, 3: 3},
		reserved:   7,
		agents:     map[string]int64{"k6": 1},
	}
}

// lines is a plan as short as can be.
func lines(p *Plan) []string {
	list := []string{}
	for _, c := range p.Changes {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %d", c.Action, c.Kind, c.Name, c.ID)))
		for _, p := range c.Properties {
			list = append(list, fmt.Sprintf("  %s: %v -> %v", p.Name, p.Old, p.New))
		}
	}
	for _, k := range p.Kept {
		list = append(list, fmt.Sprintf("kept %s %s: %s", k.Kind, k.Name, k.Reason))
	}
	for _, note := range p.Notes {
		list = append(list, "note "+note)
	}
	return list
}

func planOf(t *testing.T, s shelf, text string, prune bool) (*Plan, error) {
	t.Helper()
	documents, err := Decode("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Make(t.Context(), s, documents, Options{Prune: prune})
}

func TestAPlanIsWhatDiffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
	}{
		{"nothing said", "{kind: Tag, name: Edge}\n---\n{kind: ActivationKey, title: Edge}\n---\n{kind: ConfigurationProfile, name: Edge}", []string{}},
		{"said as it is", `{kind: Tag, name: Edge, color: "#ff", criticality: 3, description: the edge, ruleType: static, rule: ""}
---
{kind: Tag, name: West, parent: Edge, ruleType: os_regex, rule: "^Debian\n"}
---
{kind: ActivationKey, title: Edge, maxAgents: 9, expires: 2032-06-30, disabled: false, modules: [ioc, vm_license], tags: [West]}
---
{kind: ConfigurationProfile, name: Edge, description: x, default: false, priority: 2, includeTags: [/Edge], includeAll: false, excludeTags: [], excludeAll: true, suspendScanning: true, blackouts: [MON 8-18], performance: {CPU_LIMIT: 500, AGENT_LOGGING_LEVEL: verbose}}`, []string{}},
		{"tag changes", `{kind: Tag, name: Edge, color: "", criticality: 0, description: "", ruleType: OPEN_PORTS, rule: 80}`, []string{
			"change Tag /Edge 2", "  color: #FF -> ", "  ruleType: STATIC -> OPEN_PORTS", "  rule:  -> 80", "  criticality: 3 -> 0", "  description: the edge -> ",
		}},
		{"rule is dropped", "{kind: Tag, name: West, parent: Edge, ruleType: STATIC}", []string{"change Tag /Edge/West 3", "  ruleType: OS_REGEX -> STATIC"}},
		{"tags are made, parents first", "{kind: Tag, name: In, parent: New}\n---\n{kind: Tag, name: New, parent: West}", []string{
			"create Tag /Edge/West/New 0", "create Tag /Edge/West/New/In 0",
		}},
		{"a namesake elsewhere", "{kind: Tag, name: West}", []string{
			"create Tag /West 0",
			"note /West is a new tag beside /Edge/West (id 3). If it is to be moved, use 'vedette tags update 3 --parent' first: its hosts go with it.",
		}},
		{"key changes", "{kind: ActivationKey, title: Edge, maxAgents: none, expires: never, disabled: true, modules: [VM_LICENSE], tags: [Edge, New]}\n---\n{kind: Tag, name: New}", []string{
			"create Tag /New 0",
			"change ActivationKey Edge 1", "  maxAgents: 9 -> none", "  expires: 2032-06-30T00:00:00Z -> never", "  disabled: false -> true",
			"  modules: [EDR VM_LICENSE] -> [VM_LICENSE]", "  tags: [West] -> [Edge New]",
		}},
		{"profile changes", "{kind: ConfigurationProfile, name: Edge, default: true, priority: 1, includeTags: [], excludeTags: [West], excludeAll: true, suspendScanning: false, preventAgentUpdate: true, inMemoryDatabase: true, blackouts: [], performance: {CPU_LIMIT: 5, NEW_KEY: a}}", []string{
			"change ConfigurationProfile Edge 2", "  default: false -> true", "  includeTags: [Edge] -> []", "  excludeTags: [] -> [West]", "  excludeAll: false -> true",
			"  suspendScanning: true -> false", "  preventAgentUpdate: false -> true", "  inMemoryDatabase: false -> true", "  blackouts: [mon 8-18] -> []",
			"  performance.CPU_LIMIT: 500 -> 5", "  performance.NEW_KEY: <nil> -> a", "  priority: 2 -> 1",
			"note ConfigurationProfile Edge: 'vedette profiles parameters' does not list NEW_KEY.",
			`note "Normal" is no longer the default profile.`,
		}},
		{"default is taken over", "{kind: ConfigurationProfile, name: Edge, default: true}\n---\n{kind: ConfigurationProfile, name: Normal, default: false}", []string{
			"change ConfigurationProfile Edge 2", "  default: false -> true", `note "Normal" is no longer the default profile.`,
		}},
		{"the platform's own profile", "{kind: ConfigurationProfile, name: Normal, description: mine}", []string{
			"change ConfigurationProfile Normal 1", "  description:  -> mine", `note "Normal" seems to belong to the platform, which may refuse to change it.`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := planOf(t, stocked(), tt.give, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give, want string
	}{
		{"no name", "{kind: Tag, color: '#fff'}", "f:1: name: the key is missing."},
		{"no title", "{kind: ActivationKey}", "f:1: title: the key is missing."},
		{"key twice", "{kind: ActivationKey, title: a}\n---\n{kind: ActivationKey, title: a}", `f:3: the activation key "a" is described in f:1 already.`},
		{"profile twice", "{kind: ConfigurationProfile, name: a}\n---\n{kind: ConfigurationProfile, name: a}", `f:3: the configuration profile "a" is described in f:1 already.`},
		{"two keys of a title", "{kind: ActivationKey, title: Twin}", `f:1: the activation keys 2, 3 all have the title "Twin".`},
		{"no parent", "{kind: Tag, name: a, parent: b}", `f:1:30: parent: there is no tag "b", neither on the platform nor in the files.`},
		{"parents in a circle", "{kind: Tag, name: a, parent: b}\n---\n{kind: Tag, name: b, parent: a}", `f:1: parent: the tags "a" and "b" wait for each other's parent.`},
		{"a parent that becomes ambiguous", "{kind: Tag, name: a, parent: West}\n---\n{kind: Tag, name: West}", `f:1:30: parent: 2 tags are called "West".`},
		{"static with a rule", "{kind: Tag, name: a, rule: b}", "f:1: rule: a static tag has no rule."},
		{"no color", "{kind: Tag, name: a, color: red}", `f:1: color: "red" is no color.`},
		{"no such tag on a key", "{kind: ActivationKey, title: a, tags: [Nowhere]}", `f:1:40: tags: there is no tag "Nowhere", neither on the platform nor in the files.`},
		{"one tag by two names", "{kind: ActivationKey, title: a, tags: [Edge, /Edge]}", `f:1: tags: the tag "/Edge" is listed twice.`},
		{"every license", "{kind: ActivationKey, title: a, modules: [ALL]}", "f:1: modules: ALL cannot be compared with what a platform has."},
		{"included and excluded", "{kind: ConfigurationProfile, name: Edge, excludeTags: [Edge]}", `f:1: excludeTags: the tag "Edge" is included as well.`},
		{"out of range", "{kind: ConfigurationProfile, name: a, performance: {CPU_LIMIT: 101}}", "f:1: performance settings: CPU_LIMIT is 101, allowed is 2 to 100 %."},
		{"description cannot be emptied", `{kind: ConfigurationProfile, name: Edge, description: ""}`, "f:1: description: the API cannot empty the description of a profile."},
		{"two defaults", "{kind: ConfigurationProfile, name: a, default: true}\n---\n{kind: ConfigurationProfile, name: b, default: true}", `f:3: default: "a" in f:1 is the default profile as well.`},
		{"no default", "{kind: ConfigurationProfile, name: Normal, default: false}", `f:1: default: "Normal" is the default profile, and no other is to replace it.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := planOf(t, stocked(), tt.give, false)
			f, ok := asFault(err)
			if !ok || f.Code != fault.Invalid || f.Message != tt.want || f.Resolution == "" {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPruningSparesWhatIsNeeded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
	}{
		{"only the kinds of the files", "{kind: Tag, name: Edge}", []string{
			"delete Tag /Old 4",
			"kept Tag /Edge/West: it is used by activation key 1 (\"Edge\")", "kept Tag /Cloud Agent/Under: it belongs to the platform",
			"kept Tag /Cloud Agent: it belongs to the platform", "kept Tag /Group: it belongs to the platform", "kept Tag /Quiet: it belongs to the platform",
			"kept Tag /Used: it is used by activation key 5 (\"Busy\")",
		}},
		{"keys", "{kind: ActivationKey, title: Edge}", []string{
			"delete ActivationKey Spare 4",
			"kept ActivationKey Twin: it has no title of its own, so no file could name it", "kept ActivationKey Twin: it has no title of its own, so no file could name it",
			"kept ActivationKey Busy: agents still have it: 2", "kept ActivationKey Silent: agents still have it: 1",
			"kept ActivationKey : it has no title of its own, so no file could name it",
		}},
		{"profiles", "{kind: ConfigurationProfile, name: New, default: true, priority: 2, includeTags: [Old]}\n---\n{kind: Tag, name: New}", []string{
			"create Tag /New 0",
			"create ConfigurationProfile New 0", "  default: <nil> -> true", "  includeTags: <nil> -> [Old]", "  priority: <nil> -> 2",
			"delete ConfigurationProfile Edge 2", "  agents: 0 -> <nil>",
			"delete ConfigurationProfile Spare 3", "  agents: 4 -> <nil>",
			"kept ConfigurationProfile Normal: it belongs to the platform",
			"kept Tag /Edge/West: it is used by activation key 1 (\"Edge\")",
			"kept Tag /Cloud Agent/Under: it belongs to the platform", "kept Tag /Cloud Agent: it belongs to the platform",
			"kept Tag /Edge: it has children that stay", "kept Tag /Old: it is used by the new configuration profile \"New\"",
			"kept Tag /Group: it belongs to the platform", "kept Tag /Quiet: it belongs to the platform",
			"kept Tag /Used: it is used by activation key 5 (\"Busy\")",
			`note "Normal" is no longer the default profile.`,
		}},
		{"a tag that its key gives up", "{kind: Tag, name: Edge}\n---\n{kind: ActivationKey, title: Edge, tags: []}\n---\n{kind: ActivationKey, title: Spare}", []string{
			"change ActivationKey Edge 1", "  tags: [West] -> []",
			"delete Tag /Edge/West 3", "delete Tag /Old 4",
			"kept ActivationKey Twin: it has no title of its own, so no file could name it", "kept ActivationKey Twin: it has no title of its own, so no file could name it",
			"kept ActivationKey Busy: agents still have it: 2", "kept ActivationKey Silent: agents still have it: 1",
			"kept ActivationKey : it has no title of its own, so no file could name it",
			"kept Tag /Cloud Agent/Under: it belongs to the platform",
			"kept Tag /Cloud Agent: it belongs to the platform", "kept Tag /Group: it belongs to the platform", "kept Tag /Quiet: it belongs to the platform",
			"kept Tag /Used: it is used by activation key 5 (\"Busy\")",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := planOf(t, stocked(), tt.give, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
	unknown := stocked()
	unknown.err = errors.New("no such field")
	if _, err := planOf(t, unknown, "{kind: ActivationKey, title: Edge}", true); !errors.Is(err, unknown.err) {
		t.Errorf("keys whose agents cannot be counted: error %v, want none pruned", err)
	}
}

func TestWhatAPlatformDoesNotTellIsNotCompared(t *testing.T) {
	t.Parallel()
	s := stocked()
	s.priorities = nil
	p, err := planOf(t, s, "{kind: ConfigurationProfile, name: Edge, priority: 7}\n---\n{kind: ConfigurationProfile, name: New, priority: 3}", false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"create ConfigurationProfile New 0", "  priority: <nil> -> 3",
		`note The platform does not tell the priorities of profiles: that of "Edge" is not compared.`,
	}
	if diff := cmp.Diff(want, lines(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	// Tags may come without ids, or not be visible to the account at all.
	s.keys = []*qps.AgentActKey{{ID: 1, Title: "Edge", Type: "UNLIMITED", Tags: []qps.TagSimple{{Name: "Edge"}, {ID: 99, Name: "Hidden"}}}}
	p, err = planOf(t, s, "{kind: ActivationKey, title: Edge, tags: [Hidden, Edge]}", false)
	if err != nil || !p.Empty() {
		t.Errorf("plan %v, %v, want none", lines(p), err)
	}
}

func TestWhatIsDescribedIsAPlanWithoutChanges(t *testing.T) {
	t.Parallel()
	s := stocked()
	d, err := Describe(t.Context(), s, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	var documents []Document
	for _, f := range d.Files {
		more, err := Decode(f.Name, f.Content)
		if err != nil || len(more) != f.Count {
			t.Fatalf("%s has %d documents, want %d (%v)", f.Name, len(more), f.Count, err)
		}
		documents = append(documents, more...)
	}
	for _, prune := range []bool{false, true} {
		p, err := Make(t.Context(), s, documents, Options{Prune: prune})
		if err != nil || !p.Empty() {
			t.Errorf("prune %v: plan %v, %v, want none", prune, lines(p), err)
		}
	}
	if len(d.KeptOut) != 3 {
		t.Errorf("kept out are %v, want the two keys of one title and that without", d.KeptOut)
	}
}
