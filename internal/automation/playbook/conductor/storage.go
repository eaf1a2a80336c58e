package conductor

import (
	"context"
	"encoding/json"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
)

// Filter selects runs. Empty fields select everything.
type Filter struct {
	SiteIDs    []int64 // those that may be seen; nil for all
	PlaybookID int64
	State      State
	Open       bool // only those that have not ended
	ScheduleID int64
	StartedBy  string
	ParentID   int64
	Top        bool  // only those that no step began
	Before     int64 // only runs with a lower id; 0 for no bound
	Limit      int   // at least 1
}

// Records is the storage that Desk needs. A run or question that does not exist is
// fault.NotFound.
type Records interface {
	// StartRun stores a queued run with its job and returns it. Where the playbook has a
	// run with this key, that one is returned, and false. More than MaxOpen of the
	// playbook are fault.Busy.
	StartRun(ctx context.Context, r Run) (Run, bool, error)
	// PlaybookRun returns a run.
	PlaybookRun(ctx context.Context, id int64) (Run, error)
	// PlaybookRuns returns runs without Progress, Inputs and Outputs, newest first.
	PlaybookRuns(ctx context.Context, f Filter) ([]Run, error)
	// StepRuns returns the runs of commands of a run with ids greater than after, without
	// their outcomes, in the order in which they were begun, at most limit.
	StepRuns(ctx context.Context, id, after int64, limit int) ([]run.Run, error)
	// Questions returns questions of these sites, of all for nil, newest first, at most
	// limit; those of one run if it is given, and only open ones if asked so.
	Questions(ctx context.Context, siteIDs []int64, runID int64, open bool, limit int) ([]Question, error)
	// Question returns one.
	Question(ctx context.Context, id int64) (Question, error)
	Turns
}

// Turns is how runs are changed.
type Turns interface {
	// Turn calls do with a run that nobody else changes meanwhile, in one transaction,
	// and commits what it did if it returns nil. do may be called several times. ErrGone:
	// there is no such run.
	Turn(ctx context.Context, id int64, do func(ctx context.Context, t Turn) error) error
	// Stirred reports whether somebody has changed a run since a revision, a run that
	// it began has ended, or its Due has come.
	Stirred(ctx context.Context, id, revision int64, now time.Time) (bool, error)
	// RunVersion returns the version that a run is pinned to, and those of the playbooks
	// that it calls, directly and through others: what was live when the topmost run was
	// queued. All are without their texts; there are no calls of a run that a release
	// queued which pinned nothing. fault.NotFound when the playbook was deleted.
	RunVersion(ctx context.Context, id int64) (v library.Version, calls []library.Version, err error)
}

// Turn is one transaction about one run.
type Turn interface {
	// Run is the run as it is stored.
	Run() Run
	// Former is the run that it goes on with; fault.NotFound when it is gone.
	Former(ctx context.Context) (Run, error)
	// Write stores the run: what follows Cancel in Run, but Queued. One that has ended
	// ends what it has asked, and is told to its parent and its schedule. When others
	// than the conductor write, awake makes a job for it.
	Write(ctx context.Context, r Run, awake bool) error
	// Left returns what is kept at a place (PlaceOf, PlaceOfRun): the fields of the JSON
	// form of an outcome, or of a run of a playbook, by name. It is never changed.
	Left(ctx context.Context, place string) (map[string]json.RawMessage, error)
	// Hold keeps the connections of these names for the commands that the turn begins.
	// Whoever needs several holds them with one call, before the first Begin: all take
	// them in one order, and none waits for another in a circle.
	Hold(ctx context.Context, names []string) error
	// Begin stores the run of a command that is sent now, as running, with what it
	// begins with. r.ConnectionName names the connection: one of the site of the run, or
	// SITE/NAME; Beginning.NoConnection says that there is none. As many as may be at
	// work on the connection are a *run.CrowdedError, and nothing is stored.
	Begin(ctx context.Context, r run.Run, ref engine.Ref) (run.Beginning, error)
	// Leave stores what a run of Begin came to, by its state: waiting or ended. It has
	// no effect on one that was begun again since.
	Leave(ctx context.Context, r run.Run) error
	// Lose ends the record of a sending that nobody carries out any more, if it is still
	// at work.
	Lose(ctx context.Context, ref engine.Ref, state run.State, at time.Time) error
	// Call stores a run of a playbook, of the version that RunVersion has among the
	// calls, or of the live one if it has none at all, with its job; fault.NotFound when
	// there is none.
	Call(ctx context.Context, playbook string, r Run) error
	// Called returns the runs that this one began and that have ended, each once: their
	// end is noted thereby.
	Called(ctx context.Context) ([]Run, error)
	// Calling returns the runs that this one began and that have not ended, without
	// progress.
	Calling(ctx context.Context) ([]Run, error)
	// CancelCalled asks a run that this one began to cancel itself.
	CancelCalled(ctx context.Context, id int64, at time.Time) error
	// Ask stores a question, unless it is open already.
	Ask(ctx context.Context, q Question) error
	// Open returns the open questions of the run.
	Open(ctx context.Context) ([]Question, error)
	// Close stores the end of a question.
	Close(ctx context.Context, q Question) error
}

// Sweep is the storage of what makes runs go on by themselves.
type Sweep interface {
	// DuePlaybookRuns returns, in ascending order and at most limit, the ids greater than
	// after of runs that need a job: whose Due has come, or which began a run that has
	// ended.
	DuePlaybookRuns(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error)
	// PrunePlaybookRuns removes runs that ended before, with the runs that they began of
	// playbooks and commands, some hundred at a time and those at the bottom first, and
	// returns how many it removed. It is called until there are none.
	PrunePlaybookRuns(ctx context.Context, before time.Time) (int, error)
}
