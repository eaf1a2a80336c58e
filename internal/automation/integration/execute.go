package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// maxAttempts bounds how often in a row a call is made that the platform asks
	// to make later, or that did not reach it.
	maxAttempts = 6

	// firstBackoff is the longest wait after the first of them where the platform
	// names none; it doubles with each.
	firstBackoff = 10 * time.Second

	// maxAskedWait bounds the wait that a platform asks for: Qualys counts calls
	// by the hour. Of a longer one a person is told.
	maxAskedWait = time.Hour
)

// execution is one Execute.
type execution struct {
	command Command
	session Session
	call    Call
	state   cursor
	pause   *pause // set by an operation that has not finished
	beaten  bool   // another run launches the same scans at this moment
}

// cursor is what of a call outlives the process.
type cursor struct {
	// Attempt counts the calls in a row that have to be made later.
	Attempt int              `json:"attempt,omitempty"`
	Tally   automation.Tally `json:"tally,omitzero"`
	// Began is when a call that waits was made.
	Began time.Time `json:"began,omitzero"`
	// Done is what the command came to where nothing is left but to wait.
	Done *automation.Outcome `json:"done,omitempty"`
	// Watch is how far the waiting has come.
	Watch json.RawMessage `json:"watch,omitempty"`
}

// pause is how an operation asks to be called again.
type pause struct {
	after  time.Duration
	reason string
}

// Execute executes the command, or goes on with it. It returns within a few
// seconds of the platform's last answer: what takes longer is handed back as a
// Continuation. It is safe for concurrent use.
func (c Command) Execute(ctx context.Context, s Session, call Call) Answer {
	x := &execution{command: c, session: s, call: call}
	if len(call.Cursor) > 0 {
		if err := json.Unmarshal(call.Cursor, &x.state); err != nil {
			return Answer{Outcome: c.Fail(fmt.Errorf("the cursor of %s cannot be read: %w", c.Name, err))}
		}
	}
	ctx = qpsclient.WithIdempotencyKey(ctx, call.Key)
	// Commands of vaults only read, and show no value: they are their own rehearsal.
	if call.DryRun && s.Vault == nil {
		return Answer{Outcome: x.rehearse(ctx)}
	}
	return x.answer(c.run(ctx, x))
}

// answer decides whether an outcome is the final one.
func (x *execution) answer(out automation.Outcome) Answer {
	again := out.Again
	switch {
	case x.goesOn(out):
		x.state.Tally = again.Tally
		x.pause = &pause{x.backoff(again.After), x.whyAgain(out, again.After)}
		x.state.Attempt++
	case x.pause != nil:
		x.state.Attempt = 0
	default:
		return Answer{Outcome: out}
	}
	stored, err := json.Marshal(x.state)
	if err != nil {
		return Answer{Outcome: x.command.Fail(fmt.Errorf("store the state of %s: %w", x.command.Name, err))}
	}
	// No state word and no errors: it has neither succeeded nor failed.
	out.State, out.Errors, out.Again = "", nil, nil
	return Answer{Outcome: out, Continue: &Continuation{Cursor: stored, After: x.pause.after, Reason: x.pause.reason}}
}

// goesOn reports whether a call that failed is made again later.
func (x *execution) goesOn(out automation.Outcome) bool {
	return out.Again != nil && !x.command.Impatient && x.state.Attempt+1 < maxAttempts && out.Again.After <= maxAskedWait
}

// backoff returns how long to wait before a repetition: never less than asked for,
// and not at the same time as others that were refused together.
func (x *execution) backoff(asked time.Duration) time.Duration {
	random := x.session.Rand
	if random == nil {
		random = rand.Float64
	}
	if asked > 0 {
		return asked + time.Duration(random()*float64(qpsclient.BaseDelay))
	}
	return time.Duration(random() * float64(firstBackoff<<x.state.Attempt))
}

func (x *execution) whyAgain(out automation.Outcome, asked time.Duration) string {
	why := "It"
	if n := len(out.Errors); n > 0 {
		why = fmt.Sprintf("Status Code: %d. Message: %s It", out.Errors[n-1].StatusCode, out.Errors[n-1].Message)
	}
	if asked > 0 {
		return fmt.Sprintf("%s goes on when the time that the platform asks to wait, %s, is over.", why, asked)
	}
	return fmt.Sprintf("%s is tried again, for the %s time of %d.", why, []string{"second", "third", "fourth", "fifth", "sixth"}[x.state.Attempt], maxAttempts)
}

// fail is the failed outcome of an operation. A rehearsal of a call that makes
// something ends here, too, and well.
func (x *execution) fail(err error) automation.Outcome {
	if errors.Is(err, qpsclient.ErrRehearsed) {
		return automation.Outcome{State: automation.Successful}
	}
	out := automation.FailureOf(x.command.Indicator, x.command.Permission, !x.command.ReadOnly, err)
	if x.command.Repeat == Never && mayHaveActed(err) {
		out.Errors[0].Resolution = "The platform may have carried it out all the same: look there before you run it again. " + out.Errors[0].Resolution
	}
	return out
}

// mayHaveActed reports whether a write that failed so can have been carried out.
func mayHaveActed(err error) bool {
	broken, ok := errors.AsType[*qpsclient.TransportError](err)
	return ok && !broken.RefusedHere() && broken.Kind != qpsclient.KindDNS && broken.Kind != qpsclient.KindTLS
}

// internalFailure tells of what went wrong on this side in terms that reveal
// nothing of it.
func internalFailure(message string, err error) error {
	return &fault.Error{Code: fault.Internal, Message: message, Resolution: "The log of the platform says more.", Err: err}
}

// rehearse runs the command and shows what it would have sent. A command that
// only reads sends nothing at all.
func (x *execution) rehearse(ctx context.Context) automation.Outcome {
	requests := []qpsclient.Request{}
	x.session.Client = x.session.Client.Rehearse(qpsclient.Rehearsal{
		Record: func(r qpsclient.Request) { requests = append(requests, r) }, Reads: x.command.ReadOnly,
	})
	x.session.Ledger, x.call.Wait, x.state = nil, nil, cursor{}
	did := x.command.run(ctx, x)
	if x.command.ReadOnly && len(requests) > 0 {
		did = automation.Outcome{State: automation.Successful} // it ended because it was not sent
	}
	out := automation.Outcome{
		State: did.State, Errors: did.Errors,
		Result: automation.Table{Columns: []string{"METHOD", "PATH", "QUERY", "BODY"}, Rows: [][]string{}},
		Notes:  []string{"This was a dry run: none of these requests was sent."},
	}
	for _, r := range requests {
		out.Result.Rows = append(out.Result.Rows, []string{r.Method, r.Path, r.Query, r.Body})
	}
	if len(requests) > 0 {
		text, err := json.Marshal(map[string]any{"requests": requests})
		if err != nil {
			return x.command.Fail(err)
		}
		out.RawData = text
	}
	return out
}
