package integration

import (
	"encoding/json"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

// Session is what commands work with: one connection, as one account. It may be
// used by several calls at once.
type Session struct {
	// Client calls the platform. It should give up early instead of sleeping for
	// long: see Integration.ClientConfig.
	// It is nil in a session with a password vault.
	Client *qpsclient.Client
	Now    func() time.Time
	// Vault is the vault of a session with one; nil otherwise.
	Vault Vault
	// Ledger knows what was launched over the connection; nil turns the window
	// for duplicate launches off.
	Ledger Ledger
	// Window is how long a launch keeps identical ones away; zero means
	// DefaultLaunchWindow.
	Window time.Duration
	// Rand is a source of numbers in [0, 1) that spreads repetitions; nil means
	// the real one.
	Rand func() float64
}

// DefaultLaunchWindow is how long a launched scan keeps others of its type from
// being launched on the same asset.
const DefaultLaunchWindow = 10 * time.Minute

// Call is one execution of a command, or the continuation of one.
type Call struct {
	Values Values // from Command.Check
	// Key names the execution, such as "run-17/scan". Requests that write carry
	// it, extended by what tells them apart, as Idempotency-Key. Repetitions of
	// one execution, and its continuations, have the same key.
	Key string
	// DryRun asks for the requests that would be sent, and sends no write.
	DryRun bool
	// Force launches although the same scan was launched within the window.
	Force bool
	// Cursor is that of the Continuation that is followed; nil at first.
	Cursor json.RawMessage
	// Passdown is what the last execution by the same schedule handed down.
	Passdown json.RawMessage
	// Wait asks a command that Waits for the end of what it begins; nil does not.
	Wait *Wait
}

// Wait says how a command waits until what it began has ended.
type Wait struct {
	Interval time.Duration // between two looks; zero means DefaultWaitInterval
	Timeout  time.Duration // from the beginning; zero means DefaultWaitTimeout
}

// Defaults of Wait, those that SOAR content for Qualys commonly has.
const (
	DefaultWaitInterval = time.Minute
	DefaultWaitTimeout  = 30 * time.Minute
)

// Answer is what an execution came to.
type Answer struct {
	automation.Outcome
	// Continue asks to execute the same call again; nil when the Outcome is the
	// final one. Until then the Outcome has no state word: nothing that is not
	// finished can be taken for a success.
	Continue *Continuation
}

// Outlives reports whether an Answer says what a call came to whose context has ended
// meanwhile: it is done, or may go on later. Of a failure nobody knows whether it is
// one of the platform or that end.
func (a Answer) Outlives() bool { return a.State == automation.Successful || a.Continue != nil }

// Continuation says how a call goes on.
type Continuation struct {
	Cursor json.RawMessage `json:"cursor"` // for Call.Cursor
	After  time.Duration   `json:"after"`  // not earlier than this from now
	// Reason is a sentence for people: what is being waited for.
	Reason string `json:"reason"`
}
