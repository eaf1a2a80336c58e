package test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// upgradable is a host whose agent was installed from a package.
type upgradable struct {
	*folder
	root  string // of the packaged agent
	state string
	agent *exec.Cmd
	ended chan struct{}
	stdin io.Closer
	log   *os.File
}

func newUpgradable(t *testing.T) *upgradable {
	t.Helper()
	u := &upgradable{folder: newFolder(t), root: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	u.startPlatform(t, []string{"up", "--data", u.path, "--listen", "127.0.0.1:0", "--no-agent"}).awaitReady(t)
	for _, name := range []string{"vedette-agent", "vedette-agent-worker"} {
		if err := os.WriteFile(filepath.Join(u.root, name), contentOf(t, filepath.Join(binaries, name)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if u.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		u.stop(t)
		if t.Failed() {
			t.Logf("the agent said:\n%s", contentOf(t, u.log.Name()))
		}
	})
	return u
}

// start starts the packaged agent, as the service does.
func (u *upgradable) start(t *testing.T) {
	t.Helper()
	u.agent = exec.Command(filepath.Join(u.root, "vedette-agent"), "run",
		"ServerUri="+u.variable(t, "VEDETTE_URL"), "CaFile="+u.variable(t, "VEDETTE_CA_FILE"), "StateDir="+u.state, "TrialMinutes=1", "LogLevel=4", "ExitWithParent=1")
	u.agent.Env = append(os.Environ(), u.environment(t)...)
	u.agent.Stderr = u.log
	var err error
	if u.stdin, err = u.agent.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := u.agent.Start(); err != nil {
		t.Fatal(err)
	}
	u.ended = make(chan struct{})
	go func() {
		defer close(u.ended)
		_ = u.agent.Wait()
	}()
}

func (u *upgradable) stop(t *testing.T) {
	t.Helper()
	if u.agent == nil {
		return
	}
	_ = u.stdin.Close()
	select {
	case <-u.ended:
	case <-time.After(patience):
		t.Error("the agent does not stop")
		_ = u.agent.Process.Kill()
		<-u.ended
	}
	u.agent = nil
}

// upgraded is how an upgrade ended.
type upgraded struct{ Outcome, From, To, Reason string }

// upgrades returns what the platform was told of upgrades.
func (f *folder) upgrades(t *testing.T, args ...string) []upgraded {
	t.Helper()
	var answer struct {
		Upgrades []upgraded `json:"upgrades"`
	}
	out := f.vedette(t, append([]string{"agents", "upgrades", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("upgrades printed %q: %v", out, err)
	}
	return answer.Upgrades
}

// awaitUpgrade waits until the platform was told of an outcome for a version, and
// has the agent look for releases meanwhile.
func (f *folder) awaitUpgrade(t *testing.T, outcome, version string) (reason string) {
	t.Helper()
	looked := time.Time{}
	eventually(t, "version "+version+" "+outcome, func() bool {
		if found := f.upgrades(t); len(found) == 1 && found[0].Outcome == outcome && found[0].To == version {
			reason = found[0].Reason
			return true
		}
		if time.Since(looked) > 3*time.Second { // a scan wakes the agent
			looked = time.Now()
			f.run(t, nil, "scans", "launch", "--type", "inventory", "1")
		}
		return false
	})
	return reason
}

// version returns the version that the platform knows of the one agent.
func (u *upgradable) version(t *testing.T) string {
	t.Helper()
	var answer struct {
		ServiceResponse struct {
			Data struct {
				HostAsset []struct {
					AgentInfo struct {
						AgentVersion string `json:"agentVersion"`
					} `json:"agentInfo"`
				}
			} `json:"data"`
		}
	}
	if err := json.Unmarshal([]byte(u.vedette(t, "agents", "search", "-o", "json")), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.ServiceResponse.Data.HostAsset) != 1 {
		return ""
	}
	return answer.ServiceResponse.Data.HostAsset[0].AgentInfo.AgentVersion
}

// TestAnAgentGoesToAPublishedVersionAndBackFromOneThatCrashes takes one host
// through a good version, one that crashes, and back by hand.
func TestAnAgentGoesToAPublishedVersionAndBackFromOneThatCrashes(t *testing.T) {
	t.Parallel()
	u := newUpgradable(t)
	worker := contentOf(t, filepath.Join(binaries, "vedette-agent-worker"))
	u.publish(t, newerVersion, newerAgent(t), worker)
	u.start(t)
	u.awaitUpgrade(t, "upgraded", "2.1.0")
	eventually(t, "the platform sees version 2.1.0", func() bool { return u.version(t) == "2.1.0" })
	if u.agent.ProcessState != nil {
		t.Error("the service ended on its way")
	}

	// It crashes; the version before takes over, without the service manager.
	u.publish(t, "2.2.0", scriptOf("2.2.0", "echo it is broken >&2; exit 3"), worker)
	reason := u.awaitUpgrade(t, "rolled_back", "2.2.0")
	if !strings.Contains(reason, "exit status 3") || !strings.Contains(reason, "it is broken") {
		t.Errorf("the reason is %q", reason)
	}
	if found := u.upgrades(t, "--unsuccessful"); len(found) != 1 || found[0].From != "2.1.0" {
		t.Errorf("upgrades that did not succeed: %v", found)
	}

	// Started again it is still 2.1.0, and 2.2.0 is not tried again.
	u.stop(t)
	u.start(t)
	eventually(t, "the agent runs again", func() bool {
		return strings.Contains(u.tool(t, "status"), "Running             yes")
	})
	if log := string(contentOf(t, u.log.Name())); strings.Count(log, "the agent on trial\" version=2.2.0") != 3 {
		t.Errorf("version 2.2.0 was not tried three times:\n%s", log)
	}

	// An administrator of the host goes back to the package.
	if out := u.tool(t, "rollback"); !strings.Contains(out, "2.1.0") {
		t.Errorf("rollback said %q", out)
	}
	reason = u.awaitUpgrade(t, "rolled_back", "2.1.0")
	if !strings.Contains(reason, "administrator") {
		t.Errorf("the reason is %q", reason)
	}
	eventually(t, "the platform sees version 2.0.0", func() bool { return u.version(t) == "2.0.0" })
}

// tool runs a command of the packaged agent.
func (u *upgradable) tool(t *testing.T, name string) string {
	t.Helper()
	return output(t, filepath.Join(u.root, "vedette-agent"), name, "StateDir="+u.state)
}

// TestAVersionThatCannotReachThePlatformIsRolledBack cuts a new version off from
// the network, and not the one that watches it.
func TestAVersionThatCannotReachThePlatformIsRolledBack(t *testing.T) {
	t.Parallel()
	u := newUpgradable(t)
	// The worker's place is taken by the real agent, which runs without a network.
	u.publish(t, newerVersion, scriptOf("2.1.0", `exec unshare --net "$0-worker" "$@"`), newerAgent(t))
	u.start(t)
	reason := u.awaitUpgrade(t, "rolled_back", "2.1.0")
	if reason != "it did not reach the platform within 1m0s, which version 2.0.0 reaches" {
		t.Errorf("the reason is %q", reason)
	}
}

// TestAProfileKeepsAnAgentAtItsVersion publishes a version to an agent whose
// profile prevents updates.
func TestAProfileKeepsAnAgentAtItsVersion(t *testing.T) {
	t.Parallel()
	u := newUpgradable(t)
	u.prevent(t, true)
	u.publish(t, newerVersion, newerAgent(t), contentOf(t, filepath.Join(binaries, "vedette-agent-worker")))
	u.start(t)
	eventually(t, "the host is searchable", func() bool { return u.version(t) == "2.0.0" })
	u.vedette(t, "scans", "launch", "--type", "inventory", "--wait", "1")
	if _, err := os.Stat(filepath.Join(u.state, "versions", "trusted.json")); err == nil {
		t.Error("the agent looked for releases although its profile prevents updates")
	}
	u.prevent(t, false)
	u.awaitUpgrade(t, "upgraded", "2.1.0")
}
