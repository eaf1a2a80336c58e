package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store/sqlite"
)

// runPlatform runs a platform until the test ends and returns it with a client
// that trusts it.
func runPlatform(t *testing.T) (*platform, *http.Client) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p, err := openPlatform(ctx, platformConfig{Data: t.TempDir(), Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			t.Error(err)
		}
	})
	authority, err := os.ReadFile(p.admin.caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport}
}

// ask sends a request and returns the status and the body of the answer.
func ask(t *testing.T, client *http.Client, method, target, body string, set func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	set(r)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestATokenFromAuthIsAcceptedByBothAPIs(t *testing.T) {
	t.Parallel()
	p, client := runPlatform(t)
	form := url.Values{"username": {p.admin.username}, "password": {p.admin.password}, "token": {"true"}, "permissions": {"true"}}
	status, token := ask(t, client, "POST", p.url+"/auth", form.Encode(), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	if status != http.StatusCreated || strings.Count(token, ".") != 2 {
		t.Fatalf("answered %d %q", status, token)
	}
	calls := []struct{ method, path string }{
		{"POST", "/qps/rest/2.0/count/am/hostasset"},
		{"GET", "/automation/v1/scans"},
	}
	for _, call := range calls {
		for bearer, want := range map[string]int{token: 200, token + "x": 401, token[:len(token)-3]: 401} {
			got, body := ask(t, client, call.method, p.url+call.path, "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer) })
			if got != want {
				t.Errorf("%s answered %d, want %d: %s", call.path, got, want, body)
			}
		}
	}
	_, err := p.store.UpdateUser(t.Context(), p.admin.username, func(u *access.User) error { u.PasswordHash = "$argon2id$other"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range calls {
		got, _ := ask(t, client, call.method, p.url+call.path, "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		if got != 401 {
			t.Errorf("after the password changed %s answered %d", call.path, got)
		}
	}
	entries, err := p.store.AuditEntries(t.Context(), access.AuditFilter{Action: "sign in", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, e := range entries {
		rows = append(rows, e.Actor+" from "+e.Address+" "+string(e.Outcome)+" "+strings.Join(strings.Fields(e.Detail)[:1], ""))
	}
	want := []string{"admin from 127.0.0.1 refused session", "admin from 127.0.0.1 done session", "admin from 127.0.0.1 done password"}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("audit log has\n%s", strings.Join(rows, "\n"))
	}
}

func TestReplicasWithOneTrustFolderAcceptEachOthersTokens(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	user, err := db.CreateUser(t.Context(), access.User{Username: "ada", Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	first, copied, other := &dataFolder{path: t.TempDir()}, &dataFolder{path: t.TempDir()}, &dataFolder{path: t.TempDir()}
	issuer, err := first.sessionIssuer("customer", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Issue(access.NewPrincipal(user), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied.path, os.DirFS(first.path)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(first.file("trust", "token.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is readable for others: %v, %v", info, err)
	}
	for folder, want := range map[*dataFolder]fault.Code{first: "", copied: "", other: fault.Unauthenticated} {
		issuer, err := folder.sessionIssuer("customer", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		replica, err := access.NewAuthenticator(db, issuer, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := replica.AuthenticateToken(t.Context(), token, "127.0.0.1"); fault.CodeOf(err) != want {
			t.Errorf("got %v, want code %q", err, want)
		}
	}
}

func TestGuessingLocksOneNameAndNotThoseAtWork(t *testing.T) {
	t.Parallel()
	p, client := runPlatform(t)
	count := func(user, password string) (int, string) {
		return ask(t, client, "POST", p.url+"/qps/rest/2.0/count/am/hostasset", "", func(r *http.Request) { r.SetBasicAuth(user, password) })
	}
	var answers [7][2]string
	for i := range answers {
		for j, name := range []string{"admin", "nobody"} {
			status, body := count(name, "wrong password")
			if status != 401 || !strings.Contains(body, "<responseCode>INVALID_CREDENTIALS</responseCode>") {
				t.Fatalf("guess %d answered %d %s", i+1, status, body)
			}
			answers[i][j] = body
		}
	}
	for i, answer := range answers {
		if locked := strings.Contains(answer[0], "wait "); locked != (i >= 4) || locked != strings.Contains(answer[1], "wait ") {
			t.Errorf("guess %d was answered %s and, for a name that does not exist, %s", i+1, answer[0], answer[1])
		}
	}
	if status, _ := count(p.admin.username, p.admin.password); status != 401 {
		t.Errorf("while locked, the right password was answered %d", status)
	}
}

func TestReplicasThatStartTogetherMakeOneAdministrator(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC) }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	folders := make([]*dataFolder, 4)
	admins := make([]adminEnv, len(folders))
	var wait sync.WaitGroup
	for i := range folders {
		folders[i] = &dataFolder{path: t.TempDir()}
		wait.Go(func() {
			if err := ensureAdmin(t.Context(), db, folders[i], &admins[i], now()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	issuer, err := folders[0].sessionIssuer("customer", now)
	if err != nil {
		t.Fatal(err)
	}
	authenticator, err := access.NewAuthenticator(db, issuer, now)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for i, folder := range folders {
		content, err := folder.read(adminEnvFile)
		if err != nil {
			t.Fatal(err)
		}
		if written := readAdminEnv(content); written != admins[i] {
			t.Errorf("admin.env has %+v, the start %+v", written, admins[i])
		}
		if admins[i].password == "" {
			if admins[i].username != "" {
				t.Errorf("replica %d has a name without a password", i)
			}
			continue
		}
		made++
		principal, err := authenticator.Authenticate(t.Context(), admins[i].username, admins[i].password, "127.0.0.1")
		if err != nil || !principal.Manager() {
			t.Errorf("what admin.env says is refused: %v", err)
		}
	}
	if made != 1 {
		t.Errorf("%d replicas say that they made the administrator, want 1", made)
	}
}

func TestAnAdministratorWhoWasRemovedStaysAway(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	folder, admin := &dataFolder{path: t.TempDir()}, adminEnv{}
	if err := ensureAdmin(t.Context(), db, folder, &admin, now); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CreateUser(t.Context(), access.User{Username: "ada", Roles: []access.Role{{ID: access.ManagerRoleID}}, Created: now}); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteUser(t.Context(), adminUsername); err != nil {
		t.Fatal(err)
	}
	if err := ensureAdmin(t.Context(), db, folder, &admin, now); err != nil {
		t.Fatal(err)
	}
	if _, err := db.UserByName(t.Context(), adminUsername); !fault.Is(err, fault.NotFound) {
		t.Errorf("the next start made the administrator again: %v", err)
	}
}

func TestTheAuditLogGoesBackAsFarAsItIsTold(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		config *int
		days   int
		code   fault.Code
	}{
		{nil, 400, ""},
		{new(0), 0, ""},
		{new(7), 7, ""},
		{new(36_500), 36_500, ""},
		{new(36_501), 0, fault.Invalid},
		{new(-1), 0, fault.Invalid},
	} {
		days, err := platformConfig{AuditRetention: tc.config}.auditDays()
		if days != tc.days || fault.CodeOf(err) != tc.code {
			t.Errorf("got %d days, %v; want %d and code %q", days, err, tc.days, tc.code)
		}
	}
	for text, want := range map[string]fault.Code{
		"audit-retention: 7": "", "audit-retention: 0": "", "audit-retention: soon": fault.Invalid,
	} {
		path := filepath.Join(t.TempDir(), "vedette.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := loadPlatformConfig(path, newServeCommand(&app{}))
		if fault.CodeOf(err) != want {
			t.Errorf("%s: got %v", text, err)
		}
		if err == nil && fmt.Sprintf("audit-retention: %d", *config.AuditRetention) != text {
			t.Errorf("%s became %d", text, *config.AuditRetention)
		}
	}
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	for days, want := range map[int]int{0: 2, 7: 1} {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		for _, age := range []time.Duration{8 * 24 * time.Hour, 6 * 24 * time.Hour} {
			if err := db.Append(t.Context(), access.Entry{Time: now.Add(-age), Outcome: access.Done}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for _, task := range accessSweeps(db, days, func() time.Time { return now }, slog.New(slog.DiscardHandler)) {
			work.Go(func() { task(ctx) })
		}
		for left := -1; left != want; {
			entries, err := db.AuditEntries(t.Context(), access.AuditFilter{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			left = len(entries)
		}
		stop()
		work.Wait()
	}
}
