package sessiontest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
)

// serve answers an authenticated request, under the lock.
func (p *Platform) serve(w http.ResponseWriter, r *http.Request, a *Agent, body []byte) {
	switch path := r.URL.Path; {
	case path == agentwire.PathStatus:
		p.status(w, a, body)
	case path == agentwire.PathConfig:
		instruct(w, r, p.Sign(a.ID, agentwire.KindProfile, p.ProfileV, p.Profile))
	case path == agentwire.PathManifest:
		instruct(w, r, p.Sign(a.ID, agentwire.KindManifest, p.ManifestV, p.Manifest))
	case path == agentwire.PathDemands:
		list := agentwire.DemandList{}
		for _, r := range a.open() {
			list.Demands = append(list.Demands, r.Demand)
		}
		instruct(w, r, p.Sign(a.ID, agentwire.KindDemands, a.highest(), list))
	case path == agentwire.PathUpgraded:
		var report agentwire.UpgradeReport
		if json.Unmarshal(body, &report) != nil {
			refuse(w, http.StatusBadRequest, agentwire.ProblemInvalid, "no report")
			return
		}
		a.Upgrades = append(a.Upgrades, report)
		w.WriteHeader(http.StatusNoContent)
	case path == agentwire.PathRevocation:
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(path, agentwire.PathScans):
		a.report(w, strings.TrimSuffix(strings.TrimPrefix(path, agentwire.PathScans), "/state"), body)
	case strings.HasPrefix(path, agentwire.PathUploads):
		p.upload(w, r, a, body)
	default:
		refuse(w, http.StatusNotFound, agentwire.ProblemInvalid, "no such endpoint")
	}
}

// uninstall answers an agent that is ordered to leave, whatever it asks, and one
// that has left. It reports false for every other one.
func (p *Platform) uninstall(w http.ResponseWriter, r *http.Request, a *Agent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !a.Ordered:
		return false
	case r.URL.Path == agentwire.PathUninstall:
		a.Left++
		w.WriteHeader(http.StatusNoContent)
	case a.Left > 0:
		p.Unknown(w, r)
	default:
		w.WriteHeader(http.StatusGone)
		answer(w, agentwire.Problem{
			Code: agentwire.ProblemUninstall, Message: "uninstall yourself",
			Instruction: p.Sign(a.ID, agentwire.KindUninstall, 1, agentwire.Uninstall{Ordered: p.Now()}),
		})
	}
	return true
}

// Unknown answers an agent that the platform does not have.
func (p *Platform) Unknown(w http.ResponseWriter, r *http.Request) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(http.StatusNotFound)
	answer(w, agentwire.Problem{
		Code: agentwire.ProblemUnknownAgent, Message: "no such agent",
		Instruction: p.Sign(signature.KeyID, agentwire.KindUnknownAgent, 1, agentwire.UnknownAgent{Request: signature.ID()}),
	})
}

func (p *Platform) status(w http.ResponseWriter, a *Agent, body []byte) {
	var request agentwire.StatusRequest
	if err := json.Unmarshal(body, &request); err != nil {
		refuse(w, http.StatusBadRequest, agentwire.ProblemInvalid, err.Error())
		return
	}
	a.Statuses, a.Last = append(a.Statuses, p.Now()), request
	var reply agentwire.StatusAnswer
	if request.Echo != a.Echo {
		reply.Echo = a.Echo
	}
	if request.Profile != p.ProfileV {
		reply.Profile = p.ProfileV
	}
	if request.Manifest != p.ManifestV {
		reply.Manifest = p.ManifestV
	}
	if highest := a.highest(); highest > request.Demands {
		reply.Demands = highest
	}
	if request.Release != 0 && request.Release < p.ReleaseV {
		reply.Release = p.ReleaseV
	}
	answer(w, reply)
}

func (a *Agent) open() []*Request {
	return slices.DeleteFunc(slices.Clone(a.Requests), func(r *Request) bool {
		return r.State != "queued" && r.State != "running"
	})
}

func (a *Agent) highest() int64 {
	var highest int64
	for _, r := range a.Requests {
		highest = max(highest, r.ID)
	}
	return highest
}

func (a *Agent) report(w http.ResponseWriter, id string, body []byte) {
	n, err := strconv.ParseInt(id, 10, 64)
	var report agentwire.ScanReport
	if err == nil {
		err = json.Unmarshal(body, &report)
	}
	i := slices.IndexFunc(a.Requests, func(r *Request) bool { return r.ID == n })
	if err != nil || i < 0 {
		refuse(w, http.StatusNotFound, agentwire.ProblemInvalid, "no such request")
		return
	}
	if request := a.Requests[i]; request.State == "queued" || request.State == "running" {
		request.State, request.Reason = string(report.State), report.Reason
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request, a *Agent, body []byte) {
	digest, action, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, agentwire.PathUploads), "/")
	u := a.uploads[digest]
	switch {
	case action == "":
		var start agentwire.UploadStart
		if err := json.Unmarshal(body, &start); err != nil {
			refuse(w, http.StatusBadRequest, agentwire.ProblemInvalid, err.Error())
			return
		}
		if start.Base != "" && start.Base != a.Confirmed && (u == nil || u.state != agentwire.UploadCommitted) {
			answer(w, agentwire.UploadAnswer{State: agentwire.UploadStale, Confirmed: a.Confirmed})
			return
		}
		if u == nil || u.state == agentwire.UploadCommitted && a.Confirmed == start.Base && start.Base != start.Result {
			u = &upload{state: agentwire.UploadOpen}
			a.uploads[digest] = u
		}
		if u.state == agentwire.UploadCommitted { // the same bytes again: nothing to apply, yet requests to answer
			a.answered(start.Scans)
		}
		u.start = start
		if p.TakesWhole && len(start.Data) > 0 && u.state == agentwire.UploadOpen {
			u.data = start.Data
			if !a.commit(w, digest, u) {
				return
			}
		}
	case u == nil:
		refuse(w, http.StatusNotFound, agentwire.ProblemInvalid, "no such upload")
		return
	case action == "fragments":
		if len(body) > p.MaxFragment {
			refuse(w, http.StatusRequestEntityTooLarge, agentwire.ProblemTooLarge, "fragment is too large")
			return
		}
		if offset := r.URL.Query().Get("offset"); offset != strconv.Itoa(len(u.data)) {
			refuse(w, http.StatusConflict, agentwire.ProblemOffsetMismatch, "offset is not where the upload stands")
			return
		}
		u.data = append(u.data, body...)
	case action == "commit" && u.state == agentwire.UploadOpen:
		if !a.commit(w, digest, u) {
			return
		}
	}
	answer(w, agentwire.UploadAnswer{State: u.state, Offset: int64(len(u.data)), Confirmed: a.Confirmed})
}

// commit applies an upload; it answers itself when it cannot.
func (a *Agent) commit(w http.ResponseWriter, digest string, u *upload) bool {
	var delta agentwire.Delta
	sum := sha256.Sum256(u.data)
	doc, err := decompress(u.data)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(doc)).Decode(&delta)
	}
	if err != nil || hex.EncodeToString(sum[:]) != digest {
		refuse(w, http.StatusBadRequest, agentwire.ProblemInvalid, "upload is damaged")
		return false
	}
	if delta.Base != "" && delta.Base != a.Confirmed {
		answer(w, agentwire.UploadAnswer{State: agentwire.UploadStale, Confirmed: a.Confirmed})
		return false
	}
	next, err := delta.Apply(a.Snapshot)
	if err != nil {
		refuse(w, http.StatusBadRequest, agentwire.ProblemInvalid, err.Error())
		return false
	}
	if delta.Baseline() {
		a.Baselines++
	} else {
		a.Deltas++
	}
	a.Snapshot, a.Confirmed, u.state = next, delta.Result, agentwire.UploadCommitted
	a.answered(u.start.Scans)
	return true
}

func (a *Agent) answered(scans []int64) {
	for _, r := range a.Requests {
		if slices.Contains(scans, r.ID) && r.State != "complete" {
			r.State = "complete"
			r.Answered++
		}
	}
}

// decompress returns an upload as it is, or what the zstd frame in it holds: the
// Runner here writes none, workers do.
func decompress(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) { // RFC 8878, 3.1.1
		return data, nil
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(agentwire.MaxDeltaBytes))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	return decoder.DecodeAll(data, nil)
}
