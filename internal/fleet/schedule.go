package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// ScheduleChange is what the schedule of one module shall become. What is nil
// stays as it is.
type ScheduleChange struct {
	Module    agentwire.Module
	Interval  *int64 // minutes
	Delay     *int64 // seconds
	Randomize *int64 // seconds
}

// Schedule returns when a module is scanned under the profile.
func (p Profile) Schedule(module agentwire.Module) agentwire.Schedule {
	if schedule, ok := p.Schedules[module]; ok {
		return schedule
	}
	return agentwire.DefaultSchedule()
}

// Reschedule changes when modules are scanned under a profile, system profiles
// among them. A module that is not known, one that is named twice and a value out
// of its range are a fault.Invalid that names module, value and range.
func (s *Profiles) Reschedule(ctx context.Context, scope Scope, id int64, changes []ScheduleChange) (Profile, error) {
	if len(changes) == 0 {
		return Profile{}, fault.New(fault.Invalid, "schedules: no module is named.", "Name at least one module, with what to change of its schedule.")
	}
	return s.update(ctx, scope, id, func(p *Profile) error {
		schedules := maps.Clone(p.Schedules)
		if schedules == nil {
			schedules = make(map[agentwire.Module]agentwire.Schedule)
		}
		var named []agentwire.Module
		for _, change := range changes {
			if slices.Contains(named, change.Module) {
				return fault.New(fault.Invalid, fmt.Sprintf("module: '%s' is named twice.", change.Module), "Name it once.")
			}
			named = append(named, change.Module)
			schedule, err := change.apply(p.Schedule(change.Module))
			if err != nil {
				return err
			}
			schedules[change.Module] = schedule
			if schedule == agentwire.DefaultSchedule() {
				delete(schedules, change.Module)
			}
		}
		p.Schedules = schedules
		return nil
	})
}

// apply returns a schedule with what the change says. What was stored earlier is
// not judged again.
func (c ScheduleChange) apply(s agentwire.Schedule) (agentwire.Schedule, error) {
	if !slices.Contains(agentwire.Modules(), c.Module) {
		return s, fault.New(fault.Invalid, fmt.Sprintf("module: '%s' is not known.", echo(string(c.Module))), "Use one of "+moduleNames()+".")
	}
	for _, field := range []struct {
		name      string
		value     *int64
		least     int64
		most      int64
		unit      string
		inSeconds int64
		target    *int64
	}{
		{"intervalMinutes", c.Interval, agentwire.MinScanInterval / 60, agentwire.MaxScanInterval / 60, "minutes", 60, &s.Interval},
		{"delaySeconds", c.Delay, 0, agentwire.MaxScanDelay, "seconds", 1, &s.Delay},
		{"randomizeSeconds", c.Randomize, 0, agentwire.MaxScanDelay, "seconds", 1, &s.Randomize},
	} {
		switch {
		case field.value == nil:
		case *field.value < field.least || *field.value > field.most:
			return s, fault.New(fault.Invalid, fmt.Sprintf("%s of %s: invalid value '%d'.", field.name, c.Module, *field.value),
				fmt.Sprintf("Specify %d to %d %s.", field.least, field.most, field.unit))
		default:
			*field.target = *field.value * field.inSeconds
		}
	}
	return s, nil
}

func moduleNames() string {
	names := make([]string, 0, len(agentwire.Modules()))
	for _, m := range agentwire.Modules() {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}
