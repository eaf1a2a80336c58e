package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// MaxThrottle is the largest throttle of a local demand.
const MaxThrottle = time.Second

// Demand is a scan asked for on the host itself. Its throttle takes the place of
// the profile's; the profile's CPU limit holds.
type Demand struct {
	Type     agentwire.ScanType
	Throttle time.Duration // pause between operations, 0 to MaxThrottle
}

type demandCall struct {
	demand Demand
	answer chan demandAnswer
}

type demandAnswer struct {
	controlID string
	err       error
}

// Demand starts a scan at once and returns the control id under which the log
// names it. The scan does not start while another runs, for a module that is not
// activated, before its manifest is there or while scanning is suspended; the
// error says so in the words of docs/states.md. It is safe for
// concurrent use while Run runs.
func (a *Agent) Demand(ctx context.Context, demand Demand) (controlID string, err error) {
	call := demandCall{demand: demand, answer: make(chan demandAnswer, 1)}
	select {
	case a.demands <- call:
	case <-ctx.Done():
		return "", fmt.Errorf("demand %s: %w", demand.Type, ctx.Err())
	}
	answer := <-call.answer
	return answer.controlID, answer.err
}

// accept starts the scan of a local demand, or says why not.
func (a *Agent) accept(call demandCall) demandAnswer {
	answer := a.begin(call.demand)
	if answer.err != nil {
		a.note(Refused, fmt.Sprintf("local demand, %s", call.demand.Type), answer.err.Error())
	}
	return answer
}

func (a *Agent) begin(d Demand) demandAnswer {
	switch reason := a.refusal(d.Type); {
	case d.Throttle < 0 || d.Throttle > MaxThrottle:
		return demandAnswer{err: fmt.Errorf("cputhrottle is %d, allowed are 0 to %d ms", d.Throttle.Milliseconds(), MaxThrottle.Milliseconds())}
	case reason != "":
		return demandAnswer{err: errors.New(reason)}
	case a.manifest == nil:
		return demandAnswer{err: errors.New("manifest missing: it is not here yet: wait until the agent has reached its platform")}
	case a.scans.running:
		return demandAnswer{err: fmt.Errorf("already running: a scan of the module %s is running, and they run one at a time: wait until it has ended", a.scans.module)}
	}
	id := a.controlID()
	o := a.paced(d.Type.Module())
	o.throttle, o.local = d.Throttle, id
	a.run(o)
	return demandAnswer{controlID: id}
}

// controlID returns the local start time to the second and a number that tells
// demands of one second apart.
func (a *Agent) controlID() string {
	stamp := a.clock.Now().Format("20060102150405")
	if stamp == a.scans.stamp {
		a.scans.control++
	} else {
		a.scans.stamp, a.scans.control = stamp, 0
	}
	return fmt.Sprintf("%s.%d", stamp, a.scans.control)
}
