package fleet

import (
	"context"
	"log/slog"
	"time"
)

const (
	// rolloutPoll is how often a replica looks for rollouts that another one left:
	// it made the change and ended, or passes the work on by ending.
	rolloutPoll = 2 * time.Second
	// rolloutRetry is the wait after a failure.
	rolloutRetry = 5 * time.Second
	// rolloutStepTime is how long one step may hold the database; steps become
	// smaller above it and grow while they stay below half of it.
	rolloutStepTime = 40 * time.Millisecond
	// rolloutRate bounds how many agents are told per second. Each of them is
	// woken and asks twice, so this bounds the storm of their requests to a
	// fraction of what the check-in path does; 100,000 agents take 50 seconds.
	rolloutRate = 2000
	// Agents looked at per step.
	minRolloutAgents, firstRolloutAgents, maxRolloutAgents = 25, 200, 1000
)

// RolloutStep is what one step of a rollout did.
type RolloutStep struct {
	Looked  int  // agents looked at
	Told    int  // of them, those that got something new
	Waiting bool // there may be more to do
}

// Rollouts is the storage Rollout needs. What is to be done is part of the
// transaction that changes a profile, so that no change is lost.
type Rollouts interface {
	// RolloutProfiles looks at up to limit agents of the oldest rollout, in one
	// transaction: each gets the profile the rules give it, or a new version of
	// the one it has. It returns the zero step when nothing waits.
	RolloutProfiles(ctx context.Context, limit int) (RolloutStep, error)
}

// Rollout brings changed profiles to their agents, in small transactions between
// which others get their turn, and at a bounded rate. One goroutine runs Run;
// replicas may each run one.
type Rollout struct {
	store Rollouts
	log   *slog.Logger
	now   func() time.Time
	poke  chan struct{}
	limit int
}

// NewRollout returns a Rollout over the given storage.
func NewRollout(store Rollouts, now func() time.Time, log *slog.Logger) *Rollout {
	return &Rollout{store: store, log: log, now: now, poke: make(chan struct{}, 1), limit: firstRolloutAgents}
}

// Poke makes Run look at once.
func (r *Rollout) Poke() {
	select {
	case r.poke <- struct{}{}:
	default: // one is waiting already
	}
}

// Run brings changes to agents until ctx ends.
func (r *Rollout) Run(ctx context.Context) {
	for {
		wait, waiting := r.step(ctx)
		poke := r.poke
		if waiting {
			poke = nil // the pace is not to be cut short
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-poke:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// step does one step and returns how long to wait before the next one, and
// whether there is one to do.
func (r *Rollout) step(ctx context.Context) (wait time.Duration, waiting bool) {
	began := r.now()
	step, err := r.store.RolloutProfiles(ctx, r.limit)
	switch {
	case ctx.Err() != nil:
		return 0, false
	case err != nil:
		r.log.WarnContext(ctx, "changed profiles do not reach their agents, trying again", "error", err)
		return rolloutRetry, true
	case !step.Waiting:
		return rolloutPoll, false
	}
	took := r.now().Sub(began)
	r.adapt(took)
	// The step's own time counts, so the rate is what agents see.
	return max(0, time.Duration(step.Told)*time.Second/rolloutRate-took), true
}

func (r *Rollout) adapt(took time.Duration) {
	switch {
	case took > rolloutStepTime:
		r.limit = max(minRolloutAgents, r.limit/2)
	case took < rolloutStepTime/2:
		r.limit = min(maxRolloutAgents, r.limit*2)
	}
}
