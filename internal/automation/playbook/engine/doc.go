// Package engine runs playbooks, without doing any of it: it says what is to be
// done next.
//
// [Engine.Advance] takes the [State] of a run, what has happened since ([Event]),
// and the time, changes the state, and returns the [Action]s that follow: start
// this command with these inputs, stop that one, ask a person, come back at this
// time, the run has ended. It reads and writes nothing but what it is given, and
// the same state, event and time lead to the same result on every replica.
//
// Who calls it does the rest, in this order:
//
//  1. in one transaction, store what a command left, read the state, Advance it,
//     write it, and enqueue a job for each action
//  2. before a command is sent, Advance with Sent, in a transaction that is committed
//     before, such as that of 1; an ErrStale says that it is not wanted any more
//  3. send it, and go on with 1 and its Answered
//
// A step that was Ready when its platform died is sent by whoever takes up the
// job next; Outstanding has all actions that are open, for a sweeper. One that was
// Running may have been carried out: it is reported as Lost. Its command is then
// sent again if it repeats safely, with the same key, and otherwise the step is
// Unknown and a person is asked.
//
// A state refers to what commands left by references of the caller's, which it
// loads through [Memory] when an expression asks for it.
//
// # How steps follow each other
//
// A step is finished when it is Approved, Rejected, Successful, Partially
// Successful, Failed, Skipped or Cancelled. It is held, which means Skipped, when
// a step that it needs took the branch of its onError or onPartial, was Rejected,
// or was held itself, unless its if looks at the state of that step. With join:
// all one is enough to hold it, otherwise it takes all of them. A loop goes back
// when all steps in it are finished; what needs them from outside waits until it
// does not go back any more.
//
// An Engine is safe for concurrent use; a State is not.
package engine

import "time"

// Limits of runs.
const (
	// MaxStarts bounds how many steps and items one run begins, those of loops
	// counted each time.
	MaxStarts = 10_000
	// MaxInFlight bounds the commands of a run that are under way together.
	MaxInFlight = 100
	// MaxLost is how often a command is sent again whose platform died.
	MaxLost = 5
	// UnknownDue is how long a person may think about what became of a command.
	// After that it has failed.
	UnknownDue = 7 * 24 * time.Hour
	// grace is how much longer than its timeout a command may take before it counts
	// as lost: who executes it ends it by itself.
	grace = time.Minute
	// maxPatience bounds how long a command is continued that the platform asks to
	// wait, and that was not told to wait by itself.
	maxPatience = 24 * time.Hour
	// maxEvaluations is after how many values one call of Advance begins nothing more.
	maxEvaluations = 500
	// maxMessage bounds the messages kept in a state, in characters.
	maxMessage = 300
)
