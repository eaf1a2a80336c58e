// Package blackout evaluates the blackout windows of a configuration profile:
// host-local hours in which an agent neither sends nor receives. Windows is the
// main type.
//
// A window is half-open, [StartHour, EndHour), in the hours a wall clock on the
// host shows. One that crosses midnight belongs to the day on which it began.
// Because hours are read from the wall clock, an hour that daylight saving time
// repeats is inside both times and one that it skips is not there at all.
package blackout

import (
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// MaxWindows bounds the windows of one profile: one for each hour of a week.
const MaxWindows = 7 * 24

// grid is the step in which transitions are looked for: offsets and daylight
// saving shifts of every time zone in use are multiples of a quarter of an hour.
const grid = 15 * time.Minute

// horizon is how far ahead a transition is looked for: a week, and a day for
// weeks that daylight saving makes longer.
const horizon = 8 * 24 * time.Hour

// Windows are the valid windows of one profile. The zero value has none.
type Windows struct {
	windows []agentwire.Blackout
}

// New checks the windows of a profile. A window with hours out of range or with
// equal hours is an error, and so are windows that leave no time for contact in
// a whole week: no later profile could ever be received.
func New(windows []agentwire.Blackout) (Windows, error) {
	if len(windows) > MaxWindows {
		return Windows{}, fmt.Errorf("%d blackout windows, at most %d are allowed", len(windows), MaxWindows)
	}
	for i, w := range windows {
		if w.StartHour < 0 || w.StartHour > 23 || w.EndHour < 1 || w.EndHour > 24 || w.StartHour == w.EndHour {
			return Windows{}, fmt.Errorf(
				"blackout window %d: hours %d to %d, allowed are a start of 0 to 23 and a different end of 1 to 24", i+1, w.StartHour, w.EndHour)
		}
	}
	all := Windows{windows: windows}
	if all.coverWeek() {
		return Windows{}, fmt.Errorf("the %d blackout windows cover the whole week: no contact would ever be possible", len(windows))
	}
	return all, nil
}

// Active reports whether t lies inside a window, in the time zone of t.
func (w Windows) Active(t time.Time) bool {
	return w.covers(t.Weekday(), t.Hour())
}

// Next returns the first moment after t at which Active changes, and false when
// it never does.
func (w Windows) Next(t time.Time) (time.Time, bool) {
	if len(w.windows) == 0 {
		return time.Time{}, false
	}
	active := w.Active(t)
	for at := t.Truncate(grid).Add(grid); at.Sub(t) <= horizon; at = at.Add(grid) {
		if w.Active(at) != active {
			return at, true
		}
	}
	return time.Time{}, false
}

func (w Windows) covers(day time.Weekday, hour int) bool {
	yesterday := (day + 6) % 7
	for _, window := range w.windows {
		if window.StartHour < window.EndHour {
			if window.Days[day] && window.StartHour <= hour && hour < window.EndHour {
				return true
			}
			continue
		}
		if (window.Days[day] && hour >= window.StartHour) || (window.Days[yesterday] && hour < window.EndHour) {
			return true
		}
	}
	return false
}

func (w Windows) coverWeek() bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		for hour := range 24 {
			if !w.covers(day, hour) {
				return false
			}
		}
	}
	return true
}
