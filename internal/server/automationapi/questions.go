package automationapi

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/server"
)

// ListQuestions implements GET /automation/v1/questions.
func (a api) ListQuestions(ctx context.Context, request ListQuestionsRequestObject) (ListQuestionsResponseObject, error) {
	p := request.Params
	limit, err := pageOf(p.Limit)
	if err != nil {
		return nil, err
	}
	var run int64
	if p.Run != nil {
		if run = *p.Run; run < 1 {
			return nil, invalid("run", fmt.Sprint(run), "an integer of at least 1")
		}
	}
	found, err := a.playbookRuns.Questions(ctx, server.PrincipalOf(ctx), run, p.Open != nil && *p.Open, p.Mine != nil && *p.Mine, limit)
	if err != nil {
		return nil, err
	}
	sites, err := a.siteNames(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListQuestions200JSONResponse{Questions: make([]Question, len(found))}
	for i := range found {
		answer.Questions[i] = questionOf(&found[i], sites)
	}
	return answer, nil
}

// AnswerQuestion implements POST /automation/v1/questions/{id}/answer.
func (a api) AnswerQuestion(ctx context.Context, request AnswerQuestionRequestObject) (AnswerQuestionResponseObject, error) {
	server.Describe(ctx, fmt.Sprintf("question %d", request.Id), server.Echo(request.Body.Answer))
	answered, err := a.playbookRuns.Answer(ctx, server.PrincipalOf(ctx), request.Id, request.Body.Answer, request.Body.Comment)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, fmt.Sprintf("question %d, run %d, step %s of %s", answered.ID, answered.RunID, answered.Step, answered.Playbook), answered.Answer)
	sites, err := a.siteNames(ctx)
	return AnswerQuestion200JSONResponse(questionOf(&answered, sites)), err
}

func questionOf(q *conductor.Question, sites map[int64]string) Question {
	return Question{
		Id: q.ID, Kind: QuestionKind(q.Kind), RunId: q.RunID, Playbook: q.Playbook, Site: reference{ID: q.SiteID, Name: sites[q.SiteID]}, Step: q.Step, Item: q.Item,
		Assignees: append([]string{}, q.Assignees...), Message: q.Message, Asked: wireTime(q.Asked), Due: reached(q.Due), Closed: reached(q.Closed),
		Answer: known(q.Answer), By: known(q.By), Comment: known(q.Comment),
	}
}
