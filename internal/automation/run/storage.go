package run

import (
	"context"
	"errors"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
)

// Records is the storage Desk needs. A run that does not exist is fault.NotFound.
type Records interface {
	// CreateRun stores a queued run with its job and returns it. secrets are its secret
	// inputs by name. Where the user has a run with this key, that one is returned, and
	// false; see SameRequest for one of another request. More than MaxPending of its
	// connection are fault.Busy.
	CreateRun(ctx context.Context, r Run, secrets map[string]string) (Run, bool, error)
	// Run returns a run with its outcome.
	Run(ctx context.Context, id int64) (Run, error)
	// Runs returns runs without their outcomes but for state word and errors, newest
	// first.
	Runs(ctx context.Context, f Filter) ([]Run, error)
	// CancelRun ends a run that has not ended as cancelled, with the outcome given;
	// what it does at this moment is cut off within seconds. One that has ended is
	// fault.Conflict.
	CancelRun(ctx context.Context, r Run, at time.Time) error
}

// Filter selects runs. Empty fields select everything.
type Filter struct {
	// ConnectionIDs are those whose runs may be seen; nil for all, those of deleted
	// connections included.
	ConnectionIDs []int64
	ScheduleID    int64
	Command       string
	State         State
	Origin        Origin
	StartedBy     string
	Before        int64 // only runs with a lower id; 0 for no bound
	Limit         int   // at least 1
}

// ErrOver says that there is nothing to do for a run: it has ended, or is gone.
var ErrOver = errors.New("the run is over")

// CrowdedError says that as many runs of a connection are at work as may be.
type CrowdedError struct {
	Ahead int /* of the others that wait, how many came before */
}

// Error implements error.
func (*CrowdedError) Error() string { return "too many runs of the connection are at work" }

// Beginning is what a run begins, or goes on, with.
type Beginning struct {
	Run        Run
	Connection connection.Connection
	Secrets    map[string]string // of the connection
	Inputs     map[string]string // the secret inputs of the run
	// Vault is where the connection has values from; nil for none.
	Vault *Vault
	// CutOff says that the run was at work already, and its platform stopped.
	CutOff bool
	// NoConnection says that the connection is gone.
	NoConnection bool

	// Publishers vouch for the text of a step of a playbook; none for other runs.
	Publishers []Publisher
	// Key is the idempotency key of the call; empty for the one of the run.
	Key string

	fetched map[string]bool // what came from the vault
	trial   bool            // it is none of a stored run
}

// Work is the storage Runner needs.
type Work interface {
	// BeginCommand makes a run that is queued, or waits, Running. ErrOver, *CrowdedError.
	BeginCommand(ctx context.Context, id int64, at time.Time) (Beginning, error)
	// PauseCommand makes a running run wait until r.Resume, with r.Cursor and r.Outcome as
	// far as it is known. ErrOver: it was cancelled meanwhile.
	PauseCommand(ctx context.Context, r Run) error
	// EndCommand ends a running run with r.State, r.Outcome and r.Ended, and removes its
	// secret inputs. A health check changes the health of its connection by checked,
	// and what people are to be told is queued, in the same transaction. ErrOver: it was
	// cancelled meanwhile.
	EndCommand(ctx context.Context, r Run, checked func(connection.Connection) (connection.Health, notice.Event)) error
}

// Sweep is the storage of what makes runs go on by themselves.
type Sweep interface {
	// PendingRuns returns, in ascending order and at most limit, the ids greater than
	// after of runs that have not ended, and of those that wait the ones whose time has
	// come: each needs a job.
	PendingRuns(ctx context.Context, at time.Time, after int64, limit int) ([]int64, error)
	// QueueChecks queues a health check for each connection that is due, at most limit,
	// and returns how many it queued. One whose last check has not ended is passed over.
	QueueChecks(ctx context.Context, at time.Time, random func() float64, limit int) (int, error)
	// PruneRuns removes runs that ended before, some at a time, and returns how many;
	// and with them what was launched, or was to be told, before.
	PruneRuns(ctx context.Context, before time.Time) (int, error)
}
