package ondemand

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

const (
	// ExpireAfter is how long a request waits for its agent.
	ExpireAfter = 24 * time.Hour
	// AbandonAfter is when a request that was delivered is given up, counted from
	// its launch: at least a day after delivery.
	AbandonAfter = 48 * time.Hour
	// MaxTargets bounds one bulk launch.
	MaxTargets = 10_000
	// targetPage is how many hosts of a bulk launch are found at a time.
	targetPage = 1000
)

// Order is what somebody wants to be scanned how.
type Order struct {
	Scope       fleet.Scope // of who asks
	Type        agentwire.ScanType
	OverrideCPU bool
	By          string // username
}

func (o Order) launch(hostIDs []int64, at time.Time) Launch {
	return Launch{HostIDs: hostIDs, Type: o.Type, OverrideCPU: o.OverrideCPU, RequestedBy: o.By, At: at}
}

// Launcher launches on-demand scans. It is safe for concurrent use.
type Launcher struct {
	Requests Requests
	Targets  Targets
	Now      func() time.Time
}

// LaunchOne launches a scan on one host asset in scope.
func (l *Launcher) LaunchOne(ctx context.Context, hostID int64, o Order) (Request, error) {
	if err := runnable(o.Type); err != nil {
		return Request{}, err
	}
	ids, bare, err := l.matching(ctx, o.Scope, []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{hostID}}})
	switch {
	case err != nil:
		return Request{}, err
	case bare > 0:
		return Request{}, noAgent(fmt.Sprintf("Host asset %d has no agent: agents run the scans.", hostID))
	case len(ids) == 0:
		return Request{}, fault.Newf(fault.NotFound, "There is no host asset %d with an agent.", hostID)
	}
	created, err := l.Requests.CreateScanRequests(ctx, o.launch(ids, l.Now()))
	if err != nil {
		return Request{}, fmt.Errorf("launch %s on host asset %d: %w", o.Type, hostID, err)
	}
	return created[0], nil
}

// LaunchMatching launches a scan on every host asset in scope that meets all
// conditions and has an agent; others are passed over, and it is refused when
// there are only such. Without a condition it is refused: nothing scans a whole
// fleet by accident. The fleet may be scanned on purpose, by the system tag.
func (l *Launcher) LaunchMatching(ctx context.Context, conditions []fleet.Condition, o Order) ([]Request, error) {
	if err := runnable(o.Type); err != nil {
		return nil, err
	}
	if len(conditions) == 0 {
		return nil, fault.New(fault.Invalid, "Criteria: at least one criterion is required for a bulk launch.",
			"Specify a criterion on id, name or tagName; tagName EQUALS Cloud Agent selects every agent.")
	}
	ids, bare, err := l.matching(ctx, o.Scope, conditions)
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0 && bare > 0:
		return nil, noAgent(fmt.Sprintf("None of the %d host assets that match has an agent: agents run the scans.", bare))
	case len(ids) == 0:
		return nil, nil
	}
	created, err := l.Requests.CreateScanRequests(ctx, o.launch(ids, l.Now()))
	if err != nil {
		return nil, fmt.Errorf("launch %s on %d host assets: %w", o.Type, len(ids), err)
	}
	return created, nil
}

// noAgent refuses to scan hosts that only a connector found.
func noAgent(message string) error {
	return fault.New(fault.Conflict, message, "Install an agent there; 'vedette keys install-line KEY' prints the line.")
}

// matching returns the hosts with an agent that meet the conditions, and how many
// others do.
func (l *Launcher) matching(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition) (ids []int64, bare int, err error) {
	query := fleet.Query{
		Scope: scope, Conditions: conditions, Limit: targetPage,
		Include: func(element string) bool { return element == "agentInfo" },
	}
	for {
		page, err := l.Targets.SearchHosts(ctx, query)
		if err != nil {
			return nil, 0, fmt.Errorf("find the hosts of a bulk launch: %w", err)
		}
		for i := range page.Hosts {
			if page.Hosts[i].AgentInfo == nil {
				bare++
				continue
			}
			ids = append(ids, page.Hosts[i].ID)
		}
		if len(ids) > MaxTargets {
			return nil, 0, fault.Newf(fault.TooLarge, "The criteria match more than %d agents, the most one launch may address.", MaxTargets)
		}
		if !page.More {
			return ids, bare, nil
		}
		query.FromID = page.Hosts[len(page.Hosts)-1].ID + 1
	}
}

// runnable refuses the scan types that have no engine, so that no request is
// ever reported complete that did not run.
func runnable(scan agentwire.ScanType) error {
	switch scan {
	case agentwire.InventoryScan:
		return nil
	case agentwire.VulnerabilityScan, agentwire.PolicyComplianceScan, agentwire.UDCScan, agentwire.SCAScan, agentwire.SWCAScan:
		return fault.New(fault.Conflict, fmt.Sprintf("scan: %s cannot be run: this platform has no engine for it yet.", scan),
			"Launch Inventory_Scan instead.")
	}
	return fault.New(fault.Invalid, fmt.Sprintf("scan: unknown scan type '%s'.", scan),
		"Values expected: Inventory_Scan, Vulnerability_Scan, PolicyCompliance_Scan, UDC_Scan, SCA_Scan, SWCA_Scan.")
}

// Sweep expires requests that waited too long. It returns how many it ended.
func (l *Launcher) Sweep(ctx context.Context) (int64, error) {
	now := l.Now()
	ended, err := l.Requests.ExpireScanRequests(ctx, now.Add(-ExpireAfter), now.Add(-AbandonAfter), now)
	if err != nil {
		return 0, fmt.Errorf("expire on-demand requests: %w", err)
	}
	return ended, nil
}
