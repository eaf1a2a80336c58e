package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// defaultFaultRuns is how many seeds run; the nightly target sets
	// VEDETTE_FAULT_RUNS. VEDETTE_FAULT_SEED is the first one, and without
	// VEDETTE_FAULT_RUNS the only one.
	defaultFaultRuns = 30
	// faultsAtOnce is how many run at a time: they mostly wait.
	faultsAtOnce = 5
	// lookEvery is how often a run looks after its processes and how far they are.
	lookEvery = 100 * time.Millisecond
	// stillFor is how long an agent may ask for nothing before somebody does
	// something: launches a scan, then starts the host again.
	stillFor = 2 * time.Second
)

// faultSeeds returns the seeds to run.
func faultSeeds(t *testing.T) []int {
	t.Helper()
	number := func(name string, otherwise int) int {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			t.Fatalf("%s=%q is not a number", name, text)
		}
		return n
	}
	first, runs := number("VEDETTE_FAULT_SEED", 0), defaultFaultRuns
	if os.Getenv("VEDETTE_FAULT_SEED") != "" {
		runs = 1
	}
	seeds := make([]int, number("VEDETTE_FAULT_RUNS", runs))
	for i := range seeds {
		seeds[i] = first + i
	}
	return seeds
}

// TestFaultsLoseNothingAcknowledged lives through a first start, two scans and,
// in some runs, an upgrade, and in each something goes wrong: a process is killed,
// a connection cut, a request sent twice or late. In the end there is one asset
// with one identity, what was acknowledged is there, and the agent is healthy.
func TestFaultsLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	seeds := make(chan int)
	var planned, struck atomic.Int64
	var runs sync.WaitGroup
	for range faultsAtOnce {
		runs.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
					l := newLife(t, seed)
					l.live()
					planned.Add(int64(l.planned))
					struck.Add(int64(l.struck()))
				})
			}
		})
	}
	for _, seed := range faultSeeds(t) {
		seeds <- seed
	}
	close(seeds)
	runs.Wait()
	t.Logf("%d of %d faults struck", struck.Load(), planned.Load())
	if struck.Load()*10 < planned.Load()*7 {
		t.Errorf("%d of %d faults struck, too few to show anything", struck.Load(), planned.Load())
	}
}

// life is one run: a host with an agent, a platform, and what comes between.
type life struct {
	t       *testing.T
	seed    int
	random  *rand.Rand
	host    *host
	data    *folder
	proxy   *proxy
	client  *qpsclient.Client
	key     string
	planned int

	platform *process
	agent    *agentProcess

	mu      sync.Mutex // guards victims, which requests strike
	victims map[kind]func()
	sighted atomic.Int64 // faults that struck what is no request
	unarm   context.CancelFunc

	upgrade *faultyUpgrade // that the agent is on, or has behind it; nil for none

	launched []int64 // acknowledged on-demand scans
	nudges   int
}

func newLife(t *testing.T, seed int) *life {
	l := &life{
		t: t, seed: seed, random: randomOf(seed),
		host: newHost(t), data: newFolder(t), victims: map[kind]func(){},
	}
	l.proxy = newProxy(t, l.strike)
	l.agent = &agentProcess{state: filepath.Join(t.TempDir(), "agent"), log: filepath.Join(t.TempDir(), "agent.log")}
	t.Cleanup(func() {
		l.agent.kill()
		if t.Failed() {
			said, _ := os.ReadFile(l.agent.log)
			t.Logf("the agent said:\n%s\nto repeat this: VEDETTE_FAULT_SEED=%d go test -count 1 -run %s ./test", said, seed, "TestFaultsLoseNothingAcknowledged")
		}
	})
	return l
}

func (l *life) struck() int {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	return l.proxy.struck + int(l.sighted.Load())
}

// live goes through all rounds and looks at the end.
func (l *life) live() {
	upgrades, works, onTheWay := upgradeOf(l.seed, l.random)
	l.tend()
	if upgrades {
		l.publish(works)
	}
	for round := range faultRounds {
		faults := faultsOf(l.seed, round, l.random)
		l.t.Logf("round %d: %v", round, faults)
		l.change(round, faults)
		l.arm(faults)
		if round == 0 {
			l.startAgent()
		} else {
			l.launch()
		}
		l.converge()
		l.disarm()
	}
	if upgrades {
		l.t.Logf("upgrade to a version that works %t: %v", works, onTheWay)
		l.arm(onTheWay)
		l.allowUpgrade(works)
		l.launch()
		l.converge()
		l.disarm()
	}
	l.host.install(l.t, "last", "1.0")
	l.launch()
	l.converge()
	l.check()
}

// change changes the host: a lot where there is everything to send or a fault
// strikes one of the steps of large uploads, otherwise little enough to go with the
// start.
func (l *life) change(round int, faults []fault) {
	l.t.Helper()
	name := fmt.Sprintf("round-%d", round)
	if round == 0 || slices.ContainsFunc(faults, func(f fault) bool { return f.step == stepFragment || f.step == stepCommit }) {
		l.host.installLarge(l.t, name)
		return
	}
	l.host.install(l.t, name, "1.0")
}

// arm sets faults up for the requests of a round, or for what is seen on the host.
func (l *life) arm(faults []fault) {
	l.planned += len(faults)
	var ctx context.Context
	ctx, l.unarm = context.WithCancel(l.t.Context())
	for _, f := range faults {
		switch f.step {
		case stepScan:
			l.armChild(ctx, f, killWorker, worksOn())
		case stepVerify:
			l.armChild(ctx, f, killWorker, worksOn("release"))
		case stepTrial:
			l.armChild(ctx, f, killTrial, onTrial)
		case stepInstall, stepPlace, stepHealthy, stepPassed, stepRollBack:
			l.armSight(ctx, f)
		default:
			l.proxy.arm(f)
		}
	}
}

// armChild makes a fault strike once the agent has such a child.
func (l *life) armChild(ctx context.Context, f fault, victim kind, runs func(command []string) bool) {
	onSight(ctx, l.t, func() bool {
		kill := l.agent.child(runs)
		if kill != nil {
			l.setVictim(victim, kill)
			l.sight(f)
		}
		return kill != nil
	})
}

// sight has a fault strike what was seen.
func (l *life) sight(f fault) {
	l.sighted.Add(1)
	time.AfterFunc(f.delay, func() { l.strike(f) })
}

// disarm lets everything go well that still comes.
func (l *life) disarm() {
	l.unarm()
	l.proxy.disarm()
}

func (l *life) setVictim(k kind, kill func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.victims[k] = kill
}

// strike kills the process that a fault is about.
func (l *life) strike(f fault) {
	l.mu.Lock()
	kill := l.victims[f.kind]
	l.mu.Unlock()
	if kill != nil {
		kill()
	}
}

// tend starts what was killed, as service managers do. An agent that ends by
// itself is a failure.
func (l *life) tend() {
	l.t.Helper()
	if l.platform != nil {
		select {
		case <-l.platform.ended:
			l.checkAcknowledged()
		default:
			l.tendAgent()
			return
		}
	}
	l.proxy.lead(l.t, "", "")
	l.platform = l.data.startPlatform(l.t, []string{"serve", "--data", l.data.path, "--listen", "127.0.0.1:0"})
	l.platform.awaitReady(l.t)
	url, ca := l.data.variable(l.t, "VEDETTE_URL"), l.data.root+l.data.variable(l.t, "VEDETTE_CA_FILE")
	l.key = l.data.variable(l.t, "VEDETTE_ACTIVATION_KEY")
	client, err := qpsclient.New(qpsclient.Config{
		BaseURL: url, CAFile: ca, Username: l.data.variable(l.t, "VEDETTE_USERNAME"), Password: l.data.variable(l.t, "VEDETTE_PASSWORD"), Tries: 1,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.client = client
	victim := l.platform.cmd.Process // and not the one that takes its place, before it is up
	l.setVictim(killPlatform, func() { _ = victim.Kill() })
	l.proxy.lead(l.t, url, ca)
	l.tendAgent()
}

func (l *life) tendAgent() {
	l.t.Helper()
	if code, ended := l.agent.hasEnded(); ended {
		if code >= 0 {
			l.t.Fatalf("the agent ended by itself with code %d", code)
		}
		l.startAgent()
	}
}

func (l *life) startAgent() {
	l.t.Helper()
	kill := l.agent.start(l.t, []string{
		"ActivationId=" + l.key, "CustomerId=" + l.data.variable(l.t, "VEDETTE_CUSTOMER_ID"),
		"ServerUri=" + l.proxy.server.URL, "CaFile=" + l.proxy.ca, "RootDir=" + l.host.root,
	})
	l.setVictim(killAgent, kill)
}

// launch asks for a scan and notes its id once the platform has acknowledged it.
func (l *life) launch() {
	l.t.Helper()
	assets, err := l.assets()
	if err != nil || len(assets) == 0 {
		return
	}
	launched, err := l.client.LaunchOnDemandScan(l.t.Context(), qpsclient.ScanLaunch{AssetID: assets[0].ID, Type: qpsclient.InventoryScan})
	if err != nil || launched.Count == 0 {
		return // not acknowledged
	}
	scans, err := l.client.Scans(l.t.Context(), qpsclient.ScanQuery{Limit: 1})
	if err != nil {
		return
	}
	if len(scans) == 0 {
		l.t.Error("an acknowledged scan is not listed")
		return
	}
	l.launched = append(l.launched, scans[0].ID)
}

func (l *life) assets() ([]*qps.HostAsset, error) {
	var all []*qps.HostAsset
	for page, err := range l.client.SearchHostAssets(l.t.Context(), qpsclient.HostAssetSearch{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, page.Assets...)
	}
	return all, nil
}

// converge waits until the platform shows the host as it is and no scan is open,
// and looks after everything meanwhile.
func (l *life) converge() {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	l.nudges = 0
	why := l.missing()
	for ; why != ""; why = l.missing() {
		if time.Now().After(deadline) {
			l.t.Fatalf("still not as it should be: %s", why)
		}
		<-ticker.C
		l.tend()
		if l.proxy.quiet() > l.stillFor() {
			l.nudge()
		}
	}
}

// nudge does what people do when nothing happens: ask for a scan, then start the
// host again. An agent that lost its platform waits longer than a test can.
func (l *life) nudge() {
	l.t.Helper()
	launches := l.launchesNext()
	l.nudges++
	if launches {
		l.launch()
	} else {
		l.agent.kill()
		l.tendAgent()
	}
	l.proxy.mu.Lock()
	l.proxy.last = time.Now()
	if !launches {
		l.proxy.last = l.proxy.last.Add(startSpread)
	}
	l.proxy.mu.Unlock()
}

// launchesNext reports whether the next nudge asks for a scan.
func (l *life) launchesNext() bool { return l.nudges%2 == 0 }

// startSpread is how long an agent that was started again may wait before it asks
// for anything.
const startSpread = 5 * time.Second

// missing says what is not yet as it should be in the end, or nothing.
func (l *life) missing() string {
	assets, err := l.assets()
	switch {
	case err != nil:
		return err.Error()
	case len(assets) == 0:
		return "there is no asset"
	case len(assets) > 1:
		l.t.Fatalf("%d assets, want one host with one identity", len(assets))
	}
	if reason := l.host.differs(assets[0]); reason != "" {
		return reason
	}
	scans, err := l.client.Scans(l.t.Context(), qpsclient.ScanQuery{})
	if err != nil {
		return err.Error()
	}
	for _, scan := range scans {
		if !scan.State.Final() {
			return fmt.Sprintf("scan %d is %s", scan.ID, scan.State)
		}
	}
	if reason := l.upgradeMissing(assets[0]); reason != "" {
		return reason
	}
	report, err := session.ReadReport(l.agent.seen())
	switch {
	case err != nil:
		return err.Error()
	case report.PendingBytes > 0 || report.Confirmed == "":
		return "the agent has an upload to send"
	}
	return ""
}

// differs says how an asset differs from the host, or nothing.
func (h *host) differs(asset *qps.HostAsset) string {
	if len(asset.Software) != len(h.packages) {
		return fmt.Sprintf("%d packages, the host has %d", len(asset.Software), len(h.packages))
	}
	for _, software := range asset.Software {
		if want := h.packages[software.Name]; software.Version != want {
			return fmt.Sprintf("%s has version %q, the host %q", software.Name, software.Version, want)
		}
	}
	return ""
}
