package resident

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/doctor"
	"vedette.dev/vedette/internal/agent/proxy/proxytest"
)

// checked runs doctor and returns its checks by name.
func checked(t *testing.T, environment map[string]string, args ...string) (map[string]doctor.Check, int) {
	t.Helper()
	var out, errs bytes.Buffer
	sys := System{Stdout: &out, Stderr: &errs, Worker: []string{"part", "of this program"}, Getenv: func(name string) string { return environment[name] }}
	code := Main(t.Context(), append([]string{"doctor", "-o", "json"}, args...), sys)
	var all struct {
		Outcome doctor.Outcome
		Checks  []doctor.Check
	}
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatalf("doctor printed %s: %v\n%s", &out, err, &errs)
	}
	if (all.Outcome == doctor.Failed) != (code == 1) {
		t.Errorf("outcome is %q and the exit code %d", all.Outcome, code)
	}
	byName := map[string]doctor.Check{}
	for _, c := range all.Checks {
		if (c.Next == "") != (c.Outcome == doctor.OK) {
			t.Errorf("check %+v: a next step is for what is not ok", c)
		}
		byName[c.Name] = c
	}
	return byName, code
}

// expect compares outcomes, and a part of the detail or next step.
func expect(t *testing.T, checks map[string]doctor.Check, name string, outcome doctor.Outcome, says string) {
	t.Helper()
	c, ok := checks[name]
	if !ok || c.Outcome != outcome || !strings.Contains(c.Detail+" | "+c.Next, says) {
		t.Errorf("%s is %+v, want %s and %q; all checks: %+v", name, c, outcome, says, checks)
	}
}

func TestDoctorBeforeTheHostIsRegisteredGoesTheWholeWay(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	checks, code := checked(t, nil, h.options...)
	if code != 0 {
		t.Errorf("exit code %d, want 0: nothing is wrong", code)
	}
	expect(t, checks, "agent", doctor.Warning, "vedette-agent provision")
	expect(t, checks, "state folder", doctor.Warning, "not there yet")
	expect(t, checks, "dns", doctor.OK, "127.0.0.1 is an address")
	expect(t, checks, "tls", doctor.OK, "TLS 1.3, certificate recognised by the pinned authority")
	expect(t, checks, "platform", doctor.OK, "is a Vedette platform")
	expect(t, checks, "clock", doctor.OK, "agrees")
	checks, code = checked(t, nil, "StateDir="+filepath.Join(t.TempDir(), "none"))
	if code != 0 {
		t.Errorf("exit code %d without an address, want 0", code)
	}
	expect(t, checks, "platform", doctor.Warning, "ServerUri=")
}

func TestDoctorFindsAnAgentThatDoesNotRun(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	h.provision(t)
	checks, code := checked(t, nil, "StateDir="+h.state())
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	expect(t, checks, "agent", doctor.Failed, "does not run")
	expect(t, checks, "state folder", doctor.OK, "by its owner alone")
	expect(t, checks, "disk", doctor.OK, "MB free")
	expect(t, checks, "tls", doctor.OK, "pinned authority") // which the folder holds
	for path, outcome := range map[string]doctor.Outcome{h.state(): doctor.Warning, filepath.Join(h.state(), "identity.json"): doctor.Failed} {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Chmod(path, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		checks, _ = checked(t, nil, "StateDir="+h.state())
		expect(t, checks, "state folder", outcome, "chmod go= "+path)
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDoctorTellsTheCausesOfNoContactApart(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	port := h.server.URL[strings.LastIndexByte(h.server.URL, ':'):]
	tests := []struct {
		name, server string
		ca           bool
		check        string
		says         string
	}{
		{"nobody listens", "https://127.0.0.1:1", true, "connection", "connection refused"},
		{"a name that does not exist", "https://platform.invalid", true, "dns", "check ServerUri"},
		{"an authority that is not trusted", h.server.URL, false, "tls", "CaFile="},
		{"a name that is not in the certificate", "https://localhost" + port, true, "tls", "use a name in ServerUri="},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), true, "tls", "something else than TLS"},
		{"another server", other.URL, true, "platform", "something no platform says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"StateDir=" + t.TempDir(), "ServerUri=" + tt.server}
			if tt.ca {
				args = append(args, h.options[2])
			}
			checks, code := checked(t, nil, args...)
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			expect(t, checks, tt.check, doctor.Failed, tt.says)
		})
	}
}

func TestDoctorTellsProxiesApartWithoutTheirPasswords(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	to := h.server.Listener.Addr().String()
	locked, open, gone := proxytest.New(to, "agent:right"), proxytest.New(to, ""), proxytest.New(to, "")
	t.Cleanup(locked.Server.Close)
	t.Cleanup(open.Server.Close)
	gone.Server.Close()
	args := []string{"StateDir=" + t.TempDir(), "ServerUri=https://example.com", h.options[2]}

	checks, code := checked(t, map[string]string{"https_proxy": "agent:s3cret@" + gone.Host() + ";" + open.Host()}, args...)
	expect(t, checks, "proxy", doctor.Warning, gone.Host()+" does not answer")
	expect(t, checks, "dns", doctor.OK, "left to the proxy")
	expect(t, checks, "platform", doctor.OK, "example.com")
	if code != 0 || strings.Contains(checks["proxy"].Detail, "s3cret") {
		t.Errorf("exit code %d, proxy %+v", code, checks["proxy"])
	}
	checks, code = checked(t, map[string]string{"vedette_https_proxy": "agent:s3cret@" + locked.Host()}, args...)
	expect(t, checks, "proxy", doctor.OK, "vedette_https_proxy: http://"+locked.Host()+" answers")
	expect(t, checks, "connection", doctor.Failed, "give user and password in vedette_https_proxy")
	if code != 1 || strings.Contains(checks["connection"].Detail, "s3cret") {
		t.Errorf("exit code %d, connection %+v", code, checks["connection"])
	}
	checks, _ = checked(t, map[string]string{"https_proxy": gone.Host()}, args...)
	expect(t, checks, "proxy", doctor.Failed, "does not answer")
}

func TestDoctorComparesTheClocks(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	h.platform.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	checks, code := checked(t, nil, h.options...)
	expect(t, checks, "clock", doctor.Warning, "ahead of the platform's")
	if code != 0 {
		t.Errorf("exit code %d for a clock that is tolerated", code)
	}
}

func TestDoctorAsTextHasTheNextStep(t *testing.T) {
	t.Parallel()
	out, stderr, code := call(t, "doctor", "StateDir="+t.TempDir(), "WorkerPath=/nowhere/worker")
	if code != 1 || !strings.Contains(out, "failed   worker        ") || !strings.Contains(out, "next step: install it beside vedette-agent") || !strings.Contains(stderr, "at least one check failed") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
}
