package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/notice"
	runs "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/outbound/mail/mailtest"
)

// lookout is a platform that checks a connection to another one, which goes down and
// comes up, and tells of it by a mail server and a receiver.
type lookout struct {
	*operatorPlatform
	down   atomic.Bool
	smtp   *mailtest.Server
	mu     sync.Mutex
	posted []string // types of events
	ahead  time.Duration
}

func newLookout(t *testing.T) *lookout {
	t.Helper()
	l := &lookout{smtp: mailtest.New(t, mailtest.Options{Username: "ada", Password: "pa55"})}
	qualys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if l.down.Load() {
			fmt.Fprint(w, `<ServiceResponse><responseCode>INVALID_CREDENTIALS</responseCode><responseErrorDetails><errorMessage>Authentication failed</errorMessage></responseErrorDetails></ServiceResponse>`)
			return
		}
		fmt.Fprint(w, `<ServiceResponse><responseCode>SUCCESS</responseCode><count>1</count></ServiceResponse>`)
	}))
	t.Cleanup(qualys.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct{ Type string }
		if json.Unmarshal(body, &event) != nil {
			event.Type = string(body)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.posted = append(l.posted, event.Type)
	}))
	t.Cleanup(receiver.Close)
	l.operatorPlatform = startLoggedPlatform(t, platformConfig{}, slog.New(slog.DiscardHandler))
	l.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	ca, err := json.Marshal(l.smtp.CA)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/notifications/mail", fmt.Sprintf(`{"host":%q,"port":%d,"ca":%s,"username":"ada","password":"pa55","from":"vedette@example.org"}`, l.smtp.Host, l.smtp.Port, ca)},
		{"PUT", "/notifications/webhook", fmt.Sprintf(`{"url":%q}`, receiver.URL)},
		{"POST", "/connections", fmt.Sprintf(`{"integration":"qualys-cloud-agent","name":"prod","parameters":{"serverUrl":%q,"allowHttp":"true","username":"soar","password":"x"},
			"healthCheck":{"enabled":true,"intervalMinutes":1,"mailAfter":3,"mailTo":["soc@example.org","noc@example.org"]}}`, qualys.URL)},
	} {
		if status, answer := l.call(t, "boss", c.method, "/automation/v1"+c.path, c.body); status > 201 {
			t.Fatalf("%s %s: status %d: %s", c.method, c.path, status, answer)
		}
	}
	return l
}

// check has the health check of the connection run, as if its time had come, and waits
// for its end.
func (l *lookout) check(t *testing.T) {
	t.Helper()
	l.ahead += 2 * time.Minute
	if n, err := l.store.QueueChecks(t.Context(), time.Now().Add(l.ahead), func() float64 { return 0 }, 10); n != 1 || err != nil {
		t.Fatalf("%d checks were queued: %v", n, err)
	}
	eventually(t, "the check ends", func() bool {
		found, err := l.store.Runs(t.Context(), runs.Filter{Origin: runs.ByHealth, Limit: 1})
		return err == nil && len(found) == 1 && found[0].State.Ended()
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for !is() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("it never was so that %s", what)
		}
	}
}

// told waits until every notice is delivered, and returns the kinds of all mails, in
// order, and those of all webhooks.
func (l *lookout) told(t *testing.T) (mails, hooks []string) {
	t.Helper()
	eventually(t, "everything is delivered", func() bool {
		pending, err := l.store.Notices(t.Context(), notice.Filter{State: notice.Pending, Limit: 1})
		return err == nil && len(pending) == 0
	})
	for _, m := range l.smtp.Mails() {
		_, after, _ := strings.Cut(m.Content, "X-Vedette-Event: ")
		kind, _, _ := strings.Cut(after, "\r\n")
		mails = append(mails, m.To+" "+kind)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return mails, slices.Clone(l.posted)
}

func TestAnOutageIsToldOnceByMailAndByWebhookAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	l := newLookout(t)
	var mails, hooks []string
	for _, stage := range []struct {
		down   bool
		checks int
		kind   notice.Kind // that is told; empty for nothing
	}{
		{true, 2, ""},
		{true, 1, notice.KindHealthCheckFailed},
		{true, 2, ""},
		{false, 1, notice.KindHealthCheckRecovered},
		{true, 2, ""},
		{false, 1, ""}, // nobody was told of it
	} {
		l.down.Store(stage.down)
		for range stage.checks {
			l.check(t)
		}
		if stage.kind != "" {
			mails = append(mails, "noc@example.org "+string(stage.kind), "soc@example.org "+string(stage.kind))
			hooks = append(hooks, string(stage.kind))
		}
		gotMails, gotHooks := l.told(t)
		if !slices.Equal(gotMails, mails) || !slices.Equal(gotHooks, hooks) {
			t.Fatalf("after %+v: mails %q, webhooks %q; want %q, %q", stage, gotMails, gotHooks, mails, hooks)
		}
	}
}
