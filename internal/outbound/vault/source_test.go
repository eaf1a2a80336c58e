package vault_test

// These tests talk to vaulttest, which says what it follows and why it is there.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/outbound/egress"
	outbound "vedette.dev/vedette/internal/outbound/vault"
	"vedette.dev/vedette/internal/outbound/vault/vaulttest"
)

const (
	password = "pa55-planted"
	secretID = "secret-planted"
	tokenID  = "hvs.token-planted"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a vault with a password, and what fetches from it.
type bench struct {
	*vaulttest.Server
	clock  *clock
	source *outbound.Source
}

var item = vault.Item{Path: "soc/qualys", Field: "password"}

func setup(t *testing.T) *bench {
	t.Helper()
	c := &clock{now: time.Date(2025, 1, 22, 8, 0, 0, 0, time.UTC)}
	b := &bench{Server: vaulttest.New(t, c.Now), clock: c, source: outbound.NewSource(outbound.Options{Now: c.Now})}
	t.Cleanup(b.source.Close)
	b.Role("role", secretID, time.Hour)
	b.Token(tokenID, 0, false)
	b.Put(item.Path, map[string]any{"username": "ada", "password": password, "port": 8443, "tls": true, "hosts": []string{"a"}, "more": map[string]any{}, "none": nil, "blank": ""})
	return b
}

func (b *bench) byToken() vault.Settings {
	return vault.Settings{Address: b.URL, CA: b.CA, Token: hidden.New(tokenID), Timeout: 20 * time.Second}
}

func (b *bench) byRole() vault.Settings {
	return vault.Settings{Address: b.URL, CA: b.CA, Auth: vault.AuthAppRole, RoleID: "role", SecretID: hidden.New(secretID), Timeout: 20 * time.Second}
}

// want fetches a value and compares it.
func (b *bench) want(t *testing.T, s vault.Settings, value string, version int) {
	t.Helper()
	got, v, err := b.source.Fetch(t.Context(), s, item)
	if err != nil || got.Reveal() != value || v != version {
		t.Fatalf("fetched %q, version %d, %v, want %q, version %d", got.Reveal(), v, err, value, version)
	}
}

// count counts requests that end with a text.
func (b *bench) count(end string) int {
	n := 0
	for _, r := range b.Requests() {
		if strings.HasSuffix(r, end) {
			n++
		}
	}
	return n
}

// fails fetches what cannot be had, and returns why.
func (b *bench) fails(t *testing.T, s vault.Settings, i vault.Item) *vault.Failure {
	t.Helper()
	value, _, err := b.source.Fetch(t.Context(), s, i)
	failure, ok := errors.AsType[*vault.Failure](err)
	if !ok || !value.IsEmpty() {
		t.Fatalf("fetched %v, %v, want a failure", value, err)
	}
	mustHide(t, fmt.Sprintf("%v %+v %#v %s", failure, *failure, failure, failure.Entry().Text()))
	return failure
}

// mustHide fails the test when a text shows what is secret.
func mustHide(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{password, secretID, tokenID, "hvs.login"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
}

func TestAValueIsFetchedByTokenAndByAppRole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.want(t, b.byToken(), password, 1)
	b.want(t, b.byRole(), password, 1)
	for field, want := range map[string]string{"username": "ada", "port": "8443", "tls": "true"} {
		if got, _, err := b.source.Fetch(t.Context(), b.byToken(), vault.Item{Path: item.Path, Field: field}); err != nil || got.Reveal() != want {
			t.Errorf("%s: %q, %v", field, got.Reveal(), err)
		}
	}
	all, err := b.source.FetchAll(t.Context(), b.byToken(), item.Path)
	if err != nil || all.Version != 1 || all.Path != item.Path || !all.Created.Equal(b.clock.Now()) || len(all.Fields) != 4 || all.Fields["password"].Reveal() != password {
		t.Errorf("all fields: %+v, %v", all, err)
	}
	all.Fields["password"] = hidden.New("changed")
	b.want(t, b.byToken(), password, 1)
	if reads := b.count("/v1/secret/data/soc/qualys"); reads != 2 {
		t.Errorf("%d reads for two logins, want one for each: %v", reads, b.Requests())
	}
}

func TestWhatTheVaultSaysIsTheFailure(t *testing.T) {
	t.Parallel()
	other := func(change func(*vault.Settings)) func(*bench) vault.Settings {
		return func(b *bench) vault.Settings {
			s := b.byRole()
			change(&s)
			return s
		}
	}
	for name, tt := range map[string]struct {
		prepare  func(*bench)
		settings func(*bench) vault.Settings
		item     vault.Item
		kind     vault.Kind
		status   int
		message  string
	}{
		"wrong token":     {settings: func(b *bench) vault.Settings { s := b.byToken(); s.Token = hidden.New("hvs.wrong"); return s }, kind: vault.Denied, status: 403, message: "permission denied"},
		"wrong secret id": {settings: other(func(s *vault.Settings) { s.SecretID = hidden.New("wrong") }), kind: vault.Denied, status: 400, message: "invalid role or secret ID"},
		"wrong method":    {settings: other(func(s *vault.Settings) { s.AuthMount = "nobody" }), kind: vault.Denied, status: 403, message: "log in by AppRole"},
		"wrong mount":     {settings: other(func(s *vault.Settings) { s.Mount = "kv" }), kind: vault.NotFound, status: 404, message: "kv/soc/qualys"},
		"wrong namespace": {settings: other(func(s *vault.Settings) { s.Namespace = "teams/soc" }), kind: vault.NotFound, status: 404, message: "log in by AppRole"},
		"denied path":     {prepare: func(b *bench) { b.Deny(item.Path) }, kind: vault.Denied, status: 403, message: "read secret/soc/qualys: 1 error occurred: * permission denied"},
		"missing path":    {item: vault.Item{Path: "nobody", Field: "password"}, kind: vault.NotFound, status: 404, message: "nothing at secret/nobody"},
		"missing field":   {item: vault.Item{Path: item.Path, Field: "Password"}, kind: vault.NotFound, status: 404, message: `no field "Password"`},
		"list":            {item: vault.Item{Path: item.Path, Field: "hosts"}, kind: vault.Malformed, status: 502, message: "is a list"},
		"object":          {item: vault.Item{Path: item.Path, Field: "more"}, kind: vault.Malformed, status: 502, message: "is an object"},
		"null":            {item: vault.Item{Path: item.Path, Field: "none"}, kind: vault.Malformed, status: 502, message: "is null"},
		"empty":           {item: vault.Item{Path: item.Path, Field: "blank"}, kind: vault.Malformed, status: 502, message: "is empty"},
		"deleted":         {prepare: func(b *bench) { b.Delete(item.Path, false) }, kind: vault.NotFound, status: 404, message: "Version 1 at secret/soc/qualys in the vault 127.0.0.1"},
		"destroyed":       {prepare: func(b *bench) { b.Delete(item.Path, true) }, kind: vault.NotFound, status: 404, message: "is destroyed"},
		"sealed":          {prepare: func(b *bench) { b.Seal(true) }, kind: vault.Sealed, status: 503, message: "Vault is sealed"},
		"bad item":        {item: vault.Item{Path: "../sys", Field: "a"}, kind: vault.Invalid, status: 400, message: "../sys"},
		"bad settings":    {settings: other(func(s *vault.Settings) { s.Address = "http://vault.example.org" }), kind: vault.Invalid, status: 400, message: "Address"},
		"metadata":        {settings: other(func(s *vault.Settings) { s.Address = "https://169.254.169.254" }), kind: vault.Unreachable, status: 502, message: "link-local"},
		"other authority": {settings: other(func(s *vault.Settings) { s.CA = "" }), kind: vault.Unreachable, status: 502, message: "certificate"},
		"no TLS":          {settings: other(func(s *vault.Settings) { s.Address = strings.Replace(s.Address, "https", "http", 1) }), kind: vault.Denied, status: 400, message: "no reason was given"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if tt.prepare != nil {
				tt.prepare(b)
			}
			s := b.byRole()
			if tt.settings != nil {
				s = tt.settings(b)
			}
			i := item
			if tt.item != (vault.Item{}) {
				i = tt.item
			}
			if f := b.fails(t, s, i); f.Kind != tt.kind || f.StatusCode != tt.status || !strings.Contains(f.Message, tt.message) || f.Resolution == "" && f.Kind != vault.Invalid {
				t.Errorf("%+v, want %s, %d, %q", f, tt.kind, tt.status, tt.message)
			}
		})
	}
}

func TestANamespaceIsAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Namespace("teams/soc")
	s := b.byRole()
	s.Namespace = "teams/soc/"
	b.want(t, s, password, 1)
}

func TestAnswersThatAreNoneOfAVaultAreOfNoUse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer  http.HandlerFunc
		kind    vault.Kind
		status  int
		message string
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.org/"+r.Header.Get("X-Vault-Token"), http.StatusTemporaryRedirect)
		}, vault.Refused, 307, "elsewhere.example.org, which is not followed"},
		"huge":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, endless{}) }, vault.Malformed, 502, "1 MiB"},
		"huge error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.Copy(w, endless{}) }, vault.Malformed, 502, "1 MiB"},
		"page":       {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+password) }, vault.Malformed, 502, "cannot be read"},
		"empty":      {func(http.ResponseWriter, *http.Request) {}, vault.NotFound, 404, "nothing at"},
		"version 1":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":{"password":%q}}`, password) }, vault.Malformed, 502, "cannot be read"},
		"odd": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"data":{"data":{},"metadata":%q}}`, password)
		}, vault.Malformed, 502, "cannot be read"},
		"no version": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":{"data":{},"metadata":{}}}`) }, vault.Malformed, 502, "version 2"},
		"echo": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			fmt.Fprintf(w, `{"errors":["internal error\n%s"]}`, r.Header.Get("X-Vault-Token"))
		}, vault.Refused, 500, "internal error"},
		"page of a proxy": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502); fmt.Fprint(w, r.Header) }, vault.Refused, 502, "no reason was given"},
		"limit": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(429)
			fmt.Fprint(w, `{"errors":["request path quota exceeded"]}`)
		}, vault.Busy, 429, "quota"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, vault.Unreachable, 502, "cannot be reached"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.Instead(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "lookup-self") {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				tt.answer(w, r)
			})
			if f := b.fails(t, b.byToken(), item); f.Kind != tt.kind || f.StatusCode != tt.status || !strings.Contains(f.Message, tt.message) {
				t.Errorf("%+v, want %s, %d, %q", f, tt.kind, tt.status, tt.message)
			}
			b.Instead(nil)
			b.want(t, b.byToken(), password, 1)
		})
	}
}

// endless is a document that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestALoginWithoutATokenIsOfNoUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Instead(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"auth":{}}`) })
	if f := b.fails(t, b.byRole(), item); f.Kind != vault.Malformed || !strings.Contains(f.Message, "no token") {
		t.Errorf("%+v", f)
	}
}

func TestASlowVaultIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	b.Instead(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	s := b.byRole()
	s.Timeout = time.Second
	if f := b.fails(t, s, item); f.Kind != vault.Unreachable || f.StatusCode != 504 || !strings.Contains(f.Message, "within 1s") {
		t.Errorf("%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := b.source.Fetch(ctx, b.byRole(), item)
	if f, ok := errors.AsType[*vault.Failure](err); !ok || f.Kind != vault.Cancelled || f.StatusCode != 499 {
		t.Errorf("cancelled: %v", err)
	}
}

func TestALoginThatEndedEarlyIsMadeAgainOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.want(t, b.byRole(), password, 1)
	b.Revoke()
	b.source.Drop(b.byRole(), item)
	b.want(t, b.byRole(), password, 1)
	if logins := b.count("/login"); logins != 2 {
		t.Errorf("%d logins, want 2: %v", logins, b.Requests())
	}
	b.Deny(item.Path)
	b.source.Drop(b.byRole(), item)
	if f := b.fails(t, b.byRole(), item); f.Kind != vault.Denied || b.count("/login") != 3 {
		t.Errorf("a path that is denied: %+v, %d logins", f, b.count("/login"))
	}
}

func TestALoginIsRenewedWhileThatIsPossible(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 6 {
		b.want(t, b.byRole(), password, 1)
		b.clock.add(41 * time.Minute) // of an hour: in the last third
	}
	if logins, renewals := b.count("/login"), b.count("/renew-self"); logins != 1 || renewals != 5 {
		t.Errorf("%d logins and %d renewals, want 1 and 5: %v", logins, renewals, b.Requests())
	}
	b.clock.add(2 * time.Hour)
	b.want(t, b.byRole(), password, 1)
	if logins := b.count("/login"); logins != 2 {
		t.Errorf("%d logins after a time in which nobody asked, want 2", logins)
	}
	b.Token("hvs.periodic", time.Hour, true)
	s := b.byToken()
	s.Token = hidden.New("hvs.periodic")
	for range 4 {
		b.want(t, s, password, 1)
		b.clock.add(45 * time.Minute)
	}
	if renewals := b.count("/renew-self"); renewals != 8 {
		t.Errorf("%d renewals, want 3 more than 5", renewals)
	}
}

func TestAValueIsKeptForFiveMinutesAndNoLonger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.want(t, b.byRole(), password, 1)
	b.Put(item.Path, map[string]any{"password": "next"})
	b.clock.add(5*time.Minute - time.Second)
	b.want(t, b.byRole(), password, 1)
	b.clock.add(time.Second)
	b.want(t, b.byRole(), "next", 2)
	b.Put(item.Path, map[string]any{"password": "third"})
	b.source.Drop(b.byRole(), item)
	b.want(t, b.byRole(), "third", 3)
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Seal(true)
	_ = b.fails(t, b.byRole(), item)
	b.Seal(false)
	b.want(t, b.byRole(), password, 1)
}

func TestOtherCredentialsDoNotGetWhatIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.want(t, b.byRole(), password, 1)
	s := b.byRole()
	s.SecretID = hidden.New("wrong")
	if f := b.fails(t, s, item); f.Kind != vault.Denied {
		t.Errorf("%+v", f)
	}
}

func TestLongDocumentsAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Put(item.Path, map[string]any{"password": password, "blob": strings.Repeat("x", 64<<10)})
	for range 2 {
		b.want(t, b.byToken(), password, 2)
	}
	if reads := b.count("/soc/qualys"); reads != 2 {
		t.Errorf("%d reads, want 2", reads)
	}
}

func TestManyWhoAskAtOnceMakeOneRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wait sync.WaitGroup
	for range 32 {
		wait.Go(func() {
			if got, _, err := b.source.Fetch(t.Context(), b.byRole(), item); err != nil || got.Reveal() != password {
				t.Errorf("%q, %v", got.Reveal(), err)
			}
		})
	}
	wait.Wait()
	if !slices.Equal(b.Requests(), []string{"PUT /v1/auth/approle/login", "GET /v1/secret/data/soc/qualys"}) {
		t.Errorf("requests %v", b.Requests())
	}
}

func TestNothingThatHoldsAValueShowsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	value, _, err := b.source.Fetch(t.Context(), b.byRole(), item)
	if err != nil {
		t.Fatal(err)
	}
	all, err := b.source.FetchAll(t.Context(), b.byRole(), item.Path)
	if err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "value", value, "all", all, "settings", b.byRole())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb+verb, value, all, b.byRole(), b.source)
	}
	mustHide(t, shown.String())
}

func TestPrivateAddressesCanBeForbidden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.source = outbound.NewSource(outbound.Options{Policy: egress.Policy{NoPrivate: true}})
	if f := b.fails(t, b.byToken(), item); !strings.Contains(f.Message, "not of the public Internet") || len(b.Requests()) != 0 {
		t.Errorf("%+v, %v", f, b.Requests())
	}
}
