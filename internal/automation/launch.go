package automation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// MaxLaunchIDs bounds the agents of one launch: a mistyped selection should
	// not start a scan on a whole fleet.
	MaxLaunchIDs = 1000

	// singleLaunches is up to how many agents are launched one by one, which
	// needs one call each but tells at once which id is wrong.
	singleLaunches = 5

	// batchSize is the number of ids in one call above that; 100 ids of 19
	// digits keep the criterion at 2 KB.
	batchSize = 100
)

// LaunchInput are the inputs of Launch On Demand Scans.
type LaunchInput struct {
	// CloudAgentIDs are HostAsset ids, 1 to MaxLaunchIDs; required. Repeated ids
	// count once.
	CloudAgentIDs []string
	// ScanType is a name, token or wire name (ParseScanType); empty means
	// Inventory Scan.
	ScanType string
	// OverrideCPUThrottleLimits ignores the CPU limits of the profiles.
	OverrideCPUThrottleLimits bool
	// Before is what earlier attempts of the same launch came to.
	Before Tally
}

// LaunchOnDemandScans asks the platform to scan each agent. It is successful when
// every agent was accepted, partially successful when some were, with an error
// for each that was not. Errors that would meet every agent alike, such as wrong
// credentials, end it; the agents that were then not tried are named together.
func (c *Commands) LaunchOnDemandScans(ctx context.Context, in LaunchInput) Outcome {
	ids, err := ParseAgentIDs(in.CloudAgentIDs)
	if err != nil {
		return failed(launchScans.failure(err))
	}
	scanType, err := ParseScanType(in.ScanType)
	if err != nil {
		return failed(launchScans.failure(invalid(upperFirst(err.Error()) + ".")))
	}
	l := &launch{roll: newRoll(in.Before), platform: c.platform, scanType: scanType, override: in.OverrideCPUThrottleLimits}
	l.run(ctx, l.left(ids))
	return l.outcome(ids, words{
		done: "launched", untried: "not launched", heading: "SCAN TYPE", detail: scanType.Name, field: "scanType",
	}, func(err error, untried []int64) Error { return stoppedLaunch(err, untried, len(ids)) })
}

// ParseAgentIDs checks Cloud Agent IDs and drops repeated ones; the order stays.
func ParseAgentIDs(texts []string) ([]int64, error) {
	if len(texts) == 0 {
		return nil, fault.New(fault.Invalid, "Cloud Agent IDs parameter is required.",
			"Run Search Cloud Agents to obtain the Cloud Agent IDs.")
	}
	var ids []int64
	seen := make(map[int64]bool, len(texts))
	for _, text := range texts {
		id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || id <= 0 {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Cloud Agent IDs parameter: %q is not a positive integer.", shorten(text)),
				"A Cloud Agent ID is the id of the host asset that Search Cloud Agents returns, not the UUID of the agent.")
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) > MaxLaunchIDs {
		return nil, fault.New(fault.Invalid,
			fmt.Sprintf("Cloud Agent IDs parameter holds %d IDs, at most %d are allowed.", len(ids), MaxLaunchIDs), "Launch in several steps.")
	}
	return ids, nil
}

// launch is one run of the command.
type launch struct {
	*roll
	platform Platform
	scanType ScanType
	override bool
}

// call asks for scans. What a rehearsal recorded counts as accepted.
func (l *launch) call(ctx context.Context, s qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
	s.Type, s.OverrideConfigCPU = l.scanType.Wire, l.override
	done, err := l.platform.LaunchOnDemandScan(ctx, s)
	if errors.Is(err, qpsclient.ErrRehearsed) {
		err = nil
	}
	return done, err
}

func (l *launch) run(ctx context.Context, ids []int64) {
	if len(ids) <= singleLaunches {
		l.each(ctx, ids, l.explain)
		return
	}
	for len(ids) > 0 && l.stopped == nil {
		n := min(len(ids), batchSize)
		l.batch(ctx, ids[:n])
		ids = ids[n:]
	}
}

// each launches one agent per call. explain describes the error of one.
func (l *launch) each(ctx context.Context, ids []int64, explain func(context.Context, int64, error) Error) {
	for _, id := range ids {
		_, err := l.call(ctx, qpsclient.ScanLaunch{AssetID: id})
		switch {
		case err == nil:
			l.done[id] = true
		case concernsConnection(err):
			l.stop(err, true)
			return
		default:
			l.failures[id] = explain(ctx, id, err)
		}
	}
}

// explain describes an error of one agent that may not exist: platforms differ
// in what they answer to an unknown id.
func (l *launch) explain(ctx context.Context, id int64, err error) Error {
	if StatusOf(err) == http.StatusBadRequest {
		if known, failed := l.known(ctx, []int64{id}); failed == nil && len(known) == 0 {
			return l.failures[id]
		}
	}
	return l.failureOf(id, err)
}

// failureOfKnown describes an error of one agent that exists, as far as that can
// be found out.
func (l *launch) failureOfKnown(_ context.Context, id int64, err error) Error {
	return l.failureOf(id, err)
}

// batch launches many agents with one call. What it cannot tell for an agent is
// asked for that agent alone.
func (l *launch) batch(ctx context.Context, ids []int64) {
	known, err := l.known(ctx, ids)
	if unreachable(err) || err != nil && qpsclient.Retryable(err, false) {
		l.stop(err, false)
		return
	}
	if err != nil {
		// The account may be allowed to launch and not to search.
		l.each(ctx, ids, l.failureOfKnown)
		return
	}
	if len(known) == 0 {
		return
	}
	done, err := l.call(ctx, qpsclient.ScanLaunch{Criteria: []qps.Criterion{idsIn(known)}})
	if err != nil {
		if concernsConnection(err) {
			l.stop(err, true)
			return
		}
		l.each(ctx, known, l.failureOfKnown)
		return
	}
	l.each(ctx, l.accept(known, done.AssetIDs, done.HasCount, done.Count), l.failureOfKnown)
}

// known returns the ids that are agents of the platform, in their order, and
// records the others as failed. A bulk launch would pass over them in silence.
func (l *launch) known(ctx context.Context, ids []int64) ([]int64, error) {
	found := make(map[int64]*qps.HostAsset, len(ids))
	search := qpsclient.HostAssetSearch{Criteria: []qps.Criterion{idsIn(ids)}, Fields: []string{"id", "agentInfo.agentId"}}
	for page, err := range l.platform.SearchHostAssets(ctx, search) {
		if err != nil {
			return nil, err
		}
		for _, h := range page.Assets {
			found[h.ID] = h
		}
	}
	known := make([]int64, 0, len(found))
	for _, id := range ids {
		switch h := found[id]; {
		case h == nil:
			l.failures[id] = l.failureOf(id, fault.New(fault.NotFound, fmt.Sprintf("There is no Cloud Agent with ID %d.", id), notFoundStep))
		case h.AgentInfo == nil:
			l.failures[id] = l.failureOf(id, fault.New(fault.Conflict, fmt.Sprintf("Host asset %d has no Cloud Agent: agents run the scans.", id), installStep))
		default:
			known = append(known, id)
		}
	}
	return known, nil
}

const (
	notFoundStep = "Run Search Cloud Agents to obtain the Cloud Agent IDs."
	installStep  = "Install an agent there; 'vedette keys install-line KEY' prints the line."
)

func idsIn(ids []int64) qps.Criterion {
	return qps.Criterion{Field: "id", Operator: qps.OpIn, Value: joinIDs(ids, ",")}
}

// failureOf describes why one agent was not accepted; the indicator names it.
func (l *launch) failureOf(id int64, err error) Error {
	e := launchScans.failure(err)
	e.Indicator += fmt.Sprintf(" Failed to launch the %s of Cloud Agent ID %d.", l.scanType.Name, id)
	e.AgentIDs = []int64{id}
	if e.StatusCode == http.StatusNotFound && e.Resolution == "" {
		e.Resolution = notFoundStep
	}
	return e
}

// stoppedLaunch is the plain error of the command when nothing was tried but the
// failing call, and names the agents left over otherwise.
func stoppedLaunch(err error, untried []int64, all int) Error {
	e := launchScans.failure(err)
	if broken, ok := errors.AsType[*qpsclient.TransportError](err); ok && broken.Kind == qpsclient.KindTimeout {
		e.Resolution = "The platform may have accepted the last request all the same. " + e.Resolution
	}
	e.AgentIDs = untried
	if len(untried) < all {
		e.Indicator += fmt.Sprintf(" Not launched: Cloud Agent ID %s.", joinIDs(untried, ", "))
	}
	return e
}

func joinIDs(ids []int64, separator string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, separator)
}
