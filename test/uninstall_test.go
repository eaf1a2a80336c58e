package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// uninstalls returns the states of the uninstalled agents, newest first.
func (f *folder) uninstalls(t *testing.T) []string {
	t.Helper()
	var list struct {
		Uninstalls []struct {
			State string `json:"state"`
		} `json:"uninstalls"`
	}
	if err := json.Unmarshal([]byte(f.vedette(t, "agents", "uninstalls", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, u := range list.Uninstalls {
		states = append(states, u.State)
	}
	return states
}

// TestAnUninstalledHostIsGoneAndComesBackAsANewAsset uninstalls this host's agent
// through the command line, waits until it has left, and provisions it again.
func TestAnUninstalledHostIsGoneAndComesBackAsANewAsset(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	data := newFolder(t)
	platform := data.start(t, host)
	platform.awaitReady(t)
	before := data.search(t)[0]
	id := strconv.FormatInt(before.ID, 10)

	// Modules first: the key of up activates three.
	data.vedette(t, "agents", "deactivate", id, "--module", "pc")
	data.vedette(t, "agents", "activate", id, "--module", "sca")
	if shown := data.vedette(t, "agents", "get", id); !strings.Contains(shown, "AGENT_SCA") || strings.Contains(shown, "AGENT_PC") {
		t.Errorf("modules of the agent:\n%s", shown)
	}

	// Shown first, then done: the asset is gone with the answer.
	if out := data.vedette(t, "agents", "uninstall", id); !strings.Contains(out, before.Name) || len(data.search(t)) != 1 {
		t.Errorf("a dry run printed %q", out)
	}
	data.vedette(t, "agents", "uninstall", "--yes", id)
	if left := data.search(t); len(left) != 0 {
		t.Errorf("%d assets right after the uninstall", len(left))
	}

	// The agent holds a wake-up poll: it leaves at once, for good.
	eventually(t, "the agent has confirmed", func() bool { return data.uninstalls(t)[0] == "confirmed" })
	eventually(t, "up has said so", func() bool { return strings.Contains(platform.said(), "was uninstalled and is not started again") })
	state := filepath.Join(data.path, "agent")
	for _, name := range []string{"state.json", "profile.json", "manifest.json"} {
		if _, err := os.Stat(filepath.Join(state, name)); err == nil {
			t.Errorf("%s is left in the state folder", name)
		}
	}
	if _, err := os.Stat(filepath.Join(state, "identity.json")); err != nil {
		t.Errorf("the identity is gone: %v", err)
	}
	if code := platform.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	// A restart does not bring it back.
	second := data.start(t, host)
	second.awaitReady(t)
	if back := data.search(t); len(back) != 0 {
		t.Errorf("%d assets after a restart", len(back))
	}

	// Provisioning does, as a new asset.
	provision := exec.CommandContext(t.Context(), filepath.Join(binaries, "vedette-agent"), "provision", "StateDir="+state,
		"ServerUri="+data.setting(t, "VEDETTE_URL"), "CaFile="+data.setting(t, "VEDETTE_CA_FILE"))
	if out, err := provision.CombinedOutput(); err != nil {
		t.Fatalf("provision: %v\n%s", err, out)
	}
	second.stop(t)
	third := data.start(t, host)
	third.awaitReady(t)
	after := data.search(t)
	if len(after) != 1 || after[0].ID == before.ID || after[0].AgentInfo.AgentID == before.AgentInfo.AgentID || len(after[0].Software.List) != len(host.packages) {
		t.Errorf("assets %+v after provisioning, want one new one instead of %d", after, before.ID)
	}
}

// setting returns a value of admin.env.
func (f *folder) setting(t *testing.T, name string) string {
	t.Helper()
	for _, variable := range f.environment(t) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	t.Fatalf("admin.env has no %s", name)
	return ""
}
