package fleet

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// work is a rollout over agents that each take some time, in memory.
type work struct {
	clock   *clock
	agents  int
	took    time.Duration // per agent
	failure error
	limits  []int
}

func (w *work) RolloutProfiles(_ context.Context, limit int) (RolloutStep, error) {
	w.limits = append(w.limits, limit)
	if w.failure != nil {
		return RolloutStep{}, w.failure
	}
	if w.agents == 0 {
		return RolloutStep{}, nil
	}
	n := min(limit, w.agents)
	w.agents -= n
	w.clock.at = w.clock.at.Add(time.Duration(n) * w.took)
	return RolloutStep{Looked: n, Told: n, Waiting: true}, nil
}

func newWork(agents int, took time.Duration) (*Rollout, *work) {
	w := &work{clock: &clock{at: time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC)}, agents: agents, took: took}
	return NewRollout(w, w.clock.now, slog.New(slog.DiscardHandler)), w
}

// TestARolloutTellsAgentsAtABoundedRate adds up the waits of a whole rollout.
func TestARolloutTellsAgentsAtABoundedRate(t *testing.T) {
	t.Parallel()
	const agents = 20_000
	r, w := newWork(agents, 10*time.Microsecond)
	began := w.clock.at
	for waiting := true; waiting; {
		var wait time.Duration
		wait, waiting = r.step(t.Context())
		if waiting {
			w.clock.at = w.clock.at.Add(wait)
		}
	}
	if took, want := w.clock.at.Sub(began), agents*time.Second/rolloutRate; took < want || took > want+time.Second {
		t.Errorf("%d agents were told in %v, want %v", agents, took, want)
	}
}

func TestStepsOfARolloutStayShort(t *testing.T) {
	t.Parallel()
	r, w := newWork(100_000, 500*time.Microsecond)
	for range 20 {
		r.step(t.Context())
	}
	if last := w.limits[len(w.limits)-1]; time.Duration(last)*w.took > rolloutStepTime || last < minRolloutAgents {
		t.Errorf("steps took %v agents", w.limits)
	}
	quick, fast := newWork(1_000_000, time.Microsecond)
	for range 20 {
		quick.step(t.Context())
	}
	if last := fast.limits[len(fast.limits)-1]; last != maxRolloutAgents {
		t.Errorf("quick steps took %v agents, want %d at last", fast.limits, maxRolloutAgents)
	}
}

func TestARolloutGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	r, w := newWork(10, 0)
	w.failure = errors.New("the disk is full")
	if wait, waiting := r.step(t.Context()); wait != rolloutRetry || !waiting {
		t.Errorf("after a failure: %v, %v", wait, waiting)
	}
	w.failure = nil
	if _, waiting := r.step(t.Context()); !waiting || w.agents != 0 {
		t.Errorf("%d agents wait for ever", w.agents)
	}
	if wait, waiting := r.step(t.Context()); wait != rolloutPoll || waiting {
		t.Errorf("with nothing to do: %v, %v", wait, waiting)
	}
}

// signalled tells the test of each step.
type signalled struct{ steps chan int }

func (s signalled) RolloutProfiles(_ context.Context, limit int) (RolloutStep, error) {
	s.steps <- limit
	return RolloutStep{}, nil
}

func TestAPokeMakesARolloutLookAtOnce(t *testing.T) {
	t.Parallel()
	s := signalled{steps: make(chan int)}
	r := NewRollout(s, time.Now, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	<-s.steps
	poked := time.Now()
	r.Poke()
	r.Poke() // a second one waits for nobody
	<-s.steps
	if took := time.Since(poked); took >= rolloutPoll {
		t.Errorf("the poke took %v, as long as without", took)
	}
	cancel()
	for {
		select {
		case <-s.steps:
		case <-ended:
			return
		}
	}
}
