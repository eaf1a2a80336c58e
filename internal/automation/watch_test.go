package automation

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// fakeStates is a platform whose scans go through the states of a script, one
// step per look. It also is the clock: a sleep moves it.
type fakeStates struct {
	now     time.Time
	slept   []time.Duration
	script  map[int64][]qpsclient.Scan // by agent; the last repeats
	missing bool                       // no automation API
	err     error                      // of Scan
	onSleep func(n int)                // after the nth sleep
}

func (s *fakeStates) sleep(ctx context.Context, d time.Duration) error {
	s.slept = append(s.slept, d)
	s.now = s.now.Add(d)
	if s.onSleep != nil {
		s.onSleep(len(s.slept))
	}
	return ctx.Err()
}

func (s *fakeStates) Scans(_ context.Context, q qpsclient.ScanQuery) ([]qpsclient.Scan, error) {
	if s.missing {
		return nil, fmt.Errorf("list: %w", qpsclient.ErrNoScanStates)
	}
	if steps := s.script[q.AssetID]; len(steps) > 0 {
		return steps[:1], nil
	}
	return nil, nil
}

func (s *fakeStates) Scan(_ context.Context, id int64) (qpsclient.Scan, error) {
	if s.err != nil {
		return qpsclient.Scan{}, s.err
	}
	for agent, steps := range s.script {
		if steps[0].ID == id {
			if len(steps) > 1 {
				s.script[agent] = steps[1:]
			}
			return s.script[agent][0], nil
		}
	}
	return qpsclient.Scan{}, notFound()
}

// scanSteps returns the scan of an agent in each of these states. Its id is a
// hundred times that of the agent.
func scanSteps(agent int64, states ...qpsclient.ScanState) []qpsclient.Scan {
	steps := make([]qpsclient.Scan, len(states))
	for i, state := range states {
		steps[i] = qpsclient.Scan{ID: agent * 100, AssetID: agent, Type: qpsclient.InventoryScan, State: state}
		if state == qpsclient.ScanRejected {
			steps[i].Reason = "module AGENT_VM is not activated"
		}
	}
	return steps
}

// launchAndWait runs a watch around a launch, as the command line does.
func launchAndWait(ctx context.Context, t *testing.T, p *fakePlatform, s *fakeStates, scanType string, ids ...string) (Outcome, []string) {
	t.Helper()
	wanted, err := ParseScanType(scanType)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseAgentIDs(ids)
	if err != nil {
		t.Fatal(err)
	}
	s.now = testNow()
	watch, err := Watcher{Platform: p, States: s, Now: func() time.Time { return s.now }, Sleep: s.sleep}.Begin(ctx, parsed, wanted)
	if err != nil {
		t.Fatal(err)
	}
	launched := NewCommands(p, testNow).LaunchOnDemandScans(ctx, LaunchInput{CloudAgentIDs: ids, ScanType: scanType})
	var progress []string
	out := watch.Wait(ctx, launched, func(p Progress) {
		progress = append(progress, fmt.Sprintf("%s agent %d scan %d %s", p.Elapsed, p.AgentID, p.ScanID, p.State))
	})
	return out, progress
}

func TestWaitFollowsScanStates(t *testing.T) {
	t.Parallel()
	s := &fakeStates{script: map[int64][]qpsclient.Scan{
		7: scanSteps(7, qpsclient.ScanQueued, qpsclient.ScanRunning, qpsclient.ScanRunning, qpsclient.ScanUploaded, qpsclient.ScanComplete)}}
	out, progress := launchAndWait(context.Background(), t, platformWith(7), s, "inventory", "7")
	want := []string{"0s agent 7 scan 700 queued", "250ms agent 7 scan 700 running", "1.1875s agent 7 scan 700 uploaded", "2.03125s agent 7 scan 700 complete"}
	if diff := cmp.Diff(want, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if out.State != Successful || len(out.Errors) != 0 || out.Result.Rows[0][2] != "complete" {
		t.Errorf("outcome = %+v, want Successful and complete", out)
	}
}

func TestWaitSaysWhichScansDidNotComplete(t *testing.T) {
	t.Parallel()
	s := &fakeStates{script: map[int64][]qpsclient.Scan{
		1: scanSteps(1, qpsclient.ScanQueued, qpsclient.ScanComplete),
		2: scanSteps(2, qpsclient.ScanRejected),
		3: scanSteps(3, qpsclient.ScanQueued, qpsclient.ScanExpired),
		4: scanSteps(4, qpsclient.ScanRunning, qpsclient.ScanFailed),
	}}
	out, _ := launchAndWait(context.Background(), t, platformWith(1, 2, 3, 4), s, "inventory", "1", "2", "3", "4", "5")
	var got []string
	for _, e := range out.Errors {
		got = append(got, fmt.Sprintf("%d %v %s", e.StatusCode, e.AgentIDs, e.Message))
	}
	want := []string{"404 [5] There is no such asset.", "409 [2] Module AGENT_VM is not activated.", "504 [3] The scan is expired.", "500 [4] The scan is failed."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if out.State != PartiallySuccessful {
		t.Errorf("state = %s, want Partially Successful", out.State)
	}
}

func TestWaitEndsBeforeTheScan(t *testing.T) {
	t.Parallel()
	endless := func() *fakeStates {
		return &fakeStates{script: map[int64][]qpsclient.Scan{7: scanSteps(7, qpsclient.ScanQueued)}}
	}

	t.Run("when the caller stops it", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		s := endless()
		s.onSleep = func(n int) {
			if n == 3 {
				cancel()
			}
		}
		out, _ := launchAndWait(ctx, t, platformWith(7), s, "inventory", "7")
		if out.State != Failed || out.Errors[0].StatusCode != StatusCancelled || !strings.Contains(out.Errors[0].Message, "The scan goes on.") {
			t.Errorf("outcome = %+v, want 499 that says the scan goes on", out)
		}
	})

	t.Run("when the platform is lost", func(t *testing.T) {
		t.Parallel()
		s := endless()
		s.err = unreachableHost(qpsclient.KindConnect)
		out, _ := launchAndWait(context.Background(), t, platformWith(7), s, "inventory", "7")
		if out.State != Failed || out.Errors[0].StatusCode != 502 || !strings.Contains(out.Errors[0].Indicator, "Not known to be finished: Cloud Agent ID 7") {
			t.Errorf("outcome = %+v, want 502 that names agent 7", out)
		}
	})
}

// The deadline is a distinct outcome, never a silent success.
func TestWaitReportsItsDeadline(t *testing.T) {
	t.Parallel()
	e := openError([]int64{7}, context.DeadlineExceeded)
	if e.StatusCode != 504 || e.Message != "The time to wait is over. The scan goes on." {
		t.Errorf("error = %+v, want 504 that says so", e)
	}
}

func TestWaitSlowsDownForManyScans(t *testing.T) {
	t.Parallel()
	s := &fakeStates{script: map[int64][]qpsclient.Scan{}}
	p := platformWith(idRange(1, 1000)...)
	for id := range p.assets {
		s.script[id] = scanSteps(id, qpsclient.ScanQueued, qpsclient.ScanComplete)
	}
	out, _ := launchAndWait(context.Background(), t, p, s, "inventory", idTexts(1, 1000)...)
	if diff := cmp.Diff([]time.Duration{20 * time.Second}, s.slept); diff != "" || out.State != Successful {
		t.Errorf("state %s, sleeps (-want +got):\n%s", out.State, diff)
	}
}

func TestWaitFallsBackToHostAssets(t *testing.T) {
	t.Parallel()
	old, recent := testNow().Add(-time.Hour), testNow().Add(time.Minute)
	chirp := func(words string) *qps.HostAsset {
		return &qps.HostAsset{ID: 7, LastVulnScan: old, LastComplianceScan: old, AgentInfo: &qps.AgentInfo{ChirpStatus: words}}
	}
	vuln, compliance := chirp("Scan Complete"), chirp("Scan Complete")
	vuln.LastVulnScan, compliance.LastComplianceScan = recent, recent
	tests := []struct {
		name     string
		scanType string
		looks    []*qps.HostAsset // the first is the one before the launch
		sleeps   int
	}{
		{"an inventory ends when chirpStatus becomes complete", "inventory",
			[]*qps.HostAsset{chirp("Manifest Downloaded"), chirp("Manifest Downloaded"), chirp("Inventory Scan Complete")}, 2},
		{"a chirpStatus that was complete before proves nothing", "inventory",
			[]*qps.HostAsset{chirp("Inventory Scan Complete"), chirp("Inventory Scan Complete"), chirp("Inventory Manifest Downloaded"), chirp("Inventory Scan Complete")}, 3},
		{"a vulnerability scan ends when its date moves", "vulnerability", []*qps.HostAsset{chirp("x"), chirp("Scan Complete"), vuln}, 2},
		{"a compliance scan ends when its date moves", "policy-compliance", []*qps.HostAsset{chirp("x"), vuln, compliance}, 2},
		{"an asset that could not be read before proves nothing at first", "vulnerability", []*qps.HostAsset{nil, chirp("x"), vuln}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, s := platformWith(7), &fakeStates{missing: true}
			looks := tt.looks
			p.get = func(int64) (*qps.HostAsset, error) {
				h := looks[0]
				looks = looks[min(1, len(looks)-1):]
				if h == nil {
					return nil, bareStatus(500)
				}
				return h, nil
			}
			out, _ := launchAndWait(context.Background(), t, p, s, tt.scanType, "7")
			if out.State != Successful || len(s.slept) != tt.sleeps {
				t.Errorf("state %s after %d looks, want Successful after %d", out.State, len(s.slept), tt.sleeps)
			}
			for _, d := range s.slept {
				if d != chirpPoll {
					t.Errorf("slept %s, want %s", d, chirpPoll)
				}
			}
		})
	}
}
