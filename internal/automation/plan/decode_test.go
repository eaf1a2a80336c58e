package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
)

func TestADocumentSaysOnlyWhatIsWritten(t *testing.T) {
	t.Parallel()
	documents, err := Decode("edge.yaml", []byte(`# Tags first.
kind: Tag
name: "  Edge  "
color: '#2A6F97'
rule: " ^Debian "
criticality: 4
---
kind: ActivationKey
title: 2032
maxAgents: none
expires: 2032-06-30
disabled: true
modules: [VM_LICENSE]
tags: []
---
---
kind: ConfigurationProfile
name: Edge
level: LOW
includeTags:
  - Edge/West
blackouts: [mon-fri 8-18]
performance: {CPU_LIMIT: 10, AGENT_LOGGING_LEVEL: Info}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) != 3 {
		t.Fatalf("got %d documents, want 3: an empty one is none", len(documents))
	}
	tag, key, profile := documents[0].Tag, documents[1].Key, documents[2].Profile
	for _, check := range []struct {
		name      string
		got, want any
	}{
		{"source", documents[2].Source, "edge.yaml:17"},
		{"name", *tag.Name, "Edge"},
		{"rule", *tag.Rule, " ^Debian "},
		{"criticality", *tag.Criticality, int64(4)},
		{"parent", tag.Parent == nil, true},
		{"title", *key.Title, "2032"},
		{"maxAgents", *key.MaxAgents, int64(0)},
		{"expires", key.Expires.Format("2006-01-02"), "2032-06-30"},
		{"disabled", *key.Disabled, true},
		{"modules", *key.Modules, []string{"VM_LICENSE"}},
		{"tags", *key.Tags, []string{}},
		{"level", *profile.Level, performance.Low},
		{"includeTags", *profile.IncludeTags, []string{"Edge/West"}},
		{"excludeTags", profile.ExcludeTags == nil, true},
		{"blackouts", description.BlackoutText((*profile.Blackouts)[0]), "mon,tue,wed,thu,fri 8-18"},
		{"performance", profile.Performance, performance.Settings{"CPU_LIMIT": "10", "AGENT_LOGGING_LEVEL": "Info"}},
	} {
		if diff := cmp.Diff(check.want, check.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", check.name, diff)
		}
	}
}

func TestWrongYAMLIsRefusedByLineAndName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give, want string
	}{
		{"unknown key", "kind: Tag\nname: a\ncolour: red", "a.yaml:3:1: colour: the key is not known."},
		{"key of another kind", "kind: Tag\nname: a\nmodules: []", "a.yaml:3:1: modules: the key is not known."},
		{"key twice", "kind: Tag\nname: a\nname: b", "a.yaml:3:1: name: the key is given twice."},
		{"parameter twice", "kind: ConfigurationProfile\nname: a\nperformance:\n  CPU_LIMIT: 1\n  CPU_LIMIT: 2", "a.yaml:5:3: performance.CPU_LIMIT: the key is given twice."},
		{"unknown kind", "kind: Host\nname: a", `a.yaml:1: kind "Host" is not known.`},
		{"no kind", "name: a", `a.yaml:1: kind "" is not known.`},
		{"second document", "kind: Tag\nname: a\n---\nkind: Tagg\n", `a.yaml:4: kind "Tagg" is not known.`},
		{"list of documents", "- kind: Tag\n- kind: Tag", "a.yaml:1: a document is not a mapping."},
		{"no YAML", "kind: Tag\nname: a: b", "a.yaml:2: this is no YAML: mapping values are not allowed in this context."},
		{"tab", "kind: Tag\n\tname: a", "a.yaml:2: this is no YAML: found a tab character that violates indentation."},
		{"XML", "<ServiceRequest/>", "a.yaml: this is XML, a plan takes YAML."},
		{"alias", "kind: Tag\nname: &n a\ndescription: *n", "a.yaml:3:1: description: aliases are not supported."},
		{"merge", "kind: Tag\nname: a\n<<: {color: red}", "a.yaml:3:1: <<: the key is not known."},
		{"list for text", "kind: Tag\nname: [a]", "a.yaml:2:1: name: a single value is expected."},
		{"text for list", "kind: ActivationKey\ntitle: a\ntags: Edge", "a.yaml:3:1: tags: a list is expected."},
		{"list in list", "kind: ActivationKey\ntitle: a\ntags:\n- [Edge]", "a.yaml:4:3: tags: a single value is expected."},
		{"twice in list", "kind: ActivationKey\ntitle: a\ntags: [Edge, Edge]", `a.yaml:3:14: tags: "Edge" is listed twice.`},
		{"nothing", "kind: Tag\nname: a\ncolor:", "a.yaml:3:1: color: the value is missing."},
		{"empty name", `kind: Tag` + "\n" + `name: " "`, `a.yaml:2:1: name: "" cannot name anything.`},
		{"control character", `kind: Tag` + "\n" + `name: "a\eb"`, `a.yaml:2:1: name: "a\x1bb" has characters that the API cannot carry.`},
		{"line break in name", `kind: Tag` + "\n" + `name: "a\nb"`, `a.yaml:2:1: name: "a\nb" cannot name anything.`},
		{"criticality", "kind: Tag\nname: a\ncriticality: 6", `a.yaml:3:1: criticality: "6" is not allowed.`},
		{"no number", "kind: ActivationKey\ntitle: a\nmaxAgents: many", `a.yaml:3:1: maxAgents: "many" is no number of agents.`},
		{"no agents", "kind: ActivationKey\ntitle: a\nmaxAgents: 0", `a.yaml:3:1: maxAgents: "0" is no number of agents.`},
		{"no boolean", "kind: ActivationKey\ntitle: a\ndisabled: yes", `a.yaml:3:1: disabled: "yes" is not allowed.`},
		{"no date", "kind: ActivationKey\ntitle: a\nexpires: soon", `a.yaml:3:1: expires: "soon" is no date.`},
		{"no window", "kind: ConfigurationProfile\nname: a\nblackouts: [always]", `a.yaml:3:13: blackouts: "always" is no window.`},
		{"no level", "kind: ConfigurationProfile\nname: a\nlevel: max", `a.yaml:3:1: level: "max" is no level.`},
		{"no parameters", "kind: ConfigurationProfile\nname: a\nperformance: [CPU_LIMIT]", "a.yaml:3:1: performance: a mapping is expected."},
		{"priority", "kind: ConfigurationProfile\nname: a\npriority: 0", `a.yaml:3:1: priority: "0" is not allowed.`},
		{"binary", "kind: Tag\nname: !!binary YQ==", `a.yaml:2:1: name: the YAML type "!!binary" is not supported.`},
		{"long text", "kind: Tag\nname: a\nrule: " + strings.Repeat("x", maxTextBytes+1), "a.yaml:3:1: rule: there are 65537 bytes."},
		{"long list", "kind: ActivationKey\ntitle: a\ntags: [" + strings.Repeat("a,", maxListItems+1) + "]", "a.yaml:3:1: tags: the list has 1001 items."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode("a.yaml", []byte(tt.give))
			f, ok := asFault(err)
			if !ok || f.Code != fault.Invalid {
				t.Fatalf("error %v, want fault.Invalid", err)
			}
			if f.Message != tt.want {
				t.Errorf("message:\n got %s\nwant %s", f.Message, tt.want)
			}
			if f.Resolution == "" {
				t.Error("there is no next step")
			}
		})
	}
}

func TestFilesAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := Decode("a.yaml", make([]byte, MaxFileBytes+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large file: %v", err)
	}
	if _, err := Decode("a.yaml", []byte(strings.Repeat("--- {kind: Tag}\n", MaxDocuments+1))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("many documents: %v", err)
	}
	// Ten levels of ten aliases each are ten thousand million values.
	bomb := "kind: Tag\nname: a\nx0: &x0 [lol]\n"
	for i := range 10 {
		bomb += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i), 10), ","))
	}
	if _, err := Decode("a.yaml", []byte(bomb)); !fault.Is(err, fault.Invalid) {
		t.Errorf("aliases of aliases: %v", err)
	}
	if _, err := Decode("a.yaml", []byte("kind: Tag\nname: "+strings.Repeat("[", 100_000))); !fault.Is(err, fault.Invalid) {
		t.Errorf("deep nesting: %v", err)
	}
}

// FuzzDecode looks for input that breaks the decoder: whatever it takes is
// complete, and what it refuses has a reason.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("kind: Tag\nname: a\nparent: b\ncolor: '#fff'\n---\nkind: ActivationKey\ntitle: a\nexpires: never\n"))
	f.Add([]byte("kind: ConfigurationProfile\nname: a\nlevel: low\nblackouts: [sat,sun 22-6]\nperformance: {CPU_LIMIT: 10}\n"))
	f.Add([]byte("a: &a [*a, *a]\n--- !!binary x\n... \n%YAML 1.1\n"))
	f.Add([]byte("{kind: Tag, ? name : a, rule: |\n  x\n}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		documents, err := Decode("a.yaml", content)
		if err != nil {
			if f, ok := asFault(err); !ok || f.Resolution == "" || len(f.Message) > 10_000 {
				t.Fatalf("refused without help: %v", err)
			}
			return
		}
		for _, d := range documents {
			if d.Tag == nil && d.Key == nil && d.Profile == nil && d.Connector == nil && d.Site == nil && d.Relay == nil && d.Connection == nil && d.Playbook == nil && d.Schedule == nil {
				t.Fatalf("nothing is described: %+v", d)
			}
		}
		_ = check(documents)
	})
}
