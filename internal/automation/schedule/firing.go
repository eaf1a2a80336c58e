package schedule

import "time"

// rule is a Spec without its bounds.
type rule interface {
	// next returns the first firing after a moment.
	next(after time.Time) (time.Time, bool)
}

type intervalRule struct {
	anchor time.Time
	every  Interval
}

func (r intervalRule) next(after time.Time) (time.Time, bool) {
	if after.Before(r.anchor) {
		return r.anchor, true
	}
	// In seconds: a Duration holds 292 years only. The anchor has no fraction.
	every := int64(time.Duration(r.every) / time.Second)
	gone := (after.Unix() - r.anchor.Unix()) / every
	return time.Unix(r.anchor.Unix()+(gone+1)*every, 0).UTC(), true
}

type cronRule struct {
	times cronTimes
	zone  *time.Location
}

func (r cronRule) next(after time.Time) (time.Time, bool) {
	clock, reached := furthest(after, r.zone)
	from := clock.Truncate(time.Minute)
	if reached || from.Before(clock) {
		from = from.Add(time.Minute)
	}
	match, found := r.times.from(from)
	if !found {
		return time.Time{}, false
	}
	return reaching(match, r.zone), true
}

// bounded is a rule with the bounds of its Spec.
type bounded struct {
	rule
	start, end time.Time
}

func (b bounded) next(after time.Time) (time.Time, bool) {
	if !b.start.IsZero() && after.Before(b.start) {
		after = b.start.Add(-1)
	}
	const lastYear = 9999 // of RFC 3339
	at, ok := b.rule.next(after)
	if !ok || at.Year() > lastYear || !b.end.IsZero() && !at.Before(b.end) {
		return time.Time{}, false
	}
	return at, true
}

// newest returns the last firing after one moment and not after another. It looks
// back from the end, further each time.
func (b bounded) newest(after, until time.Time) (newest time.Time, ok bool) {
	const day = 24 * time.Hour
	for _, back := range []time.Duration{time.Hour, day, 32 * day, 367 * day, longestWait * 366 * day} {
		from := until.Add(-back)
		if from.Before(after) {
			from = after
		}
		for at, more := b.next(from); more && !at.After(until); at, more = b.next(at) {
			newest, ok = at, true
		}
		if ok || from.Equal(after) {
			return newest, ok
		}
	}
	return time.Time{}, false
}

// Next returns the first firing after a moment, in UTC. There is none after the
// end, and none of a Spec that Check refuses.
func (s Spec) Next(after time.Time) (time.Time, bool) {
	b, ok := s.bounded()
	if !ok {
		return time.Time{}, false
	}
	return b.next(after)
}

// Preview returns the next n firings after a moment, fewer where there are no
// more.
func (s Spec) Preview(after time.Time, n int) []time.Time {
	var firings []time.Time
	b, ok := s.bounded()
	for len(firings) < n && ok {
		if after, ok = b.next(after); ok {
			firings = append(firings, after)
		}
	}
	return firings
}

func (s Spec) bounded() (bounded, bool) {
	r, err := s.rule()
	if err != nil {
		return bounded{}, false
	}
	if s.Start.IsZero() {
		// What is counted from the beginning of 1970 does not fire before.
		return bounded{r, time.Unix(0, 0), s.End}, true
	}
	return bounded{r, s.Start, s.End}, true
}

// Grace is how late a firing may be carried out and still be in time. Firings are
// at least as far apart.
const Grace = time.Minute

// MaxMissed bounds the count of missed firings: there may be as many or more.
const MaxMissed = 1000

// Due is what is to be done about the firings of a time that has passed.
type Due struct {
	// Newest is the last of them; the zero time says that there were none.
	Newest time.Time
	// Run says that it is to run. The others never do.
	Run bool
	// Missed is the number of firings that do not run, at most MaxMissed.
	Missed int
}

// Due returns what is to be done now about the firings after last. The newest
// runs if it is in time (Grace), or if missed ones are caught up with.
func (s Spec) Due(last, now time.Time) Due {
	b, ok := s.bounded()
	if !ok {
		return Due{}
	}
	newest, ok := b.newest(last, now)
	if !ok {
		return Due{}
	}
	due := Due{Newest: newest, Run: s.CatchUp == CatchUpOne || now.Sub(newest) <= Grace}
	for at, more := b.next(last); more && at.Before(newest) && due.Missed < MaxMissed; at, more = b.next(at) {
		due.Missed++
	}
	if !due.Run && due.Missed < MaxMissed {
		due.Missed++
	}
	return due
}
