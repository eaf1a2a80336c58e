package automationapi

import (
	"context"
	"encoding/json"
	"fmt"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// StartPlaybook implements POST /automation/v1/playbooks/{id}/runs.
func (a api) StartPlaybook(ctx context.Context, request StartPlaybookRequestObject) (StartPlaybookResponseObject, error) {
	body, principal := request.Body, server.PrincipalOf(ctx)
	if err := a.namePlaybook(ctx, request.Id); err != nil {
		return nil, err
	}
	asked := conductor.Request{
		PlaybookID: request.Id, Inputs: body.Inputs, Times: timesOf(principal.User), Key: given(request.Params.IdempotencyKey), Address: server.AddressOf(ctx),
	}
	switch {
	case body.Version != nil && body.Draft:
		return nil, fault.New(fault.Invalid, "version and draft exclude each other.", "Give one of them, or none for the live version.")
	case body.Version != nil && *body.Version < 1:
		return nil, invalid("version", fmt.Sprint(*body.Version), "an integer of at least 1")
	case body.Version != nil:
		asked.Version = *body.Version
	case body.Draft:
		of, err := a.library.Get(ctx, principal, request.Id)
		if err != nil {
			return nil, err
		}
		asked.Version = of.Latest
	}
	started, created, err := a.playbookRuns.Start(ctx, principal, asked)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &started)
	if !created {
		return StartPlaybook200JSONResponse(shown), err
	}
	return StartPlaybook202JSONResponse(shown), err
}

// showPlaybookRun returns a run as answers have it, and names it in the audit log.
func (a api) showPlaybookRun(ctx context.Context, r *conductor.Run) (PlaybookRun, error) {
	server.Describe(ctx, fmt.Sprintf("run %d, playbook %d %s", r.ID, r.PlaybookID, r.Playbook), fmt.Sprintf("version %d", r.Version))
	sites, err := a.siteNames(ctx)
	if err != nil {
		return PlaybookRun{}, err
	}
	shown := playbookRunOf(r, sites)
	inputs := r.Inputs
	shown.Inputs, shown.Outputs = &inputs, rawJSON(r.Outputs)
	steps, err := r.Steps()
	if err != nil {
		return PlaybookRun{}, fmt.Errorf("decode steps of run %d: %w", r.ID, err)
	}
	if steps == nil {
		return shown, nil
	}
	list := make([]PlaybookStep, len(steps))
	for i := range steps {
		if list[i], err = stepOf(&steps[i]); err != nil {
			return PlaybookRun{}, err
		}
	}
	shown.Steps = &list
	return shown, nil
}

// ListPlaybookRuns implements GET /automation/v1/playbook-runs.
func (a api) ListPlaybookRuns(ctx context.Context, request ListPlaybookRunsRequestObject) (ListPlaybookRunsResponseObject, error) {
	filter, err := playbookRunFilter(request.Params)
	if err != nil {
		return nil, err
	}
	found, err := a.playbookRuns.List(ctx, server.PrincipalOf(ctx), filter)
	if err != nil {
		return nil, err
	}
	sites, err := a.siteNames(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListPlaybookRuns200JSONResponse{Runs: make([]PlaybookRun, len(found))}
	for i := range found {
		answer.Runs[i] = playbookRunOf(&found[i], sites)
	}
	return answer, nil
}

// playbookRunFilter checks what the generated binding does not: ranges and words.
func playbookRunFilter(p ListPlaybookRunsParams) (conductor.Filter, error) {
	f := conductor.Filter{StartedBy: given(p.StartedBy), Open: p.Open != nil && *p.Open, Top: p.Top != nil && *p.Top}
	for _, id := range []struct {
		name  string
		given *int64
		into  *int64
	}{{"playbook", p.Playbook, &f.PlaybookID}, {"parent", p.Parent, &f.ParentID}, {"before", p.Before, &f.Before}} {
		if id.given == nil {
			continue
		}
		if *id.into = *id.given; *id.into < 1 {
			return f, invalid(id.name, fmt.Sprint(*id.into), "an integer of at least 1")
		}
	}
	if p.State != nil {
		if !p.State.Valid() {
			return f, invalid("state", string(*p.State), "one of "+list(conductor.States()...))
		}
		f.State = conductor.State(*p.State)
	}
	var err error
	f.Limit, err = pageOf(p.Limit)
	return f, err
}

// pageOf returns how much a page may hold.
func pageOf(limit *int32) (int, error) {
	if limit == nil {
		return defaultPage, nil
	}
	if *limit < 1 || *limit > maxPage {
		return 0, invalid("limit", fmt.Sprint(*limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
	}
	return int(*limit), nil
}

// GetPlaybookRun implements GET /automation/v1/playbook-runs/{id}.
func (a api) GetPlaybookRun(ctx context.Context, request GetPlaybookRunRequestObject) (GetPlaybookRunResponseObject, error) {
	limit, err := runWait(request.Params.Wait)
	if err != nil {
		return nil, err
	}
	var r conductor.Run
	err = await(ctx, limit, func() (bool, error) {
		var err error
		r, err = a.playbookRuns.Get(ctx, server.PrincipalOf(ctx), request.Id)
		return r.State.Ended(), err
	})
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &r)
	return GetPlaybookRun200JSONResponse(shown), err
}

// ListPlaybookRunCommands implements GET /automation/v1/playbook-runs/{id}/commands.
func (a api) ListPlaybookRunCommands(ctx context.Context, request ListPlaybookRunCommandsRequestObject) (ListPlaybookRunCommandsResponseObject, error) {
	limit, err := pageOf(request.Params.Limit)
	if err != nil {
		return nil, err
	}
	var after int64
	if request.Params.After != nil {
		if after = *request.Params.After; after < 1 {
			return nil, invalid("after", fmt.Sprint(after), "an integer of at least 1")
		}
	}
	found, more, err := a.playbookRuns.Commands(ctx, server.PrincipalOf(ctx), request.Id, after, limit)
	if err != nil {
		return nil, err
	}
	answer := ListPlaybookRunCommands200JSONResponse{Runs: make([]Run, len(found)), More: more}
	for i := range found {
		answer.Runs[i] = runRecordOf(&found[i])
	}
	return answer, nil
}

// PausePlaybookRun implements POST /automation/v1/playbook-runs/{id}/pause.
func (a api) PausePlaybookRun(ctx context.Context, request PausePlaybookRunRequestObject) (PausePlaybookRunResponseObject, error) {
	r, err := a.playbookRuns.Pause(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &r)
	return PausePlaybookRun200JSONResponse(shown), err
}

// ResumePlaybookRun implements POST /automation/v1/playbook-runs/{id}/resume.
func (a api) ResumePlaybookRun(ctx context.Context, request ResumePlaybookRunRequestObject) (ResumePlaybookRunResponseObject, error) {
	r, err := a.playbookRuns.Resume(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &r)
	return ResumePlaybookRun200JSONResponse(shown), err
}

// CancelPlaybookRun implements POST /automation/v1/playbook-runs/{id}/cancel.
func (a api) CancelPlaybookRun(ctx context.Context, request CancelPlaybookRunRequestObject) (CancelPlaybookRunResponseObject, error) {
	r, err := a.playbookRuns.Cancel(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &r)
	return CancelPlaybookRun200JSONResponse(shown), err
}

// PlaybookRunAgain implements POST /automation/v1/playbook-runs/{id}/again.
func (a api) PlaybookRunAgain(ctx context.Context, request PlaybookRunAgainRequestObject) (PlaybookRunAgainResponseObject, error) {
	r, err := a.playbookRuns.Again(ctx, server.PrincipalOf(ctx), request.Id, server.AddressOf(ctx))
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybookRun(ctx, &r)
	return PlaybookRunAgain202JSONResponse(shown), err
}

// playbookRunOf shows what lists have of a run.
func playbookRunOf(r *conductor.Run, sites map[int64]string) PlaybookRun {
	shown := PlaybookRun{
		Id: r.ID, Playbook: reference{ID: r.PlaybookID, Name: r.Playbook}, Version: r.Version, Site: reference{ID: r.SiteID, Name: sites[r.SiteID]},
		Trigger: PlaybookTrigger{Kind: r.Trigger.Kind, Data: rawJSON(r.Trigger.Data)}, StartedBy: r.StartedBy, Address: known(r.Address),
		ScheduleId: numbered(r.Schedule), Fired: reached(r.Fired), RerunOf: numbered(r.RerunOf), State: PlaybookRunState(r.State),
		Queued: wireTime(r.Queued), Started: reached(r.Started), Ended: reached(r.Ended), Error: r.Error,
	}
	if r.State == conductor.Waiting {
		shown.Resume = reached(r.Due)
	}
	if r.Parent.RunID != 0 {
		shown.Parent = &ParentStep{RunId: r.Parent.RunID, Step: r.Parent.Step, Item: r.Parent.Item}
	}
	return shown
}

// stepOf shows how far a step is.
func stepOf(s *engine.Step) (PlaybookStep, error) {
	shown := PlaybookStep{
		Id: s.ID, State: StepState(s.State), Round: s.Round, Begun: reached(s.Begun), Resume: reached(s.Wake), By: known(s.By), Comment: known(s.Comment),
		Error: s.Error, Executions: make([]StepExecution, len(s.Executions)),
	}
	if s.State == "" {
		shown.State = StepPending
	}
	if s.Items > 0 {
		shown.Items = &s.Items
	}
	for item := range s.Executions {
		x := &s.Executions[item]
		one := StepExecution{Item: item, State: StepState(x.State), Sends: x.Send, Since: reached(x.Since), Error: x.Error}
		if x.State == "" {
			one.State = StepPending
		}
		if x.State != playbook.Running { // then it is only a guard
			one.Resume = reached(x.Wake)
		}
		if x.Outcome != "" {
			id, ofPlaybook, err := conductor.ParsePlace(x.Outcome)
			switch {
			case err != nil:
				return shown, fmt.Errorf("step %s: %w", s.ID, err)
			case ofPlaybook:
				one.PlaybookRunId = &id
			default:
				one.RunId = &id
			}
		}
		shown.Executions[item] = one
	}
	return shown, nil
}

// rawJSON returns nil for no JSON.
func rawJSON(doc []byte) *json.RawMessage {
	if len(doc) == 0 {
		return nil
	}
	return (*json.RawMessage)(&doc)
}
