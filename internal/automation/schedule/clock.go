package schedule

import "time"

// A clock is what a clock on a wall of a time zone shows, kept as a time in UTC
// that means no zone: clocks compare and count like times, and there is no gap in
// them.

// longestTurn is longer than any clock was ever turned at once: Samoa left out
// the 30th of December 2011, Alaska and the Philippines had days twice or not at
// all.
const longestTurn = 48 * time.Hour

// clockAt returns what the clock of a zone shows.
func clockAt(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// furthest returns the furthest the clock of a zone has come by t, which is more
// than it shows where it was put back shortly before. With reached it showed
// that; otherwise it was put back at the moment at which it would have.
func furthest(t time.Time, zone *time.Location) (clock time.Time, reached bool) {
	clock, reached = clockAt(t, zone), true
	for at := t; ; {
		began, _ := bounds(at, zone)
		if began.IsZero() || t.Sub(began) > longestTurn {
			return clock, reached
		}
		before := began.Add(-1)
		if turned := clockAt(before, zone).Add(1); turned.After(clock) {
			clock, reached = turned, false
		}
		at = before
	}
}

// reaching returns the first moment at which the clock of a zone shows clock, or
// something later where it is put forward over it.
func reaching(clock time.Time, zone *time.Location) time.Time {
	for at := clock.Add(-longestTurn); ; {
		began, ended := bounds(at, zone)
		_, offset := at.In(zone).Zone()
		shows := clock.Add(-time.Duration(offset) * time.Second)
		if ended.IsZero() || shows.Before(ended) {
			if shows.Before(began) {
				return began.UTC()
			}
			return shows
		}
		at = ended
	}
}

// bounds returns between which moments the clock of a zone is not turned, around
// one of them; the zero time says never.
func bounds(t time.Time, zone *time.Location) (began, ended time.Time) {
	began, ended = t.In(zone).ZoneBounds()
	// On the last day of leap years after 2037, for which there are rules and no
	// table, package time (Go 1.26) lets a zone end before that day.
	if !ended.IsZero() && !ended.After(t) {
		ended = t.Add(time.Minute)
	}
	return began, ended
}
