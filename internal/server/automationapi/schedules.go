package automationapi

import (
	"context"
	"fmt"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// Profiles are where the schedules of configuration profiles are; *fleet.Profiles
// implements it.
type Profiles interface {
	// Get returns one profile, or fault.NotFound.
	Get(ctx context.Context, id int64) (fleet.Profile, error)
	// Reschedule changes when modules are scanned under a profile that is for
	// agents in scope alone.
	Reschedule(ctx context.Context, scope fleet.Scope, id int64, changes []fleet.ScheduleChange) (fleet.Profile, error)
}

// GetSchedules implements GET /automation/v1/profiles/{id}/schedules.
func (a api) GetSchedules(ctx context.Context, request GetSchedulesRequestObject) (GetSchedulesResponseObject, error) {
	profile, err := a.Profiles.Get(ctx, request.Id)
	return GetSchedules200JSONResponse(schedulesOf(profile)), err
}

// UpdateSchedules implements PATCH /automation/v1/profiles/{id}/schedules.
func (a api) UpdateSchedules(ctx context.Context, request UpdateSchedulesRequestObject) (UpdateSchedulesResponseObject, error) {
	server.Describe(ctx, fmt.Sprint(request.Id), "")
	changes := make([]fleet.ScheduleChange, len(request.Body.Schedules))
	for i, c := range request.Body.Schedules {
		changes[i] = fleet.ScheduleChange{
			Module: agentwire.Module(c.Module), Interval: c.IntervalMinutes, Delay: c.DelaySeconds, Randomize: c.RandomizeSeconds,
		}
	}
	profile, err := a.Profiles.Reschedule(ctx, server.ScopeOf(ctx), request.Id, changes)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, fmt.Sprintf("%d %s", profile.ID, profile.Name), scheduleText(profile, changes))
	return UpdateSchedules200JSONResponse(schedulesOf(profile)), nil
}

// scheduleText says in the audit log what the changed schedules are now.
func scheduleText(p fleet.Profile, changes []fleet.ScheduleChange) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		s := p.Schedule(c.Module)
		texts[i] = fmt.Sprintf("%s every %d min, delay %d s, randomize %d s", c.Module, s.Interval/60, s.Delay, s.Randomize)
	}
	return strings.Join(texts, "; ")
}

func schedulesOf(p fleet.Profile) ProfileSchedules {
	answer := ProfileSchedules{ProfileId: p.ID, ProfileName: p.Name}
	for _, module := range agentwire.Modules() {
		s := p.Schedule(module)
		answer.Schedules = append(answer.Schedules, Schedule{
			Module: ScanModule(module), IntervalMinutes: s.Interval / 60, DelaySeconds: s.Delay, RandomizeSeconds: s.Randomize,
		})
	}
	return answer
}
