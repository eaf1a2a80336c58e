package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// TestTwoReplicasOnPostgreSQL has an agent at one replica and its operator at
// the other. The second replica's launch wakes the agent through the database.
func TestTwoReplicasOnPostgreSQL(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	host := newHost(t)
	first, second := newFolder(t), newFolder(t)
	serve := func(f *folder) {
		f.startPlatform(t, []string{"serve", "--data", f.path, "--listen", "127.0.0.1:0", "--database", database}).awaitReady(t)
	}
	serve(first)
	for _, name := range []string{"trust/root.key", "trust/instruction.key", "trust/instruction.json", "trust/secrets.key", "admin.env"} {
		second.copy(t, first, name)
	}
	serve(second)

	startAgent(t, first, host)
	eventually(t, "the host is searchable at the other replica", func() bool {
		found := second.search(t, "--os", "Debian")
		return len(found) == 1 && len(found[0].Software.List) == len(host.packages)
	})

	host.install(t, "hello", "2.10-3")
	asset := second.search(t)[0]
	second.vedette(t, "scans", "launch", "--wait", "--wait-timeout", "30s", strconv.FormatInt(asset.ID, 10))
	if got := first.search(t)[0].version("hello"); got != "2.10-3" {
		t.Errorf("hello has version %q at the first replica", got)
	}
}

// startAgent runs vedette-agent with the first activation key against the platform
// of a folder until the test ends.
func startAgent(t *testing.T, f *folder, h *host) {
	t.Helper()
	startAgentWith(t, f, h, f.variable(t, "VEDETTE_ACTIVATION_KEY"))
}

// variable returns what admin.env says.
func (f *folder) variable(t *testing.T, name string) string {
	t.Helper()
	for _, variable := range f.environment(t) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	t.Fatalf("admin.env has no %s", name)
	return ""
}

// startAgentWith is startAgent with another activation key. It returns the path of
// the agent's log.
func startAgentWith(t *testing.T, f *folder, h *host, key string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "agent.log"))
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(filepath.Join(binaries, "vedette-agent"), "run",
		"ActivationId="+key, "CustomerId="+f.variable(t, "VEDETTE_CUSTOMER_ID"), "ServerUri="+f.variable(t, "VEDETTE_URL"),
		"CaFile="+f.variable(t, "VEDETTE_CA_FILE"), "StateDir="+filepath.Join(t.TempDir(), "agent"), "RootDir="+h.root)
	agent.Stdout, agent.Stderr = log, log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait() // killed
		_ = log.Close()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the agent said:\n%s", said)
		}
	})
	return log.Name()
}

// copy takes a file over from another data folder.
func (f *folder) copy(t *testing.T, from *folder, name string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from.path, name))
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(f.path, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
