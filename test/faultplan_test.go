package test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// step is what an agent is doing when a fault strikes it: a kind of request, or
// something that is none and is seen on the host.
type step string

// The steps in the order of a life.
const (
	stepProvision step = "provision"
	stepStatus    step = "status"
	stepConfig    step = "config"
	stepManifest  step = "manifest"
	stepDemands   step = "demands"
	stepReport    step = "report"
	stepScan      step = "scan"
	stepStart     step = "upload start"
	stepFragment  step = "fragment"
	stepCommit    step = "commit"
	stepWakeup    step = "wake-up"

	stepRelease  step = "release metadata"
	stepVerify   step = "verification"
	stepPackage  step = "package"
	stepInstall  step = "installation" // the programs are being unpacked
	stepPlace    step = "swap"         // the new version lies beside the old one, the link is next
	stepTrial    step = "trial"        // the new version runs as a child of the old one
	stepHealthy  step = "health"       // it has said that it is healthy
	stepPassed   step = "confirmation" // it was found healthy, and takes its place
	stepRollBack step = "roll back"    // it was given up
	stepUpgraded step = "upgrade report"
)

// stepOf names a request.
func stepOf(path string) step {
	switch path {
	case agentwire.PathProvision:
		return stepProvision
	case agentwire.PathStatus:
		return stepStatus
	case agentwire.PathConfig:
		return stepConfig
	case agentwire.PathManifest:
		return stepManifest
	case agentwire.PathDemands:
		return stepDemands
	case agentwire.PathWakeup:
		return stepWakeup
	case agentwire.PathRelease:
		return stepRelease
	case agentwire.PathUpgraded:
		return stepUpgraded
	}
	switch {
	case strings.HasPrefix(path, agentwire.PathPackage):
		return stepPackage
	case strings.HasPrefix(path, agentwire.PathScans):
		return stepReport
	case strings.HasSuffix(path, "/fragments"):
		return stepFragment
	case strings.HasSuffix(path, "/commit"):
		return stepCommit
	case strings.HasPrefix(path, agentwire.PathUploads):
		return stepStart
	}
	return ""
}

// kind is what a fault does.
type kind string

const (
	killAgent    kind = "kill agent"
	killWorker   kind = "kill worker"
	killTrial    kind = "kill version on trial"
	killPlatform kind = "kill platform"
	cut          kind = "cut"       // the connection; the request or its answer is lost
	duplicate    kind = "duplicate" // the request
	postpone     kind = "postpone"  // the request is lost to the agent and arrives after others
)

// moment is when a fault strikes a request.
type moment string

const (
	before moment = "before" // the platform has got it
	during moment = "during" // while it works on it; a duplicate that arrives after others
	after  moment = "after"  // it has answered
)

// fault strikes the first request of a step, or what is no request when it is
// first seen, from when it is armed.
type fault struct {
	step   step
	kind   kind
	moment moment
	delay  time.Duration // of a kill
}

func (f fault) String() string {
	return fmt.Sprintf("%s %s %s +%s", f.kind, f.moment, f.step, f.delay)
}

// faultsAt lists every way in which a step can go wrong.
func faultsAt(at step) []fault {
	all := []fault{{at, killAgent, during, 0}, {at, killPlatform, during, 0}}
	switch at {
	case stepScan, stepVerify:
		return append(all, fault{at, killWorker, during, 0})
	case stepTrial:
		return append(all, fault{at, killTrial, during, 0})
	case stepInstall, stepPlace, stepHealthy, stepPassed, stepRollBack:
		return all
	}
	all = nil
	for _, m := range []moment{before, during, after} {
		all = append(all, fault{at, killAgent, m, 0}, fault{at, killPlatform, m, 0}, fault{at, duplicate, m, 0})
	}
	return append(all, fault{at, cut, before, 0}, fault{at, cut, after, 0}, fault{at, postpone, during, 0})
}

// firstSteps are those of a host's first start, laterSteps those of a scan that
// was asked for, upgradeSteps those of an upgrade to a version that works, and
// backSteps those to one that does not.
var (
	firstSteps   = []step{stepProvision, stepStatus, stepConfig, stepManifest, stepScan, stepStart, stepFragment, stepCommit}
	laterSteps   = []step{stepStatus, stepDemands, stepReport, stepScan, stepStart, stepFragment, stepCommit}
	upgradeSteps = []step{stepRelease, stepVerify, stepPackage, stepInstall, stepPlace, stepTrial, stepHealthy, stepPassed, stepUpgraded}
	backSteps    = []step{stepTrial, stepRollBack, stepUpgraded}
)

const (
	// faultRounds is in how many rounds a run goes wrong: a first start, then scans.
	faultRounds = 3
	// longestStrike bounds the delay of a kill: an upload takes less.
	longestStrike = 20 * time.Millisecond
	// stride parts the faults of neighbouring rounds. It has no divisor in common
	// with how many there are, so that all take their turn.
	stride = 37
)

// faultsOf returns the faults of one round of a run.
func faultsOf(seed, round int, random *rand.Rand) []fault {
	if round == 0 {
		return choose(firstSteps, seed, random)
	}
	return choose(laterSteps, seed*(faultRounds-1)+round-1, random)
}

const (
	// upgradesEvery is which part of the runs upgrades the agent: that takes longer
	// than all the rest of a run.
	upgradesEvery = 3
	// breaksEvery is which part of those goes to a version that does not work.
	breaksEvery = 4
)

// upgradeOf returns whether a run upgrades its agent, to a version that works or
// to one that does not, and the faults on the way.
func upgradeOf(seed int, random *rand.Rand) (upgrades, works bool, faults []fault) {
	turn := seed / upgradesEvery
	switch {
	case seed%upgradesEvery != 0:
		return false, false, nil
	case turn%breaksEvery == breaksEvery-1:
		return true, false, choose(backSteps, turn/breaksEvery, random)
	default:
		return true, true, choose(upgradeSteps, turn-(turn+1)/breaksEvery, random)
	}
}

// choose returns the fault whose turn it is, so that enough runs have seen all,
// and perhaps another.
func choose(steps []step, turn int, random *rand.Rand) []fault {
	var all []fault
	for _, at := range steps {
		all = append(all, faultsAt(at)...)
	}
	chosen := []fault{all[turn*stride%len(all)]}
	if random.IntN(2) == 0 {
		chosen = append(chosen, all[random.IntN(len(all))])
	}
	for i := range chosen {
		chosen[i].delay = time.Duration(random.Int64N(int64(longestStrike)))
	}
	return chosen
}

// randomOf returns the randomness of a run.
func randomOf(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 0)) }
