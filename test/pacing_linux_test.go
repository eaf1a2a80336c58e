package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cost is what a scan took, by the kernel's accounting of the agent's children.
type cost struct {
	wall time.Duration // that a worker was there
	cpu  time.Duration // of the worker, up to tickError more or less
}

// tickError is the most by which the CPU time in /proc/PID/stat is off: two fields
// of whole ticks, USER_HZ is 100.
const (
	tick      = 10 * time.Millisecond
	tickError = 2 * tick
)

// TestANewProfilePacesTheScansOfARunningAgent changes the profile of an agent that
// runs, scans, and looks at what the worker took. A scan on a test's host needs
// about 40 ms of CPU time, and pauses six times between its seven collectors.
func TestANewProfilePacesTheScansOfARunningAgent(t *testing.T) {
	t.Parallel()
	data := newFolder(t)
	data.start(t, newHost(t)).awaitReady(t)
	host := strconv.FormatInt(data.search(t)[0].ID, 10)
	profile := data.newProfile(t, "Paced")

	data.setProfile(t, profile, "CPU_LIMIT=2", "THROTTLE_EVENT_SCAN=0")
	limited := data.scanCost(t, host)
	t.Logf("CPU_LIMIT 2: %s of CPU time in %s", limited.cpu, limited.wall)
	if most := time.Duration(0.022 * float64(limited.wall)); limited.cpu-tickError > most {
		t.Errorf("worker used %s in %s at 2 %% of a core, at most %s are allowed", limited.cpu, limited.wall, most)
	}

	data.setProfile(t, profile, "CPU_LIMIT=100", "THROTTLE_EVENT_SCAN=500")
	throttled := data.scanCost(t, host)
	t.Logf("THROTTLE_EVENT_SCAN 500: %s of CPU time in %s", throttled.cpu, throttled.wall)
	if least := 6 * 500 * time.Millisecond; throttled.wall < least {
		t.Errorf("scan took %s with pauses of 500 ms, it cannot take less than %s", throttled.wall, least)
	}

	data.setProfile(t, profile, "CPU_LIMIT=2", "THROTTLE_EVENT_SCAN=500")
	overridden := data.scanCost(t, host, "--override-cpu-throttle")
	t.Logf("overrideConfigCpu: %s of CPU time in %s", overridden.cpu, overridden.wall)
	if overridden.wall >= throttled.wall || overridden.wall >= limited.wall {
		t.Errorf("scan that overrides the profile took %s, as long as one that does not", overridden.wall)
	}
}

// newProfile makes a profile for every agent and returns its id.
func (f *folder) newProfile(t *testing.T, name string) string {
	t.Helper()
	var answer struct {
		ServiceResponse struct {
			Data struct {
				AgentConfig []struct {
					ID json.Number `json:"id"`
				}
			} `json:"data"`
		}
	}
	out := f.vedette(t, "profiles", "create", "--name", name, "--level", "high", "--include-tag", "Cloud Agent", "-o", "json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.ServiceResponse.Data.AgentConfig) != 1 {
		t.Fatalf("profiles create printed %q: %v", out, err)
	}
	return answer.ServiceResponse.Data.AgentConfig[0].ID.String()
}

// setProfile changes parameters of a profile and waits until the agent has it.
func (f *folder) setProfile(t *testing.T, id string, settings ...string) {
	t.Helper()
	args := []string{"profiles", "update", id}
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	f.vedette(t, args...)
	eventually(t, "the agent has the profile with "+strings.Join(settings, " "), func() bool {
		var signed struct {
			Instruction []byte `json:"instruction"`
		}
		doc, err := os.ReadFile(filepath.Join(f.path, "agent", "profile.json"))
		if err != nil || json.Unmarshal(doc, &signed) != nil {
			return false
		}
		for _, setting := range settings {
			key, value, _ := strings.Cut(setting, "=")
			if !strings.Contains(string(signed.Instruction), fmt.Sprintf("%q:%q", key, value)) {
				return false
			}
		}
		return true
	})
}

// scanCost launches an on-demand scan, waits for it and returns what it took.
func (f *folder) scanCost(t *testing.T, host string, flags ...string) cost {
	t.Helper()
	pid := f.agentPID(t)
	before := childrenCPU(t, pid)
	done := make(chan struct{})
	var wall time.Duration
	var watch sync.WaitGroup
	watch.Go(func() { wall = childrenSeen(pid, done) })
	f.vedette(t, append([]string{"scans", "launch", "--type", "inventory", "--wait", host}, flags...)...)
	close(done)
	watch.Wait()
	return cost{wall: wall, cpu: childrenCPU(t, pid) - before}
}

// childrenSeen returns for how long a process was seen to have a child, looking
// every few milliseconds until done is closed.
func childrenSeen(pid int, done <-chan struct{}) time.Duration {
	var first, last time.Time
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return last.Sub(first)
		case now := <-ticker.C:
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
			for _, thread := range threads {
				if children, err := os.ReadFile(thread); err == nil && len(children) > 0 {
					if first.IsZero() {
						first = now
					}
					last = now
				}
			}
		}
	}
}

// childrenCPU returns the CPU time of the children a process has waited for, from
// proc_pid_stat(5).
func childrenCPU(t *testing.T, pid int) time.Duration {
	t.Helper()
	doc, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(doc[strings.LastIndexByte(string(doc), ')'):]))
	var sum time.Duration
	for _, cutimeAndCstime := range fields[14:16] {
		ticks, err := strconv.Atoi(cutimeAndCstime)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum
}
