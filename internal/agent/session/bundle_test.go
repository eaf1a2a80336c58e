package session

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
)

// skewedClock is the host's clock, wrong by a constant and in a time zone.
type skewedClock struct {
	SystemClock
	skew time.Duration
	zone *time.Location
}

func (c *skewedClock) Now() time.Time { return time.Now().Add(c.skew).In(c.zone) }

// journal collects log lines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// bundle is one host and its platform. Time is that of a synctest bubble: a test
// that waits for hours takes milliseconds.
type bundle struct {
	t        *testing.T
	platform *sessiontest.Platform
	wire     *sessiontest.Wire
	runner   *sessiontest.Runner
	clock    *skewedClock
	log      *journal
	cfg      Config
	packages []agentwire.Software
	mu       sync.Mutex
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, log: &journal{}, clock: &skewedClock{zone: time.UTC}}
	b.platform = sessiontest.New(time.Now)
	b.wire = &sessiontest.Wire{Handler: b.platform}
	for i := range 40 {
		b.packages = append(b.packages, agentwire.Software{Kind: "deb", Name: fmt.Sprintf("package-%02d", i), Version: "1.0"})
	}
	b.runner = &sessiontest.Runner{Takes: 3 * time.Second, Host: b.host}
	random := rand.New(rand.NewPCG(1, 2))
	b.cfg = Config{
		StateDir: t.TempDir(), RootDir: "/", Version: "2.0.0",
		ActivationID: sessiontest.ActivationID, CustomerID: sessiontest.CustomerID, ServerURI: "https://platform.test/",
		Wakeup: true, Host: agentwire.Host{Name: "web-1"},
		Runner: b.runner, Transport: b.wire, Clock: b.clock, Random: random.Float64,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return b
}

// host is what the runner finds.
func (b *bundle) host() *agentwire.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &agentwire.Snapshot{Host: agentwire.Host{Name: "web-1"}, Software: append([]agentwire.Software(nil), b.packages...)}
}

// upgrade changes one package of the host.
func (b *bundle) upgrade(i int, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.packages[i].Version = version
}

// run runs an agent on the folder for a while. It is then gone as if killed: an
// agent saves nothing at its end. Only its time may end it.
func (b *bundle) run(d time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	if err := b.runUntil(ctx); err != nil {
		b.t.Errorf("the agent ended: %v", err)
	}
}

func (b *bundle) runUntil(ctx context.Context) error {
	b.t.Helper()
	a, err := Open(b.cfg)
	if err != nil {
		b.t.Fatalf("open agent: %v", err)
	}
	defer a.Close()
	err = a.Run(ctx)
	synctest.Wait()
	return err
}

// beside runs an agent while the test goes on, and stops it at the end.
func (b *bundle) beside() *Agent {
	b.t.Helper()
	a, err := Open(b.cfg)
	if err != nil {
		b.t.Fatalf("open agent: %v", err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("run agent: %v", err)
		}
		a.Close()
	})
	return a
}

// agent returns the only agent of the platform.
func (b *bundle) agent() *sessiontest.Agent {
	b.t.Helper()
	agents := b.platform.Agents()
	if len(agents) != 1 {
		b.t.Fatalf("platform has %d agents, want 1\n%s", len(agents), b.log)
	}
	return agents[0]
}

// settled checks that the platform holds exactly what the host is, and that the
// agent knows it.
func (b *bundle) settled() {
	b.t.Helper()
	want := b.host()
	want.Normalize()
	a := b.agent()
	if a.Confirmed != want.Digest() {
		b.t.Errorf("platform holds snapshot %.8s, host is %.8s\n%s", a.Confirmed, want.Digest(), b.log)
	}
	report, err := ReadReport(b.cfg.StateDir)
	if err != nil {
		b.t.Fatalf("read report: %v", err)
	}
	if report.Confirmed != a.Confirmed || report.PendingBytes != 0 {
		b.t.Errorf("agent believes %.8s is confirmed and has %d bytes pending, platform holds %.8s", report.Confirmed, report.PendingBytes, a.Confirmed)
	}
}

// count returns how many calls of a kind the platform has seen.
func (b *bundle) count(call string) int {
	n := 0
	for _, c := range b.platform.Calls() {
		if c == call {
			n++
		}
	}
	return n
}

func (b *bundle) logged(text string) int { return strings.Count(b.log.String(), text) }

// inventory sets the schedule of the inventory scan before the agent has a
// profile.
func (b *bundle) inventory(s agentwire.Schedule) {
	b.platform.Profile.Schedules = map[agentwire.Module]agentwire.Schedule{agentwire.ModuleInventory: s}
}

// stateOf returns where a request stands on the platform.
func (b *bundle) stateOf(r *sessiontest.Request) (state string) {
	b.platform.Edit(func() { state = r.State })
	return state
}

// intercept answers requests to a path itself while it returns true.
func (b *bundle) intercept(path string, answer func(w http.ResponseWriter) bool) {
	b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, path) && answer(w)
	}
}

// bubble runs a test in a bubble of its own time.
func bubble(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, setup(t)) })
}
