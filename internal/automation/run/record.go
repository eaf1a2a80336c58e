package run

import (
	"encoding/json"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
)

// Job is the kind of the job that carries out the run whose id it has.
const Job = "automation-run"

// State is how far a run is.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Waiting   State = "waiting" // until Resume
	Succeeded State = "successful"
	Partial   State = "partially-successful"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	// Unknown: the platform was stopped while a request was on its way that must not
	// be repeated; whether it was carried out is not known.
	Unknown State = "unknown"
)

// States lists all states.
func States() []State {
	return []State{Queued, Running, Waiting, Succeeded, Partial, Failed, Cancelled, Unknown}
}

// Ended reports whether a run is over.
func (s State) Ended() bool { return s != Queued && s != Running && s != Waiting }

// Origin says why there is a run.
type Origin string

// The origins.
const (
	ByTest     Origin = "test"     // Test Command: by itself, by a person
	ByCommand  Origin = "command"  // by a program, by the API
	BySchedule Origin = "schedule" // a firing
	ByHealth   Origin = "health"   // a health check
	ByPlaybook Origin = "playbook" // a step
)

// Origins lists all origins.
func Origins() []Origin { return []Origin{ByTest, ByCommand, BySchedule, ByHealth, ByPlaybook} }

// Run is the record of one execution of a command.
type Run struct {
	ID int64
	// ConnectionID is 0 when the connection was deleted.
	ConnectionID   int64
	ConnectionName string
	SiteID         int64
	Integration    string
	Command        string
	// Inputs as they were given; secret ones are connection.Kept.
	Inputs integration.Values
	Origin Origin
	// StartedBy is the user, Address where their request came from; both are empty
	// when the platform started it by itself.
	StartedBy, Address string
	// UserID is the user of StartedBy, whose name may come back with somebody else; 0
	// for nobody.
	UserID     int64
	ScheduleID int64 // of a firing
	Fired      time.Time
	RerunOf    int64 // the run that it repeats
	// PlaybookRunID is the run of a playbook whose step it is, with the item of a
	// forEach and the round of a loop; 0 for none. It has no job of its own: who
	// conducts the playbook's run carries it out.
	PlaybookRunID int64
	Step          string
	Item, Round   int
	DryRun        bool
	// Force repeats a scan even if the same one was launched a moment ago.
	Force bool
	Wait  *integration.Wait
	// Key is the idempotency key that its asker chose; empty for none. One user has
	// one run for each key, and one request.
	Key string

	State State
	// Attempts is how often it was begun.
	Attempts int
	// Cursor is what a waiting run goes on with.
	Cursor json.RawMessage
	// Passdown is what the firing before handed on.
	Passdown json.RawMessage
	Outcome  automation.Outcome
	// Queued, Started, Ended and Resume are zero as long as they are not known.
	Queued, Started, Ended, Resume time.Time
}

const (
	// Retention is how long runs are kept after they ended.
	Retention = 30 * 24 * time.Hour
	// Limit is how long a run may be at work at once; waiting does not count.
	Limit = 15 * time.Minute
	// MaxAge is after how long a run that waits is given up, beside the end that its
	// wait has.
	MaxAge = 7 * 24 * time.Hour
	// MinWaitInterval is the shortest time between two looks of a run that waits.
	MinWaitInterval = 5 * time.Second
	// MaxPending is how many runs of one connection may be queued or wait.
	MaxPending = 5000
	// MaxKeyBytes bounds an idempotency key.
	MaxKeyBytes = 255
	// MaxOutcomeBytes bounds what is kept of an outcome; the raw data of a larger one
	// is left out, with a note.
	MaxOutcomeBytes = 32 << 20
)
