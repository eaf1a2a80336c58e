package main

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	keyringlib "github.com/zalando/go-keyring"
)

// fakeKeyring is a keyring in memory.
type fakeKeyring map[string]string

func (k fakeKeyring) Set(service, name, secret string) error {
	k[service+"/"+name] = secret
	return nil
}

func (k fakeKeyring) Get(service, name string) (string, error) {
	secret, ok := k[service+"/"+name]
	if !ok {
		return "", keyringlib.ErrNotFound
	}
	return secret, nil
}

func (k fakeKeyring) Delete(service, name string) error {
	if _, ok := k[service+"/"+name]; !ok {
		return keyringlib.ErrNotFound
	}
	delete(k, service+"/"+name)
	return nil
}

// terminal is an app with buffers for its output and a configuration folder of
// its own.
type terminal struct {
	*app
	out, err *bytes.Buffer
	dir      string
}

func newTerminal(t *testing.T, env map[string]string) terminal {
	t.Helper()
	term := terminal{out: &bytes.Buffer{}, err: &bytes.Buffer{}, dir: t.TempDir()}
	term.app = &app{
		stdin: strings.NewReader(scriptPassword + "\n"), stdout: term.out, stderr: term.err,
		getenv:    func(name string) string { return env[name] },
		configDir: func() (string, error) { return term.dir, nil },
		keyring:   fakeKeyring{}, now: time.Now, sleep: sleepContext,
	}
	return term
}

func TestPasswordsGoToTheKeyring(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newTestPlatform(true))
	t.Cleanup(server.Close)
	term := newTerminal(t, nil)
	ring := fakeKeyring{}
	term.keyring = ring

	if code := term.run(context.Background(), []string{"connections", "add", "lab", "--url", server.URL, "--username", "admin", "--password-file", "-"}); code != exitDone {
		t.Fatalf("add: exit code %d: %s", code, term.err)
	}
	if diff := cmp.Diff(fakeKeyring{"vedette/lab": scriptPassword}, ring); diff != "" {
		t.Errorf("keyring (-want +got):\n%s", diff)
	}
	if term.err.Len() != 0 {
		t.Errorf("standard error = %s, want nothing", term.err)
	}
	files, err := filepath.Glob(filepath.Join(term.dir, "vedette", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("configuration files = %v, %v; want one", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || strings.Contains(string(text), scriptPassword) || !strings.Contains(string(text), `"passwordIn": "keyring"`) {
		t.Errorf("configuration = %s, %v; want the keyring named and no password", text, err)
	}
	if code := term.run(context.Background(), []string{"connections", "test"}); code != exitDone {
		t.Errorf("test: exit code %d: %s", code, term.err)
	}

	delete(ring, "vedette/lab")
	term.err.Reset()
	if code := term.run(context.Background(), []string{"connections", "test"}); code != exitFailed || !strings.Contains(term.err.String(), "vedette connections add lab --replace") {
		t.Errorf("test without the password: exit code %d, %s; want 1 and the next step", code, term.err)
	}
	if code := term.run(context.Background(), []string{"connections", "remove", "lab"}); code != exitDone {
		t.Errorf("remove: exit code %d: %s", code, term.err)
	}
}

// cancelOn ends a context when a text is written.
type cancelOn struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (c *cancelOn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

func TestCtrlCStopsTheWaitingAndNotTheScan(t *testing.T) {
	t.Parallel()
	platform := newTestPlatform(true)
	server := httptest.NewServer(platform)
	t.Cleanup(server.Close)
	term := newTerminal(t, map[string]string{"VEDETTE_URL": server.URL, "VEDETTE_USERNAME": "admin", "VEDETTE_PASSWORD": scriptPassword})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stderr := &cancelOn{text: "queued", cancel: cancel}
	term.stderr = stderr
	if code := term.run(ctx, []string{"scans", "launch", "--wait", "1"}); code != exitFailed {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{"vedette scans list", "Status Code: 499.\n", "Message: Stopped waiting. The scan goes on.\n"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("standard error lacks %q:\n%s", want, stderr)
		}
	}
	if len(platform.scans) != 1 || platform.scans[0].State.Final() {
		t.Errorf("scans = %+v, want one that goes on", platform.scans)
	}
}

func TestUnreadableConfigurationFolderIsNoObstacle(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newTestPlatform(true))
	t.Cleanup(server.Close)
	term := newTerminal(t, map[string]string{"VEDETTE_URL": server.URL, "VEDETTE_USERNAME": "admin", "VEDETTE_PASSWORD": scriptPassword})
	term.configDir = func() (string, error) { return "", errors.New("neither XDG_CONFIG_HOME nor HOME are defined") }
	if code := term.run(context.Background(), []string{"connections", "test"}); code != exitDone {
		t.Errorf("exit code %d: %s", code, term.err)
	}
}

func TestSettingsNeverMixPlatforms(t *testing.T) {
	t.Parallel()
	saved := settings{url: "https://a.example", username: "ann", caFile: "a.pem", password: func() (string, error) { return "secret", nil }}
	tests := []struct {
		name     string
		given    settings
		url      string
		username string
		caFile   string
		password bool
	}{
		{"nothing given takes everything", settings{}, "https://a.example", "ann", "a.pem", true},
		{"the same address with a slash", settings{url: "https://A.example/"}, "https://A.example/", "ann", "a.pem", true},
		{"another address takes nothing", settings{url: "https://b.example"}, "https://b.example", "", "", false},
		{"another port takes nothing", settings{url: "https://a.example:8443"}, "https://a.example:8443", "", "", false},
		{"another scheme takes nothing", settings{url: "http://a.example"}, "http://a.example", "", "", false},
		{"another user does not take the password", settings{username: "bob"}, "https://a.example", "bob", "a.pem", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.given.filledFrom(saved)
			if got.url != tt.url || got.username != tt.username || got.caFile != tt.caFile || (got.password != nil) != tt.password {
				t.Errorf("settings = %s %s %s, password %v", got.url, got.username, got.caFile, got.password != nil)
			}
		})
	}
}

func TestATokenIsForAUserOfItsOwn(t *testing.T) {
	t.Parallel()
	secret := func(text string) func() (string, error) { return func() (string, error) { return text, nil } }
	password := settings{url: "https://a.example", username: "ann", password: secret("password")}
	token := settings{url: "https://a.example", token: secret("token")}
	both := settings{url: "https://a.example", username: "ann", password: secret("password"), token: secret("token")}
	tests := []struct {
		name         string
		given, saved settings
		want         string // the credentials used; empty for none
	}{
		{"a saved token", settings{}, token, "token"},
		{"a token and a password of one source", settings{}, both, "token"},
		{"a given token hides a saved password", settings{token: secret("given")}, password, "given"},
		{"a given token hides a saved token", settings{token: secret("given")}, token, "given"},
		{"a given user hides a saved token", settings{username: "ann"}, token, ""},
		{"a given user has the password beside a token", settings{username: "ann"}, both, "password"},
		{"a given password hides a saved token", settings{username: "ann", password: secret("given")}, token, "given"},
		{"another address gets no token", settings{url: "https://b.example"}, token, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := tt.given.filledFrom(tt.saved).complete()
			if tt.want == "" {
				if err == nil {
					t.Errorf("credentials of %s are used", s.caller())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config, got, err := s.credentials()
			if err != nil || got != tt.want || (config.Token != "") != (s.token != nil) || config.Token != "" && config.Username != "" {
				t.Errorf("credentials %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
