// Package playbook holds playbooks: what they are, how they are written, and how
// they are checked before they are saved.
//
// [Parse] reads the YAML notation into a [Definition]. [Check] compares a
// definition with its surroundings, such as the commands there are, and compiles
// its expressions into a [Program], which package engine runs. Both report
// everything that is wrong at once, as [Problems] with line, column and path.
//
// docs/playbooks.md has the notation with every key.
//
// A Definition and a Program are immutable once they are made, and safe for
// concurrent use.
package playbook

import "time"

// Limits of playbooks.
const (
	// MaxFileBytes bounds the text; a playbook of ten steps has some 2 KiB.
	MaxFileBytes = 256 << 10
	// MaxSteps bounds the steps, those of onError included.
	MaxSteps = 200
	// MaxProblems bounds what is reported of one text.
	MaxProblems = 100
	// MaxItems bounds the items of a forEach.
	MaxItems = 1000
	// DefaultItems is how many items a forEach takes that does not say max.
	DefaultItems = 100
	// MaxParallel bounds how many items of a forEach are under way together.
	MaxParallel = 50
	// DefaultParallel is what a forEach has that does not say parallel.
	DefaultParallel = 5
	// MaxTurns bounds how often a loop goes back.
	MaxTurns = 1000
	// MaxDepth bounds how deep playbooks call each other.
	MaxDepth = 8
	// MaxWait bounds every wait: for a time, for a condition, for a person.
	MaxWait = 31 * 24 * time.Hour
	// MaxTimeout bounds how long one command may take.
	MaxTimeout = 24 * time.Hour
	// DefaultTimeout is how long a command may take that is not told.
	DefaultTimeout = 10 * time.Minute
	// MinInterval is the shortest pause between two looks at a condition.
	MinInterval = time.Second
	// DefaultInterval and DefaultWait are what a wait for a condition has that does
	// not say them: those of the polling that SOAR content commonly has.
	DefaultInterval = time.Minute
	DefaultWait     = 30 * time.Minute
	// DefaultDue is how long an approval waits for a person that is not told.
	DefaultDue = 24 * time.Hour

	// maxExpressions bounds the expressions, each of which takes some 0.1 ms to
	// check.
	maxExpressions = 1000
	maxDepth       = 20     // of values within each other
	maxNodes       = 20_000 // values in one text
	maxList        = 200    // items of a list of the notation itself
	maxInputs      = 50
	maxEvents      = 10 // of one kind: each costs something whenever it happens
)
