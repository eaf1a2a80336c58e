package fleet

import (
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

const hoursOfWeek = 7 * 24

// checkBlackout takes windows of whole hours, half-open, that may cross
// midnight; such a window belongs to the day on which it begins. Start and end
// at the same hour are refused: it could mean all day or never. So are windows
// that leave no hour of the week: their agents could never be reached again.
func checkBlackout(windows []agentwire.Blackout) error {
	if n := len(windows); n > MaxBlackouts {
		return fault.New(fault.Invalid, fmt.Sprintf("blackoutConfig: there are %d windows.", n), fmt.Sprintf("Specify at most %d.", MaxBlackouts))
	}
	for _, w := range windows {
		switch {
		case w.StartHour < 0 || w.StartHour > 23:
			return fault.New(fault.Invalid, fmt.Sprintf("startHour: invalid value '%d'.", w.StartHour), "Specify an hour from 0 to 23.")
		case w.EndHour < 0 || w.EndHour > 24:
			return fault.New(fault.Invalid, fmt.Sprintf("endHour: invalid value '%d'.", w.EndHour), "Specify an hour from 0 to 24.")
		case w.StartHour == w.EndHour:
			return fault.New(fault.Invalid, fmt.Sprintf("endHour: invalid value '%d', the window begins at the same hour.", w.EndHour),
				"Specify another hour; 0 to 24 is the whole day.")
		}
	}
	if coverWeek(windows) {
		return fault.New(fault.Invalid, fmt.Sprintf("blackoutConfig: the %d windows cover the whole week.", len(windows)),
			"Leave at least one hour of the week, otherwise no change could ever reach the agents.")
	}
	return nil
}

// coverWeek reports whether no hour of the week lies outside the windows.
func coverWeek(windows []agentwire.Blackout) bool {
	var covered [hoursOfWeek]bool
	for _, w := range wireBlackout(windows) {
		length := (w.EndHour - w.StartHour + 24) % 24
		if length == 0 {
			length = 24 // 0 to 24
		}
		for day, on := range w.Days {
			for hour := range length {
				if on {
					covered[(day*24+w.StartHour+hour)%hoursOfWeek] = true
				}
			}
		}
	}
	return !slices.Contains(covered[:], false)
}

// wireBlackout returns the windows in the words of the agent protocol, where
// midnight as an end is 24. The API takes 0 as well and returns what it was
// given.
func wireBlackout(windows []agentwire.Blackout) []agentwire.Blackout {
	windows = slices.Clone(windows)
	for i := range windows {
		if windows[i].EndHour == 0 {
			windows[i].EndHour = 24
		}
	}
	return windows
}
