package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// users maps names to users. The password of all is "right", and their token is
// "token of" and their name.
type users map[string]access.User

func (u users) Authenticate(_ context.Context, username, password, _ string) (access.Principal, error) {
	user, ok := u[username]
	if !ok || password != "right" {
		return access.Principal{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
	}
	return access.NewPrincipal(user), nil
}

func (u users) AuthenticateToken(ctx context.Context, token, address string) (access.Principal, error) {
	name, _ := strings.CutPrefix(token, "token of ")
	principal, err := u.Authenticate(ctx, name, "right", address)
	principal.ByToken = true
	return principal, err
}

func known() users {
	with := func(name string, permissions ...access.Permission) access.User {
		return access.User{Username: name, Roles: []access.Role{{Permissions: permissions}}}
	}
	return users{
		"admin":   {Username: "admin", Roles: []access.Role{{Manager: true}}},
		"visitor": with("visitor"),
		"caller":  with("caller", access.APIAccess),
		"viewer":  with("viewer", access.APIAccess, access.ReadAsset),
		"console": with("console", access.UIAccess, access.ReadAsset), // no access to the API
	}
}

// journal is an audit log in memory, whose calls fail once their context has
// ended.
type journal struct {
	entries []access.Entry
	failure error
	before  func() // called at every Append, if not nil
}

func (j *journal) Append(ctx context.Context, e access.Entry) error {
	if j.before != nil {
		j.before()
	}
	if err := errors.Join(j.failure, ctx.Err()); err != nil {
		return err
	}
	j.entries = append(j.entries, e)
	return nil
}

// guarded is a route behind a Guard.
type guarded struct {
	guard     server.Guard
	operation server.Operation
	handler   http.HandlerFunc
	log       *slog.Logger
}

// do sends a request, with the credentials of admin unless set gives others.
func (g guarded) do(set func(*http.Request)) *httptest.ResponseRecorder {
	if g.log == nil {
		g.log = quiet
	}
	if g.guard.Users == nil {
		g.guard.Users = known()
	}
	mux := server.NewMux(g.log)
	mux.Add(server.Route{Path: "/things/{id}", Handler: g.guard.Protect(g.operation, g.handler)})
	r := httptest.NewRequest("POST", "/things/7", http.NoBody)
	r.RemoteAddr = "[2001:db8::8]:4711"
	r.Header.Set("X-Forwarded-For", "203.0.113.99") // not to be believed
	r.SetBasicAuth("admin", "right")
	if set != nil {
		r.Header.Del("Authorization")
		set(r)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func both(set ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		for _, s := range set {
			s(r)
		}
	}
}

func TestCredentialsAreFoundWhereClientsPutThem(t *testing.T) {
	t.Parallel()
	plain := both(header("user", "admin"), header("password", "right"))
	for _, tc := range []struct {
		name    string
		headers bool // whether plain headers are accepted
		set     func(*http.Request)
		status  int
	}{
		{"basic", false, basic("admin", "right"), 200},
		{"wrong password", false, basic("admin", "wrong"), 401},
		{"unknown user", false, basic("nobody", "right"), 401},
		{"no credentials", true, func(*http.Request) {}, 401},
		{"token", false, header("Authorization", "Bearer token of admin"), 200},
		{"token, scheme in small letters and more spaces", false, header("Authorization", "bearer   token of admin "), 200},
		{"wrong token", true, header("Authorization", "Bearer x"), 401},
		{"no token", true, header("Authorization", "Bearer"), 401},
		{"another scheme", true, header("Authorization", "Digest x"), 401},
		{"plain headers", true, plain, 200},
		{"plain headers where they are not accepted", false, plain, 401},
		{"Authorization wins over plain headers", true, both(plain, basic("admin", "wrong")), 401},
		{"a wrong token wins over plain headers", true, both(plain, header("Authorization", "Bearer x")), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var log journal
			w := guarded{
				guard: server.Guard{Journal: &log, PlainHeaders: tc.headers}, operation: server.Operation{Name: "look"},
				handler: func(w http.ResponseWriter, r *http.Request) {
					principal := server.PrincipalOf(r.Context())
					fmt.Fprint(w, server.UserOf(r.Context()).Username, " ", principal.ByToken)
				},
			}.do(tc.set)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (w.Code != 200) != strings.HasPrefix(challenge, `Basic realm="`) {
				t.Errorf("status %d with challenge %q", w.Code, challenge)
			}
			if want := fmt.Sprint("admin ", strings.Contains(tc.name, "token")); w.Code == 200 && w.Body.String() != want {
				t.Errorf("handler saw %q, want %q", w.Body, want)
			}
			if len(log.entries) != 0 {
				t.Errorf("recorded %v, which is for the Authenticator to do", log.entries)
			}
		})
	}
}

func TestAnOperationIsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	managers := server.Operation{Name: "delete thing"}
	open := server.Operation{Name: "look", Open: true}
	anyOf := server.Operation{Name: "look", AnyOf: []access.Permission{access.UpdateAsset, access.ReadAsset}}
	for _, tc := range []struct {
		operation server.Operation
		user      string
		needs     string // what a refusal asks for; empty for none
	}{
		{managers, "admin", ""},
		{managers, "viewer", "the role Manager"},
		{managers, "visitor", "API Access"},
		{open, "admin", ""},
		{open, "caller", ""},
		{open, "visitor", "API Access"},
		{open, "console", "API Access"},
		{anyOf, "admin", ""},
		{anyOf, "viewer", ""},
		{anyOf, "caller", "Update Asset or Read Asset"},
		{anyOf, "console", "API Access"},
	} {
		for form, set := range map[string]func(*http.Request){
			"password": basic(tc.user, "right"), "token": header("Authorization", "Bearer token of "+tc.user),
		} {
			t.Run(fmt.Sprintf("%s by %s, %s", tc.operation.Name, tc.user, form), func(t *testing.T) {
				t.Parallel()
				var log journal
				called := false
				w := guarded{
					guard: server.Guard{Journal: &log}, operation: tc.operation,
					handler: func(http.ResponseWriter, *http.Request) { called = true },
				}.do(set)
				if tc.needs == "" {
					if w.Code != 200 || !called || len(log.entries) != 0 {
						t.Errorf("status %d, called %t, recorded %v: %s", w.Code, called, log.entries, w.Body)
					}
					return
				}
				if w.Code != 403 || called || !strings.Contains(w.Body.String(), "'"+tc.user+"' may not use this call, it needs "+tc.needs+".") {
					t.Errorf("status %d, called %t: %s", w.Code, called, w.Body)
				}
				if len(log.entries) != 1 || log.entries[0].Outcome != access.Refused || !strings.Contains(log.entries[0].Detail, tc.needs) {
					t.Errorf("recorded %v, want the refusal", log.entries)
				}
			})
		}
	}
}

func TestTheScopeOfARequestIsThatOfItsUser(t *testing.T) {
	t.Parallel()
	known := known()
	some := known["viewer"]
	some.Scope = access.Scope{TagIDs: []int64{3}, Reach: []int64{3, 4}}
	known["viewer"] = some
	for name, want := range map[string]string{"admin": "true []", "viewer": "false [3 4]", "caller": "false []"} {
		w := guarded{
			guard: server.Guard{Users: known}, operation: server.Operation{Open: true},
			handler: func(w http.ResponseWriter, r *http.Request) {
				scope := server.ScopeOf(r.Context())
				fmt.Fprint(w, scope.All, " ", scope.TagIDs)
			},
		}.do(basic(name, "right"))
		if w.Body.String() != want {
			t.Errorf("scope of %s is %s, want %s", name, w.Body, want)
		}
	}
	if scope := server.ScopeOf(t.Context()); scope.All || len(scope.TagIDs) != 0 || server.PrincipalOf(t.Context()).May(access.APIAccess) {
		t.Errorf("without a guard the scope is %v", scope)
	}
}

func TestWritesAndRefusalsAreRecorded(t *testing.T) {
	t.Parallel()
	write, read := server.Operation{Name: "update thing", Write: true}, server.Operation{Name: "get thing"}
	settles := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			server.Describe(r.Context(), "thing 7", "2 changed")
			server.Describe(r.Context(), "", "3 changed")
			if err := server.Settle(r.Context(), err); err != nil {
				server.Fail(w, r, err)
			}
		}
	}
	fails := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { server.Fail(w, r, err) }
	}
	for _, tc := range []struct {
		name      string
		operation server.Operation
		handler   http.HandlerFunc
		want      *access.Entry
	}{
		{"a write", write, settles(nil), &access.Entry{Object: "thing 7", Outcome: access.Done, Detail: "3 changed"}},
		{"a write that fails", write, settles(fault.Newf(fault.Conflict, "It is locked.")), &access.Entry{Object: "thing 7", Outcome: access.Failed, Detail: "It is locked."}},
		{"a write beyond the scope", write, settles(fault.Newf(fault.Forbidden, "Not yours.")), &access.Entry{Object: "thing 7", Outcome: access.Refused, Detail: "Not yours."}},
		{"a read", read, settles(nil), nil},
		{"a read that fails", read, settles(fault.Newf(fault.NotFound, "No.")), nil},
		{"a read beyond the scope", read, settles(fault.Newf(fault.Forbidden, "Not yours.")), &access.Entry{Object: "thing 7", Outcome: access.Refused, Detail: "Not yours."}},
		{"a write whose handler does not settle", write, func(http.ResponseWriter, *http.Request) {}, &access.Entry{Object: "7", Outcome: access.Done}},
		{"a failure whose handler does not settle", write, fails(fault.Newf(fault.Invalid, "Bad.")), &access.Entry{Object: "7", Outcome: access.Failed, Detail: "Bad."}},
		{"a secret of the inside", write, fails(errors.New("hunter2")), &access.Entry{
			Object: "7", Outcome: access.Failed, Detail: "An error occurred during request processing. Please contact your account manager.",
		}},
		{"a write whose handler panics", write, func(http.ResponseWriter, *http.Request) { panic("hunter2") }, &access.Entry{
			Object: "7", Outcome: access.Failed, Detail: "An error occurred during request processing. Please contact your account manager.",
		}},
		{"a write whose handler cuts the connection", write, func(_ http.ResponseWriter, r *http.Request) {
			_ = server.Settle(r.Context(), nil)
			panic("after the change")
		}, &access.Entry{Object: "7", Outcome: access.Done}},
		{"a write that settles twice", write, func(_ http.ResponseWriter, r *http.Request) {
			_ = server.Settle(r.Context(), nil)
			_ = server.Settle(r.Context(), errors.New("later"))
		}, &access.Entry{Object: "7", Outcome: access.Done}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var log journal
			begun := time.Now()
			guarded{guard: server.Guard{Journal: &log}, operation: tc.operation, handler: tc.handler}.do(nil)
			var want []access.Entry
			if tc.want != nil {
				tc.want.Actor, tc.want.Address, tc.want.Action = "admin", "2001:db8::8", tc.operation.Name
				want = []access.Entry{*tc.want}
			}
			if diff := cmp.Diff(want, log.entries, cmpopts.IgnoreFields(access.Entry{}, "Time")); diff != "" {
				t.Errorf("audit log (-want +got):\n%s", diff)
			}
			for _, e := range log.entries {
				if e.Time.Before(begun) || e.Time.After(time.Now()) || e.Time.Location() != time.UTC {
					t.Errorf("recorded at %s", e.Time)
				}
			}
		})
	}
}

func TestARowSaysThatAnAssistantAsked(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"vedette-mcp/1.2 (linux)":                  "3 changed (vedette-mcp/1.2 (linux))",
		"vedette-mcp/" + strings.Repeat("x", 2000): "3 changed (vedette-mcp/" + strings.Repeat("x", 108) + "…)",
		"vedette/1.2":                              "3 changed",
		"curl/8 vedette-mcp/1.2":                   "3 changed",
		"":                                         "3 changed",
	} {
		var log journal
		guarded{guard: server.Guard{Journal: &log}, operation: server.Operation{Name: "update thing", Write: true}, handler: func(_ http.ResponseWriter, r *http.Request) {
			server.Describe(r.Context(), "thing 7", "3 changed")
		}}.do(func(r *http.Request) {
			r.SetBasicAuth("admin", "right")
			r.Header.Set("User-Agent", program)
		})
		if len(log.entries) != 1 || log.entries[0].Detail != want {
			t.Errorf("%.40s: audit log %+v, want the detail %q", program, log.entries, want)
		}
	}
}

func TestARowIsWrittenBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		set     func(*http.Request)
		handler http.HandlerFunc
	}{
		"write": {nil, func(w http.ResponseWriter, r *http.Request) {
			if err := server.Settle(r.Context(), nil); err == nil {
				w.WriteHeader(http.StatusNoContent)
			}
		}},
		"refusal": {basic("viewer", "right"), nil},
	} {
		var log journal
		answered := httptest.NewRecorder()
		mux := server.NewMux(quiet)
		guard := server.Guard{Users: known(), Journal: &log}
		mux.Add(server.Route{Path: "/", Handler: guard.Protect(server.Operation{Name: "delete", Write: true}, tc.handler)})
		appended := 0
		log.before = func() {
			appended++
			if answered.Code != 200 || answered.Body.Len() > 0 { // 200 is what a recorder begins with
				t.Errorf("%s: answered %d before it was recorded", name, answered.Code)
			}
		}
		r := httptest.NewRequest("POST", "/", http.NoBody)
		r.SetBasicAuth("admin", "right")
		if tc.set != nil {
			tc.set(r)
		}
		mux.ServeHTTP(answered, r)
		if appended != 1 || answered.Code == 200 {
			t.Errorf("%s: recorded %d times, answered %d", name, appended, answered.Code)
		}
	}
}

func TestAChangeThatCannotBeRecordedIsSaidAndLogged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		outcome error
		set     func(*http.Request)
		status  int
	}{
		{"done", nil, nil, 500},
		{"failed anyway", fault.Newf(fault.Conflict, "It is locked."), nil, 409},
		{"refused", nil, basic("viewer", "right"), 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			w := guarded{
				guard: server.Guard{Journal: &journal{failure: errors.New("disk full")}}, operation: server.Operation{Name: "delete thing", Write: true},
				handler: func(w http.ResponseWriter, r *http.Request) {
					if err := server.Settle(r.Context(), tc.outcome); err != nil {
						server.Fail(w, r, err)
					}
				},
				log: slog.New(slog.NewTextHandler(&text, nil)),
			}.do(tc.set)
			if w.Code != tc.status || strings.Contains(w.Body.String(), "disk") {
				t.Errorf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			for _, part := range []string{"level=ERROR", "disk full", `action="delete thing"`, "object=7"} {
				if !strings.Contains(text.String(), part) {
					t.Errorf("log %q lacks %s", text.String(), part)
				}
			}
		})
	}
}

func TestAClientThatHangsUpIsRecorded(t *testing.T) {
	t.Parallel()
	var log journal
	ctx, hangUp := context.WithCancel(t.Context())
	guarded{
		guard: server.Guard{Journal: &log}, operation: server.Operation{Name: "delete thing", Write: true},
		handler: func(w http.ResponseWriter, r *http.Request) {
			hangUp()
			if err := server.Settle(r.Context(), nil); err != nil {
				t.Error(err)
			}
		},
	}.do(func(r *http.Request) {
		*r = *r.WithContext(ctx)
		r.SetBasicAuth("admin", "right")
	})
	if len(log.entries) != 1 || log.entries[0].Outcome != access.Done {
		t.Errorf("recorded %v", log.entries)
	}
}
