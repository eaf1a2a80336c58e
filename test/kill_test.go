package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is how many processes each run loses, and killRuns how many runs there
// are, each with another seed. The nightly target sets VEDETTE_KILL_RUNS.
const (
	kills       = 4
	defaultRuns = 3
)

func killRuns(t *testing.T) int {
	t.Helper()
	text := os.Getenv("VEDETTE_KILL_RUNS")
	if text == "" {
		return defaultRuns
	}
	runs, err := strconv.Atoi(text)
	if err != nil || runs < 1 {
		t.Fatalf("VEDETTE_KILL_RUNS=%q is not a number of runs", text)
	}
	return runs
}

// TestKillNineLosesNothingAcknowledged kills the platform or the agent at random
// moments of a first start and of on-demand scans. Whatever was acknowledged
// must be there in the end: one asset, with one identity, each launched scan
// ended, and the inventory as the host is.
func TestKillNineLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	for seed := range killRuns(t) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), 0))
			host := newHost(t)
			data := newFolder(t)
			var launched []int64 // acknowledged scans
			for round := range kills {
				host.install(t, fmt.Sprintf("round-%d", round), "1.0")
				platform := data.start(t, host)
				launched = append(launched, data.disturb(t, platform, random)...)
				platform.kill()
			}

			platform := data.start(t, host)
			platform.awaitReady(t)
			assets := data.search(t)
			if len(assets) != 1 {
				t.Fatalf("%d assets, want one host with one identity", len(assets))
			}
			for _, id := range launched {
				eventually(t, fmt.Sprintf("scan %d has ended", id), func() bool {
					state := data.scanState(t, id)
					return state == "complete" || state == "failed"
				})
			}
			data.vedette(t, "scans", "launch", "--wait", strconv.FormatInt(assets[0].ID, 10))
			after := data.search(t)[0]
			if len(after.Software.List) != len(host.packages) {
				t.Errorf("%d packages, the host has %d", len(after.Software.List), len(host.packages))
			}
			if code := platform.stop(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// disturb lets the platform run for a random while, in which it may kill the
// agent, and may launch scans. It returns the scans that were acknowledged.
func (f *folder) disturb(t *testing.T, p *process, random *rand.Rand) (launched []int64) {
	t.Helper()
	if random.IntN(2) == 0 {
		// Somewhere in the first steps: within them everything takes half a second.
		wait(p, time.Duration(random.IntN(600))*time.Millisecond)
		return nil
	}
	p.awaitReady(t)
	for range 1 + random.IntN(2) {
		r := f.run(t, nil, "scans", "launch", "-o", "json", "1")
		if r.code == 0 {
			launched = append(launched, f.newestScan(t))
		}
		if random.IntN(2) == 0 {
			f.killAgent(t)
		}
		wait(p, time.Duration(random.IntN(300))*time.Millisecond)
	}
	return launched
}

// wait lets a process run for d.
func wait(p *process, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
}

// killAgent kills the agent of this folder, and no other one.
func (f *folder) killAgent(t *testing.T) {
	t.Helper()
	out, err := exec.Command("pgrep", "-f", "StateDir="+filepath.Join(f.path, "agent")).Output()
	if err != nil {
		return // it is just being started
	}
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // may have ended by itself
		}
	}
}

type scanList struct {
	Scans []struct {
		ID    int64  `json:"id"`
		State string `json:"state"`
	} `json:"scans"`
}

func (f *folder) scans(t *testing.T) scanList {
	t.Helper()
	var list scanList
	if err := json.Unmarshal([]byte(f.vedette(t, "scans", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func (f *folder) newestScan(t *testing.T) int64 {
	t.Helper()
	list := f.scans(t)
	if len(list.Scans) == 0 {
		t.Fatal("an acknowledged scan is not listed")
	}
	return list.Scans[0].ID
}

func (f *folder) scanState(t *testing.T, id int64) string {
	t.Helper()
	for _, scan := range f.scans(t).Scans {
		if scan.ID == id {
			return scan.State
		}
	}
	t.Fatalf("acknowledged scan %d is gone", id)
	return ""
}
