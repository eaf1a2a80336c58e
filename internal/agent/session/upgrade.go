package session

import (
	"context"
	"errors"
	"time"
)

// upgradeTimeout bounds one call of an Upgrader: a package over a slow link.
const upgradeTimeout = time.Hour

// Upgrader brings the agent to another version. Its methods are called one at a
// time, never in a blackout, never while the profile prevents updates or before
// there is one. They run beside everything else the agent does and must end soon
// after their context does; a blackout, and a profile that prevents updates, end
// it.
type Upgrader interface {
	// Check looks for a version to go to. It is called after each status request; in
	// the legacy mode, every INTERVAL_EVENT_DOWNLOAD_SELF_PATCH.
	Check(ctx context.Context, get Download) (found bool, err error)
	// Setup goes to the version that Check found. It is called at once, not while a
	// scan runs, and after an error again every INTERVAL_EVENT_EXECUTE_SETUP, until a
	// Check finds nothing any more. Whoever returns nil has done what there is to do,
	// and sees to it that the new version is started.
	Setup(ctx context.Context, get Download) error
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

// selfPatch looks for another version of the agent.
func (a *Agent) selfPatch(context.Context) {
	a.upgrade.look = false
	var found bool
	a.callUpgrader(func(ctx context.Context, get Download) (err error) {
		found, err = a.cfg.Upgrader.Check(ctx, get)
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
