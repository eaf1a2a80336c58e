package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
)

// everybody may do everything.
type everybody struct{}

func (everybody) Authenticate(_ context.Context, username, _, _ string) (access.Principal, error) {
	return access.NewPrincipal(access.User{Username: username, Roles: []access.Role{{Manager: true}}}), nil
}

func (everybody) AuthenticateToken(context.Context, string, string) (access.Principal, error) {
	return access.Principal{}, NoCredentials()
}

// crowd is a platform with one slot for operators and one for agents, each with a
// route that takes the slot until it is let go.
type crowd struct {
	http.Handler
	entered, leave chan struct{}
}

func newCrowd(t *testing.T, s LimitSettings) *crowd {
	t.Helper()
	limits, err := NewLimits(s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{entered: make(chan struct{}), leave: make(chan struct{})}
	wait := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { c.entered <- struct{}{}; <-c.leave })
	quick := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	guard, agents := Guard{Users: everybody{}, Budget: NewBudget(1), Limits: limits}, NewBudget(1)
	mux := NewMux(slog.New(slog.DiscardHandler))
	mux.Add(
		Route{Path: "/operator/wait", Handler: guard.Protect(Operation{Open: true}, wait)},
		Route{Path: "/operator/quick", Handler: guard.Protect(Operation{Open: true}, quick)},
		Route{Path: "/agent/wait", Handler: wait, Budget: agents},
		Route{Path: "/agent/quick", Handler: quick, Budget: agents},
	)
	c.Handler = mux
	return c
}

func (c *crowd) ask(path, user string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, http.NoBody)
	r.SetBasicAuth(user, "right")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// hold takes the slot of a route until the returned function is called.
func (c *crowd) hold(path string) (release func()) {
	answered := make(chan struct{})
	go func() { c.ask(path, "admin"); close(answered) }()
	<-c.entered
	return func() { c.leave <- struct{}{}; <-answered }
}

func TestNeitherOperatorsNorAgentsCrowdOutTheOthers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, crowded, others string }{
		{"a flood of operators", "/operator/", "/agent/"},
		{"a flood of agents", "/agent/", "/operator/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, LimitSettings{})
			release := c.hold(tc.crowded + "wait")
			defer release()
			for range 100 {
				if w := c.ask(tc.crowded+"quick", "admin"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" {
					t.Fatalf("status %d, header %v; want 503 with Retry-After", w.Code, w.Header())
				}
			}
			if w := c.ask(tc.others+"quick", "admin"); w.Code != http.StatusOK {
				t.Errorf("status %d for the others, want 200", w.Code)
			}
		})
	}
}

func TestAUserWhoIsRefusedTakesNoPlaceOfOthers(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, LimitSettings{Calls: 2, Concurrency: 1})
	release := c.hold("/operator/wait")
	for range 100 {
		if w := c.ask("/operator/quick", "admin"); w.Code != http.StatusTooManyRequests || w.Header().Get("X-Concurrency-Limit-Running") != "1" {
			t.Fatalf("status %d, header %v; want a refusal by the concurrency limit", w.Code, w.Header())
		}
	}
	release()
	for i, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if w := c.ask("/operator/quick", "admin"); w.Code != want {
			t.Errorf("call %d: status %d, want %d", i+2, w.Code, want)
		}
	}
	if w := c.ask("/operator/quick", "scanner"); w.Code != http.StatusOK || w.Header().Get("X-RateLimit-Remaining") != "1" {
		t.Errorf("another user: status %d, header %v; want 200 and calls of their own", w.Code, w.Header())
	}
	if w := c.ask("/agent/quick", "admin"); w.Code != http.StatusOK || w.Header().Get("X-RateLimit-Limit") != "" {
		t.Errorf("an agent: status %d, header %v; want 200 and no limit", w.Code, w.Header())
	}
}
