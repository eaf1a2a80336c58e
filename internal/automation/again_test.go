package automation

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// limited is what qpsclient returns of a platform that asks to wait.
func limited(wait time.Duration) error { return &qpsclient.StatusError{StatusCode: 429, Wait: wait} }

func TestALaunchGoesOnWhereThePlatformAskedToWait(t *testing.T) {
	t.Parallel()
	p := platformWith(1, 2, 4)
	refusals := 1
	p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
		switch {
		case l.AssetID == 4 && refusals > 0:
			refusals--
			return qpsclient.ScanLaunched{}, fmt.Errorf("launch: %w", limited(time.Minute))
		case p.assets[l.AssetID] == nil:
			return qpsclient.ScanLaunched{}, notFound()
		}
		return qpsclient.ScanLaunched{Count: 1, HasCount: true}, nil
	}
	in := LaunchInput{CloudAgentIDs: []string{"1", "2", "3", "4"}}
	first, _ := launchOn(p, in)
	if first.State != PartiallySuccessful || first.Again == nil || first.Again.After != time.Minute {
		t.Fatalf("first outcome = %+v, again %+v, want Partially Successful and a minute to wait", first, first.Again)
	}
	in.Before = first.Again.Tally
	second, got := launchOn(p, in)
	if diff := cmp.Diff([]string{"launch 1", "launch 2", "launch 3", "launch 4", "launch 4"}, got.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	want := [][]string{{"1", "Inventory Scan", "launched"}, {"2", "Inventory Scan", "launched"}, {"3", "Inventory Scan", "failed"}, {"4", "Inventory Scan", "launched"}}
	if diff := cmp.Diff(want, second.Result.Rows); diff != "" || second.Again != nil || len(second.Errors) != 1 || second.Errors[0].StatusCode != 404 {
		t.Errorf("again %v, errors %v, rows (-want +got):\n%s", second.Again, second.Errors, diff)
	}
}

func TestALaunchIsNotRepeatedWhenItMayHaveBeenCarriedOut(t *testing.T) {
	t.Parallel()
	p := platformWith(1)
	p.launch = func(qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
		return qpsclient.ScanLaunched{}, unreachableHost(qpsclient.KindTimeout)
	}
	if out, _ := launchOn(p, LaunchInput{CloudAgentIDs: []string{"1"}}); out.Again != nil || out.State != Failed {
		t.Errorf("outcome = %+v, want Failed for good", out)
	}
}

// The account may search less than it may launch; one that is asked to wait may
// not be sent a call for each agent instead.
func TestABatchWaitsWhenTheSearchForItsAgentsIsAskedTo(t *testing.T) {
	t.Parallel()
	p := platformWith(idRange(1, 10)...)
	p.search = func(qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) { return nil, limited(time.Minute) }
	out, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 10)})
	if diff := cmp.Diff([]string{"search"}, got.Calls); diff != "" || out.Again == nil {
		t.Errorf("again %v, calls (-want +got):\n%s", out.Again, diff)
	}
}

func TestAgentsThatAnotherRunHasServedAreSkippedAndNoError(t *testing.T) {
	t.Parallel()
	p := platformWith(1, 2)
	out, got := launchOn(p, LaunchInput{CloudAgentIDs: []string{"1", "2"}, Before: Tally{Skipped: []int64{1}}})
	if diff := cmp.Diff([]string{"launch 2"}, got.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if out.State != Successful || len(out.Errors) != 0 || out.Result.Rows[0][2] != "skipped-duplicate" {
		t.Errorf("outcome = %+v, want Successful with 1 skipped", out)
	}
	want := map[string][]int64{KeyAgentIDs: {1, 2}, KeySkippedIDs: {1}}
	if diff := cmp.Diff(want, out.KeyFields); diff != "" {
		t.Errorf("key fields (-want +got):\n%s", diff)
	}
	var records []map[string]any
	if err := json.Unmarshal(out.ContextData, &records); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"id": 1.0, "scanType": "Inventory Scan", "result": "skipped-duplicate"}, records[0]); diff != "" {
		t.Errorf("context data (-want +got):\n%s", diff)
	}
}

// tagger is a platform that changes the tags of the agents it has.
type tagger struct {
	has   []int64
	calls [][]int64
}

func (p *tagger) AssignTags(_ context.Context, ids []int64, _ qps.TagAssignment) ([]int64, error) {
	p.calls = append(p.calls, ids)
	var changed []int64
	for _, id := range ids {
		for _, has := range p.has {
			if id == has {
				changed = append(changed, id)
			}
		}
	}
	return changed, nil
}

func TestAgentsThatThePlatformPassedOverAreNamed(t *testing.T) {
	t.Parallel()
	p := &tagger{has: []int64{1, 2, 3, 4, 5, 6}}
	out := Tagging(p, "Tag Cloud Agents", "tagged", qps.TagAssignment{Add: []int64{9}}).Run(t.Context(), idTexts(1, 7), Tally{})
	if len(p.calls) != 1 || out.State != PartiallySuccessful || len(out.Errors) != 1 {
		t.Fatalf("%d calls, outcome %+v, want one call and one error", len(p.calls), out)
	}
	const want = "Tag Cloud Agents failed. Failed to change the tags of Cloud Agent ID 7.\nStatus Code: 404.\nMessage: There is no Cloud Agent with ID 7.\n"
	if got := threeLines(out.Errors[0]); got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
}

func TestARehearsalCountsAsDone(t *testing.T) {
	t.Parallel()
	p := platformWith(1, 2)
	p.launch = func(qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
		return qpsclient.ScanLaunched{}, fmt.Errorf("launch: %w", qpsclient.ErrRehearsed)
	}
	if out, _ := launchOn(p, LaunchInput{CloudAgentIDs: []string{"1", "2"}}); out.State != Successful {
		t.Errorf("launch = %+v, want Successful", out)
	}
}

// A watch that is stored after every look and taken up by another process comes
// to the same outcome.
func TestAWatchCanBeStoredBetweenLooks(t *testing.T) {
	t.Parallel()
	old := testNow().Add(-time.Hour)
	vuln := &qps.HostAsset{ID: 7, LastVulnScan: testNow().Add(time.Minute), AgentInfo: &qps.AgentInfo{}}
	looks := []*qps.HostAsset{{ID: 7, LastVulnScan: old}, {ID: 7, LastVulnScan: old}, {ID: 7, LastVulnScan: old}, vuln}
	fallback := platformWith(7)
	fallback.get = func(int64) (*qps.HostAsset, error) {
		h := looks[0]
		looks = looks[min(1, len(looks)-1):]
		return h, nil
	}
	tests := []struct {
		name     string
		platform *fakePlatform
		states   *fakeStates
		scanType string
		looks    int
	}{
		{"with-scan-states", platformWith(7), &fakeStates{script: map[int64][]qpsclient.Scan{
			7: scanSteps(7, qpsclient.ScanQueued, qpsclient.ScanRunning, qpsclient.ScanComplete)}}, "inventory", 3},
		{"without", fallback, &fakeStates{missing: true}, "vulnerability", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.states.now = testNow()
			watcher := Watcher{Platform: tt.platform, States: tt.states, Now: func() time.Time { return tt.states.now }}
			scanType, err := ParseScanType(tt.scanType)
			if err != nil {
				t.Fatal(err)
			}
			watch, err := watcher.Begin(t.Context(), []int64{7}, scanType)
			if err != nil {
				t.Fatal(err)
			}
			launched := NewCommands(tt.platform, testNow).LaunchOnDemandScans(t.Context(), LaunchInput{CloudAgentIDs: []string{"7"}, ScanType: tt.scanType})
			watch.Follow([]int64{7})
			n := 0
			for ; len(watch.Open()) > 0 && n < 10; n++ {
				stored, err := json.Marshal(watch)
				if err != nil {
					t.Fatal(err)
				}
				if watch, err = watcher.Resume(stored); err != nil {
					t.Fatal(err)
				}
				if out := watch.Outcome(launched, nil); out.State != Failed || out.Errors[0].StatusCode != 504 {
					t.Errorf("outcome before the end = %+v, want Failed with 504", out)
				}
				if err := watch.Look(t.Context(), func(Progress) {}); err != nil {
					t.Fatal(err)
				}
			}
			if out := watch.Outcome(launched, nil); n != tt.looks || out.State != Successful || out.Result.Rows[0][2] != "complete" {
				t.Errorf("after %d looks: %+v, want Successful after %d", n, out, tt.looks)
			}
		})
	}
}

func TestManyAgentsWithoutScanStatesAreWatchedWithFewCalls(t *testing.T) {
	t.Parallel()
	p, s := platformWith(idRange(1, 250)...), &fakeStates{missing: true, now: testNow()}
	for _, h := range p.assets {
		h.AgentInfo.ChirpStatus = "Manifest Downloaded"
	}
	s.onSleep = func(int) {
		for _, h := range p.assets {
			h.AgentInfo.ChirpStatus = "Inventory Scan Complete"
		}
		delete(p.assets, 250)
	}
	out, _ := launchAndWait(t.Context(), t, p, s, "inventory", idTexts(1, 250)...)
	if out.State != PartiallySuccessful || len(out.Errors) != 1 || out.Errors[0].StatusCode != 404 || out.Errors[0].AgentIDs[0] != 250 {
		t.Errorf("state %s, errors %v, want one error for the agent that is gone", out.State, out.Errors)
	}
	searches := 0
	for _, call := range p.calls {
		if call == "search" {
			searches++
		}
	}
	// Three for the baseline, three to know the agents, three to look.
	if searches != 9 || len(p.calls) != 12 {
		t.Errorf("%d calls, %d of them searches, want 12 and 9", len(p.calls), searches)
	}
}

// listing is a platform that reports scans and lists them newest first.
type listing struct {
	scans []qpsclient.Scan
	calls []string
}

func (l *listing) Scans(_ context.Context, q qpsclient.ScanQuery) ([]qpsclient.Scan, error) {
	l.calls = append(l.calls, fmt.Sprintf("list %d before %d", q.AssetID, q.Before))
	var page []qpsclient.Scan
	for _, s := range l.scans {
		if (q.AssetID == 0 || s.AssetID == q.AssetID) && (q.Before == 0 || s.ID < q.Before) && len(page) < q.Limit {
			page = append(page, s)
		}
	}
	return page, nil
}

func (l *listing) Scan(_ context.Context, id int64) (qpsclient.Scan, error) {
	l.calls = append(l.calls, fmt.Sprintf("show %d", id))
	for _, s := range l.scans {
		if s.ID == id {
			return s, nil
		}
	}
	return qpsclient.Scan{}, notFound()
}

func TestTheScansOfManyAgentsAreReadFromTheList(t *testing.T) {
	t.Parallel()
	l := &listing{}
	for id := int64(500); id >= 1; id-- { // two of each agent, the newer ones complete
		s := qpsclient.Scan{ID: id, AssetID: (id-1)%250 + 1, State: qpsclient.ScanFailed}
		if id > 250 {
			s.State = qpsclient.ScanComplete
		}
		l.scans = append(l.scans, s)
	}
	w := Watcher{Platform: platformWith(), States: l, Now: testNow}
	got, err := w.Standings(t.Context(), ScanQuestion{AgentIDs: idRange(1, 251), Type: ScanTypes()[0]})
	if err != nil || len(got.Standings) != 251 {
		t.Fatalf("%d standings, %v, want 251", len(got.Standings), err)
	}
	for _, s := range got.Standings[:250] {
		if s.State != string(qpsclient.ScanComplete) || s.ScanID != s.AgentID+250 {
			t.Errorf("agent %d = %+v, want its newest scan", s.AgentID, s)
		}
	}
	if last := got.Standings[250]; last.State != NoScan {
		t.Errorf("an agent without a scan = %+v, want none", last)
	}
	want := []string{"list 0 before 0", "list 0 before 301", "list 0 before 101", "list 251 before 0"}
	if diff := cmp.Diff(want, l.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
