package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"vedette.dev/vedette/qps"
)

// ScanType is the type of an on-demand scan (Qualys Cloud Agent API, launch
// on-demand scan).
type ScanType string

// The types of on-demand scans.
const (
	InventoryScan        ScanType = "Inventory_Scan"
	VulnerabilityScan    ScanType = "Vulnerability_Scan"
	PolicyComplianceScan ScanType = "PolicyCompliance_Scan"
	UDCScan              ScanType = "UDC_Scan"
	SCAScan              ScanType = "SCA_Scan"
	SWCAScan             ScanType = "SWCA_Scan"
)

// ScanTypes lists all types.
func ScanTypes() []ScanType {
	return []ScanType{InventoryScan, VulnerabilityScan, PolicyComplianceScan, UDCScan, SCAScan, SWCAScan}
}

// ScanLaunch says which agents shall scan. Either AssetID or Criteria is set.
type ScanLaunch struct {
	AssetID int64 // the HostAsset id of one agent
	// Criteria select agents by id, name or tagName; a launch on everything by
	// an empty selection is refused.
	Criteria []qps.Criterion
	Type     ScanType
	// OverrideConfigCPU ignores the CPU limits of the agents' profiles.
	OverrideConfigCPU bool
}

// ScanLaunched is what the platform says about a launch.
type ScanLaunched struct {
	// Count is the number of agents; meaningful when HasCount.
	Count    int64
	HasCount bool
	// AssetIDs are the agents, where the platform names them.
	AssetIDs []int64
}

// LaunchOnDemandScan queues on-demand scans; agents start at their next
// contact. It is a write: after a *TransportError it may have been queued.
func (c *Client) LaunchOnDemandScan(ctx context.Context, l ScanLaunch) (ScanLaunched, error) {
	path, err := l.path()
	if err != nil {
		return ScanLaunched{}, fmt.Errorf("launch on-demand scan: %w", err)
	}
	in := post(path, &qps.Request{Criteria: l.Criteria})
	in.query = "scan=" + string(l.Type) + "&overrideConfigCpu=" + strconv.FormatBool(l.OverrideConfigCPU)
	in.write = true
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return ScanLaunched{}, fmt.Errorf("launch on-demand scan: %w", err)
	}
	launched := ScanLaunched{Count: resp.Count, HasCount: resp.HasCount}
	for _, r := range resp.Records {
		if a, ok := r.(*qps.AgentAsset); ok {
			launched.AssetIDs = append(launched.AssetIDs, a.ID)
		}
	}
	return launched, nil
}

func (l ScanLaunch) path() (string, error) {
	const path = "/qps/rest/1.0/ods/ca/agentasset"
	switch {
	case !slices.Contains(ScanTypes(), l.Type):
		return "", fmt.Errorf("unknown scan type %q, use one of %v", l.Type, ScanTypes())
	case l.AssetID != 0 && len(l.Criteria) > 0:
		return "", errors.New("name one asset or give criteria, not both")
	case l.AssetID > 0:
		return path + "/" + strconv.FormatInt(l.AssetID, 10), nil
	case l.AssetID < 0:
		return "", fmt.Errorf("asset id %d: use a positive number", l.AssetID)
	case len(l.Criteria) == 0:
		return "", errors.New("at least one criterion is required")
	}
	return path, nil
}
