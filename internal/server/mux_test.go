package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

var quiet = slog.New(slog.DiscardHandler)

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func do(t *testing.T, h http.Handler, method, target string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, body))
	return w
}

func problemOf(t *testing.T, body io.Reader) server.Problem {
	t.Helper()
	var p server.Problem
	if err := json.NewDecoder(body).Decode(&p); err != nil {
		t.Fatalf("decode problem: %v", err)
	}
	return p
}

func TestPathsMatchWithoutRedirects(t *testing.T) {
	t.Parallel()
	mux := server.NewMux(quiet)
	mux.Add(
		server.Route{Methods: []string{"GET", "POST"}, Path: "/a/b", Handler: says("b")},
		server.Route{Methods: []string{"GET"}, Path: "/a/b/{id}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "id "+r.PathValue("id"))
		})},
		server.Route{Methods: []string{"GET"}, Path: "/m", Handler: says("get")},
		server.Route{Methods: []string{"POST"}, Path: "/m", Handler: says("post")},
	)
	for _, tc := range []struct {
		name, method, target string
		status               int
		body                 string // of a 200
	}{
		{"plain", "POST", "/a/b", 200, "b"},
		{"trailing slash", "POST", "/a/b/", 200, "b"},
		{"slash before the query", "POST", "/a/b/?x=1", 200, "b"},
		{"doubled slash of a base URL that ends in one", "POST", "//a/b", 200, "b"},
		{"wildcard with trailing slash", "GET", "/a/b/7/", 200, "id 7"},
		{"encoded slash stays in the segment", "GET", "/a/b/7%2F8", 200, "id 7/8"},
		{"HEAD where GET is", "HEAD", "/m", 200, "get"},
		{"methods of one path in two routes", "POST", "/m", 200, "post"},
		{"method nobody takes", "DELETE", "/m", 405, ""},
		{"unknown path", "GET", "/c", 404, ""},
		{"root", "GET", "/", 404, ""},
		{"other case", "GET", "/A/b", 404, ""},
		{"dot segments", "GET", "/a/./b", 404, ""},
		{"encoded dot segments", "GET", "/a/%2e%2e/a/b", 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := do(t, mux, tc.method, tc.target, nil)
			if w.Code != tc.status {
				t.Fatalf("%s %s answered %d, want %d", tc.method, tc.target, w.Code, tc.status)
			}
			if tc.status == 200 {
				if got := w.Body.String(); got != tc.body {
					t.Errorf("body %q, want %q", got, tc.body)
				}
				return
			}
			if p := problemOf(t, w.Body); p.Message == "" || p.Resolution == "" {
				t.Errorf("problem %+v lacks a part", p)
			}
		})
	}
	if got := do(t, mux, "DELETE", "/m", nil).Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow is %q, want both methods", got)
	}
}

func TestRootMayHaveARoute(t *testing.T) {
	t.Parallel()
	mux := server.NewMux(quiet)
	mux.Add(server.Route{Methods: []string{"GET"}, Path: "/", Handler: says("console")})
	if w := do(t, mux, "GET", "/any/page", nil); w.Body.String() != "console" {
		t.Errorf("answer %q, want the route of the root", w.Body)
	}
}

func TestPanicsAreAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	mux := server.NewMux(slog.New(slog.NewTextHandler(&log, nil)))
	mux.Add(server.Route{Path: "/panic", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret detail") })})

	w := do(t, mux, "POST", "/panic", nil)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", w.Code)
	}
	if p := problemOf(t, w.Body); p.Code != "internal" || strings.Contains(p.Message+p.Resolution, "secret") {
		t.Errorf("problem %+v, want an internal one without details", p)
	}
	if !strings.Contains(log.String(), "secret detail") || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("log %q lacks the panic at warn", log.String())
	}
}

func TestPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	t.Parallel()
	mux := server.NewMux(quiet)
	mux.Add(
		server.Route{Path: "/half", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("late")
		})},
		server.Route{Path: "/ok", Handler: says("ok")},
	)
	ts := httptest.NewServer(mux)
	defer ts.Close()
	ts.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)
	resp, err := ts.Client().Get(ts.URL + "/half")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer was read as a whole one")
	}
	resp, err = ts.Client().Get(ts.URL + "/ok")
	if err != nil {
		t.Fatalf("the server does not live on: %v", err)
	}
	resp.Body.Close()
}

func TestRequestsBeyondTheBudgetAreRefused(t *testing.T) {
	t.Parallel()
	operators, agents := server.NewBudget(1), server.NewBudget(1)
	inside, leave := make(chan struct{}), make(chan struct{})
	mux := server.NewMux(quiet)
	mux.Add(
		server.Route{Path: "/wait", Budget: operators, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			inside <- struct{}{}
			<-leave
		})},
		server.Route{Path: "/quick", Budget: operators, Handler: says("ok")},
		server.Route{Path: "/agent", Budget: agents, Handler: says("ok")},
		server.Route{Path: "/free", Handler: says("ok")},
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/wait", nil))
	}()
	<-inside
	refused := do(t, mux, "POST", "/quick", nil)
	if refused.Code != http.StatusServiceUnavailable || refused.Header().Get("Retry-After") != "2" {
		t.Errorf("status %d, Retry-After %q, want 503 and 2", refused.Code, refused.Header().Get("Retry-After"))
	}
	if p := problemOf(t, refused.Body); p.Code != string(fault.Busy) {
		t.Errorf("code %q, want busy", p.Code)
	}
	for _, path := range []string{"/agent", "/free"} {
		if w := do(t, mux, "POST", path, nil); w.Code != 200 {
			t.Errorf("%s answered %d although another budget is used up", path, w.Code)
		}
	}
	close(leave)
	<-done
	if w := do(t, mux, "POST", "/quick", nil); w.Code != 200 {
		t.Errorf("status %d after the slot was given back, want 200", w.Code)
	}
}

func TestBodiesBeyondTheLimitFail(t *testing.T) {
	t.Parallel()
	mux := server.NewMux(quiet)
	mux.Add(server.Route{Path: "/", MaxBody: 4, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			server.Fail(w, r, err)
		}
	})})
	if w := do(t, mux, "POST", "/", strings.NewReader("1234")); w.Code != 200 {
		t.Errorf("a body of the limit answered %d", w.Code)
	}
	w := do(t, mux, "POST", "/", strings.NewReader("12345"))
	if p := problemOf(t, w.Body); w.Code != 413 || p.Code != "too_large" || !strings.Contains(p.Message, "4 bytes") {
		t.Errorf("status %d, problem %+v, want 413 that names the limit", w.Code, p)
	}
}

func TestRoutesBoundTheTimeOfTheirRequests(t *testing.T) {
	t.Parallel()
	mux := server.NewMux(quiet)
	mux.Add(server.Route{Path: "/", Timeout: time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		server.Fail(w, r, r.Context().Err())
	})})
	w := do(t, mux, "GET", "/", nil)
	if p := problemOf(t, w.Body); w.Code != 500 || !strings.Contains(p.Message, "in time") {
		t.Errorf("status %d, problem %+v, want 500 that says why", w.Code, p)
	}
}

func TestClientsThatHangUpAreNoNews(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	mux := server.NewMux(slog.New(slog.NewTextHandler(&log, nil)))
	mux.Add(server.Route{Path: "/", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.Fail(w, r, fmt.Errorf("search: %w", r.Context().Err()))
	})})
	ctx, hangUp := context.WithCancel(context.Background())
	hangUp()
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}

func TestHealthTellsNobodyWhy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"ready", nil, 200, "ok\n"},
		{"not ready", errors.New("database secret"), 503, "unavailable\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mux := server.NewMux(quiet)
			mux.Add(server.HealthRoute(func(context.Context) error { return tc.err }))
			if w := do(t, mux, "GET", "/healthz", nil); w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, tc.status, tc.body)
			}
		})
	}
}
