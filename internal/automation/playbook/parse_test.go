package playbook

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// full has every key of the notation.
func full(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryKeyOfTheNotationIsRead(t *testing.T) {
	t.Parallel()
	d := check(t, full(t)).Definition
	find, gate, scan, done, pause, notify := d.Steps[0], d.Steps[1], d.Steps[2], d.Steps[3], d.Steps[4], d.Steps[5]
	tests := []struct {
		what      string
		got, want any
	}{
		{"name", d.Name, "rescan-stale-windows"},
		{"description", d.Description, "Scans Windows hosts that were away."},
		{"inputs", []string{d.Inputs[0].Name, string(d.Inputs[0].Type), d.Inputs[1].Choices[1]}, []string{"days", "integer", "Vulnerability Scan"}},
		{"default", d.Inputs[0].Default, int64(7)},
		{"required", d.Inputs[2].Required, true},
		{"manual", d.Triggers.Manual, true},
		{"schedules", []string{d.Triggers.Schedules[0].Spec.Every.String(), d.Triggers.Schedules[1].Spec.Cron, d.Triggers.Schedules[1].Spec.Zone}, []string{"6h", "0 3 * * *", "Europe/Berlin"}},
		{"schedule", []any{d.Triggers.Schedules[1].Spec.Overlap, d.Triggers.Schedules[1].Spec.CatchUp}, []any{schedule.OverlapQueue, schedule.CatchUpOne}},
		{"webhook", d.Triggers.Webhooks[0].Secret, "siem"},
		{"agent-inactive", d.Triggers.Events[0].Days, 7},
		{"scan-finished", d.Triggers.Events[1].ScanStates, []string{"failed", "expired"}},
		{"connector-failed", d.Triggers.Events[2].Kind, ConnectorFailed},
		{"key-nearly-used-up", []int{d.Triggers.Events[3].Left, d.Triggers.Events[4].Percent}, []int{10, 90}},
		{"default timeout", find.Timeout, 5 * time.Minute},
		{"default retry", find.Retry.Statuses, []int{429, 503}},
		{"own retry", []any{scan.Retry.Max, scan.Retry.Network, scan.Retry.Fixed, scan.Retry.Base, scan.Retry.Limit}, []any{2, false, true, 10 * time.Second, time.Minute}},
		{"approval", []any{gate.Approval.To[0].constant, gate.Approval.To[1].text, gate.Approval.Due, gate.Approval.Approve}, []any{"group:soc", "${{ run.startedBy }}", 4 * time.Hour, false}},
		{"order by default", gate.Needs, []string{"find"}},
		{"needs", scan.Needs, []string{"find", "gate"}},
		{"join", scan.Join, JoinAll},
		{"forEach", []int{scan.ForEach.Parallel, scan.ForEach.Max}, []int{2, 20}},
		{"onPartial", scan.OnPartial.Act, Continue},
		{"branch", []any{scan.OnError.Act, scan.OnError.Branch}, []any{Branch, "notify"}},
		{"needs of a branch's step", []any{notify.Needs, notify.Join}, []any{[]string{"scan"}, JoinAnyOnce}},
		{"wait", []time.Duration{done.Wait.Interval, done.Wait.Timeout}, []time.Duration{time.Minute, 2 * time.Hour}},
		{"loop", []any{done.Loop.Goto, done.Loop.Max}, []any{"scan", 3}},
		{"wait for", pause.Wait.For.constant, time.Hour},
		{"handlers", []string{d.Handlers[0].ID, d.Handlers[1].ID}, []string{"on_error_1", "tell"}},
		{"outputs", d.Outputs[0].Name, "agentIds"},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
}

func TestTriggersIsAnotherWordForOn(t *testing.T) {
	t.Parallel()
	d := check(t, strings.Replace(full(t), "\non:\n", "\ntriggers:\n", 1)).Definition
	if len(d.Triggers.Schedules) != 2 || len(d.Triggers.Events) != 5 {
		t.Errorf("triggers %+v", d.Triggers)
	}
}

func TestAPlaybookWithoutTriggersIsStartedByPeople(t *testing.T) {
	t.Parallel()
	d := check(t, "kind: Playbook\nname: a\nsteps:\n  - {id: b, wait: {for: 1s}}\n").Definition
	if !d.Triggers.Manual {
		t.Error("nobody may start it")
	}
}

// head begins a playbook whose steps follow in line 4.
const head = "kind: Playbook\nname: p\nsteps:\n"

func TestMistakesAreFoundWithTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, give, want string }{
		{"nothing", "", "1:1: the text is empty. Begin with kind: Playbook and a name."},
		{"no YAML", "kind: Playbook\nname: [a\nsteps: b", "3:6: this is no YAML: "},
		{"tab", "kind: Playbook\n\tname: a", "2:1: this is no YAML: "},
		{"list", "- a", "1:1: a list is given, and a mapping is expected. Keys are apiVersion, kind, name, "},
		{"another kind", "kind: Playbok\nname: a\nsteps: [{id: b, wait: {for: 1s}}]", `1:7: kind: "Playbok" is given, and one of Playbook is expected. Did you mean Playbook?`},
		{"two documents", head + "  - {id: a, wait: {for: 1s}}\n---\nkind: Playbook", "5:1: a second document begins here. Save each playbook by itself."},
		{"anchor", "kind: Playbook\nname: &n p\nsteps: []", "2:7: anchors and aliases are not supported. Write the value out."},
		{"alias bomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "1:4: anchors and aliases are not supported. Write the value out."},
		{"tag", "kind: !!str Playbook\nname: p", "1:7: tags such as !!str are not supported. Leave it out."},
		{"merge", head + "  - {id: a, wait: {for: 1s}, <<: {id: b}}", `4:30: steps[0].<<: the key "<<" is not known. Keys are id, name, needs, `},
		{"unknown key", head + "  - {id: a, use: core/email}", `4:13: steps[0].use: the key "use" is not known. Did you mean uses?`},
		{"key given twice", head + "  - {id: a, id: b, wait: {for: 1s}}", "4:13: steps[0].id: the key is given twice. Give it once."},
		{"name", "kind: Playbook\nname: My Playbook\nsteps: [{id: b, wait: {for: 1s}}]", `2:7: name: "My Playbook" is no name of a playbook: small letters, digits and hyphens, a letter first, 64 at most.`},
		{"no steps", "kind: Playbook\nname: p\nsteps: []", "3:8: steps: there is no step. Add a step."},
		{"steps missing", "kind: Playbook\nname: p", "1:1: the key steps is missing. Add steps: with at least one step."},
		{"id", head + "  - {id: 2nd, wait: {for: 1s}}", `4:10: steps[0].id: "2nd" is no id: small letters, digits and underscores, a letter first, 64 at most.`},
		{"same id", head + "  - {id: a, wait: {for: 1s}}\n  - {id: a, wait: {for: 1s}}", `5:5: steps[1]: the id "a" is taken by steps[0] in line 4. Rename one of them.`},
		{"does nothing", head + "  - {id: a}", "4:5: steps[0]: a step does one thing: uses a command, asks for an approval, or waits with wait: {for: …}; here are 0 of them."},
		{"does two things", head + "  - {id: a, uses: core/email, approval: {to: user:ada}}", "4:5: steps[0]: a step does one thing: "},
		{"uses", head + "  - {id: a, uses: email}", `4:19: steps[0].uses: "email" is no command or playbook: write integration/command, `},
		{"needs", head + "  - {id: find, wait: {for: 1s}}\n  - {id: b, needs: [fnd], wait: {for: 1s}}", `5:21: steps[1].needs[0]: there is no step "fnd". Did you mean find?`},
		{"needs itself", head + "  - {id: a, needs: a, wait: {for: 1s}}", "4:20: steps[0].needs: a step cannot follow itself."},
		{"cycle", head + "  - {id: a, needs: [c], wait: {for: 1s}}\n  - {id: b, wait: {for: 1s}}\n  - {id: c, wait: {for: 1s}}", "4:5: steps[0]: the steps wait for each other: a → c → b → a. Go back with loop: {goto: …, while: …, max: …} only."},
		{"loop without max", head + "  - {id: a, wait: {for: 1s}, loop: {goto: a, while: true}}", "4:36: steps[0].loop: the key max is missing. "},
		{"loop forward", head + "  - {id: a, wait: {for: 1s}, loop: {goto: b, while: true, max: 2}}\n  - {id: b, wait: {for: 1s}}", "4:43: steps[0].loop.goto: step b does not come before step a. "},
		{"crossing loops", head + "  - {id: a, wait: {for: 1s}}\n  - {id: b, wait: {for: 1s}}\n  - {id: c, wait: {for: 1s}, loop: {goto: a, while: true, max: 2}}\n  - {id: d, wait: {for: 1s}, loop: {goto: b, while: true, max: 2}}", "7:36: steps[3].loop: the loops of c and d cross each other. "},
		{"branch with needs", head + "  - {id: a, uses: core/email, onError: {branch: b}}\n  - {id: b, needs: [], wait: {for: 1s}}", "5:5: steps[1]: step b is where the branch of a leads, and runs only then. Leave out needs and join."},
		{"branch without step", head + "  - {id: a, uses: core/email, onError: branch}", "4:40: steps[0].onError: the step to branch to is missing. Write {branch: ID}."},
		{"reaction", head + "  - {id: a, uses: core/email, onError: ignore}", `4:40: steps[0].onError: "ignore" is given, and one of stop, continue, {branch: ID} is expected.`},
		{"retry", head + "  - {id: a, uses: core/email, retry: {on: [timeout]}}", `4:44: steps[0].retry.on[0]: "timeout" is neither a status nor network. `},
		{"duration", head + "  - {id: a, wait: {for: 1 day}}", `4:25: steps[0].wait.for: "1 day" is given, and a duration from 0s to 744h is expected. Write it such as 90s, 10m or 24h.`},
		{"approval by nobody", head + "  - {id: a, approval: {due: 4h}}", "4:23: steps[0].approval: an approval needs somebody who is asked. "},
		{"assignee", head + "  - {id: a, approval: {to: ada}}", `4:28: steps[0].approval.to: "ada" is no person: write user:NAME, group:NAME or role:NAME.`},
		{"approval with timeout", head + "  - {id: a, approval: {to: user:ada}, timeout: 1m}", "4:48: steps[0].timeout: timeout has no meaning in an approval. Leave it out."},
		{"condition", head + "  - {id: a, if: maybe, wait: {for: 1s}}", `4:17: steps[0].if: "maybe" is given, and an expression is expected. `},
		{"forEach", head + "  - {id: a, uses: core/email, forEach: hosts}", `4:40: steps[0].forEach: "hosts" is given, and an expression or a list is expected. `},
		{"forEach of each", head + "  - {id: a, uses: core/email, join: any-each, forEach: [1]}", "4:5: steps[0]: join: any-each runs a step several times already, "},
		{"input type", "kind: Playbook\nname: p\ninputs: {days: {type: int}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:23: inputs.days.type: "int" is no type. Did you mean integer?`},
		{"default of another type", "kind: Playbook\nname: p\ninputs: {days: {type: integer, default: week}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:41: inputs.days.default: "week" is given, and an integer is expected.`},
		{"choice", "kind: Playbook\nname: p\ninputs: {level: {type: choice, choices: [low, high], default: hgh}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:63: inputs.level.default: "hgh" is given, and one of low, high is expected.`},
		{"required with default", "kind: Playbook\nname: p\ninputs: {a: {required: true, default: b}}\nsteps: [{id: a, wait: {for: 1s}}]", "3:39: inputs.a.default: an input with a default is never missing, "},
		{"schedule without time", "kind: Playbook\nname: p\non: {schedule: {timeZone: UTC}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:16: on.schedule: Neither every nor cron is given. `},
		{"zone", "kind: Playbook\nname: p\non: {schedule: {every: 6h, timeZone: Berlin}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:38: on.schedule.timeZone: "Berlin" is no time zone, did you mean Europe/Berlin?`},
		{"unsigned webhook", "kind: Playbook\nname: p\non: {webhook: {}}\nsteps: [{id: a, wait: {for: 1s}}]", "3:15: on.webhook: a webhook without a secret would let anybody start the playbook. "},
		{"event", "kind: Playbook\nname: p\non: {agent-lost: {days: 7}}\nsteps: [{id: a, wait: {for: 1s}}]", `3:6: on.agent-lost: the key "agent-lost" is not known. Keys are manual, schedule, webhook, agent-inactive, `},
		{"key nearly used up", "kind: Playbook\nname: p\non: {key-nearly-used-up: {}}\nsteps: [{id: a, wait: {for: 1s}}]", "3:26: on.key-nearly-used-up: either left or percent is expected. "},
		{"too long", strings.Repeat("#", MaxFileBytes+1), "1:1: the text has 262145 bytes; there may be 262144. "},
		{"too deep", "kind: " + strings.Repeat("[", 30) + strings.Repeat("]", 30), "1:27: values are nested more than 20 deep."},
		{"not UTF-8", "kind: \xff", "1:1: the text is not UTF-8. Save it as UTF-8."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse([]byte(tt.give))
			if len(problems) == 0 {
				t.Fatal("no problem was found")
			}
			if got := problems[0].String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("problem\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnceInTheOrderOfTheText(t *testing.T) {
	t.Parallel()
	_, problems := Parse([]byte(`kind: Playbook
name: Rescan
inputs:
  days: {type: int, defalt: 7}
steps:
  - id: find
    uses: search
    timeout: fast
  - wait: {for: 1h}
onErrors: []
`))
	var got []string
	for _, p := range problems {
		got = append(got, strings.SplitAfterN(p.String(), ": ", 3)[0]+p.Path)
	}
	want := []string{"2:7: name", "4:16: inputs.days.type", "4:21: inputs.days.defalt", "7:11: steps[0].uses", "8:14: steps[0].timeout", "9:5: steps[1]", "10:1: onErrors"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s\n%v", diff, problems)
	}
	err := problems.Fault()
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "(and 6 more)") {
		t.Errorf("fault %v", err)
	}
	if all, ok := errors.AsType[Problems](err); !ok || len(all) != 7 {
		t.Errorf("the fault has not all problems: %v", all)
	}
}

func TestMoreProblemsThanAnybodyReadsAreCounted(t *testing.T) {
	t.Parallel()
	_, problems := Parse([]byte(head + strings.Repeat("  - {id: a, wait: {for: 1 d}}\n", MaxProblems+20)))
	if len(problems) != MaxProblems || problems[MaxProblems-1].Message != "there are 21 more problems" {
		t.Errorf("%d problems, the last one %q", len(problems), problems[len(problems)-1].Message)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full(f))
	f.Add(head + "  - {id: a, wait: {for: 1s}, loop: {goto: a, while: true, max: 2}}")
	f.Add("on: {manual: }\nsteps: *a")
	f.Add(head + "  - id: a\n    uses: core/email\n    with: |\n      ${{ a }}\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, problems := Parse([]byte(text))
		if (d == nil) == (problems == nil) {
			t.Fatalf("definition %v with problems %v", d, problems)
		}
		if d != nil {
			var err error
			if _, problems, err = Check(d, around()); err != nil {
				t.Fatal(err)
			}
		}
		lines := strings.Count(text, "\n") + 1
		for i, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("problem without place or message: %+v", p)
			}
			if i > 0 && p.Line < problems[i-1].Line {
				t.Errorf("problem %v after %v", p, problems[i-1])
			}
		}
	})
}
