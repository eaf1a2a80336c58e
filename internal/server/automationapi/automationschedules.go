package automationapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// Limits of a preview, as openapi.yaml has them.
const (
	defaultPreview = 5
	maxPreview     = 100
)

// ListAutomationSchedules implements GET /automation/v1/schedules.
func (a api) ListAutomationSchedules(ctx context.Context, request ListAutomationSchedulesRequestObject) (ListAutomationSchedulesResponseObject, error) {
	kind, site := given(request.Params.Kind), given(request.Params.Site)
	if kind != "" && !kind.Valid() {
		return nil, invalid("kind", string(kind), "one of "+list(ScheduleUser, ScheduleSystem))
	}
	principal := server.PrincipalOf(ctx)
	visible, err := a.connections.List(ctx, principal)
	if err != nil {
		return nil, err
	}
	all, err := a.schedules.List(ctx, principal)
	if err != nil {
		return nil, err
	}
	sites, err := a.siteNames(ctx)
	if err != nil {
		return nil, err
	}
	playbooks, err := a.schedules.Playbooks.Names(ctx, principal)
	if err != nil {
		return nil, err
	}
	answer := ListAutomationSchedules200JSONResponse{Schedules: []AutomationSchedule{}}
	seen := false // the site, by something of it
	add := func(s AutomationSchedule) {
		if !isSite(site, s.Site.ID, s.Site.Name) {
			return
		}
		seen = true
		if kind == "" || kind == s.Kind {
			answer.Schedules = append(answer.Schedules, s)
		}
	}
	names := make(map[int64]string, len(visible))
	for i := range visible {
		names[visible[i].ID] = visible[i].Name
	}
	for i := range all {
		add(automationScheduleOf(&all[i], sites[all[i].SiteID], names[all[i].Target.ConnectionID], playbooks[all[i].Target.PlaybookID]))
	}
	for i := range visible {
		if visible[i].Check.Enabled {
			add(healthCheckSchedule(&visible[i].Connection))
		}
	}
	if site != "" && !seen {
		if _, err := a.connections.Site(ctx, principal, site); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// siteNames returns the names of the caller's sites.
func (a api) siteNames(ctx context.Context) (map[int64]string, error) {
	mine, err := a.connections.MySites(ctx, server.PrincipalOf(ctx))
	names := make(map[int64]string, len(mine))
	for _, s := range mine {
		names[s.ID] = s.Name
	}
	return names, err
}

// GetAutomationSchedule implements GET /automation/v1/schedules/{id}.
func (a api) GetAutomationSchedule(ctx context.Context, request GetAutomationScheduleRequestObject) (GetAutomationScheduleResponseObject, error) {
	found, err := a.schedules.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showSchedule(ctx, &found)
	return GetAutomationSchedule200JSONResponse(shown), err
}

// showSchedule returns a schedule with the names of what it refers to, as far as the
// caller sees it.
func (a api) showSchedule(ctx context.Context, s *schedule.Schedule) (AutomationSchedule, error) {
	sites, err := a.siteNames(ctx)
	if err != nil {
		return AutomationSchedule{}, err
	}
	if s.Target.PlaybookID != 0 {
		playbooks, err := a.schedules.Playbooks.Names(ctx, server.PrincipalOf(ctx))
		return automationScheduleOf(s, sites[s.SiteID], "", playbooks[s.Target.PlaybookID]), err
	}
	used, err := a.connections.Get(ctx, server.PrincipalOf(ctx), s.Target.ConnectionID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return AutomationSchedule{}, err
	}
	return automationScheduleOf(s, sites[s.SiteID], used.Name, ""), nil
}

// CreateAutomationSchedule implements POST /automation/v1/schedules.
func (a api) CreateAutomationSchedule(ctx context.Context, request CreateAutomationScheduleRequestObject) (CreateAutomationScheduleResponseObject, error) {
	body, principal := request.Body, server.PrincipalOf(ctx)
	server.Describe(ctx, server.Echo(body.Name), "")
	times := timesOf(principal.User)
	draft := schedule.Draft{Name: body.Name, Times: times, Paused: body.Active != nil && !*body.Active}
	specify, err := scheduleSettings{&body.scheduleRule, &body.schedulePolicies}.change(times)
	if err != nil {
		return nil, err
	}
	if specify != nil {
		draft.Spec = specify(schedule.Spec{})
	}
	target, err := a.targetOf(ctx, &body.scheduleTarget)
	if err != nil {
		return nil, err
	}
	if body.Playbook != nil {
		if draft.Target.PlaybookID, err = a.playbookNamed(ctx, "playbook", body.Playbook); err != nil {
			return nil, err
		}
	}
	if draft.SiteID, err = a.siteNamed(ctx, "site", body.Site); err != nil {
		return nil, err
	}
	put(&draft.Target.Command, target.Command)
	put(&draft.Target.ConnectionID, target.ConnectionID)
	put(&draft.Target.Inputs, target.Inputs)
	made, err := a.schedules.Create(ctx, principal, draft)
	if err != nil {
		return nil, err
	}
	describeSchedule(ctx, &made, scheduleDetail(&made))
	shown, err := a.showSchedule(ctx, &made)
	return CreateAutomationSchedule201JSONResponse(shown), err
}

// UpdateAutomationSchedule implements PATCH /automation/v1/schedules/{id}.
func (a api) UpdateAutomationSchedule(ctx context.Context, request UpdateAutomationScheduleRequestObject) (UpdateAutomationScheduleResponseObject, error) {
	body, principal := request.Body, server.PrincipalOf(ctx)
	if err := a.nameSchedule(ctx, request.Id); err != nil {
		return nil, err
	}
	times := timesOf(principal.User)
	change, err := a.targetOf(ctx, &body.scheduleTarget)
	if err != nil {
		return nil, err
	}
	if change.Spec, err = (scheduleSettings{&body.scheduleRule, &body.schedulePolicies}).change(times); err != nil {
		return nil, err
	}
	change.Name, change.Active, change.Times = body.Name, body.Active, times
	changed, err := a.schedules.Update(ctx, principal, request.Id, change)
	if err != nil {
		return nil, err
	}
	describeSchedule(ctx, &changed, fmt.Sprintf("changed: %s; %s; owner: %s", orNone(body.members()), scheduleDetail(&changed), changed.Owner))
	shown, err := a.showSchedule(ctx, &changed)
	return UpdateAutomationSchedule200JSONResponse(shown), err
}

// targetOf returns what a body says that a schedule runs.
func (a api) targetOf(ctx context.Context, body *scheduleTarget) (schedule.Change, error) {
	change := schedule.Change{Command: body.Command}
	if body.Connection != nil {
		id, err := a.connectionNamed(ctx, "connection", body.Connection)
		if err != nil {
			return change, err
		}
		change.ConnectionID = &id
	}
	if body.Inputs != nil {
		change.Inputs = (*map[string]any)(body.Inputs)
	}
	return change, nil
}

// playbookNamed returns the id of a playbook that the caller names.
func (a api) playbookNamed(ctx context.Context, field string, ref *reference) (int64, error) {
	if ref.ID != 0 {
		return ref.ID, nil
	}
	names, err := a.schedules.Playbooks.Names(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return 0, err
	}
	var ids []string
	var found int64
	for _, id := range slices.Sorted(maps.Keys(names)) {
		if names[id] == ref.Name {
			found, ids = id, append(ids, strconv.FormatInt(id, 10))
		}
	}
	switch len(ids) {
	case 0:
		return 0, fault.New(fault.Invalid, fmt.Sprintf("%s: there is no playbook '%s'.", field, server.Echo(ref.Name)), "List the playbooks there are.")
	case 1:
		return found, nil
	}
	return 0, fault.New(fault.Invalid, fmt.Sprintf("%s: the playbooks %s are called '%s'.", field, strings.Join(ids, ", "), server.Echo(ref.Name)), "Give the id of one of them.")
}

// DeleteAutomationSchedule implements DELETE /automation/v1/schedules/{id}.
func (a api) DeleteAutomationSchedule(ctx context.Context, request DeleteAutomationScheduleRequestObject) (DeleteAutomationScheduleResponseObject, error) {
	if err := a.nameSchedule(ctx, request.Id); err != nil {
		return nil, err
	}
	return DeleteAutomationSchedule204Response{}, a.schedules.Delete(ctx, server.PrincipalOf(ctx), request.Id)
}

// RunAutomationSchedule implements POST /automation/v1/schedules/{id}/run.
func (a api) RunAutomationSchedule(ctx context.Context, request RunAutomationScheduleRequestObject) (RunAutomationScheduleResponseObject, error) {
	if err := a.nameSchedule(ctx, request.Id); err != nil {
		return nil, err
	}
	firing, err := a.schedules.RunNow(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return RunAutomationSchedule202JSONResponse(firingOf(&firing)), nil
}

// nameSchedule names a schedule in the audit log.
func (a api) nameSchedule(ctx context.Context, id int64) error {
	found, err := a.schedules.Get(ctx, server.PrincipalOf(ctx), id)
	if err == nil {
		describeSchedule(ctx, &found, scheduleDetail(&found))
	}
	return err
}

func describeSchedule(ctx context.Context, s *schedule.Schedule, detail string) {
	server.Describe(ctx, fmt.Sprintf("%d %s", s.ID, s.Name), detail)
}

// scheduleDetail says for the audit log what a schedule does.
func scheduleDetail(s *schedule.Schedule) string {
	if s.Target.PlaybookID != 0 {
		return fmt.Sprintf("playbook %d, %s", s.Target.PlaybookID, s.Spec.Describe())
	}
	return fmt.Sprintf("%s on connection %d, %s", s.Target.Command, s.Target.ConnectionID, s.Spec.Describe())
}

// ListFirings implements GET /automation/v1/schedules/{id}/firings.
func (a api) ListFirings(ctx context.Context, request ListFiringsRequestObject) (ListFiringsResponseObject, error) {
	limit := defaultPage
	if request.Params.Limit != nil {
		if limit = int(*request.Params.Limit); limit < 1 || limit > schedule.KeptFirings {
			return nil, invalid("limit", fmt.Sprint(limit), fmt.Sprintf("an integer from 1 to %d", schedule.KeptFirings))
		}
	}
	found, err := a.schedules.Firings(ctx, server.PrincipalOf(ctx), request.Id, limit)
	if err != nil {
		return nil, err
	}
	answer := ListFirings200JSONResponse{Firings: make([]Firing, len(found))}
	for i := range found {
		answer.Firings[i] = firingOf(&found[i])
	}
	return answer, nil
}

// PreviewAutomationSchedule implements POST /automation/v1/schedules/preview.
func (a api) PreviewAutomationSchedule(ctx context.Context, request PreviewAutomationScheduleRequestObject) (PreviewAutomationScheduleResponseObject, error) {
	body, count := request.Body, defaultPreview
	if body.Count != nil {
		if count = *body.Count; count < 1 || count > maxPreview {
			return nil, invalid("count", fmt.Sprint(count), fmt.Sprintf("an integer from 1 to %d", maxPreview))
		}
	}
	times := timesOf(server.PrincipalOf(ctx).User)
	after, err := bound(times, "after", &body.After)
	if err != nil {
		return nil, err
	}
	if after.IsZero() {
		after = a.schedules.Now()
	}
	specify, err := scheduleSettings{&body.scheduleRule, &schedulePolicies{}}.change(times)
	if err != nil {
		return nil, err
	}
	var spec schedule.Spec
	if specify != nil {
		spec = specify(spec)
	}
	if err := spec.Check(); err != nil {
		return nil, err
	}
	firings := spec.Preview(after, count)
	return PreviewAutomationSchedule200JSONResponse{InWords: spec.Describe(), Firings: append([]time.Time{}, firings...)}, nil
}

// automationScheduleOf shows a schedule; a connection or playbook without a name is one
// that the caller does not see.
func automationScheduleOf(s *schedule.Schedule, site, connectionName, playbookName string) AutomationSchedule {
	shown := AutomationSchedule{
		Id: &s.ID, Kind: ScheduleUser, Name: s.Name, Site: reference{ID: s.SiteID, Name: site}, Owner: known(s.Owner), Command: known(s.Target.Command), Inputs: s.Target.Inputs,
		Cron: known(s.Spec.Cron), TimeZone: known(s.Spec.Zone), Start: reached(s.Spec.Start), End: reached(s.Spec.End),
		CatchUp: CatchUpNone, Overlap: OverlapSkip, JitterPercent: s.Spec.Jitter, PauseAfterFailures: s.Spec.PauseAfter,
		Active: s.Active, State: AutomationScheduleState(s.State()), PausedReason: known(s.PausedReason), Failures: s.Failures,
		Next: reached(s.Next), Due: reached(s.DueAt()), Last: reached(s.Last), Waiting: reached(s.Waiting), InWords: s.Spec.Describe(),
	}
	if s.Target.PlaybookID != 0 {
		shown.Playbook = &reference{ID: s.Target.PlaybookID, Name: playbookName}
	} else {
		shown.Connection = &reference{ID: s.Target.ConnectionID, Name: connectionName}
	}
	if s.Target.Trigger != 0 {
		shown.Trigger = &s.Target.Trigger
	}
	if shown.Inputs == nil {
		shown.Inputs = integration.Values{}
	}
	if s.Spec.Every != 0 {
		shown.Every = new(s.Spec.Every.String())
	}
	if s.Spec.CatchUp != "" {
		shown.CatchUp = ScheduleCatchUp(s.Spec.CatchUp)
	}
	if s.Spec.Overlap != "" {
		shown.Overlap = ScheduleOverlap(s.Spec.Overlap)
	}
	return shown
}

// healthCheckSchedule shows the health check of a connection among the schedules.
func healthCheckSchedule(c *connection.Connection) AutomationSchedule {
	every := schedule.Interval(c.Check.Every)
	shown := AutomationSchedule{
		Kind: ScheduleSystem, Name: "Connection Health Check", Site: reference{ID: c.SiteID, Name: c.SiteName}, Command: new(connection.TestCommand),
		Connection: &reference{ID: c.ID, Name: c.Name}, Inputs: integration.Values{}, Every: new(every.String()),
		CatchUp: CatchUpNone, Overlap: OverlapSkip, Active: c.Active, State: ScheduleActive, Failures: c.Health.Failures,
		Next: reached(c.Health.Next), Due: reached(c.Health.Next), Last: reached(c.Health.Checked), InWords: schedule.Spec{Every: every}.Describe(),
	}
	if !c.Active {
		shown.State, shown.PausedReason = SchedulePaused, new("The connection is inactive.")
		shown.Next, shown.Due = nil, nil
	}
	return shown
}

func firingOf(f *schedule.Firing) Firing {
	shown := Firing{
		At: wireTime(f.At), Fired: wireTime(f.Fired), ByHand: f.ByHand, Action: FiringAction(f.Action), Reason: known(f.Reason), Missed: f.Missed, RunId: numbered(f.RunID),
		PlaybookRunId: numbered(f.PlaybookRunID), PlaybookRunState: known(f.PlaybookRunState),
	}
	if f.RunState != "" {
		shown.RunState = new(RunState(f.RunState))
	}
	return shown
}
