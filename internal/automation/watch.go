package automation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// ScanStates reports on-demand scans; *qpsclient.Client has it. Platforms
// without them answer qpsclient.ErrNoScanStates.
type ScanStates interface {
	Scans(ctx context.Context, q qpsclient.ScanQuery) ([]qpsclient.Scan, error)
	Scan(ctx context.Context, id int64) (qpsclient.Scan, error)
}

const (
	// firstPoll and lastPoll bound the time between two looks at scan states;
	// it grows by half each time. An inventory takes a second or more, other
	// scans minutes.
	firstPoll = 250 * time.Millisecond
	lastPoll  = 10 * time.Second

	// chirpPoll is the time between two looks at host assets. Agents of a
	// platform without scan states check in every few minutes.
	chirpPoll = 15 * time.Second

	// perScanPoll stretches the time between two looks when many scans are
	// watched, so that watching costs at most 50 requests per second.
	perScanPoll = 20 * time.Millisecond
)

// Progress is a change that a look has seen.
type Progress struct {
	ScanID  int64 `json:"scanId,omitempty"` // 0 when the platform does not report scan states
	AgentID int64 `json:"agentId"`          // the Cloud Agent ID
	// State is the new state of the scan, or without scan states the
	// chirpStatus of the agent.
	State   string        `json:"state"`
	Final   bool          `json:"final,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Elapsed time.Duration `json:"elapsed,omitempty"` // since the watch began
}

// Watcher makes watches of one platform.
type Watcher struct {
	Platform Platform
	States   ScanStates
	Now      func() time.Time
	// Sleep waits, or returns the context's error when that ends first. Only
	// Watch.Wait needs it.
	Sleep func(context.Context, time.Duration) error
}

// Watch follows the scans of one launch. Create it with Begin before the launch,
// so that what a platform shows of earlier scans is not taken for the new one's.
// It is used by one goroutine; between two looks it can be stored as JSON and
// taken up again with Resume.
type Watch struct {
	Watcher
	watched
}

// watched is what of a watch can be stored.
type watched struct {
	Type  qpsclient.ScanType `json:"type"`
	Began time.Time          `json:"began"`
	// Baseline is the last observation of each agent; nil where the platform
	// reports scan states.
	Baseline map[int64]observation `json:"baseline,omitempty"`
	Followed []int64               `json:"followed,omitempty"` // agents
	Scans    map[int64]int64       `json:"scans,omitempty"`    // scan id by agent
	Last     map[int64]string      `json:"last,omitempty"`     // state last reported, by agent
	Ends     map[int64]Progress    `json:"ends,omitempty"`     // by agent
	Failures map[int64]Error       `json:"failures,omitempty"` // by agent
	Interval time.Duration         `json:"interval"`           // until the next look
}

// Begin prepares to watch the scans of these agents that the next launch starts.
// It returns an error only when the context ends: what else goes wrong, the
// launch will report better.
func (w Watcher) Begin(ctx context.Context, ids []int64, scanType ScanType) (*Watch, error) {
	watch := w.watch(watched{Type: scanType.Wire, Began: w.Now()})
	_, err := w.States.Scans(ctx, qpsclient.ScanQuery{Limit: 1})
	if !errors.Is(err, qpsclient.ErrNoScanStates) {
		return watch, ctx.Err()
	}
	watch.Baseline, watch.Interval = make(map[int64]observation, len(ids)), chirpPoll
	_ = watch.eachAsset(ctx, ids, func(id int64, h *qps.HostAsset, err error) {
		if err == nil {
			watch.Baseline[id] = observe(h)
		}
	})
	return watch, ctx.Err()
}

// Resume takes up a watch that was stored as JSON.
func (w Watcher) Resume(stored []byte) (*Watch, error) {
	var state watched
	if err := json.Unmarshal(stored, &state); err != nil {
		return nil, fmt.Errorf("resume watch of scans: %w", err)
	}
	return w.watch(state), nil
}

func (w Watcher) watch(state watched) *Watch {
	if state.Scans == nil {
		state.Scans = map[int64]int64{}
	}
	if state.Last == nil {
		state.Last = map[int64]string{}
	}
	if state.Ends == nil {
		state.Ends = map[int64]Progress{}
	}
	if state.Failures == nil {
		state.Failures = map[int64]Error{}
	}
	return &Watch{Watcher: w, watched: state}
}

// MarshalJSON writes what Resume needs.
func (w *Watch) MarshalJSON() ([]byte, error) { return json.Marshal(w.watched) }

// ReportsStates says whether the platform reports scan states. Where it does
// not, the end of a scan is inferred from the host asset.
func (w *Watch) ReportsStates() bool { return w.Baseline == nil }

// BeganAt returns when Begin was called.
func (w *Watch) BeganAt() time.Time { return w.Began }

// Follow says which agents the launch has reached.
func (w *Watch) Follow(ids []int64) { w.Followed = ids }

// Open returns the agents whose scan goes on, as far as looks have told.
func (w *Watch) Open() []int64 {
	var open []int64
	for _, id := range w.Followed {
		_, ended := w.Ends[id]
		_, failed := w.Failures[id]
		if !ended && !failed {
			open = append(open, id)
		}
	}
	return open
}

// Pause returns how long to wait at least before the next look.
func (w *Watch) Pause() time.Duration {
	if w.Interval == 0 { // the scans are not known yet
		return 0
	}
	return max(w.Interval, time.Duration(len(w.Open()))*perScanPoll)
}

// Look looks once at every agent whose scan goes on, and reports what has
// changed. An error says that the platform cannot be asked now, or the end of the
// context; another look goes on from there.
func (w *Watch) Look(ctx context.Context, report func(Progress)) error {
	look := w.lookAtScans
	if !w.ReportsStates() {
		look = w.lookAtAssets
	}
	if err := look(ctx, w.Open(), report); err != nil {
		return err
	}
	if w.Interval == 0 {
		w.Interval = firstPoll
	} else {
		w.Interval = max(w.Interval, min(w.Interval*3/2, lastPoll))
	}
	return nil
}

// Wait looks again and again until the scans of these agents are final and adds
// to launched, the outcome of their launch, an error for each that did not
// complete. The end of the context ends the wait, never the scans; what is then
// known is returned with an error for those that go on, status 504 after a
// deadline.
func (w *Watch) Wait(ctx context.Context, launched Outcome, report func(Progress)) Outcome {
	w.Follow(launched.KeyFields[KeyAgentIDs])
	for len(w.Open()) > 0 {
		if pause := w.Pause(); pause > 0 {
			if err := w.Sleep(ctx, pause); err != nil {
				return w.Outcome(launched, err)
			}
		}
		if err := w.Look(ctx, report); err != nil {
			return w.Outcome(launched, err)
		}
	}
	return w.Outcome(launched, nil)
}

// saw reports a change and remembers an end.
func (w *Watch) saw(p Progress, report func(Progress)) {
	if w.Last[p.AgentID] == p.State && !p.Final {
		return
	}
	w.Last[p.AgentID] = p.State
	p.Elapsed = w.Now().Sub(w.Began)
	if p.Final {
		w.Ends[p.AgentID] = p
	}
	report(p)
}

// lookAtScans asks the platform for the states of scans.
func (w *Watch) lookAtScans(ctx context.Context, ids []int64, report func(Progress)) error {
	return w.eachScan(ctx, w.Type, ids, w.Scans, func(id int64, scan *qpsclient.Scan, err error) {
		switch {
		case err != nil:
			w.fail(id, err)
		case scan == nil:
			w.fail(id, fault.New(fault.NotFound, fmt.Sprintf("The platform lists no %s of Cloud Agent ID %d.", w.typeName(), id), ""))
		default:
			w.Scans[id] = scan.ID
			w.saw(Progress{ScanID: scan.ID, AgentID: id, State: string(scan.State), Final: scan.State.Final(), Reason: scan.Reason}, report)
		}
	})
}

// typeName returns the name of the scan type for people.
func (w *Watch) typeName() string {
	for _, t := range ScanTypes() {
		if t.Wire == w.Type {
			return t.Name
		}
	}
	return string(w.Type)
}

func (w *Watch) fail(id int64, err error) {
	e := launchScans.failure(err)
	e.Indicator += fmt.Sprintf(" Failed to follow the %s of Cloud Agent ID %d.", w.typeName(), id)
	e.AgentIDs = []int64{id}
	w.Failures[id] = e
}
