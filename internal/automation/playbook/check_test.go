package playbook

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// search is a step that others can follow.
const search = "  - {id: find, uses: qualys-cloud-agent/search-cloud-agents, connection: c}\n"

func TestWhatDoesNotFitItsSurroundingsIsFoundWithItsPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, give, want string }{
		{"unknown command", head + "  - {id: a, uses: qualys-cloud-agent/serch-cloud-agents}", `4:19: steps[0].uses: there is no command "qualys-cloud-agent/serch-cloud-agents". Did you mean qualys-cloud-agent/search-cloud-agents?`},
		{"unknown input", head + "  - {id: a, uses: qualys-cloud-agent/search-cloud-agents, connection: c, with: {Os: Windows}}", `4:81: steps[0].with.Os: qualys-cloud-agent/search-cloud-agents has no input "Os". Did you mean os?`},
		{"missing input", head + "  - {id: a, uses: qualys-cloud-agent/launch-on-demand-scans, connection: c}", "4:5: steps[0]: qualys-cloud-agent/launch-on-demand-scans needs the input cloudAgentIds, of the type ids. Add it below with."},
		{"wrong constant", head + "  - {id: a, uses: qualys-cloud-agent/launch-on-demand-scans, connection: c, with: {cloudAgentIds: [1, web]}}", `4:99: steps[0].with.cloudAgentIds: item 2: "web" is given, and an integer is expected.`},
		{"wrong choice", head + "  - {id: a, uses: qualys-cloud-agent/launch-on-demand-scans, connection: c, with: {cloudAgentIds: [1], scanType: Quick}}", `4:114: steps[0].with.scanType: "Quick" is given, and one of Inventory Scan, Vulnerability Scan is expected.`},
		{"wrong boolean", head + "  - {id: a, uses: qualys-cloud-agent/launch-on-demand-scans, connection: c, with: {cloudAgentIds: [1], overrideCpuLimits: yes}}", `4:123: steps[0].with.overrideCpuLimits: "yes" is given, and true or false is expected.`},
		{"expression of a wrong type", head + search + "  - {id: b, uses: core/email, with: {to: [a@b], subject: \"${{ size(steps.find.keyFields.agentIds) }}\"}}", "5:58: steps[1].with.subject: the value is of the type integer, and subject takes text."},
		{"item of a wrong type", head + "  - {id: b, uses: core/email, with: {to: [\"${{ 1 }}\"], subject: x}}", "4:43: steps[0].with.to[0]: the item is of the type integer, and to takes texts."},
		{"no connection", head + "  - {id: a, uses: qualys-cloud-agent/search-cloud-agents}", "4:19: steps[0].uses: qualys-cloud-agent/search-cloud-agents needs a connection. Add connection: NAME here or below defaults."},
		{"later step", head + "  - {id: a, if: \"${{ steps.find.state == 'Failed' }}\", wait: {for: 1s}}\n" + search, "4:22: steps[0].if: step find does not come before this one: add it to needs."},
		{"parallel step", head + search + "  - {id: b, needs: [], if: \"${{ steps.find.state == 'Failed' }}\", wait: {for: 1s}}", "5:33: steps[1].if: step find does not come before this one: add it to needs."},
		{"own step", head + "  - {id: a, if: \"${{ steps.a.state == 'Failed' }}\", wait: {for: 1s}}", "4:22: steps[0].if: a step cannot read itself; in until and loop.while it is self."},
		{"unknown step", head + search + "  - {id: b, if: \"${{ steps.fnd.state == 'Failed' }}\", wait: {for: 1s}}", "5:22: steps[1].if: steps has no fnd. Did you mean find?"},
		{"unknown key field", head + search + "  - {id: b, if: \"${{ steps.find.keyFields.ids == [] }}\", wait: {for: 1s}}", "5:42: steps[1].if: there is no field ids."},
		{"unknown state", head + search + "  - {id: b, if: \"${{ steps.find.state == 'Success' }}\", wait: {for: 1s}}", `5:42: steps[1].if: state is never "Success"; it is one of Pending, `},
		{"unknown input of the playbook", head + "  - {id: b, if: \"${{ inputs.days > 1 }}\", wait: {for: 1s}}", "4:22: steps[0].if: inputs has no days."},
		{"condition that is none", head + "  - {id: b, if: \"${{ 1 }}\", wait: {for: 1s}}", "4:17: steps[0].if: the value is of the type integer, and boolean is expected."},
		{"item without forEach", head + "  - {id: b, uses: core/email, with: {to: [a@b], subject: \"${{ item }}\"}}", "4:63: steps[0].with.subject: item is there only in a step with forEach or join: any-each, and not in its if."},
		{"error without error", head + "  - {id: b, uses: core/email, with: {to: [a@b], subject: \"${{ error.step }}\"}}", "4:63: steps[0].with.subject: error is there only in steps of onError, and in steps that a branch leads to."},
		{"connection's secret", head + "  - {id: b, uses: core/email, with: {to: [a@b], subject: \"${{ connection.password }}\"}}", "4:63: steps[0].with.subject: what a connection holds is out of reach of expressions."},
		{"secrets", head + "  - {id: b, uses: core/email, with: {to: [a@b], subject: \"${{ secrets.smtp }}\"}}", "4:63: steps[0].with.subject: secrets are out of reach of expressions."},
		{"forEach over no list", head + "  - {id: b, uses: core/email, forEach: \"${{ 1 }}\", with: {to: [a@b], subject: a}}", "4:40: steps[0].forEach: forEach takes a list, and this is a value of the type integer."},
		{"until on a command that writes", head + "  - {id: a, uses: qualys-cloud-agent/create-tag, connection: c, with: {name: x}, until: \"${{ true }}\"}", "4:89: steps[0].until: qualys-cloud-agent/create-tag would be carried out again before each look, "},
		{"wait without until", head + "  - {id: a, uses: qualys-cloud-agent/search-cloud-agents, connection: c, wait: {interval: 1m}}", "4:80: steps[0].wait: qualys-cloud-agent/search-cloud-agents has nothing to wait for by itself. "},
		{"wait for a text", head + "  - {id: a, wait: {for: \"${{ '1h' }}\"}}", "4:25: steps[0].wait.for: wait.for takes a duration or a datetime, and this is a value of the type text. "},
		{"block text", head + "  - id: a\n    uses: core/email\n    with:\n      to: [a@b]\n      subject: x\n      text: |\n        Hosts:\n        ${{ 1 +\n            nope }}", "12:13: steps[0].with.text: nothing is called nope. "},
		{"folded text", head + "  - id: a\n    uses: core/email\n    with:\n      to: [a@b]\n      subject: x\n      text: >\n        Hosts ${{ 1 }} and\n        ${{ nope }}", "11:13: steps[0].with.text: nothing is called nope. "},
		{"unknown playbook", head + "  - {id: a, uses: playbook/reports}", `4:19: steps[0].uses: there is no live playbook "reports". Did you mean report?`},
		{"playbook's input", head + "  - {id: a, uses: playbook/report, with: {title: a, level: lwo}}", `4:60: steps[0].with.level: "lwo" is given, and one of low, high is expected.`},
		{"playbook's output", head + "  - {id: a, uses: playbook/report, with: {title: a}}\n  - {id: b, if: \"${{ steps.a.outputs.name == '' }}\", wait: {for: 1s}}", "5:37: steps[1].if: there is no field name."},
		{"calls itself", head + "  - {id: a, uses: playbook/p}", "4:19: steps[0].uses: the playbook would call itself. Use loop: to repeat steps."},
		{"circle of playbooks", head + "  - {id: a, uses: playbook/one}", "4:19: steps[0].uses: the playbooks call each other in a circle: p → one → two → one."},
		{"too deep", head + "  - {id: a, uses: playbook/d1}", "4:19: steps[0].uses: playbooks call each other 9 deep; there may be 8: p → d1 → "},
		{"trigger without a required input", "kind: Playbook\nname: p\ninputs: {a: {required: true}}\non: {schedule: {every: 1h}}\nsteps: [{id: a, wait: {for: 1s}}]", "4:16: on.schedule: the playbook needs the input a, of the type text. Add it below with."},
		{"trigger with an unknown input", "kind: Playbook\nname: p\ninputs: {os: {}}\non: {schedule: {every: 1h, with: {o: 1}}}\nsteps: [{id: a, wait: {for: 1s}}]", `4:35: on.schedule.with.o: the playbook has no input "o". `},
		{"data of an event", "kind: Playbook\nname: p\ninputs: {a: {}}\non: {connector-failed: {with: {a: \"${{ trigger.data.title }}\"}}}\nsteps: [{id: a, wait: {for: 1s}}]", "4:40: on.connector-failed.with.a: trigger.data has no title."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, problems := Parse([]byte(tt.give))
			if problems != nil {
				t.Fatalf("the text by itself has problems:\n%v", problems)
			}
			_, problems, err := Check(d, around())
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) == 0 {
				t.Fatal("no problem was found")
			}
			if got := problems[0].String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("problem\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestAStepAfterAnApprovalKnowsWhetherItsConditionLooksAtIt(t *testing.T) {
	t.Parallel()
	p := check(t, full(t))
	for _, n := range p.Nodes {
		if want := n.Step.ID == "scan"; n.Looks[1] != want {
			t.Errorf("step %s looks at the approval: %v, want %v", n.Step.ID, n.Looks[1], want)
		}
	}
}

func TestALoopGoesThroughAllStepsBetweenItsEnds(t *testing.T) {
	t.Parallel()
	p := check(t, head+`  - {id: a, wait: {for: 1s}}
  - {id: b, wait: {for: 1s}}
  - {id: c, needs: [b], wait: {for: 1s}, loop: {goto: c, while: true, max: 2}}
  - {id: d, needs: [b], wait: {for: 1s}}
  - {id: e, needs: [c, d], wait: {for: 1s}, loop: {goto: b, while: true, max: 2}}
  - {id: f, needs: [d], wait: {for: 1s}}
`)
	if diff := cmp.Diff([]int{1, 2, 3, 4}, p.Nodes[4].Loop); diff != "" {
		t.Errorf("loop of e (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 4}, p.Nodes[2].Loops); diff != "" {
		t.Errorf("loops that go through c (-want +got):\n%s", diff)
	}
	if len(p.Nodes[5].Loops) != 0 {
		t.Errorf("loops that go through f: %v", p.Nodes[5].Loops)
	}
}

func TestATriggerGivesInputsOfItsEvent(t *testing.T) {
	t.Parallel()
	p := check(t, full(t))
	trigger := map[string]any{"kind": "agent-inactive", "data": map[string]any{"days": int64(12)}}
	got, err := p.TakeStart(t.Context(), p.Definition.Triggers.Events[0].Place, trigger, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"hosts": []any{}, "days": int64(12), "scanType": "Vulnerability Scan"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}

	// What a sender gives may be of another type.
	trigger = map[string]any{"kind": "webhook", "data": map[string]any{"hosts": "web"}}
	if _, err := p.TakeStart(t.Context(), p.Definition.Triggers.Webhooks[0].Place, trigger, time.Time{}); err == nil || err.Error() != "Input hosts: a list of text is expected." {
		t.Errorf("error %v", err)
	}
}

func TestInputsOfARunAreOfTheirTypes(t *testing.T) {
	t.Parallel()
	d := check(t, full(t)).Definition
	tests := []struct {
		name  string
		given map[string]any
		want  map[string]any
		err   string
	}{
		{"defaults", map[string]any{"hosts": []any{"web"}, "days": nil}, map[string]any{"hosts": []any{"web"}, "days": int64(7), "scanType": "Vulnerability Scan"}, ""},
		{"missing", map[string]any{"days": int64(1)}, nil, "The input hosts is missing; it is of the type texts."},
		{"wrong type", map[string]any{"hosts": []any{"web"}, "days": "a week"}, nil, `Input days: "a week" is given, and an integer is expected.`},
		{"wrong choice", map[string]any{"hosts": []any{"web"}, "scanType": "Quick"}, nil, `Input scanType: "Quick" is given, and one of Inventory Scan, Vulnerability Scan is expected.`},
		{"wrong item", map[string]any{"hosts": []any{int64(1)}}, nil, `Input hosts: item 1: "1" is given, and a text is expected.`},
		{"not known", map[string]any{"hosts": []any{}, "day": int64(1)}, nil, `The playbook has no input "day".`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := d.TakeInputs(tt.given)
			if text := ""; err != nil || tt.err != "" {
				if err != nil {
					text = err.Error()
				}
				if text != tt.err {
					t.Errorf("error %q, want %q", text, tt.err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("inputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMoreExpressionsThanCanBeCheckedQuicklyAreRefused(t *testing.T) {
	t.Parallel()
	d, problems := Parse([]byte(head + "  - {id: a, uses: core/email, with: {to: [a@b], subject: \"" + strings.Repeat("${{ 1 }}", 1001) + "\"}}"))
	if problems != nil {
		t.Fatal(problems)
	}
	if _, problems, _ = Check(d, around()); len(problems) != 1 || problems[0].Message != "there are more than 1000 expressions" {
		t.Errorf("problems:\n%v", problems)
	}
}

func TestAFailedExpressionIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	p := check(t, head+search+"  - {id: b, uses: core/webhook, with: {url: \"https://a/${{ steps.find.state }}/${{ steps.find.rawData.x }}\"}}")
	values := expression.Values{"steps": map[string]any{"find": map[string]any{"state": "Successful", "rawData": map[string]any{}}}}
	_, err := p.Nodes[1].With[0].Value.Evaluate(context.Background(), values, time.Time{})
	if want := "line 5, column 83: steps[1].with.url: ${{ steps.find.rawData.x }}: there is no x"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestASignatureTellsOtherPlaybooksWhatTheyNeed(t *testing.T) {
	t.Parallel()
	s := check(t, full(t)).Signature()
	if got := s.Outputs["agentIds"].String(); got != "list of integer" {
		t.Errorf("output agentIds is a %s", got)
	}
	if diff := cmp.Diff([]string{"report"}, s.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func BenchmarkCheck(b *testing.B) {
	text := full(b)
	for b.Loop() {
		check(b, text)
	}
}
