//go:build linux

package resident

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/pacing"
	"vedette.dev/vedette/internal/agent/scan"
)

// script makes a worker of a shell script.
func script(t *testing.T, lines string) *worker {
	t.Helper()
	w, err := newWorker([]string{"/bin/sh", "-c", lines})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWorkerOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, lines, says string
	}{
		{"result", `cat >/dev/null; echo '{"snapshot":"s"}'`, ""},
		{"job arrives whole", `grep -q '"collectors":\["a","b"\]' && echo '{"snapshot":"s"}'`, ""},
		{"failure with its reason", `echo 'package database is locked' >&2; exit 3`, "exit status 3: package database is locked"},
		{"endless errors keep their end", `head -c 1000000 /dev/zero | tr '\0' x >&2; echo the end >&2; exit 1`, "the end"},
		{"endless result", `head -c 1000000 /dev/zero`, "more than 262144 bytes"},
		{"no result", `true`, "decode the scan worker's result"},
		{"killed", `kill -9 $$`, "signal: killed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, err := script(t, tt.lines).Scan(t.Context(), scan.Job{Collectors: []string{"a", "b"}, CPULimit: pacing.Unlimited})
			switch {
			case tt.says == "" && (err != nil || result.Snapshot != "s"):
				t.Errorf("result %+v, error %v", result, err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error %v, want %q", err, tt.says)
			case err != nil && len(err.Error()) > 2*maxErrorBytes:
				t.Errorf("error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestTheCPULimitOfAJobHoldsForItsWorker compares what the result says with what
// the worker itself found the kernel to have counted.
func TestTheCPULimitOfAJobHoldsForItsWorker(t *testing.T) {
	t.Parallel()
	note := filepath.Join(t.TempDir(), "times")
	w := script(t, `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; cat /proc/$$/stat >`+note+`; echo '{"snapshot":"s"}'`)
	result, err := w.Scan(t.Context(), scan.Job{CPULimit: 20})
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	const userField, systemField, tick = 12, 13, 10 * time.Millisecond // proc_pid_stat(5); USER_HZ is 100
	counted := time.Duration(0)
	for _, i := range []int{userField, systemField} {
		ticks, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		counted += time.Duration(ticks) * tick
	}
	if result.CPU < counted || counted == 0 {
		t.Errorf("result says %s of CPU time, the kernel had counted %s before the end", result.CPU, counted)
	}
	if share := result.CPU.Seconds() / result.Took.Seconds(); share > 0.22 {
		t.Errorf("worker used %s in %s, %.1f %% of a core, at most 22 %% are allowed", result.CPU, result.Took, share*100)
	}
}

func TestMissingWorkerIsNamed(t *testing.T) {
	t.Parallel()
	w, err := newWorker([]string{"/nowhere/worker"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Scan(t.Context(), scan.Job{}); err == nil || !strings.Contains(err.Error(), "/nowhere/worker") {
		t.Errorf("error %v, want the path of the worker", err)
	}
}

// TestCancelKillsTheWholeGroup lets a worker start a process of its own and looks
// for it after the scan was cancelled.
func TestCancelKillsTheWholeGroup(t *testing.T) {
	t.Parallel()
	note := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	w := script(t, `sleep 600 & echo $! >`+note+`.new; mv `+note+`.new `+note+`; wait`)
	go func() {
		_, err := w.Scan(ctx, scan.Job{CPULimit: pacing.Unlimited})
		ended <- err
	}()
	pid := 0
	eventually(t, "the grandchild", func() bool {
		doc, err := os.ReadFile(note)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(doc)))
		return err == nil
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("cancelled scan reported no error")
	}
	eventually(t, "the end of the grandchild", func() bool { return dead(pid) })
}

// dead reports whether a process has ended; one that nobody waits for counts.
func dead(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no sign of %s within a minute", what)
		}
	}
}
