package automationapi

import (
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// The bodies about schedules of commands. Members that are left out are nil where
// that differs from an empty value.
type (
	newAutomationSchedule struct {
		Name     string     `json:"name"`
		Site     *reference `json:"site"`
		Playbook *reference `json:"playbook"` // in place of a command
		scheduleTarget
		scheduleRule
		schedulePolicies
		Active *bool `json:"active"`
	}
	automationScheduleChange struct {
		Name *string `json:"name"`
		scheduleTarget
		scheduleRule
		schedulePolicies
		Active *bool `json:"active"`
	}
	schedulePreviewRequest struct {
		scheduleRule
		After string `json:"after"`
		Count *int   `json:"count"`
	}

	// scheduleTarget is what a schedule runs.
	scheduleTarget struct {
		Command    *string      `json:"command"`
		Connection *reference   `json:"connection"`
		Inputs     *inputValues `json:"inputs"`
	}
	// scheduleRule is when it fires.
	scheduleRule struct {
		Every    *string `json:"every"`
		Cron     *string `json:"cron"`
		TimeZone *string `json:"timeZone"`
		Start    *string `json:"start"`
		End      *string `json:"end"`
	}
	// schedulePolicies are what becomes of firings.
	schedulePolicies struct {
		CatchUp            *string `json:"catchUp"`
		Overlap            *string `json:"overlap"`
		JitterPercent      *int    `json:"jitterPercent"`
		PauseAfterFailures *int    `json:"pauseAfterFailures"`
	}
)

// UnmarshalJSON refuses members it does not know, as those below do.
func (b *newAutomationSchedule) UnmarshalJSON(doc []byte) error {
	type plain newAutomationSchedule
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *automationScheduleChange) UnmarshalJSON(doc []byte) error {
	type plain automationScheduleChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *schedulePreviewRequest) UnmarshalJSON(doc []byte) error {
	type plain schedulePreviewRequest
	return decodeStrictly(doc, (*plain)(b))
}

// scheduleSettings are the members that make up a schedule.Spec.
type scheduleSettings struct {
	*scheduleRule
	*schedulePolicies
}

// change returns what the members make of a Spec, nil where none is given.
func (s scheduleSettings) change(times automation.Times) (func(schedule.Spec) schedule.Spec, error) {
	var every schedule.Interval
	var start, end time.Time
	var err error
	if text := given(s.Every); text != "" {
		if every, err = schedule.ParseInterval(text); err != nil {
			return nil, invalid("every", text, "whole days, hours, minutes and seconds such as 30m, 6h, 7d or 1h30m")
		}
	}
	if start, err = bound(times, "start", s.Start); err != nil {
		return nil, err
	}
	if end, err = bound(times, "end", s.End); err != nil {
		return nil, err
	}
	if len(s.members()) == 0 {
		return nil, nil
	}
	return func(spec schedule.Spec) schedule.Spec {
		if s.Every != nil || s.Cron != nil { // the one in place of the other
			spec.Every, spec.Cron = every, given(s.Cron)
		}
		put(&spec.Zone, s.TimeZone)
		if s.Start != nil {
			spec.Start = start
		}
		if s.End != nil {
			spec.End = end
		}
		if s.CatchUp != nil {
			spec.CatchUp = schedule.CatchUp(*s.CatchUp)
		}
		if s.Overlap != nil {
			spec.Overlap = schedule.Overlap(*s.Overlap)
		}
		put(&spec.Jitter, s.JitterPercent)
		put(&spec.PauseAfter, s.PauseAfterFailures)
		return spec
	}, nil
}

// members names the settings that are given.
func (s scheduleSettings) members() []string {
	r, p := s.scheduleRule, s.schedulePolicies
	return namesGiven([]member{
		{"every", r.Every != nil}, {"cron", r.Cron != nil}, {"timeZone", r.TimeZone != nil}, {"start", r.Start != nil}, {"end", r.End != nil},
		{"catchUp", p.CatchUp != nil}, {"overlap", p.Overlap != nil}, {"jitterPercent", p.JitterPercent != nil}, {"pauseAfterFailures", p.PauseAfterFailures != nil},
	})
}

// members names what a change says, for the audit log.
func (b *automationScheduleChange) members() []string {
	return append(namesGiven([]member{
		{"name", b.Name != nil}, {"command", b.Command != nil}, {"connection", b.Connection != nil}, {"inputs", b.Inputs != nil}, {"active", b.Active != nil},
	}), scheduleSettings{&b.scheduleRule, &b.schedulePolicies}.members()...)
}

type member struct {
	name  string
	given bool
}

func namesGiven(members []member) []string {
	var names []string
	for _, m := range members {
		if m.given {
			names = append(names, m.name)
		}
	}
	return names
}

func put[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// bound reads a time in the format of the user who gives it; an empty text is none.
func bound(times automation.Times, field string, text *string) (time.Time, error) {
	if given(text) == "" {
		return time.Time{}, nil
	}
	at, err := times.ReadTime(*text, false)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, fmt.Sprintf("%s: %v", field, err), "")
	}
	return at.UTC(), nil
}
