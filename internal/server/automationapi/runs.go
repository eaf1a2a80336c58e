package automationapi

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/server"
)

const (
	// maxRunWait is the longest that one call waits for the end of a run, in seconds:
	// less than the time that a request may take.
	maxRunWait = 50
	// firstLook is when a call first looks again how a run goes on, lastLook how
	// seldom it does later.
	firstLook, lastLook = 100 * time.Millisecond, 2 * time.Second
)

// RunCommand implements POST /automation/v1/connections/{id}/commands/{command}.
func (a api) RunCommand(ctx context.Context, request RunCommandRequestObject) (RunCommandResponseObject, error) {
	body := request.Body
	wait, err := waitOf(body.Wait)
	if err != nil {
		return nil, err
	}
	asked := run.Request{
		ConnectionID: request.Id, Command: request.Command, Inputs: body.Inputs, Origin: run.ByCommand,
		DryRun: body.DryRun, Force: body.Force, Wait: wait, Key: given(request.Params.IdempotencyKey),
	}
	if body.Test {
		asked.Origin = run.ByTest
	}
	r, created, err := a.ask(ctx, asked)
	switch {
	case err != nil:
		return nil, err
	case created:
		return RunCommand202JSONResponse(r), nil
	}
	return RunCommand200JSONResponse(r), nil
}

// ask queues a run, and names it in the audit log.
func (a api) ask(ctx context.Context, req run.Request) (r Run, created bool, err error) {
	server.Describe(ctx, "connection "+fmt.Sprint(req.ConnectionID), server.Echo(req.Command))
	principal := server.PrincipalOf(ctx)
	req.Address, req.Times = server.AddressOf(ctx), timesOf(principal.User)
	asked, created, err := a.runs.Ask(ctx, principal, req)
	if err != nil {
		return Run{}, false, err
	}
	describeRun(ctx, &asked)
	return runRecordOf(&asked), created, nil
}

// timesOf returns how a user writes times. What another release has chosen, and this
// one does not know, is the default.
func timesOf(u access.User) automation.Times {
	times, err := automation.NewTimes(u.Settings.TimeFormat, u.Settings.TimeZone)
	if err != nil {
		return automation.Times{}
	}
	return times
}

func describeRun(ctx context.Context, r *run.Run) {
	detail := r.Command
	if r.DryRun {
		detail += ", dry run"
	}
	server.Describe(ctx, fmt.Sprintf("run %d, connection %d %s", r.ID, r.ConnectionID, r.ConnectionName), detail)
}

// ListRuns implements GET /automation/v1/runs.
func (a api) ListRuns(ctx context.Context, request ListRunsRequestObject) (ListRunsResponseObject, error) {
	filter, err := runFilter(request.Params)
	if err != nil {
		return nil, err
	}
	found, err := a.runs.List(ctx, server.PrincipalOf(ctx), filter)
	if err != nil {
		return nil, err
	}
	answer := ListRuns200JSONResponse{Runs: make([]Run, len(found))}
	for i := range found {
		answer.Runs[i] = runRecordOf(&found[i])
	}
	return answer, nil
}

// runFilter checks what the generated binding does not: ranges and words.
func runFilter(p ListRunsParams) (run.Filter, error) {
	f := run.Filter{Command: given(p.Command), StartedBy: given(p.StartedBy), Limit: defaultPage}
	if p.Connection != nil {
		if *p.Connection < 1 {
			return f, invalid("connection", fmt.Sprint(*p.Connection), "an integer of at least 1")
		}
		f.ConnectionIDs = []int64{*p.Connection}
	}
	if p.State != nil {
		if !p.State.Valid() {
			return f, invalid("state", string(*p.State), "one of "+list(run.States()...))
		}
		f.State = run.State(*p.State)
	}
	if p.Origin != nil {
		if !p.Origin.Valid() {
			return f, invalid("origin", string(*p.Origin), "one of "+list(run.Origins()...))
		}
		f.Origin = run.Origin(*p.Origin)
	}
	if p.Before != nil {
		if f.Before = *p.Before; f.Before < 1 {
			return f, invalid("before", fmt.Sprint(f.Before), "an integer of at least 1")
		}
	}
	if p.Limit != nil {
		if f.Limit = int(*p.Limit); f.Limit < 1 || f.Limit > maxPage {
			return f, invalid("limit", fmt.Sprint(f.Limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	return f, nil
}

// GetRun implements GET /automation/v1/runs/{id}.
func (a api) GetRun(ctx context.Context, request GetRunRequestObject) (GetRunResponseObject, error) {
	limit, err := runWait(request.Params.Wait)
	if err != nil {
		return nil, err
	}
	var r run.Run
	err = await(ctx, limit, func() (bool, error) {
		var err error
		r, err = a.runs.Get(ctx, server.PrincipalOf(ctx), request.Id)
		return r.State.Ended(), err
	})
	if err != nil {
		return nil, err
	}
	return GetRun200JSONResponse(runRecordOf(&r)), nil
}

// runWait reads how long a call waits for the end of a run.
func runWait(seconds *int32) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	if *seconds < 0 || *seconds > maxRunWait {
		return 0, invalid("wait", fmt.Sprint(*seconds), fmt.Sprintf("an integer from 0 to %d, in seconds", maxRunWait))
	}
	return time.Duration(*seconds) * time.Second, nil
}

// await looks at a run until it has ended, the time is over or the platform stops. It
// looks again and again, with growing pauses: a run may end on another replica.
func await(ctx context.Context, limit time.Duration, look func() (ended bool, err error)) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	for pause := firstLook; ; pause = min(pause*3/2, lastLook) {
		ended, err := look()
		if err != nil || ended || limit == 0 {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
			continue
		case <-over.C:
			limit = 0 // one last look
		case <-ctx.Done():
			again.Stop()
			return nil
		}
		again.Stop()
	}
}

// CancelRun implements POST /automation/v1/runs/{id}/cancel.
func (a api) CancelRun(ctx context.Context, request CancelRunRequestObject) (CancelRunResponseObject, error) {
	cancelled, err := a.runs.Cancel(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	describeRun(ctx, &cancelled)
	return CancelRun200JSONResponse(runRecordOf(&cancelled)), nil
}

// RunAgain implements POST /automation/v1/runs/{id}/again.
func (a api) RunAgain(ctx context.Context, request RunAgainRequestObject) (RunAgainResponseObject, error) {
	again, err := a.runs.Again(ctx, server.PrincipalOf(ctx), request.Id, run.Request{Origin: run.ByCommand, Address: server.AddressOf(ctx)})
	if err != nil {
		return nil, err
	}
	describeRun(ctx, &again)
	return RunAgain202JSONResponse(runRecordOf(&again)), nil
}

// waitOf reads how to wait; nil is not to wait.
func waitOf(body *commandWait) (*integration.Wait, error) {
	if body == nil {
		return nil, nil
	}
	wait := &integration.Wait{}
	for _, d := range []struct {
		name, text string
		into       *time.Duration
	}{{"wait.interval", body.Interval, &wait.Interval}, {"wait.timeout", body.Timeout, &wait.Timeout}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.into, err = time.ParseDuration(d.text); err != nil || *d.into <= 0 {
			return nil, invalid(d.name, d.text, "a duration such as 30s or 5m")
		}
	}
	return wait, nil
}

func runRecordOf(r *run.Run) Run {
	shown := Run{
		Id: r.ID, Connection: reference{ID: r.ConnectionID, Name: r.ConnectionName}, Integration: r.Integration, Command: r.Command, Inputs: r.Inputs,
		Origin: RunOrigin(r.Origin), StartedBy: known(r.StartedBy), Address: known(r.Address), ScheduleId: numbered(r.ScheduleID), Fired: reached(r.Fired),
		RerunOf: numbered(r.RerunOf), PlaybookRunId: numbered(r.PlaybookRunID), DryRun: r.DryRun, Force: r.Force, IdempotencyKey: known(r.Key), State: RunState(r.State), Attempts: r.Attempts,
		Queued: wireTime(r.Queued), Started: reached(r.Started), Ended: reached(r.Ended), Resume: reached(r.Resume), Outcome: outcomeOf(r.Outcome),
	}
	if r.PlaybookRunID != 0 {
		shown.Step, shown.Item, shown.Round = &r.Step, &r.Item, &r.Round
	}
	if r.Wait != nil {
		shown.Wait = &commandWait{}
		if r.Wait.Interval > 0 {
			shown.Wait.Interval = r.Wait.Interval.String()
		}
		if r.Wait.Timeout > 0 {
			shown.Wait.Timeout = r.Wait.Timeout.String()
		}
	}
	return shown
}

// outcomeOf returns an outcome whose table is one, even where there is none.
func outcomeOf(o automation.Outcome) automation.Outcome {
	if o.Result.Columns == nil {
		o.Result.Columns = []string{}
	}
	if o.Result.Rows == nil {
		o.Result.Rows = [][]string{}
	}
	return o
}

// numbered returns nil for the id of nothing.
func numbered(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}
