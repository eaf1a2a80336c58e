package integration

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/automation"
)

// settleWithin bounds how long the end of a launch is recorded, also after its run
// was cancelled.
const settleWithin = 10 * time.Second

// givesWayFor bounds how long a launch waits for another one of the same scans to be
// settled, and givesWayAgain is the pause between two looks.
const givesWayFor, givesWayAgain = 30 * time.Second, 2 * time.Second

func idTexts(ids []int64) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return texts
}

func launchOnDemandScans(ctx context.Context, x *execution) automation.Outcome {
	scanType, err := automation.ParseScanType(x.call.Values.Text("scanType"))
	if err != nil {
		return x.fail(err)
	}
	if x.call.Wait == nil {
		return x.launch(ctx, scanType)
	}
	return x.launchAndWait(ctx, scanType)
}

// launch claims the scans, asks for them and settles the claim.
func (x *execution) launch(ctx context.Context, scanType automation.ScanType) automation.Outcome {
	claim := LaunchClaim{
		Key: x.call.Key, ScanType: string(scanType.Wire), At: x.session.Now(), Force: x.call.Force,
		AssetIDs: left(x.call.Values.IDs("cloudAgentIds"), x.state.Tally),
	}
	claim.Since = claim.At.Add(-cmp.Or(x.session.Window, DefaultLaunchWindow))
	ledger := x.session.Ledger
	if ledger == nil || claim.Key == "" || len(claim.AssetIDs) == 0 {
		return x.launchLeft(ctx)
	}
	entries, err := ledger.Claim(ctx, claim)
	if err != nil {
		return x.fail(internalFailure("The record of launched scans cannot be read.", err))
	}
	if x.patient() && slices.ContainsFunc(entries, func(e LaunchEntry) bool { return e.Key != x.call.Key && !e.Settled }) {
		// Whether there will be a scan to follow, the other run has yet to find out.
		x.beaten = true
		claim.AssetIDs = slices.DeleteFunc(claim.AssetIDs, func(id int64) bool {
			return slices.ContainsFunc(entries, func(e LaunchEntry) bool { return e.AssetID == id })
		})
		if err := ledger.Settle(ctx, claim, nil, claim.AssetIDs); err != nil {
			return x.fail(internalFailure("The record of launched scans cannot be written.", err))
		}
		return automation.Outcome{}
	}
	for _, e := range entries {
		if e.Key == x.call.Key {
			x.state.Tally.Done = append(x.state.Tally.Done, e.AssetID)
		} else {
			x.state.Tally.Skipped = append(x.state.Tally.Skipped, e.AssetID)
		}
	}
	claim.AssetIDs = left(claim.AssetIDs, x.state.Tally)
	out := x.launchLeft(ctx)
	if err := x.settle(ctx, claim, out); err != nil {
		out.Notes = append(out.Notes, "The launch could not be recorded. For some minutes, runs will skip the same scans.")
	}
	return out
}

// patient reports whether a launch gives way to another run that launches the same
// scans at this moment: one that waits for scans must not take an earlier scan for
// that of the other run. It does so for a short time only, since the other run may
// have died.
func (x *execution) patient() bool {
	return x.call.Wait != nil && x.session.Now().Sub(x.state.Began) < givesWayFor
}

// left returns the ids that an earlier attempt has not come to.
func left(ids []int64, t automation.Tally) []int64 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool {
		return slices.Contains(t.Done, id) || slices.Contains(t.Skipped, id) ||
			slices.ContainsFunc(t.Errors, func(e automation.Error) bool { return slices.Contains(e.AgentIDs, id) })
	})
}

// launchLeft launches what an earlier attempt and the ledger leave.
func (x *execution) launchLeft(ctx context.Context) automation.Outcome {
	v := x.call.Values
	out := x.commands().LaunchOnDemandScans(ctx, automation.LaunchInput{
		CloudAgentIDs: idTexts(v.IDs("cloudAgentIds")), ScanType: v.Text("scanType"),
		OverrideCPUThrottleLimits: v.Boolean("overrideCpuThrottleLimits"), Before: x.state.Tally,
	})
	if n := len(out.KeyFields[automation.KeySkippedIDs]); n > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("Scans skipped, since the same were launched a short time ago: %d. Force launches them all the same.", n))
	}
	return out
}

// settle records what of a claim was launched, and lets go of what was not. What
// will be tried again stays claimed, and so does what the platform may have
// accepted without saying so.
func (x *execution) settle(ctx context.Context, claim LaunchClaim, out automation.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	var launched, released []int64
	for _, id := range claim.AssetIDs {
		switch {
		case slices.Contains(out.KeyFields[automation.KeyAgentIDs], id):
			launched = append(launched, id)
		case x.goesOn(out) && len(left([]int64{id}, out.Again.Tally)) > 0:
		case !uncertain(out.Errors, id):
			released = append(released, id)
		}
	}
	return x.session.Ledger.Settle(ctx, claim, launched, released)
}

// uncertain reports whether the error of an agent leaves open what the platform
// did: there was no answer, or one that tells nothing.
func uncertain(errs []automation.Error, id int64) bool {
	for _, e := range errs {
		if slices.Contains(e.AgentIDs, id) {
			return e.StatusCode == automation.StatusCancelled || e.StatusCode == http.StatusInternalServerError ||
				e.StatusCode == http.StatusBadGateway || e.StatusCode == http.StatusGatewayTimeout
		}
	}
	return false
}
