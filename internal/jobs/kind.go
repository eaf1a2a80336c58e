package jobs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/riverqueue/river"
)

// Handler does the work of a job for the row with an id. It is called by several
// goroutines at once, never twice at once for one id, and it must bear to be
// called again for work that it has done already: a row that is not there any
// more, or not due, is nothing to do, and no error.
//
// Its context ends when the time of the kind is over, the job was cancelled, its
// lease was lost (Lost) or the platform stops (Stopping tells before); it has to
// return soon then. An error has the job tried again later; Snooze is none.
type Handler func(ctx context.Context, id int64) error

// Kind is one kind of work.
type Kind struct {
	// Name is the kind in the database: lower case letters, digits and hyphens. A
	// name that was in use must not get another meaning.
	Name string
	// Workers is how many jobs of the kind run at once on each replica, 1 to 100.
	Workers int
	// Look is how often a replica looks for jobs of the kind; zero for the default.
	// Work that nobody sits and waits for needs no more than a look every few seconds:
	// each is a statement, also when there is nothing to do.
	Look time.Duration
	// Timeout is how long one run may take.
	Timeout time.Duration
	Run     Handler
	// Due returns the ids of rows that should have a job now, the most urgent first,
	// whether they have one or not; of many rows the first SweepAtMost get one, and the
	// others must come first at a later look: see Round. It is asked every SweepEvery by
	// every replica, by one goroutine. Nil: nothing is swept.
	Due func(ctx context.Context) ([]int64, error)
	// GaveUp is told of a job that failed at its last attempt, and with which error.
	// It writes into the row what became of it, or at least when it is due again:
	// a row that stays due gets a new job from the sweeper. Nil: nobody is told.
	GaveUp func(ctx context.Context, id int64, failure error) error
}

// maxWorkers keeps a kind from taking all connections to the database.
const maxWorkers = 100

var kindName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func (k Kind) check() error {
	switch {
	case !kindName.MatchString(k.Name):
		return fmt.Errorf("job kind %q: a name is a lower case letter, then up to 62 lower case letters, digits and hyphens", k.Name)
	case k.Workers < 1 || k.Workers > maxWorkers:
		return fmt.Errorf("job kind %s: %d workers are not allowed, 1 to %d are", k.Name, k.Workers, maxWorkers)
	case k.Look < 0:
		return fmt.Errorf("job kind %s: a look every %s is not allowed, it must be positive", k.Name, k.Look)
	case k.Timeout <= 0:
		return fmt.Errorf("job kind %s: a timeout of %s is not allowed, it must be positive", k.Name, k.Timeout)
	case k.Run == nil:
		return fmt.Errorf("job kind %s has no handler", k.Name)
	}
	return nil
}

// Snooze is what a handler returns to have its job run again after a pause. It is
// no failure and counts as no attempt.
func Snooze(pause time.Duration) error { return river.JobSnooze(max(pause, 0)) }

func snoozes(err error) bool {
	_, ok := errors.AsType[*river.JobSnoozeError](err)
	return ok
}
