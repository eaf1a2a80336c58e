package automationapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/server/automationapi"
)

// greetText is a playbook that asks and mails.
const greetText = `kind: Playbook
name: greet
description: Greets somebody.
inputs:
  who: {required: true}
  at: {type: datetime}
  times: {type: integer, default: 2}
steps:
  - {id: gate, approval: {to: ["user:bob", "group:SOC"], message: "Greet ${{ inputs.who }}?"}}
  - {id: tell, uses: core/email, with: {to: [a@example.test], subject: "Hello ${{ inputs.who }}"}}
outputs: {said: "Hello ${{ inputs.who }}"}
`

// scanText is a playbook with a step for each of its agents.
const scanText = `kind: Playbook
name: scan
inputs: {agents: {type: ids, required: true}}
defaults: {connection: lab}
steps:
  - {id: scan, uses: qualys-cloud-agent/launch-on-demand-scans, forEach: "${{ inputs.agents }}", onPartial: fail, with: {cloudAgentIds: ["${{ item }}"], scanType: Inventory Scan}}
`

// body is a JSON object with a text and more members.
func body(text, more string) string {
	doc, _ := json.Marshal(text) // of a string
	return `{"text":` + string(doc) + more + `}`
}

// must calls as somebody and wants a status.
func (th *theatre) must(t *testing.T, as, method, target, body string, status int) []byte {
	t.Helper()
	w := th.call(as, method, target, body)
	if w.Code != status {
		t.Fatalf("%s %s %s: status %d, want %d: %s", as, method, target, w.Code, status, w.Body)
	}
	return w.Body.Bytes()
}

func TestAPlaybooksLifeIsShown(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	for _, step := range []struct {
		name, method, target, body string
		status                     int
	}{
		{"playbook-checked", "POST", "/playbooks/check", body(greetText, ""), 200},
		{"playbook-made", "POST", "/playbooks", body(greetText, `,"site":{"name":"SOC"}`), 201},
		{"playbook-published", "POST", "/playbooks/1/publish", `{}`, 200},
		{"playbook-same", "POST", "/playbooks/1/versions", body(greetText, ""), 200},
		{"playbook-saved", "POST", "/playbooks/1/versions", body(greetText+"# more\n", `,"base":1`), 201},
		{"playbook-versions", "GET", "/playbooks/1/versions", "", 200},
		{"playbook-version", "GET", "/playbooks/1/versions/0", "", 200},
		{"playbooks", "GET", "/playbooks?site=SOC", "", 200},
		{"playbook-withdrawn", "POST", "/playbooks/1/withdraw", "", 200},
		{"playbook", "GET", "/playbooks/1", "", 200},
	} {
		matchGolden(t, step.name, th.must(t, "ann", step.method, step.target, step.body, step.status))
	}
	th.must(t, "ann", "DELETE", "/playbooks/1", "", 204)
	if got := string(th.must(t, "ann", "GET", "/playbooks", "", 200)); got != "{\"playbooks\":[]}\n" {
		t.Errorf("after the end there are %s", got)
	}
	var told []string
	for _, e := range th.memory.Entries() {
		if e.Outcome == access.Done && strings.HasSuffix(e.Action, " playbook") {
			told = append(told, e.Action+" "+e.Object+": "+e.Detail)
		}
	}
	want := "create playbook 1 greet: \npublish playbook 1 greet: version 1\nsave playbook 1 greet: version 1 has this text already\n" +
		"save playbook 1 greet: version 2\nwithdraw playbook 1 greet: \ndelete playbook 1 greet: "
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("the audit log has\n%s\nwant\n%s", got, want)
	}
}

func TestARunIsShownFromItsStartToItsEnd(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	th.must(t, "ann", "POST", "/playbooks", body(greetText, ""), 201)
	th.must(t, "ann", "POST", "/playbooks/1/publish", `{"version":1}`, 200)
	th.must(t, "ann", "POST", "/playbooks/1/versions", body(strings.Replace(greetText, "Hello", "Hi", 2), ""), 201)
	matchGolden(t, "playbook-run-queued", th.must(t, "ann", "POST", "/playbooks/1/runs", `{"inputs":{"who":"Eve","at":"05/01/2031 12:00 AM","times":12345678901234567}}`, 202))
	th.conduct(t, 1)
	matchGolden(t, "playbook-run-asks", th.must(t, "ann", "GET", "/playbook-runs/1?wait=0", "", 200))
	matchGolden(t, "questions", th.must(t, "ann", "GET", "/questions?open=true&mine=true&run=1", "", 200))
	matchGolden(t, "playbook-run-paused", th.must(t, "ann", "POST", "/playbook-runs/1/pause", "", 200))
	matchGolden(t, "question-answered", th.must(t, "ann", "POST", "/questions/1/answer", `{"answer":"approved","comment":"Be kind."}`, 200))
	th.conduct(t, 1)
	if got := string(th.must(t, "ann", "GET", "/playbook-runs/1", "", 200)); !strings.Contains(got, `"state":"paused"`) {
		t.Errorf("the paused run is %s", got)
	}
	th.must(t, "ann", "POST", "/playbook-runs/1/resume", "", 200)
	th.conduct(t, 1)
	matchGolden(t, "playbook-run-successful", th.must(t, "ann", "GET", "/playbook-runs/1?wait=50", "", 200))
	matchGolden(t, "playbook-runs", th.must(t, "ann", "GET", "/playbook-runs?playbook=1&state=successful&startedBy=ann&top=true&limit=5&before=9", "", 200))
	// The draft says something else.
	th.must(t, "ann", "POST", "/playbooks/1/runs", `{"inputs":{"who":"Eve"},"draft":true}`, 202)
	th.conduct(t, 2)
	th.must(t, "ann", "POST", "/questions/2/answer", `{"answer":"rejected"}`, 200)
	th.conduct(t, 2)
	if got := string(th.must(t, "ann", "GET", "/playbook-runs/2", "", 200)); !strings.Contains(got, `"version":2`) || !strings.Contains(got, `"state":"Rejected"`) {
		t.Errorf("the run of the draft is %s", got)
	}
	if got := string(th.must(t, "ann", "GET", "/playbook-runs?open=true", "", 200)); got != "{\"runs\":[]}\n" {
		t.Errorf("open are %s", got)
	}
}

func TestTheItemsOfAStepNameTheirRuns(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	th.answer = func(b *run.Beginning) integration.Answer {
		if fmt.Sprint(b.Run.Inputs["cloudAgentIds"]) == "[7003002]" {
			return integration.Answer{Outcome: automation.Failure("Launch On Demand Scans failed.", fmt.Errorf("no"))}
		}
		return integration.Answer{Outcome: automation.Outcome{State: automation.Successful, KeyFields: map[string][]int64{"cloudAgentIds": {7003001}}}}
	}
	th.must(t, "ann", "POST", "/playbooks", body(scanText, ""), 201)
	th.must(t, "ann", "POST", "/playbooks/1/publish", `{}`, 200)
	th.must(t, "ann", "POST", "/playbooks/1/runs", `{"inputs":{"agents":[7003001,7003002]}}`, 202)
	th.conduct(t, 1)
	var r automationapi.PlaybookRun
	if err := json.Unmarshal(th.must(t, "ann", "GET", "/playbook-runs/1", "", 200), &r); err != nil {
		t.Fatal(err)
	}
	var commands, second automationapi.PlaybookRunCommandList
	if err := json.Unmarshal(th.must(t, "ann", "GET", "/playbook-runs/1/commands", "", 200), &commands); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(th.must(t, "ann", "GET", fmt.Sprintf("/playbook-runs/1/commands?limit=1&after=%d", commands.Runs[0].Id), "", 200), &second); err != nil {
		t.Fatal(err)
	}
	if len(second.Runs) != 1 || second.Runs[0].Id != commands.Runs[1].Id || second.More || commands.More {
		t.Errorf("the second page is %+v", second)
	}
	if err := json.Unmarshal(th.must(t, "ann", "GET", "/playbook-runs/1/commands?limit=1", "", 200), &second); err != nil {
		t.Fatal(err)
	}
	if len(second.Runs) != 1 || second.Runs[0].Id != commands.Runs[0].Id || !second.More {
		t.Errorf("the first page of one is %+v", second)
	}
	th.must(t, "ann", "GET", "/playbook-runs/1/commands?after=-1", "", 400)
	if r.Steps == nil || len(*r.Steps) != 1 || len((*r.Steps)[0].Executions) != 2 || len(commands.Runs) != 2 {
		t.Fatalf("the run is %+v with the commands %+v", r, commands)
	}
	states := []automationapi.StepState{automationapi.StepSuccessful, automationapi.StepFailed}
	for item, x := range (*r.Steps)[0].Executions {
		of := commands.Runs[item]
		if x.Item != item || x.State != states[item] || x.RunId == nil || *x.RunId != of.Id || *of.Item != item || *of.Step != "scan" || *of.PlaybookRunId != 1 {
			t.Errorf("item %d is %+v, its run %+v", item, x, of)
		}
	}
	if r.Error == nil || r.Error.Step != "scan" || r.State != automationapi.PlaybookRunFailed {
		t.Errorf("the run ended %s: %+v", r.State, r.Error)
	}
	th.answer = nil
	again := th.must(t, "ann", "POST", "/playbook-runs/1/again", "", 202)
	if !strings.Contains(string(again), `"rerunOf":1`) {
		t.Errorf("the new run is %s", again)
	}
	th.conduct(t, 2)
	if err := json.Unmarshal(th.must(t, "ann", "GET", "/playbook-runs/2/commands", "", 200), &commands); err != nil {
		t.Fatal(err)
	}
	if len(commands.Runs) != 1 || *commands.Runs[0].Item != 1 {
		t.Errorf("run again are %+v, want item 1 alone", commands.Runs)
	}
}

func TestARequestForARunIsKnownAgain(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	th.must(t, "ann", "POST", "/playbooks", body(scanText, ""), 201)
	th.must(t, "ann", "POST", "/playbooks/1/publish", `{}`, 200)
	for _, step := range []struct {
		inputs string
		status int
	}{{"[1]", http.StatusAccepted}, {"[1]", http.StatusOK}, {"[2]", http.StatusConflict}} {
		w := th.keyed("ann", "/playbooks/1/runs", "order-66", `{"inputs":{"agents":`+step.inputs+`}}`)
		if w.Code != step.status {
			t.Errorf("%s: status %d, want %d: %s", step.inputs, w.Code, step.status, w.Body)
		}
	}
}

func TestProblemsOfATextAreAListAsWell(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	wrong := "kind: Playbook\nname: greet\nsteps:\n  - {id: a, uses: core/emial}\n  - {id: b, uses: qualys-cloud-agent/search-cloud-agents, with: {os: 3, colour: red}}\n"
	matchGolden(t, "playbook-problems", th.must(t, "ann", "POST", "/playbooks/check", body(wrong, ""), 200))
	matchGolden(t, "playbook-refused", th.must(t, "ann", "POST", "/playbooks", body(wrong, ""), 400))
	if got := string(th.must(t, "ann", "GET", "/playbooks", "", 200)); got != "{\"playbooks\":[]}\n" {
		t.Errorf("kept are %s", got)
	}
}

func TestWhatIsWrongWithARequestAboutPlaybooksIsSaid(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	th.must(t, "ann", "POST", "/playbooks", body(greetText, ""), 201)
	th.must(t, "ann", "POST", "/playbooks/1/runs", `{"inputs":{"who":"Eve"},"draft":true}`, 202)
	th.conduct(t, 1)
	role, err := th.memory.CreateRole(t.Context(), access.Role{Name: "Reader", Permissions: []access.Permission{access.APIAccess, access.ViewPlaybook}, Created: start})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := th.memory.CreateUser(t.Context(), access.User{Username: "eve", Roles: []access.Role{role}, Created: start}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		as, method, target, body string
		status                   int
		says                     string
	}{
		{"ann", "POST", "/playbooks", body(greetText, `,"live":true`), 400, "live"},
		{"ann", "POST", "/playbooks", body(greetText, ""), 409, "greet"},
		{"ann", "POST", "/playbooks", body(greetText, `,"site":{"name":"Acme"}`), 400, "site: there is no site 'Acme'."},
		{"ann", "POST", "/playbooks", body(greetText, `,"site":{"id":2}`), 400, "site: there is no site 2."},
		{"ann", "POST", "/playbooks", `{}`, 400, "1:1: "},
		{"ann", "POST", "/playbooks", body(strings.Repeat("# long\n", 40_000), ""), 400, "bytes"},
		{"ann", "POST", "/playbooks/1/versions", body(greetText+"\n", `,"base":7`), 409, "version 1 by now"},
		{"ann", "POST", "/playbooks/1/publish", `{"version":7}`, 404, "Playbook 'greet' has no version 7."},
		{"ann", "POST", "/playbooks/1/withdraw", "", 409, "no live version"},
		{"ann", "DELETE", "/playbooks/1", "", 409, "Run 1 of playbook 'greet' has not ended."},
		{"ann", "GET", "/playbooks/1/versions/9", "", 404, "no version 9"},
		{"ann", "POST", "/playbooks/1/runs", `{}`, 409, "no live version"},
		{"ann", "POST", "/playbooks/1/runs", `{"draft":true,"version":1}`, 400, "exclude each other"},
		{"ann", "POST", "/playbooks/1/runs", `{"version":0}`, 400, "version: invalid value '0'."},
		{"ann", "POST", "/playbooks/1/runs", `{"draft":true}`, 400, "The input who is missing"},
		{"ann", "POST", "/playbooks/1/runs", `{"draft":true,"inputs":{"who":"Eve","at":"2031-05-01"}}`, 400, "Input at: "},
		{"ann", "POST", "/playbooks/1/runs", `{"draft":true,"inputs":{"who":"Eve","colour":"red"}}`, 400, "colour"},
		{"ann", "GET", "/playbook-runs?state=waits", "", 400, "state: invalid value 'waits'. Specify state as one of queued, running, waiting, paused, "},
		{"ann", "GET", "/playbook-runs?playbook=0", "", 400, "playbook: invalid value '0'."},
		{"ann", "GET", "/playbook-runs?open=maybe", "", 400, "open: invalid value 'maybe'. Specify open as true or false."},
		{"ann", "GET", "/playbook-runs?limit=1001", "", 400, "limit: invalid value '1001'."},
		{"ann", "GET", "/playbook-runs/1?wait=51", "", 400, "wait: invalid value '51'."},
		{"ann", "POST", "/playbook-runs/1/resume", "", 409, "It is not paused."},
		{"ann", "POST", "/playbook-runs/1/again", "", 409, "has not ended"},
		{"ann", "GET", "/questions?run=-1", "", 400, "run: invalid value '-1'."},
		{"ann", "POST", "/questions/1/answer", `{"answer":"yes"}`, 400, "Use one of approved, rejected."},
		{"ann", "POST", "/questions/1/answer", `{"answer":"approved","comment":"` + strings.Repeat("x", 1001) + `"}`, 400, "comment: it has 1001 bytes"},
		{"ann", "POST", "/questions/9/answer", `{"answer":"approved"}`, 404, "There is no question 9."},
		{"ann", "PUT", "/playbooks/1/secrets/ci", `{"secret":"whsec_planted"}`, 400, "The secret for signatures of webhooks has another form."},
		{"ann", "PUT", "/playbooks/1/secrets/ci", `{"secret":["whsec_planted"]}`, 400, "secret"},
		{"ann", "PUT", "/playbooks/1/secrets/ci", `{"secret":"` + hookSecret + `","show":true}`, 400, "show"},
		{"ann", "PUT", "/playbooks/1/secrets/-ci", `{"secret":"` + hookSecret + `"}`, 400, "name: it is no name of a secret. Use letters,"},
		{"ann", "DELETE", "/playbooks/1/secrets/c%20i", "", 400, "name: it is no name of a secret."},
		{"ann", "DELETE", "/playbooks/1/secrets/ci", "", 404, "The playbook has no secret 'ci'."},
		{"eve", "GET", "/playbooks/1/secrets", "", 403, "Edit Playbook"},
		{"eve", "PUT", "/playbooks/1/secrets/ci", `{"secret":"` + hookSecret + `"}`, 403, "Edit Playbook"},
		{"eve", "DELETE", "/playbooks/1/secrets/ci", "", 403, "Edit Playbook"},
		{"bob", "GET", "/playbooks/1/secrets", "", 404, "There is no playbook 1."},
		{"bob", "PUT", "/playbooks/1/secrets/ci", `{"secret":"` + hookSecret + `"}`, 404, "There is no playbook 1."},
		{"bob", "DELETE", "/playbooks/1/secrets/ci", "", 404, "There is no playbook 1."},
		{"eve", "POST", "/playbooks", body(greetText, ""), 403, "Edit Playbook"},
		{"eve", "POST", "/playbooks/1/runs", `{}`, 403, "Run Playbook"},
		{"eve", "POST", "/playbook-runs/1/cancel", "", 403, "Run Playbook"},
		{"bob", "GET", "/playbooks/1", "", 404, "There is no playbook 1."},
		{"bob", "GET", "/playbooks/1/versions", "", 404, "There is no playbook 1."},
		{"bob", "GET", "/playbooks/1/versions/1", "", 404, "There is no playbook 1."},
		{"bob", "POST", "/playbooks/1/versions", body(greetText, ""), 404, "There is no playbook 1."},
		{"bob", "POST", "/playbooks/1/publish", `{}`, 404, "There is no playbook 1."},
		{"bob", "POST", "/playbooks/1/withdraw", "", 404, "There is no playbook 1."},
		{"bob", "POST", "/playbooks/1/runs", `{}`, 404, "There is no playbook 1."},
		{"bob", "DELETE", "/playbooks/1", "", 404, "There is no playbook 1."},
		{"bob", "GET", "/playbook-runs/1", "", 404, "There is no playbook run 1."},
		{"bob", "GET", "/playbook-runs/1/commands", "", 404, "There is no playbook run 1."},
		{"bob", "POST", "/playbook-runs/1/pause", "", 404, "There is no playbook run 1."},
		{"bob", "POST", "/playbook-runs/1/resume", "", 404, "There is no playbook run 1."},
		{"bob", "POST", "/playbook-runs/1/cancel", "", 404, "There is no playbook run 1."},
		{"bob", "POST", "/playbook-runs/1/again", "", 404, "There is no playbook run 1."},
		{"bob", "GET", "/questions?run=1", "", 404, "There is no playbook run 1."},
		{"bob", "POST", "/questions/1/answer", `{"answer":"approved"}`, 404, "There is no question 1."},
	} {
		t.Run(tc.as+" "+tc.method+" "+tc.target+" "+tc.body[:min(len(tc.body), 40)], func(t *testing.T) {
			t.Parallel()
			w := th.call(tc.as, tc.method, tc.target, tc.body)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if _, text := explanation(t, w); !strings.Contains(text, tc.says) || strings.Contains(text, "planted") {
				t.Errorf("answer says %q, want %q", text, tc.says)
			}
		})
	}
}

func TestShippedPlaybooksCanBeSavedAsTheyAre(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	var shipped automationapi.ShippedPlaybookList
	if err := json.Unmarshal(th.must(t, "ann", "GET", "/playbooks/shipped", "", 200), &shipped); err != nil {
		t.Fatal(err)
	}
	if len(shipped.Playbooks) != 4 {
		t.Errorf("there are %d, want 4", len(shipped.Playbooks))
	}
	for _, p := range shipped.Playbooks {
		var made automationapi.Playbook
		if err := json.Unmarshal(th.must(t, "ann", "POST", "/playbooks", body(p.Text, ""), 201), &made); err != nil {
			t.Fatal(err)
		}
		if made.Name != p.Name || made.Description != p.Description || p.Description == "" {
			t.Errorf("%s is saved as %+v", p.Name, made)
		}
	}
}
