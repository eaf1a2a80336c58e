package playbook

import (
	"strings"
	"testing"
)

// product has the commands there are, and no other playbook.
type product struct {
	Integrations
}

func (product) Playbook(string) (Signature, bool) { return Signature{}, false }
func (product) PlaybookNames() []string           { return nil }

func TestEveryCommandCanBeUsedByAStep(t *testing.T) {
	t.Parallel()
	names := Integrations{}.CommandNames()
	if len(names) < 20 {
		t.Fatalf("there are only %d commands", len(names))
	}
	for _, name := range names {
		if !commandName.MatchString(name) {
			t.Errorf("%s is no name that a step can use", name)
		}
		c, ok := Integrations{}.Command(name)
		if !ok {
			t.Errorf("%s is not found", name)
		}
		for _, in := range c.Inputs {
			known := false
			for _, word := range inputTypes() {
				known = known || word == string(in.Type)
			}
			if !known {
				t.Errorf("%s: the input %s has the type %s, which playbooks do not know", name, in.Name, in.Type)
			}
		}
	}
}

func TestConstantsAreCheckedAsTheCommandReadsThem(t *testing.T) {
	t.Parallel()
	const scan = "  - {id: a, uses: qualys-cloud-agent/launch-on-demand-scans, connection: c, with: "
	tests := []struct{ name, give, want string }{
		{"ids as texts", scan + "{cloudAgentIds: ['7003001']}}", ""},
		{"time as users write it", "  - {id: a, uses: qualys-cloud-agent/search-cloud-agents, connection: c, with: {lastCheckedInTo: 01/02/2025 08:00 PM}}", ""},
		{"choice", scan + "{cloudAgentIds: [1], scanType: Quick}}", "4:114: steps[0].with.scanType: Scan Type parameter"},
		{"no id", scan + "{cloudAgentIds: [-1]}}", "4:99: steps[0].with.cloudAgentIds: Cloud Agent IDs parameter"},
		{"nothing", scan + "{cloudAgentIds: []}}", "4:99: steps[0].with.cloudAgentIds: the value is empty, and it is required."},
		{"no time", "  - {id: a, uses: qualys-cloud-agent/search-cloud-agents, connection: c, with: {lastCheckedInTo: soon}}", "4:98: steps[0].with.lastCheckedInTo: Last Checked In Time To parameter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, problems := Parse([]byte(head + tt.give))
			if problems != nil {
				t.Fatal(problems)
			}
			_, problems, err := Check(d, product{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(problems) > 0 {
				got = problems[0].String()
			}
			if !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") {
				t.Errorf("problem %s, want %s", got, tt.want)
			}
		})
	}
}
