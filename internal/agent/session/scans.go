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
	// defaultInventory is the interval of the inventory scan when the profile names
	// none.
	defaultInventory = 4 * time.Hour
	// inventoryJitter is the part of the interval by which a scan may come early,
	// so that hosts scanned together drift apart.
	inventoryJitter = 20
	// scanTimeout bounds one scan. A throttled scan of a large host takes minutes.
	scanTimeout = time.Hour
	// scanRetry is the ceiling of the first delay after a failed interval scan. It
	// doubles with every failure up to the interval.
	scanRetry = 10 * time.Minute
	// wholeCore is the CPU limit, in percent, of a scan that overrides the profile's.
	wholeCore = 100
)

// scans is the state of the scanner.
type scans struct {
	running  bool
	next     time.Time // when the next interval scan is due
	early    float64   // how much of the jitter it comes early
	failures int       // in a row
	control  int       // of the last local demand, see controlID
	stamp    string
}

// order is one scan: for the interval, for on-demand requests, or a local one.
type order struct {
	requests []int64
	throttle time.Duration
	cpuLimit int    // percent of one core
	local    string // control id
}

// cpuLimit returns what the profile lets a scan use, in percent of one core. A
// profile that was stored under another range may say more than there is.
func (a *Agent) cpuLimit() int { return min(a.settings().CPULimitPercent(), wholeCore) }

func (o order) onDemand() bool { return len(o.requests) > 0 || o.local != "" }

// cannotRun says why this agent cannot run a scan of the given type, or "".
func (a *Agent) cannotRun(scanType agentwire.ScanType) string {
	if scanType != agentwire.InventoryScan {
		return fmt.Sprintf("%s is not activated on this agent: its manifests hold the inventory module only", scanType)
	}
	if a.profile != nil && a.profile.body.SuspendScanning {
		return fmt.Sprintf("configuration profile %q suspends scanning", a.profile.body.Name)
	}
	return ""
}

// ready reports whether there is a manifest to scan by.
func (a *Agent) ready() bool {
	if a.manifest == nil {
		return false
	}
	_, ok := a.manifest.body.Modules[agentwire.ModuleInventory]
	return ok
}

// due returns when the next interval scan should start.
func (s *scans) due(a *Agent) time.Time {
	if s.running || !a.ready() || a.cannotRun(agentwire.InventoryScan) != "" {
		return time.Time{}
	}
	return s.next
}

// scanWanted returns when the next scan should start: at once when one is asked
// for, otherwise for the interval.
func (a *Agent) scanWanted() time.Time {
	if len(a.state.waiting()) > 0 && a.ready() {
		return a.clock.Now()
	}
	return a.scans.due(a)
}

// nextInventory returns when the next interval scan is due: at once after the
// first manifest, then an interval after the last good scan.
func (a *Agent) nextInventory(now time.Time) time.Time {
	if a.scans.failures > 0 {
		return a.scans.next
	}
	last := a.state.LastScan
	if last.IsZero() || last.After(now) || a.state.Rescan {
		return now
	}
	interval := a.inventoryInterval()
	return last.Add(interval - time.Duration(a.scans.early*float64(interval)/inventoryJitter))
}

func (a *Agent) inventoryInterval() time.Duration {
	if a.profile == nil || a.profile.body.InventoryEvery <= 0 {
		return defaultInventory
	}
	return time.Duration(min(a.profile.body.InventoryEvery, int64(maxInterval/time.Second))) * time.Second
}

// startScan starts the scan that is due, if any: all waiting requests share one.
// An upload on its way is finished first, or the scan would replace it.
func (a *Agent) startScan(now time.Time) {
	if a.scans.running || !a.ready() || a.uploading(now) {
		return
	}
	rejected := false
	o := order{throttle: a.settings().ScanThrottle(), cpuLimit: a.cpuLimit()}
	for _, r := range a.state.waiting() {
		if reason := a.cannotRun(r.Type); reason != "" { // the profile changed after it was recorded
			r.end(requestRejected, reason)
			rejected = true
			a.log.Warn("on-demand scan rejected", "request", r.ID, "type", r.Type, "reason", reason)
			continue
		}
		r.State, r.Unreported = requestRunning, true
		r.Attempts++
		o.requests = append(o.requests, r.ID)
		if r.OverrideCPU {
			o.throttle, o.cpuLimit = 0, wholeCore
		}
	}
	due := a.scans.due(a)
	if len(o.requests) > 0 || (!due.IsZero() && !now.Before(due)) {
		a.run(o)
		return
	}
	if rejected {
		_ = a.saveState() // a failure ends the loop
	}
}

// run starts a scan beside the loop.
func (a *Agent) run(o order) {
	a.state.Event = agentwire.EventScanning
	if err := a.saveState(); err != nil {
		return
	}
	a.scans.running, a.active = true, true
	job := scan.Job{
		Module:     agentwire.ModuleInventory,
		Collectors: a.manifest.body.Modules[agentwire.ModuleInventory].Collectors,
		RootDir:    a.cfg.RootDir, StateDir: a.cfg.StateDir,
		Throttle: o.throttle, CPULimit: o.cpuLimit,
	}
	if !a.state.Rescan {
		job.Base = a.state.Confirmed
	}
	a.log.Info("scan started", "event", agentwire.EventScanning, "requests", o.requests, "control id", o.local, "throttle", o.throttle, "cpu limit", o.cpuLimit)
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
	a.scans.failures = 0
	next := &pendingUpload{
		Module: job.Module, Base: result.Base, Result: result.Snapshot,
		Digest: result.Upload, Size: result.UploadSize, Scans: o.requests,
	}
	if before := a.state.Upload; before != nil {
		next.Scans = append(slices.Clone(before.Scans), o.requests...)
		a.state.Replaced++
		a.log.Info("pending upload is replaced by a newer one", "replaced so far", a.state.Replaced)
	}
	for _, r := range a.state.Requests {
		if slices.Contains(o.requests, r.ID) {
			r.State = requestScanned // "running" is still reported where it has not been
		}
	}
	a.state.Upload, a.state.LastScan, a.state.Rescan = next, now.UTC(), false
	if a.saveState() != nil {
		return
	}
	a.scans.early = a.spread.random()
	a.scans.next = a.nextInventory(now)
	a.replaceUpload(now, o.onDemand())
	a.prune()
	a.log.Info("scan finished", "requests", o.requests, "control id", o.local, "collected", summary(result.Collectors),
		"took", result.Took, "cpu", result.CPU, "upload bytes", result.UploadSize, "baseline", result.Base == "", "unchanged", result.Unchanged, "next scan", a.scans.next)
	for _, c := range result.Collectors {
		if c.Error != "" {
			a.log.Warn("collector failed: its part of the inventory stays as it was", "collector", c.Name, "error", c.Error)
		}
	}
}

func (a *Agent) scanFailed(o order, now time.Time, err error) {
	a.log.Error("scan failed", "requests", o.requests, "control id", o.local, "error", err)
	a.state.move(o.requests, requestFailed, err.Error())
	a.scans.failures++
	retry := now.Add(a.spread.doubling(a.scans.failures, scanRetry, a.inventoryInterval()))
	if a.scans.next.Before(retry) { // an interval scan would meet the same fault at once
		a.scans.next = retry
	}
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
