package test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusalsSayWhatIsWrong walks through what people get wrong. Every answer
// names the failure, the status and the next step, and nothing is done.
func TestRefusalsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	data := newFolder(t)
	platform := data.start(t, newHost(t))
	platform.awaitReady(t)
	otherCA := filepath.Join(t.TempDir(), "other.pem")
	other := newFolder(t)
	stranger := other.start(t, newHost(t), "--no-agent")
	stranger.awaitReady(t)
	content, err := os.ReadFile(filepath.Join(other.path, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(otherCA, content, 0o600); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name      string
		variables []string
		args      []string
		code      int
		want      []string
	}{
		{"wrong password", []string{"VEDETTE_PASSWORD=wrong"}, []string{"connections", "test"}, 1,
			[]string{"Test Connection failed. Failed to check the connector.\nStatus Code: 401.\nMessage: Authentication failed.\n"}},
		{"wrong password at a launch", []string{"VEDETTE_PASSWORD=wrong"}, []string{"scans", "launch", "1"}, 1,
			[]string{"Launch On Demand Scans failed.\nStatus Code: 401.\nMessage: Authentication failed.\n"}},
		{"times the wrong way round", nil,
			[]string{"agents", "search", "--last-checked-in-from", "2026-01-02T00:00:00Z", "--last-checked-in-to", "01/01/2026 12:00 AM"}, 1,
			[]string{"Search Cloud Agents failed.\nStatus Code: 400.\nMessage: Last Checked In Time From parameter should not be bigger than Last Checked In Time To parameter.\n"}},
		{"unknown asset", nil, []string{"scans", "launch", "4711"}, 1, []string{"Launch On Demand Scans failed", "4711"}},
		{"one unknown of two", nil, []string{"scans", "launch", "1", "4711"}, 3, []string{"4711"}},
		{"scan without an engine", nil, []string{"scans", "launch", "--type", "vulnerability", "1"}, 1, []string{"Vulnerability_Scan"}},
		{"scan that does not exist", nil, []string{"scans", "launch", "--type", "full", "1"}, 2, []string{"full", "inventory"}},
		{"untrusted certificate", []string{"VEDETTE_CA_FILE=" + otherCA}, []string{"connections", "test"}, 1, []string{"Status Code: 502.", "certificate"}},
		{"nobody there", []string{"VEDETTE_URL=https://" + unused(t)}, []string{"connections", "test"}, 1, []string{"Status Code: 502."}},
		{"no such host", []string{"VEDETTE_URL=https://vedette.invalid:8443"}, []string{"connections", "test"}, 1, []string{"Status Code: 502.", "vedette.invalid"}},
		{"unknown command", nil, []string{"agents", "serach"}, 2, []string{"serach", "search"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := data.run(t, test.variables, test.args...)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("said\n%s\nwant %q", r.stderr, want)
				}
			}
			if strings.Contains(r.stderr, "goroutine") {
				t.Errorf("panicked:\n%s", r.stderr)
			}
		})
	}
}

// unused returns an address nobody listens on.
func unused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
