package automation

import (
	"errors"
	"time"

	"vedette.dev/vedette/qps/qpsclient"
)

// Tally is how far a command that acts on many agents has come. A repetition
// that is given it leaves these agents alone and reports them all the same.
type Tally struct {
	Done []int64 `json:"done,omitempty"`
	// Skipped are agents that another run has done the same to a short time ago.
	Skipped []int64 `json:"skipped,omitempty"`
	// Errors are final ones, each about one agent.
	Errors []Error `json:"errors,omitempty"`
}

// Again says that a command failed for a reason that passes, before it did what
// was left of it. Repeating that later does nothing twice.
type Again struct {
	// After is how long the platform asks to wait; zero when it does not say.
	After time.Duration
	// Tally is what need not be repeated.
	Tally Tally
}

// again returns how to go on after err, nil when repeating does not help or may
// do harm. write says that the failing call was one that acts.
func again(err error, write bool, tally Tally) *Again {
	if !qpsclient.Retryable(err, write) {
		return nil
	}
	a := &Again{Tally: tally}
	if status, ok := errors.AsType[*qpsclient.StatusError](err); ok {
		a.After = status.Wait
	}
	return a
}
