package access

import (
	"context"
	"time"
)

// Outcome is how something that was recorded ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // the platform did not let them
	Failed  Outcome = "failed"  // allowed, and did not succeed
)

// Entry is one row of the audit log. Rows are never changed.
type Entry struct {
	ID      int64
	Time    time.Time
	Actor   string // username as given; unverified where a sign-in was refused
	Address string // IP address the request came from; empty for the platform's own acts
	Action  string // such as "sign in", "update am/hostasset", "create user"
	Object  string // what it was done to, such as "120034" or "criteria: tagName EQUALS Lab"
	Outcome Outcome
	Detail  string // number of objects, or why not
}

// AssistantProgram begins the User-Agent of requests that an AI assistant asked for,
// before a slash and a version. The audit log says so in the detail of an entry: it is
// the client's word, as is that of any other program.
const AssistantProgram = "vedette-mcp"

// Limits on the texts of an Entry in bytes; longer ones are cut.
const (
	MaxAuditActorBytes  = 255
	MaxAuditObjectBytes = 1000
	MaxAuditDetailBytes = 1000
)

// Journal keeps the audit log.
type Journal interface {
	// Append adds an entry, durably. ID is assigned; Time is the caller's.
	Append(ctx context.Context, e Entry) error
}

// AuditFilter selects entries, newest first. Empty fields select everything.
type AuditFilter struct {
	Actor   string    // exactly
	Action  string    // part of it
	Object  string    // part of it
	Outcome Outcome   // exactly
	Since   time.Time // inclusive
	Until   time.Time // exclusive
	Before  int64     // only entries with a lower id; 0 for no bound
	Limit   int       // at least 1
}
