package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// states is an AgentStates that counts how often it is asked.
type states struct {
	mu     sync.Mutex
	byID   map[string]AgentState
	asked  int
	during func() // runs while a state is being loaded
}

func (s *states) AgentState(_ context.Context, id string) (AgentState, error) {
	s.mu.Lock()
	s.asked++
	state, ok := s.byID[id]
	during := s.during
	s.mu.Unlock()
	if during != nil {
		during()
	}
	if !ok {
		return AgentState{}, fault.Newf(fault.NotFound, "no agent %s", id)
	}
	return state, nil
}

func (s *states) set(id string, state AgentState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = state
}

// vanished is an AgentStates whose callers have gone away.
type vanished struct{}

func (vanished) AgentState(context.Context, string) (AgentState, error) {
	return AgentState{}, context.Canceled
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestRosterAsksTheDatabaseOnlyForWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	s := &states{byID: map[string]AgentState{"a": {AgentID: "a", HostID: 1, ProfileVersion: 1}}}
	r := NewRoster(s, c.now)
	ask := func(want int64) {
		t.Helper()
		state, err := r.Agent(t.Context(), "a")
		if err != nil || state.ProfileVersion != want {
			t.Errorf("got version %d, %v; want %d", state.ProfileVersion, err, want)
		}
	}
	ask(1)
	ask(1)
	if s.asked != 1 {
		t.Errorf("asked %d times for one agent, want once", s.asked)
	}
	s.set("a", AgentState{AgentID: "a", HostID: 1, ProfileVersion: 2})
	ask(1) // nobody said it changed
	r.Forget("a")
	ask(2)
	s.set("a", AgentState{AgentID: "a", HostID: 1, ProfileVersion: 3})
	c.at = c.at.Add(rosterTTL)
	ask(3) // the time to live heals a broken tail
	r.ForgetAll()
	ask(3)
	if s.asked != 4 {
		t.Errorf("asked %d times, want 4", s.asked)
	}
}

func TestRosterDoesNotKeepAStateThatChangedWhileItWasRead(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	s := &states{byID: map[string]AgentState{"a": {AgentID: "a", ProfileVersion: 1}}}
	r := NewRoster(s, c.now)
	s.during = func() { r.Forget("a") }
	if _, err := r.Agent(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	s.during = nil
	s.set("a", AgentState{AgentID: "a", ProfileVersion: 2})
	state, err := r.Agent(t.Context(), "a")
	if err != nil || state.ProfileVersion != 2 {
		t.Errorf("got version %d, %v; want the new one", state.ProfileVersion, err)
	}
}

func TestRosterRemembersNoUnknownAgents(t *testing.T) {
	t.Parallel()
	r := NewRoster(&states{byID: map[string]AgentState{}}, time.Now)
	for _, id := range []string{"x", "y", "x"} {
		if _, err := r.Agent(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("agent %s: %v", id, err)
		}
	}
	gone := NewRoster(vanished{}, time.Now)
	if _, err := gone.Agent(t.Context(), "z"); !errors.Is(err, context.Canceled) {
		t.Errorf("agent z: %v", err)
	}
	if n := len(r.entries) + len(gone.entries); n != 0 {
		t.Errorf("%d unknown agents are remembered", n)
	}
}

func TestASequenceNumberIsAcceptedOnceAlsoAfterTheStateIsForgotten(t *testing.T) {
	t.Parallel()
	s := &states{byID: map[string]AgentState{"a": {AgentID: "a"}}}
	r := NewRoster(s, time.Now)
	if _, err := r.Agent(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if !r.Accept("a", 10) || r.Accept("a", 10) {
		t.Error("want the first accepted and the second refused")
	}
	r.Forget("a")
	if _, err := r.Agent(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r.Accept("a", 10) || !r.Accept("a", 9) || !r.Accept("a", 11) {
		t.Error("the window did not survive")
	}
}

func TestAWakeupReachesTheNewestWaiterOfItsHost(t *testing.T) {
	t.Parallel()
	var w Wakeups
	older, doneOlder := w.Wait(1)
	newer, doneNewer := w.Wait(1)
	other, doneOther := w.Wait(2)
	defer doneOther()
	<-older // told to go: its connection was lost
	doneOlder()
	if w.Waiting() != 2 {
		t.Errorf("%d wait, want 2: the older waiter's end must not drop the newer", w.Waiting())
	}
	w.Wake(1)
	<-newer
	doneNewer()
	select {
	case <-other:
		t.Error("another host was woken")
	default:
	}
	w.Wake(99) // nobody waits
	if w.Waiting() != 1 {
		t.Errorf("%d wait, want 1", w.Waiting())
	}
}

// ledger is a Heartbeats that can fail.
type ledger struct {
	err     error
	batches [][]Heartbeat
}

func (l *ledger) SaveHeartbeats(_ context.Context, batch []Heartbeat) error {
	if l.err != nil {
		return l.err
	}
	l.batches = append(l.batches, batch)
	return nil
}

func TestPulseStoresTheNewestHeartbeatOfEachHostInOrder(t *testing.T) {
	t.Parallel()
	store := &ledger{}
	p := NewPulse(store, slog.New(slog.DiscardHandler))
	at := time.Unix(1_700_000_000, 0)
	p.Beat(Heartbeat{HostID: 2, At: at, Sequence: 9, Event: "Provisioned"})
	p.Beat(Heartbeat{HostID: 1, At: at, Sequence: 1})
	p.Beat(Heartbeat{HostID: 2, At: at.Add(time.Second), Sequence: 8})
	p.Flush(t.Context())
	if len(store.batches) != 1 || len(store.batches[0]) != 2 {
		t.Fatalf("got %v, want one batch of two", store.batches)
	}
	first, second := store.batches[0][0], store.batches[0][1]
	if first.HostID != 1 || second.HostID != 2 {
		t.Errorf("got hosts %d, %d; want them ordered", first.HostID, second.HostID)
	}
	if !second.At.Equal(at.Add(time.Second)) || second.Sequence != 9 || second.Event != "Provisioned" {
		t.Errorf("got %+v; want the newest time, the highest sequence, the last event", second)
	}
}

func TestPulseKeepsWhatTheDatabaseRefusedUnlessNewerCame(t *testing.T) {
	t.Parallel()
	store := &ledger{err: errors.New("database is away")}
	p := NewPulse(store, slog.New(slog.DiscardHandler))
	at := time.Unix(1_700_000_000, 0)
	p.Beat(Heartbeat{HostID: 1, At: at})
	p.Beat(Heartbeat{HostID: 2, At: at, Sequence: 9, Event: "Provisioned", AgentVersion: "2.1"})
	p.Flush(t.Context())
	p.Beat(Heartbeat{HostID: 2, At: at.Add(time.Minute), Sequence: 8})
	store.err = nil
	p.Flush(t.Context())
	if len(store.batches) != 1 || len(store.batches[0]) != 2 {
		t.Fatalf("got %+v", store.batches)
	}
	want := Heartbeat{HostID: 2, At: at.Add(time.Minute), Sequence: 9, Event: "Provisioned", AgentVersion: "2.1"}
	if got := store.batches[0][1]; got != want {
		t.Errorf("got %+v, want the newer time and all else that was said", got)
	}
}

func TestPulseIsBounded(t *testing.T) {
	t.Parallel()
	store := &ledger{}
	p := NewPulse(store, slog.New(slog.DiscardHandler))
	for host := range int64(maxHeartbeats + 10) {
		p.Beat(Heartbeat{HostID: host})
	}
	p.Beat(Heartbeat{HostID: 5, Sequence: 77})
	p.Flush(t.Context())
	stored := 0
	for _, batch := range store.batches {
		stored += len(batch)
	}
	if stored != maxHeartbeats {
		t.Errorf("stored %d, want the limit %d", stored, maxHeartbeats)
	}
	if store.batches[0][5].Sequence != 77 {
		t.Error("a host that waits already was not refreshed")
	}
}

// journal is a Changes over a slice.
type journal struct {
	mu      sync.Mutex
	err     error
	changes []Change
}

func (j *journal) ChangesSince(_ context.Context, seq int64, limit int) ([]Change, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var after []Change
	for _, change := range j.changes {
		if change.Seq > seq && len(after) < limit {
			after = append(after, change)
		}
	}
	return after, j.err
}

func (j *journal) LastChange(context.Context) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.changes) == 0 {
		return 0, j.err
	}
	return j.changes[len(j.changes)-1].Seq, j.err
}

func TestTailForgetsAndWakesWhatChanged(t *testing.T) {
	t.Parallel()
	s := &states{byID: map[string]AgentState{"a": {AgentID: "a", HostID: 1}}}
	hint := make(chan struct{})
	j := &journal{changes: []Change{{Seq: 4, HostID: 9, AgentID: "old"}}}
	tail := &Tail{Changes: j, Hint: hint, Roster: NewRoster(s, time.Now), Wakeups: &Wakeups{}, Log: slog.New(slog.DiscardHandler)}
	seq, err := tail.step(t.Context(), -1)
	if err != nil || seq != 4 {
		t.Fatalf("began at %d, %v; want the newest change", seq, err)
	}
	if _, err := tail.Roster.Agent(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wake, done := tail.Wakeups.Wait(1)
	defer done()
	for i := range int64(tailBatch + 5) { // more than one read
		j.changes = append(j.changes, Change{Seq: 5 + i, HostID: 1, AgentID: "a"})
	}
	if seq, err = tail.step(t.Context(), seq); err != nil || seq != 4+tailBatch+5 {
		t.Fatalf("followed to %d, %v", seq, err)
	}
	tail.wakeSome()
	<-wake
	before := s.asked
	if _, err := tail.Roster.Agent(t.Context(), "a"); err != nil || s.asked != before+1 {
		t.Errorf("asked %d times after the change, want once", s.asked-before)
	}
}

func TestAChangeOfAWholeFleetWakesItAFewAtATime(t *testing.T) {
	t.Parallel()
	const hosts = 3*wakeAtOnce + 1
	j := &journal{}
	for host := range int64(hosts) {
		// Each of them twice: it is woken once.
		j.changes = append(j.changes, Change{Seq: 2*host + 1, HostID: host}, Change{Seq: 2*host + 2, HostID: host})
	}
	tail := &Tail{Changes: j, Roster: NewRoster(&states{}, time.Now), Wakeups: &Wakeups{}, Log: slog.New(slog.DiscardHandler)}
	for host := range int64(hosts) {
		_, done := tail.Wakeups.Wait(host)
		defer done()
	}
	if _, err := tail.step(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{hosts - wakeAtOnce, hosts - 2*wakeAtOnce, 1, 0, 0} {
		tail.wakeSome()
		if got := tail.Wakeups.Waiting(); got != want {
			t.Errorf("%d still wait, want %d", got, want)
		}
	}
}

func TestTailEndsWithItsContextAndHealsAfterFailures(t *testing.T) {
	t.Parallel()
	s := &states{byID: map[string]AgentState{"a": {AgentID: "a", HostID: 1}}}
	hint := make(chan struct{})
	j := &journal{}
	tail := &Tail{Changes: j, Hint: hint, Roster: NewRoster(s, time.Now), Wakeups: &Wakeups{}, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); tail.Run(ctx) }()
	hint <- struct{}{} // the first step is done
	j.mu.Lock()
	j.err = errors.New("database is away")
	j.mu.Unlock()
	hint <- struct{}{}
	hint <- struct{}{} // a failing step is done
	j.mu.Lock()
	j.err, j.changes = nil, []Change{{Seq: 1, HostID: 1, AgentID: "a"}}
	j.mu.Unlock()
	wake, done := tail.Wakeups.Wait(1)
	defer done()
	hint <- struct{}{}
	<-wake
	cancel()
	<-ended
}
