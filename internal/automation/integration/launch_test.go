package integration

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// ledger is a Ledger in memory.
type ledger struct {
	mu      sync.Mutex
	entries map[int64]LaunchEntry
	err     error
}

func (l *ledger) Claim(_ context.Context, c LaunchClaim) ([]LaunchEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	var standing []LaunchEntry
	for _, id := range c.AssetIDs {
		e, there := l.entries[id]
		mine := e.Key == c.Key
		if there && !e.At.Before(c.Since) && (mine && e.Settled || !mine && !c.Force) {
			standing = append(standing, e)
			continue
		}
		l.entries[id] = LaunchEntry{AssetID: id, Key: c.Key, At: c.At}
	}
	return standing, nil
}

func (l *ledger) Settle(_ context.Context, c LaunchClaim, launched, released []int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range launched {
		e := l.entries[id]
		e.Settled = true
		l.entries[id] = e
	}
	for _, id := range released {
		if l.entries[id].Key == c.Key {
			delete(l.entries, id)
		}
	}
	return l.err
}

// launchOn launches inventory scans under a key.
func launchOn(t *testing.T, p *platform, l Ledger, key string, force bool, ids ...any) Answer {
	t.Helper()
	c := command(t, "launch-on-demand-scans")
	v, err := c.Check(map[string]any{"cloudAgentIds": ids}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := p.session(t)
	s.Ledger = l
	return c.Execute(t.Context(), s, Call{Values: v, Key: key, Force: force})
}

func results(a Answer) []string {
	var list []string
	for _, row := range a.Result.Rows {
		list = append(list, row[0]+" "+row[len(row)-1])
	}
	return list
}

func TestTheSameScanIsNotLaunchedTwiceWithinTenMinutes(t *testing.T) {
	t.Parallel()
	p, l := newPlatform(t), &ledger{entries: map[int64]LaunchEntry{}}
	if first := launchOn(t, p, l, "run-1", false, 1); first.State != automation.Successful {
		t.Fatalf("first launch = %+v", first.Outcome)
	}
	second := launchOn(t, p, l, "run-2", false, 1, 2)
	if diff := cmp.Diff([]string{"1 skipped-duplicate", "2 launched"}, results(second)); diff != "" || second.State != automation.Successful || len(second.Errors) != 0 {
		t.Errorf("second launch = %+v, results (-want +got):\n%s", second.Outcome, diff)
	}
	if forced := launchOn(t, p, l, "run-3", true, 1); !slices.Equal(results(forced), []string{"1 launched"}) {
		t.Errorf("forced launch = %v, want it launched", results(forced))
	}
	_ = p.sleep(t.Context(), DefaultLaunchWindow+time.Second)
	if later := launchOn(t, p, l, "run-4", false, 1); !slices.Equal(results(later), []string{"1 launched"}) {
		t.Errorf("launch after the window = %v, want it launched", results(later))
	}
	if n := len(p.received()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

func TestALaunchRepeatedAfterACrashDoesNotLaunchWhatItLaunched(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	l := &ledger{entries: map[int64]LaunchEntry{
		1: {AssetID: 1, Key: "run-1", At: testNow(), Settled: true},
		2: {AssetID: 2, Key: "run-1", At: testNow()}, // sent or not, nobody knows
	}}
	again := launchOn(t, p, l, "run-1", false, 1, 2)
	if diff := cmp.Diff([]string{"1 launched", "2 launched"}, results(again)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	requests := p.received()
	if len(requests) != 1 || requests[0].path != "/qps/rest/1.0/ods/ca/agentasset/2" {
		t.Errorf("requests = %v, want one for agent 2", requests)
	}
}

func TestOnlyWhatWasCertainlyNotLaunchedIsLetGo(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		fault func(w http.ResponseWriter, r *http.Request)
		kept  bool
	}{
		"refused":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, false},
		"unknown-agent":   {nil, false},
		"connection-lost": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"asked-to-wait":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "60"); w.WriteHeader(429) }, true},
		"asked-to-wait-on": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(429)
		}, false},
	}
	for name, tt := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, l, id := newPlatform(t), &ledger{entries: map[int64]LaunchEntry{}}, int64(1)
			if tt.fault == nil {
				id = 9
			} else {
				p.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool { tt.fault(w, r); return true }
			}
			launchOn(t, p, l, "run-1", false, id)
			if e, kept := l.entries[id]; kept != tt.kept || e.Settled {
				t.Errorf("entry = %+v, %t, want %t and not settled", e, kept, tt.kept)
			}
		})
	}
}

func TestALedgerThatFailsKeepsTheScansFromBeingLaunched(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a := launchOn(t, p, &ledger{err: errors.New("database s3cret is locked")}, "run-1", false, 1)
	if a.State != automation.Failed || len(p.received()) != 0 || strings.Contains(a.Errors[0].Text(), "s3cret") || a.Errors[0].StatusCode != 500 {
		t.Errorf("outcome = %+v after %d requests, want Failed with a bland 500 and none", a.Outcome, len(p.received()))
	}
}

// waiting executes a launch that waits, in which every continuation is stored and
// read again.
func waiting(t *testing.T, p *platform, scanType string, wait Wait, ids ...any) (Answer, int) {
	t.Helper()
	c := command(t, "launch-on-demand-scans")
	v, err := c.Check(map[string]any{"cloudAgentIds": ids, "scanType": scanType}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, p, c, Call{Values: v, Key: "run-1", Wait: &wait})
}

func launches(p *platform) int {
	n := 0
	for _, r := range p.received() {
		if strings.Contains(r.path, "/ods/") {
			n++
		}
	}
	return n
}

func TestALaunchWaitsForItsScansWithoutHoldingAWorker(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.scans = map[int64][]qpsclient.ScanState{
		1: {qpsclient.ScanQueued, qpsclient.ScanQueued, qpsclient.ScanRunning, qpsclient.ScanComplete}, // the first is what Begin looks at
		2: {qpsclient.ScanQueued, qpsclient.ScanFailed},
	}
	answer, called := waiting(t, p, "Inventory Scan", Wait{}, 1, 2, 9)
	if answer.State != automation.PartiallySuccessful || called != 4 || launches(p) != 3 {
		t.Errorf("after %d calls and %d launches %+v, want Partially Successful after 4 and 3", called, launches(p), answer.Outcome)
	}
	if diff := cmp.Diff([]string{"1 complete", "2 failed", "9 failed"}, results(answer)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for _, d := range p.slept {
		if d != DefaultWaitInterval {
			t.Errorf("slept %s, want %s", d, DefaultWaitInterval)
		}
	}
}

// Two runs at the same moment: before the first has its scan, what the platform lists
// is an earlier one, or nothing.
func TestALaunchThatWaitsGivesWayToOneOnItsWay(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.scans = map[int64][]qpsclient.ScanState{1: {qpsclient.ScanComplete}, 2: {qpsclient.ScanComplete}}
	l := &ledger{entries: map[int64]LaunchEntry{1: {AssetID: 1, Key: "run-1", At: testNow()}}}
	c := command(t, "launch-on-demand-scans")
	v, err := c.Check(map[string]any{"cloudAgentIds": []any{1, 2}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := p.session(t)
	s.Ledger = l
	call := Call{Values: v, Key: "run-2", Wait: &Wait{}}
	first := c.Execute(t.Context(), s, call)
	if first.Continue == nil || first.Continue.After != givesWayAgain || launches(p) != 0 || len(l.entries) != 1 {
		t.Fatalf("it went on with %+v, %d launches, claims %v", first, launches(p), l.entries)
	}
	t.Run("the_other_has_its_scan", func(t *testing.T) {
		settled := &ledger{entries: map[int64]LaunchEntry{1: {AssetID: 1, Key: "run-1", At: testNow(), Settled: true}}}
		s, call := s, call
		s.Ledger, call.Cursor = settled, first.Continue.Cursor
		if a := c.Execute(t.Context(), s, call); a.Continue != nil || a.State != automation.Successful || launches(p) != 1 {
			t.Errorf("it came to %+v after %d launches", a, launches(p))
		}
	})
	t.Run("the_other_gave_up", func(t *testing.T) {
		s, call := s, call
		s.Ledger, call.Cursor = &ledger{entries: map[int64]LaunchEntry{}}, first.Continue.Cursor
		if a := c.Execute(t.Context(), s, call); a.Continue != nil || a.State != automation.Successful || launches(p) != 3 {
			t.Errorf("it came to %+v after %d launches", a, launches(p))
		}
	})
	t.Run("the_other_is_dead", func(t *testing.T) {
		_ = p.sleep(t.Context(), givesWayFor)
		s, call := s, call
		s.Ledger, call.Cursor = l, first.Continue.Cursor
		if a := c.Execute(t.Context(), s, call); a.State == "" && a.Continue.Reason == first.Continue.Reason {
			t.Errorf("it gives way for ever: %+v", a)
		}
	})
}

func TestTheEndOfTheTimeToWaitIsNeverASuccess(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.scans = map[int64][]qpsclient.ScanState{1: {qpsclient.ScanRunning}}
	answer, called := waiting(t, p, "Inventory Scan", Wait{Interval: 2 * time.Minute, Timeout: 5 * time.Minute}, 1)
	if answer.State != automation.Failed || len(answer.Errors) != 1 || answer.Errors[0].StatusCode != http.StatusGatewayTimeout {
		t.Fatalf("outcome = %+v, want Failed with 504", answer.Outcome)
	}
	if got := answer.Errors[0].Message; got != "The time to wait is over. The scan goes on." {
		t.Errorf("message = %q", got)
	}
	if diff := cmp.Diff([]time.Duration{2 * time.Minute, 2 * time.Minute, time.Minute}, p.slept); diff != "" || called != 4 {
		t.Errorf("%d calls, pauses (-want +got):\n%s", called, diff)
	}
}

// Where scans are not reported, what agents show before the launch is stored
// before it, so that a crash after it does not lose it.
func TestWithoutScanStatesTheLaunchFollowsAStoredBaseline(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.assets = func(id int64) *qps.HostAsset {
		h := &qps.HostAsset{ID: id, AgentInfo: &qps.AgentInfo{}, LastVulnScan: testNow().Add(-time.Hour)}
		if p.now.After(testNow().Add(2 * time.Minute)) {
			h.LastVulnScan = testNow().Add(time.Minute)
		}
		return h
	}
	c := command(t, "launch-on-demand-scans")
	v, err := c.Check(map[string]any{"cloudAgentIds": 1, "scanType": "Vulnerability Scan"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := c.Execute(t.Context(), p.session(t), Call{Values: v, Key: "run-1", Wait: &Wait{}})
	if first.Continue == nil || first.Continue.After != 0 || launches(p) != 0 {
		t.Fatalf("first answer = %+v with %d launches, want a continuation at once and none", first, launches(p))
	}
	answer, called := waiting(t, p, "Vulnerability Scan", Wait{}, 1)
	if answer.State != automation.Successful || launches(p) != 1 || called != 5 {
		t.Errorf("after %d calls and %d launches %+v, want Successful after 5 and one", called, launches(p), answer.Outcome)
	}
}

func TestALostPlatformDoesNotEndAWait(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.scans = map[int64][]qpsclient.ScanState{1: {qpsclient.ScanQueued, qpsclient.ScanRunning, qpsclient.ScanComplete}}
	p.fault = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n >= 4 && n < 7 {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	answer, _ := waiting(t, p, "Inventory Scan", Wait{}, 1)
	if answer.State != automation.Successful || launches(p) != 1 {
		t.Errorf("outcome = %+v after %d launches, want Successful after one", answer.Outcome, launches(p))
	}
}

func TestALaunchThatIsPutOffInTheMiddleLaunchesEachOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.scans = map[int64][]qpsclient.ScanState{1: {qpsclient.ScanQueued, qpsclient.ScanComplete}, 2: {qpsclient.ScanQueued, qpsclient.ScanComplete}}
	p.fault = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n != 3 { // the scan states, agent 1, agent 2
			return false
		}
		w.Header().Set("X-RateLimit-ToWait-Sec", "300")
		w.WriteHeader(http.StatusConflict)
		return true
	}
	answer, _ := waiting(t, p, "Inventory Scan", Wait{}, 1, 2)
	sent := map[string]int{}
	for _, r := range p.received() {
		if strings.Contains(r.path, "/ods/") {
			sent[r.path]++
		}
	}
	if diff := cmp.Diff(map[string]int{"/qps/rest/1.0/ods/ca/agentasset/1": 1, "/qps/rest/1.0/ods/ca/agentasset/2": 2}, sent); diff != "" || answer.State != automation.Successful {
		t.Errorf("outcome %+v, launches (-want +got):\n%s", answer.Outcome, diff)
	}
}

func TestConnectorsAreFollowedToTheEndOfTheirRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		states []string
		want   automation.State
		status int
		called int
	}{
		{"good", []string{qps.ConnectorQueued, qps.ConnectorRunning, qps.ConnectorFinishedSuccess}, automation.Successful, 0, 3},
		{"some-regions-failed", []string{qps.ConnectorQueued, qps.ConnectorFinishedErrors}, automation.PartiallySuccessful, 500, 2},
		{"failed", []string{qps.ConnectorQueued, qps.ConnectorError}, automation.Failed, 500, 2},
		{"endless", []string{qps.ConnectorRunning}, automation.Failed, 504, 31},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, c := newPlatform(t), command(t, "run-connectors")
			p.states = tt.states
			v, err := c.Check(map[string]any{"connectors": "5"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, called := finish(t, p, c, Call{Values: v, Key: "run-1", Wait: &Wait{}})
			if answer.State != tt.want || called != tt.called || (tt.status != 0) != (len(answer.Errors) == 1) {
				t.Fatalf("after %d calls %+v, want %s after %d", called, answer.Outcome, tt.want, tt.called)
			}
			if tt.status != 0 && answer.Errors[0].StatusCode != tt.status {
				t.Errorf("status = %d, want %d", answer.Errors[0].StatusCode, tt.status)
			}
		})
	}
}

func TestACursorThatCannotBeReadIsAFailure(t *testing.T) {
	t.Parallel()
	a := command(t, "search-cloud-agents").Execute(t.Context(), newPlatform(t).session(t), Call{Cursor: json.RawMessage(`[1]`)})
	if a.State != automation.Failed || a.Continue != nil {
		t.Errorf("answer = %+v, want Failed", a)
	}
}
