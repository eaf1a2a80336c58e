package automation

import (
	"context"
	"strings"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// chirpComplete ends the chirpStatus of an agent whose scan is complete, such as
// "Inventory Scan Complete".
const chirpComplete = "Scan Complete"

// chirps polls the host assets of a platform without scan states.
func (f *follow) chirps(ctx context.Context, ids []int64) {
	f.poll(ctx, ids, chirpPoll, func(id int64) error {
		asset, err := f.watch.platform.GetHostAsset(ctx, id)
		if err != nil {
			return err
		}
		f.sawAsset(asset)
		return nil
	})
}

// sawAsset infers an end only from a change since the last look: a scan date
// that moved forward, or for scans without a date a chirpStatus that became
// complete. An agent that passes through all its states between two looks is
// then waited for in vain, which is better than calling complete what never ran.
func (f *follow) sawAsset(h *qps.HostAsset) {
	was, known := f.watch.baseline[h.ID]
	is := observe(h)
	f.watch.baseline[h.ID] = is
	var done bool
	switch f.watch.scanType.Wire {
	case qpsclient.VulnerabilityScan:
		done = is.vulnScan.After(was.vulnScan)
	case qpsclient.PolicyComplianceScan, qpsclient.UDCScan, qpsclient.SCAScan:
		done = is.compliance.After(was.compliance)
	default:
		done = is.chirp != was.chirp && strings.HasSuffix(is.chirp, chirpComplete)
	}
	if known && done {
		f.saw(Progress{AgentID: h.ID, State: string(qpsclient.ScanComplete), Final: true})
		return
	}
	f.saw(Progress{AgentID: h.ID, State: is.chirp})
}
