package automationapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

// bulletin keeps settings and notices, and is the world that they go to.
type bulletin struct {
	settings notice.Settings
	notices  []notice.Notice // newest first
	asked    notice.Filter
	sent     []string // what went out
	failure  error    // of sending
}

func (b *bulletin) NoticeSettings(context.Context) (notice.Settings, error) { return b.settings, nil }

func (b *bulletin) UpdateNoticeSettings(_ context.Context, change func(*notice.Settings) error) (notice.Settings, error) {
	changed := b.settings
	err := change(&changed)
	if err == nil {
		b.settings = changed
	}
	return changed, err
}

func (b *bulletin) Notices(_ context.Context, f notice.Filter) ([]notice.Notice, error) {
	b.asked = f
	return b.notices, nil
}

func (b *bulletin) Notice(_ context.Context, id int64) (notice.Notice, error) {
	for _, n := range b.notices {
		if n.ID == id {
			return n, nil
		}
	}
	return notice.Notice{}, notice.NoNotice(id)
}

func (b *bulletin) RetryNotice(ctx context.Context, id int64, change func(*notice.Notice) error) (notice.Notice, error) {
	n, err := b.Notice(ctx, id)
	if err == nil {
		err = change(&n)
	}
	return n, err
}

func (b *bulletin) RetryNotices(context.Context, time.Time, func(*notice.Notice) bool) error {
	return nil
}

// mails carries messages to a bulletin.
type mails struct{ *bulletin }

func (m mails) Send(_ context.Context, message notice.Message) error {
	m.sent = append(m.sent, message.Recipients[0].Mailbox+": "+message.Subject)
	return m.failure
}

func (b *bulletin) Send(_ context.Context, to notice.Target, _ signature.Secret, _ string, body []byte) (int, error) {
	b.sent = append(b.sent, to.URL+": "+string(body))
	return 200, b.failure
}

// pressRoom is a platform with notices and no settings.
type pressRoom struct {
	*bulletin
	journal *accesstest.Memory
	mux     *server.Mux
}

func newPressRoom() pressRoom {
	b := &bulletin{notices: []notice.Notice{
		{
			ID: 12, Key: "msg_12", Kind: notice.KindHealthCheckFailed, Data: []byte(`{"connection":"qualys-prod","failures":3}`), MailTo: []string{"soc@example.org", "gone@example.org"},
			Happened: start, Deliveries: []notice.Delivery{
				{
					Channel: notice.ByMail, State: notice.Failed, Attempts: 2, Until: start.Add(24 * time.Hour), Ended: start.Add(time.Minute), Refused: []string{"gone@example.org"},
					Failure: "The mail server smtp.example.org refused a message: gone@example.org: 550 no such user.", Resolution: "Check the addresses of the recipients.",
				},
				{Channel: notice.ByWebhook, State: notice.Pending, Attempts: 1, Next: start.Add(time.Minute), Until: start.Add(24 * time.Hour), Failure: "The receiver soc.example.org of the webhook answered with status 503 Service Unavailable."},
			},
		},
		{ID: 11, Key: "msg_11", Kind: notice.KindTest, Data: []byte(`{"by":"ada"}`), MailTo: []string{"soc@example.org"}, Happened: start.Add(-time.Hour)},
		{
			ID: 4, Key: "msg_4", Kind: notice.KindTest, Data: []byte(`{"by":"ada"}`), Happened: start.Add(-2 * time.Hour),
			Deliveries: []notice.Delivery{{Channel: notice.ByWebhook, State: notice.Delivered, Attempts: 1, Until: start, Ended: start.Add(-2 * time.Hour)}},
		},
	}}
	p := pressRoom{bulletin: b, journal: accesstest.New(access.User{Username: "admin"}, nil), mux: server.NewMux(slog.New(slog.DiscardHandler))}
	sender := &notice.Sender{Settings: b, Webhooks: b, Mailer: func(notice.MailSettings) (notice.Carrier, error) { return mails{b}, nil }}
	p.mux.Add(automationapi.Routes(automationapi.Config{
		Users: operators{}, Journal: p.journal,
		Notices: &notice.Directory{Storage: b, Sender: sender, Templates: notice.Embedded(), Now: func() time.Time { return start }},
	})...)
	return p
}

func (p pressRoom) call(t *testing.T, status int, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "/automation/v1/notifications"+target, strings.NewReader(body))
	r.SetBasicAuth("admin", "right")
	w := httptest.NewRecorder()
	p.mux.ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, target, w.Code, status, w.Body)
	}
	return w
}

const mailBody = `{"host":"smtp.example.org","username":"ada","password":"pa55-planted","from":"Vedette <vedette@example.org>"}`

func TestTheSettingsForMailAreSetAndNeverShowTheirPassword(t *testing.T) {
	t.Parallel()
	p := newPressRoom()
	p.call(t, http.StatusNotFound, "GET", "/mail", "")
	matchGolden(t, "mail-settings", p.call(t, http.StatusOK, "PUT", "/mail", mailBody).Body.Bytes())
	matchGolden(t, "mail-settings", p.call(t, http.StatusOK, "GET", "/mail", "").Body.Bytes())
	p.call(t, http.StatusOK, "PUT", "/mail", strings.Replace(mailBody, "pa55-planted", "********", 1))
	if p.settings.Mail.Password.Reveal() != "pa55-planted" {
		t.Error("the password is another one")
	}
	for body, want := range map[string]string{
		strings.Replace(mailBody, `"password":"pa55-planted",`, `"port":2525,`, 1):         "specify it again",
		strings.Replace(mailBody, "Vedette <vedette@example.org>", "nobody", 1):            "nobody",
		strings.Replace(mailBody, `"username"`, `"security":"ssl","username"`, 1):          "starttls, tls or none",
		strings.Replace(mailBody, `"username"`, `"timeout":"1s","username"`, 1):            "timeout",
		strings.Replace(mailBody, `"smtp.example.org"`, `"smtp.example.org:25"`, 1):        "Host",
		strings.Replace(mailBody, `"pa55-planted"`, `5550001`, 1):                          "a string",
		strings.Replace(mailBody, `"username":"ada",`, `"username":"ada","port":"25",`, 1): "an integer",
	} {
		w := p.call(t, http.StatusBadRequest, "PUT", "/mail", body)
		if _, text := explanation(t, w); !strings.Contains(text, want) || strings.Contains(text, "pa55") || strings.Contains(text, "5550001") {
			t.Errorf("%s: %s", body, text)
		}
	}
	p.call(t, http.StatusNoContent, "DELETE", "/mail", "")
	p.call(t, http.StatusNotFound, "DELETE", "/mail", "")
	if entries := text(t, p.journal.Entries()); strings.Contains(entries, "pa55") || !strings.Contains(entries, "smtp.example.org:587") || !strings.Contains(entries, "remove mail settings") {
		t.Errorf("audit log: %s", entries)
	}
}

// text is a value as JSON, to look for texts in.
func text(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestATestSaysWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	p := newPressRoom()
	p.call(t, http.StatusNotFound, "POST", "/mail/test", `{"to":["soc@example.org"]}`)
	p.call(t, http.StatusNotFound, "POST", "/webhook/test", "")
	p.call(t, http.StatusOK, "PUT", "/mail", mailBody)
	p.call(t, http.StatusOK, "PUT", "/webhook", `{"url":"https://soc.example.org/hooks/planted"}`)
	matchGolden(t, "notice-test-delivered", p.call(t, http.StatusOK, "POST", "/mail/test", `{"to":["soc@example.org"]}`).Body.Bytes())
	p.call(t, http.StatusOK, "POST", "/webhook/test", "")
	if len(p.sent) != 2 || p.sent[0] != "soc@example.org: [Vedette] Test message" || !strings.Contains(p.sent[1], `"by":"admin"`) {
		t.Errorf("sent: %q", p.sent)
	}
	p.failure = &notice.SendError{Temporary: true, Message: "The receiver soc.example.org of the webhook answered with status 503 Service Unavailable.", Resolution: "Look into the log of the receiver."}
	matchGolden(t, "notice-test-failed", p.call(t, http.StatusOK, "POST", "/webhook/test", "").Body.Bytes())
	for _, body := range []string{`{"to":[]}`, `{"to":["nobody"]}`, `{}`, `{"to":"soc@example.org"}`} {
		p.call(t, http.StatusBadRequest, "POST", "/mail/test", body)
	}
	if entries := text(t, p.journal.Entries()); strings.Contains(entries, "planted") || !strings.Contains(entries, "not delivered") {
		t.Errorf("audit log: %s", entries)
	}
}

func TestTheSecretOfTheWebhookIsInTheAnswersThatMakeIt(t *testing.T) {
	t.Parallel()
	p := newPressRoom()
	p.call(t, http.StatusNotFound, "GET", "/webhook", "")
	var made struct {
		Webhook struct{ URL string }
		Secret  string
	}
	read := func(w *httptest.ResponseRecorder) {
		t.Helper()
		made.Secret = ""
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
	}
	read(p.call(t, http.StatusOK, "PUT", "/webhook", `{"url":"https://soc.example.org/hooks/planted"}`))
	first := made.Secret
	if _, err := signature.ParseSecret(first); err != nil || made.Webhook.URL != "https://soc.example.org/hooks/planted" {
		t.Errorf("made: %+v, %v", made, err)
	}
	if read(p.call(t, http.StatusOK, "PUT", "/webhook", `{"url":"https://soc.example.org/hooks/other"}`)); made.Secret != "" {
		t.Errorf("changed: %+v", made)
	}
	matchGolden(t, "webhook", p.call(t, http.StatusOK, "GET", "/webhook", "").Body.Bytes())
	if read(p.call(t, http.StatusOK, "POST", "/webhook/secret", "")); made.Secret == first || p.settings.Webhook.Secret.Reveal() != made.Secret {
		t.Errorf("rotated: %+v", made)
	}
	for _, body := range []string{`{"url":"http://soc.example.org/"}`, `{"url":"https://a:planted@soc.example.org/"}`, `{"secret":"whsec_x"}`, `{}`} {
		w := p.call(t, http.StatusBadRequest, "PUT", "/webhook", body)
		if _, text := explanation(t, w); strings.Contains(text, "planted") {
			t.Errorf("%s: %s", body, text)
		}
	}
	p.call(t, http.StatusNoContent, "DELETE", "/webhook", "")
	p.call(t, http.StatusNotFound, "POST", "/webhook/secret", "")
	if entries := text(t, p.journal.Entries()); strings.Contains(entries, "whsec_") || strings.Contains(entries, "planted") || !strings.Contains(entries, "rotate secret of webhook") {
		t.Errorf("audit log: %s", entries)
	}
}

func TestNoticesAreListedWithWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	p := newPressRoom()
	matchGolden(t, "notices", p.call(t, http.StatusOK, "GET", "/notices", "").Body.Bytes())
	if p.asked != (notice.Filter{Limit: 100}) {
		t.Errorf("asked for %+v", p.asked)
	}
	p.call(t, http.StatusOK, "GET", "/notices?state=failed&before=12&limit=2", "")
	if p.asked != (notice.Filter{State: notice.Failed, Before: 12, Limit: 2}) {
		t.Errorf("asked for %+v", p.asked)
	}
	for _, query := range []string{"state=lost", "limit=0", "limit=1001", "before=0", "before=x"} {
		p.call(t, http.StatusBadRequest, "GET", "/notices?"+query, "")
	}
	matchGolden(t, "notice", p.call(t, http.StatusOK, "GET", "/notices/12", "").Body.Bytes())
	p.call(t, http.StatusNotFound, "GET", "/notices/99", "")
	matchGolden(t, "notice-retried", p.call(t, http.StatusOK, "POST", "/notices/12/retry", "").Body.Bytes())
	p.call(t, http.StatusConflict, "POST", "/notices/4/retry", "")
	p.call(t, http.StatusNotFound, "POST", "/notices/99/retry", "")
}
