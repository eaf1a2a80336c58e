package session

import (
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// scanJitter is the part of the interval by which a scan of a module without
	// randomisation may come early, so that hosts scanned together drift apart.
	scanJitter = 20
	// scanRetry is the ceiling of the first delay after a failed scan. It doubles
	// with every failure up to the interval.
	scanRetry = 10 * time.Minute
	// maxSchedule bounds intervals, delays and randomisations that were stored under
	// another range.
	maxSchedule = agentwire.MaxScanInterval * time.Second
)

// schedule is when a module is scanned under the profile in force.
type schedule struct {
	interval, delay, randomize time.Duration
}

// history is what an agent remembers of the scans of a module.
type history struct {
	Since    time.Time `json:"since"`             // when its manifest first named the module
	LastScan time.Time `json:"lastScan,omitzero"` // end of the last good one
}

// course is what is drawn and suffered on the way to the next interval scan of a
// module. Like a timer it keeps what that moment follows from and not the moment
// itself, so that a new profile also rules scans that are waited for.
type course struct {
	draw     float64   // of the randomisation
	failures int       // in a row
	retry    time.Time // not before, after a failure
}

// due returns when the next interval scan is due. The first one waits for the
// delay, every one for its part of the randomisation, and both for the interval
// since the last good scan, whoever asked for that. A history from a future, by a
// clock that was wrong then or is now, says nothing.
func (c *course) due(s schedule, h history, now time.Time) time.Time {
	at := now
	switch {
	case h.LastScan.IsZero() && !h.Since.After(now):
		at = h.Since.Add(s.delay + scale(s.randomize, c.draw))
	case h.LastScan.IsZero() || h.LastScan.After(now):
	case s.randomize > 0:
		at = h.LastScan.Add(s.interval + scale(s.randomize, c.draw))
	default:
		at = h.LastScan.Add(s.interval - scale(s.interval/scanJitter, c.draw))
	}
	return c.notBefore(at)
}

// notBefore puts off a scan that would meet a fault again too soon.
func (c *course) notBefore(at time.Time) time.Time {
	if c.failures > 0 && at.Before(c.retry) {
		return c.retry
	}
	return at
}

// schedule returns when a module is scanned under the profile in force.
func (a *Agent) schedule(module agentwire.Module) schedule {
	wire := agentwire.DefaultSchedule()
	if a.profile != nil {
		if said, ok := a.profile.body.Schedules[module]; ok {
			wire = said
		}
	}
	if wire.Interval <= 0 {
		wire.Interval = agentwire.DefaultSchedule().Interval
	}
	bounded := func(seconds int64) time.Duration {
		return time.Duration(min(max(seconds, 0), int64(maxSchedule/time.Second))) * time.Second
	}
	return schedule{bounded(wire.Interval), bounded(wire.Delay), bounded(wire.Randomize)}
}

// course returns the course of a module, with a draw of its own.
func (a *Agent) course(module agentwire.Module) *course {
	c, ok := a.scans.courses[module]
	if !ok {
		if a.scans.courses == nil {
			a.scans.courses = make(map[agentwire.Module]*course)
		}
		c = &course{draw: a.spread.random()}
		a.scans.courses[module] = c
	}
	return c
}

// nextScan returns the module whose interval scan is due next, and when; the
// zero time for none.
func (a *Agent) nextScan(now time.Time) (next agentwire.Module, at time.Time) {
	if a.scans.running || a.suspended() {
		return "", time.Time{}
	}
	for _, module := range agentwire.Modules() {
		if !a.ready(module) {
			continue
		}
		if due := a.moduleDue(module, now); at.IsZero() || due.Before(at) {
			next, at = module, due
		}
	}
	return next, at
}

// moduleDue returns when the next interval scan of a module is due. A baseline
// that the platform needs is due at once.
func (a *Agent) moduleDue(module agentwire.Module, now time.Time) time.Time {
	c := a.course(module)
	if a.state.Rescan && module == agentwire.ModuleInventory {
		return c.notBefore(now)
	}
	return c.due(a.schedule(module), a.state.Modules[module], now)
}

// scanDue returns when the next interval scan is due.
func (a *Agent) scanDue(now time.Time) time.Time {
	_, at := a.nextScan(now)
	return at
}

// scanWanted returns when the next scan should start: at once when one is asked
// for, otherwise for the interval.
func (a *Agent) scanWanted() time.Time {
	now := a.clock.Now()
	if len(a.state.waiting()) > 0 && a.manifest != nil {
		return now
	}
	return a.scanDue(now)
}

// ready reports whether the manifest says what to collect for a module.
func (a *Agent) ready(module agentwire.Module) bool {
	return a.manifest != nil && len(a.manifest.body.Modules[module].Collectors) > 0
}

// suspended reports whether the profile suspends scanning.
func (a *Agent) suspended() bool { return a.profile != nil && a.profile.body.SuspendScanning }

// follow begins the history of modules that the manifest names for the first
// time, and ends that of those it does not name any more: one that is activated
// again begins like a new one.
func (st *state) follow(manifest *held[agentwire.Manifest], now time.Time) {
	if manifest == nil {
		return
	}
	before := st.Modules
	st.Modules = make(map[agentwire.Module]history)
	for _, module := range agentwire.Modules() {
		if _, named := manifest.body.Modules[module]; !named {
			continue
		}
		h, known := before[module]
		if !known {
			h = history{Since: now.UTC()}
		}
		st.Modules[module] = h
	}
}
