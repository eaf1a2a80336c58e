package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/run"
)

func testTellings(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, s *stage){
		"an approval is told once, to those who may give it":          testApprovalTold,
		"an approval that names nobody who has mail goes to the hook": testApprovalHook,
		"an approval is asked for anew in the run that goes on":       testApprovalAgain,
		"a question tells a hundred people and no more":               testApprovalCrowd,
		"of a playbook that asks and asks sixty are told an hour":     testApprovalFlood,
		"a command that was cut off is told to who started the run":   testUnknownTold,
		"a failure is told once in an hour":                           testFailureTold,
		"a run that was refused before it began is told as well":      testRefusalTold,
		"a failure of who cannot be reached is told to managers":      testFailureUnreachable,
		"what a person started, and saw fail, is not told":            testFailureSeen,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setupStage(t, create)
			s.email(t, "ana", "ana@example.net")
			test(t, s)
		})
	}
	t.Run("mails of playbooks are counted, and no more than may be", func(t *testing.T) {
		t.Parallel()
		testMailMeter(t, setup(t, create))
	})
	t.Run("a command of a schedule that fails is told once in an hour", func(t *testing.T) {
		t.Parallel()
		testCommandFailureTold(t, &planned{layer: setupLayer(t, create)})
	})
}

// email gives a user a mail address.
func (b *bundle) email(tb testing.TB, username, email string) {
	tb.Helper()
	must(b.UpdateUser(tb.Context(), username, func(u *access.User) error { u.Settings.Email = email; return nil }))(tb)
}

// person makes a user with roles and a mail address.
func (b *bundle) person(tb testing.TB, name string, roles ...access.Role) access.User {
	tb.Helper()
	return must(b.CreateUser(tb.Context(), access.User{
		Username: name, PasswordHash: "x", Created: Start, Roles: roles, Settings: access.Settings{Email: name + "@example.net"},
	}))(tb)
}

// wantTold compares the notices of a kind, the oldest first, each as its addresses.
func (b *bundle) wantTold(t *testing.T, kind notice.Kind, want ...string) []notice.Notice {
	t.Helper()
	all := must(b.Notices(t.Context(), notice.Filter{Limit: 1000}))(t)
	all = slices.DeleteFunc(all, func(n notice.Notice) bool { return n.Kind != kind })
	slices.Reverse(all)
	var got []string
	for _, n := range all {
		got = append(got, strings.Join(n.MailTo, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s tells (-want +got):\n%s", kind, diff)
	}
	return all
}

func testApprovalTold(t *testing.T, s *stage) {
	ctx := t.Context()
	role := must(s.CreateRole(ctx, access.Role{Name: "Approver", Permissions: []access.Permission{access.APIAccess, access.ViewPlaybook}, Created: Start}))(t)
	blind := must(s.CreateRole(ctx, access.Role{Name: "Blind", Permissions: []access.Permission{access.APIAccess}, Created: Start}))(t)
	elsewhere := must(s.CreateSite(ctx, connection.Site{Name: "Elsewhere", Kind: connection.Internal, Created: Start}))(t)
	for _, name := range []string{"bob", "gone", "mute", "gil", "twin"} {
		s.person(t, name, role)
	}
	s.person(t, "away", role)
	s.person(t, "blind", blind)
	must(s.UpdateUser(ctx, "gone", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	s.email(t, "mute", "")
	s.email(t, "twin", "bob@example.net")
	if err := s.ChangeMembers(ctx, s.main, []string{"bob", "gone", "mute", "blind", "twin", "gil"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangeMembers(ctx, elsewhere.ID, []string{"away"}, nil); err != nil {
		t.Fatal(err)
	}
	gate := func(name, to string) conductor.Run {
		p := s.save(t, name, "steps:\n  - {id: gate, approval: {to: ["+to+"], due: 4h, onTimeout: approve, message: \"Go on?\\nBcc: x@example.org\"}}\n"+searchStep)
		return s.conduct(t, s.start(t, p, nil).ID)
	}
	r := gate("by-role", `"role:Approver", "role:Blind", "user:away", "user:gil", "user:nobody"`)
	told := s.wantTold(t, notice.KindApprovalAsked, "gil@example.net bob@example.net")
	wantCalls(t, s.clouds, fmt.Sprintf("enqueue playbook-run %d", r.ID), fmt.Sprintf("enqueue notice %d", told[0].ID))
	question := must(s.desk.Questions(ctx, s.ana, r.ID, true, false, 1))(t)[0]
	var event notice.ApprovalAsked
	if err := json.Unmarshal(told[0].Data, &event); err != nil {
		t.Fatal(err)
	}
	want := notice.ApprovalAsked{
		QuestionID: question.ID, Asks: "approval", Playbook: "by-role", Run: r.ID, Step: "gate", Site: "Main", Question: "Go on? Bcc: x@example.org",
		Answers: []string{"approved", "rejected"}, Starter: "ana", Due: Start.Add(4 * time.Hour), OnTimeout: "approve",
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("it says (-want +got):\n%s", diff)
	}
	// Neither who conducts it again, nor a pause and its end, ask again.
	must(s.desk.Pause(ctx, s.ana, r.ID))(t)
	s.conduct(t, r.ID)
	must(s.desk.Resume(ctx, s.ana, r.ID))(t)
	s.conduct(t, r.ID)
	s.wantTold(t, notice.KindApprovalAsked, "gil@example.net bob@example.net")
	// Of a group its members are told; ana sees every site, and is of none.
	gate("by-group", `"group:Main"`)
	gate("by-other-group", `"group:Elsewhere", "user:ana"`)
	s.wantTold(t, notice.KindApprovalAsked, "gil@example.net bob@example.net", "bob@example.net gil@example.net", "ana@example.net")
}

func testApprovalHook(t *testing.T, s *stage) {
	s.person(t, "away")
	p := s.save(t, "gate", "steps:\n  - {id: gate, approval: {to: [\"user:away\"]}}\n")
	s.conduct(t, s.start(t, p, nil).ID)
	s.wantTold(t, notice.KindApprovalAsked) // nobody sees it, and there is no webhook
	s.withNoticeSettings(t)
	s.conduct(t, s.start(t, p, nil).ID)
	s.wantTold(t, notice.KindApprovalAsked, "")
}

func testApprovalAgain(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "gate", "steps:\n  - {id: gate, approval: {to: [\"user:ana\"], due: 1h}}\n"+searchStep)
	r := s.conduct(t, s.start(t, p, nil).ID)
	must(s.desk.Cancel(ctx, s.ana, r.ID))(t)
	wantState(t, s.conduct(t, r.ID), conductor.Cancelled)
	s.wantTold(t, notice.KindApprovalAsked, "ana@example.net")
	s.conduct(t, must(s.desk.Again(ctx, s.ana, r.ID, ""))(t).ID)
	s.wantTold(t, notice.KindApprovalAsked, "ana@example.net", "ana@example.net")
}

func testApprovalCrowd(t *testing.T, s *stage) {
	for n := range conductor.MaxTold + 5 {
		s.person(t, fmt.Sprintf("m%03d", n), s.ana.User.Roles...)
	}
	p := s.save(t, "gate", "steps:\n  - {id: gate, approval: {to: [\"role:Manager\", \"user:m104\"]}}\n")
	s.conduct(t, s.start(t, p, nil).ID)
	all := must(s.Notices(t.Context(), notice.Filter{Limit: 10}))(t)
	if len(all) != 1 || len(all[0].MailTo) != conductor.MaxTold || all[0].MailTo[0] != "m104@example.net" || all[0].MailTo[1] != "ana@example.net" {
		t.Errorf("it tells %+v", all)
	}
}

func testApprovalFlood(t *testing.T, s *stage) {
	const gate = "steps:\n  - {id: gate, approval: {to: [\"user:ana\"]}}\n"
	p, other := s.save(t, "gate", gate), s.save(t, "other", gate)
	s.conduct(t, s.start(t, p, nil).ID)
	s.advance(10 * time.Minute)
	for range 61 {
		s.conduct(t, s.start(t, p, nil).ID)
	}
	s.conduct(t, s.start(t, other, nil).ID) // is told of by itself
	// told returns the playbooks that ask, the oldest first, each with until when no more are told of.
	told := func() []string {
		all := must(s.Notices(t.Context(), notice.Filter{Limit: 1000}))(t)
		slices.Reverse(all)
		var asked []string
		for _, n := range all {
			var event notice.ApprovalAsked
			if err := json.Unmarshal(n.Data, &event); err != nil {
				t.Fatal(err)
			}
			asked = append(asked, event.Playbook)
			if !event.QuietUntil.IsZero() {
				asked[len(asked)-1] += " until " + event.QuietUntil.Sub(Start).String()
			}
		}
		return asked
	}
	want := append(slices.Repeat([]string{"gate"}, 59), "gate until 1h0m0s", "other")
	if diff := cmp.Diff(want, told()); diff != "" {
		t.Errorf("within an hour it tells (-want +got):\n%s", diff)
	}
	s.advance(50*time.Minute - time.Second)
	s.conduct(t, s.start(t, p, nil).ID)
	s.advance(time.Second)
	s.conduct(t, s.start(t, p, nil).ID)
	if diff := cmp.Diff(append(want, "gate"), told()); diff != "" {
		t.Errorf("an hour later it tells (-want +got):\n%s", diff)
	}
}

func testUnknownTold(t *testing.T, s *stage) {
	s.person(t, "boss", s.ana.User.Roles...)
	p := s.save(t, "key", "steps:\n"+keyStep)
	r := s.start(t, p, nil)
	s.cutOff(t, r.ID)
	s.conduct(t, r.ID)
	told := s.wantTold(t, notice.KindApprovalAsked, "ana@example.net")
	var event notice.ApprovalAsked
	if err := json.Unmarshal(told[0].Data, &event); err != nil {
		t.Fatal(err)
	}
	if event.Asks != "unknown" || event.Step != "make" || event.OnTimeout != "fail" || !slices.Equal(event.Answers, []string{"carried-out", "not-carried-out", "send-again"}) {
		t.Errorf("it says %+v", event)
	}
	s.conduct(t, r.ID)
	s.wantTold(t, notice.KindApprovalAsked, "ana@example.net")
}

// triggered starts the live version of a playbook as a webhook does, and has it carried
// on once.
func (s *stage) triggered(tb testing.TB, id int64) conductor.Run {
	tb.Helper()
	v := must(s.Version(tb.Context(), id, 1))(tb)
	r := conductor.Of(v, s.ana.User, s.clock())
	r.Trigger, r.Inputs = conductor.Trigger{Kind: playbook.TriggerWebhook}, map[string]any{}
	made, _, err := s.StartRun(tb.Context(), r)
	if err != nil {
		tb.Fatal(err)
	}
	return s.conduct(tb, made.ID)
}

func testFailureTold(t *testing.T, s *stage) {
	s.answer = notAllowed
	p := s.save(t, "tour", "steps:\n"+searchStep)
	other := s.save(t, "other", "steps:\n"+searchStep)
	r := s.triggered(t, p.ID)
	wantState(t, r, conductor.Failed)
	told := s.wantTold(t, notice.KindRunFailed, "ana@example.net")
	var event notice.RunFailed
	if err := json.Unmarshal(told[0].Data, &event); err != nil {
		t.Fatal(err)
	}
	want := notice.RunFailed{
		Runs: "tour", Run: r.ID, Step: "find", Site: "Main", Starter: "webhook", Started: Start, Ended: Start,
		Error: automation.Error{Indicator: "It failed.", StatusCode: 401, Message: "No."},
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("it says (-want +got):\n%s", diff)
	}
	s.advance(59 * time.Minute)
	s.triggered(t, p.ID)
	s.triggered(t, other.ID) // has an hour of its own
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net")
	s.advance(time.Minute)
	s.triggered(t, p.ID)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net", "ana@example.net")
	s.answer = nil
	wantState(t, s.triggered(t, s.save(t, "fine", "steps:\n"+searchStep).ID), conductor.Succeeded)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net", "ana@example.net")
}

func testRefusalTold(t *testing.T, s *stage) {
	p := s.save(t, "tour", "steps:\n"+searchStep)
	v := must(s.Version(t.Context(), p.ID, 1))(t)
	for range 2 {
		r := conductor.Of(v, s.ana.User, Start)
		r.Trigger, r.Inputs = conductor.Trigger{Kind: playbook.TriggerWebhook}, map[string]any{}
		r.State, r.Ended, r.Due = conductor.Failed, Start, time.Time{}
		r.Error = &engine.Error{Indicator: "Playbook tour failed.", StatusCode: http.StatusForbidden, Message: "You may not."}
		if _, _, err := s.StartRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	told := s.wantTold(t, notice.KindRunFailed, "ana@example.net")
	if !strings.Contains(string(told[0].Data), "You may not.") {
		t.Errorf("it says %s", told[0].Data)
	}
}

func testFailureUnreachable(t *testing.T, s *stage) {
	ctx := t.Context()
	for _, name := range []string{"boss", "gone", "mute", "twin"} {
		s.person(t, name, s.ana.User.Roles...)
	}
	s.person(t, "bob")
	must(s.UpdateUser(ctx, "gone", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	s.email(t, "mute", "")
	s.email(t, "twin", "boss@example.net")
	s.answer = notAllowed
	p := s.save(t, "tour", "steps:\n"+searchStep)
	s.triggered(t, p.ID)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net")
	must(s.UpdateUser(ctx, "ana", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	s.advance(time.Hour)
	s.triggered(t, p.ID)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "boss@example.net")
	if err := s.DeleteUser(ctx, "ana"); err != nil {
		t.Fatal(err)
	}
	s.advance(time.Hour)
	s.triggered(t, p.ID)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net", "boss@example.net", "boss@example.net")
}

func testFailureSeen(t *testing.T, s *stage) {
	ctx := t.Context()
	s.answer = notAllowed
	inner := s.save(t, "inner", "steps:\n"+searchStep)
	outer := s.save(t, "outer", "steps:\n  - {id: call, uses: playbook/inner, onError: continue}\n")
	r := s.conduct(t, s.start(t, inner, nil).ID)
	wantState(t, r, conductor.Failed)
	wantState(t, s.conduct(t, must(s.desk.Again(ctx, s.ana, r.ID, ""))(t).ID), conductor.Failed)
	started := s.triggered(t, outer.ID) // the run that it begins is told of by what becomes of this one
	s.play(t, started.ID)
	s.wantTold(t, notice.KindRunFailed)
	again := s.triggered(t, inner.ID)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net")
	s.advance(2 * time.Hour)
	wantState(t, s.conduct(t, must(s.desk.Again(ctx, s.ana, again.ID, ""))(t).ID), conductor.Failed)
	s.wantTold(t, notice.KindRunFailed, "ana@example.net")
}

func testCommandFailureTold(t *testing.T, p *planned) {
	p.lab = p.connection(t, "lab")
	operator := must(p.CreateRole(t.Context(), access.Role{Name: "Operator", Permissions: []access.Permission{access.APIAccess, access.RunCommand}, Created: Start}))(t)
	ana := p.person(t, "ana", operator)
	if err := p.ChangeMembers(t.Context(), p.main, []string{"ana"}, nil); err != nil {
		t.Fatal(err)
	}
	s := p.hourly(t, nil)
	fail := func(at, ended time.Time) {
		t.Helper()
		f := must(p.Fire(t.Context(), s.ID, at))(t)
		r := p.runOf(s, f)
		r.UserID, r.StartedBy, r.State, r.Ended = ana.ID, "ana", run.Failed, ended
		r.Outcome = automation.Outcome{State: automation.Failed, Errors: []automation.Error{{Indicator: "Search Cloud Agents failed.", StatusCode: 401, Message: "Authentication failed."}}}
		if err := p.StartFiring(t.Context(), f, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	fail(hour(1), hour(1))
	told := p.wantTold(t, notice.KindRunFailed, "ana@example.net")
	if !strings.Contains(string(told[0].Data), `"connection":"lab"`) || !strings.Contains(string(told[0].Data), "schedule "+s.Name) || !strings.Contains(string(told[0].Data), "Authentication failed.") {
		t.Errorf("it says %s", told[0].Data)
	}
	fail(hour(2), hour(2).Add(-time.Second))
	p.wantTold(t, notice.KindRunFailed, "ana@example.net")
	fail(hour(3), hour(3))
	p.wantTold(t, notice.KindRunFailed, "ana@example.net", "ana@example.net")
}

// notAllowed is what commands come to on a platform that refuses them.
func notAllowed(context.Context, *run.Beginning) integration.Answer {
	return failing(http.StatusUnauthorized)
}

func testMailMeter(t *testing.T, b *bundle) {
	count := func(number int, at time.Duration, want time.Duration) {
		t.Helper()
		if wait := must(b.CountMails(t.Context(), number, 100, Start.Add(at)))(t); wait != want {
			t.Errorf("%d after %s wait %s, want %s", number, at, wait, want)
		}
	}
	count(60, 0, 0)
	count(41, 0, 36*time.Second) // is not counted
	count(40, 0, 0)
	b.reopen(t)
	count(1, 0, 36*time.Second)
	count(1, 35*time.Second, time.Second)
	count(1, 36*time.Second, 0)
	count(100, 36*time.Second, time.Hour)
	count(100, 2*time.Hour, 0) // no more are saved up than one hour has
	count(1, 2*time.Hour, 36*time.Second)
	var wait sync.WaitGroup
	var sent atomic.Int32
	for range 8 {
		wait.Go(func() {
			if wait, err := b.CountMails(t.Context(), 30, 100, Start.Add(4*time.Hour)); err != nil {
				t.Error(err)
			} else if wait == 0 {
				sent.Add(1)
			}
		})
	}
	wait.Wait()
	if sent.Load() != 3 {
		t.Errorf("%d of 8 at the same time are let through, want 3", sent.Load())
	}
}
