package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

// misbehaviour is a way in which a platform misbehaves, whatever it is asked.
type misbehaviour struct {
	name   string
	answer http.HandlerFunc
	status int // of the error
	// message is the one of the error, with its full stop; empty for any.
	message string
	// reads and writes are how often a read and a write are sent, and whether the
	// command asks to be called again.
	reads, writes           int
	readsAgain, writesAgain bool
	readPause, writePause   time.Duration     // until then
	other                   bool              // the answer is one of another API than that of scan states
	stall                   http.RoundTripper // in place of answer: the network does it
}

func misbehaviours() []misbehaviour {
	// A transport error of a read is tried three times within seconds, and then
	// left to later.
	const backoff = firstBackoff / 2
	refusal := func(status int, code qps.ResponseCode, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			xml(w, status, qps.NewError(qps.SchemaHostAsset, code, message, ""))
		}
	}
	plain := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
		}
	}
	return []misbehaviour{
		{name: "401", answer: plain(401), status: 401, message: "Authentication failed.", reads: 1, writes: 1},
		{name: "401-with-200", other: true, answer: refusal(200, qps.CodeInvalidCredentials, "Authentication failed"), status: 401, message: "Authentication failed.", reads: 1, writes: 1},
		{name: "403", answer: plain(403), status: 403, reads: 1, writes: 1},
		{name: "409-with-a-long-wait", answer: plain(409, "X-RateLimit-ToWait-Sec", "300"), status: 409, reads: 1, writes: 1,
			readsAgain: true, writesAgain: true, readPause: 301 * time.Second, writePause: 301 * time.Second},
		{name: "429-with-a-long-wait", answer: plain(429, "Retry-After", "60"), status: 429, reads: 1, writes: 1,
			readsAgain: true, writesAgain: true, readPause: 61 * time.Second, writePause: 61 * time.Second},
		{name: "429-with-a-short-wait", answer: plain(429, "Retry-After", "2"), status: 429, reads: 6, writes: 6,
			readsAgain: true, writesAgain: true, readPause: 3 * time.Second, writePause: 3 * time.Second},
		{name: "429-for-days", answer: plain(429, "Retry-After", "86400"), status: 429, reads: 1, writes: 1},
		{name: "500", answer: plain(500), status: 500, reads: 1, writes: 1},
		{name: "503", answer: plain(503), status: 503, reads: 3, writes: 3, readsAgain: true, writesAgain: true, readPause: backoff, writePause: backoff},
		{name: "an-error-with-200", other: true, answer: refusal(200, qps.CodeOtherError, "Something went wrong"), status: 500, message: "Something went wrong.", reads: 1, writes: 1},
		{name: "a-page-for-people", other: true, answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html><body>Sign in</body></html>") }, status: 502, reads: 1, writes: 1},
		{name: "a-truncated-answer", other: true, answer: truncated, status: 502, reads: 3, writes: 1, readsAgain: true, readPause: backoff},
		{name: "a-broken-connection", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status: 502, reads: 3, writes: 1, readsAgain: true, readPause: backoff},
		{name: "a-slow-body", other: true, stall: slow{}, status: 504, reads: 3, writes: 1, readsAgain: true, readPause: backoff},
		{name: "a-hang", stall: hang{}, status: 504, reads: 3, writes: 1, readsAgain: true, readPause: backoff},
	}
}

// truncated sends less than it announced.
func truncated(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", "1000")
	_, _ = fmt.Fprint(w, `<?xml version="1.0"?><ServiceResponse><responseCode>SUC`)
}

// hang is a network on which nothing comes back.
type hang struct{}

func (hang) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// slow is a network on which the beginning of an answer comes, and then nothing.
type slow struct{}

func (slow) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`<?xml version="1.0"?><ServiceResponse>`), endless{r.Context()})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(body), Request: r}, nil
}

type endless struct{ ctx context.Context }

func (e endless) Read([]byte) (int, error) {
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

// counted counts the requests of one goroutine.
type counted struct {
	next http.RoundTripper
	n    int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	return c.next.RoundTrip(r)
}

// Each command against each fault: state, error triad, how often it was sent, and
// whether it is to be called again.
func TestAPlatformThatMisbehaves(t *testing.T) {
	t.Parallel()
	for _, f := range misbehaviours() {
		for _, s := range samples() {
			t.Run(f.name+"/"+s.command, func(t *testing.T) {
				t.Parallel()
				p := newPlatform(t)
				p.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool { f.answer(w, r); return true }
				c, session := command(t, s.command), p.session(t)
				attempts := func() int { return len(p.received()) }
				if f.stall != nil {
					stalled := &counted{next: f.stall}
					session, attempts = p.stalledSession(t, stalled), func() int { return stalled.n }
				}
				answer := c.Execute(t.Context(), session, Call{Values: s.values(t), Key: "run-1"})
				calls, again, pause := f.reads, f.readsAgain, f.readPause
				if !c.ReadOnly {
					again, pause = f.writesAgain, f.writePause
					if !s.reads {
						calls = f.writes
					}
				}
				if s.probes && f.other {
					calls++
				}
				if n := attempts(); n != calls {
					t.Errorf("%d requests, want %d", n, calls)
				}
				if c.Impatient {
					again = false
				}
				if again {
					checkUnfinished(t, answer, pause)
					return
				}
				checkTriad(t, c, answer, f)
			})
		}
	}
}

func checkUnfinished(t *testing.T, a Answer, pause time.Duration) {
	t.Helper()
	if a.Continue == nil || a.Continue.After != pause || a.Continue.Reason == "" || a.State != "" || len(a.Errors) != 0 {
		t.Errorf("answer = %+v, continuation %+v, want no state and a continuation after %s", a.Outcome, a.Continue, pause)
	}
}

func checkTriad(t *testing.T, c Command, a Answer, f misbehaviour) {
	t.Helper()
	if a.Continue != nil || a.State != automation.Failed || len(a.Errors) != 1 {
		t.Fatalf("answer = %+v, continuation %+v, want Failed with one error", a.Outcome, a.Continue)
	}
	e := a.Errors[0]
	if !strings.HasPrefix(e.Indicator, c.Indicator) || e.StatusCode != f.status || !strings.HasSuffix(e.Message, ".") {
		t.Errorf("error = %q, want %s with status %d", e.Text(), c.Indicator, f.status)
	}
	if f.message != "" && e.Message != f.message {
		t.Errorf("message = %q, want %q", e.Message, f.message)
	}
	if f.status == http.StatusUnauthorized && !strings.Contains(e.Resolution, "permission settings of the account: the command needs "+c.Permission) {
		t.Errorf("next step = %q, want one that names %s", e.Resolution, c.Permission)
	}
	if strings.Contains(e.Text(), testPassword) {
		t.Errorf("error %q repeats the password", e.Text())
	}
}

// What is wrong at first and right later ends well, after as many calls.
func TestEveryCommandGoesOnWhenThePlatformHasRecovered(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			c := command(t, s.command)
			if c.Impatient {
				return
			}
			p := newPlatform(t)
			p.fault = func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n > 2 {
					return false
				}
				w.Header().Set("X-RateLimit-ToWait-Sec", "300")
				w.WriteHeader(http.StatusConflict)
				return true
			}
			answer, called := finish(t, p, c, Call{Values: s.values(t), Key: "run-1"})
			if answer.State == automation.Failed || called != 3 {
				t.Errorf("after %d calls %+v, want success after 3", called, answer.Outcome)
			}
		})
	}
}

// finish executes a call until it has ended, as the runner does, and returns how
// often it was called.
func finish(t *testing.T, p *platform, c Command, call Call) (Answer, int) {
	t.Helper()
	for n := 1; ; n++ {
		answer := c.Execute(t.Context(), p.session(t), call)
		if answer.Continue == nil {
			return answer, n
		}
		if n == 100 {
			t.Fatalf("%s does not end: %+v", c.Name, answer.Continue)
		}
		if answer.State != "" || len(answer.Errors) != 0 {
			t.Errorf("an unfinished answer has state %q and errors %v", answer.State, answer.Errors)
		}
		if err := p.sleep(t.Context(), answer.Continue.After); err != nil {
			t.Fatal(err)
		}
		call.Cursor = answer.Continue.Cursor
	}
}

func TestACommandThatIsAlwaysPutOffFailsAfterSixCalls(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"search-cloud-agents", "launch-on-demand-scans"} {
		p := newPlatform(t)
		p.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		for _, s := range samples() {
			if s.command != name {
				continue
			}
			answer, called := finish(t, p, command(t, name), Call{Values: s.values(t), Key: "run-1"})
			if called != 6 || answer.State != automation.Failed || answer.Errors[0].StatusCode != 429 || len(p.received()) != 6 {
				t.Errorf("%s: after %d calls and %d requests %+v, want Failed with 429 after 6", name, called, len(p.received()), answer.Outcome)
			}
		}
	}
}

func TestAPageThatBreaksOffInTheMiddleOfASearchLosesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n != 2 {
			return false
		}
		truncated(w, r)
		return true
	}
	answer := command(t, "search-cloud-agents").Execute(t.Context(), p.session(t), Call{Values: sample{command: "search-cloud-agents"}.values(t)})
	if got := fmt.Sprint(answer.KeyFields["cloudAgentIds"]); answer.State != automation.Successful || got != "[1 2 3]" || len(p.received()) != 3 {
		t.Errorf("%d requests, agents %s, outcome %+v, want three of each", len(p.received()), got, answer.Outcome)
	}
}
