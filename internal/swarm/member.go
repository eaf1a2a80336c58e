package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

// member is one place in the swarm: a host, and after it those that replace it.
type member struct {
	swarm *Swarm
	slot  int
	delay time.Duration // until it starts, in the time of the agents
	image *image        // nil for a host that is installed by itself
	first bool          // the image is made of this one

	lives *installation // that runs, or ran last; set by run
}

// installation is the agent of one host.
type installation struct {
	swarm       *Swarm
	host        *host
	files       *files
	inventoried func() // the platform has its first inventory
	rested      func() // the agent has nothing to do for now; may be nil
	leave       func() // set while the agent departs: it does not become another one
	joined      atomic.Bool
}

// errDeparting is what an agent that departs gets when it would provision anew.
var errDeparting = errors.New("this agent departs")

// image is an installed host that others are copies of.
type image struct {
	ready chan struct{} // closed when there are files
	files *files
}

func newImage() *image { return &image{ready: make(chan struct{})} }

// run keeps the place taken until ctx ends or an agent ends by itself.
func (m *member) run(ctx context.Context) {
	s := m.swarm
	if !s.sleep(ctx, m.delay) {
		return
	}
	s.started.Add(1)
	i := s.install(m.slot, &files{})
	defer func() { m.lives = i }()
	if m.image != nil && !m.copied(ctx, i) {
		return
	}
	for number := m.slot; ; {
		why := i.live(ctx, m.life(number))
		if ctx.Err() != nil {
			return
		}
		if why != "" {
			s.end(why)
			return
		}
		s.mu.Lock()
		s.former = append(s.former, i)
		s.mu.Unlock()
		number += s.cfg.Agents
		i = s.install(number, &files{})
	}
}

// install puts an agent on a host. Its files are empty, or those of an image.
func (s *Swarm) install(number int, on *files) *installation {
	return &installation{
		swarm: s, host: s.host(number), files: on,
		inventoried: sync.OnceFunc(func() { s.inventoried.Add(1) }),
	}
}

// copied waits for the image and takes its files over, and reports false when ctx
// ends first. On the first host it makes the image before that.
func (m *member) copied(ctx context.Context, i *installation) bool {
	if m.first {
		i.liveUntilInventoried(ctx)
		m.image.files = i.files.clone()
		close(m.image.ready)
	}
	select {
	case <-m.image.ready:
	case <-ctx.Done():
		return false
	}
	i.files = m.image.files.clone()
	return true
}

// liveUntilInventoried runs the agent until it rests after its first inventory.
func (i *installation) liveUntilInventoried(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	counted, done := i.inventoried, false // by and for the loop of the agent alone
	i.inventoried = func() { counted(); done = true }
	i.rested = func() {
		if done {
			stop()
		}
	}
	i.live(ctx, 0)
	i.inventoried, i.rested = counted, nil
}

// life returns how long a host lives, 0 for ever: evenly up to twice the mean.
func (m *member) life(number int) time.Duration {
	mean := m.swarm.cfg.Scenario.Life
	return time.Duration(m.swarm.host(number).draw(drawLife, 0).Float64() * 2 * float64(mean))
}

// live runs the agent until ctx ends or life is over, unless that is 0. It
// returns why the agent ended by itself, if it did.
func (i *installation) live(ctx context.Context, life time.Duration) (why string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if life > 0 {
		expired := time.AfterFunc(i.swarm.clock.world(life), stop)
		defer expired.Stop()
	}
	err := i.run(ctx)
	switch {
	case errors.Is(err, session.ErrUninstalled):
		return "uninstalled by the platform"
	case err != nil:
		return err.Error()
	}
	return ""
}

func (i *installation) run(ctx context.Context) error {
	agent, err := session.Open(i.config())
	if err != nil {
		return err
	}
	defer agent.Close()
	return agent.Run(ctx)
}

// legacyVersion is the last version of agents on Linux without the consolidated
// status.
const legacyVersion = "1.5.0"

func (i *installation) config() session.Config {
	s := i.swarm
	facts := i.host.hardware()
	// An agent that departs asks for the order itself: a legacy one would wait for
	// its revocation interval.
	legacy := i.leave == nil && i.host.draw(drawLegacy, 0).Float64() < s.cfg.Legacy
	version := s.cfg.AgentVersion
	if legacy {
		version = legacyVersion
	}
	return session.Config{
		StateDir: "memory", Files: i.files, RootDir: "/", Version: version, Legacy: legacy,
		ActivationID: s.cfg.ActivationID, CustomerID: s.cfg.CustomerID, ServerURI: s.cfg.ServerURI,
		Wakeup: s.cfg.Wakeup, Host: facts,
		Runner:    &runner{scanner: s.scanner, host: i.host, hosts: s.host, files: i.files, clock: s.clock, change: s.cfg.Scenario.Change, began: s.clock.start},
		Transport: i, Clock: s.clock, Wall: time.Now, Random: s.random(i.host.number), Log: s.cfg.Log, Rest: i.rested,
	}
}

// RoundTrip implements http.RoundTripper: it carries the requests of this agent.
func (i *installation) RoundTrip(r *http.Request) (*http.Response, error) {
	if i.leave != nil && r.URL.Path == agentwire.PathProvision {
		i.leave()
		return nil, errDeparting
	}
	response, body, err := i.swarm.wire.roundTrip(r)
	if r.URL.Path == agentwire.PathProvision && r.Context().Err() == nil {
		i.swarm.refused(whyNotIn(response, body, err))
	}
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		i.note(r.URL.Path, body)
	}
	return response, nil
}

// note remembers what an answer tells of the agent.
func (i *installation) note(path string, body []byte) {
	switch {
	case path == agentwire.PathProvision:
		var answer agentwire.ProvisionAnswer
		if json.Unmarshal(body, &answer) == nil {
			i.joined.Store(true)
			i.swarm.mu.Lock()
			i.swarm.identities[answer.AgentID] = struct{}{}
			i.swarm.mu.Unlock()
		}
	case strings.HasPrefix(path, agentwire.PathUploads):
		var answer agentwire.UploadAnswer
		if json.Unmarshal(body, &answer) == nil && answer.State == agentwire.UploadCommitted {
			i.inventoried()
		}
	}
}

// Depart starts all agents that have an identity again, so that each learns soon that the platform has
// uninstalled it. It returns how many are gone, and how many there were, when all
// are or ctx ends. Agents that the platform knows nothing of any more are gone as
// well.
func (s *Swarm) Depart(ctx context.Context) (gone, of int) {
	defer s.close()
	s.wire.connect()
	var departures sync.WaitGroup
	var left atomic.Int64
	list := s.installed()
	for _, i := range list {
		departures.Go(func() {
			if i.depart(ctx) {
				left.Add(1)
			}
		})
	}
	departures.Wait()
	return int(left.Load()), len(list)
}

// depart runs the agent until it is gone and reports false when ctx ends first.
func (i *installation) depart(ctx context.Context) bool {
	own, leave := context.WithCancel(ctx)
	defer leave()
	i.leave = leave
	return errors.Is(i.run(own), session.ErrUninstalled) || own.Err() != nil && ctx.Err() == nil
}

// installed returns the agents that have an identity, also of hosts that went.
func (s *Swarm) installed() []*installation {
	list := slices.Clone(s.former)
	for _, m := range s.members {
		if m.lives != nil {
			list = append(list, m.lives)
		}
	}
	return slices.DeleteFunc(list, func(i *installation) bool { return !i.joined.Load() })
}
