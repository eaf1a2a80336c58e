package automation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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

// Progress is a change that Wait has seen.
type Progress struct {
	ScanID  int64 // 0 when the platform does not report scan states
	AgentID int64 // the Cloud Agent ID
	// State is the new state of the scan, or without scan states the
	// chirpStatus of the agent.
	State   string
	Final   bool
	Reason  string
	Elapsed time.Duration // since the watch began
}

// Watch follows the scans of one launch. Create it with Begin before the launch,
// so that what a platform shows of earlier scans is not taken for the new one's.
// It is used by one goroutine.
type Watch struct {
	platform Platform
	states   ScanStates
	scanType ScanType
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error
	began    time.Time
	// baseline is the last observation of each agent; nil where the platform
	// reports scan states.
	baseline map[int64]observation
}

// Watcher makes watches of one platform.
type Watcher struct {
	Platform Platform
	States   ScanStates
	Now      func() time.Time
	// Sleep waits, or returns the context's error when that ends first.
	Sleep func(context.Context, time.Duration) error
}

// Begin prepares to watch the scans of these agents that the next launch starts.
// It returns an error only when the context ends: what else goes wrong, the
// launch will report better.
func (w Watcher) Begin(ctx context.Context, ids []int64, scanType ScanType) (*Watch, error) {
	watch := &Watch{
		platform: w.Platform, states: w.States, scanType: scanType, now: w.Now, sleep: w.Sleep, began: w.Now(),
	}
	_, err := w.States.Scans(ctx, qpsclient.ScanQuery{Limit: 1})
	if !errors.Is(err, qpsclient.ErrNoScanStates) {
		return watch, ctx.Err()
	}
	watch.baseline = make(map[int64]observation, len(ids))
	for _, id := range ids {
		asset, err := w.Platform.GetHostAsset(ctx, id)
		if err == nil {
			watch.baseline[id] = observe(asset)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return watch, nil
}

// ReportsStates says whether the platform reports scan states. Where it does
// not, the end of a scan is inferred from the host asset.
func (w *Watch) ReportsStates() bool { return w.baseline == nil }

// Wait waits until the scans of these agents are final and adds to launched, the
// outcome of their launch, an error for each that did not complete. The end of
// the context ends the wait, never the scans; what is then known is returned
// with an error for those that go on, status 504 after a deadline.
func (w *Watch) Wait(ctx context.Context, launched Outcome, report func(Progress)) Outcome {
	f := &follow{watch: w, report: report, ends: map[int64]Progress{}, failures: map[int64]Error{}, last: map[int64]string{}}
	ids := launched.KeyFields[KeyAgentIDs]
	if w.ReportsStates() {
		f.scans(ctx, ids)
	} else {
		f.chirps(ctx, ids)
	}
	return f.outcome(launched, ids)
}

// follow is one Wait.
type follow struct {
	watch    *Watch
	report   func(Progress)
	last     map[int64]string   // state last reported, by agent
	ends     map[int64]Progress // by agent
	failures map[int64]Error
	// stopped is the error that ended the wait early.
	stopped error
}

// saw reports a change and remembers an end.
func (f *follow) saw(p Progress) {
	if f.last[p.AgentID] == p.State && !p.Final {
		return
	}
	f.last[p.AgentID] = p.State
	p.Elapsed = f.watch.now().Sub(f.watch.began)
	if p.Final {
		f.ends[p.AgentID] = p
	}
	f.report(p)
}

// scans polls the platform's scan states.
func (f *follow) scans(ctx context.Context, ids []int64) {
	pending := map[int64]int64{} // scan id by agent
	for _, id := range ids {
		// The launch queued or joined a scan, so the newest one is meant.
		scans, err := f.watch.states.Scans(ctx, qpsclient.ScanQuery{AssetID: id, Type: f.watch.scanType.Wire, Limit: 1})
		switch {
		case err != nil && concernsConnection(err):
			f.stopped = err
			return
		case err != nil:
			f.fail(id, err)
		case len(scans) == 0:
			f.fail(id, fault.New(fault.NotFound, fmt.Sprintf("The platform lists no %s of Cloud Agent ID %d.", f.watch.scanType.Name, id), ""))
		default:
			pending[id] = scans[0].ID
			f.sawScan(scans[0])
		}
	}
	f.poll(ctx, ids, firstPoll, func(id int64) error {
		scan, err := f.watch.states.Scan(ctx, pending[id])
		if err == nil {
			f.sawScan(scan)
		}
		return err
	})
}

func (f *follow) sawScan(s qpsclient.Scan) {
	f.saw(Progress{ScanID: s.ID, AgentID: s.AssetID, State: string(s.State), Final: s.State.Final(), Reason: s.Reason})
}

// poll looks at every agent that has neither ended nor failed, again and again,
// until there is none.
func (f *follow) poll(ctx context.Context, ids []int64, interval time.Duration, look func(id int64) error) {
	for {
		open := f.open(ids)
		if len(open) == 0 {
			return
		}
		if err := f.watch.sleep(ctx, max(interval, time.Duration(len(open))*perScanPoll)); err != nil {
			f.stopped = err
			return
		}
		for _, id := range open {
			if err := look(id); err != nil {
				if concernsConnection(err) {
					f.stopped = err
					return
				}
				f.fail(id, err)
			}
		}
		interval = max(interval, min(interval*3/2, lastPoll))
	}
}

// open returns the agents whose scan goes on.
func (f *follow) open(ids []int64) []int64 {
	var open []int64
	for _, id := range ids {
		_, ended := f.ends[id]
		_, failed := f.failures[id]
		if !ended && !failed {
			open = append(open, id)
		}
	}
	return open
}

func (f *follow) fail(id int64, err error) {
	e := launchScans.failure(err)
	e.Indicator += fmt.Sprintf(" Failed to follow the %s of Cloud Agent ID %d.", f.watch.scanType.Name, id)
	e.AgentIDs = []int64{id}
	f.failures[id] = e
}

// outcome adds what became of the scans to the outcome of the launch.
func (f *follow) outcome(out Outcome, ids []int64) Outcome {
	completed := 0
	for _, id := range ids {
		if failure, bad := f.failures[id]; bad {
			out.Errors = append(out.Errors, failure)
			continue
		}
		end, ended := f.ends[id]
		switch {
		case ended && end.State == string(qpsclient.ScanComplete):
			completed++
		case ended:
			out.Errors = append(out.Errors, f.endError(end))
		}
	}
	if open := f.open(ids); len(open) > 0 {
		out.Errors = append(out.Errors, f.openError(open))
	}
	out.Result = f.table(out.Result)
	out.State = Successful
	switch {
	case completed == 0:
		out.State = Failed
	case len(out.Errors) > 0:
		out.State = PartiallySuccessful
	}
	return out
}

// table puts the state of each scan in the place of "launched".
func (f *follow) table(t Table) Table {
	states := make(map[string]string, len(f.last))
	for id, state := range f.last {
		states[strconv.FormatInt(id, 10)] = state
	}
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = slices.Clone(row)
		if state, followed := states[row[0]]; followed {
			rows[i][len(row)-1] = state
		}
	}
	return Table{Columns: t.Columns, Rows: rows}
}

// endError describes a scan that ended without being complete.
func (f *follow) endError(end Progress) Error {
	e := Error{
		Indicator: fmt.Sprintf("%s The %s of Cloud Agent ID %d is %s.", launchScans.indicator, f.watch.scanType.Name, end.AgentID, end.State),
		Message:   sentence(upperFirst(end.Reason)),
		AgentIDs:  []int64{end.AgentID},
	}
	switch qpsclient.ScanState(end.State) {
	case qpsclient.ScanRejected:
		e.StatusCode = http.StatusConflict
	case qpsclient.ScanExpired:
		e.StatusCode = http.StatusGatewayTimeout
		e.Resolution = "Check that the agent is running and can reach the platform, then launch the scan again."
	default:
		e.StatusCode = http.StatusInternalServerError
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("The scan is %s.", end.State)
	}
	return e
}

// openError describes scans that go on after the wait has ended.
func (f *follow) openError(open []int64) Error {
	e := launchScans.failure(f.stopped)
	e.AgentIDs = open
	e.Indicator += fmt.Sprintf(" Not known to be finished: Cloud Agent ID %s.", joinIDs(open, ", "))
	switch {
	case errors.Is(f.stopped, context.DeadlineExceeded):
		e.StatusCode = http.StatusGatewayTimeout
		e.Message = "The time to wait is over. The scan goes on."
	case errors.Is(f.stopped, context.Canceled):
		e.Message = "Stopped waiting. The scan goes on."
	}
	return e
}

// observation is what a host asset shows of scans.
type observation struct {
	chirp      string
	vulnScan   time.Time
	compliance time.Time
}

func observe(h *qps.HostAsset) observation {
	o := observation{vulnScan: h.LastVulnScan, compliance: h.LastComplianceScan}
	if h.AgentInfo != nil {
		o.chirp = h.AgentInfo.ChirpStatus
	}
	return o
}
