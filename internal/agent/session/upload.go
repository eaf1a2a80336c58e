package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// minFragment is where halving on 413 ends: a platform that refuses less cannot
	// be uploaded to.
	minFragment = 4 << 10
	// maxStalls bounds requests in a row that bring an upload no further before it
	// waits like a failed one.
	maxStalls = 3
)

// sending is how far the pending upload has come in this run.
type sending struct {
	started     bool
	offset      int64 // bytes the platform holds
	most        int   // bytes of a fragment that gets through; 0 for any
	stalls      int
	apart       bool // nothing goes with the start: it was too large for something on the way
	unconfirmed bool // committed, as far as the answer to that goes
}

// replaceUpload starts over with a new upload. It keeps the delta interval to the
// last one unless somebody waits for it, and always what a failure has imposed.
func (a *Agent) replaceUpload(now time.Time, awaited bool) {
	if t := &a.timers[eventUploadChangelist]; awaited && t.failures == 0 {
		t.at(now)
	}
	a.sending = sending{}
}

// uploadWanted reports whether the upload can go on. While a scan runs it waits: a
// commit would pull the base away from under the scan.
func (a *Agent) uploadWanted() bool {
	return a.id.provisioned() && a.state.Upload != nil && !a.scans.running && !a.sending.unconfirmed
}

// confirmWanted reports whether a legacy agent still has to ask whether its
// upload was processed.
func (a *Agent) confirmWanted() bool {
	return a.id.provisioned() && a.state.Upload != nil && !a.scans.running && a.sending.unconfirmed
}

// uploading reports whether the upload goes on right now.
func (a *Agent) uploading(now time.Time) bool {
	goesOn := a.uploadWanted() && !now.Before(a.due(eventUploadChangelist)) || a.confirmWanted()
	return goesOn && a.welcome && !a.windows.Active(now)
}

// upload brings the pending upload one request further: start, a fragment, or
// commit. Between two of them the agent can do something else.
func (a *Agent) upload(ctx context.Context) {
	a.active = true
	u := a.state.Upload
	answer, err := a.uploadStep(ctx, u)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a.uploadFailed(u, err)
		return
	}
	switch answer.State {
	case agentwire.UploadCommitted:
		if a.cfg.Legacy && a.sending.started {
			a.sending.unconfirmed = true
			a.timers[eventConfirmDelta].start(a.clock.Now(), a.spread.regular())
			return
		}
		a.committed(u, answer)
	case agentwire.UploadStale:
		a.stale(u)
	case agentwire.UploadOpen:
		a.proceed(u, answer.Offset)
	default:
		a.uploadFailed(u, fmt.Errorf("platform answered with upload state %.40q", answer.State))
	}
}

// confirmDelta asks whether the upload was processed: the answer to its start
// says so. One that the platform does not have any more begins again.
func (a *Agent) confirmDelta(ctx context.Context) {
	a.sending = sending{most: a.sending.most}
	a.upload(ctx)
}

func (a *Agent) uploadStep(ctx context.Context, u *pendingUpload) (*agentwire.UploadAnswer, error) {
	path := agentwire.PathUploads + u.Digest
	if !a.sending.started {
		start := agentwire.UploadStart{Module: u.Module, Base: u.Base, Result: u.Result, Size: u.Size, Scans: u.Scans, Data: a.whole(u)}
		return a.uploadCall(ctx, http.MethodPost, path, start)
	}
	if a.sending.offset == u.Size {
		return a.uploadCall(ctx, http.MethodPost, path+"/commit", struct{}{})
	}
	data, err := a.fragment(u)
	if err != nil {
		return nil, err
	}
	x := exchange{
		method: http.MethodPut, path: path + "/fragments?offset=" + strconv.FormatInt(a.sending.offset, 10),
		body: data, timeout: fragmentTimeout, limit: agentwire.MaxMessageBytes,
	}
	reply, err := a.client.do(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("upload at byte %d: %w", a.sending.offset, err)
	}
	var answer agentwire.UploadAnswer
	if err := json.Unmarshal(reply.body, &answer); err != nil {
		return nil, fmt.Errorf("decode answer to a fragment: %w", err)
	}
	return &answer, nil
}

// whole returns an upload that is small enough to go with its start, nil for every
// other one. A legacy agent sends fragments.
func (a *Agent) whole(u *pendingUpload) []byte {
	if a.cfg.Legacy || a.sending.apart || u.Size > agentwire.MaxStartData {
		return nil
	}
	data := make([]byte, u.Size)
	if _, err := a.cfg.Files.ReadAt(scan.SpoolName(u.Digest), data, 0); err != nil {
		return nil // the platform may have it already
	}
	return data
}

func (a *Agent) uploadCall(ctx context.Context, method, path string, request any) (*agentwire.UploadAnswer, error) {
	var answer agentwire.UploadAnswer
	if err := a.client.send(ctx, method, path, request, &answer, agentwire.MaxMessageBytes); err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	return &answer, nil
}

// errSpool says that the spooled upload cannot be read.
var errSpool = errors.New("spooled upload cannot be read")

// fragment reads the next piece of the spooled upload.
func (a *Agent) fragment(u *pendingUpload) ([]byte, error) {
	data := make([]byte, min(int64(a.fragmentBytes()), u.Size-a.sending.offset))
	if _, err := a.cfg.Files.ReadAt(scan.SpoolName(u.Digest), data, a.sending.offset); err != nil {
		return nil, fmt.Errorf("%w: %w", errSpool, err)
	}
	return data, nil
}

// fragmentBytes is how large fragments are right now.
func (a *Agent) fragmentBytes() int {
	size := min(a.settings().UploadFragmentBytes(), agentwire.MaxFragmentBytes)
	if a.sending.most > 0 {
		size = min(size, a.sending.most)
	}
	return size
}

// proceed goes on from the offset the platform named. An upload that has begun is
// not held up by the delta interval; a legacy agent pauses between fragments.
func (a *Agent) proceed(u *pendingUpload, offset int64) {
	if offset < 0 || offset > u.Size {
		a.uploadFailed(u, fmt.Errorf("platform wants byte %d of an upload of %d", offset, u.Size))
		return
	}
	if a.sending.started && offset <= a.sending.offset {
		a.sending.stalls++
	} else {
		a.sending.stalls = 0
	}
	if a.sending.stalls >= maxStalls {
		a.uploadFailed(u, fmt.Errorf("upload does not get beyond byte %d", offset))
		return
	}
	next := a.clock.Now()
	if a.cfg.Legacy && offset > a.sending.offset && offset < u.Size {
		next = next.Add(a.settings().UploadThrottle())
	}
	a.timers[eventUploadChangelist].at(next)
	a.sending.started, a.sending.offset = true, offset
}

func (a *Agent) committed(u *pendingUpload, answer *agentwire.UploadAnswer) {
	if answer.Confirmed != "" && answer.Confirmed != u.Result {
		// The same bytes were committed before and something else since.
		a.stale(u)
		return
	}
	a.state.Confirmed, a.state.Upload, a.state.Event = u.Result, nil, agentwire.EventScanComplete
	a.state.move(u.Scans, requestDone, "")
	if a.saveState() != nil {
		return
	}
	a.sendingDone()
	a.prune()
	a.log.Info("upload committed", "event", agentwire.EventScanComplete, "bytes", u.Size, "requests", u.Scans)
}

// sendingDone keeps the next upload a delta interval away from the last.
func (a *Agent) sendingDone() {
	a.sending = sending{}
	t := &a.timers[eventUploadChangelist]
	t.start(a.clock.Now(), a.spread.regular())
	t.failures = 0
}

// stale makes the next scan a baseline that answers the same requests. A
// baseline depends on nothing; one that is stale is a fault of the platform.
func (a *Agent) stale(u *pendingUpload) {
	if u.Base == "" {
		a.giveUp(u, errors.New("platform answered that a baseline is stale"))
		return
	}
	a.log.Warn("platform holds another snapshot than the upload starts from: the next scan is a baseline", "base", u.Base)
	a.state.Upload, a.state.Confirmed, a.state.Rescan = nil, "", true
	for _, r := range a.state.Requests {
		if r.State == requestScanned {
			r.State = requestRecorded
		}
	}
	if a.saveState() != nil {
		return
	}
	a.sending, a.timers[eventUploadChangelist] = sending{}, timer{}
	a.prune()
}

// uploadFailed decides what a failed request means for the upload.
func (a *Agent) uploadFailed(u *pendingUpload, err error) {
	refusal, refused := errors.AsType[*Refusal](err)
	whole := !a.sending.started && a.whole(u) != nil
	begun := a.sending.started || whole
	switch {
	case errors.Is(err, errSpool):
		a.giveUp(u, err)
		return
	case refused && refusal.Code == agentwire.ProblemOffsetMismatch && begun && a.sending.stalls < maxStalls:
		a.sending.started = false // a new start tells the offset
		a.sending.stalls++
		return
	case refused && refusal.Status == http.StatusRequestEntityTooLarge && whole:
		a.sending.apart = true
		return
	case refused && refusal.Status == http.StatusRequestEntityTooLarge && a.fragmentBytes() > minFragment:
		a.halveFragment(err)
		return
	case refused && refusal.Status == http.StatusNotFound && begun && refusal.Code != agentwire.ProblemUnknownAgent && a.sending.stalls < maxStalls:
		a.sending.started = false // the platform forgot it
		a.sending.stalls++
		return
	case settled(err):
		a.giveUp(u, err)
		return
	}
	a.consult(err)
	a.noteFailure(eventUploadChangelist, err)
	if errors.Is(err, context.DeadlineExceeded) || refused && refusal.Status == http.StatusRequestTimeout {
		a.halveFragment(err) // the way there is too slow for fragments of this size
	}
	a.sending.started, a.sending.stalls = false, 0
	t, interval := &a.timers[eventUploadChangelist], a.interval(eventUploadChangelist)
	t.failures++
	delay := max(a.spread.doubling(t.failures, max(firstRetry, interval), a.interval(eventStatus)), interval)
	t.at(a.clock.Now().Add(a.obey(err, t.failures, delay)))
	level := a.log.Debug
	if t.failures == 1 {
		level = a.log.Warn
	}
	level("upload waits", "error", err, "next attempt", a.due(eventUploadChangelist))
}

func (a *Agent) halveFragment(err error) {
	size := a.fragmentBytes()
	if half := max(size/2, minFragment); half < size {
		a.sending.most = half
		a.log.Warn("fragments of this size do not get through: halved", "bytes", half, "error", err)
	}
}

// giveUp drops an upload that can never be committed. What it would have brought
// comes with the next interval scan, as a baseline.
func (a *Agent) giveUp(u *pendingUpload, err error) {
	a.log.Error("upload given up: the next scan is a baseline", "error", err, "requests", u.Scans)
	a.note(Dropped, "upload", err.Error())
	a.state.Upload, a.state.Confirmed = nil, ""
	a.state.move(u.Scans, requestFailed, err.Error())
	if a.saveState() != nil {
		return
	}
	a.sendingDone()
	a.prune()
}
