package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// start begins one execution, of a command or of a playbook.
func (s *step) start(ctx context.Context, start engine.Start) error {
	if start.Playbook != "" {
		return s.call(ctx, start)
	}
	if !ready(s.state, start.Ref) {
		return nil // it is not wanted any more
	}
	r, secrets, err := s.record(start)
	if err != nil {
		return err
	}
	if large, err := s.tooLarge(ctx, start.Ref, r.Inputs); large || err != nil {
		return err
	}
	select {
	case s.Room <- struct{}{}: // the place of what is sent, until it has landed
	default:
		s.held = append(s.held, start)
		return nil
	}
	b, err := s.turn.Begin(ctx, r, start.Ref)
	if err != nil {
		<-s.Room
	}
	if _, full := errors.AsType[*run.CrowdedError](err); full {
		s.held = append(s.held, start)
		return nil
	}
	if err != nil {
		return err
	}
	b.Key, b.Inputs, b.Run.Cursor, b.Publishers = "playbook-"+start.Key, secrets, start.Cursor, s.run.Publishers
	s.sends = append(s.sends, sending{start, b, s.run})
	return s.advance(ctx, engine.Sent{Ref: start.Ref})
}

// record is the record of an execution that is sent now, and its secret inputs.
func (s *step) record(start engine.Start) (run.Run, map[string]string, error) {
	inputs, err := plain(start.With)
	r := run.Run{
		ConnectionName: start.Connection, SiteID: s.run.SiteID, Origin: run.ByPlaybook, StartedBy: s.run.StartedBy, UserID: s.run.UserID, Address: s.run.Address,
		PlaybookRunID: s.id, Step: start.Step, Item: start.Item, Round: start.Round, State: run.Running, Queued: s.now, Started: s.now,
	}
	r.Integration, r.Command, _ = strings.Cut(start.Uses, "/")
	if start.Wait != nil {
		r.Wait = &integration.Wait{Interval: start.Wait.Interval, Timeout: start.Wait.Timeout}
	}
	r.Inputs = inputs
	var secrets map[string]string
	if command, known := integration.FindCommand(start.Uses); known {
		r.Inputs, secrets = run.Masked(command, inputs)
	}
	return r, secrets, err
}

// call begins the run of a playbook.
func (s *step) call(ctx context.Context, start engine.Start) error {
	inputs, err := plain(start.With)
	if err != nil {
		return err
	}
	if !ready(s.state, start.Ref) {
		return nil
	}
	if large, err := s.tooLarge(ctx, start.Ref, inputs); large || err != nil {
		return err
	}
	err = s.turn.Call(ctx, start.Playbook, Run{
		SiteID: s.run.SiteID, Trigger: Trigger{Kind: playbook.TriggerPlaybook}, Inputs: inputs, StartedBy: s.run.StartedBy, UserID: s.run.UserID,
		Publishers: s.run.Publishers, Address: s.run.Address, Parent: Parent{s.id, start.Ref}, Chain: start.Chain, State: Queued, Queued: s.now, Due: s.now,
	})
	if fault.Is(err, fault.Busy) {
		s.held = append(s.held, start) // until some of its runs have ended
		return nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.advance(ctx, engine.Sent{Ref: start.Ref}); err != nil {
		return err
	}
	if err != nil {
		return s.advance(ctx, engine.Answered{Ref: start.Ref, State: playbook.Failed, Error: &engine.Error{
			Indicator: "Playbook " + start.Playbook + " failed.", StatusCode: 404, Message: err.Error(),
		}})
	}
	return nil
}

// MaxInputBytes bounds the inputs of one command, as JSON.
const MaxInputBytes = 256 << 10

// tooLarge fails an execution whose inputs are too large to be kept, and reports
// whether it did.
func (s *step) tooLarge(ctx context.Context, ref engine.Ref, inputs map[string]any) (bool, error) {
	doc, err := expression.Encode(inputs)
	if err != nil || len(doc) <= MaxInputBytes {
		return false, err
	}
	if err := s.advance(ctx, engine.Sent{Ref: ref}); err != nil {
		return false, err
	}
	return true, s.advance(ctx, engine.Answered{Ref: ref, State: playbook.Failed, Error: &engine.Error{
		Indicator: "Step " + ref.Step + " failed.", StatusCode: 413, Message: fmt.Sprintf("Its inputs have %d bytes as JSON, and %d are allowed.", len(doc), MaxInputBytes),
	}})
}

// calledEnded tells the engine of playbooks that this run began and that have ended.
func (s *step) calledEnded(ctx context.Context) error {
	if !s.calls() {
		return nil
	}
	called, err := s.turn.Called(ctx)
	if err != nil {
		return err
	}
	for i := range called {
		r := &called[i]
		answer := engine.Answered{Ref: r.Parent.Ref, State: outcomeOf(r.State), Outcome: PlaceOfRun(r.ID), Error: r.Error}
		if answer.State == playbook.Failed && answer.Error == nil {
			answer.Error = &engine.Error{Indicator: "Playbook " + r.Playbook + " failed.", StatusCode: 409, Message: "Its run was cancelled."}
		}
		if answer.Error != nil {
			answer.Statuses = []int{answer.Error.StatusCode}
		}
		if err := s.advance(ctx, answer); err != nil {
			return err
		}
	}
	return nil
}

// calls reports whether the playbook calls others.
func (s *step) calls() bool {
	return slices.ContainsFunc(s.program.Nodes, func(n playbook.Node) bool { return n.Playbook != "" })
}

// cancelCalled cancels the playbooks that this run began and has no use for any more.
func (s *step) cancelCalled(ctx context.Context) error {
	if !s.calls() {
		return nil
	}
	calling, err := s.turn.Calling(ctx)
	if err != nil {
		return err
	}
	for i := range calling {
		r := &calling[i]
		stopped := slices.Contains(s.stops, r.Parent.Ref)
		if r.Cancel || !stopped && awaited(s.state, r.Parent.Ref) {
			continue
		}
		if err := s.turn.CancelCalled(ctx, r.ID, s.now); err != nil {
			return err
		}
	}
	return nil
}

// awaited reports whether an execution is under way, and ready whether it is to be
// sent.
func awaited(s *engine.State, ref engine.Ref) bool {
	return stateOfExecution(s, ref) == playbook.Running
}
func ready(s *engine.State, ref engine.Ref) bool { return stateOfExecution(s, ref) == playbook.Ready }

// stateOfExecution is the state of one sending of a command; empty when it is over.
func stateOfExecution(s *engine.State, ref engine.Ref) string {
	for i := range s.Steps {
		if step := &s.Steps[i]; step.ID == ref.Step && step.Round == ref.Round && ref.Item < len(step.Executions) {
			if x := &step.Executions[ref.Item]; x.Send == ref.Send {
				return x.State
			}
		}
	}
	return ""
}
