package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

func TestFailuresMapToStatusAndCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		err       error
		status    int
		qpsStatus int
		qpsCode   qps.ResponseCode
	}{
		{"invalid", fault.Newf(fault.Invalid, "m"), 400, 200, qps.CodeInvalidRequest},
		{"wrong credentials", fault.Newf(fault.Unauthenticated, "m"), 401, 401, qps.CodeInvalidCredentials},
		{"no credentials", server.NoCredentials(), 401, 401, qps.CodeAuthCredentialsNeeded},
		{"no permission", fault.Newf(fault.Forbidden, "m"), 403, 401, qps.CodeUnauthorized},
		{"unknown object, wrapped", fmt.Errorf("get: %w", fault.Newf(fault.NotFound, "m")), 404, 200, qps.CodeNotFound},
		{"conflict", fault.Newf(fault.Conflict, "m"), 409, 200, qps.CodeInvalidRequest},
		{"selection too large", fault.Newf(fault.TooLarge, "m"), 413, 200, qps.CodeInvalidRequest},
		{"body too large", fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 9}), 413, 413, qps.CodeInvalidRequest},
		{"busy", fault.Newf(fault.Busy, "m"), 503, 503, qps.CodeOtherError},
		{"time ran out", fmt.Errorf("search: %w", context.DeadlineExceeded), 500, 500, qps.CodeOtherError},
		{"malformed XML", &qps.RequestError{Code: qps.CodeInvalidXML, Message: "m"}, 400, 200, qps.CodeInvalidXML},
		{"unknown route", server.NoRoute(httptest.NewRequest("GET", "/x", nil)), 404, 404, qps.CodeInvalidURL},
		{"internal", fault.Newf(fault.Internal, "m"), 500, 500, qps.CodeOtherError},
		{"anything else", errors.New("disk on fire"), 500, 500, qps.CodeOtherError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := server.Explain(tc.err)
			type outcome struct {
				Status, QPSStatus int
				QPSCode           qps.ResponseCode
			}
			if diff := cmp.Diff(outcome{tc.status, tc.qpsStatus, tc.qpsCode}, outcome{f.Status, f.QPSStatus, f.QPSCode}); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if f.Message == "" || f.Resolution == "" {
				t.Errorf("failure %+v lacks a part", f)
			}
		})
	}
}

func TestOversizedDocumentsKeepTheirWords(t *testing.T) {
	t.Parallel()
	_, err := qps.DecodeRequest(strings.NewReader(strings.Repeat(" ", qps.MaxRequestBytes+1)), "")
	f := server.Explain(err)
	if f.QPSStatus != 413 || !strings.Contains(f.Message, fmt.Sprint(qps.MaxRequestBytes)) {
		t.Errorf("failure %+v, want 413 that names the limit", f)
	}
}

func TestInternalFailuresSayNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("password of the database is hunter2"),
		&fault.Error{Code: fault.Internal, Message: "hunter2", Resolution: "hunter2", Err: errors.New("hunter2")},
	} {
		if f := server.Explain(err); strings.Contains(f.Message+f.Resolution, "hunter2") {
			t.Errorf("failure %+v gives details away", f)
		}
	}
}

// users maps names to passwords and roles.
type users map[string]access.User

func (u users) Authenticate(_ context.Context, username, password string) (access.User, error) {
	user, ok := u[username]
	if !ok || user.PasswordHash != password {
		return access.User{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
	}
	return user, nil
}

func TestGuardLetsManagersThrough(t *testing.T) {
	t.Parallel()
	known := users{
		"admin":   {Username: "admin", PasswordHash: "right", Role: access.RoleManager},
		"visitor": {Username: "visitor", PasswordHash: "right", Role: "VISITOR"},
	}
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	plain := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("user", user); r.Header.Set("password", password) }
	}
	for _, tc := range []struct {
		name    string
		headers bool // whether plain headers are accepted
		set     func(*http.Request)
		status  int
	}{
		{"basic", false, basic("admin", "right"), 200},
		{"wrong password", false, basic("admin", "wrong"), 401},
		{"unknown user", false, basic("nobody", "right"), 401},
		{"role without permissions", false, basic("visitor", "right"), 403},
		{"no credentials", true, func(*http.Request) {}, 401},
		{"another scheme", true, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401},
		{"plain headers", true, plain("admin", "right"), 200},
		{"plain headers where they are not accepted", false, plain("admin", "right"), 401},
		{"Authorization wins over plain headers", true, func(r *http.Request) { plain("admin", "right")(r); basic("admin", "wrong")(r) }, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mux := server.NewMux(quiet)
			guard := server.Guard{Users: known, PlainHeaders: tc.headers}
			mux.Add(server.Route{Path: "/", Handler: guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(server.UserOf(r.Context()).Username))
			}))})
			r := httptest.NewRequest("GET", "/", nil)
			tc.set(r)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (w.Code != 200) != strings.HasPrefix(challenge, `Basic realm="`) {
				t.Errorf("status %d with challenge %q", w.Code, challenge)
			}
			if w.Code == 200 && w.Body.String() != "admin" {
				t.Errorf("handler saw user %q", w.Body)
			}
		})
	}
}
