package session

import "time"

// timer is when an event is handled next. It keeps when it was started and the
// jitter drawn then, not the moment they lead to: that follows from the interval
// in force, so that a new profile also rules timers that are running. The zero
// timer is due at once.
type timer struct {
	started time.Time // zero: due at floor, whatever the interval
	factor  float64   // of the interval
	floor   time.Time // not before

	failures int    // in a row
	busy     int    // times in a row that the platform was too busy
	problem  string // the last failure that was logged
}

// due returns the moment the timer ends.
func (t *timer) due(interval time.Duration) time.Time {
	if t.started.IsZero() {
		return t.floor
	}
	at := t.started.Add(scale(interval, t.factor))
	if at.Before(t.floor) {
		return t.floor
	}
	return at
}

// start makes the timer end the given part of an interval after now.
func (t *timer) start(now time.Time, factor float64) {
	t.started, t.factor, t.floor = now, factor, time.Time{}
}

// at makes the timer end at a moment that follows from no interval.
func (t *timer) at(moment time.Time) {
	t.started, t.floor = time.Time{}, moment
}

// notBefore puts off a timer that ends before a moment.
func (t *timer) notBefore(moment time.Time) {
	if t.floor.Before(moment) {
		t.floor = moment
	}
}

// scale returns a part of a duration.
func scale(d time.Duration, factor float64) time.Duration {
	return time.Duration(factor * float64(d))
}
