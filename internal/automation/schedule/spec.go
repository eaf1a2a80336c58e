package schedule

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// CatchUp says what becomes of firings that nothing carried out in time, because
// the platform was down.
type CatchUp string

// The ways to catch up. None is the default.
const (
	CatchUpNone CatchUp = "none" // they are left out
	CatchUpOne  CatchUp = "one"  // the newest of them runs, for all of them
)

// Overlap says what becomes of a firing while the run of the one before is at
// work.
type Overlap string

// The ways to treat an overlap. Skip is the default.
const (
	OverlapSkip           Overlap = "skip"            // the firing is left out
	OverlapQueue          Overlap = "queue"           // it waits for the end of that run; only one firing waits
	OverlapCancelPrevious Overlap = "cancel_previous" // that run is cancelled
)

// The bounds of the other settings.
const (
	// MaxJitter is in percent of the interval: below one half firings stay apart.
	MaxJitter = 50
	// MaxPauseAfter is the largest number of failures to pause after.
	MaxPauseAfter = 1000
)

// Spec says when something runs: at an interval or by a cron, one of the two.
type Spec struct {
	// Every is the time between firings. They are counted from Start, which is the
	// first, or without it from the beginning of 1970 in UTC, so that every 6h is at
	// 0, 6, 12 and 18 o'clock UTC whenever it was set up.
	Every Interval `json:"every,omitempty"`
	// Cron is the cron: five fields, or one of @hourly, @daily, @weekly, @monthly and
	// @yearly.
	Cron string `json:"cron,omitempty"`
	// Zone is the IANA name of the time zone whose clock a cron means; empty is UTC.
	Zone string `json:"timeZone,omitempty"`
	// Start and End bound the firings: none before Start, none at End or later. The
	// zero time is no bound.
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
	// CatchUp and Overlap are their defaults when empty.
	CatchUp CatchUp `json:"catchUp,omitempty"`
	Overlap Overlap `json:"overlap,omitempty"`
	// Jitter puts off all firings of an interval by the same time, up to so many
	// percent of it; see Spread.
	Jitter int `json:"jitterPercent,omitempty"`
	// PauseAfter is the number of failures in a row after which a schedule is paused;
	// zero is never.
	PauseAfter int `json:"pauseAfterFailures,omitempty"`
}

// Check reports the first thing about a Spec that is not allowed, as
// fault.Invalid with the name of the setting in the JSON form, its value and what
// is allowed. A Spec that never fires is not allowed.
func (s Spec) Check() error {
	_, err := s.rule()
	if err != nil {
		return err
	}
	for _, check := range []func() error{s.checkBounds, s.checkPolicies, s.checkNumbers} {
		if err := check(); err != nil {
			return err
		}
	}
	if _, fires := s.Next(time.Time{}); !fires {
		return refuse("end", wire(s.End), "nothing fires before it", "Give a later end, or none.")
	}
	return nil
}

// refuse is the error of a setting.
func refuse(field, value, why, next string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("%s: '%s' is not allowed, %s.", field, automation.Echo(value), why), next)
}

func wire(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s Spec) checkBounds() error {
	for _, bound := range []struct {
		field string
		time  time.Time
	}{{"start", s.Start}, {"end", s.End}} {
		if t := bound.time.UTC(); !t.IsZero() && (t.Year() < 1970 || t.Year() > 9999 || t.Nanosecond() != 0) {
			return refuse(bound.field, t.Format(time.RFC3339Nano), "times are in whole seconds from the year 1970 on", "Give a time such as 2026-01-31T09:00:00Z, or none.")
		}
	}
	if !s.Start.IsZero() && !s.End.IsZero() && !s.End.After(s.Start) {
		return refuse("end", wire(s.End), "it is not after the start, "+wire(s.Start), "Give an end after the start, or none.")
	}
	return nil
}

func (s Spec) checkPolicies() error {
	switch s.CatchUp {
	case "", CatchUpNone, CatchUpOne:
	default:
		return refuse("catchUp", string(s.CatchUp), "use none or one", "none leaves missed firings out, one runs the newest of them.")
	}
	switch s.Overlap {
	case "", OverlapSkip, OverlapQueue, OverlapCancelPrevious:
	default:
		return refuse("overlap", string(s.Overlap), "use skip, queue or cancel_previous", "It says what happens while the run before is at work.")
	}
	return nil
}

func (s Spec) checkNumbers() error {
	switch {
	case s.Jitter < 0 || s.Jitter > MaxJitter:
		return refuse("jitterPercent", strconv.Itoa(s.Jitter), fmt.Sprintf("use 0 to %d percent of the interval", MaxJitter), "")
	case s.Jitter > 0 && s.Cron != "":
		return refuse("jitterPercent", strconv.Itoa(s.Jitter), "a cron fires at the times it names", "Leave it out, or use an interval.")
	case s.PauseAfter < 0 || s.PauseAfter > MaxPauseAfter:
		return refuse("pauseAfterFailures", strconv.Itoa(s.PauseAfter), fmt.Sprintf("use 0 to %d, where 0 is never", MaxPauseAfter), "")
	}
	return nil
}

// rule is when a Spec fires, ready to be asked: an interval or a cron.
func (s Spec) rule() (rule, error) {
	zone, err := automation.LoadZone(s.Zone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "timeZone: "+err.Error(), "")
	}
	switch {
	case s.Every != 0 && s.Cron != "":
		return nil, fault.New(fault.Invalid, fmt.Sprintf("every '%s' and cron '%s' exclude each other.", s.Every, automation.Echo(s.Cron)), "Give one of them.")
	case s.Cron != "":
		times, err := parseCron(s.Cron)
		if err != nil {
			return nil, refuse("cron", s.Cron, err.Error(), "A cron is minute, hour, day of the month, month and day of the week, such as '30 6 * * 1-5'.")
		}
		return cronRule{times, zone}, nil
	case s.Every == 0:
		return nil, fault.New(fault.Invalid, "Neither every nor cron is given.", "Give one of them, such as every 30m or cron '30 6 * * 1-5'.")
	case s.Every < MinInterval || s.Every > MaxInterval || time.Duration(s.Every)%time.Second != 0:
		return nil, refuse("every", time.Duration(s.Every).String(), fmt.Sprintf("use whole seconds from %s to %s", MinInterval, MaxInterval), "")
	}
	anchor := s.Start
	if anchor.IsZero() {
		anchor = time.Unix(0, 0)
	}
	return intervalRule{anchor.UTC(), s.Every}, nil
}

// Spread returns by how much the firings of the schedule with that id are put
// off, in whole seconds. It is the same for all firings, so they stay evenly
// apart, and differs between schedules, so that those with one interval do not
// all fire at once.
func (s Spec) Spread(id int64) time.Duration {
	seconds := uint64(time.Duration(s.Every)/time.Second) * uint64(max(s.Jitter, 0)) / 100
	if seconds == 0 {
		return 0
	}
	hash := fnv.New64a()
	fmt.Fprint(hash, id)
	return time.Duration(hash.Sum64()%seconds) * time.Second
}
