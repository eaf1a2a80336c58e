package automation

import (
	"context"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// chirpComplete ends the chirpStatus of an agent whose scan is complete, such as
// "Inventory Scan Complete".
const chirpComplete = "Scan Complete"

// observation is what a host asset shows of scans.
type observation struct {
	Chirp      string    `json:"chirp,omitempty"`
	VulnScan   time.Time `json:"vulnScan,omitzero"`
	Compliance time.Time `json:"compliance,omitzero"`
}

func observe(h *qps.HostAsset) observation {
	o := observation{VulnScan: h.LastVulnScan, Compliance: h.LastComplianceScan}
	if h.AgentInfo != nil {
		o.Chirp = h.AgentInfo.ChirpStatus
	}
	return o
}

// observedFields are the fields that an observation needs.
func observedFields() []string {
	return []string{"id", "lastVulnScan", "lastComplianceScan", "agentInfo.chirpStatus", "agentInfo.lastCheckedIn"}
}

// eachAsset reads host assets and passes each, or why it cannot be read, to see:
// few of them one by one, many with one search for a batch, since Qualys counts
// calls. An error ends it: the others could not be read either.
func (w *Watch) eachAsset(ctx context.Context, ids []int64, see func(id int64, h *qps.HostAsset, err error)) error {
	if len(ids) <= singleLaunches {
		return w.eachSingle(ctx, ids, see)
	}
	for batch := range slices.Chunk(ids, batchSize) {
		found := make(map[int64]*qps.HostAsset, len(batch))
		search := qpsclient.HostAssetSearch{Criteria: []qps.Criterion{idsIn(batch)}, Fields: observedFields()}
		var failed error
		for page, err := range w.Platform.SearchHostAssets(ctx, search) {
			failed = err
			for _, h := range page.Assets {
				found[h.ID] = h
			}
		}
		if failed != nil {
			if concernsConnection(failed) {
				return failed
			}
			if err := w.eachSingle(ctx, batch, see); err != nil {
				return err
			}
			continue
		}
		for _, id := range batch {
			if h := found[id]; h != nil {
				see(id, h, nil)
			} else {
				see(id, nil, noSuchAgent(id))
			}
		}
	}
	return nil
}

func (w *Watch) eachSingle(ctx context.Context, ids []int64, see func(id int64, h *qps.HostAsset, err error)) error {
	for _, id := range ids {
		asset, err := w.Platform.GetHostAsset(ctx, id)
		if err != nil && concernsConnection(err) {
			return err
		}
		see(id, asset, err)
	}
	return nil
}

// lookAtAssets looks at the host assets of a platform without scan states.
func (w *Watch) lookAtAssets(ctx context.Context, ids []int64, report func(Progress)) error {
	return w.eachAsset(ctx, ids, func(id int64, h *qps.HostAsset, err error) {
		if err != nil {
			w.fail(id, err)
			return
		}
		w.sawAsset(h, report)
	})
}

// sawAsset infers an end only from a change since the last look: a scan date
// that moved forward, or for scans without a date a chirpStatus that became
// complete. An agent that passes through all its states between two looks is
// then waited for in vain, which is better than calling complete what never ran.
func (w *Watch) sawAsset(h *qps.HostAsset, report func(Progress)) {
	was, known := w.Baseline[h.ID]
	is := observe(h)
	w.Baseline[h.ID] = is
	var done bool
	switch w.Type {
	case qpsclient.VulnerabilityScan:
		done = is.VulnScan.After(was.VulnScan)
	case qpsclient.PolicyComplianceScan, qpsclient.UDCScan, qpsclient.SCAScan:
		done = is.Compliance.After(was.Compliance)
	default:
		done = is.Chirp != was.Chirp && strings.HasSuffix(is.Chirp, chirpComplete)
	}
	if known && done {
		w.saw(Progress{AgentID: h.ID, State: string(qpsclient.ScanComplete), Final: true}, report)
		return
	}
	w.saw(Progress{AgentID: h.ID, State: is.Chirp}, report)
}
