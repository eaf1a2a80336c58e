package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation"
)

// launchAndWait launches scans and looks once how they go on.
func (x *execution) launchAndWait(ctx context.Context, scanType automation.ScanType) automation.Outcome {
	if x.state.Began.IsZero() {
		x.state.Began = x.session.Now()
	}
	watcher := automation.Watcher{Platform: x.session.Client, States: x.session.Client, Now: x.session.Now}
	var watch *automation.Watch
	var err error
	if x.state.Watch != nil {
		watch, err = watcher.Resume(x.state.Watch)
	} else {
		watch, err = watcher.Begin(ctx, x.call.Values.IDs("cloudAgentIds"), scanType)
	}
	if err != nil {
		return x.fail(err)
	}
	if x.state.Watch == nil && !watch.ReportsStates() {
		// What is seen before the launch has to outlive a crash after it.
		return x.pauseWith(watch, automation.Outcome{}, 0, "What the agents show of earlier scans was noted.")
	}
	if x.state.Done != nil {
		return x.look(ctx, watch, *x.state.Done)
	}
	launched := x.launch(ctx, scanType)
	if x.beaten {
		return x.pauseWith(watch, launched, givesWayAgain, "Another run launches the same scan at this moment.")
	}
	if launched.State == automation.Failed || x.goesOn(launched) {
		return launched
	}
	launched.Again = nil // what could not be launched is told when the others have ended
	x.state.Done, x.state.Tally = &launched, automation.Tally{}
	watch.Follow(launched.KeyFields[automation.KeyAgentIDs])
	if watch.Pause() > 0 {
		return x.await(watch, launched)
	}
	return x.look(ctx, watch, launched)
}

// look looks once at the scans that go on.
func (x *execution) look(ctx context.Context, watch *automation.Watch, launched automation.Outcome) automation.Outcome {
	err := watch.Look(ctx, func(automation.Progress) {})
	if err == nil {
		return x.await(watch, launched)
	}
	out := watch.Outcome(launched, err)
	if x.timeLeft() <= 0 {
		return watch.Outcome(launched, nil)
	}
	if x.goesOn(out) {
		return x.pauseWith(watch, out, 0, "")
	}
	return out
}

// timeLeft is how much of the time to wait is left.
func (x *execution) timeLeft() time.Duration {
	return cmp.Or(x.call.Wait.Timeout, DefaultWaitTimeout) - x.session.Now().Sub(x.state.Began)
}

// await asks for another look, unless there is nothing to wait for or no time.
func (x *execution) await(watch *automation.Watch, launched automation.Outcome) automation.Outcome {
	out, open, rest := watch.Outcome(launched, nil), len(watch.Open()), x.timeLeft()
	out.Again = nil
	if open == 0 || rest <= 0 {
		return out
	}
	interval := max(cmp.Or(x.call.Wait.Interval, DefaultWaitInterval), watch.Pause())
	return x.pauseWith(watch, out, min(interval, rest), fmt.Sprintf("Scans that go on: %d of %d.", open, len(launched.KeyFields[automation.KeyAgentIDs])))
}

// pauseWith keeps a watch for the next call. The pause of an outcome that says
// itself when to go on has no reason.
func (x *execution) pauseWith(watch *automation.Watch, out automation.Outcome, after time.Duration, reason string) automation.Outcome {
	stored, err := json.Marshal(watch)
	if err != nil {
		return x.fail(err)
	}
	x.state.Watch = stored
	if reason != "" {
		x.pause = &pause{after, reason}
	}
	return out
}
