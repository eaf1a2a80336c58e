package swarm

import "time"

// Clock is the clock of a swarm's agents. It runs speed times as fast as the
// world's from the moment it was made.
type clock struct {
	start time.Time
	speed float64
}

func newClock(speed float64) *clock { return &clock{start: time.Now().UTC(), speed: speed} }

// Now implements session.Clock.
func (c *clock) Now() time.Time { return c.start.Add(c.elapsed()) }

// Timer implements session.Clock.
func (c *clock) Timer(d time.Duration) (expired <-chan time.Time, stop func()) {
	timer := time.NewTimer(c.world(d))
	return timer.C, func() { timer.Stop() }
}

// elapsed is how long the agents have lived, in their time.
func (c *clock) elapsed() time.Duration {
	return time.Duration(float64(time.Since(c.start)) * c.speed)
}

// world is how long a time of the agents takes in the world.
func (c *clock) world(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.speed)
}
