package schedule

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/automation/run"
)

// Firing is the record of a firing and of what came of it.
type Firing struct {
	ScheduleID int64
	At         time.Time // which firing: the moment of Spec.Next
	Fired      time.Time // when it was decided about
	// Action is what became of it. Queue becomes Start or Skip when it has waited.
	Action Action
	Reason string
	Missed int
	// RunID is the run that was started; zero for none, or none yet, and RunState how
	// far it is, as long as it is kept.
	RunID    int64
	RunState run.State
	// PlaybookRunID and PlaybookRunState are the same of a schedule of a playbook.
	PlaybookRunID    int64
	PlaybookRunState string
	// ByHand says that somebody had it run now. Such a firing is of the second it was
	// asked for, moves no other firing and takes no heed of what is at work.
	ByHand bool
}

// Filter says which schedules are listed: of these sites, all for none.
type Filter struct{ SiteIDs []int64 }

// Schedules is the storage of schedules. One that does not exist is
// fault.NotFound.
//
// Each firing happens once, on however many replicas: a firing is a row that is
// unique by schedule and At, and it is written in the transaction that advances
// the schedule's Next. A replica that comes second finds the schedule advanced,
// or its row refused, and does nothing.
type Schedules interface {
	// Schedules returns those of a filter in ascending order of id.
	Schedules(ctx context.Context, f Filter) ([]Schedule, error)
	// Schedule returns one.
	Schedule(ctx context.Context, id int64) (Schedule, error)
	// CreateSchedule stores a schedule and returns it with its id. A name that its
	// site has already is fault.Conflict. A playbook that does not exist is
	// fault.NotFound.
	CreateSchedule(ctx context.Context, s Schedule) (Schedule, error)
	// UpdateSchedule stores what change makes of a schedule; change may be called
	// several times. A firing that waits no more is recorded as skipped.
	UpdateSchedule(ctx context.Context, id int64, change func(Schedule) (Schedule, error)) (Schedule, error)
	// DeleteSchedule removes a schedule with its firings. Runs stay.
	DeleteSchedule(ctx context.Context, id int64) error
	// DueSchedules returns, in ascending order and at most limit, the ids greater than
	// after of schedules whose DueAt has come, or that owe a firing its run.
	DueSchedules(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error)
	// Fire has a schedule decide (Schedule.Fire) and stores what comes of it in the
	// same transaction: the schedule, the firing, and the end of runs that it cancels.
	// Runs of playbooks that it cancels are asked to end and do so shortly after.
	// A firing whose Action is Nothing was not due, and nothing is stored.
	Fire(ctx context.Context, id int64, now time.Time) (Firing, error)
	// FireNow adds a firing by hand, which is owed a run, with the job that starts it.
	FireNow(ctx context.Context, id int64, now time.Time) (Firing, error)
	// OwedFirings returns a schedule and its firings that are to start and have no run.
	OwedFirings(ctx context.Context, id int64) (Schedule, []Firing, error)
	// StartFiring stores the run of a firing, with its job, unless it has one or is gone.
	// The run is handed what the last one of the schedule handed on. One that has ended
	// already is stored as it is, and the schedule takes note of it.
	StartFiring(ctx context.Context, f Firing, r run.Run, secrets map[string]string) error
	// Firings returns the firings of a schedule that are kept, newest first, at most
	// limit.
	Firings(ctx context.Context, id int64, limit int) ([]Firing, error)
}

// KeptFirings is how many firings of each schedule are kept.
const KeptFirings = 500
