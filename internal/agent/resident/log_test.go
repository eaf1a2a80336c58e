package resident

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/logfile"
	"vedette.dev/vedette/internal/agent/session/sessiontest"
)

// testHost is a host whose agent has a platform to talk to.
type testHost struct {
	platform *sessiontest.Platform
	server   *httptest.Server
	dir      string
	options  []string // of provision and doctor
}

func newTestHost(t *testing.T) *testHost {
	t.Helper()
	h := &testHost{platform: sessiontest.New(time.Now), dir: t.TempDir()}
	h.server = httptest.NewTLSServer(h.platform)
	t.Cleanup(h.server.Close)
	ca := filepath.Join(h.dir, "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.server.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	h.options = []string{"StateDir=" + h.state(), "ServerUri=" + h.server.URL, "CaFile=" + ca}
	return h
}

func (h *testHost) state() string { return filepath.Join(h.dir, "state") }

func (h *testHost) provision(t *testing.T, more ...string) string {
	t.Helper()
	args := append([]string{"provision", "ActivationId=" + sessiontest.ActivationID, "CustomerId=" + sessiontest.CustomerID}, h.options...)
	_, stderr, code := call(t, append(args, more...)...)
	if code != 0 {
		t.Fatalf("provision ended with %d: %s", code, stderr)
	}
	return stderr
}

func TestTheLogFileHasEverythingButSecrets(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	refusals := 0
	h.platform.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		refusals++
		if refusals > 1 {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	logs := filepath.Join(h.dir, "logs")
	args := append([]string{
		"provision", "ActivationId=" + sessiontest.ActivationID, "CustomerId=" + sessiontest.CustomerID,
		"LogFileDir=" + logs, "LogLevel=5",
	}, h.options...)
	if _, _, code := call(t, args...); code != 1 {
		t.Fatalf("the first attempt ended with %d, want 1", code)
	}
	if stderr := h.provision(t, "LogFileDir="+logs, "LogLevel=5"); stderr != "" {
		t.Errorf("standard error has %q beside the log file", stderr)
	}
	doc, err := os.ReadFile(filepath.Join(logs, logfile.Name))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d .*\[vedette-agent\.provision\]\[\d+\]:\[Info\]:provisioned `).Match(doc) {
		t.Errorf("log does not say in its pattern that the host was registered:\n%s", doc)
	}
	for _, secret := range append(keys(t, h.state()), sessiontest.ActivationID) {
		if strings.Contains(string(doc), secret) {
			t.Errorf("log has the secret %.6s…:\n%s", secret, doc)
		}
	}
}

// keys returns the private keys in a state folder as they might be printed.
func keys(t *testing.T, stateDir string) (secrets []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(stateDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		var members struct {
			Key []byte `json:"key"`
		}
		if err == nil && json.Unmarshal(doc, &members) == nil && len(members.Key) > 0 {
			secrets = append(secrets, base64.StdEncoding.EncodeToString(members.Key), string(members.Key))
		}
	}
	if len(secrets) == 0 {
		t.Fatalf("no private key found in %v", files)
	}
	return secrets
}
