// Package conductor carries out playbooks. A [Run] is the record of one; [Desk] is
// where runs are started, found, paused, cancelled and gone on with, and where
// people answer what runs ask them; [Conductor] carries a run out, as a job.
//
// # How a run goes on
//
// Package engine says what is to be done next. Each answer of a command is one
// transaction ([Turns]): it stores what the command left, lets the engine go on, and
// stores the commands that begin, as sent. Only then they are called, several at
// once. A step is therefore one transaction, and nothing is called that is not on
// record.
//
// A run that waits for a time, a person or another run holds no worker: it is a row
// with the time at which it is due. What others change of a run, such as an answer to
// a question, they write under the same lock, and who conducts the run at that moment
// sees it within a second.
//
// # After a crash
//
// Whoever takes up the run finds commands that were sent and not answered, and tells
// the engine that they are lost. It sends them again with the same key if they may be
// repeated, and otherwise asks a person what became of them. Two who conduct the same
// run, because one of them was taken for dead, do no harm: the number of each sending
// decides whose answer counts.
package conductor

import "time"

const (
	// Job is the kind of the job that conducts the run whose id it has.
	Job = "playbook-run"
	// Retention is how long runs are kept after they ended, with those of their steps.
	Retention = 30 * 24 * time.Hour
	// MaxOpen is how many runs of one playbook may be under way.
	MaxOpen = 5000
	// Limit is how long one job conducts a run at most, beyond the end of the commands
	// that it has begun.
	Limit = 5 * time.Minute
)
