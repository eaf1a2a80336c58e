package playbook

import (
	"fmt"
	"slices"
	"testing"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// surroundings are a few commands and playbooks.
type surroundings struct{ playbooks map[string]Signature }

func (surroundings) Command(uses string) (Command, bool) {
	c, ok := map[string]Command{
		"qualys-cloud-agent/search-cloud-agents": {
			ReadOnly: true, Repeats: true, KeyFields: []string{"agentIds"},
			Inputs: []CommandInput{{Name: "lastCheckedInTo", Type: TypeDateTime}, {Name: "hostName", Type: TypeText}, {Name: "os", Type: TypeText}},
		},
		"qualys-cloud-agent/launch-on-demand-scans": {
			Repeats: true, Waits: true, KeyFields: []string{"agentIds", "failedAgentIds"},
			Inputs: []CommandInput{
				{Name: "cloudAgentIds", Type: TypeIDs, Required: true},
				{Name: "scanType", Type: TypeChoice, Check: func(v any) error {
					if v != "Inventory Scan" && v != "Vulnerability Scan" {
						return fmt.Errorf("%q is given, and one of Inventory Scan, Vulnerability Scan is expected", v)
					}
					return nil
				}},
				{Name: "overrideCpuLimits", Type: TypeBoolean},
			},
		},
		"qualys-cloud-agent/create-tag": {Inputs: []CommandInput{{Name: "name", Type: TypeText, Required: true}}},
		"qualys-cloud-agent/scan-status": {
			ReadOnly: true, Repeats: true, KeyFields: []string{"pending"}, Inputs: []CommandInput{{Name: "cloudAgentIds", Type: TypeIDs, Required: true}},
		},
	}[uses]
	return c, ok
}

func (surroundings) CommandNames() []string {
	return []string{"qualys-cloud-agent/search-cloud-agents", "qualys-cloud-agent/launch-on-demand-scans", "qualys-cloud-agent/create-tag", "qualys-cloud-agent/scan-status"}
}

func (s surroundings) Playbook(name string) (Signature, bool) {
	signature, ok := s.playbooks[name]
	return signature, ok
}

func (s surroundings) PlaybookNames() []string {
	var names []string
	for name := range s.playbooks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// around are the surroundings of most tests.
func around() surroundings {
	return surroundings{map[string]Signature{
		"report": {
			Inputs:  []Input{{Name: "title", Type: TypeText, Required: true}, {Name: "level", Type: TypeChoice, Choices: []string{"low", "high"}}},
			Outputs: map[string]expression.Type{"id": expression.Integer},
		},
		"one": {Calls: []string{"two"}}, "two": {Calls: []string{"one"}},
		"d1": {Calls: []string{"d2"}}, "d2": {Calls: []string{"d3"}}, "d3": {Calls: []string{"d4"}}, "d4": {Calls: []string{"d5"}},
		"d5": {Calls: []string{"d6"}}, "d6": {Calls: []string{"d7"}}, "d7": {Calls: []string{"d8"}}, "d8": {},
	}}
}

// check parses and checks a text that must be right.
func check(t testing.TB, text string) *Program {
	t.Helper()
	d, problems := Parse([]byte(text))
	if problems != nil {
		t.Fatalf("problems:\n%v", problems)
	}
	p, problems, err := Check(d, around())
	if err != nil || problems != nil {
		t.Fatalf("error %v, problems:\n%v", err, problems)
	}
	return p
}
