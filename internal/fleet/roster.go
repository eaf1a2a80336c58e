package fleet

import (
	"context"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

const (
	// rosterTTL bounds how long a replica may act on what another one changed,
	// should the change tail fail.
	rosterTTL = time.Minute
	// maxRoster bounds the agents a replica remembers, about 400 bytes each. Above
	// it arbitrary ones are forgotten and looked up again.
	maxRoster = 500_000
)

// Roster is what the check-in path knows of each agent without asking the
// database: its key, the versions of its instructions, and which sequence
// numbers it has used. It is safe for concurrent use.
type Roster struct {
	states AgentStates
	now    func() time.Time

	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	state   AgentState
	loaded  time.Time // zero: to be loaded again, the sequence window stays
	known   bool      // was loaded once
	forgets int       // counts Forget: a load that it overtook is used once and not kept
	window  agentwire.SequenceWindow
	skew    time.Duration        // of the host's clock, as it was last told
	claimed time.Time            // until when its claims use up what it may, see MayClaim
	told    map[string]time.Time // news of it and when they were last told; nil for none
}

func (e *entry) forget() {
	e.forgets++
	e.loaded = time.Time{}
}

// NewRoster returns an empty Roster over the given storage.
func NewRoster(states AgentStates, now func() time.Time) *Roster {
	return &Roster{states: states, now: now, entries: make(map[string]*entry)}
}

// Agent returns the state of an agent, from memory when it is fresh. An unknown
// agent is fault.NotFound; that is not remembered, so that nobody can fill the
// memory with names.
func (r *Roster) Agent(ctx context.Context, agentID string) (AgentState, error) {
	now := r.now()
	r.mu.Lock()
	e, ok := r.entries[agentID]
	if ok && !e.loaded.IsZero() && now.Sub(e.loaded) < rosterTTL {
		state := e.state
		r.mu.Unlock()
		return state, nil
	}
	if !ok {
		r.makeRoom()
		e = &entry{}
		r.entries[agentID] = e
	}
	forgets := e.forgets
	r.mu.Unlock()

	state, err := r.states.AgentState(ctx, agentID)

	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		// Also when the caller went away: names that nobody has must not fill the
		// memory of those who are there.
		if (!e.known || fault.Is(err, fault.NotFound)) && r.entries[agentID] == e {
			delete(r.entries, agentID)
		}
		return AgentState{}, err
	}
	e.known = true
	if e.forgets == forgets {
		e.state, e.loaded = state, now
	}
	return state, nil
}

// Accept reports whether the sequence number is new for the agent, and
// remembers it. Each replica has its own window: an endpoint that a replayed
// request could reach twice is idempotent.
func (r *Roster) Accept(agentID string, sequence uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[agentID]
	if !ok {
		return true // forgotten between Agent and here: as after a restart
	}
	return e.window.Accept(sequence)
}

// skewChange is how much the skew of a clock must change to be told again.
const skewChange = time.Minute

// Skew notes by how much the clock of an agent's host is ahead of the
// platform's and reports whether that is news.
func (r *Roster) Skew(agentID string, ahead time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[agentID]
	if !ok || (ahead-e.skew).Abs() < skewChange {
		return false
	}
	e.skew = ahead
	return ahead != 0
}

const (
	// claimsAtOnce is how many claims on one identity are judged in a row, so many
	// machines of one image may start together; then one every claimEvery. Each may
	// write all that is remembered of an identity, up to about 40 KB.
	claimsAtOnce = 16
	claimEvery   = 5 * time.Second
	// newsAgain is after how long the same news of an agent is told again.
	newsAgain = time.Hour
)

// MayClaim reports whether one more claim on the identity of an agent may be
// judged by this replica now, and counts it if so.
func (r *Roster) MayClaim(agentID string) bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[agentID]
	if !ok {
		return true // as in Accept
	}
	if e.claimed.Before(now) {
		e.claimed = now
	}
	if e.claimed.Sub(now) > (claimsAtOnce-1)*claimEvery {
		return false
	}
	e.claimed = e.claimed.Add(claimEvery)
	return true
}

// News reports whether something was not told of an agent lately, and notes that
// it is told now. The texts are few: they are kept.
func (r *Roster) News(agentID, text string) bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[agentID]
	if !ok {
		return true
	}
	if at, ok := e.told[text]; ok && now.Sub(at) < newsAgain {
		return false
	}
	if e.told == nil {
		e.told = make(map[string]time.Time)
	}
	e.told[text] = now
	return true
}

// Forget makes the next Agent call load the state again.
func (r *Roster) Forget(agentID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[agentID]; ok {
		e.forget()
	}
}

// ForgetAll makes every state be loaded again.
func (r *Roster) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		e.forget()
	}
}

func (r *Roster) makeRoom() {
	for agentID := range r.entries {
		if len(r.entries) < maxRoster {
			return
		}
		delete(r.entries, agentID)
	}
}
