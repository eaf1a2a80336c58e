package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// scanTimeout bounds one scan. A throttled scan of a large host takes minutes.
	scanTimeout = time.Hour
	// wholeCore is the CPU limit, in percent, of a scan that overrides the profile's.
	wholeCore = 100
)

// scans is the state of the scanner. It runs one scan at a time, whatever their
// modules, so that the CPU limit holds for all of them together.
type scans struct {
	running bool
	module  agentwire.Module             // of the scan that runs
	courses map[agentwire.Module]*course // by course(module)
	refused error                        // why the last manifest was not taken, while there is none
	control int                          // of the last local demand, see controlID
	stamp   string
}

// order is one scan: for the interval, for on-demand requests, or a local one.
type order struct {
	module   agentwire.Module
	requests []int64
	throttle time.Duration
	cpuLimit int    // percent of one core
	local    string // control id
}

// cpuLimit returns what the profile lets a scan use, in percent of one core. A
// profile that was stored under another range may say more than there is.
func (a *Agent) cpuLimit() int { return min(a.settings().CPULimitPercent(), wholeCore) }

func (o order) onDemand() bool { return len(o.requests) > 0 || o.local != "" }

// refusal says why this agent does not run a scan of the given type, or "". The
// words before the colon are those of docs/states.md.
func (a *Agent) refusal(scanType agentwire.ScanType) string {
	switch {
	case a.suspended():
		return fmt.Sprintf("suspended: configuration profile %q suspends scanning", a.profile.body.Name)
	case a.manifest == nil && a.scans.refused == nil:
		return "" // it is on its way
	case a.manifest == nil:
		return fmt.Sprintf("manifest missing: the one the platform sent is not followed: %v", a.scans.refused)
	}
	recipe, activated := a.manifest.body.Modules[scanType.Module()]
	switch {
	case !activated:
		return fmt.Sprintf("not activated: the manifest %q of this agent does not name the module of %s", a.manifest.body.Name, scanType)
	case len(recipe.Collectors) == 0:
		return fmt.Sprintf("manifest missing: the manifest %q does not say what to collect for %s", a.manifest.body.Name, scanType)
	}
	return ""
}

// startScan starts the scan that is due, if any. An upload on its way is finished
// first, or the scan would replace it.
func (a *Agent) startScan(now time.Time) {
	if a.rejectWaiting() && a.saveState() != nil {
		return // the loop ends
	}
	if a.scans.running || a.manifest == nil || a.uploading(now) {
		return
	}
	if waiting := a.state.waiting(); len(waiting) > 0 {
		a.run(a.joined(waiting))
		return
	}
	if module, at := a.nextScan(now); !at.IsZero() && !now.Before(at) {
		a.run(a.paced(module))
	}
}

// rejectWaiting rejects the requests that cannot run any more: the profile or the
// manifest changed after they were recorded. It reports whether there were any.
func (a *Agent) rejectWaiting() (rejected bool) {
	for _, r := range a.state.waiting() {
		if reason := a.refusal(r.Type); reason != "" {
			r.end(requestRejected, reason)
			rejected = true
			a.log.Warn("on-demand scan rejected", "request", r.ID, "type", r.Type, "reason", reason)
			a.note(Refused, r.String(), reason)
		}
	}
	return rejected
}

// paced returns the order for a scan at the pace of the profile.
func (a *Agent) paced(module agentwire.Module) order {
	return order{module: module, throttle: a.settings().ScanThrottle(), cpuLimit: a.cpuLimit()}
}

// joined returns the order for the scan that answers the first of the waiting
// requests and all others of its module.
func (a *Agent) joined(waiting []*request) order {
	o := a.paced(waiting[0].Type.Module())
	for _, r := range waiting {
		if r.Type.Module() != o.module {
			continue
		}
		r.State, r.Unreported = requestRunning, true
		r.Attempts++
		o.requests = append(o.requests, r.ID)
		if r.OverrideCPU {
			o.throttle, o.cpuLimit = 0, wholeCore
		}
	}
	return o
}

// run starts a scan beside the loop.
func (a *Agent) run(o order) {
	if o.module == agentwire.ModuleInventory {
		a.state.Event = agentwire.EventScanning
	}
	if err := a.saveState(); err != nil {
		return
	}
	a.scans.running, a.scans.module, a.active = true, o.module, true
	job := scan.Job{
		Module:     o.module,
		Collectors: a.manifest.body.Modules[o.module].Collectors,
		RootDir:    a.cfg.RootDir, StateDir: a.cfg.StateDir,
		Throttle: o.throttle, CPULimit: o.cpuLimit,
	}
	if !a.state.Rescan {
		job.Base = a.state.Confirmed
	}
	a.log.Info("scan started", "event", a.state.Event, "module", o.module, "requests", o.requests, "control id", o.local, "throttle", o.throttle, "cpu limit", o.cpuLimit)
	id := a.id
	a.spawn(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, scanTimeout)
		defer cancel()
		result, err := a.cfg.Runner.Scan(ctx, job)
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("scan took longer than %s: %w", scanTimeout, err)
		}
		return func() {
			a.scans.running = false
			if id == a.id { // or the asset was removed meanwhile
				a.scanned(o, job, result, err)
			}
		}
	})
}

// scanned takes over the outcome of a scan.
func (a *Agent) scanned(o order, job scan.Job, result *scan.Result, err error) {
	now := a.clock.Now()
	if err == nil {
		err = checkResult(job, result)
	}
	if err != nil {
		a.scanFailed(o, now, err)
		return
	}
	next := &pendingUpload{
		Module: job.Module, Base: result.Base, Result: result.Snapshot,
		Digest: result.Upload, Size: result.UploadSize, Scans: o.requests,
	}
	if before := a.state.Upload; before != nil {
		next.Scans = append(slices.Clone(before.Scans), o.requests...)
		a.state.Replaced++
		a.note(Dropped, "upload", "a newer scan took its place before it was committed; both start from the same confirmed snapshot, so nothing is missing")
		a.log.Info("pending upload is replaced by a newer one", "replaced so far", a.state.Replaced)
	}
	for _, r := range a.state.Requests {
		if slices.Contains(o.requests, r.ID) {
			r.State = requestScanned // "running" is still reported where it has not been
		}
	}
	a.state.Upload = next
	if job.Module == agentwire.ModuleInventory {
		a.state.Rescan = false
	}
	a.state.scanned(job.Module, now)
	a.state.Paced = &pacedScan{result.Took, result.CPU, job.CPULimit, job.Throttle}
	for _, c := range result.Collectors {
		if c.Error != "" {
			a.noteCollector(c)
			a.log.Warn("collector failed: its part of the inventory stays as it was", "collector", c.Name, "error", c.Error)
		}
	}
	if a.saveState() != nil {
		return
	}
	*a.course(job.Module) = course{draw: a.spread.random()}
	a.replaceUpload(now, o.onDemand())
	a.prune()
	a.log.Info("scan finished", "module", job.Module, "requests", o.requests, "control id", o.local, "collected", summary(result.Collectors),
		"took", result.Took, "cpu", result.CPU, "upload bytes", result.UploadSize, "baseline", result.Base == "", "unchanged", result.Unchanged, "next scan", a.moduleDue(job.Module, now))
}

func (a *Agent) scanFailed(o order, now time.Time, err error) {
	a.log.Error("scan failed", "module", o.module, "requests", o.requests, "control id", o.local, "error", err)
	a.note(Failed, scanOf(o.module), err.Error())
	a.state.move(o.requests, requestFailed, err.Error())
	c := a.course(o.module)
	c.failures++ // an interval scan would meet the same fault at once
	c.retry = now.Add(a.spread.doubling(c.failures, scanRetry, a.schedule(o.module).interval))
	_ = a.saveState() // a failure ends the loop; the scan is then taken up again
}

// checkResult makes sure that what a worker says can be acted on.
func checkResult(job scan.Job, result *scan.Result) error {
	switch {
	case result == nil:
		return errors.New("scan worker reported nothing")
	case !isDigest(result.Snapshot) || !isDigest(result.Upload):
		return fmt.Errorf("scan worker reported snapshot %.80q and upload %.80q, which are no digests", result.Snapshot, result.Upload)
	case result.Base != "" && result.Base != job.Base:
		return fmt.Errorf("scan worker reported base %.80q, was given %q", result.Base, job.Base)
	case result.UploadSize <= 0 || result.UploadSize > agentwire.MaxUploadBytes:
		return fmt.Errorf("scan worker reported an upload of %d bytes, allowed are 1 to %d", result.UploadSize, agentwire.MaxUploadBytes)
	}
	return nil
}

// summary lists how much each collector found.
func summary(collected []scan.Collected) string {
	parts := make([]string, 0, len(collected))
	for _, c := range collected {
		parts = append(parts, fmt.Sprintf("%s=%d", c.Name, c.Entries))
	}
	return strings.Join(parts, " ")
}

// prune removes the files of snapshots and uploads that are not needed any more.
func (a *Agent) prune() {
	var snapshots, spool []string
	if a.state.Confirmed != "" {
		snapshots = append(snapshots, filepath.Base(scan.SnapshotPath("", a.state.Confirmed)))
	}
	if u := a.state.Upload; u != nil {
		snapshots = append(snapshots, filepath.Base(scan.SnapshotPath("", u.Result)))
		spool = append(spool, filepath.Base(scan.SpoolPath("", u.Digest)))
	}
	if err := errors.Join(a.dir.keepOnly(snapshotsDir, snapshots...), a.dir.keepOnly(spoolDir, spool...)); err != nil {
		a.log.Warn("files of earlier scans stay behind", "error", err)
	}
}
