package swarm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPatience suits a platform that is busy with the first inventories of
// thousands.
const DefaultPatience = 2 * time.Minute

// What a swarm may be made of.
const (
	MaxAgents      = 50_000
	MaxSpeed       = 1000
	MaxConnections = 20_000
)

const (
	// progressEvery is how often Progress is called, in the time of the world.
	progressEvery = 5 * time.Second
	// lookEvery is how often a swarm looks whether it may go on.
	lookEvery = 100 * time.Millisecond
)

// Config is what a swarm is made of. Everything is required but what says
// otherwise.
type Config struct {
	Scenario Scenario
	Agents   int     // 1 to MaxAgents, at a time
	Speed    float64 // of the agents' clock, 1 to MaxSpeed
	// Patience is how long the swarm waits for one more first inventory before it
	// goes on without, in the time of the world; 0 takes DefaultPatience.
	Patience    time.Duration
	Connections int     // that carry their requests, 1 to MaxConnections
	Wakeup      bool    // hold wake-up polls: one more connection for each agent
	Legacy      float64 // part of the agents whose events run from timers of their own, 0 to 1
	Seed        uint64  // decides what each host is; keys are always new
	Prefix      string  // of host names; a number follows

	ServerURI    string
	CA           []byte // PEM; empty trusts the authorities of this system
	ActivationID string
	CustomerID   string
	AgentVersion string

	Recordings []Recording       // what hosts are made from
	Transport  http.RoundTripper // in place of connections; may be nil
	Progress   func(Progress)    // called every few seconds; may be nil
	Log        *slog.Logger      // of all agents
}

func (c *Config) check() error {
	switch {
	case c.Agents < 1 || c.Agents > MaxAgents:
		return fmt.Errorf("agents: %d is not allowed, 1 to %d are", c.Agents, MaxAgents)
	case !(c.Speed >= 1 && c.Speed <= MaxSpeed): // NaN too
		return fmt.Errorf("speed: %g is not allowed, 1 to %d are", c.Speed, MaxSpeed)
	case c.Connections < 1 || c.Connections > MaxConnections:
		return fmt.Errorf("connections: %d is not allowed, 1 to %d are", c.Connections, MaxConnections)
	case !(c.Legacy >= 0 && c.Legacy <= 1):
		return fmt.Errorf("legacy: %g is not allowed, a part from 0 to 1 is", c.Legacy)
	case c.Patience < 0:
		return fmt.Errorf("patience: %s is not allowed, a time such as 2m is, or 0s for %s", c.Patience, DefaultPatience)
	case len(c.Recordings) == 0:
		return errors.New("recordings: there is none to make hosts from")
	}
	return nil
}

// Swarm is thousands of agents. Run may be called once, and Depart after it.
type Swarm struct {
	cfg     Config
	clock   *clock
	meter   *meter
	wire    *wire
	scanner *scanner
	members []*member
	close   func()

	phase       atomic.Pointer[string]
	started     atomic.Int64
	inventoried atomic.Int64

	mu         sync.Mutex
	identities map[string]struct{}
	refusals   int    // of agents that asked for an identity while none has one
	hopeless   string // why the swarm gives up
	giveUp     context.CancelFunc
	ended      map[string]int
	former     []*installation // of hosts that went
}

// New makes a swarm that has not started.
func New(cfg Config) (*Swarm, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Swarm{cfg: cfg, clock: newClock(cfg.Speed), identities: make(map[string]struct{}), ended: make(map[string]int)}
	s.meter = newMeter(s.clock)
	s.wire = &wire{requests: cfg.Transport, polls: cfg.Transport, meter: s.meter, speed: cfg.Speed}
	s.close = func() {}
	if cfg.Transport == nil {
		requests, polls, err := newTransports(cfg.CA, cfg.Connections, s.meter)
		if err != nil {
			return nil, err
		}
		s.wire.requests, s.wire.polls = requests, polls
		s.close = func() { requests.CloseIdleConnections(); polls.CloseIdleConnections() }
	}
	s.wire.connect()
	var err error
	if s.scanner, err = newScanner(max(1, runtime.GOMAXPROCS(0))); err != nil {
		return nil, err
	}
	s.gather()
	return s, nil
}

// gather makes the members.
func (s *Swarm) gather() {
	var image *image
	for slot := range s.cfg.Agents {
		m := &member{swarm: s, slot: slot}
		m.delay = time.Duration(float64(s.cfg.Scenario.Ramp) * float64(slot) / float64(s.cfg.Agents))
		if size := s.cfg.Scenario.Image; size > 0 {
			if slot%size == 0 {
				image = newImage()
			}
			m.image, m.first = image, slot%size == 0
		}
		s.members = append(s.members, m)
	}
}

// host returns the host of a number, from 0. Above the number of agents are those
// that replace others.
func (s *Swarm) host(number int) *host {
	h := &host{seed: s.cfg.Seed, number: number, name: fmt.Sprintf("%s%05d", s.cfg.Prefix, number), booted: s.clock.start}
	h.recording = s.cfg.Recordings[h.draw(drawRecording, 0).IntN(len(s.cfg.Recordings))].Snapshot
	return h
}

// random returns the randomness of a host's agent.
func (s *Swarm) random(number int) func() float64 {
	return rand.New(rand.NewPCG(s.cfg.Seed, uint64(number))).Float64 //nolint:gosec // jitter is no secret
}

// Run lives through the scenario and returns what was measured, also when ctx ends
// before.
func (s *Swarm) Run(ctx context.Context) *Report {
	defer s.close()
	before := memory()
	begun := time.Now()
	outside := ctx
	ctx, s.giveUp = context.WithCancel(ctx)
	defer s.giveUp()
	life, stop := context.WithCancel(ctx)
	defer stop()
	var lives, watch sync.WaitGroup
	watched, unwatch := context.WithCancel(ctx)
	watch.Go(func() { s.watch(watched) })
	s.enter("start")
	for _, m := range s.members {
		lives.Go(func() { m.run(life) })
	}
	report := &Report{Scenario: s.cfg.Scenario.Name, Speed: s.cfg.Speed, Agents: s.cfg.Agents}
	s.direct(ctx, report)
	report.Stopped = outside.Err() != nil
	report.MemoryPerAgent = (memory() - before) / int64(s.cfg.Agents)
	stop()
	lives.Wait()
	unwatch()
	watch.Wait()
	s.fill(report, time.Since(begun))
	return report
}

// direct leads the members through the scenario. It returns early when ctx ends.
func (s *Swarm) direct(ctx context.Context, report *Report) {
	begun := time.Now()
	scenario := s.cfg.Scenario
	if !s.sleep(ctx, scenario.Ramp) {
		return
	}
	s.enter("first inventories")
	if s.settle(ctx) {
		report.FirstInventories = time.Since(begun).Seconds()
	}
	s.enter("running")
	if scenario.Outage > 0 {
		if !s.sleep(ctx, scenario.Before) {
			return
		}
		s.enter("outage")
		lost := s.wire.cut()
		if !s.sleep(ctx, scenario.Outage) {
			return
		}
		s.wire.connect()
		s.enter("return")
		back := s.clock.elapsed()
		s.sleep(ctx, scenario.Duration)
		report.Outage = outageReport(lost(), s.meter.perMinute(back, s.clock.elapsed()))
		return
	}
	s.sleep(ctx, scenario.Duration)
}

// settle waits until the platform has every first inventory, and reports false
// when it does not go on.
func (s *Swarm) settle(ctx context.Context) bool {
	last, since := int64(-1), time.Now()
	for {
		n := s.inventoried.Load()
		if n >= int64(s.cfg.Agents) {
			return true
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > cmp.Or(s.cfg.Patience, DefaultPatience) || !sleep(ctx, lookEvery) {
			return false
		}
	}
}

// sleep waits for a time of the agents and reports false when ctx ends first.
func (s *Swarm) sleep(ctx context.Context, d time.Duration) bool { return sleep(ctx, s.clock.world(d)) }

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Swarm) enter(phase string) { s.phase.Store(&phase) }

// watch reports progress until ctx ends.
func (s *Swarm) watch(ctx context.Context) {
	if s.cfg.Progress == nil {
		return
	}
	last := int64(0)
	for sleep(ctx, progressEvery) {
		requests := s.meter.requests.Load()
		s.cfg.Progress(Progress{
			Phase: *s.phase.Load(), Life: s.clock.elapsed(), Agents: int(s.started.Load()), Inventoried: int(s.inventoried.Load()), Ended: s.endedSoFar(),
			Requests: requests, Failed: s.meter.failed.Load(), PerSecond: float64(requests-last) / progressEvery.Seconds(),
		})
		last = requests
	}
}

// fill completes a report with what was counted.
func (s *Swarm) fill(r *Report, took time.Duration) {
	r.Seconds = took.Seconds()
	r.Inventoried = int(s.inventoried.Load())
	r.Requests = s.meter.tallies(took)
	r.Connections = Connections{
		Opened: s.meter.opened.Load(), Wait: s.meter.waited(),
		SentBytes: s.meter.sent.Load(), ReceivedBytes: s.meter.received.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Hosts = s.cfg.Agents + len(s.former)
	r.Identities = len(s.identities)
	r.Ended = s.ended
	r.Hopeless = s.hopeless
}

// memory returns the memory that is in use for data and stacks.
func memory() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}
