package assistant

import (
	"context"
	"fmt"
	"math"

	"vedette.dev/vedette/qps/qpsclient"
)

// questionsTool lists what runs of playbooks ask people. There is no tool that answers:
// see the documentation of the package.
func (s *Server) questionsTool() tool {
	schema := object(
		number("run", "Only questions of the run of a playbook with this ID.", 1, 0),
		yes("mine", "Only questions that the user of this server is asked."),
		number("limit", "How many questions to list. 20 where it is left out.", 1, maxListedRuns),
	)
	return reader("automation_questions", "List Questions",
		"Lists the open questions of runs of playbooks, newest first: approvals, and what became of a command that nobody saw end. Only people answer them, with 'vedette automation playbooks questions answer'; no tool does.", schema, s.listQuestions)
}

func (s *Server) listQuestions(ctx context.Context, given call) (builder, error) {
	q := qpsclient.QuestionQuery{RunID: given.whole("run", 0, 1, math.MaxInt64), Open: true, Mine: given.yes("mine"), Limit: int(given.whole("limit", 20, 1, maxListedRuns))}
	if given.mistake != nil {
		return nil, given.mistake
	}
	list, err := s.options.Platform.Questions(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d open questions.", len(list))}
		a.Untrusted = &Untrusted{Questions: shownOf(a, "questions", list, 0, limit)}
		if len(list) == q.Limit || a.LeftOut["questions"] > 0 {
			a.Next = "There may be more: narrow them by run."
		}
		return a
	}, nil
}
