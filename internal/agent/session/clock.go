package session

import "time"

// Clock tells the time and wakes the agent up. Now is in the time zone of the
// host, which rules its blackout windows.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that receives once d has passed, and a function
	// that releases the timer.
	Timer(d time.Duration) (expired <-chan time.Time, stop func())
}

// SystemClock is the clock of the host.
type SystemClock struct{}

// Now returns the host's local time.
func (SystemClock) Now() time.Time { return time.Now() }

// Timer starts a timer of the Go runtime.
func (SystemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}
