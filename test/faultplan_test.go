package test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// kind is what a fault does.
type kind string

const (
	killAgent    kind = "kill agent"
	killWorker   kind = "kill worker"
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

// fault strikes the first request of a step, or a scan, from when it is armed.
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
	if at == stepScan {
		return []fault{{at, killAgent, during, 0}, {at, killWorker, during, 0}, {at, killPlatform, during, 0}}
	}
	var all []fault
	for _, m := range []moment{before, during, after} {
		all = append(all, fault{at, killAgent, m, 0}, fault{at, killPlatform, m, 0}, fault{at, duplicate, m, 0})
	}
	return append(all, fault{at, cut, before, 0}, fault{at, cut, after, 0}, fault{at, postpone, during, 0})
}

// firstSteps are those of a host's first start, laterSteps those of a scan that
// was asked for. Steps of the upgrade belong to the latter.
var (
	firstSteps = []step{stepProvision, stepStatus, stepConfig, stepManifest, stepScan, stepStart, stepFragment, stepCommit}
	laterSteps = []step{stepStatus, stepDemands, stepReport, stepScan, stepStart, stepFragment, stepCommit}
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

// faultsOf returns the faults of one round of a run: the one whose turn it is,
// so that enough runs have seen all, and perhaps another.
func faultsOf(seed, round int, random *rand.Rand) []fault {
	steps, turn := firstSteps, seed
	if round > 0 {
		steps, turn = laterSteps, seed*(faultRounds-1)+round-1
	}
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
