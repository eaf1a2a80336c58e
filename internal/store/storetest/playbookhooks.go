package storetest

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

func testPlaybookHooks(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, h *hooked){
		"a signed message starts a playbook once":                      testHookOnce,
		"what is not signed for the playbook is refused with one word": testHookRefused,
		"a publisher who may not run playbooks any more is told of":    testHookOfPublisherGone,
		"what a message lacks is a run that has failed":                testHookUnfit,
		"secrets of playbooks are set, named and removed":              testPlaybookSecrets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hooked{playbill: &playbill{stage: setupStage(t, create)}, secret: signature.NewSecret()}
			h.hooks = &trigger.Hooks{
				Live: trigger.Live{Shelf: h.Store, Programs: h.Programs}, Publishers: trigger.Publishers{Sites: h.desk.Sites, Owners: h.Store}, Secrets: h.Store, Runs: h.Store, Now: h.clock,
			}
			h.playbook = h.publish(t, library.Playbook{}, "tour",
				"inputs: {host: {type: integer, required: true}}\non: {webhook: [{secret: siem, with: {host: '${{ trigger.data.host }}'}}]}\nsteps:\n"+searchStep)
			if err := h.SetPlaybookSecret(t.Context(), h.playbook.ID, "siem", h.secret); err != nil {
				t.Fatal(err)
			}
			test(t, h)
		})
	}
}

// hooked is a stage with a playbook that a webhook starts.
type hooked struct {
	*playbill
	hooks    *trigger.Hooks
	playbook library.Playbook
	secret   signature.Secret
}

// message is a message that is signed as it must be.
func (h *hooked) message(tb testing.TB, id, body string) trigger.Message {
	tb.Helper()
	return trigger.Message{
		PlaybookID: h.playbook.ID, Trigger: 1, Signed: must(signature.Sign(h.secret, id, h.clock(), []byte(body)))(tb), Body: []byte(body), Address: "192.0.2.7",
	}
}

// start sends a message that starts a run, and returns it.
func (h *hooked) start(tb testing.TB, id, body string) conductor.Run {
	tb.Helper()
	r, started, err := h.hooks.Start(tb.Context(), h.message(tb, id, body))
	if err != nil || !started {
		tb.Fatalf("run %d is new: %t, error %v", r.ID, started, err)
	}
	return r
}

func (h *hooked) runs(tb testing.TB) []conductor.Run {
	tb.Helper()
	return must(h.PlaybookRuns(tb.Context(), conductor.Filter{PlaybookID: h.playbook.ID, Limit: 100}))(tb)
}

func testHookOnce(t *testing.T, h *hooked) {
	m := h.message(t, "msg_1", `{"host": 9007199254740993}`)
	var wait sync.WaitGroup
	var started atomic.Int32
	ids := make([]int64, 6)
	for i := range ids {
		wait.Go(func() {
			r, began, err := h.hooks.Start(t.Context(), m)
			if err != nil {
				t.Error(err)
			}
			if ids[i] = r.ID; began {
				started.Add(1)
			}
		})
	}
	wait.Wait()
	runs := h.runs(t)
	if len(runs) != 1 || started.Load() != 1 || !cmp.Equal(ids, []int64{runs[0].ID, runs[0].ID, runs[0].ID, runs[0].ID, runs[0].ID, runs[0].ID}) {
		t.Fatalf("answered with %v, %d of them new, the runs are %+v", ids, started.Load(), runs)
	}
	r := must(h.PlaybookRun(t.Context(), runs[0].ID))(t)
	if r.Trigger.Kind != "webhook" || r.UserID != h.ana.User.ID || r.StartedBy != "ana" || r.Address != "192.0.2.7" || !cmp.Equal(r.Inputs, map[string]any{"host": int64(9007199254740993)}) {
		t.Errorf("the run is %+v", r)
	}
	again := h.start(t, "msg_2", `{"host": 1}`)
	if again.ID == r.ID {
		t.Error("another message is the same run")
	}
	wantState(t, h.conduct(t, r.ID), conductor.Succeeded)
}

func testHookRefused(t *testing.T, h *hooked) {
	plain := h.publish(t, library.Playbook{}, "plain", "steps:\n"+searchStep)
	want := ""
	for name, spoil := range map[string]func(m *trigger.Message){
		"another secret": func(m *trigger.Message) {
			m.Signed = must(signature.Sign(signature.NewSecret(), "msg_1", h.clock(), m.Body))(t)
		},
		"another body": func(m *trigger.Message) { m.Body = []byte(`{"host": 2}`) },
		"no signature": func(m *trigger.Message) { m.Signature = "" },
		"an old message": func(m *trigger.Message) {
			m.Signed = must(signature.Sign(h.secret, "msg_1", h.clock().Add(-time.Hour), m.Body))(t)
		},
		"no such playbook":     func(m *trigger.Message) { m.PlaybookID += 100 },
		"no such webhook":      func(m *trigger.Message) { m.Trigger = 2 },
		"no webhook at all":    func(m *trigger.Message) { m.PlaybookID = plain.ID },
		"a webhook before all": func(m *trigger.Message) { m.Trigger = 0 },
	} {
		m := h.message(t, "msg_1", `{"host": 1}`)
		spoil(&m)
		_, _, err := h.hooks.Start(t.Context(), m)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code != fault.Unauthenticated {
			t.Fatalf("%s: %v", name, err)
		}
		if text := f.Message + f.Resolution; want == "" {
			want = text
		} else if text != want {
			t.Errorf("%s is answered with %q, and others with %q", name, text, want)
		}
	}
	if runs := h.runs(t); len(runs) != 0 {
		t.Errorf("runs are %+v", runs)
	}
}

func testHookOfPublisherGone(t *testing.T, h *hooked) {
	must(h.CreateUser(t.Context(), access.User{Username: "boss", PasswordHash: "x", Created: Start, Roles: h.ana.User.Roles}))(t) // one manager must be there
	must(h.UpdateUser(t.Context(), "ana", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	for _, id := range []string{"msg_1", "msg_2"} {
		_, _, err := h.hooks.Start(t.Context(), h.message(t, id, `{"host": 1}`))
		wantCode(t, err, fault.Busy)
	}
	runs := h.runs(t)
	if len(runs) != 1 || runs[0].State != conductor.Failed || runs[0].Error.StatusCode != http.StatusForbidden || !strings.Contains(runs[0].Error.Message, "'ana', who is gone or disabled") {
		t.Fatalf("runs are %+v", runs)
	}
	must(h.UpdateUser(t.Context(), "ana", func(u *access.User) error { u.Disabled = false; return nil }))(t)
	if r := h.start(t, "msg_1", `{"host": 1}`); r.State != conductor.Queued {
		t.Errorf("when it is sent again the run is %+v", r)
	}
}

func testHookUnfit(t *testing.T, h *hooked) {
	r := h.start(t, "msg_1", `{"name": "x"}`)
	if r.State != conductor.Failed || r.Error == nil || !strings.Contains(r.Error.Message, "on.webhook[0].with.host") {
		t.Errorf("the run is %+v with %+v", r, r.Error)
	}
	for id, body := range map[string]string{"msg_2": "host=1", "msg_3": "", "msg_4": "{} {}"} {
		_, _, err := h.hooks.Start(t.Context(), h.message(t, id, body))
		wantCode(t, err, fault.Invalid)
	}
}

func testPlaybookSecrets(t *testing.T, h *hooked) {
	ctx := t.Context()
	another := signature.NewSecret()
	for _, name := range []string{"pager", "siem"} {
		if err := h.SetPlaybookSecret(ctx, h.playbook.ID, name, another); err != nil {
			t.Fatal(err)
		}
	}
	if names := must(h.PlaybookSecretNames(ctx, h.playbook.ID))(t); !cmp.Equal(names, []string{"pager", "siem"}) {
		t.Errorf("names are %q", names)
	}
	if _, _, err := h.hooks.Start(ctx, h.message(t, "msg_1", `{"host": 1}`)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("signed with the secret before: %v", err)
	}
	must(h.RotateSecrets(ctx, func(int64, int64) {}))(t)
	if got := must(h.PlaybookSecret(ctx, h.playbook.ID, "siem"))(t); got.Reveal() != another.Reveal() {
		t.Error("after a rotation of the key it is another secret")
	}
	if err := h.DeletePlaybookSecret(ctx, h.playbook.ID, "pager"); err != nil {
		t.Error(err)
	}
	wantCode(t, h.DeletePlaybookSecret(ctx, h.playbook.ID, "pager"), fault.NotFound)
	wantCode(t, h.SetPlaybookSecret(ctx, h.playbook.ID+100, "siem", another), fault.NotFound)
}
