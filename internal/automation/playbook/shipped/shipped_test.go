package shipped_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/shipped"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// surroundings are the commands there are.
type surroundings struct{ playbook.Integrations }

func (surroundings) Playbook(string) (playbook.Signature, bool) { return playbook.Signature{}, false }
func (surroundings) PlaybookNames() []string                    { return nil }

// program checks the shipped playbook with a name.
func program(t *testing.T, name string) *playbook.Program {
	t.Helper()
	list, err := shipped.Playbooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Name != name {
			continue
		}
		d, problems := playbook.Parse(s.Text)
		if problems != nil {
			t.Fatalf("problems:\n%v", problems)
		}
		p, problems, err := playbook.Check(d, surroundings{})
		if err != nil || problems != nil {
			t.Fatalf("error %v, problems:\n%v", err, problems)
		}
		return p
	}
	t.Fatalf("there is no playbook %s", name)
	return nil
}

func TestEveryShippedPlaybookFitsTheCommandsThereAre(t *testing.T) {
	t.Parallel()
	list, err := shipped.Playbooks()
	if err != nil || len(list) != 4 {
		t.Fatalf("%d playbooks, error %v", len(list), err)
	}
	for _, s := range list {
		if p := program(t, s.Name); p.Definition.Name != s.Name || p.Definition.Description == "" {
			t.Errorf("the playbook in %s.yaml has the name %s and the description %q", s.Name, p.Definition.Name, p.Definition.Description)
		}
	}
}

// story runs a playbook; outcomes are what its steps come to.
type story struct {
	t        *testing.T
	engine   *engine.Engine
	state    *engine.State
	inputs   map[string]any
	outcomes map[string]map[string]any // by step
	now      time.Time
	wake     time.Time
	starts   []engine.Start
	asks     []engine.Ask
	finish   *engine.Finish
}

func begin(t *testing.T, name string, inputs map[string]any, outcomes map[string]map[string]any) *story {
	t.Helper()
	p := program(t, name)
	for _, in := range p.Definition.Inputs {
		if _, given := inputs[in.Name]; !given && in.Default != nil {
			inputs[in.Name] = in.Default
		}
	}
	s := &story{t: t, engine: engine.New(p, func() float64 { return 0.5 }), inputs: inputs, outcomes: outcomes, now: monday}
	s.state = s.engine.Begin("r1", "user:ada", nil, monday)
	s.event(nil)
	return s
}

func (s *story) Inputs(context.Context) (map[string]any, error)  { return s.inputs, nil }
func (s *story) Trigger(context.Context) (map[string]any, error) { return map[string]any{}, nil }
func (s *story) Outcome(_ context.Context, step, field string) (any, error) {
	return s.outcomes[step][field], nil
}

func (s *story) event(e engine.Event) {
	s.t.Helper()
	actions, err := s.engine.Advance(s.t.Context(), s.state, s, e, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.wake = time.Time{}
	for _, a := range actions {
		switch a := a.(type) {
		case engine.Start:
			s.starts = append(s.starts, a)
			s.event(engine.Sent{Ref: a.Ref})
			state, _ := s.outcomes[a.Step]["returnData"].(string)
			if state == "" {
				state = playbook.Successful
			}
			s.event(engine.Answered{Ref: a.Ref, State: state, Outcome: a.Step, Error: &engine.Error{Indicator: a.Step + " failed.", StatusCode: 401, Message: "No."}})
		case engine.Ask:
			s.asks = append(s.asks, a)
		case engine.Wake:
			s.wake = a.At
		case engine.Finish:
			s.finish = &a
		}
	}
}

// pass lets time go by.
func (s *story) pass(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for !s.wake.IsZero() && !s.wake.After(end) {
		s.now = s.wake
		s.event(nil)
	}
	s.now = end
}

// steps are the steps whose commands were sent.
func (s *story) steps() string {
	var list []string
	for _, start := range s.starts {
		list = append(list, start.Step)
	}
	return strings.Join(list, " ")
}

func ids(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = int64(i + 1)
	}
	return list
}

func keys(name string, list []any) map[string]any {
	return map[string]any{"keyFields": map[string]any{name: list}}
}

func TestStaleHostsAreScannedAndManyOnlyWithAnApproval(t *testing.T) {
	t.Parallel()
	tests := []struct {
		hosts        int
		answer       *engine.Decided
		steps, asked string
	}{
		{0, nil, "find", ""},
		{3, nil, "find scan", ""},
		{101, &engine.Decided{Step: "gate", Approve: true}, "find scan", "101 hosts have not checked in for 9 days. Scan them (Inventory Scan)?"},
		{101, &engine.Decided{Step: "gate"}, "find", "101 hosts have not checked in for 9 days. Scan them (Inventory Scan)?"},
	}
	for _, tt := range tests {
		s := begin(t, "rescan-stale-hosts", map[string]any{"connection": "prod", "days": int64(9)}, map[string]map[string]any{"find": keys("cloudAgentIds", ids(tt.hosts))})
		if tt.answer != nil {
			if len(s.asks) != 1 || s.asks[0].Message != tt.asked || !slices.Equal(s.asks[0].To, []string{"role:Manager"}) {
				t.Errorf("%d hosts: asked %+v", tt.hosts, s.asks)
			}
			s.event(*tt.answer)
		}
		if s.finish == nil || s.finish.Outcome != playbook.Successful || s.steps() != tt.steps {
			t.Errorf("%d hosts: ran %s, finish %+v", tt.hosts, s.steps(), s.finish)
		}
		if find := s.starts[0]; find.Connection != "prod" || find.With["lastCheckedInTo"] != monday.Add(-9*24*time.Hour) {
			t.Errorf("search %+v", find)
		}
	}
}

func TestScansAreWaitedForAndReported(t *testing.T) {
	t.Parallel()
	s := begin(t, "launch-and-report", map[string]any{"connection": "prod", "cloudAgentIds": ids(3), "mailTo": []any{"soc@example.test"}}, map[string]map[string]any{
		"launch": {"returnData": playbook.PartiallySuccessful, "keyFields": map[string]any{"cloudAgentIds": ids(2)}, "errors": []any{map[string]any{"failureIndicator": "Launch On Demand Scans failed.", "message": "Unknown."}}},
		"done":   {"keyFields": map[string]any{"complete": ids(1), "pending": []any{int64(2)}}},
	})
	s.pass(10 * time.Minute)
	s.outcomes["done"] = map[string]any{"keyFields": map[string]any{"complete": ids(1), "failed": []any{int64(2)}}}
	s.pass(time.Minute)
	if s.finish == nil || s.finish.Outcome != playbook.PartiallySuccessful || s.finish.Error != nil {
		t.Fatalf("finish %+v", s.finish)
	}
	mail := s.starts[len(s.starts)-1]
	if mail.With["subject"] != "Inventory Scan: 1 of 3 complete" {
		t.Errorf("subject %v", mail.With["subject"])
	}
	for _, line := range []string{"Complete:  1", "Failed:    1 2", "Not ended: 0 ", "Not launched: 3", "Launch On Demand Scans failed. Unknown."} {
		if !strings.Contains(fmt.Sprint(mail.With["text"]), line+"\n") {
			t.Errorf("the report has no line %q:\n%v", line, mail.With["text"])
		}
	}
}

func TestTheReportComesAlsoWhenScansDoNotEnd(t *testing.T) {
	t.Parallel()
	s := begin(t, "launch-and-report", map[string]any{"connection": "prod", "cloudAgentIds": ids(2), "mailTo": []any{"soc@example.test"}}, map[string]map[string]any{
		"launch": keys("cloudAgentIds", ids(2)), "done": keys("pending", ids(2)),
	})
	s.pass(3 * time.Hour)
	if looks := len(s.starts) - 2; s.finish == nil || s.starts[len(s.starts)-1].Step != "report" || looks != 121 {
		t.Errorf("finish %+v after %d looks, want one each minute for two hours", s.finish, looks)
	}
}

func TestAGovCloudAccountIsConnectedAndReported(t *testing.T) {
	t.Parallel()
	inputs := func(role string) map[string]any {
		return map[string]any{"connection": "prod", "name": "gov", "roleArn": role, "externalId": "x", "mailTo": []any{"soc@example.test"}}
	}
	outcomes := map[string]map[string]any{
		"create":   keys("connectorIds", []any{int64(41)}),
		"discover": {"result": map[string]any{"columns": []any{"ID", "STATE"}, "rows": []any{[]any{"41", "FINISHED_SUCCESS"}}}},
	}
	s := begin(t, "onboard-govcloud-account", inputs("arn:aws-us-gov:iam::012345678901:role/vedette"), outcomes)
	if s.finish == nil || s.finish.Outcome != playbook.Successful || s.steps() != "create discover report" {
		t.Fatalf("ran %s, finish %+v", s.steps(), s.finish)
	}
	if d := s.starts[1]; d.Wait == nil || d.Wait.Timeout != 45*time.Minute || fmt.Sprint(d.With["connectors"]) != "[41]" {
		t.Errorf("run of the connector: %+v", d)
	}
	if text := fmt.Sprint(s.starts[2].With["text"]); !strings.Contains(text, "41  FINISHED_SUCCESS") {
		t.Errorf("report:\n%s", text)
	}

	s = begin(t, "onboard-govcloud-account", inputs("arn:aws:iam::012345678901:role/vedette"), outcomes)
	if len(s.asks) != 1 || len(s.starts) != 0 {
		t.Fatalf("a role outside of GovCloud was not asked about: %+v", s.starts)
	}
	s.event(engine.Decided{Step: "role"})
	if s.finish == nil || len(s.starts) != 0 {
		t.Errorf("it went on after the rejection: %+v", s.starts)
	}
}

func TestHostsHaveTheLowProfileForADayAndThenTheirOwn(t *testing.T) {
	t.Parallel()
	outcomes := map[string]map[string]any{"make": keys("configurationProfileIds", []any{int64(9)})}
	s := begin(t, "low-profile-for-a-day", map[string]any{"connection": "prod", "tag": "Edge", "for": 24 * time.Hour}, outcomes)
	s.pass(24*time.Hour - time.Second)
	if s.steps() != "make first" {
		t.Fatalf("before a day is over, ran %s", s.steps())
	}
	s.pass(time.Second)
	if s.finish == nil || s.steps() != "make first back" || s.starts[2].With["profile"] != "9" {
		t.Errorf("ran %s, finish %+v", s.steps(), s.finish)
	}

	// The profile does not stay when something fails.
	outcomes["first"] = map[string]any{"returnData": playbook.Failed}
	s = begin(t, "low-profile-for-a-day", map[string]any{"connection": "prod", "tag": "Edge"}, outcomes)
	if s.finish == nil || s.finish.Outcome != playbook.Failed || s.steps() != "make first on_error_1" {
		t.Errorf("ran %s, finish %+v", s.steps(), s.finish)
	}
}
