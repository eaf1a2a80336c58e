package notice_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
)

// drawer is a storage of settings, and of one notice.
type drawer struct{ *post }

func (d drawer) UpdateNoticeSettings(_ context.Context, change func(*notice.Settings) error) (notice.Settings, error) {
	changed := d.settings
	if err := change(&changed); err != nil {
		return notice.Settings{}, err
	}
	d.settings = changed
	return changed, nil
}

func (d drawer) Notices(_ context.Context, f notice.Filter) ([]notice.Notice, error) {
	return slices.DeleteFunc([]notice.Notice{d.notice}, func(n notice.Notice) bool { return f.State != "" && n.State() != f.State }), nil
}

func (d drawer) Notice(_ context.Context, id int64) (notice.Notice, error) {
	if id != d.notice.ID {
		return notice.Notice{}, notice.NoNotice(id)
	}
	return d.notice, nil
}

func (d drawer) RetryNotice(_ context.Context, _ int64, change func(*notice.Notice) error) (notice.Notice, error) {
	err := change(&d.notice)
	return d.notice, err
}

func (d drawer) RetryNotices(_ context.Context, since time.Time, change func(*notice.Notice) bool) error {
	if !d.notice.Happened.Before(since) {
		change(&d.notice)
	}
	return nil
}

const password = "pa55-planted"

func newDirectory(t *testing.T) (*notice.Directory, *post) {
	t.Helper()
	p := newPost(t, "soc@example.org")
	p.settings = notice.Settings{}
	return &notice.Directory{Storage: drawer{p}, Sender: p.sender(), Templates: notice.Embedded(), Now: func() time.Time { return p.now }}, p
}

// certificate is one in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
}

func withAccount(t *testing.T) notice.MailSettings {
	t.Helper()
	s := *mailSettings(t)
	s.Username, s.Password = "ada", hidden.New(password)
	return s
}

func TestAPasswordStaysWhileItGoesTheSameWay(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*notice.MailSettings){
		"nothing":         func(*notice.MailSettings) {},
		"as it is shown":  func(s *notice.MailSettings) { s.Password = hidden.New(hidden.Mask) },
		"the usual port":  func(s *notice.MailSettings) { s.Port, s.Security, s.Auth = 587, notice.StartTLS, notice.AuthAuto },
		"another account": func(s *notice.MailSettings) { s.Username = "bob" },
		"another sender":  func(s *notice.MailSettings) { s.From.Name = "Vedette" },
	} {
		d, p := newDirectory(t)
		if _, err := d.SetMail(t.Context(), withAccount(t)); err != nil {
			t.Fatal(err)
		}
		s := withAccount(t)
		s.Password = hidden.Text{}
		change(&s)
		if got, err := d.SetMail(t.Context(), s); err != nil || got.Password.Reveal() != password || p.settings.Mail.Password.Reveal() != password {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAPasswordDoesNotFollowItsSettingsElsewhere(t *testing.T) {
	t.Parallel()
	authority := certificate(t)
	for name, change := range map[string]func(*notice.MailSettings){
		"host":     func(s *notice.MailSettings) { s.Host = "smtp.evil.example" },
		"port":     func(s *notice.MailSettings) { s.Port = 2525 },
		"security": func(s *notice.MailSettings) { s.Security = notice.TLS },
		"auth":     func(s *notice.MailSettings) { s.Auth = notice.AuthPlain },
		"CA":       func(s *notice.MailSettings) { s.CA = authority },
	} {
		d, p := newDirectory(t)
		if _, err := d.SetMail(t.Context(), withAccount(t)); err != nil {
			t.Fatal(err)
		}
		s := withAccount(t)
		s.Password = hidden.New(hidden.Mask)
		change(&s)
		if _, err := d.SetMail(t.Context(), s); !fault.Is(err, fault.Invalid) || strings.Contains(fmt.Sprintf("%+v", err), password) || p.settings.Mail.Host != "smtp.example.org" {
			t.Errorf("another %s: %v", name, err)
		}
		s.Password = hidden.New("another")
		if got, err := d.SetMail(t.Context(), s); err != nil || got.Password.Reveal() != "another" {
			t.Errorf("another %s with a password: %v", name, err)
		}
	}
}

func TestSettingsWithoutAnAccountForgetThePassword(t *testing.T) {
	t.Parallel()
	d, p := newDirectory(t)
	for _, s := range []notice.MailSettings{withAccount(t), *mailSettings(t)} {
		if _, err := d.SetMail(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if !p.settings.Mail.Password.IsEmpty() {
		t.Error("the password stayed")
	}
	if _, err := d.SetMail(t.Context(), func() notice.MailSettings { s := withAccount(t); s.Password = hidden.Text{}; return s }()); !fault.Is(err, fault.Invalid) {
		t.Errorf("an account without a password: %v", err)
	}
	if err := d.RemoveMail(t.Context()); err != nil || p.settings.Mail != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := d.Mail(t.Context()); !fault.Is(err, fault.NotFound) || !fault.Is(d.RemoveMail(t.Context()), fault.NotFound) {
		t.Errorf("after that: %v", err)
	}
}

func TestTheSecretOfAWebhookIsMadeAndShownOnce(t *testing.T) {
	t.Parallel()
	d, p := newDirectory(t)
	target := notice.Target{URL: "https://soc.example.org/hook"}
	_, first, err := d.SetWebhook(t.Context(), target)
	if _, wrong := signature.ParseSecret(first); err != nil || wrong != nil || p.settings.Webhook.Secret.Reveal() != first {
		t.Fatalf("%q, %v, %v", first, err, wrong)
	}
	target.URL = "https://other.example.org/hook"
	if w, shown, err := d.SetWebhook(t.Context(), target); err != nil || shown != "" || w.URL != target.URL || p.settings.Webhook.Secret.Reveal() != first {
		t.Errorf("another URL: %q, %v", shown, err)
	}
	if _, second, err := d.RotateWebhook(t.Context()); err != nil || second == first || p.settings.Webhook.Secret.Reveal() != second || p.settings.Webhook.URL != target.URL {
		t.Errorf("rotated: %v", err)
	}
	if _, _, err := d.SetWebhook(t.Context(), notice.Target{URL: "http://soc.example.org/"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("in clear to another machine: %v", err)
	}
	if err := d.RemoveWebhook(t.Context()); err != nil || p.settings.Webhook != nil {
		t.Errorf("remove: %v", err)
	}
	_, _, err = d.RotateWebhook(t.Context())
	for _, err := range []error{err, d.RemoveWebhook(t.Context()), d.TestWebhook(t.Context(), "ada")} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("without a webhook: %v", err)
		}
	}
}

func TestATestGoesByTheSettingsThereAre(t *testing.T) {
	t.Parallel()
	d, p := newDirectory(t)
	if err := d.TestMail(t.Context(), "ada", []string{"soc@example.org"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("without settings: %v", err)
	}
	if _, err := d.SetMail(t.Context(), withAccount(t)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.SetWebhook(t.Context(), notice.Target{URL: "https://soc.example.org/hook"}); err != nil {
		t.Fatal(err)
	}
	for _, to := range [][]string{nil, {"nobody"}, slices.Repeat([]string{"soc@example.org"}, 11)} {
		if err := d.TestMail(t.Context(), "ada", to); !fault.Is(err, fault.Invalid) {
			t.Errorf("to %v: %v", to, err)
		}
	}
	if err := errors.Join(d.TestMail(t.Context(), "ada", []string{"soc@example.org"}), d.TestWebhook(t.Context(), "ada")); err != nil {
		t.Fatal(err)
	}
	if len(p.mails) != 1 || !strings.Contains(p.mails[0].Text, "asked for by ada") || len(p.hooks) != 1 || !strings.Contains(p.hooks[0].body, `"type":"test"`) || p.hooks[0].id == p.mails[0].ID {
		t.Errorf("mails %+v, webhooks %+v", p.mails, p.hooks)
	}
	p.hookErr = func() error { return &notice.SendError{Temporary: true, Message: "down"} }
	if err := d.TestWebhook(t.Context(), "ada"); !notice.Temporary(err) {
		t.Errorf("a receiver that is down: %v", err)
	}
}

func TestNewSettingsTryAgainWhatFailedWithinADay(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]notice.State{time.Hour: notice.Pending, 25 * time.Hour: notice.Failed} {
		d, p := newDirectory(t)
		p.notice.Deliveries = []notice.Delivery{{Channel: notice.ByMail, State: notice.Failed, Refused: []string{"soc@example.org"}}}
		p.now = happened.Add(age)
		if _, _, err := d.SetWebhook(t.Context(), notice.Target{URL: "https://soc.example.org/hook"}); err != nil || p.notice.State() != notice.Failed {
			t.Fatalf("settings of the other channel: %+v, %v", p.notice, err)
		}
		if _, err := d.SetMail(t.Context(), withAccount(t)); err != nil || p.notice.State() != want {
			t.Errorf("after %s: %+v, %v", age, p.notice, err)
		}
	}
}

func TestWhatIsDeliveredIsNotRetried(t *testing.T) {
	t.Parallel()
	d, p := newDirectory(t)
	p.notice.Deliveries = []notice.Delivery{{Channel: notice.ByMail, State: notice.Delivered}}
	if _, err := d.Retry(t.Context(), 7); !fault.Is(err, fault.Conflict) {
		t.Errorf("delivered: %v", err)
	}
	p.notice.Deliveries[0].State = notice.Failed
	if n, err := d.Retry(t.Context(), 7); err != nil || n.State() != notice.Pending {
		t.Errorf("failed: %+v, %v", n, err)
	}
}
