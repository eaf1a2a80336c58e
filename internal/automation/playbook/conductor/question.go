package conductor

import (
	"context"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

// maxQuestion bounds the text of a question, in characters.
const maxQuestion = 400

// settleQuestions closes the questions that nobody asks any more.
func (s *step) settleQuestions(ctx context.Context) error {
	if !s.asked {
		return nil
	}
	open, err := s.turn.Open(ctx)
	if err != nil {
		return err
	}
	for _, q := range open {
		if stillAsked(s.state, &q) {
			continue
		}
		q.Closed = s.now
		if err := s.turn.Close(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// asks reports whether a run waits for people.
func asks(s *engine.State) bool {
	for i := range s.Steps {
		if s.Steps[i].State == playbook.Asked {
			return true
		}
		for _, x := range s.Steps[i].Executions {
			if x.State == playbook.Unknown {
				return true
			}
		}
	}
	return false
}

// stillAsked reports whether a run waits for the answer to a question.
func stillAsked(s *engine.State, q *Question) bool {
	if s.Phase == engine.Finished {
		return false
	}
	for i := range s.Steps {
		step := &s.Steps[i]
		switch {
		case step.ID != q.Step:
		case q.Kind == Approval:
			return step.State == playbook.Asked && step.Round == q.Round
		case step.Round == q.Round && q.Item < len(step.Executions):
			x := step.Executions[q.Item]
			return x.State == playbook.Unknown && x.Send == q.Send
		}
	}
	return false
}

// roundOf is the round of a step.
func roundOf(s *engine.State, id string) int {
	for i := range s.Steps {
		if s.Steps[i].ID == id {
			return s.Steps[i].Round
		}
	}
	return 0
}
