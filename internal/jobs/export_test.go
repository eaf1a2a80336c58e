package jobs

import "time"

// ForTests returns options with which a test waits for nothing: jobs are looked
// for and rows swept every few milliseconds, and come due by a clock of the test.
func (o Options) ForTests(now func() time.Time) Options {
	o.now, o.poll, o.sweep, o.renewal, o.startsImmediately = now, 2*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond, true
	return o
}

// Stopping returns options with which a stop waits that long.
func (o Options) Stopping(drain, grace time.Duration) Options {
	o.drain, o.grace = drain, grace
	return o
}

// What tests compare with.
const (
	Attempts  = attempts
	LeaseTime = leaseTime
)

// PauseAfter is the pause after an attempt.
func PauseAfter(attempt int) time.Duration { return pauseAfter(attempt) }
