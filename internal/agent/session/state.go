package session

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// maxAttempts is how often a scan that ended together with its agent is begun
	// again before it is reported failed.
	maxAttempts = 3
	// maxRequests bounds the journal: open requests, of which the platform
	// delivers MaxDemands at most, and ended ones it still lists.
	maxRequests = 4 * agentwire.MaxDemands
	// maxReason bounds the reason of a failed scan, in bytes; the platform takes as
	// many.
	maxReason = 500
)

// requestState is where an on-demand request stands on this host.
type requestState string

const (
	requestRecorded requestState = "recorded" // on disk, not yet begun
	requestRunning  requestState = "running"
	requestScanned  requestState = "scanned" // its results are in the pending upload
	requestDone     requestState = "done"    // its results are committed
	requestRejected requestState = "rejected"
	requestFailed   requestState = "failed"
)

// request is one on-demand request in the journal.
type request struct {
	ID          int64              `json:"id"`
	Type        agentwire.ScanType `json:"type"`
	OverrideCPU bool               `json:"overrideCpu,omitempty"`
	State       requestState       `json:"state"`
	Reason      string             `json:"reason,omitempty"`
	Attempts    int                `json:"attempts,omitempty"`
	Unreported  bool               `json:"unreported,omitempty"` // the platform has not acknowledged State
}

// String names the request and what it asks for.
func (r *request) String() string { return fmt.Sprintf("on-demand request %d, %s", r.ID, r.Type) }

func (r *request) ended() bool {
	return r.State == requestDone || r.State == requestRejected || r.State == requestFailed
}

// pendingUpload is a scan's result on its way to the platform.
type pendingUpload struct {
	Module agentwire.Module `json:"module"`
	Base   string           `json:"base,omitempty"`
	Result string           `json:"result"`
	Digest string           `json:"digest"`
	Size   int64            `json:"size"`
	Scans  []int64          `json:"scans,omitempty"`
}

// pacedScan is what a scan took of the host, and what it was held to.
type pacedScan struct {
	Took     time.Duration `json:"took"`
	CPU      time.Duration `json:"cpu"`
	Limit    int           `json:"limit"`    // percent of one core
	Throttle time.Duration `json:"throttle"` // between two operations
}

// state is everything an agent remembers beside its identity and instructions,
// in one file so that it changes as a whole.
type state struct {
	Agent       string                              `json:"agent,omitempty"` // whose state it is
	Event       string                              `json:"event,omitempty"` // last event, for the status request
	LastContact time.Time                           `json:"lastContact,omitzero"`
	NextStatus  time.Time                           `json:"nextStatus,omitzero"`
	Ahead       time.Duration                       `json:"ahead,omitempty"`   // the host's clock less the platform's, when that is worth telling
	Modules     map[agentwire.Module]history        `json:"modules,omitempty"` // of which the manifest speaks
	Floor       map[agentwire.InstructionKind]int64 `json:"floor,omitempty"`   // highest version seen; lower ones are refused
	Requests    []*request                          `json:"requests,omitempty"`
	Highest     int64                               `json:"highest,omitempty"`   // highest request id ever recorded
	Confirmed   string                              `json:"confirmed,omitempty"` // digest of the snapshot the platform holds
	Rescan      bool                                `json:"rescan,omitempty"`    // a baseline is due now
	Upload      *pendingUpload                      `json:"upload,omitempty"`
	Replaced    int                                 `json:"replaced,omitempty"` // uploads that a later scan replaced before they were committed
	Paced       *pacedScan                          `json:"paced,omitempty"`    // the last good scan
	Incidents   []Incident                          `json:"incidents,omitempty"`
}

// openState loads the state. A damaged file is set aside and the agent starts
// over from what the platform says: the next upload is a baseline.
// So does a state that belonged to an agent this host no longer is.
func openState(dir *folder, id *identity, log *slog.Logger) (*state, error) {
	st := newState()
	err := dir.read(stateFile, st)
	if err == nil {
		err = st.check()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		aside, moved := dir.setAside(stateFile, "damaged")
		if moved != nil {
			return nil, errors.Join(err, moved)
		}
		log.Error("state is damaged: set aside, the next upload is a baseline", "file", aside, "error", err)
		return newState(), nil
	}
	if st.Floor == nil || (st.Agent != "" && st.Agent != id.AgentID) {
		return newState(), nil
	}
	return st, nil
}

func newState() *state {
	return &state{Floor: make(map[agentwire.InstructionKind]int64)}
}

func (st *state) check() error {
	if st.Confirmed != "" && !isDigest(st.Confirmed) {
		return fmt.Errorf("confirmed snapshot %q is not a digest", st.Confirmed)
	}
	if u := st.Upload; u != nil && (!isDigest(u.Digest) || !isDigest(u.Result) || u.Size <= 0 || u.Size > agentwire.MaxUploadBytes) {
		return fmt.Errorf("pending upload %q is not valid", u.Digest)
	}
	if slices.Contains(st.Requests, nil) {
		return errors.New("an on-demand request is empty")
	}
	return nil
}

// takeUp settles what a stopped agent left running: the scan is begun again, or
// given up when it has taken the agent down with it too often.
func (st *state) takeUp() (resumed []int64) {
	for _, r := range st.Requests {
		lostUpload := r.State == requestScanned && (st.Upload == nil || !slices.Contains(st.Upload.Scans, r.ID))
		if r.State != requestRunning && !lostUpload {
			continue
		}
		if r.Attempts >= maxAttempts {
			r.end(requestFailed, fmt.Sprintf("the agent stopped %d times during this scan", r.Attempts))
			continue
		}
		r.State = requestRecorded
		resumed = append(resumed, r.ID)
	}
	return resumed
}

func (r *request) end(as requestState, reason string) {
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	r.State, r.Reason, r.Unreported = as, reason, as != requestDone
}

// record adds the requests that are not in the journal yet and forgets the ended
// ones that the platform no longer lists. It returns the new ones.
func (st *state) record(demands []agentwire.Demand) (added []*request) {
	listed := make(map[int64]bool, len(demands))
	for _, d := range demands {
		listed[d.ID] = true
	}
	st.Requests = slices.DeleteFunc(st.Requests, func(r *request) bool {
		return r.ended() && !r.Unreported && !listed[r.ID]
	})
	for _, d := range demands {
		known := slices.ContainsFunc(st.Requests, func(r *request) bool { return r.ID == d.ID })
		if known || len(st.Requests) >= maxRequests {
			continue
		}
		r := &request{ID: d.ID, Type: d.Type, OverrideCPU: d.OverrideCPU, State: requestRecorded}
		st.Requests = append(st.Requests, r)
		added = append(added, r)
		st.Highest = max(st.Highest, d.ID)
	}
	return added
}

// scanned notes a good scan of a module. One that the manifest stopped naming
// meanwhile has no history any more.
func (st *state) scanned(module agentwire.Module, now time.Time) {
	if h, ok := st.Modules[module]; ok {
		h.LastScan = now.UTC()
		st.Modules[module] = h
	}
}

// waiting returns the requests that have not begun.
func (st *state) waiting() []*request {
	var waiting []*request
	for _, r := range st.Requests {
		if r.State == requestRecorded {
			waiting = append(waiting, r)
		}
	}
	return waiting
}

// move puts the requests with the given ids into a state.
func (st *state) move(ids []int64, to requestState, reason string) {
	for _, r := range st.Requests {
		if slices.Contains(ids, r.ID) && !r.ended() {
			r.end(to, reason)
		}
	}
}
