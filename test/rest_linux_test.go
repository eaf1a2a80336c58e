package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// maxResident is what the resident agent may take of a host's memory, in KiB.
const maxResident = 14 << 10

func TestTheAgentRestsSmallAndItsWorkerEnds(t *testing.T) {
	t.Parallel()
	data := newFolder(t)
	platform := data.start(t, newHost(t))
	platform.awaitReady(t)
	data.vedette(t, "scans", "launch", "--wait", "1")
	pid := data.agentPID(t)
	eventually(t, "the agent has no worker any more", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		return err == nil && len(strings.Fields(string(children))) == 0
	})
	resident := 0
	eventually(t, "the agent rests below its limit", func() bool {
		resident = residentKiB(t, pid)
		return resident <= maxResident
	})
	t.Logf("resident set of vedette-agent at rest: %d KiB", resident)
}

// agentPID finds the agent of this folder.
func (f *folder) agentPID(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("pgrep", "-f", "vedette-agent run .*StateDir="+filepath.Join(f.path, "agent")+" ").Output()
	if err != nil {
		t.Fatalf("find the agent of %s: %v", f.path, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("pgrep said %q", out)
	}
	return pid
}

func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			resident, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return resident
		}
	}
	t.Fatalf("process %d has no resident set", pid)
	return 0
}
