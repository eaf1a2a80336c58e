package conductor

import (
	"context"
	"errors"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/run"
)

// corePrefix is what names of core commands begin with in uses.
const corePrefix = "core/"

// errStopped ends the context of a command whose run was cancelled.
var errStopped = errors.New("the run was cancelled")

// sending is a command that is on record as sent, and is sent now.
type sending struct {
	engine.Start
	beginning run.Beginning
	of        Run
}

// landing is what a command came to.
type landing struct {
	ref   engine.Ref
	run   run.Run
	event engine.Event
	// cut says that it was stopped before it was known what the command came to.
	cut bool
}

// send calls a command beside others.
func (c *conducting) send(ctx context.Context, s sending) {
	ctx, stop := context.WithCancelCause(ctx)
	c.flights[s.Ref] = &flight{stop}
	go func() {
		defer stop(nil)
		landed := c.perform(ctx, s)
		<-c.Room
		c.landed <- landed
	}()
}

// perform calls a command and returns what it came to.
func (c *conducting) perform(ctx context.Context, s sending) landing {
	limited, cancel := context.WithTimeout(ctx, min(s.Timeout, run.Limit))
	defer cancel()
	answer := c.answer(limited, &s)
	stopped := errors.Is(context.Cause(ctx), errStopped)
	cut := ctx.Err() != nil && !stopped && !answer.Outlives()
	if stopped {
		answer.Continue = nil
		answer.Outcome.State = automation.Failed
		answer.Outcome.Errors = append(answer.Outcome.Errors, automation.Error{
			Indicator: s.Uses + " failed.", StatusCode: automation.StatusCancelled, Message: "The run was cancelled.", Resolution: "What was sent before is not taken back.",
		})
	}
	r := s.beginning.Run
	r.Outcome = answer.Outcome
	event := engine.Answered{Ref: s.Ref, State: string(answer.Outcome.State), Outcome: PlaceOf(r.ID)}
	for _, e := range answer.Outcome.Errors {
		if event.Error == nil {
			event.Error = &engine.Error{Step: s.Step, Indicator: e.Indicator, StatusCode: e.StatusCode, Message: e.Message, Resolution: e.Resolution}
		}
		event.Statuses = append(event.Statuses, e.StatusCode)
	}
	if answer.Outcome.Again != nil {
		event.RetryAfter = answer.Outcome.Again.After
	}
	now := c.Now().UTC()
	if next := answer.Continue; next != nil {
		event.Continue = &engine.Continue{Cursor: next.Cursor, After: next.After}
		r.State, r.Resume, r.Cursor = run.Waiting, now.Add(next.After), nil // the state of the run has the cursor
		return landing{s.Ref, r, event, cut}
	}
	r.State, r.Ended, r.Cursor = run.StateOf(answer.Outcome.State), now, nil
	if stopped {
		r.State = run.Cancelled
	}
	return landing{s.Ref, r, event, cut}
}

// answer is what a command comes to.
func (c *conducting) answer(ctx context.Context, s *sending) integration.Answer {
	if strings.HasPrefix(s.Uses, corePrefix) {
		return integration.Answer{Outcome: c.Core.Execute(ctx, s.of, s.Uses, s.beginning.Key, s.beginning.Run.Inputs)}
	}
	return c.Commands.Perform(ctx, &s.beginning)
}
