package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
)

// stage is a layer with somebody who conducts playbooks. No platform is called: what
// commands come to is said by the test.
type stage struct {
	*layer
	*conductor.Conductor
	desk *conductor.Desk
	ana  access.Principal
	// answer says what a command comes to; nil is success.
	answer func(ctx context.Context, b *run.Beginning) integration.Answer

	mu    sync.Mutex
	now   time.Time
	calls []string // what was called, by key
	most  int      // how many were called at once
	under int
}

func setupStage(tb testing.TB, create func(tb testing.TB) Database) *stage {
	tb.Helper()
	s := &stage{layer: setupLayer(tb, create), now: Start}
	s.connection(tb, "lab")
	s.ana = access.NewPrincipal(must(s.CreateUser(tb.Context(), access.User{Username: "ana", PasswordHash: "x", Created: Start, Roles: must(s.Roles(tb.Context()))(tb)[:1]}))(tb))
	programs := &library.Programs{Shelf: s.Store}
	s.Conductor = &conductor.Conductor{
		Turns: s.Store, Programs: programs, Commands: s, Core: s, Now: s.clock, Random: func() float64 { return 0.5 },
		Log: slog.New(slog.DiscardHandler), Room: make(chan struct{}, 20),
	}
	s.desk = &conductor.Desk{
		Records: s.Store, Shelf: s.Store, Programs: programs, Now: s.clock, Random: s.Random,
		Sites: &connection.Directory{Connections: s.Store, Sites: s.Store, People: s.Store, Relays: s.Store, Now: s.clock},
	}
	return s
}

func (s *stage) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stage) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Perform implements conductor.Commands.
func (s *stage) Perform(ctx context.Context, b *run.Beginning) integration.Answer {
	s.mu.Lock()
	s.calls = append(s.calls, b.Key)
	s.under++
	s.most = max(s.most, s.under)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under--
	}()
	if s.answer == nil {
		return succeeded(7)
	}
	return s.answer(ctx, b)
}

// Execute implements conductor.Core.
func (s *stage) Execute(_ context.Context, _ conductor.Run, uses, key string, inputs map[string]any) automation.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprint(uses, " ", inputs["subject"], " ", key))
	return automation.Outcome{State: automation.Successful}
}

// called returns what was called so far, and forgets it.
func (s *stage) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func succeeded(ids ...int64) integration.Answer {
	return integration.Answer{Outcome: automation.Outcome{State: automation.Successful, KeyFields: map[string][]int64{"cloudAgentIds": ids, "activationKeyIds": ids}}}
}

func failing(status int) integration.Answer {
	return integration.Answer{Outcome: automation.Outcome{State: automation.Failed, Errors: []automation.Error{{Indicator: "It failed.", StatusCode: status, Message: "No."}}}}
}

// save saves a playbook and makes it live.
func (s *stage) save(tb testing.TB, name, rest string) library.Playbook {
	tb.Helper()
	text := "kind: Playbook\nname: " + name + "\ndefaults: {connection: lab}\n" + rest
	if _, problems, err := s.Programs.(*library.Programs).Compile(tb.Context(), s.main, text); err != nil || problems != nil {
		tb.Fatalf("%v\n%v", err, problems)
	}
	p := must(s.CreatePlaybook(tb.Context(), library.Playbook{SiteID: s.main, Name: name}, library.Version{Source: text, Author: "ana", Created: Start}))(tb)
	p.Live, p.Publisher, p.PublisherID, p.Modified = 1, "ana", s.ana.User.ID, Start
	if err := s.Publish(tb.Context(), p); err != nil {
		tb.Fatal(err)
	}
	return p
}

// start starts a playbook.
func (s *stage) start(tb testing.TB, p library.Playbook, inputs map[string]any) conductor.Run {
	tb.Helper()
	r, created, err := s.desk.Start(tb.Context(), s.ana, conductor.Request{PlaybookID: p.ID, Inputs: inputs})
	if err != nil || !created {
		tb.Fatalf("created %t: %v", created, err)
	}
	return r
}

// conduct has a run carried on once, and returns how it is then.
func (s *stage) conduct(tb testing.TB, id int64) conductor.Run {
	tb.Helper()
	if err := s.Conduct(tb.Context(), id); err != nil {
		tb.Fatal(err)
	}
	return must(s.PlaybookRun(tb.Context(), id))(tb)
}

// play has everything carried on that is due, and the clock move to what is due next,
// until a run has ended.
func (s *stage) play(tb testing.TB, id int64) conductor.Run {
	tb.Helper()
	for range 200 {
		for _, due := range must(s.DuePlaybookRuns(tb.Context(), s.clock(), 0, 100))(tb) {
			s.conduct(tb, due)
		}
		r := must(s.PlaybookRun(tb.Context(), id))(tb)
		if r.State.Ended() {
			return r
		}
		s.advance(time.Second)
	}
	r := must(s.PlaybookRun(tb.Context(), id))(tb)
	tb.Fatalf("it does not end: %+v\n%s", r, r.Progress)
	return r
}

// commands returns the records of the first commands of a run.
func (s *stage) commands(tb testing.TB, id int64) []run.Run {
	tb.Helper()
	found, _, err := s.desk.Commands(tb.Context(), s.ana, id, 0, 100)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// steps returns the states of the steps of a run by their ids.
func steps(tb testing.TB, r conductor.Run) map[string]string {
	tb.Helper()
	states := map[string]string{}
	for _, step := range must(r.Steps())(tb) {
		states[step.ID] = step.State
	}
	return states
}
