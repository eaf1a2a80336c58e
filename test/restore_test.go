package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// TestAPlatformIsLostAndRestored loses a platform whose agents have gone on since
// its last backup, and restores it in another folder at the same address. Each
// agent finds its way: the one the backup knows brings its inventory up to date,
// the one that came later becomes a new asset.
func TestAPlatformIsLostAndRestored(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			var database, another []string
			if engine == "PostgreSQL" {
				database, another = []string{"--database", pgtest.Database(t)}, []string{"--database", pgtest.Database(t)}
			}
			testDisaster(t, database, another)
		})
	}
}

func testDisaster(t *testing.T, database, another []string) {
	lost, restored := newFolder(t), newFolder(t)
	platform := lost.serve(t, "127.0.0.1:0", database...)
	address := strings.TrimPrefix(lost.variable(t, "VEDETTE_URL"), "https://")
	file := filepath.Join(t.TempDir(), "vedette.backup")

	// A host is inventoried; then the platform is backed up while it runs.
	known := newHost(t)
	agent := newAgent(t, lost, known)
	agent.run(t)
	eventually(t, "the host is inventoried", func() bool { return len(inventoried(lost.search(t))) == 1 })
	before := lost.search(t)[0]
	const older = "1.9.0" // to which no agent goes
	lost.publish(t, older, scriptOf(older, "exit 1"), contentOf(t, filepath.Join(binaries, "vedette-agent-worker")))
	lost.vedette(t, append([]string{"backup", "--data", lost.path, "--output", file}, database...)...)

	// The agent goes on: another inventory, another profile. Another host joins.
	known.install(t, "ahead", "2.0-1")
	known.remove(t, "sample-07")
	for range 3 { // and gets requests whose ids the backup does not know
		lost.vedette(t, "scans", "launch", "--wait", "--wait-timeout", "60s", strconv.FormatInt(before.ID, 10))
	}
	lost.vedette(t, "profiles", "create", "--name", "Lost", "--include-tag", "Cloud Agent")
	eventually(t, "the agent has the profile that will be lost", func() bool { return strings.Contains(agent.said(t), "profile=Lost") })
	late := newHost(t)
	latecomer := newAgent(t, lost, late)
	latecomer.run(t)
	eventually(t, "the other host is inventoried", func() bool { return len(inventoried(lost.search(t))) == 2 })
	lostIDs := []int64{lost.search(t)[0].ID, lost.search(t)[1].ID}
	latecomer.stop()
	latecomer.age(t, time.Hour)

	// The platform is lost, and restored. That an agent waits ever longer while
	// nobody answers is tested elsewhere: this one sleeps meanwhile.
	agent.stop()
	platform.kill()
	lost.restoreTo(t, restored, file, another...)
	said := len(agent.said(t))
	restored.serve(t, address, another...)
	if published := restored.vedette(t, "agents", "publish", "--data", restored.path); published != releaseName(older)+"\n" {
		t.Errorf("the restored platform has published %q", published)
	}
	agent.run(t)

	// The agent takes the restored platform's word again.
	eventually(t, "the agent has the restored profile", func() bool { return strings.Contains(agent.said(t)[said:], "profile=Normal") })
	assets := restored.search(t)
	if len(assets) != 1 || assets[0].ID != before.ID || assets[0].version("ahead") != "" {
		t.Fatalf("restored are %+v, want the one asset %d as it was", assets, before.ID)
	}
	// The next scan finds that the platform holds another snapshot: a baseline.
	restored.vedette(t, "scans", "launch", "--wait", "--wait-timeout", "60s", strconv.FormatInt(before.ID, 10))
	after := restored.search(t)[0]
	if after.ID != before.ID || after.AgentInfo.AgentID != before.AgentInfo.AgentID || !sameSoftware(&after, known) {
		t.Errorf("asset %d of agent %s has %d packages, want the host's %d", after.ID, after.AgentInfo.AgentID, len(after.Software.List), len(known.packages))
	}
	// What is changed from now on reaches it, and only differences travel.
	known.install(t, "later", "1.0")
	restored.vedette(t, "profiles", "create", "--name", "Found", "--include-tag", "Cloud Agent")
	eventually(t, "the agent has a new profile", func() bool { return strings.Contains(agent.said(t)[said:], "profile=Found") })
	restored.vedette(t, "scans", "launch", "--wait", "--wait-timeout", "60s", strconv.FormatInt(before.ID, 10))
	if after := restored.search(t)[0]; !sameSoftware(&after, known) {
		t.Error("a second scan did not bring the inventory up to date")
	}
	if n := strings.Count(agent.said(t)[said:], "baseline=true"); n != 1 {
		t.Errorf("%d baselines were sent to the restored platform, want one", n)
	}

	// The host that nobody knows any more provisions again, as a new asset.
	latecomer.run(t)
	eventually(t, "the other host is inventoried again", func() bool { return len(inventoried(restored.search(t))) == 2 })
	for _, asset := range restored.search(t) {
		if asset.ID == before.ID {
			continue
		}
		if asset.ID == lostIDs[0] || asset.ID == lostIDs[1] || !sameSoftware(&asset, late) {
			t.Errorf("the new asset is %d with %d packages; the lost platform had %v", asset.ID, len(asset.Software.List), lostIDs)
		}
	}
	if !strings.Contains(latecomer.said(t), "does not know this agent any more") {
		t.Error("the other agent does not say why it provisions again")
	}
}

// restoreTo restores a backup as another folder, and proves that the first one is
// refused.
func (f *folder) restoreTo(t *testing.T, other *folder, file string, database ...string) {
	t.Helper()
	if r := f.run(t, nil, append([]string{"restore", "--from", file, "--data", f.path}, database...)...); r.code != 1 || !strings.Contains(r.stderr, "is not empty") {
		t.Errorf("restored over a platform: exit code %d, %s", r.code, r.stderr)
	}
	f.vedette(t, "backup", "verify", file)
	f.vedette(t, append([]string{"restore", "--from", file, "--data", other.path}, database...)...)
}

// serve runs a platform without an agent, and waits until it is up.
func (f *folder) serve(t *testing.T, address string, args ...string) *process {
	t.Helper()
	p := f.startPlatform(t, append([]string{"serve", "--data", f.path, "--listen", address}, args...))
	p.awaitReady(t)
	return p
}

// agent is an agent of a test with a state folder that outlives its processes.
type agent struct {
	settings []string
	state    string
	log      string
	process  *exec.Cmd
}

func newAgent(t *testing.T, f *folder, h *host) *agent {
	t.Helper()
	folder := t.TempDir()
	ca := filepath.Join(folder, "ca.pem")
	content, err := os.ReadFile(f.variable(t, "VEDETTE_CA_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &agent{state: filepath.Join(folder, "agent"), log: filepath.Join(folder, "agent.log")}
	a.settings = []string{
		"run", "ActivationId=" + f.variable(t, "VEDETTE_ACTIVATION_KEY"), "CustomerId=" + f.variable(t, "VEDETTE_CUSTOMER_ID"),
		"ServerUri=" + f.variable(t, "VEDETTE_URL"), "CaFile=" + ca, "StateDir=" + a.state, "RootDir=" + h.root,
	}
	t.Cleanup(func() {
		a.stop()
		if t.Failed() {
			t.Logf("the agent said:\n%s", a.said(t))
		}
	})
	return a
}

func (a *agent) run(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has it
	a.process = exec.Command(filepath.Join(binaries, "vedette-agent"), a.settings...)
	a.process.Stdout, a.process.Stderr = log, log
	if err := a.process.Start(); err != nil {
		t.Fatal(err)
	}
}

func (a *agent) stop() {
	if a.process != nil {
		_ = a.process.Process.Kill()
		_ = a.process.Wait() // killed
		a.process = nil
	}
}

func (a *agent) said(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// age makes the identity older: an agent that was provisioned a moment ago does
// not believe that it is unknown.
func (a *agent) age(t *testing.T, by time.Duration) {
	t.Helper()
	path := filepath.Join(a.state, "identity.json")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var identity map[string]any
	if err := json.Unmarshal(content, &identity); err != nil {
		t.Fatal(err)
	}
	identity["provisioned"] = time.Now().UTC().Add(-by)
	if content, err = json.Marshal(identity); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// inventoried returns the assets whose inventory is there.
func inventoried(assets []asset) (found []asset) {
	for _, a := range assets {
		if len(a.Software.List) > 0 {
			found = append(found, a)
		}
	}
	return found
}

// sameSoftware reports whether the asset has the packages of the host.
func sameSoftware(a *asset, h *host) bool {
	for name, version := range h.packages {
		if a.version(name) != version {
			return false
		}
	}
	return len(a.Software.List) == len(h.packages)
}
