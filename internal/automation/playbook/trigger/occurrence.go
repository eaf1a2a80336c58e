package trigger

import (
	"context"
	"encoding/json"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/fleet"
)

const (
	// MaxAgents is how many agents one occurrence of playbook.AgentInactive has at most.
	MaxAgents = 1000
	// MaxEvents is how many events the live versions of a platform may have together.
	MaxEvents = 200
	// MaxWaiting is how many occurrences of an event wait. What happens beyond that is
	// left out, and people are told.
	MaxWaiting = 10_000
	// LookAtAgents is how often is looked for agents that have become inactive.
	LookAtAgents = time.Hour
	// LookAtKeys is how often is looked for keys that are nearly used up.
	LookAtKeys = time.Minute
	// Returning is how much later than planned a look for inactive agents may be.
	// Otherwise the platform was not there for agents to check in, and another is
	// planned for when they have had this time.
	Returning = 2 * time.Hour
)

// Event is an event in the text of a live version.
type Event struct {
	ID, PlaybookID int64
	Number         int // which of the text, from 1
	Kind           playbook.EventKind
	// LeftOut is how much happened while MaxWaiting was waiting, since people were told.
	LeftOut int64
}

// Occurrence is something that happened and starts a playbook.
type Occurrence struct {
	ID int64
	// Data is one of the types below, as JSON: what playbook.EventKind.Data promises.
	Data     json.RawMessage
	Happened time.Time
}

// InactiveAgents is the data of playbook.AgentInactive.
type InactiveAgents struct {
	AgentIDs []int64 `json:"agentIds"` // at most MaxAgents
	Days     int     `json:"days"`
}

// FinishedScan is the data of playbook.ScanFinished.
type FinishedScan struct {
	AgentID  int64  `json:"agentId"`
	ScanID   int64  `json:"scanId"`
	ScanType string `json:"scanType"`
	State    string `json:"state"`
}

// FailedConnector is the data of playbook.ConnectorFailed.
type FailedConnector struct {
	ConnectorID int64  `json:"connectorId"`
	Name        string `json:"name"`
	Message     string `json:"message"`
}

// NearlyUsedUpKey is the data of playbook.KeyNearlyUsedUp.
type NearlyUsedUpKey struct {
	KeyID int64  `json:"keyId"`
	Title string `json:"title"`
	Used  int64  `json:"used"`
	Max   int64  `json:"max"`
}

// Occurrences is where what happened waits until its playbook was started. Whoever
// writes down that a scan or a run of a connector has ended adds an occurrence in the
// same transaction.
type Occurrences interface {
	// LookForEvent adds what happened since the last look, if the event is one that is
	// looked for and is due, and says when to look again.
	LookForEvent(ctx context.Context, id int64, now time.Time) error
	// WaitingOccurrences returns an event and its oldest occurrences. An event that is in no
	// live version any more has none.
	WaitingOccurrences(ctx context.Context, id int64, limit int) (Event, []Occurrence, error)
	// StartOccurrence stores a queued run with its job and removes the occurrence. One
	// that is not there any more was started by somebody else: nothing is stored. More
	// than conductor.MaxOpen runs of the playbook are fault.Busy.
	StartOccurrence(ctx context.Context, id int64, r conductor.Run) error
	// DropOccurrences removes occurrences that start nothing.
	DropOccurrences(ctx context.Context, ids []int64) error
	// TellOccurrences stores a run that has failed, unless there is one with its key, and
	// removes the occurrences that it tells of and what was left out. When none of it is
	// there any more, nothing is stored.
	TellOccurrences(ctx context.Context, event int64, ids []int64, r conductor.Run) error
}

// Hosts is where those are found that a publisher sees.
type Hosts interface {
	// HostsInScope returns those of the host assets that are there and in scope.
	HostsInScope(ctx context.Context, scope fleet.Scope, ids []int64) ([]int64, error)
}

// Keys is where activation keys are found; *fleet.Keyring is one.
type Keys interface {
	// Get returns a key in scope, or fault.NotFound.
	Get(ctx context.Context, scope fleet.Scope, id int64) (fleet.ActivationKey, error)
}
