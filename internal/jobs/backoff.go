package jobs

import (
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river/rivertype"
)

const (
	// attempts is how often a job is run that fails: with the pauses between them,
	// some twenty minutes, which a database or a service needs to come back.
	attempts = 10
	// firstPause is the pause after the first failure; each is twice the one before.
	// With the spread it is below the five seconds from which on River is late.
	firstPause = 4 * time.Second
	// longestPause is where they stop to grow.
	longestPause = 5 * time.Minute
	// pauseSpread is by what part a pause is longer at random, so that jobs that
	// failed together are not all tried again together.
	pauseSpread = 0.1
)

// backoff says when a failed job is tried again.
type backoff struct {
	now    func() time.Time
	random func() float64 // in [0, 1)
}

// NextRetry implements river.ClientRetryPolicy.
func (b *backoff) NextRetry(job *rivertype.JobRow) time.Time {
	pause := pauseAfter(job.Attempt)
	return b.now().Add(pause + time.Duration(float64(pause)*pauseSpread*b.random()))
}

// pauseAfter is the pause after an attempt, counted from 1.
func pauseAfter(attempt int) time.Duration {
	pause := firstPause
	for range attempt - 1 {
		if pause >= longestPause {
			break
		}
		pause *= 2
	}
	return min(pause, longestPause)
}

func newBackoff(now func() time.Time) *backoff { return &backoff{now: now, random: rand.Float64} }
