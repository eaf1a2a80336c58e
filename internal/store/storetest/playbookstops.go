package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/run"
)

// stops has the platform of a stage begin to stop when the function it returns is
// called.
func (s *stage) stops(grace time.Duration) (stop func()) {
	stopping := make(chan struct{})
	s.Stopping, s.Grace = func(context.Context) <-chan struct{} { return stopping }, grace
	return func() { close(stopping) }
}

// starts is the platform that was stopped, started again.
func (s *stage) starts() { s.Stopping, s.answer = nil, nil }

// wantCommands compares the states of the records of the commands of a run.
func (s *stage) wantCommands(t *testing.T, id int64, want ...run.State) {
	t.Helper()
	var got []run.State
	for _, r := range s.commands(t, id) {
		got = append(got, r.State)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the records of its commands are %s, want %s", got, want)
	}
}

func testStopWaits(t *testing.T, s *stage) {
	p := s.save(t, "stop", "steps:\n"+keyStep+"  - {id: after, uses: qualys-cloud-agent/search-cloud-agents}\n")
	r := s.start(t, p, nil)
	stop := s.stops(time.Minute)
	s.answer = func(context.Context, *run.Beginning) integration.Answer {
		stop() // and only then it is answered
		return succeeded(7)
	}
	s.conduct(t, r.ID)
	s.wantCommands(t, r.ID, run.Succeeded)
	if err := s.Conduct(t.Context(), r.ID); !errors.Is(err, conductor.ErrStopping) {
		t.Errorf("a run that comes when the platform stops ends with %v", err)
	}
	if calls := s.called(); len(calls) != 1 {
		t.Errorf("calls %q: the next step was begun", calls)
	}
	s.starts()
	s.advance(10 * time.Second)
	if due := must(s.DuePlaybookRuns(t.Context(), s.clock(), 0, 10))(t); len(due) != 1 {
		t.Errorf("%v are due", due)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	s.wantCommands(t, r.ID, run.Succeeded, run.Succeeded)
	if calls := s.called(); len(calls) != 1 {
		t.Errorf("calls %q", calls)
	}
}

// A command that is answered while it is stopped was carried out; of another nobody
// knows.
func testStopGivesUp(t *testing.T, s *stage) {
	p := s.save(t, "stop", "steps:\n  - {id: make, forEach: {in: \"${{ ['slow', 'slower'] }}\", parallel: 2}, uses: qualys-cloud-agent/create-activation-key, with: {title: \"${{ item }}\"}}\n")
	r := s.start(t, p, nil)
	stop := s.stops(time.Millisecond)
	under := make(chan struct{}, 1)
	s.answer = func(ctx context.Context, b *run.Beginning) integration.Answer {
		select {
		case under <- struct{}{}:
		default:
			stop()
		}
		<-ctx.Done()
		if b.Run.Inputs["title"] == "slow" {
			return succeeded(7)
		}
		return failing(499)
	}
	if err := s.Conduct(t.Context(), r.ID); !errors.Is(err, conductor.ErrStopping) {
		t.Fatalf("it ended with %v", err)
	}
	s.wantCommands(t, r.ID, run.Succeeded, run.Running)
	s.starts()
	wantState(t, s.conduct(t, r.ID), conductor.Waiting)
	s.wantCommands(t, r.ID, run.Succeeded, run.Unknown)
	if open := must(s.desk.Questions(t.Context(), s.ana, r.ID, true, true, 10))(t); len(open) != 1 || open[0].Item != 1 {
		t.Errorf("it asks %+v", open)
	}
}

// Turns in a row, one per entry, fail as it says; those after them succeed.
type failingTurns struct {
	conductor.Turns
	failures []func(ctx context.Context, turn func(ctx context.Context) error) error
	taken    int
}

var errBusy = errors.New("database is busy")

// Turn implements conductor.Turns.
func (f *failingTurns) Turn(ctx context.Context, id int64, do func(ctx context.Context, t conductor.Turn) error) error {
	f.taken++
	if f.taken > len(f.failures) || f.failures[f.taken-1] == nil {
		return f.Turns.Turn(ctx, id, do)
	}
	return f.failures[f.taken-1](ctx, func(ctx context.Context) error { return f.Turns.Turn(ctx, id, do) })
}

// undone is a turn whose transaction is rolled back.
func (f *failingTurns) undone(id int64) func(ctx context.Context, turn func(ctx context.Context) error) error {
	return func(ctx context.Context, _ func(ctx context.Context) error) error {
		return f.Turns.Turn(ctx, id, func(context.Context, conductor.Turn) error { return errBusy })
	}
}

// unheard is a turn whose commit is done, and whose caller is not told.
func unheard(ctx context.Context, turn func(ctx context.Context) error) error {
	return errors.Join(errBusy, turn(ctx))
}

func testAnswerOutlivesTurn(t *testing.T, s *stage) {
	p := s.save(t, "busy", "steps:\n"+keyStep+searchStep)
	r := s.start(t, p, nil)
	turns := &failingTurns{Turns: s.Store}
	turns.failures = append(turns.failures, nil, turns.undone(r.ID))
	s.Turns = turns
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	s.wantCommands(t, r.ID, run.Succeeded, run.Succeeded)
	if calls := s.called(); len(calls) != 2 {
		t.Errorf("calls %q, want each once", calls)
	}
}

// The command that the turn begins is on record as sent, and was not: it is sent
// again, as after a crash.
func testTurnUnheard(t *testing.T, s *stage) {
	p := s.save(t, "unheard", "steps:\n"+keyStep+searchStep)
	r := s.start(t, p, nil)
	s.Turns = &failingTurns{Turns: s.Store, failures: []func(context.Context, func(context.Context) error) error{nil, unheard}}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	s.wantCommands(t, r.ID, run.Succeeded, run.Succeeded)
	if calls := s.called(); len(calls) != 2 || len(s.Room) != 0 {
		t.Errorf("calls %q, want each once; %d places are taken", calls, len(s.Room))
	}
}

// A command that is under way when a turn fails goes on.
func testFlightOutlivesTurn(t *testing.T, s *stage) {
	p := s.save(t, "flight", "steps:\n  - {id: find, needs: [], uses: qualys-cloud-agent/search-cloud-agents}\n  - {id: make, needs: [], uses: qualys-cloud-agent/create-activation-key, with: {title: lab}}\n")
	r := s.start(t, p, nil)
	turns, retaken := &failingTurns{Turns: s.Store}, make(chan struct{})
	turns.failures = append(turns.failures, nil, turns.undone(r.ID), func(ctx context.Context, turn func(ctx context.Context) error) error {
		defer close(retaken)
		return turn(ctx)
	})
	s.Turns = turns
	s.answer = func(ctx context.Context, b *run.Beginning) integration.Answer {
		if b.Run.Step == "make" {
			select {
			case <-retaken:
			case <-ctx.Done():
				return failing(499)
			}
		}
		return succeeded(7)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	if calls := s.called(); len(calls) != 2 {
		t.Errorf("calls %q, want each once", calls)
	}
}

func testStopDuringFailure(t *testing.T, s *stage) {
	p := s.save(t, "both", "steps:\n"+keyStep+searchStep)
	r := s.start(t, p, nil)
	ctx, end := context.WithCancel(t.Context())
	s.Turns = &failingTurns{Turns: s.Store, failures: []func(context.Context, func(context.Context) error) error{nil, func(context.Context, func(context.Context) error) error {
		end()
		return errBusy
	}}}
	if err := s.Conduct(ctx, r.ID); !errors.Is(err, context.Canceled) || !errors.Is(err, errBusy) {
		t.Fatalf("it ended with %v", err)
	}
	s.wantCommands(t, r.ID, run.Succeeded)
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	if calls := s.called(); len(calls) != 2 {
		t.Errorf("calls %q, want each once", calls)
	}
}

func testLostRun(t *testing.T, s *stage) {
	p := s.save(t, "lost", "steps:\n"+searchStep)
	r := s.start(t, p, nil)
	ctx, end := context.WithCancel(t.Context())
	s.Lost = func(of context.Context) bool { return of.Err() != nil }
	s.answer = func(context.Context, *run.Beginning) integration.Answer {
		end()
		return succeeded(7)
	}
	if err := s.Conduct(ctx, r.ID); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	s.wantCommands(t, r.ID, run.Running)
}
