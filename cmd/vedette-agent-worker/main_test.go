//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agent/pacing"
	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// peakLimit is the resident set a worker may have at most during a full inventory.
const peakLimit = 64 << 20

// build builds the worker as it is shipped.
func build(tb testing.TB) string {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "vedette-agent-worker")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("build worker: %v\n%s", err, out)
	}
	return binary
}

// inventory is a command that takes a full inventory of this host, a baseline.
func inventory(tb testing.TB, binary string) (cmd *exec.Cmd, result *bytes.Buffer) {
	tb.Helper()
	doc, err := json.Marshal(scan.Job{Module: agentwire.ModuleInventory, Collectors: collect.Names(), RootDir: "/", StateDir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	result = new(bytes.Buffer)
	cmd = exec.CommandContext(tb.Context(), binary)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(doc), result, os.Stderr
	return cmd, result
}

// check makes sure that everything was collected.
func check(tb testing.TB, result *bytes.Buffer) {
	tb.Helper()
	var report scan.Result
	if err := json.Unmarshal(result.Bytes(), &report); err != nil {
		tb.Fatalf("worker printed %q: %v", result, err)
	}
	for _, c := range report.Collectors {
		if c.Error != "" || c.Entries == 0 {
			tb.Errorf("collector %+v found nothing on this host", c)
		}
	}
}

func cpu(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// TestARealScanStaysBelowItsShareOfOneCore measures with the kernel's accounting
// of the worker, from its start to its end.
func TestARealScanStaysBelowItsShareOfOneCore(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for _, limit := range []int{5, 20, 50} {
		t.Run(fmt.Sprintf("%d percent", limit), func(t *testing.T) {
			t.Parallel()
			cmd, result := inventory(t, binary)
			start := time.Now()
			if err := new(pacing.Pacer).Run(cmd, limit); err != nil {
				t.Fatal(err)
			}
			wall := time.Since(start)
			check(t, result)
			share := 100 * cpu(cmd).Seconds() / wall.Seconds()
			t.Logf("%s of CPU time in %s: %.2f %% of a core", cpu(cmd), wall.Round(time.Millisecond), share)
			if most := float64(limit) * 1.1; share > most {
				t.Errorf("scan used %.2f %% of a core, at most %.1f %% are allowed", share, most)
			}
		})
	}
}

// measured takes an inventory at full speed and returns the largest resident set
// that was seen, looking every millisecond. What the kernel reports at the end
// will not do: it begins with that of the process which started the worker.
func measured(tb testing.TB, binary string) (cpuTime time.Duration, peak int) {
	tb.Helper()
	cmd, result := inventory(tb, binary)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	highWater := regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // none at the very end
			if found := highWater.FindSubmatch(status); found != nil {
				kib, err := strconv.Atoi(string(found[1]))
				if err != nil {
					tb.Fatal(err)
				}
				peak = max(peak, kib<<10)
			}
		case err := <-ended:
			if err != nil {
				tb.Fatal(err)
			}
			check(tb, result)
			return cpu(cmd), peak
		}
	}
}

func TestAFullInventoryFitsIntoItsMemory(t *testing.T) {
	t.Parallel()
	used, peak := measured(t, build(t))
	t.Logf("full inventory of this host: %s of CPU time, peak resident set %.1f MB", used, float64(peak)/(1<<20))
	if peak == 0 || peak > peakLimit {
		t.Errorf("peak resident set is %d bytes, at most %d are allowed", peak, peakLimit)
	}
}

// BenchmarkFullInventory reports what one inventory of this host takes of the
// processor, whatever its pace, and of memory.
func BenchmarkFullInventory(b *testing.B) {
	binary := build(b)
	var total time.Duration
	most := 0
	b.ResetTimer()
	for range b.N {
		used, peak := measured(b, binary)
		total += used
		most = max(most, peak)
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "cpu-ms/scan")
	b.ReportMetric(float64(most)/(1<<20), "peak-MB")
}
