package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// upgradeTimeout bounds one call of an Upgrader: a package over a slow link.
const upgradeTimeout = time.Hour

// Upgrader brings the agent to another version. Its methods are called one at a
// time, never in a blackout, never while the profile prevents updates or before
// there is one. They run beside everything else the agent does and must end soon
// after their context does; a blackout, and a profile that prevents updates, end
// it.
type Upgrader interface {
	// Metadata returns the version of the release metadata that is held,
	// agentwire.NoRelease for none, and whether it has to be looked at again: it has
	// expired, or led to a version that an earlier process did not get to. It is called
	// from the loop and returns at once.
	Metadata() (version int64, stale bool)
	// Check looks for a version to go to. It is called after a status request whose
	// answer named other metadata, and after each while what is held is stale; in the
	// legacy mode, every INTERVAL_EVENT_DOWNLOAD_SELF_PATCH. pin is the root key
	// that this agent trusts.
	Check(ctx context.Context, pin []byte, get Download) (found bool, err error)
	// Setup goes to the version that Check found. It is called at once, not while a
	// scan runs, and after an error again every INTERVAL_EVENT_EXECUTE_SETUP, until a
	// Check finds nothing any more. Whoever returns nil has done what there is to do,
	// and sees to it that the new version is started.
	Setup(ctx context.Context, get Download) error
	// Report returns how the last upgrade ended, nil once the platform knows. It is
	// called from the loop and returns at once.
	Report() *agentwire.UpgradeReport
	// Reported says that the platform has a report.
	Reported(report agentwire.UpgradeReport) error
}

// Health is how an agent is, for whoever watches a version that is new.
type Health string

// The states of health, in the order of their worth.
const (
	HealthStarted Health = "started" // it has its state and has done what was due once
	HealthSilent  Health = "silent"  // a blackout keeps it from talking
	HealthReached Health = "reached" // the platform answered a status request, if only that it is busy
)

// feel tells how the agent is, when that has changed. What reached the platform
// once stays well.
func (a *Agent) feel(h Health) {
	if a.cfg.Health == nil || a.health == h || a.health == HealthReached {
		return
	}
	a.health = h
	a.cfg.Health(h)
}

// upgrade is how far the agent is on its way to another version.
type upgrade struct {
	cancel context.CancelFunc // of the call in progress; nil for none
	look   bool               // a status request was answered since the last Check
	found  bool
}

func (a *Agent) upgradeAllowed() bool {
	return a.cfg.Upgrader != nil && a.id.provisioned() && a.profile != nil && !a.profile.body.PreventUpdate && a.upgrade.cancel == nil
}

func (a *Agent) selfPatchWanted() bool {
	return a.upgradeAllowed() && (a.upgrade.look || a.cfg.Legacy)
}

func (a *Agent) setupWanted() bool {
	return a.upgradeAllowed() && a.upgrade.found && !a.scans.running
}

// heldRelease is what a status request says of release metadata.
func (a *Agent) heldRelease() int64 {
	if a.cfg.Upgrader == nil || a.cfg.Legacy || a.profile == nil || a.profile.body.PreventUpdate {
		return 0
	}
	version, _ := a.cfg.Upgrader.Metadata()
	return version
}

// announced notes what the answer to a status request says of release metadata.
// Metadata that is stale is asked for without having been announced: who
// withholds the news could withhold that, too.
func (a *Agent) announced(release int64) {
	if a.cfg.Upgrader == nil {
		return
	}
	_, stale := a.cfg.Upgrader.Metadata()
	a.upgrade.look = a.upgrade.look || release != 0 || stale
}

func (a *Agent) upgradeReportWanted() bool {
	return a.cfg.Upgrader != nil && a.id.provisioned() && a.cfg.Upgrader.Report() != nil
}

// reportUpgrade tells the platform how an upgrade ended.
func (a *Agent) reportUpgrade(ctx context.Context) {
	a.active = true
	report := *a.cfg.Upgrader.Report()
	err := a.client.send(ctx, http.MethodPost, agentwire.PathUpgraded, report, nil, agentwire.MaxMessageBytes)
	if ctx.Err() != nil {
		return
	}
	t := &a.timers[eventReportUpgrade]
	if err == nil || settled(err) {
		err = errors.Join(err, a.cfg.Upgrader.Reported(report))
	}
	if err != nil {
		a.consult(err)
		t.failures++
		delay := a.spread.doubling(t.failures, firstRetry, a.interval(eventStatus))
		t.at(a.clock.Now().Add(a.obey(err, t.failures, delay)))
		a.log.Debug("report of an upgrade failed", "error", err)
		return
	}
	t.failures = 0
	a.state.Event = agentwire.EventUpgraded
	if report.Outcome != agentwire.UpgradeDone {
		a.state.Event = agentwire.EventNotUpgraded
	}
	_ = a.saveState() // a failure ends the loop
}

// selfPatch looks for another version of the agent.
func (a *Agent) selfPatch(context.Context) {
	a.upgrade.look = false
	var found bool
	pin := a.id.Root
	a.callUpgrader(func(ctx context.Context, get Download) (err error) {
		found, err = a.cfg.Upgrader.Check(ctx, pin, get)
		return err
	}, func(err error) {
		t, now := &a.timers[eventSelfPatch], a.clock.Now()
		if !a.cfg.Legacy {
			t.at(now) // and wanted with the next status
		} else {
			t.start(now, a.spread.regular())
		}
		if err != nil {
			a.upgradeFailed(eventSelfPatch, err)
			return
		}
		t.problem = ""
		if found && !a.upgrade.found {
			a.log.Info("another version of the agent is there", "version", a.cfg.Version)
			a.timers[eventExecuteSetup].at(now)
		}
		a.upgrade.found = found
	})
}

// executeSetup goes to the version that was found.
func (a *Agent) executeSetup(context.Context) {
	a.callUpgrader(func(ctx context.Context, get Download) error {
		return a.cfg.Upgrader.Setup(ctx, get)
	}, func(err error) {
		if err == nil {
			a.timers[eventExecuteSetup].problem = ""
			a.upgrade.found = false
			return
		}
		a.timers[eventExecuteSetup].start(a.clock.Now(), a.spread.regular())
		a.upgradeFailed(eventExecuteSetup, err)
	})
}

// upgradeFailed logs a failure once, and puts off the next attempt where the
// platform asked for that.
func (a *Agent) upgradeFailed(e event, err error) {
	t := &a.timers[e]
	t.notBefore(a.clock.Now().Add(a.obey(err, 1, 0)))
	level := a.log.Debug
	if text := err.Error(); text != t.problem {
		t.problem, level = text, a.log.Error
	}
	level("upgrade failed", "at", e, "error", err, "next attempt", a.due(e))
}

// callUpgrader makes one call of the Upgrader; done runs in the loop. A call that was
// cut short by a blackout or by the profile has not failed, and comes again.
func (a *Agent) callUpgrader(call func(context.Context, Download) error, done func(error)) {
	a.active = true
	ctx, cancel := context.WithTimeout(a.life, upgradeTimeout)
	a.upgrade.cancel = cancel
	client := a.client
	a.spawn(func(context.Context) func() {
		err := call(ctx, client.download)
		return func() {
			cut := errors.Is(ctx.Err(), context.Canceled)
			cancel()
			a.upgrade.cancel = nil
			if client == a.client && (err == nil || !cut) {
				done(err)
			}
		}
	})
}
