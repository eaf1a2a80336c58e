package automationapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

// hookSecret is a secret in the form that it must have.
const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooks take what was signed by "ci".
type hooks struct {
	got   []trigger.Message
	fails error
}

func (h *hooks) Start(_ context.Context, m trigger.Message) (conductor.Run, bool, error) {
	h.got = append(h.got, m)
	if h.fails != nil {
		return conductor.Run{}, false, h.fails
	}
	if m.Signature != "ci" {
		return conductor.Run{}, false, fault.New(fault.Unauthenticated, "The webhook is refused.", "Check it.")
	}
	return conductor.Run{ID: 12}, len(h.got) == 1, nil
}

// doorbell is the route of webhooks, with its clock and its log.
type doorbell struct {
	hooks
	mux *server.Mux
	now time.Time
	log bytes.Buffer
}

func newDoorbell() *doorbell {
	d := &doorbell{mux: server.NewMux(slog.New(slog.DiscardHandler)), now: start}
	d.mux.Add(automationapi.HookRoute(&d.hooks, server.Strangers{}, func() time.Time { return d.now }, slog.New(slog.NewTextHandler(&d.log, nil))))
	return d
}

// ring posts a webhook.
func (d *doorbell) ring(path, media, signed, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/automation/v1/playbooks/"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1000"
	r.Header.Set("Content-Type", media)
	signature.Signed{ID: "msg_1", Timestamp: "1700000000", Signature: signed}.Write(r.Header)
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	return w
}

func TestAWebhookIsHandedOnAsItCameAndAnsweredWithItsRun(t *testing.T) {
	t.Parallel()
	d := newDoorbell()
	const body = " {\"b\": 1,\n\"a\": 9007199254740993} \n"
	for _, status := range []int{http.StatusAccepted, http.StatusOK} {
		if w := d.ring("7/hooks/2", "application/json; charset=utf-8", "ci", body); w.Code != status || w.Body.String() != "{\"id\":12}\n" {
			t.Errorf("answered %d %s, want %d", w.Code, w.Body, status)
		}
	}
	m := d.got[0]
	if m.PlaybookID != 7 || m.Trigger != 2 || m.Address != "192.0.2.7" || string(m.Body) != body || m.Signed != (signature.Signed{ID: "msg_1", Timestamp: "1700000000", Signature: "ci"}) {
		t.Errorf("handed on is %+v", m)
	}
}

func TestAWebhookThatNamesNothingIsRefusedAsOneThatIsNotSigned(t *testing.T) {
	t.Parallel()
	d := newDoorbell()
	for _, path := range []string{"7/hooks/2", "seven/hooks/2", "7/hooks/two", "99999999999999999999/hooks/1", "7/hooks/99999999999999999999"} {
		if w := d.ring(path, "application/json", "other", "{}"); w.Code != 401 || !strings.Contains(w.Body.String(), "The webhook is refused.") {
			t.Errorf("%s is answered %d %s", path, w.Code, w.Body)
		}
	}
	for _, m := range d.got[1:] {
		if m.PlaybookID != 0 && m.Trigger != 0 {
			t.Errorf("looked for is %+v", m)
		}
	}
}

func TestAWebhookThatCannotBeTakenIsNotLookedAt(t *testing.T) {
	t.Parallel()
	d := newDoorbell()
	for _, tc := range []struct {
		media, body string
		status      int
	}{
		{"", "{}", 400}, {"text/plain", "{}", 400}, {"application/x-www-form-urlencoded", "{}", 400}, {"application/json", strings.Repeat(" ", 64<<10) + "{}", 413},
	} {
		if w := d.ring("7/hooks/2", tc.media, "ci", tc.body); w.Code != tc.status {
			t.Errorf("%q with %d bytes is answered %d %s, want %d", tc.media, len(tc.body), w.Code, w.Body, tc.status)
		}
	}
	if len(d.got) != 0 {
		t.Errorf("handed on are %+v", d.got)
	}
	if w := d.ring("7/hooks/2", "application/json", "ci", strings.Repeat(" ", 64<<10-2)+"{}"); w.Code != 202 {
		t.Errorf("one that is as long as it may be is answered %d %s", w.Code, w.Body)
	}
}

func TestASenderIsToldToComeBackWhenItMay(t *testing.T) {
	t.Parallel()
	d := newDoorbell()
	for _, tc := range []struct {
		err    error
		status int
		after  string
	}{
		{fault.New(fault.Busy, "Not now.", "Later."), 503, "2"}, {fault.New(fault.Invalid, "Not JSON.", "Send it."), 400, ""}, {errors.New("disk of planted is full"), 500, ""},
	} {
		d.fails = tc.err
		w := d.ring("7/hooks/2", "application/json", "ci", "{}")
		if w.Code != tc.status || w.Header().Get("Retry-After") != tc.after || strings.Contains(w.Body.String(), "planted") {
			t.Errorf("%v is answered %d, Retry-After %q: %s", tc.err, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	if d.log.Len() != 0 {
		t.Errorf("the log has %s", &d.log)
	}
}

func TestRefusedWebhooksAreALineInTheLogEachMinute(t *testing.T) {
	t.Parallel()
	d := newDoorbell()
	for range 5 {
		d.ring("7/hooks/2", "application/json", "other", "{}")
	}
	if got := d.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="webhooks of playbooks were refused" count=1 last=/automation/v1/playbooks/7/hooks/2 from=192.0.2.7`) {
		t.Errorf("the log has\n%s", got)
	}
	d.now = d.now.Add(time.Minute)
	d.ring("7/hooks/2", "application/json", "other", "{}")
	d.ring("7/hooks/2", "application/json", "ci", "{}")
	if got := d.log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "count=5 ") {
		t.Errorf("a minute later the log has\n%s", got)
	}
}

func TestSecretsOfAPlaybookAreNamedAndNeverShown(t *testing.T) {
	t.Parallel()
	th := newTheatre(t)
	th.must(t, "ann", "POST", "/playbooks", body(greetText, ""), 201)
	matchGolden(t, "playbook-secrets-none", th.must(t, "ann", "GET", "/playbooks/1/secrets", "", 200))
	for _, name := range []string{"siem", "ci", "ci"} {
		th.must(t, "ann", "PUT", "/playbooks/1/secrets/"+name, `{"secret":"`+hookSecret+`"}`, 204)
	}
	matchGolden(t, "playbook-secrets", th.must(t, "ann", "GET", "/playbooks/1/secrets", "", 200))
	if kept, err := th.store.PlaybookSecret(t.Context(), 1, "ci"); err != nil || kept.Reveal() != hookSecret {
		t.Errorf("another secret is kept, error %v", err)
	}
	th.must(t, "ann", "DELETE", "/playbooks/1/secrets/ci", "", 204)
	var told []string
	for _, e := range th.memory.Entries() {
		if e.Outcome == access.Done && strings.HasSuffix(e.Action, " secret of playbook") {
			told = append(told, e.Action+" "+e.Object+": "+e.Detail)
		}
	}
	want := "set secret of playbook 1 greet: secret siem\nset secret of playbook 1 greet: secret ci\nset secret of playbook 1 greet: secret ci\nremove secret of playbook 1 greet: secret ci"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("the audit log has\n%s\nwant\n%s", got, want)
	}
}
