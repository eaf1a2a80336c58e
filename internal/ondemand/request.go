package ondemand

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

// State is where an on-demand scan request stands; docs/states.md draws the
// machine.
type State string

// The states of a request. The last four are final.
const (
	Queued    State = "queued"    // stored; the agent has not fetched it
	Delivered State = "delivered" // fetched by the agent
	Running   State = "running"   // the agent has started the scan
	Uploaded  State = "uploaded"  // results are stored and not yet assessed
	Complete  State = "complete"  // results are assessed and searchable
	Rejected  State = "rejected"  // the agent refused, for Reason
	Expired   State = "expired"   // not delivered in time
	Failed    State = "failed"    // the scan ended without results, for Reason
)

// Final reports whether the request will not change any more.
func (s State) Final() bool {
	switch s {
	case Complete, Rejected, Expired, Failed:
		return true
	}
	return false
}

// Request is one on-demand scan of one host. Times are zero until reached.
type Request struct {
	ID          int64
	HostID      int64
	AgentID     string
	Type        agentwire.ScanType
	OverrideCPU bool
	State       State
	Reason      string // why it was rejected or failed
	RequestedBy string // username
	Created     time.Time
	Delivered   time.Time
	Started     time.Time
	Ended       time.Time // when the state became final
}

// Filter selects requests of hosts in scope, newest first.
type Filter struct {
	Scope  fleet.Scope
	HostID int64              // 0 for every host
	Type   agentwire.ScanType // empty for every type
	State  State              // empty for every state
	Before int64              // only ids below; 0 for no bound
	Limit  int                // at least 1
}

// Launch is a request to store for several hosts at once.
type Launch struct {
	HostIDs     []int64
	Type        agentwire.ScanType
	OverrideCPU bool
	RequestedBy string
	At          time.Time
}

// Requests is the storage of requests. A host whose request of the same type
// is not final joins it instead of getting a second one.
type Requests interface {
	// CreateScanRequests stores one request per host, in one transaction, in the
	// order of HostIDs, and returns for each the new or joined one. A host that
	// does not exist, or has no agent, fails all of it with fault.NotFound.
	CreateScanRequests(ctx context.Context, l Launch) ([]Request, error)
	// DeliverScanRequests returns the requests of a host that are queued,
	// delivered or running, oldest first, at most limit, and moves the queued
	// ones to delivered.
	DeliverScanRequests(ctx context.Context, hostID int64, at time.Time, limit int) ([]Request, error)
	// ReportScanRequest moves a request of this host to the reported state if the
	// machine allows it, does nothing when it is there already or final, and
	// returns fault.NotFound when the host has no such request.
	ReportScanRequest(ctx context.Context, hostID, id int64, report agentwire.ScanReport, at time.Time) error
	// ScanRequests lists requests, newest first.
	ScanRequests(ctx context.Context, f Filter) ([]Request, error)
	// ScanRequest returns one request of a host in scope, or fault.NotFound.
	ScanRequest(ctx context.Context, scope fleet.Scope, id int64) (Request, error)
	// ExpireScanRequests moves requests that were created before cutoff and are
	// still queued to expired, and ones that were delivered, are running or were
	// uploaded, and were created before abandoned, to failed. It returns how many moved.
	ExpireScanRequests(ctx context.Context, cutoff, abandoned, at time.Time) (int64, error)
}

// Targets finds the hosts of a bulk launch.
type Targets interface {
	SearchHosts(ctx context.Context, q fleet.Query) (fleet.Page, error)
}
