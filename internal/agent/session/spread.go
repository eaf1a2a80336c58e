package session

import "time"

const (
	// jitter is the part of an interval by which events vary to either side, so
	// that agents installed together drift apart.
	jitter = 0.1
	// retryCap is the longest retry delay in status intervals. With a delay drawn
	// evenly below twice the interval the mean is the interval itself: a platform
	// that returns from an outage meets the load of any other day.
	retryCap = 2
	// pollRetry is the ceiling of the first delay before a failed wake-up poll is
	// repeated. It doubles with every failure.
	pollRetry = 60 * time.Second
	// firstRetry is the same for provisioning and for what a contact found changed
	// and could not fetch, where somebody may be waiting.
	firstRetry = 10 * time.Second
	// resumeSpread spreads the first contact after a blackout: the smallest
	// interval of status requests that a profile may ask for.
	resumeSpread = 300 * time.Second
	// startSpread spreads the first contact of an agent that was started again.
	startSpread = 5 * time.Second
	// maxInterval bounds stored values outside the published range and those that
	// have no published bound, so that an agent always stays reachable.
	maxInterval = 7 * 24 * time.Hour
	// maxRetryAfter bounds how long a platform may send an agent away: the largest
	// status interval.
	maxRetryAfter = 24 * time.Hour
)

// spread draws the random delays that keep a fleet from moving in step.
type spread struct {
	random func() float64 // evenly from [0, 1)
}

// below returns a delay from [0, d).
func (s spread) below(d time.Duration) time.Duration {
	return time.Duration(s.random() * float64(d))
}

// regular returns the part of its interval after which an event comes again.
func (s spread) regular() float64 { return 1 - jitter + 2*jitter*s.random() }

// recovered returns the same after an event that got through at last: wide, so
// that those who returned together part again.
func (s spread) recovered() float64 { return 0.5 + s.random() }

// retry returns the delay after a status request that failed. There is no quick
// first attempt: all agents of a platform lose it together, so the very first
// delay is spread over the whole range.
func (s spread) retry(interval time.Duration) time.Duration {
	return s.below(retryCap * interval)
}

// doubling returns a delay below first, doubled with every failure after the
// first up to most. The jitter is drawn after the cap, never before: a delay at
// the cap would otherwise have none.
func (s spread) doubling(failures int, first, most time.Duration) time.Duration {
	ceiling := first
	for i := 1; i < failures && ceiling < most; i++ {
		ceiling *= 2
	}
	return s.below(min(ceiling, most))
}

// after returns a delay of at least d, the platform's Retry-After, and up to
// half as much again: everybody was told the same.
func (s spread) after(d time.Duration) time.Duration {
	d = min(d, maxRetryAfter)
	return d + s.below(d/2)
}
