package description

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// dayNames are the days as they are typed, in the order of time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// noDay stands for the days of a window without any, which has no effect;
// platforms hold such windows.
const noDay = "never"

// ParseBlackout reads a window such as "mon-fri 8-18" or "sat,sun 22-6".
func ParseBlackout(text string) (qps.BlackoutConfig, error) {
	wrong := fault.New(fault.Invalid, "The blackout window "+quote(text)+" cannot be read.", `Use days and hours such as "mon-fri 8-18" or "sat,sun 22-6".`)
	days, hours, ok := strings.Cut(strings.ToLower(strings.Join(strings.Fields(text), " ")), " ")
	if !ok {
		return qps.BlackoutConfig{}, wrong
	}
	var window qps.BlackoutConfig
	if days != noDay {
		if window.Days, ok = parseDays(days); !ok {
			return qps.BlackoutConfig{}, wrong
		}
	}
	start, end, ok := strings.Cut(hours, "-")
	if !ok {
		return qps.BlackoutConfig{}, wrong
	}
	var err error
	if window.StartHour, err = strconv.ParseInt(start, 10, 64); err != nil {
		return qps.BlackoutConfig{}, wrong
	}
	if window.EndHour, err = strconv.ParseInt(end, 10, 64); err != nil {
		return qps.BlackoutConfig{}, wrong
	}
	return window, nil
}

func parseDays(text string) (days [7]bool, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < 0 {
			return days, false
		}
		for day := from; ; day = (day + 1) % len(dayNames) {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, true
}

// BlackoutText is the window as ParseBlackout reads it, Monday first.
func BlackoutText(b qps.BlackoutConfig) string {
	var days []string
	for i := range dayNames {
		if day := (i + 1) % len(dayNames); b.Days[day] {
			days = append(days, dayNames[day])
		}
	}
	list := strings.Join(days, ",")
	if list == "" {
		list = noDay
	}
	return fmt.Sprintf("%s %d-%d", list, b.StartHour, b.EndHour)
}
