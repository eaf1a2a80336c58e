package schedule

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// MaxNameLength bounds the name of a schedule, in characters.
const MaxNameLength = 100

// Target is what a schedule runs: a command or a playbook, one of the two.
type Target struct {
	// Command is the name of a command of the connection's integration, such as
	// search-cloud-agents.
	Command string
	// PlaybookID is the playbook; the version runs that is live at the firing.
	PlaybookID int64
	// Trigger is which of the schedules in the text of the playbook this is, from 1: it
	// is made, changed and removed when a version is published, and its inputs are in
	// the text. Zero for a schedule that somebody made.
	Trigger int
	// ConnectionID is the connection of the command; a playbook names its own.
	ConnectionID int64
	// Inputs by name, as they were given. Whoever runs them checks them.
	Inputs map[string]any
}

// Schedule is a Spec with what it runs, and where it stands.
type Schedule struct {
	ID     int64
	Name   string // unique in its site
	SiteID int64
	// OwnerID is the user with whose rights it runs, those they have at the firing, and
	// Owner their name, which may come back with somebody else. OwnerID 0 is nobody: then
	// nothing is run.
	OwnerID int64
	Owner   string
	Target  Target
	Spec    Spec

	// Active says that it fires. One that is not has no Next.
	Active bool
	// PausedReason says why it is not Active, for people; empty while it is.
	PausedReason string
	// Failures is the number of runs that failed, since the last that did not.
	Failures int
	// Next is the next firing, the zero time when there is none any more.
	Next time.Time
	// Last is the newest firing that came to be, whether or not it ran.
	Last time.Time
	// Waiting is the firing that waits for the end of the run at work
	// (OverlapQueue); the zero time for none.
	Waiting time.Time
}

// Check reports the first thing about a schedule that is not allowed, as
// fault.Invalid; see Spec.Check. Whether site, connection and playbook exist is
// for others to say.
func (s Schedule) Check() error {
	switch n := utf8.RuneCountInString(s.Name); {
	case strings.TrimSpace(s.Name) == "":
		return fault.New(fault.Invalid, "name: it is empty.", "Give the schedule a name.")
	case n > MaxNameLength:
		return fault.New(fault.Invalid, fmt.Sprintf("name: it has %d characters, at most %d are allowed.", n, MaxNameLength), "Choose a shorter name.")
	case s.Target.Command == "" && s.Target.PlaybookID == 0:
		return fault.New(fault.Invalid, "Neither a command nor a playbook is given.", "Say what the schedule runs.")
	case s.Target.Command != "" && s.Target.PlaybookID != 0:
		return fault.New(fault.Invalid, fmt.Sprintf("Command '%s' and playbook %d exclude each other.", automation.Echo(s.Target.Command), s.Target.PlaybookID), "Say which of them the schedule runs.")
	case s.Target.Command != "" && s.Target.ConnectionID == 0:
		return fault.New(fault.Invalid, fmt.Sprintf("Command '%s' has no connection.", automation.Echo(s.Target.Command)), "Name the connection that it runs on.")
	case s.Target.PlaybookID != 0 && s.Target.ConnectionID != 0:
		return fault.New(fault.Invalid, fmt.Sprintf("connection: playbook %d names its connections itself.", s.Target.PlaybookID), "Leave it out; the playbook may have an input for it.")
	}
	return s.Spec.Check()
}

// DueAt returns when the next firing is to be carried out, which Spread puts off;
// the zero time says never.
func (s Schedule) DueAt() time.Time {
	if !s.Active || s.Next.IsZero() {
		return time.Time{}
	}
	return s.Next.Add(s.Spec.Spread(s.ID))
}

// State is what people are told of a schedule.
type State string

// The states.
const (
	StateActive State = "active" // it fires again
	StatePaused State = "paused" // it does not fire until it is resumed
	StateEnded  State = "ended"  // it will never fire again
)

// State returns what people are told.
func (s Schedule) State() State {
	switch {
	case !s.Active:
		return StatePaused
	case s.Next.IsZero():
		return StateEnded
	}
	return StateActive
}

// Resumed returns the schedule as it is when it begins to fire, or does so again:
// from now on, with no failure counted. What would have fired before is left out,
// whatever the catch-up.
func (s Schedule) Resumed(now time.Time) Schedule {
	s.Active, s.PausedReason, s.Failures, s.Waiting = true, "", 0, time.Time{}
	s.Next, _ = s.Spec.Next(now)
	return s
}

// Paused returns the schedule as it is when it fires no more, for a reason. A run
// at work goes on; a firing that waits for it is dropped.
func (s Schedule) Paused(reason string) Schedule {
	s.Active, s.PausedReason = false, reason
	s.Next, s.Waiting = time.Time{}, time.Time{}
	return s
}

// Respecified returns the schedule with another Spec, which counts from now on.
func (s Schedule) Respecified(spec Spec, now time.Time) Schedule {
	s.Spec = spec
	if s.Active {
		s.Next, _ = spec.Next(now)
	}
	return s
}
