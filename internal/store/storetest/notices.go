package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/store"
)

func testNotices(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, l *layer){
		"settings are kept, and what is secret of them is sealed": testNoticeSettings,
		"settings are changed one after the other":                testNoticeSettingsInTurn,
		"a rotation of keys keeps the settings readable":          testNoticeSettingsRotated,
		"a notice is queued with its job and delivered":           testNoticeDelivered,
		"what a replica that stood still says is not written":     testNoticeTakenOver,
		"what is for nobody is not queued":                        testNoticeForNobody,
		"notices are listed by their state":                       testNoticeList,
		"a notice is tried again, alone or with others":           testNoticeRetried,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupLayer(t, create))
		})
	}
}

const (
	plainMailPassword = "smtp-horse-7431"
	plainHookURL      = "https://soc.example.org/hooks/token-7431"
)

// withNoticeSettings makes settings of both channels.
func (l *layer) withNoticeSettings(tb testing.TB) notice.Settings {
	tb.Helper()
	return must(l.UpdateNoticeSettings(tb.Context(), func(s *notice.Settings) error {
		s.Mail = &notice.MailSettings{
			Host: "smtp.example.org", Port: 587, Security: notice.StartTLS, Auth: notice.AuthPlain, Username: "ada", Password: hidden.New(plainMailPassword),
			From: notice.Address{Name: "Vedette", Mailbox: "vedette@example.org"}, CA: "some PEM", PlaybookDomains: []string{"example.org", "example.net"},
		}
		s.Webhook = &notice.WebhookSettings{Target: notice.Target{URL: plainHookURL, CA: "other PEM"}, Secret: signature.NewSecret()}
		return nil
	}))(tb)
}

// sameSettings compares settings by what they hold.
func sameSettings(t *testing.T, got, want notice.Settings) {
	t.Helper()
	show := func(s notice.Settings) string {
		var text strings.Builder
		if m := s.Mail; m != nil {
			fmt.Fprintf(&text, "%+v %s\n", *m, m.Password.Reveal())
		}
		if w := s.Webhook; w != nil {
			fmt.Fprintf(&text, "%+v %s\n", w.Target, w.Secret.Reveal())
		}
		return text.String()
	}
	if diff := cmp.Diff(show(want), show(got)); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func testNoticeSettings(t *testing.T, l *layer) {
	ctx := t.Context()
	sameSettings(t, must(l.NoticeSettings(ctx))(t), notice.Settings{})
	made := l.withNoticeSettings(t)
	sameSettings(t, must(l.NoticeSettings(ctx))(t), made)
	var text strings.Builder
	err := l.InTx(ctx, func(tx *store.Tx) error {
		return errors.Join(dumpTable(ctx, tx, "notice_settings", &text), dumpTable(ctx, tx, "secrets", &text))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{plainMailPassword, plainHookURL, made.Webhook.Secret.Reveal()} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("a table shows %s", secret)
		}
	}
	wrong := fault.New(fault.Invalid, "no", "")
	if _, err := l.UpdateNoticeSettings(ctx, func(s *notice.Settings) error { s.Mail = nil; return wrong }); !errors.Is(err, wrong) {
		t.Errorf("a change that is refused: %v", err)
	}
	sameSettings(t, must(l.NoticeSettings(ctx))(t), made)
	for range 2 {
		must(l.UpdateNoticeSettings(ctx, func(s *notice.Settings) error {
			s.Mail.Username, s.Mail.Password = "", hidden.Text{}
			s.Webhook = nil
			return nil
		}))(t)
	}
	made.Mail.Username, made.Mail.Password, made.Webhook = "", hidden.Text{}, nil
	sameSettings(t, must(l.NoticeSettings(ctx))(t), made)
	if n := l.clouds.count(t, "SELECT count(*) FROM secrets WHERE kind = 'notice_settings'"); n != 0 {
		t.Errorf("%d secrets of settings that are gone", n)
	}
}

func testNoticeSettingsInTurn(t *testing.T, l *layer) {
	l.withNoticeSettings(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			must(l.UpdateNoticeSettings(t.Context(), func(s *notice.Settings) error { s.Mail.Port++; return nil }))(t)
		})
	}
	wait.Wait()
	if got := must(l.NoticeSettings(t.Context()))(t); got.Mail.Port != 587+8 {
		t.Errorf("after 8 changes the port is %d", got.Mail.Port)
	}
}

func testNoticeSettingsRotated(t *testing.T, l *layer) {
	made := l.withNoticeSettings(t)
	if n := must(l.RotateSecrets(t.Context(), func(int64, int64) {}))(t); n != 3 {
		t.Errorf("%d secrets were sealed anew", n)
	}
	sameSettings(t, must(l.NoticeSettings(t.Context()))(t), made)
}

// told has a health check tell of an outage that was over at a time, and returns the
// notice.
func (l *layer) told(t *testing.T, c connection.Connection, at time.Time) notice.Notice {
	t.Helper()
	ctx := t.Context()
	r := search(c)
	r.Origin = run.ByHealth
	b := must(l.BeginCommand(ctx, l.queued(t, r, nil).ID, Start))(t)
	b.Run.State, b.Run.Ended = run.Succeeded, at
	err := l.EndCommand(ctx, b.Run, func(c connection.Connection) (connection.Health, notice.Event) {
		return c.Health, notice.HealthCheckRecovered{Subject: notice.Subject{Connection: c.Name}, Failures: 3, Since: Start, Recovered: at}
	})
	if err != nil {
		t.Fatal(err)
	}
	found := must(l.Notices(ctx, notice.Filter{Limit: 1}))(t)
	if len(found) != 1 {
		t.Fatal("there is no notice")
	}
	return found[0]
}

func testNoticeDelivered(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	l.withNoticeSettings(t)
	l.clouds.queue.calls = nil
	n := l.told(t, c, Start)
	if calls := l.clouds.queue.calls; calls[len(calls)-1] != fmt.Sprintf("enqueue notice %d", n.ID) {
		t.Errorf("jobs: %v", calls)
	}
	if n.Key == "" || n.Kind != notice.KindHealthCheckRecovered || !cmp.Equal(n.MailTo, []string{"soc@example.net"}) || !n.Happened.Equal(Start) || n.State() != notice.Pending {
		t.Errorf("it is %+v", n)
	}
	if event, err := notice.ParseEvent(n.Kind, n.Data); err != nil || event.(notice.HealthCheckRecovered).Connection != "lab" {
		t.Errorf("it tells %+v, %v", event, err)
	}
	if due := must(l.DueNotices(ctx, Start, 0, 10))(t); !cmp.Equal(due, []int64{n.ID}) {
		t.Errorf("due are %v", due)
	}
	if due := must(l.DueNotices(ctx, Start, n.ID, 10))(t); len(due) != 0 {
		t.Errorf("due after it are %v", due)
	}
	begun, channels, err := l.BeginNotice(ctx, n.ID, Start)
	if err != nil || !cmp.Equal(channels, []notice.Channel{notice.ByMail, notice.ByWebhook}) || begun.Key != n.Key {
		t.Fatalf("it begins with %v, %+v, %v", channels, begun, err)
	}
	mail, hook := *begun.Delivery(notice.ByMail), *begun.Delivery(notice.ByWebhook)
	mail.State, mail.Next, mail.To, mail.Ended = notice.Delivered, time.Time{}, nil, Start
	hook.Next, hook.Failure, hook.Resolution = Start.Add(time.Minute), "It is “down”.", "Look."
	for _, d := range []notice.Delivery{mail, hook} {
		if err := l.NoteDelivery(ctx, n.ID, d); err != nil {
			t.Fatal(err)
		}
	}
	n = must(l.Notice(ctx, n.ID))(t)
	if diff := cmp.Diff([]notice.Delivery{mail, hook}, n.Deliveries); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	if _, channels, err := l.BeginNotice(ctx, n.ID, Start.Add(time.Second)); err != nil || len(channels) != 0 {
		t.Errorf("before its time it begins with %v, %v", channels, err)
	}
	if due := must(l.DueNotices(ctx, Start.Add(59*time.Second), 0, 10))(t); len(due) != 0 {
		t.Errorf("before their time %v are due", due)
	}
	if _, channels, err := l.BeginNotice(ctx, n.ID, Start.Add(time.Minute)); err != nil || !cmp.Equal(channels, []notice.Channel{notice.ByWebhook}) {
		t.Errorf("at its time it begins with %v, %v", channels, err)
	}
	hook.Attempts, hook.State, hook.Next, hook.Ended = 2, notice.Delivered, time.Time{}, Start.Add(time.Minute)
	if err := l.NoteDelivery(ctx, n.ID, hook); err != nil {
		t.Fatal(err)
	}
	if due := must(l.DueNotices(ctx, Start.Add(time.Hour), 0, 10))(t); len(due) != 0 {
		t.Errorf("after its delivery %v are due", due)
	}
	if _, channels, err := l.BeginNotice(ctx, 999, Start); err != nil || len(channels) != 0 {
		t.Errorf("one that is gone begins with %v, %v", channels, err)
	}
	must(l.PruneRuns(ctx, Start.Add(time.Second)))(t)
	_, err = l.Notice(ctx, n.ID)
	wantCode(t, err, fault.NotFound)
}

func testNoticeTakenOver(t *testing.T, l *layer) {
	ctx := t.Context()
	n := l.told(t, l.connection(t, "lab"), Start)
	first, _, err := l.BeginNotice(ctx, n.ID, Start)
	if err != nil {
		t.Fatal(err)
	}
	second, channels, err := l.BeginNotice(ctx, n.ID, Start)
	if err != nil || len(channels) != 1 {
		t.Fatalf("the second begins with %v, %v", channels, err)
	}
	wantCode(t, l.NoteDelivery(ctx, n.ID, first.Deliveries[0]), fault.Conflict)
	done := second.Deliveries[0]
	done.State, done.Next = notice.Delivered, time.Time{}
	if err := l.NoteDelivery(ctx, n.ID, done); err != nil {
		t.Fatal(err)
	}
	late := second.Deliveries[0]
	late.State = notice.Failed
	wantCode(t, l.NoteDelivery(ctx, n.ID, late), fault.Conflict)
	if got := must(l.Notice(ctx, n.ID))(t); got.State() != notice.Delivered || got.Deliveries[0].Attempts != 2 {
		t.Errorf("it is %+v", got)
	}
}

func testNoticeForNobody(t *testing.T, l *layer) {
	ctx := t.Context()
	c := must(l.UpdateConnection(ctx, l.connection(t, "lab").ID, func(c *connection.Connection) (map[string]string, error) {
		c.Check.MailAfter, c.Check.MailTo = 0, nil
		return nil, nil
	}))(t)
	r := l.queued(t, search(c), nil)
	b := must(l.BeginCommand(ctx, r.ID, Start))(t)
	b.Run.State, b.Run.Ended = run.Failed, Start
	event := func(c connection.Connection) (connection.Health, notice.Event) {
		return c.Health, notice.HealthCheckFailed{Failures: 3}
	}
	if err := l.EndCommand(ctx, b.Run, event); err != nil {
		t.Fatal(err)
	}
	if found := must(l.Notices(ctx, notice.Filter{Limit: 1}))(t); len(found) != 0 {
		t.Errorf("without a webhook there is %+v", found)
	}
	l.withNoticeSettings(t)
	n := l.told(t, c, Start)
	if _, channels, err := l.BeginNotice(ctx, n.ID, Start); err != nil || !cmp.Equal(channels, []notice.Channel{notice.ByWebhook}) {
		t.Errorf("with a webhook it begins with %v, %v", channels, err)
	}
}

// ended begins a notice and ends all its deliveries in a state.
func (l *layer) ended(t *testing.T, n notice.Notice, state notice.State) {
	t.Helper()
	begun, _, err := l.BeginNotice(t.Context(), n.ID, Start)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range begun.Deliveries {
		d.State, d.Next, d.Ended = state, time.Time{}, Start
		if err := l.NoteDelivery(t.Context(), n.ID, d); err != nil {
			t.Fatal(err)
		}
	}
}

func testNoticeList(t *testing.T, l *layer) {
	c := l.connection(t, "lab")
	first, second, third := l.told(t, c, Start), l.told(t, c, Start), l.told(t, c, Start)
	l.ended(t, first, notice.Delivered)
	l.ended(t, second, notice.Failed)
	for _, tt := range []struct {
		name string
		give notice.Filter
		want []int64
	}{
		{"all", notice.Filter{Limit: 10}, []int64{third.ID, second.ID, first.ID}},
		{"limit", notice.Filter{Limit: 2}, []int64{third.ID, second.ID}},
		{"before", notice.Filter{Limit: 10, Before: third.ID}, []int64{second.ID, first.ID}},
		{"pending", notice.Filter{Limit: 10, State: notice.Pending}, []int64{third.ID}},
		{"failed", notice.Filter{Limit: 10, State: notice.Failed}, []int64{second.ID}},
		{"delivered before", notice.Filter{Limit: 10, State: notice.Delivered, Before: second.ID}, []int64{first.ID}},
	} {
		var got []int64
		for _, n := range must(l.Notices(t.Context(), tt.give))(t) {
			got = append(got, n.ID)
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	_, err := l.Notice(t.Context(), 999)
	wantCode(t, err, fault.NotFound)
}

func testNoticeRetried(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	old, failed, delivered, open := l.told(t, c, Start.Add(-48*time.Hour)), l.told(t, c, Start), l.told(t, c, Start), l.told(t, c, Start)
	l.ended(t, old, notice.Failed)
	l.ended(t, failed, notice.Failed)
	l.ended(t, delivered, notice.Delivered)
	l.clouds.queue.calls = nil
	again := func(n *notice.Notice) bool { return n.Retry(Start.Add(time.Hour), notice.ByMail) }
	if err := l.RetryNotices(ctx, Start.Add(-24*time.Hour), again); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, l.clouds, fmt.Sprintf("enqueue notice %d", failed.ID)) // the open one was not begun
	if due := must(l.DueNotices(ctx, Start.Add(time.Hour), 0, 10))(t); !cmp.Equal(due, []int64{failed.ID, open.ID}) {
		t.Errorf("due are %v", due)
	}
	l.clouds.queue.calls = nil
	got := must(l.RetryNotice(ctx, old.ID, func(n *notice.Notice) error { again(n); return nil }))(t)
	wantCalls(t, l.clouds, fmt.Sprintf("enqueue notice %d", old.ID))
	if stored := must(l.Notice(ctx, old.ID))(t); got.State() != notice.Pending || !cmp.Equal(got, stored) {
		t.Errorf("it is %+v, stored %+v", got, stored)
	}
	refused := fault.New(fault.Conflict, "no", "")
	if _, err := l.RetryNotice(ctx, delivered.ID, func(*notice.Notice) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("one that is refused: %v", err)
	}
	_, err := l.RetryNotice(ctx, 999, func(*notice.Notice) error { return nil })
	wantCode(t, err, fault.NotFound)
}

// lastWithoutDeliveries is the last version of the schema in which notices were queued
// and not delivered.
const lastWithoutDeliveries = 20

// FillQueuedNotices makes, in an empty database, the schema of the release before
// notices were delivered, with two that wait. jobs is the engine's migration for jobs;
// the folder migrations of the engine is in the working directory.
func FillQueuedNotices(t *testing.T, engine goose.Dialect, db *sql.DB, jobs *goose.Migration) {
	t.Helper()
	provider, err := goose.NewProvider(engine, db, os.DirFS("migrations"), goose.WithGoMigrations(jobs))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), lastWithoutDeliveries); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO notices (kind, data, mail_to, happened, attempts, next_attempt, failure) VALUES
		('test', '{"by":"ada"}', '["soc@example.net"]', %[1]d, 0, %[1]d, ''), ('test', '{"by":"bob"}', '["noc@example.net"]', %[1]d, 0, %[1]d, '')`, Start.UnixMicro()))
	if err != nil {
		t.Fatal(err)
	}
}

// CheckQueuedNotices checks that what FillQueuedNotices made is delivered now.
func CheckQueuedNotices(t *testing.T, s *store.Store) {
	t.Helper()
	found := must(s.Notices(t.Context(), notice.Filter{State: notice.Pending, Limit: 10}))(t)
	if len(found) != 2 || found[0].Key == "" || found[0].Key == found[1].Key {
		t.Fatalf("there are %+v", found)
	}
	for _, n := range found {
		if _, channels, err := s.BeginNotice(t.Context(), n.ID, Start.Add(time.Hour)); err != nil || !cmp.Equal(channels, []notice.Channel{notice.ByMail}) {
			t.Errorf("notice %d begins with %v, %v", n.ID, channels, err)
		}
	}
}
