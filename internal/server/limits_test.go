package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// bench is limits with a clock that stands still until it is moved.
type bench struct {
	*Limits
	now time.Time
}

func newBench(t *testing.T, s LimitSettings) *bench {
	t.Helper()
	b := &bench{now: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)}
	var err error
	if b.Limits, err = NewLimits(s, func() time.Time { return b.now }); err != nil {
		t.Fatal(err)
	}
	return b
}

// call admits a call of a user, and returns what ends it and the header fields
// in the order limit, window, remaining, wait, concurrency, running.
func (b *bench) call(user string) (release func(), fields string, err error) {
	w := httptest.NewRecorder()
	release, err = b.admit(w, user)
	for _, name := range []string{
		"X-RateLimit-Limit", "X-RateLimit-Window-Sec", "X-RateLimit-Remaining", "X-RateLimit-ToWait-Sec",
		"X-Concurrency-Limit-Limit", "X-Concurrency-Limit-Running",
	} {
		fields += w.Header().Get(name) + " "
	}
	return release, strings.TrimSpace(fields), err
}

// one makes a call and ends it, and returns what was answered.
func (b *bench) one(user string) string {
	release, fields, err := b.call(user)
	if err != nil {
		return fmt.Sprintf("%s, refused for %s", fields, Explain(err).RetryAfter)
	}
	release()
	return fields
}

func TestAWindowHasSoManyCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, LimitSettings{Calls: 2, Window: time.Minute, Concurrency: 2})
	var got []string
	step := func(wait time.Duration, user string) {
		b.now = b.now.Add(wait)
		got = append(got, b.one(user))
	}
	step(0, "a")
	step(10*time.Second, "a")
	step(10*time.Second, "a")
	step(39*time.Second+time.Nanosecond, "a")
	step(0, "b") // has a window of their own
	step(time.Second-time.Nanosecond, "a")
	step(0, "a")
	step(0, "a")
	want := []string{
		"2 60 1 0 2 1",
		"2 60 0 0 2 1",
		"2 60 0 40 2 0, refused for 40s",
		"2 60 0 1 2 0, refused for 999.999999ms",
		"2 60 1 0 2 1",
		"2 60 1 0 2 1", // refusals did not count, nor did they prolong the window
		"2 60 0 0 2 1",
		"2 60 0 60 2 0, refused for 1m0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestSoManyCallsRunAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, LimitSettings{Calls: 10, Window: time.Hour, Concurrency: 2})
	first, _, err := b.call("a")
	if err != nil {
		t.Fatal(err)
	}
	second, fields, err := b.call("a")
	if err != nil || fields != "10 3600 8 0 2 1" {
		t.Fatalf("second call: %q, %v; want fewer running than may", fields, err)
	}
	for range 3 { // refusals take nothing
		if got := b.one("a"); got != "10 3600 8 0 2 2, refused for 2s" {
			t.Fatalf("third call: %q", got)
		}
	}
	if got := b.one("b"); got != "10 3600 9 0 2 1" {
		t.Errorf("another user: %q", got)
	}
	first()
	first() // ending a call twice ends no other
	if got := b.one("a"); got != "10 3600 7 0 2 1" {
		t.Errorf("after one has ended: %q", got)
	}
	second()
	b.now = b.now.Add(2 * time.Hour)
	if got := b.one("a"); got != "10 3600 9 0 2 1" {
		t.Errorf("after all have ended: %q", got)
	}
}

func TestOneLimitMayComeAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		settings LimitSettings
		want     string
	}{
		{"calls", LimitSettings{Calls: 5}, "5 3600 4 0 2147483647 1"},
		{"concurrency", LimitSettings{Concurrency: 1}, "2147483647 3600 2147483646 0 1 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := newBench(t, tc.settings).one("a"); got != tc.want {
				t.Errorf("fields %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNoLimitsSayNothing(t *testing.T) {
	t.Parallel()
	l, err := NewLimits(LimitSettings{Window: time.Minute}, time.Now)
	if l != nil || err != nil {
		t.Fatalf("limits %v, %v; want none", l, err)
	}
	w := httptest.NewRecorder()
	release, err := l.admit(w, "a")
	if err != nil || len(w.Header()) != 0 || l.Calls() != 0 || l.Concurrency() != 0 {
		t.Errorf("error %v, header %v; want nothing", err, w.Header())
	}
	release()
}

func TestSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		settings LimitSettings
		want     string
	}{
		{LimitSettings{Calls: -1}, "limits.requests: -1 is"},
		{LimitSettings{Calls: MaxCalls + 1}, "limits.requests: 1000001 is"},
		{LimitSettings{Calls: 1, Window: -time.Second}, "limits.window: -1s is"},
		{LimitSettings{Calls: 1, Window: time.Millisecond}, "limits.window: 1ms is"},
		{LimitSettings{Calls: 1, Window: 1500 * time.Millisecond}, "limits.window: 1.5s is"},
		{LimitSettings{Calls: 1, Window: 25 * time.Hour}, "limits.window: 25h0m0s is"},
		{LimitSettings{Concurrency: -1}, "limits.concurrency: -1 is"},
		{LimitSettings{Concurrency: MaxConcurrency + 1}, "limits.concurrency: 1001 is"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			_, err := NewLimits(tc.settings, time.Now)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid || !strings.Contains(f.Message, tc.want) || !strings.Contains(f.Resolution, "Allowed") {
				t.Errorf("error %v, want fault.Invalid with %q", err, tc.want)
			}
		})
	}
}

func TestRefusalsByLimitsMapToStatusAndCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		text string
	}{
		{rateRefused(40*time.Second - 1), "This API cannot be run again for another 40 seconds."},
		{concurrencyRefused(), "This API cannot be run again until 1 currently running instance has finished."},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			f := Explain(fmt.Errorf("search: %w", tc.err))
			if f.Status != 429 || f.QPSStatus != 409 || f.QPSCode != qps.CodeOtherError || f.Message != tc.text || f.Resolution == "" || f.RetryAfter <= 0 {
				t.Errorf("failure %+v, want 429, 409 under QPS, and when to come again", f)
			}
			h := http.Header{}
			f.setHeader(h)
			if h.Get("Retry-After") != fmt.Sprint(seconds(f.RetryAfter)) {
				t.Errorf("Retry-After %q, want whole seconds, rounded up", h.Get("Retry-After"))
			}
		})
	}
}

func TestUsersAreForgottenWhenThereAreMany(t *testing.T) {
	t.Parallel()
	b := newBench(t, LimitSettings{Calls: 2, Window: time.Hour, Concurrency: 2})
	release, _, err := b.call("running")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxTrackedUsers + 10 {
		b.now = b.now.Add(time.Millisecond)
		b.one(fmt.Sprintf("user %d", i))
	}
	if n := len(b.users); n > maxTrackedUsers {
		t.Errorf("%d users are remembered, want at most %d", n, maxTrackedUsers)
	}
	if b.users["running"] == nil || b.users["user 0"] != nil || b.users[fmt.Sprintf("user %d", maxTrackedUsers)] == nil {
		t.Error("want those forgotten who are idle and whose window ends first")
	}
	release()
	b.now = b.now.Add(2 * time.Hour)
	b.one("late")
	if n := len(b.users); n != 1 {
		t.Errorf("%d users are remembered when every window has ended, want one", n)
	}
}

func TestManyCallsAtOnceAreCountedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, LimitSettings{Calls: 100, Window: time.Hour, Concurrency: 1000})
	var calls sync.WaitGroup
	admitted := make(chan struct{}, 300)
	for i := range 300 {
		calls.Go(func() {
			if release, _, err := b.call([]string{"a", "b"}[i%2]); err == nil {
				admitted <- struct{}{}
				release()
			}
		})
	}
	calls.Wait()
	if n := len(admitted); n != 200 {
		t.Errorf("%d calls were admitted, want 100 of each user", n)
	}
	if b.users["a"].running != 0 || b.users["b"].running != 0 {
		t.Error("calls that have ended still run")
	}
}

func TestAnInnerHandlerOutsideOfAGuardIsNotRun(t *testing.T) {
	t.Parallel()
	rt := Route{Path: "/x", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	inner := func(http.ResponseWriter, *http.Request, string, http.Handler) { t.Error("the inner handler ran") }
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/x", nil)
	rt.Inside(inner).Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, &exchange{})))
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d, want that of the handler", w.Code)
	}
}
