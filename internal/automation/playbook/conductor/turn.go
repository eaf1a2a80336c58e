package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// result is what a turn leads to.
type result struct {
	sends    []sending      // commands that are to be sent
	stops    []engine.Ref   // commands under way that are to be stopped
	held     []engine.Start // commands that find no place
	later    []engine.Start // commands that the next turn begins, at once
	next     time.Time      // when to take another turn without an event; zero for never
	ended    bool
	revision int64
}

// turn takes in what has landed and carries the run on, in one transaction.
func (c *conducting) turn(ctx context.Context) (result, error) {
	var done result
	err := c.Turns.Turn(ctx, c.id, func(ctx context.Context, t Turn) error {
		c.unsend(done.sends) // of an attempt that came to nothing
		s := &step{conducting: c, turn: t, run: t.Run(), now: c.Now().UTC(), memory: &memory{turn: t, program: c.program, fields: c.fields}}
		err := s.take(ctx)
		done = s.result
		return err
	})
	if err != nil {
		c.unsend(done.sends)
	}
	if errors.Is(err, ErrGone) {
		return result{ended: true}, nil
	}
	if err != nil {
		c.opened = false // it may be stored all the same, with commands as sent that are not
		return result{}, fmt.Errorf("carry on run %d: %w", c.id, err)
	}
	c.opened, c.waiting, c.seen, c.kept = true, slices.Concat(done.later, done.held), done.revision, nil
	return done, nil
}

// unsend gives the places back of commands that are not sent after all.
func (c *conducting) unsend(sends []sending) {
	for range sends {
		<-c.Room
	}
}

// step is one turn while it is taken.
type step struct {
	*conducting
	result
	turn   Turn
	run    Run
	now    time.Time
	memory *memory
	state  *engine.State
	queue  []engine.Start
	finish *engine.Finish
	wake   time.Time
	asked  bool         // the run has asked something, now or before
	sent   []engine.Ref // the commands that were under way before the turn, but what has landed
}

// take takes the turn.
func (s *step) take(ctx context.Context) error {
	s.revision = s.run.Revision
	if s.run.State.Ended() {
		s.ended = true
		for ref := range s.flights {
			s.stops = append(s.stops, ref)
		}
		_, err := s.turn.Called(ctx) // what it began may end after it; that is noted here
		return err
	}
	if failure := s.open(ctx); failure != nil || s.state == nil {
		return failure
	}
	s.asked, s.sent = asks(s.state), s.underWay()
	if err := s.events(ctx); err != nil {
		return err
	}
	if err := s.starts(ctx); err != nil {
		return err
	}
	return s.store(ctx)
}

// open reads the state of the engine, or makes the first one.
func (s *step) open(ctx context.Context) error {
	var err error
	if s.state, err = s.run.progress(); err != nil || s.state != nil {
		return err
	}
	if _, err := s.memory.Inputs(ctx); err != nil {
		failure, ok := errors.AsType[*fault.Error](err)
		if !ok {
			return err
		}
		// The inputs of one that a step began are looked at here for the first time.
		return s.unbegun(ctx, 400, failure)
	}
	s.run.Started = s.now
	if s.run.RerunOf != 0 {
		return s.goOn(ctx)
	}
	s.state = s.engine.Begin(strconv.FormatInt(s.run.ID, 10), "user:"+s.run.StartedBy, s.run.Chain, s.run.Queued)
	return nil
}

// unbegun ends a run that cannot begin.
func (s *step) unbegun(ctx context.Context, status int, failure *fault.Error) error {
	s.ended, s.state = true, nil
	r := s.run
	r.State, r.Started, r.Ended, r.Due = Failed, s.now, s.now, time.Time{}
	r.Error = &engine.Error{Indicator: "Playbook " + r.Playbook + " failed.", StatusCode: status, Message: failure.Message, Resolution: failure.Resolution}
	return s.turn.Write(ctx, r, false)
}

// goOn makes the first state of a run that goes on with another one.
func (s *step) goOn(ctx context.Context) error {
	former, err := s.turn.Former(ctx)
	if failure, ok := errors.AsType[*fault.Error](err); ok && failure.Code == fault.NotFound {
		return s.unbegun(ctx, 404, failure) // it was removed since
	}
	if err != nil {
		return err
	}
	was, err := former.progress()
	if err != nil {
		return err
	}
	id, by := strconv.FormatInt(s.run.ID, 10), "user:"+s.run.StartedBy
	if was == nil { // it ended before it had begun
		s.state = s.engine.Begin(id, by, nil, s.run.Queued)
		return nil
	}
	s.state = s.engine.Rerun(was, id, by, s.run.Queued)
	return nil
}

// events tells the engine what has happened.
func (s *step) events(ctx context.Context) error {
	for i := range s.kept {
		if err := s.land(ctx, &s.kept[i]); err != nil {
			return err
		}
	}
	if !s.opened {
		if err := s.lost(ctx); err != nil {
			return err
		}
	}
	if err := s.calledEnded(ctx); err != nil {
		return err
	}
	if s.run.Cancel && s.state.Phase != engine.Cancelling {
		if err := s.advance(ctx, engine.Cancelled{}); err != nil {
			return err
		}
	}
	if err := s.advance(ctx, nil); err != nil {
		return err
	}
	if s.opened && s.revision == s.seen {
		s.queue = slices.Concat(s.waiting, s.queue)
		return nil
	}
	// Others have changed the run, or somebody else has conducted it: everything that is
	// open is taken from the state.
	s.queue = nil
	actions, err := s.engine.Outstanding(ctx, s.state, s.memory, s.now)
	if err != nil {
		return err
	}
	return s.act(ctx, actions)
}

// advance has the engine go on.
func (s *step) advance(ctx context.Context, event engine.Event) error {
	actions, err := s.engine.Advance(ctx, s.state, s.memory, event, s.now)
	if errors.Is(err, engine.ErrStale) {
		return nil
	}
	if err != nil {
		return err
	}
	s.wake = time.Time{}
	return s.act(ctx, actions)
}

// act notes what is to be done.
func (s *step) act(ctx context.Context, actions []engine.Action) error {
	for _, action := range actions {
		switch a := action.(type) {
		case engine.Start:
			s.queue = append(s.queue, a)
		case engine.Stop:
			s.stops = append(s.stops, a.Ref)
		case engine.Wake:
			s.wake = a.At
		case engine.Finish:
			s.finish = &a
		case engine.Ask:
			s.asked = true
			q := Question{RunID: s.id, Playbook: s.run.Playbook, SiteID: s.run.SiteID, Kind: Approval, Ref: engine.Ref{Step: a.Step, Round: roundOf(s.state, a.Step)}, Assignees: a.To, Message: notice.Line(a.Message, maxQuestion), Asked: s.now, Due: a.Due, Approve: a.Approve}
			if a.Unknown != nil {
				q.Kind, q.Ref = Unknown, *a.Unknown
			}
			if err := s.turn.Ask(ctx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// land stores what a command came to, and tells the engine.
func (s *step) land(ctx context.Context, l *landing) error {
	if err := s.turn.Leave(ctx, l.run); err != nil {
		return err
	}
	// What an earlier sending has left there is over.
	maps.DeleteFunc(s.fields, func(at string, _ any) bool { return strings.HasPrefix(at, PlaceOf(l.run.ID)+" ") })
	return s.advance(ctx, l.event)
}

// lost tells the engine of the commands that were sent and that nobody carries out:
// somebody else conducted the run, or a turn that failed was stored all the same.
// Their records give their places on connections back first.
func (s *step) lost(ctx context.Context) error {
	lost := slices.DeleteFunc(slices.Clone(s.sent), func(ref engine.Ref) bool { return s.flights[ref] != nil })
	for _, ref := range lost {
		if err := s.turn.Lose(ctx, ref, run.Unknown, s.now); err != nil {
			return err
		}
	}
	for _, ref := range lost {
		if err := s.advance(ctx, engine.Lost{Ref: ref}); err != nil {
			return err
		}
	}
	return nil
}

// underWay returns the commands that the run has sent, but those that have landed.
func (s *step) underWay() []engine.Ref {
	var refs []engine.Ref
	for i := range s.state.Steps {
		if s.program.Nodes[i].Playbook != "" {
			continue
		}
		for item, x := range s.state.Steps[i].Executions {
			ref := engine.Ref{Step: s.state.Steps[i].ID, Item: item, Round: s.state.Steps[i].Round, Send: x.Send}
			if x.State == playbook.Running && !slices.ContainsFunc(s.kept, func(l landing) bool { return l.ref == ref }) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// release ends the records of commands that the engine has given up in this turn.
func (s *step) release(ctx context.Context) error {
	for _, ref := range s.sent {
		if awaited(s.state, ref) {
			continue
		}
		if err := s.turn.Lose(ctx, ref, run.Unknown, s.now); err != nil {
			return err
		}
	}
	return nil
}

// starts begins the commands that are to begin. What follows from that, such as the
// branch of one that could not begin, is for the next turn: it may need other
// connections.
func (s *step) starts(ctx context.Context) error {
	batch := s.queue
	s.queue = nil
	if s.rests(s.now) {
		s.held = batch
		return nil
	}
	if names := connectionsOf(batch); len(names) > 1 {
		if err := s.turn.Hold(ctx, names); err != nil {
			return err
		}
	}
	for _, start := range batch {
		if err := s.start(ctx, start); err != nil {
			return err
		}
	}
	s.later = s.queue
	return nil
}

// connectionsOf returns the names of the connections that commands need.
func connectionsOf(starts []engine.Start) []string {
	var names []string
	for _, start := range starts {
		if start.Connection != "" && !slices.Contains(names, start.Connection) {
			names = append(names, start.Connection)
		}
	}
	return names
}

// store stores the run as it is now.
func (s *step) store(ctx context.Context) error {
	if err := s.settleQuestions(ctx); err != nil {
		return err
	}
	if err := s.cancelCalled(ctx); err != nil {
		return err
	}
	if err := s.release(ctx); err != nil {
		return err
	}
	doc, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	s.run.Progress, s.run.State = doc, stateOf(s.state)
	if s.finish != nil {
		s.ended = true
		s.run.Ended, s.run.Due, s.run.Error = s.now, time.Time{}, s.finish.Error
		if s.finish.Outputs != nil {
			if s.run.Outputs, err = expression.Encode(s.finish.Outputs); err != nil {
				return fmt.Errorf("encode outputs: %w", err)
			}
		}
		return s.turn.Write(ctx, s.run, false)
	}
	s.next, s.run.Due = s.wake, s.wake
	if len(s.held) > 0 && !s.state.Paused {
		if again := s.now.Add(crowded); s.next.IsZero() || again.Before(s.next) {
			s.run.Due = again
			if !s.rests(s.now) {
				s.next = again
			}
		}
	}
	if len(s.later) > 0 {
		s.next, s.run.Due = s.now, s.now
	}
	if len(s.sends)+len(s.flights) > 0 && (s.run.Due.IsZero() || s.run.Due.After(s.now.Add(backstop))) {
		s.run.Due = s.now.Add(backstop)
	}
	return s.turn.Write(ctx, s.run, false)
}
