package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/fault"
)

// Opener makes what commands call a platform with.
type Opener interface {
	// Open returns a session of a connection with all of its parameters, secrets
	// included. It makes no call.
	Open(ctx context.Context, c connection.Connection, parameters map[string]string) (integration.Session, error)
}

// Vaults fetches values from password vaults.
type Vaults interface {
	// Fetch returns a value. A *VaultError says why there is none.
	Fetch(ctx context.Context, v Vault, item connection.VaultItem) (string, error)
	// Drop forgets a value that was fetched before, so that it is fetched anew.
	Drop(v Vault, item connection.VaultItem)
}

// Vault is a connection to a password vault with its secrets.
type Vault struct {
	Connection connection.Connection
	Secrets    map[string]string
}

// Runner carries out runs. It is safe for concurrent use.
type Runner struct {
	Work   Work
	Opener Opener
	Vaults Vaults
	// Rights are asked before each call, by the user with whose rights a run goes on,
	// and by who published its text: they may have lost them while it was queued, or waited. Journal takes a row for
	// each refusal.
	Rights  Rights
	Journal access.Journal
	Now     func() time.Time
	Log     *slog.Logger
	// Lost reports, for the context of a call of Run, whether somebody else may have the
	// run by now, so that nothing more is to be said of it. Nil for never.
	Lost func(ctx context.Context) bool
}

const (
	// crowdedPause is how long a run waits before it tries again to be among those of
	// its connection that are at work, and perAhead how much longer for each that waits
	// before it: thousands that wait must not ask all the time.
	crowdedPause, perAhead, longestCrowdedPause = time.Second, 100 * time.Millisecond, time.Minute
	// endWithin bounds the writing of an outcome, beyond the end of the run's time. It is
	// tried again after a pause that doubles.
	endWithin, firstEndPause = 30 * time.Second, 250 * time.Millisecond
)

// errLost says that somebody else may have a run by now.
var errLost = errors.New("the run is carried out by somebody else")

// Run carries out a run, or goes on with it. It returns after how long it is to be
// called again, zero for never. It is called by one goroutine at a time for one run.
func (r *Runner) Run(ctx context.Context, id int64) (again time.Duration, err error) {
	begun, err := r.Work.BeginCommand(ctx, id, r.Now())
	switch {
	case errors.Is(err, ErrOver):
		return 0, nil
	case err != nil:
		if crowded, ok := errors.AsType[*CrowdedError](err); ok {
			return min(crowdedPause+time.Duration(crowded.Ahead)*perAhead, longestCrowdedPause), nil
		}
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	answer := r.Perform(limited, &begun)
	if ctx.Err() != nil && !answer.Outlives() {
		// Cancelled, or the platform stops: what is known is not the end.
		return 0, ctx.Err()
	}
	return r.insist(ctx, begun, answer)
}

// insist stores what a run came to, and tries again while the database fails: what is
// not stored is sent again, or nobody knows what became of it. After the end of ctx it
// is tried once.
func (r *Runner) insist(ctx context.Context, b Beginning, answer integration.Answer) (time.Duration, error) {
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	for pause := firstEndPause; ; pause *= 2 {
		if r.Lost != nil && r.Lost(ctx) {
			return 0, errLost
		}
		again, err := r.store(storing, b, answer)
		if err == nil || ctx.Err() != nil || storing.Err() != nil {
			return again, err
		}
		r.Log.WarnContext(ctx, "what a command came to could not be stored, and is tried again soon", "run", b.Run.ID, "pause", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-storing.Done():
		}
		timer.Stop()
	}
}

// GiveUp ends a run whose outcome could not be stored, again and again.
func (r *Runner) GiveUp(ctx context.Context, id int64) error {
	begun, err := r.Work.BeginCommand(ctx, id, r.Now())
	if errors.Is(err, ErrOver) {
		return nil
	}
	if err != nil {
		return err
	}
	begun.Run.State = Unknown
	_, err = r.store(ctx, begun, integration.Answer{Outcome: automation.Outcome{State: automation.Failed, Errors: []automation.Error{{
		Indicator: indicator(&begun.Run), StatusCode: http.StatusInternalServerError,
		Message: "The platform could not store what the command came to; its log says why.",
	}}}})
	return err
}

// Perform calls the command of a run that has begun. It returns what it came to, with
// the secrets of the connection taken out, and changes Run.State to Unknown when
// nobody can know.
func (r *Runner) Perform(ctx context.Context, b *Beginning) integration.Answer {
	answer := r.answer(ctx, b)
	hidden := b.hidden()
	if next := answer.Continue; next != nil {
		answer.Notes = append(answer.Notes, next.Reason)
		next.Cursor = redactText(next.Cursor, hidden)
	}
	answer.Outcome = redact(answer.Outcome, hidden)
	return answer
}

// answer is what the command of a run comes to.
func (r *Runner) answer(ctx context.Context, b *Beginning) integration.Answer {
	command, err := find(b.Run.Integration, b.Run.Command)
	if err != nil {
		return integration.Answer{Outcome: automation.Failure(indicator(&b.Run), err)}
	}
	if b.Run.PlaybookRunID != 0 {
		if err := r.mayStep(ctx, b); err != nil {
			return r.refused(ctx, b, command, err)
		}
	}
	switch {
	case b.NoConnection:
		err = fault.New(fault.NotFound, fmt.Sprintf("The connection '%s' was deleted.", b.Run.ConnectionName), "")
	case b.Connection.Ready() != nil:
		err = b.Connection.Ready()
	case r.Now().Sub(b.Run.Queued) > MaxAge:
		err = fault.New(fault.Conflict, fmt.Sprintf("The run has waited for longer than %d days.", int(MaxAge.Hours()/24)), "Run the command again.")
	}
	if err != nil {
		return integration.Answer{Outcome: command.Fail(err)}
	}
	if b.CutOff && command.Repeat == integration.Never && !b.Run.DryRun {
		b.Run.State = Unknown
		return integration.Answer{Outcome: unknownOutcome(command)}
	}
	if err := r.mayGoOn(ctx, b); err != nil {
		return r.refused(ctx, b, command, err)
	}
	answer, err := r.execute(ctx, b, command)
	if err != nil {
		return integration.Answer{Outcome: command.Fail(err)}
	}
	return answer
}

// unknownOutcome says that nobody knows whether a command was carried out.
func unknownOutcome(command integration.Command) automation.Outcome {
	return automation.Outcome{State: automation.Failed, Errors: []automation.Error{{
		Indicator: command.Indicator, StatusCode: http.StatusInternalServerError,
		Message:    "The platform was stopped while the request was on its way. Whether it was carried out is not known.",
		Resolution: "Look there whether it was, and run the command again if it was not.",
	}}}
}

// execute calls the command, with values from the vault where the connection says
// so. When the platform refuses those, they are fetched anew, once.
func (r *Runner) execute(ctx context.Context, b *Beginning, command integration.Command) (integration.Answer, error) {
	call, err := callOf(b, command)
	if err != nil {
		return integration.Answer{}, err
	}
	answer, err := r.once(ctx, b, command, call)
	if err != nil || !unauthorized(answer.Outcome) || b.Vault == nil {
		return answer, err
	}
	for _, item := range b.Connection.Vault.Items {
		r.Vaults.Drop(*b.Vault, item)
	}
	return r.once(ctx, b, command, call)
}

func (r *Runner) once(ctx context.Context, b *Beginning, command integration.Command, call integration.Call) (integration.Answer, error) {
	parameters, err := r.parameters(ctx, b)
	if err != nil {
		if failure, ok := errors.AsType[*VaultError](err); ok {
			return integration.Answer{Outcome: failure.outcome()}, nil
		}
		return integration.Answer{}, err
	}
	session, err := r.Opener.Open(ctx, b.Connection, parameters)
	if err != nil {
		return integration.Answer{}, err
	}
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	answer := command.Execute(traced, session, call)
	if errors.Is(ctx.Err(), context.Canceled) && !sent.Load() && !answer.Outlives() && !b.trial {
		return unsent(b), nil
	}
	return answer, nil
}

// unsent is the answer of a run that was cut off while it had not sent anything, such
// as one that keeps to the pace of its connection: it goes on.
func unsent(b *Beginning) integration.Answer {
	return integration.Answer{Outcome: b.Run.Outcome, Continue: &integration.Continuation{
		Cursor: b.Run.Cursor, Reason: "The platform was stopped before it had sent anything; it tries again.",
	}}
}

// unauthorized reports whether nothing was done because of wrong credentials.
func unauthorized(o automation.Outcome) bool {
	return o.State == automation.Failed && len(o.Errors) > 0 && o.Errors[0].StatusCode == http.StatusUnauthorized
}

// callOf is the call of a run, with its secret inputs put back.
func callOf(b *Beginning, command integration.Command) (integration.Call, error) {
	inputs := make(map[string]any, len(b.Run.Inputs))
	for name, value := range b.Run.Inputs {
		if secret, hidden := b.Inputs[name]; hidden {
			value = secret
		}
		inputs[name] = value
	}
	// Times are kept as RFC 3339.
	values, err := command.Check(inputs, nil)
	if err != nil {
		return integration.Call{}, err
	}
	return integration.Call{
		Values: values, Key: cmp.Or(b.Key, "run-"+strconv.FormatInt(b.Run.ID, 10)), DryRun: b.Run.DryRun, Force: b.Run.Force,
		Cursor: b.Run.Cursor, Passdown: b.Run.Passdown, Wait: b.Run.Wait,
	}, nil
}

// parameters are all parameters of a run's connection, with those of its vault. They
// join what must not be stored.
func (r *Runner) parameters(ctx context.Context, b *Beginning) (map[string]string, error) {
	all := make(map[string]string, len(b.Connection.Parameters)+len(b.Secrets))
	for name, value := range b.Connection.Parameters {
		all[name] = value
	}
	for name, value := range b.Secrets {
		all[name] = value
	}
	if !b.Connection.Vault.Enabled() {
		return all, nil
	}
	if b.Vault == nil {
		return nil, &VaultError{StatusCode: http.StatusConflict, Message: "There is no connection to the password vault.", Resolution: "Choose a vault for the connection."}
	}
	if !b.Vault.Connection.Active {
		return nil, &VaultError{Vault: b.Vault.Connection.Name, StatusCode: http.StatusConflict, Message: fmt.Sprintf("Connection '%s' is inactive.", b.Vault.Connection.Name), Resolution: "Make the connection to the vault active."}
	}
	if b.fetched == nil {
		b.fetched = map[string]bool{}
	}
	for name, item := range b.Connection.Vault.Items {
		value, err := r.Vaults.Fetch(ctx, *b.Vault, item)
		if err != nil {
			return nil, err
		}
		all[name] = value
		b.fetched[value] = true
	}
	return all, nil
}

// store stores what a run came to: that it goes on later, or its end.
func (r *Runner) store(ctx context.Context, b Beginning, answer integration.Answer) (time.Duration, error) {
	now := r.Now().UTC()
	b.Run.Outcome = answer.Outcome
	if next := answer.Continue; next != nil && b.Run.State != Unknown {
		b.Run.State, b.Run.Cursor, b.Run.Resume = Waiting, next.Cursor, now.Add(next.After)
		return next.After, ignoreOver(r.Work.PauseCommand(ctx, b.Run))
	}
	if b.Run.State != Unknown {
		b.Run.State = StateOf(b.Run.Outcome.State)
	}
	b.Run.Ended = now
	var checked func(connection.Connection) (connection.Health, notice.Event)
	if b.Run.Origin == ByHealth {
		checked = func(c connection.Connection) (connection.Health, notice.Event) { return afterCheck(c, b.Run) }
	}
	err := r.Work.EndCommand(ctx, b.Run, checked)
	if err == nil {
		r.Log.DebugContext(ctx, "a run has ended", "run", b.Run.ID, "command", b.Run.Command, "connection", b.Run.ConnectionName, "state", string(b.Run.State))
	}
	return 0, ignoreOver(err)
}

// afterCheck is the health of a connection after a health check, and what people are
// to be told, nil for nothing.
func afterCheck(c connection.Connection, r Run) (connection.Health, notice.Event) {
	subject := notice.Subject{Connection: c.Name, Integration: c.Integration, Site: c.SiteName}
	if of, known := integration.Find(c.Integration); known {
		subject.Integration = of.DisplayName
	}
	health, event := c.Health.After(r.State == Succeeded, r.Ended, c.Check)
	switch event {
	case connection.Outage:
		failed := notice.HealthCheckFailed{Subject: subject, Failures: health.Failures, Since: health.Since}
		if len(r.Outcome.Errors) > 0 {
			failed.LastError = r.Outcome.Errors[0]
		}
		return health, failed
	case connection.Recovered:
		return health, notice.HealthCheckRecovered{Subject: subject, Failures: c.Health.Failures, Since: c.Health.Since, Recovered: r.Ended}
	}
	return health, nil
}

func ignoreOver(err error) error {
	if errors.Is(err, ErrOver) {
		return nil
	}
	return err
}

// StateOf is the state of a run that has ended by the state of its outcome.
func StateOf(s automation.State) State {
	switch s {
	case automation.Successful:
		return Succeeded
	case automation.PartiallySuccessful:
		return Partial
	}
	return Failed
}
