package automationapi_test

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

var update = flag.Bool("update", false, "write the golden files")

// operators authenticates whom a memory knows, with the password "right" or the
// token "token-of-" and the name. Without a memory there is only admin, a
// manager.
type operators struct{ memory *accesstest.Memory }

func (o operators) Authenticate(ctx context.Context, username, password, _ string) (access.Principal, error) {
	if password != "right" {
		return access.Principal{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
	}
	return o.find(ctx, username)
}

func (o operators) AuthenticateToken(ctx context.Context, token, _ string) (access.Principal, error) {
	p, err := o.find(ctx, strings.TrimPrefix(token, "token-of-"))
	p.ByToken = true
	return p, err
}

func (o operators) find(ctx context.Context, username string) (access.Principal, error) {
	if o.memory == nil {
		return access.NewPrincipal(access.User{Username: username, Roles: []access.Role{{Manager: username == "admin"}}}), nil
	}
	u, err := o.memory.UserByName(ctx, username)
	return access.NewPrincipal(u), err
}

// auditLog answers a fixed page and remembers what it was asked.
type auditLog struct{ asked access.AuditFilter }

func (l *auditLog) AuditEntries(_ context.Context, f access.AuditFilter) ([]access.Entry, error) {
	l.asked = f
	return []access.Entry{
		{ID: 2, Time: start.Add(123456789), Actor: "soar", Address: "192.0.2.7", Action: "sign in", Outcome: access.Refused, Detail: "wrong password"},
		{ID: 1, Time: start, Actor: "admin", Address: "192.0.2.1", Action: "create user", Object: "soar", Outcome: access.Done, Detail: "roles: none; scope: none"},
	}, nil
}

var (
	start = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	// rightHash is the hash of the password of all users. Hashing is slow on
	// purpose, so it is done once for all tests.
	rightHash = sync.OnceValues(func() (string, error) { return access.HashPassword("right") })
)

// office is a platform with the manager admin, and ann, whose role Reader (3)
// allows to read assets with the tag 7.
type office struct {
	memory *accesstest.Memory
	log    *auditLog
	mux    *server.Mux
}

func newOffice(t *testing.T) office {
	t.Helper()
	hash, err := rightHash()
	if err != nil {
		t.Fatal(err)
	}
	o := office{memory: accesstest.New(access.User{
		Username: "admin", FirstName: "Vedette", LastName: "Administrator", PasswordHash: hash, Created: start, PasswordChanged: start,
	}, map[int64]string{7: "Cloud Agent", 8: "Edge"}), log: &auditLog{}}
	role, err := o.memory.CreateRole(t.Context(), access.Role{
		Name: "Reader", Description: "Reads.", Permissions: []access.Permission{access.APIAccess, access.ReadAsset}, Created: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.memory.CreateUser(t.Context(), access.User{
		Username: "ann", FirstName: "Ann", LastName: "O'Neil", Roles: []access.Role{role}, Scope: access.Scope{TagIDs: []int64{7}},
		PasswordHash: hash, Created: start, PasswordChanged: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.mux = server.NewMux(slog.New(slog.DiscardHandler))
	o.mux.Add(automationapi.Routes(automationapi.Config{
		Users: operators{o.memory}, Journal: o.memory, AuditLog: o.log,
		Directory: access.NewDirectory(o.memory, o.memory, o.memory, func() time.Time { return start }),
	})...)
	return o
}

// as is how a request is authenticated: by a username with its password, or by
// "token-of-" and a username.
func (o office) call(as, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/automation/v1"+target, strings.NewReader(body))
	if strings.HasPrefix(as, "token-of-") {
		r.Header.Set("Authorization", "Bearer "+as)
	} else {
		r.SetBasicAuth(as, "right")
	}
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r)
	return w
}

// matchGolden compares an answer with testdata.
func matchGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("answer differs from %s (-want +got):\n%s", golden, diff)
	}
}

// explanation returns code, message and resolution of a problem.
func explanation(t *testing.T, w *httptest.ResponseRecorder) (code, text string) {
	t.Helper()
	var p automationapi.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d without a problem: %v: %s", w.Code, err, w.Body)
	}
	return string(p.Code), p.Message + " " + p.Resolution
}
