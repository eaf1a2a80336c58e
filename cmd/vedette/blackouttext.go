package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// dayNames are the days as they are typed, in the order of time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseBlackout reads a window such as "mon-fri 8-18" or "sat,sun 22-6".
func parseBlackout(text string) (qps.BlackoutConfig, error) {
	wrong := func() (qps.BlackoutConfig, error) {
		return qps.BlackoutConfig{}, usagef("--blackout %s: use days and hours such as \"mon-fri 8-18\" or \"sat,sun 22-6\"", quote(text))
	}
	days, hours, ok := strings.Cut(strings.ToLower(strings.Join(strings.Fields(text), " ")), " ")
	if !ok {
		return wrong()
	}
	var window qps.BlackoutConfig
	for part := range strings.SplitSeq(days, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < 0 {
			return wrong()
		}
		for day := from; ; day = (day + 1) % len(dayNames) {
			window.Days[day] = true
			if day == to {
				break
			}
		}
	}
	start, end, ok := strings.Cut(hours, "-")
	var err error
	if window.StartHour, err = strconv.ParseInt(start, 10, 64); err != nil || !ok {
		return wrong()
	}
	if window.EndHour, err = strconv.ParseInt(end, 10, 64); err != nil {
		return wrong()
	}
	return window, nil
}

// blackoutText is the window as parseBlackout reads it, Monday first.
func blackoutText(b qps.BlackoutConfig) string {
	var days []string
	for i := range dayNames {
		if day := (i + 1) % len(dayNames); b.Days[day] {
			days = append(days, dayNames[day])
		}
	}
	list := strings.Join(days, ",")
	if list == "" {
		list = "never"
	}
	return fmt.Sprintf("%s %d-%d", list, b.StartHour, b.EndHour)
}
