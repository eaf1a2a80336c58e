package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnotherUserIsToldWhoMayUseThePlatform runs commands beside a data folder of
// root's as a user who may not enter it.
func TestAnotherUserIsToldWhoMayUseThePlatform(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this test becomes another user: run it as root, as CI does")
	}
	f := newFolder(t)
	f.startPlatform(t, []string{"up", "--data", f.path, "--listen", "127.0.0.1:0", "--no-agent"}).awaitReady(t)
	// Where the other user may go, unlike in the folders of tests.
	beside, err := os.MkdirTemp("", "vedette-other-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(beside) })
	program := filepath.Join(beside, "vedette")
	if err := os.WriteFile(program, contentOf(t, filepath.Join(binaries, "vedette")), 0o755); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(beside, "vedette-data")
	for _, err := range []error{os.Chmod(beside, 0o755), os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, "admin.env"), contentOf(t, filepath.Join(f.path, "admin.env")), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"up", "--data", data}, {"agents", "search"}, {"backup", "--data", data, "--output", filepath.Join(beside, "file")}} {
		command := append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", program}, args...)
		cmd := exec.CommandContext(t.Context(), "setpriv", command...)
		cmd.Dir, cmd.Env = beside, []string{"HOME=" + filepath.Join(beside, "home")}
		said, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), data) && !strings.Contains(string(said), "vedette-data/admin.env") ||
			!strings.Contains(string(said), "Run the command as the user that runs the platform") {
			t.Errorf("%s ended with %d: %s", args, cmd.ProcessState.ExitCode(), said)
		}
	}
}
