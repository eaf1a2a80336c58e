package agentapi

import (
	"net/http"
	"strconv"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// maxReasonBytes bounds the reason an agent gives for a scan it did not do.
const maxReasonBytes = 500

func (g *Gateway) scanState(w http.ResponseWriter, r *request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return fault.Newf(fault.Invalid, "scan id %q is not a number", r.PathValue("id"))
	}
	var report agentwire.ScanReport
	if err := decode(r.body, &report); err != nil {
		return err
	}
	switch report.State {
	case agentwire.ScanRunning:
	case agentwire.ScanRejected, agentwire.ScanFailed:
		if report.Reason == "" {
			return fault.Newf(fault.Invalid, "state %s needs a reason", report.State)
		}
	default:
		return fault.Newf(fault.Invalid, "state %q is not one an agent reports: running, rejected, failed", report.State)
	}
	if len(report.Reason) > maxReasonBytes {
		return fault.Newf(fault.Invalid, "the reason has %d bytes, %d are allowed", len(report.Reason), maxReasonBytes)
	}
	if err := g.Demands.ReportScanRequest(r.Context(), r.agent.HostID, id, report, g.Now()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (g *Gateway) uploadStart(w http.ResponseWriter, r *request) error {
	var start agentwire.UploadStart
	if err := decode(r.body, &start); err != nil {
		return err
	}
	if len(start.Data) > agentwire.MaxStartData {
		return fault.Newf(fault.TooLarge, "data has %d bytes, %d are allowed with the start", len(start.Data), agentwire.MaxStartData)
	}
	data := start.Data
	start.Data = nil // it is stored as every upload is
	digest := r.PathValue("digest")
	state, err := g.Intake.Start(r.Context(), r.agent.HostID, digest, start)
	if err == nil && len(data) > 0 && int64(len(data)) == start.Size && state.State == agentwire.UploadOpen {
		state, err = g.uploadWhole(r, digest, state, data)
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, state)
	return nil
}

// uploadWhole takes in an upload that came with its start. Cut off anywhere, it
// stands where an upload in steps would.
func (g *Gateway) uploadWhole(r *request, digest string, at agentwire.UploadAnswer, data []byte) (agentwire.UploadAnswer, error) {
	if at.Offset < int64(len(data)) {
		next, err := g.Intake.Fragment(r.Context(), r.agent.HostID, digest, at.Offset, data[at.Offset:])
		if err != nil {
			return next, err
		}
	}
	return g.commit(r, digest)
}

func (g *Gateway) uploadFragment(w http.ResponseWriter, r *request) error {
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil {
		return fault.Newf(fault.Invalid, "query offset=%q is not a number", r.URL.Query().Get("offset"))
	}
	state, err := g.Intake.Fragment(r.Context(), r.agent.HostID, r.PathValue("digest"), offset, r.body)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, state)
	return nil
}

func (g *Gateway) uploadCommit(w http.ResponseWriter, r *request) error {
	state, err := g.commit(r, r.PathValue("digest"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, state)
	return nil
}

func (g *Gateway) commit(r *request, digest string) (agentwire.UploadAnswer, error) {
	state, err := g.Intake.Commit(r.Context(), r.agent.HostID, digest)
	if err == nil && state.State == agentwire.UploadCommitted {
		// Its next status, which would say so, may be half an hour away.
		g.Pulse.Beat(fleet.Heartbeat{
			HostID: r.agent.HostID, At: g.Now(), ConnectedFrom: remoteAddr(r.Request),
			Sequence: r.signature.Sequence, Event: agentwire.EventScanComplete,
		})
		g.Log.InfoContext(r.Context(), "inventory stored", "agent", r.agent.AgentID, "asset", r.agent.HostID, "bytes", state.Offset)
	}
	return state, err
}
