package server_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// sessions makes tokens that can be read.
type sessions struct{ failure error }

func (s sessions) Issue(p access.Principal, listPermissions bool) (string, error) {
	token := "token of " + p.User.Username
	if listPermissions {
		token += " with permissions"
	}
	return token, s.failure
}

func postSignIn(users server.Authenticator, s sessions, target, contentType, body string) *httptest.ResponseRecorder {
	mux := server.NewMux(quiet)
	mux.Add(server.SignInRoute(users, s))
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestSigningInGivesABareToken(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, tc := range []struct{ name, target, contentType, body, want string }{
		{"as clients do", "/auth", form, "username=admin&password=right&token=true", "token of admin"},
		{"with a character set", "/auth/", form + "; charset=utf-8", "token=true&password=right&username=admin", "token of admin"},
		{"without a type", "/auth", "", "username=admin&password=right&token=true", "token of admin"},
		{"another type", "/auth", "text/plain", "username=admin&password=right&token=true&x=y", "token of admin"},
		{"encoded", "/auth", form, "username=%61dmin&password=r%69ght&token=true", "token of admin"},
		{"with permissions", "/auth", form, "username=viewer&password=right&token=true&permissions=true", "token of viewer with permissions"},
		{"without permissions", "/auth", form, "username=viewer&password=right&token=true&permissions=false", "token of viewer"},
		{"a user who may nothing", "/auth", form, "username=visitor&password=right&token=true", "token of visitor"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := postSignIn(known(), sessions{}, tc.target, tc.contentType, tc.body)
			if w.Code != 201 || w.Body.String() != tc.want {
				t.Errorf("answered %d %q, want 201 %q", w.Code, w.Body, tc.want)
			}
			if h := w.Header(); h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", h)
			}
		})
	}
}

func TestSignInsThatAreRefusedSayWhy(t *testing.T) {
	t.Parallel()
	const right = "username=admin&password=right&token=true"
	for _, tc := range []struct {
		name, target, body string
		status             int
		says               string
	}{
		{"wrong password", "/auth", "username=admin&password=wrong&token=true", 401, "Authentication failed"},
		{"unknown user", "/auth", "username=nobody&password=right&token=true", 401, "Authentication failed"},
		{"no body", "/auth", "", 400, "username is missing."},
		{"no username", "/auth", "password=right&token=true", 400, "username is missing."},
		{"empty username", "/auth", "username=&password=right&token=true", 400, "username is missing."},
		{"no password", "/auth", "username=admin&token=true", 400, "password is missing."},
		{"no token", "/auth", "username=admin&password=right", 400, "token is missing."},
		{"another token", "/auth", "username=admin&password=right&token=yes", 400, "token: 'yes'"},
		{"other permissions", "/auth", right + "&permissions=all", 400, "permissions: 'all'"},
		{"two users", "/auth", right + "&username=viewer", 400, "username is given 2 times."},
		{"parameters in the query", "/auth?" + right, "", 400, "username is missing."},
		{"no form", "/auth", "username=%zz", 400, "The body is not a form."},
		{"semicolons", "/auth", "username=admin;password=right;token=true", 400, "The body is not a form."},
		{"JSON", "/auth", `{"username":"admin","password":"right"}`, 400, "username is missing."},
		{"a body that is too large", "/auth", right + "&x=" + strings.Repeat("x", 8<<10), 413, "8192 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := postSignIn(known(), sessions{}, tc.target, "application/x-www-form-urlencoded", tc.body)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if body := w.Body.String(); strings.Contains(body, "right") {
				t.Errorf("the answer repeats the password: %s", body)
			}
			if p := problemOf(t, w.Body); !strings.Contains(p.Message, tc.says) || p.Resolution == "" {
				t.Errorf("problem %+v, want one that says %q", p, tc.says)
			}
		})
	}
	mux := server.NewMux(quiet)
	mux.Add(server.SignInRoute(known(), sessions{}))
	if w := do(t, mux, "GET", "/auth?"+right, nil); w.Code != 405 {
		t.Errorf("GET answered %d", w.Code)
	}
	if w := postSignIn(known(), sessions{failure: errors.New("hunter2")}, "/auth", "", right); w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("a token that cannot be made answered %d: %s", w.Code, w.Body)
	}
}

// asker notes what it is asked.
type asker struct{ username, password, address string }

func (a *asker) Authenticate(_ context.Context, username, password, address string) (access.Principal, error) {
	*a = asker{username, password, address}
	return access.Principal{}, fault.Newf(fault.Unauthenticated, "no")
}

func (*asker) AuthenticateToken(context.Context, string, string) (access.Principal, error) {
	return access.Principal{}, fault.Newf(fault.Unauthenticated, "no")
}

func TestASignInIsCountedForItsAddress(t *testing.T) {
	t.Parallel()
	var asked asker
	body := url.Values{"username": {"ädmin +&="}, "password": {strings.Repeat("\xff", access.MaxPasswordBytes)}, "token": {"true"}}
	postSignIn(&asked, sessions{}, "/auth", "", body.Encode())
	// The address is that of every request httptest makes.
	if want := (asker{"ädmin +&=", body.Get("password"), "192.0.2.1"}); asked != want {
		t.Errorf("asked for %q from %s", asked.username, asked.address)
	}
}
