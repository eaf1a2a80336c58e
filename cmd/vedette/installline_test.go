package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/agentapi"
	"vedette.dev/vedette/internal/server/certificate"
)

const (
	lineCustomer = "9d0c0000-0000-4000-8000-0000000000c1"
	lineKey      = "5d2f0000-0000-4000-8000-0000000000b2"
)

func goodLine() installLine {
	return installLine{
		system: fleet.SystemDeb, url: "https://vedette.example.net:8443", authority: strings.Repeat("0f", 32), customerID: lineCustomer, activationKey: lineKey,
	}
}

// TestAPlatformCannotPutACommandIntoALine has a platform say what would be a
// command on the host, or for the tools there, if it got into the line.
func TestAPlatformCannotPutACommandIntoALine(t *testing.T) {
	t.Parallel()
	if _, err := goodLine().shell(); err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{
		"'; id; '", "$(id)", "`id`", "x y", "x\nid", "x\x00", "é", `"`, `\`, "x;id", "x&id", "x|id", "x>y", "x#", "x*", "{a,b}", "x?y", "u@h",
	} {
		for name, say := range map[string]func(*installLine){
			"system":    func(l *installLine) { l.system = said },
			"path":      func(l *installLine) { l.url += "/" + said },
			"host":      func(l *installLine) { l.url = "https://" + said },
			"scheme":    func(l *installLine) { l.url = said + "http://vedette.example.net" },
			"authority": func(l *installLine) { l.authority = said },
			"customer":  func(l *installLine) { l.customerID = said },
			"key":       func(l *installLine) { l.activationKey = lineKey + said },
			"braces":    func(l *installLine) { l.activationKey = "{" + lineKey + "}" },
			"case":      func(l *installLine) { l.authority = strings.Repeat("0F", 32) },
		} {
			l := goodLine()
			say(&l)
			if text, err := l.shell(); err == nil {
				t.Errorf("%s %q got into the line: %s", name, said, text)
			}
		}
	}
	for _, good := range []string{"https://vedette", "https://192.0.2.1", "https://[2001:db8::1]:8443", "https://v.example.net/a/b_c~d"} {
		l := goodLine()
		l.url = good
		if _, err := l.shell(); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// impostor is whoever answers at the address in a line. It remembers what it was
// asked, and with what credentials.
type impostor struct {
	*httptest.Server
	mu       sync.Mutex
	asked    []string
	showed   []string // Authorization
	lookedAt []string // command lines with the key, while the key was looked up
}

// newImpostor serves what an installation serves, but with another authority's
// certificate in TLS than it says, where tlsBy is another.
func newImpostor(t *testing.T, said, tlsBy *certificate.Authority) *impostor {
	t.Helper()
	i := &impostor{}
	mux := server.NewMux(slog.New(slog.DiscardHandler))
	mux.Add((&agentapi.Installation{Admission: i, Authority: said.DER()}).Routes()...)
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked = append(i.asked, r.URL.Path)
		if shown := r.Header.Get("Authorization"); shown != "" {
			i.showed = append(i.showed, shown)
		}
		i.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	certPEM, keyPEM, err := tlsBy.Issue([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	i.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	i.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // clients that do not trust it
	i.StartTLS()
	t.Cleanup(i.Close)
	return i
}

// Admit refuses everybody, and looks for the key where every user of the host
// can.
func (i *impostor) Admit(context.Context, string, string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range lines {
		if text, err := os.ReadFile(path); err == nil && (strings.Contains(string(text), lineKey) || strings.Contains(string(text), lineCustomer)) {
			i.lookedAt = append(i.lookedAt, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return fault.New(fault.Unauthenticated, "no", "no")
}

// runLine runs a line as a person does who pastes it into a shell, and returns
// what it said. The host believes that its user is root, and what would change it
// is not there.
func runLine(t *testing.T, line string) string {
	t.Helper()
	tools := t.TempDir()
	for name, script := range map[string]string{"id": "#!/bin/sh\necho 0\n", "dpkg": "#!/bin/sh\nexit 1\n", "systemctl": "#!/bin/sh\nexit 1\n"} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Stdin, cmd.Env = strings.NewReader(line+"\n"), append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
	said, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the line succeeded: %s", said)
	}
	return string(said)
}

func newLineAuthority(t *testing.T) *certificate.Authority {
	t.Helper()
	authority, err := certificate.NewAuthority("Vedette test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func TestAManInTheMiddleLearnsNothingFromALine(t *testing.T) {
	t.Parallel()
	ours, theirs := newLineAuthority(t), newLineAuthority(t)
	for _, test := range []struct {
		name        string
		said, tlsBy *certificate.Authority
		asked       []string
		says        string
	}{
		{"an authority of their own", theirs, theirs, []string{agentwire.PathAuthority}, "FAILED"},
		{"our authority, without its key", ours, theirs, []string{agentwire.PathAuthority}, "curl: (60)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := newImpostor(t, test.said, test.tlsBy)
			l := goodLine()
			l.url, l.authority = i.URL, ours.Fingerprint()
			text, err := l.shell()
			if err != nil {
				t.Fatal(err)
			}
			said := runLine(t, text)
			if strings.Join(i.asked, " ") != strings.Join(test.asked, " ") || len(i.showed) > 0 || !strings.Contains(said, test.says) {
				t.Errorf("they were asked for %q and shown %q; the line said %q", i.asked, i.showed, said)
			}
		})
	}
}

func TestSomebodyInTheMiddleDoesNotFillTheHost(t *testing.T) {
	t.Parallel()
	endless := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return // they hung up
			}
		}
	}))
	t.Cleanup(endless.Close)
	l := goodLine()
	l.url = endless.URL
	text, err := l.shell()
	if err != nil {
		t.Fatal(err)
	}
	if said := runLine(t, text); !strings.Contains(said, "FAILED") {
		t.Errorf("the line said %q", said)
	}
}

func TestTheKeyIsOnNoCommandLineWhileItIsShown(t *testing.T) {
	t.Parallel()
	ours := newLineAuthority(t)
	i := newImpostor(t, ours, ours) // the platform itself
	l := goodLine()
	l.url, l.authority = i.URL, ours.Fingerprint()
	text, err := l.shell()
	if err != nil {
		t.Fatal(err)
	}
	said := runLine(t, text)
	if len(i.showed) != 1 || !strings.Contains(said, "refuses the activation key") {
		t.Errorf("asked for %q, showed %q, said %q", i.asked, i.showed, said)
	}
	if len(i.lookedAt) > 0 {
		t.Errorf("command lines have the key or the customer: %q", i.lookedAt)
	}
	r := &http.Request{Header: http.Header{"Authorization": i.showed}}
	if customer, key, _ := r.BasicAuth(); customer != lineCustomer || key != lineKey {
		t.Errorf("showed customer %s and key %s", customer, key)
	}
}

func TestWithoutAnAuthorityALineTrustsTheHosts(t *testing.T) {
	t.Parallel()
	ours := newLineAuthority(t)
	i := newImpostor(t, ours, ours)
	l := goodLine()
	l.url, l.authority = i.URL, ""
	text, err := l.shell()
	if err != nil {
		t.Fatal(err)
	}
	if said := runLine(t, text); len(i.asked) > 0 || !strings.Contains(said, "curl: (60)") {
		t.Errorf("asked for %q although no authority of this host vouches for it: %s", i.asked, said)
	}
}
