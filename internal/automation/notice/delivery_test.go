package notice_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// post is a queue of one notice, and the clock of its deliverer.
type post struct {
	outside
	mu     sync.Mutex
	notice notice.Notice
	now    time.Time
}

func (p *post) BeginNotice(_ context.Context, _ int64, at time.Time) (notice.Notice, []notice.Channel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.notice.Begin(at, p.settings.Webhook != nil)
	begun := p.notice
	begun.Deliveries = slices.Clone(begun.Deliveries)
	return begun, due, nil
}

func (p *post) NoteDelivery(_ context.Context, _ int64, d notice.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.notice.Note(d) {
		return fault.New(fault.Conflict, "another one has it", "")
	}
	return nil
}

// happened is when what the notices of these tests tell of was.
var happened = time.Date(2025, 1, 22, 8, 5, 0, 0, time.UTC)

func newPost(t *testing.T, mailTo ...string) *post {
	t.Helper()
	data, err := json.Marshal(notice.HealthCheckFailed{Subject: notice.Subject{Connection: "qualys-prod", Integration: "Qualys Cloud Agent", Site: "Berlin"}, Failures: 3, Since: happened})
	if err != nil {
		t.Fatal(err)
	}
	p := &post{now: happened, notice: notice.Notice{ID: 7, Key: "msg_7", Kind: notice.KindHealthCheckFailed, Data: data, MailTo: mailTo, Happened: happened}}
	p.settings = notice.Settings{
		Mail:    mailSettings(t),
		Webhook: &notice.WebhookSettings{Target: notice.Target{URL: "https://soc.example.org/hook"}, Secret: signature.NewSecret()},
	}
	return p
}

func (p *post) deliver(t *testing.T) {
	t.Helper()
	d := &notice.Deliverer{Queue: p, Sender: p.sender(), Templates: notice.Embedded(), Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler)}
	if err := d.Deliver(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
}

func TestANoticeGoesByMailAndByWebhookOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org", "Night <noc@example.org>", "soc@example.org")
	for range 3 {
		p.deliver(t)
		p.now = p.now.Add(time.Hour)
	}
	if len(p.mails) != 1 || len(p.hooks) != 1 || p.notice.State() != notice.Delivered || !p.notice.Next().IsZero() {
		t.Fatalf("%d mails, %d webhooks, %+v", len(p.mails), len(p.hooks), p.notice)
	}
	m, h := p.mails[0], p.hooks[0]
	if m.ID != "msg_7" || len(m.Recipients) != 2 || !strings.Contains(m.Subject, "qualys-prod") || !m.Time.Equal(happened) {
		t.Errorf("mail %+v", m)
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      notice.HealthCheckFailed
	}
	if err := json.Unmarshal([]byte(h.body), &body); err != nil || body.Type != "health_check.failed" || !body.Timestamp.Equal(happened) || body.Data.Connection != "qualys-prod" || body.Data.Failures != 3 {
		t.Errorf("webhook %s, %v", h.body, err)
	}
	if h.id != "msg_7" || h.target.URL != "https://soc.example.org/hook" || h.secret.Reveal() != p.settings.Webhook.Secret.Reveal() {
		t.Errorf("webhook %+v", h)
	}
}

func TestAWayThatFailsDoesNotRepeatTheOther(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	p.hookErr = func() error { return &notice.SendError{Temporary: true, Message: "down"} }
	p.deliver(t)
	p.now = p.now.Add(time.Minute)
	p.hookErr = nil
	p.deliver(t)
	if len(p.mails) != 1 || len(p.hooks) != 2 || p.hooks[0].id != p.hooks[1].id || p.hooks[0].body != p.hooks[1].body || p.notice.State() != notice.Delivered {
		t.Errorf("%d mails, %d webhooks, %+v", len(p.mails), len(p.hooks), p.notice.Deliveries)
	}
}

func TestPausesDoubleUpToFourHoursAndEndAfterADay(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	p.settings.Webhook = nil
	p.mailErr = func(m notice.Message) error {
		return &notice.SendError{Temporary: true, Pending: m.Recipients, Message: "The server is down."}
	}
	var pauses []time.Duration
	for p.notice.State() == notice.Pending {
		p.deliver(t)
		if next := p.notice.Next(); !next.IsZero() {
			pauses = append(pauses, next.Sub(p.now))
			p.now = next.Add(-time.Second)
			sent := len(p.mails)
			if p.deliver(t); len(p.mails) != sent {
				t.Fatalf("it was sent before its time: %+v", p.notice.Deliveries)
			}
			p.now = next
		}
	}
	want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240}
	for i := range want {
		want[i] *= time.Minute
	}
	d := p.notice.Deliveries[0]
	if !slices.Equal(pauses, want) || d.State != notice.Failed || d.Attempts != 13 || d.Failure != "Given up after 13 attempts. The server is down." || p.now.Sub(happened) > notice.GiveUpAfter {
		t.Errorf("pauses %v, %+v", pauses, d)
	}
}

func TestAServerThatAsksToWaitIsLeftAloneFourHoursAtMost(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{time.Second: time.Minute, time.Hour: time.Hour, 20 * time.Hour: 4 * time.Hour} {
		p := newPost(t)
		p.hookErr = func() error { return &notice.SendError{Temporary: true, Wait: wait, Message: "busy"} }
		if p.deliver(t); p.notice.Next().Sub(happened) != want {
			t.Errorf("asked to wait %s it waits %s", wait, p.notice.Next().Sub(happened))
		}
	}
}

func TestSettingsThatAreMadeAnHourLaterStillDeliver(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	made := p.settings.Mail
	p.settings = notice.Settings{}
	p.deliver(t)
	if d := p.notice.Deliveries[0]; len(p.notice.Deliveries) != 1 || d.State != notice.Pending || !strings.Contains(d.Failure, "no settings for mail") {
		t.Fatalf("%+v", p.notice.Deliveries)
	}
	p.now, p.settings.Mail = p.now.Add(time.Hour), made
	if p.deliver(t); len(p.mails) != 1 || p.notice.State() != notice.Delivered || p.notice.Deliveries[0].Failure != "" {
		t.Errorf("%d mails, %+v", len(p.mails), p.notice.Deliveries)
	}
}

func TestOnlyThoseWhoHaveNoMailYetGetItAgain(t *testing.T) {
	t.Parallel()
	p := newPost(t, "gone@example.org", "full@example.org", "soc@example.org")
	p.settings.Webhook = nil
	p.mailErr = func(m notice.Message) error {
		return &notice.SendError{Temporary: true, Pending: []notice.Address{address(t, "full@example.org")}, Refused: []notice.Address{address(t, "gone@example.org")}, Message: "refused"}
	}
	p.deliver(t)
	p.now, p.mailErr = p.now.Add(time.Minute), nil
	p.deliver(t)
	d := p.notice.Deliveries[0]
	if len(p.mails) != 2 || len(p.mails[1].Recipients) != 1 || p.mails[1].Recipients[0].Mailbox != "full@example.org" || p.mails[1].ID != p.mails[0].ID {
		t.Errorf("mails %+v", p.mails)
	}
	if d.State != notice.Failed || !slices.Equal(d.Refused, []string{"gone@example.org"}) || !strings.Contains(d.Failure, "gone@example.org") || d.Resolution == "" {
		t.Errorf("%+v", d)
	}
	if !p.notice.Retry(p.now, notice.ByMail) {
		t.Fatal("there is nothing to retry")
	}
	if p.deliver(t); len(p.mails) != 3 || p.mails[2].Recipients[0].Mailbox != "gone@example.org" || len(p.mails[2].Recipients) != 1 || p.notice.State() != notice.Delivered {
		t.Errorf("mails %+v, %+v", p.mails, p.notice.Deliveries)
	}
}

func TestARefusalForGoodIsNotTriedAgainUntilSomebodySaysSo(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	p.settings.Webhook = nil
	p.mailErr = func(m notice.Message) error {
		return &notice.SendError{Refused: m.Recipients, Message: "535", Resolution: "Check the password."}
	}
	p.deliver(t)
	p.now = p.now.Add(time.Hour)
	p.deliver(t)
	if d := p.notice.Deliveries[0]; len(p.mails) != 1 || d.State != notice.Failed || d.Failure != "535" || d.Resolution != "Check the password." || !d.Ended.Equal(happened) {
		t.Fatalf("%d mails, %+v", len(p.mails), d)
	}
	p.now, p.mailErr = p.now.Add(47*time.Hour), nil
	if p.notice.Retry(p.now, notice.ByWebhook) || !p.notice.Retry(p.now, notice.ByMail) {
		t.Fatal("it is retried on the wrong channel")
	}
	if p.deliver(t); len(p.mails) != 2 || p.notice.State() != notice.Delivered || p.notice.Retry(p.now, notice.ByMail, notice.ByWebhook) {
		t.Errorf("%d mails, %+v", len(p.mails), p.notice.Deliveries)
	}
}

// TestWhatIsAskedForDuringAnAttemptIsTriedAfterIt has somebody change the settings
// while a mail server hangs.
func TestWhatIsAskedForDuringAnAttemptIsTriedAfterIt(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]notice.SendError{
		"for now":  {Temporary: true, Pending: []notice.Address{address(t, "soc@example.org")}, Message: "in vain"},
		"for good": {Refused: []notice.Address{address(t, "soc@example.org")}, Message: "in vain"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p := newPost(t, "soc@example.org")
			p.settings.Webhook = nil
			p.mailErr = func(notice.Message) error {
				if !p.notice.Retry(p.now, notice.ByMail) {
					t.Error("there is nothing to retry")
				}
				return &failure
			}
			p.deliver(t)
			if d := p.notice.Deliveries[0]; d.State != notice.Pending || !d.Next.Equal(p.now) || !slices.Equal(d.To, []string{"soc@example.org"}) || d.Failure != "in vain" {
				t.Fatalf("%+v", d)
			}
			p.mailErr = nil
			if p.deliver(t); p.notice.State() != notice.Delivered || len(p.mails) != 2 {
				t.Errorf("%d mails, %+v", len(p.mails), p.notice.Deliveries)
			}
		})
	}
}

// TestANoticeOfLongAgoIsTriedOnceAndNotForADay is that of a platform that stood
// still, or had no settings.
func TestANoticeOfLongAgoIsTriedOnceAndNotForADay(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	p.settings = notice.Settings{}
	p.now = happened.Add(10 * 24 * time.Hour)
	p.deliver(t)
	if d := p.notice.Deliveries[0]; d.State != notice.Failed || !strings.Contains(d.Failure, "after 1 attempt.") {
		t.Errorf("%+v", d)
	}
}

func TestWhatIsCutOffIsTriedAtTheNextStart(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	ctx, stop := context.WithCancel(t.Context())
	p.settings.Webhook = nil
	p.mailErr = func(m notice.Message) error {
		stop()
		return &notice.SendError{Temporary: true, Pending: m.Recipients, Message: "cancelled", Err: ctx.Err()}
	}
	d := &notice.Deliverer{Queue: p, Sender: p.sender(), Templates: notice.Embedded(), Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler)}
	if err := d.Deliver(ctx, 7); err != nil {
		t.Fatal(err)
	}
	p.mailErr = nil
	if p.deliver(t); len(p.mails) != 2 || p.mails[0].ID != p.mails[1].ID || p.notice.State() != notice.Delivered {
		t.Errorf("%d mails, %+v", len(p.mails), p.notice.Deliveries)
	}
}

// TestAStandstillWritesNothingOfAnAttemptThatIsOver has a replica go on after another
// one has taken the notice over.
func TestAStandstillWritesNothingOfAnAttemptThatIsOver(t *testing.T) {
	t.Parallel()
	p := newPost(t, "soc@example.org")
	p.settings.Webhook = nil
	p.mailErr = func(notice.Message) error {
		p.mailErr = nil
		p.deliver(t) // the other one
		return &notice.SendError{Message: "late"}
	}
	p.deliver(t)
	if d := p.notice.Deliveries[0]; d.State != notice.Delivered || d.Attempts != 2 || d.Failure != "" {
		t.Errorf("%+v", d)
	}
}

func TestWhatCannotBeReadFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*post){
		"an unknown kind":   func(p *post) { p.notice.Kind = "weather.changed" },
		"other data":        func(p *post) { p.notice.Data = []byte(`{"failures": "many"}`) },
		"no address at all": func(p *post) { p.notice.MailTo = []string{"nobody"} },
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p := newPost(t, "soc@example.org")
			spoil(p)
			p.deliver(t)
			if d := p.notice.Deliveries[0]; d.State != notice.Failed || !strings.Contains(d.Failure, "cannot be written") || len(d.To) != 1 || len(p.mails) != 0 {
				t.Errorf("%+v", d)
			}
		})
	}
	p := newPost(t)
	p.unread = errors.New("disk I/O error")
	if p.deliver(t); p.notice.State() != notice.Pending || strings.Contains(p.notice.Deliveries[0].Failure, "disk") {
		t.Errorf("settings that cannot be read: %+v", p.notice.Deliveries)
	}
}
