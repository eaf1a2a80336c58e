//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
)

// restLimit is the resident set an agent at rest may have, in KiB.
const restLimit = 12 << 10

// patience bounds every wait for the real processes, which share their processors
// with other tests.
const patience = 2 * time.Minute

// asWorker makes this test binary the scan worker of the agent it tests.
const asWorker = "VEDETTE_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		if err := work(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// work finds a host of 2,000 packages, one of which is never the same.
func work(in io.Reader, out io.Writer) error {
	var job scan.Job
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return err
	}
	runner := sessiontest.Runner{Host: func() *agentwire.Snapshot {
		host := &agentwire.Snapshot{Host: agentwire.Host{Name: "resident"}}
		for i := range 2000 {
			host.Software = append(host.Software, agentwire.Software{Kind: "deb", Name: fmt.Sprintf("package-%d", i), Version: "1.0"})
		}
		host.Software[0].Version = time.Now().Format(time.RFC3339Nano)
		return host
	}}
	result, err := runner.Scan(context.Background(), job)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// host is the real agent binary with a platform to talk to.
type host struct {
	t        testing.TB
	binary   string
	stateDir string
	platform *sessiontest.Platform
	options  []string
	polls    atomic.Int32 // wake-up polls begun
}

func setup(t testing.TB) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, binary: filepath.Join(dir, "vedette-agent"), stateDir: filepath.Join(dir, "state")}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", h.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build agent: %v\n%s", err, out)
	}
	h.platform = sessiontest.New(time.Now)
	h.platform.Profile.Performance = map[string]string{"AGENT_LOGGING_LEVEL": "Info"}
	h.platform.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == agentwire.PathWakeup {
			h.polls.Add(1)
		}
		return false
	}
	server := httptest.NewTLSServer(h.platform)
	t.Cleanup(server.Close)
	ca := filepath.Join(dir, "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	h.options = []string{
		"ActivationId=" + sessiontest.ActivationID, "CustomerId={" + sessiontest.CustomerID + "}",
		"ServerUri=" + server.URL, "CaFile=" + ca,
		"StateDir=" + h.stateDir, "WorkerPath=" + os.Args[0], "ExitWithParent=1",
	}
	return h
}

// output collects what a process prints, while it prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is a running agent.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	log    *output
	exited chan error
}

func (h *host) start() *process {
	h.t.Helper()
	p := &process{cmd: exec.Command(h.binary, append([]string{"run"}, h.options...)...), log: &output{}, exited: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), asWorker+"=1")
	p.cmd.Stderr = p.log
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		h.t.Fatalf("start agent: %v", err)
	}
	p.stdin = stdin
	go func() { p.exited <- p.cmd.Wait() }()
	h.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// until waits for a condition.
func (h *host) until(p *process, what string, met func() bool) {
	h.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case err := <-p.exited:
			h.t.Fatalf("agent ended before %s: %v\n%s", what, err, p.log)
		case <-deadline:
			h.t.Fatalf("no %s within %s\n%s", what, patience, p.log)
		}
	}
}

// confirmed reports how many uploads the platform has applied.
func (h *host) confirmed() (uploads int) {
	for _, a := range h.platform.Agents() {
		h.platform.Edit(func() { uploads += a.Baselines + a.Deltas })
	}
	return uploads
}

// residentSet returns the resident set of a process in KiB.
func residentSet(t testing.TB, pid int) int {
	t.Helper()
	doc, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(doc)
	if found == nil {
		t.Fatalf("no VmRSS in %s", doc)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

func (h *host) command(name string, options ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(h.binary, append([]string{name, "StateDir=" + h.stateDir}, options...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return strings.TrimSpace(out.String()), errs.String(), cmd.ProcessState.ExitCode()
}

// TestAgentAtRest runs the real binary: first inventory, rest, a local demand,
// rest again, a kill, and the end with its parent.
func TestAgentAtRest(t *testing.T) {
	t.Parallel()
	h := setup(t)
	p := h.start()
	h.until(p, "first inventory", func() bool { return h.confirmed() == 1 })
	h.atRest(p, 1)

	id, stderr, code := h.command("demand", "action=demand", "type=inv", "cputhrottle=0")
	if code != 0 || !regexp.MustCompile(`^\d{14}\.0$`).MatchString(id) {
		t.Fatalf("demand printed %q and ended with %d, want a control id\n%s", id, code, stderr)
	}
	h.until(p, "demanded inventory", func() bool { return h.confirmed() == 2 })
	h.until(p, "the control id in the log", func() bool { return strings.Contains(p.log.String(), id) })
	h.atRest(p, 2)

	if _, stderr, code := h.command("demand", "action=demand", "type=vm"); code != 1 || !strings.Contains(stderr, "not activated") {
		t.Errorf("demand of a module that is not activated ended with %d: %s", code, stderr)
	}
	first := h.platform.Agents()[0].ID
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-p.exited; err == nil {
		t.Error("the killed agent ended well")
	}
	p = h.start()
	request := h.platform.Launch(agentwire.InventoryScan, true)
	h.until(p, "scan after the kill", func() (done bool) {
		h.platform.Edit(func() { done = request.State == "complete" })
		return done
	})
	if agents := h.platform.Agents(); len(agents) != 1 {
		t.Errorf("platform has %d agents after the kill, want 1", len(agents))
	}
	h.status(first)
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			t.Errorf("agent ended with its parent: %v\n%s", err, p.log)
		}
	case <-time.After(patience):
		t.Errorf("agent goes on without its parent\n%s", p.log)
	}
}

// atRest waits until the agent has had so many uploads committed, holds its poll
// and has had the time to give memory back, and checks its resident set.
func (h *host) atRest(p *process, uploads int) {
	h.t.Helper()
	h.until(p, "rest", func() bool {
		return strings.Count(p.log.String(), "upload committed") == uploads && h.polls.Load() > 0
	})
	<-time.After(2 * time.Second)
	kib := residentSet(h.t, p.cmd.Process.Pid)
	h.t.Logf("resident set at rest after %d inventories: %.1f MB", uploads, float64(kib)/1024)
	if kib > restLimit {
		h.t.Errorf("resident set at rest after %d inventories is %d KiB, at most %d are allowed", uploads, kib, restLimit)
	}
}

// BenchmarkAnHourAtRest runs the real binary for two minutes with what an hour of
// the Normal profile has of status requests, two of them thirty times as often as
// usual, and with the wake-up polls of two minutes. It reports the share of a core
// that takes, which is above that of an hour, and the resident set.
func BenchmarkAnHourAtRest(b *testing.B) {
	const minutes = 2
	h := setup(b)
	h.platform.Profile.Performance["INTERVAL_EVENT_STATUS"] = strconv.Itoa(minutes * 60 / 2)
	p := h.start()
	h.until(p, "first inventory", func() bool { return h.confirmed() == 1 })
	h.atRest(p, 1)
	for b.Loop() {
		before := h.statuses()
		began, used := time.Now(), processorTime(b, p.cmd.Process.Pid)
		<-time.After(minutes * time.Minute)
		used = processorTime(b, p.cmd.Process.Pid) - used
		b.ReportMetric(100*used.Seconds()/time.Since(began).Seconds(), "%-of-a-core")
		b.ReportMetric(used.Seconds()*1000, "cpu-ms")
		b.ReportMetric(float64(h.statuses()-before), "status-requests")
		b.ReportMetric(float64(residentSet(b, p.cmd.Process.Pid))/1024, "MB-resident")
		b.ReportMetric(0, "ns/op")
	}
}

// statuses reports how many status requests the platform has had.
func (h *host) statuses() (n int) {
	for _, a := range h.platform.Agents() {
		h.platform.Edit(func() { n += len(a.Statuses) })
	}
	return n
}

// processorTime returns what a process has used of the processors, to the
// nanosecond: the clock that clock_getcpuclockid(3) names.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	const scheduled = 2
	var clock unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &clock); err != nil {
		t.Fatal(err)
	}
	return time.Duration(clock.Nano())
}

func (h *host) status(agentID string) {
	h.t.Helper()
	out, stderr, code := h.command("status", "Format=json")
	var report struct {
		AgentID string `json:"agentId"`
		Running bool   `json:"running"`
		Profile string `json:"profile"`
		Next    []struct {
			Event  string `json:"event"`
			Reason string `json:"reason"`
		} `json:"next"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		h.t.Fatalf("status ended with %d: %v\n%s%s", code, err, out, stderr)
	}
	if report.AgentID != agentID || !report.Running || report.Profile != "Low" {
		h.t.Errorf("status is %+v, want agent %s running with profile Low", report, agentID)
	}
	if len(report.Next) < 2 || report.Next[len(report.Next)-1].Reason == "" {
		h.t.Errorf("status has %+v to come, want at least the next status and the next scan, each with its reason", report.Next)
	}
	if text, _, _ := h.command("status"); !strings.Contains(text, agentID) || !strings.Contains(text, "INTERVAL_EVENT_STATUS") {
		h.t.Errorf("status as text does not name the agent and its parameters:\n%s", text)
	}
}

// TestALegacyAgentSaysWhatItIs runs the real binary in the compatibility mode.
func TestALegacyAgentSaysWhatItIs(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.options = append(h.options, "Legacy=1")
	p := h.start()
	asked := func(call string) bool { return slices.Contains(h.platform.Calls(), call) }
	h.until(p, "its own timers", func() bool { return asked("GET /revocation") && asked("POST /uploads/commit") })
	if h.polls.Load() != 0 {
		t.Error("a legacy agent holds a wake-up poll")
	}
	agent := h.platform.Agents()[0]
	h.platform.Edit(func() {
		if agent.Last.AgentVersion != "1.5.0" {
			t.Errorf("it says to be version %q, want the last one before the consolidated status", agent.Last.AgentVersion)
		}
	})
}
