package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// weekly is the text of a playbook with inputs, and with a schedule of its own.
const weekly = `kind: Playbook
name: weekly
inputs:
  days: {type: integer, required: true}
  level: {type: choice, choices: [low, high], default: low}
  ids: {type: ids}
  more: {type: any}
on: {schedule: {every: 6h, with: {days: 7}}}
steps:
  - {id: a, wait: {for: 1s}}
`

// punctual is an office with a live playbook, a schedule that starts it, and the one in
// its text.
func punctual(t *testing.T) *office {
	t.Helper()
	o := newOffice()
	made, err := o.CreatePlaybook(t.Context(), 1, weekly)
	if err == nil {
		_, err = o.PublishPlaybook(t.Context(), made.ID, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	main, of := qpsclient.Reference{ID: 1, Name: "Main"}, qpsclient.Reference{ID: made.ID, Name: "weekly"}
	o.schedules = []qpsclient.AutomationSchedule{
		{ID: 8, Kind: "user", Name: "weekly 1", Site: main, Playbook: of, Trigger: 1, Owner: "mia", ScheduleRule: qpsclient.ScheduleRule{Every: "6h"}, CatchUp: "none", Overlap: "skip", Active: true},
		{
			ID: 9, Kind: "user", Name: "mondays", Site: main, Playbook: of, Owner: "ana", ScheduleRule: qpsclient.ScheduleRule{Cron: "0 3 * * MON"}, CatchUp: "none", Overlap: "skip", Active: true,
			Inputs: qpsclient.Inputs{"days": json.Number("14"), "ids": []any{json.Number("9007199254740993"), "12"}, "level": nil, "more": map[string]any{"a": []any{true, "007"}}},
		},
	}
	o.last = 20
	return o
}

const mondays = `kind: Schedule
name: mondays
site: Main
playbook: Main/weekly
inputs:
  days: 14
  ids: [9007199254740993, "12"]
  more: {a: [true, "007"]}
cron: 0 3 * * MON
timeZone: ""
start: none
end: none
catchUp: none
overlap: skip
jitterPercent: 0
pauseAfterFailures: 0
active: true
`

func TestAScheduleOfAPlaybookIsDescribedButNotThoseInItsText(t *testing.T) {
	t.Parallel()
	o := punctual(t)
	d, err := Describe(t.Context(), shelf{office: o}, Selection{Kinds: []Kind{KindSchedule}})
	if err != nil || len(d.KeptOut) > 0 || len(d.Files) != 1 {
		t.Fatalf("left out is %v (%v)", d.KeptOut, err)
	}
	if diff := cmp.Diff(mondays, string(d.Files[0].Content)); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
	if p, err := o.plan(t, mondays, true); err != nil || len(lines(p)) != 0 {
		t.Errorf("left to do: %v (%v)", lines(p), err)
	}
	deep := any("x")
	for range maxInputDepth {
		deep = []any{deep}
	}
	o.schedules[1].Inputs["more"] = deep
	if d, err = Describe(t.Context(), shelf{office: o}, Selection{}); err != nil || !slices.Equal(d.KeptOut, []Kept{{KindSchedule, "Main/mondays", 9, "no file can say its inputs"}}) {
		t.Errorf("left out is %v (%v)", d.KeptOut, err)
	}
	o.denied = map[Kind]bool{KindPlaybook: true}
	if d, err = Describe(t.Context(), shelf{office: o}, Selection{Kinds: []Kind{KindSchedule}}); err != nil || !slices.Equal(d.KeptOut, []Kept{{KindSchedule, "Main/mondays", 9, "this account does not see its playbook"}}) {
		t.Errorf("left out is %v (%v)", d.KeptOut, err)
	}
}

func TestAPlanOfAScheduleOfAPlaybookIsWhatDiffers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, give string
		prune      bool
		want       []string
	}{
		{"nothing said", "{kind: Schedule, site: Main, name: mondays}", false, []string{}},
		{"new", "{kind: Schedule, site: Main, name: daily, playbook: weekly, inputs: {days: 1}, every: 1d}", false, []string{
			"create Schedule Main/daily 0", "  playbook: <nil> -> Main/weekly", "  inputs.days: <nil> -> 1", "  every: <nil> -> 1d",
		}},
		{"other inputs", "{kind: Schedule, site: Main, name: mondays, inputs: {days: 7, level: high}}", false, []string{
			"change Schedule Main/mondays 9", "  inputs.days: 14 -> 7", `  inputs.ids: [9007199254740993,"12"] -> `, "  inputs.level:  -> high", `  inputs.more: {"a":[true,"007"]} -> `, "  owner: ana -> mia",
		}},
		{"pruned, but not the one in the text", "{kind: Schedule, site: Main, name: daily, playbook: weekly, inputs: {days: 1}, every: 1d}", true, []string{
			"create Schedule Main/daily 0", "  playbook: <nil> -> Main/weekly", "  inputs.days: <nil> -> 1", "  every: <nil> -> 1d", "delete Schedule Main/mondays 9",
		}},
		{"a playbook that a schedule starts stays", playbookDocument("other", script("other", "x", ""), ""), true, []string{
			"create Playbook Main/other 0", "  text", `kept Playbook Main/weekly: it is used by schedule "Main/mondays"`,
		}},
		{"the schedule goes before it", playbookDocument("other", script("other", "x", ""), "live: true\n") + "---\n{kind: Schedule, site: Main, name: daily, playbook: other, every: 1d}", true, []string{
			"create Playbook Main/other 0", "  live: <nil> -> true", "  text", "create Schedule Main/daily 0", "  playbook: <nil> -> Main/other", "  every: <nil> -> 1d",
			"delete Schedule Main/mondays 9", "delete Playbook Main/weekly 2",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := punctual(t)
			p, err := o.plan(t, tt.give, tt.prune)
			if err != nil {
				t.Fatal(err)
			}
			got := lines(p)
			for i, line := range got {
				if strings.HasPrefix(line, "  text: ") {
					got[i] = "  text"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if _, err := p.Apply(t.Context(), layerOnly{LayerWriter: o}, func(Change) {}); err != nil {
				t.Fatal(err)
			}
			if again, err := o.plan(t, tt.give, tt.prune); err != nil || !again.Empty() {
				t.Errorf("left to do: %v (%v)", lines(again), err)
			}
			if !slices.ContainsFunc(o.schedules, func(s qpsclient.AutomationSchedule) bool { return s.Trigger == 1 }) {
				t.Error("the schedule in the text of the playbook is gone")
			}
		})
	}
}

func TestWhatAPlaybookWouldNotStartWithIsRefusedWhereItIsWritten(t *testing.T) {
	t.Parallel()
	const daily = "kind: Schedule\nname: daily\nsite: Main\nevery: 1d\n"
	for give, want := range map[string]string{
		daily + "playbook: none":                                   `f:5:11: playbook: there is no playbook "none", neither on the platform nor in the files.`,
		daily + "playbook: weekly\ncommand: test-connection":       `f:5:11: playbook: a command is given as well.`,
		daily + "playbook: weekly\ninputs: {days: often}":          `f:6:16: inputs.days: `,
		daily + "playbook: weekly\ninputs: {days: 1, level: none}": `f:6:26: inputs.level: "none" is given, and one of low, high is expected.`,
		daily + "playbook: weekly":                                 `f:1: inputs: The input days is missing; it is of the type integer.`,
		daily + "playbook: weekly\ninputs: {days: 1, day: 2}":      `f:6:9: inputs: The playbook has no input "day".`,
		"kind: Schedule\nname: daily\nsite: SOC\nplaybook: weekly\ninputs: {days: 1}\n---\n{kind: Site, name: SOC}":                               `f:3:7: site: playbook "Main/weekly" belongs to another site, and its schedules with it.`,
		"kind: Schedule\nname: mondays\nsite: Main\nconnection: prod":                                                                             `f:1: schedule "Main/mondays" runs a playbook.`,
		"kind: Schedule\nname: weekly 1\nsite: Main\nevery: 1h":                                                                                   `f:1: the schedule "Main/weekly 1" is in the text of playbook "weekly".`,
		daily + "playbook: draft\n---\n" + playbookDocument("draft", script("draft", "x", ""), ""):                                                `f:5:11: playbook: playbook "Main/draft" is not live, and nothing starts it.`,
		"kind: Schedule\nname: mondays\nsite: Main\nplaybook: draft\n---\n" + playbookDocument("draft", script("draft", "x", ""), "live: true\n"): `f:4:11: playbook: schedule "Main/mondays" runs another playbook.`,
	} {
		_, err := punctual(t).plan(t, give, false)
		if f, ok := asFault(err); !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, want) {
			t.Errorf("error\n %v, want\n %s, of\n%s", err, want, give)
		}
	}
	if _, err := busy().plan(t, "kind: Schedule\nname: nightly\nsite: Main\nplaybook: weekly", false); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `schedule "Main/nightly" runs a command`) {
		t.Errorf("a schedule of a command becomes one of a playbook: %v", err)
	}
}

func TestWhoSeesNoPlaybooksPlansSchedulesOfCommands(t *testing.T) {
	t.Parallel()
	o := busy()
	o.denied = map[Kind]bool{KindPlaybook: true}
	if p, err := o.plan(t, "{kind: Schedule, site: Main, name: nightly, active: false}", false); err != nil || len(p.Changes) != 1 {
		t.Errorf("plan %v (%v)", lines(p), err)
	}
}
