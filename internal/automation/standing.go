package automation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// NoScan is the state of an agent that no scan is known of.
const NoScan = "none"

// Standing is where the newest scan of one type of an agent stands.
type Standing struct {
	AgentID int64 `json:"cloudAgentId"`
	ScanID  int64 `json:"scanId,omitempty"` // 0 where the platform does not report scans
	// State is that of the scan, or NoScan. Without scan states it is "complete",
	// or the chirpStatus of the agent while the scan is not known to be.
	State   string    `json:"state"`
	Pending bool      `json:"pending"` // it will change
	Reason  string    `json:"reason,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
}

// ScanQuestion asks for the scans of agents.
type ScanQuestion struct {
	AgentIDs []int64
	Type     ScanType
	// Since leaves out scans that ended before. Where the platform does not report
	// scans it is required: a scan is taken for complete when its date, or for types
	// without one the last check-in of an agent that calls it complete, is later.
	Since time.Time
}

// Answered is what is known of the scans of agents.
type Answered struct {
	Standings []Standing
	Errors    []Error // each about one agent
	// Inferred says that the platform does not report scans.
	Inferred bool
}

// Standings looks once at the newest scan of each agent. An error says that the
// platform cannot be asked. Unlike a Watch it knows nothing of the time before: it
// is for those who did not launch the scans.
func (w Watcher) Standings(ctx context.Context, q ScanQuestion) (Answered, error) {
	var a Answered
	err := w.eachScan(ctx, q.Type.Wire, q.AgentIDs, nil, func(id int64, s *qpsclient.Scan, err error) {
		if err != nil {
			a.Errors = append(a.Errors, q.failure(id, err))
			return
		}
		a.Standings = append(a.Standings, q.standing(id, s))
	})
	if errors.Is(err, qpsclient.ErrNoScanStates) {
		return w.inferred(ctx, q)
	}
	return a, err
}

func (q ScanQuestion) failure(id int64, err error) Error {
	e := scanStatus.failure(err)
	e.Indicator += fmt.Sprintf(" Failed to ask for the %s of Cloud Agent ID %d.", q.Type.Name, id)
	e.AgentIDs = []int64{id}
	return e
}

func (q ScanQuestion) standing(id int64, s *qpsclient.Scan) Standing {
	if s == nil || s.State.Final() && !q.Since.IsZero() && s.Ended.Before(q.Since) {
		return Standing{AgentID: id, State: NoScan}
	}
	return Standing{AgentID: id, ScanID: s.ID, State: string(s.State), Pending: !s.State.Final(), Reason: s.Reason, Ended: s.Ended}
}

// inferred answers from what host assets show.
func (w Watcher) inferred(ctx context.Context, q ScanQuestion) (Answered, error) {
	a := Answered{Inferred: true}
	if q.Since.IsZero() {
		return a, fault.New(fault.Invalid, "Launched Since parameter is required: the platform does not report scans, only when hosts were last scanned.",
			"Give the time at which the scans were launched.")
	}
	err := w.watch(watched{Type: q.Type.Wire}).eachAsset(ctx, q.AgentIDs, func(id int64, h *qps.HostAsset, err error) {
		if err != nil {
			a.Errors = append(a.Errors, q.failure(id, err))
			return
		}
		a.Standings = append(a.Standings, q.inferredOf(h))
	})
	return a, err
}

func (q ScanQuestion) inferredOf(h *qps.HostAsset) Standing {
	is := observe(h)
	var ended time.Time
	switch {
	case q.Type.Wire == qpsclient.VulnerabilityScan:
		ended = is.VulnScan
	case slices.Contains([]qpsclient.ScanType{qpsclient.PolicyComplianceScan, qpsclient.UDCScan, qpsclient.SCAScan}, q.Type.Wire):
		ended = is.Compliance
	case h.AgentInfo != nil && strings.HasSuffix(is.Chirp, chirpComplete):
		ended = h.AgentInfo.LastCheckedIn
	}
	if ended.After(q.Since) {
		return Standing{AgentID: h.ID, State: string(qpsclient.ScanComplete), Ended: ended}
	}
	return Standing{AgentID: h.ID, State: is.Chirp, Pending: true}
}
