package test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
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
	// VEDETTE_FAULT_RUNS. VEDETTE_FAULT_SEED repeats one.
	defaultFaultRuns = 30
	// faultsAtOnce is how many run at a time: they mostly wait.
	faultsAtOnce = 4
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
	if seed := number("VEDETTE_FAULT_SEED", -1); seed >= 0 {
		return []int{seed}
	}
	seeds := make([]int, number("VEDETTE_FAULT_RUNS", defaultFaultRuns))
	for i := range seeds {
		seeds[i] = i
	}
	return seeds
}

// TestFaultsLoseNothingAcknowledged lives through a first start and two scans,
// and in each something goes wrong: a process is killed, a connection cut, a
// request sent twice or late. In the end there is one asset with one identity,
// what was acknowledged is there, and the agent is healthy.
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
	scanned atomic.Int64 // faults that struck a scan

	launched []int64 // acknowledged on-demand scans
	nudges   int
}

func newLife(t *testing.T, seed int) *life {
	l := &life{
		t: t, seed: seed, random: rand.New(rand.NewPCG(uint64(seed), 0)),
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
	return l.proxy.struck + int(l.scanned.Load())
}

// live goes through all rounds and looks at the end.
func (l *life) live() {
	l.tend()
	for round := range faultRounds {
		faults := faultsOf(l.seed, round, l.random)
		l.planned += len(faults)
		l.t.Logf("round %d: %v", round, faults)
		l.change(round, faults)
		l.arm(faults)
		if round == 0 {
			l.startAgent()
		} else {
			l.launch()
		}
		l.converge()
		l.proxy.disarm()
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

// arm sets faults up for the requests of a round, or for its scan.
func (l *life) arm(faults []fault) {
	for _, f := range faults {
		if f.step == stepScan {
			l.agent.onWorker(l.t, func(worker func()) {
				l.scanned.Add(1)
				l.setVictim(killWorker, worker)
				time.AfterFunc(f.delay, func() { l.strike(f) })
			})
			continue
		}
		l.proxy.arm(f)
	}
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
	l.setVictim(killPlatform, func() { _ = l.platform.cmd.Process.Kill() })
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
		if l.proxy.quiet() > stillFor {
			l.nudge()
		}
	}
}

// nudge does what people do when nothing happens: ask for a scan, then start the
// host again. An agent that lost its platform waits longer than a test can.
func (l *life) nudge() {
	l.t.Helper()
	l.nudges++
	if l.nudges%2 == 1 {
		l.launch()
	} else {
		l.agent.kill()
		l.tendAgent()
	}
	l.proxy.mu.Lock()
	l.proxy.last = time.Now()
	if l.nudges%2 == 0 {
		l.proxy.last = l.proxy.last.Add(startSpread)
	}
	l.proxy.mu.Unlock()
}

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

// checkAcknowledged looks into the database of a platform that was killed: what
// it has acknowledged must be there before anybody sends it again.
func (l *life) checkAcknowledged() {
	l.t.Helper()
	committed, underway := l.proxy.acknowledged()
	if committed == "" {
		return
	}
	if holds := l.query("SELECT digest FROM snapshots"); holds != committed && holds != underway {
		l.t.Errorf("the killed platform holds snapshot %q, acknowledged is %q (and %q was underway)", holds, committed, underway)
	}
	for _, id := range l.launched {
		if l.query("SELECT count(*) FROM scan_requests WHERE id = "+strconv.FormatInt(id, 10)) != "1" {
			l.t.Errorf("acknowledged scan %d is gone", id)
		}
	}
}

// query asks the database of a platform that does not run, once, for one value;
// it returns nothing for none.
func (l *life) query(query string) (value string) {
	l.t.Helper()
	db, err := sql.Open("sqlite", l.data.database(l.t))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(context.Background(), query).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		l.t.Fatalf("%s: %v", query, err)
	}
	return value
}

// database returns the path of the database, or of a copy where it is mounted for
// others only: SQLite does not find its way there.
func (f *folder) database(t *testing.T) string {
	t.Helper()
	if f.root == "" {
		return f.seen("vedette.db")
	}
	folder := t.TempDir()
	for _, name := range []string{"vedette.db", "vedette.db-wal"} {
		content, err := os.ReadFile(f.seen(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), content, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "vedette.db")
}

// check looks at the end of a life.
func (l *life) check() {
	l.t.Helper()
	asset := l.checkPlatform()
	report, err := session.ReadReport(l.agent.seen())
	if err != nil {
		l.t.Fatal(err)
	}
	if report.AgentID != asset.AgentInfo.AgentID {
		l.t.Errorf("the agent is %s, the asset has %s", report.AgentID, asset.AgentInfo.AgentID)
	}
	for _, q := range report.Queue {
		if q.State != "done" && q.State != "failed" && q.State != "rejected" {
			l.t.Errorf("the agent has request %d as %s still", q.ID, q.State)
		}
	}
	if code := l.platform.stop(l.t); code != 0 {
		l.t.Errorf("the platform stopped with exit code %d", code)
	}
	for query, want := range map[string]string{
		"SELECT digest FROM snapshots":                      report.Confirmed,
		"SELECT count(*) FROM uploads WHERE state = 'open'": "0",
		"SELECT count(*) FROM upload_fragments":             "0",
		"SELECT count(*) FROM agents":                       "1",
		"PRAGMA integrity_check":                            "ok",
		"SELECT count(*) FROM pragma_foreign_key_check":     "0",
		"SELECT count(*) FROM hosts":                        "1",
		"SELECT count(DISTINCT host_id) FROM agent_holders": "1",
	} {
		if got := l.query(query); got != want {
			l.t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// checkPlatform looks at what the API says and returns the asset.
func (l *life) checkPlatform() *qps.HostAsset {
	l.t.Helper()
	ctx := l.t.Context()
	assets, err := l.assets()
	if err != nil || len(assets) != 1 {
		l.t.Fatalf("%d assets (%v), want one", len(assets), err)
	}
	info := assets[0].AgentInfo
	if info.Status != qps.AgentActive {
		l.t.Errorf("the agent is %s, want %s", info.Status, qps.AgentActive)
	}
	l.proxy.mu.Lock()
	granted := l.proxy.agents
	l.proxy.mu.Unlock()
	if len(granted) != 1 || granted[0] != info.AgentID {
		l.t.Errorf("provisioning was answered with %v, the asset has agent %s", granted, info.AgentID)
	}
	keys, err := l.client.ActivationKeys(ctx)
	if err != nil || len(keys) != 1 || keys[0].CountUsed != 1 {
		l.t.Errorf("%d keys (%v), want one that was used once", len(keys), err)
	}
	for _, id := range l.launched {
		if _, err := l.client.Scan(ctx, id); err != nil {
			l.t.Errorf("acknowledged scan %d: %v", id, err)
		}
	}
	return assets[0]
}
