package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fault"
)

// rightsPause is after how long a run goes on whose starter could not be looked up.
const rightsPause = 10 * time.Second

// Rights says whether somebody may run commands at this moment.
type Rights interface {
	// MayRun refuses, with fault.Forbidden, a user who is gone or disabled, who has none
	// of the permissions, access.RunCommand where none is named, or who may not use the
	// connection, 0 for none. Any other error says that nobody knows.
	MayRun(ctx context.Context, userID, connectionID int64, anyOf ...access.Permission) error
	// MayVouch refuses, as MayRun does, who published a playbook.
	MayVouch(ctx context.Context, p Publisher, connectionID int64, anyOf ...access.Permission) error
}

// Publisher is who published the text that a step is in, or one that called it, and thus
// says what is done with the rights of somebody else.
type Publisher struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Playbook string `json:"playbook"` // its name
}

// UserRights are the rights that users of the platform have, as they are when they are
// asked for. It is safe for concurrent use.
type UserRights struct {
	Users interface {
		// UserByID returns the user, or fault.NotFound.
		UserByID(ctx context.Context, id int64) (access.User, error)
	}
	Connections *connection.Directory
}

// MayRun implements Rights.
func (u UserRights) MayRun(ctx context.Context, userID, connectionID int64, anyOf ...access.Permission) error {
	return u.may(ctx, userID, connectionID, anyOf, asked{
		who: "with whose rights it runs", gone: "The user with whose rights it runs was deleted.", instead: "Have somebody else run it.", lost: " any more",
		next: "Ask a manager to check the permission settings of this account, or have somebody else run it.",
	})
}

// MayVouch implements Rights.
func (u UserRights) MayVouch(ctx context.Context, p Publisher, connectionID int64, anyOf ...access.Permission) error {
	who, next := fmt.Sprintf("who published playbook '%s'", p.Playbook), fmt.Sprintf("Have somebody publish playbook '%s' who may.", p.Playbook)
	return u.may(ctx, p.ID, connectionID, anyOf, asked{who: who, gone: fmt.Sprintf("User '%s', %s, was deleted.", p.Name, who), instead: next, next: next})
}

// asked says what somebody is asked for: as who, and what to do about a refusal.
type asked struct{ who, gone, instead, lost, next string }

func (u UserRights) may(ctx context.Context, userID, connectionID int64, anyOf []access.Permission, as asked) error {
	user, err := u.Users.UserByID(ctx, userID)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.Forbidden, as.gone, as.instead)
	case err != nil:
		return err
	case user.Disabled:
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', %s, is disabled.", user.Username, as.who), as.next)
	}
	if len(anyOf) == 0 {
		anyOf = []access.Permission{access.RunCommand}
	}
	p := access.NewPrincipal(user)
	if !p.May(anyOf...) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', %s, may not run commands%s, it needs %s.", user.Username, as.who, as.lost, anyOf[0].Label()), as.next)
	}
	if connectionID == 0 {
		return nil
	}
	_, err = u.Connections.Get(ctx, p, connectionID)
	if access.IsHidden(err) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', %s, may not use the connection%s.", user.Username, as.who, as.lost), as.next)
	}
	return err
}

// mayGoOn refuses a run whose starter lost the right to it since they asked for it. The
// platform's own runs, and trials, whose askers were just looked at, have nobody to ask
// about, and of steps of playbooks mayStep has asked.
func (r *Runner) mayGoOn(ctx context.Context, b *Beginning) error {
	if b.Run.Origin == ByHealth || b.trial || b.Run.PlaybookRunID != 0 {
		return nil
	}
	permissions := []access.Permission{access.RunCommand}
	if b.Run.Command == connection.TestCommand && b.Run.Origin == ByTest {
		permissions = append(permissions, access.EditConnection) // who changes a connection may test it
	}
	return r.Rights.MayRun(ctx, b.Run.UserID, b.Run.ConnectionID, permissions...)
}

// mayStep refuses a step of a playbook unless everybody may run it who answers for it:
// its starter, and who published the texts that say what it does. A connection that one
// of them may not use is refused as one that is missing, whoever it is: nobody learns
// that it exists.
func (r *Runner) mayStep(ctx context.Context, b *Beginning) error {
	others := slices.DeleteFunc(slices.Clone(b.Publishers), func(p Publisher) bool { return p.ID == b.Run.UserID })
	may := []func(connectionID int64) error{func(id int64) error { return r.Rights.MayRun(ctx, b.Run.UserID, id) }}
	for _, p := range others {
		may = append(may, func(id int64) error { return r.Rights.MayVouch(ctx, p, id) })
	}
	usable := true
	for _, with := range may {
		var err error
		if !b.NoConnection {
			err = with(b.Run.ConnectionID)
		}
		if err != nil && !fault.Is(err, fault.Forbidden) {
			return err
		}
		if err == nil && !b.NoConnection {
			continue
		}
		if err := with(0); err != nil {
			return err // it is not the connection that is missing
		}
		usable = false
	}
	if usable {
		return nil
	}
	return noConnection(&b.Run, others)
}

// noConnection is the error for a step without a connection that all may use who answer
// for it.
func noConnection(of *Run, others []Publisher) error {
	users, next := fmt.Sprintf("user '%s'", of.StartedBy), "Ask somebody who owns it, or a manager, to grant use."
	for _, p := range others {
		users += fmt.Sprintf(" and user '%s', who published playbook '%s',", p.Name, p.Playbook)
		next = "Have somebody publish the playbook who may use it, or ask somebody who owns it, or a manager, to grant use."
	}
	return fault.New(fault.Forbidden, fmt.Sprintf("There is no connection '%s' that %s may use.", automation.Echo(of.ConnectionName), users), next)
}

// refused is the answer of a run that may not go on, or of which nobody knows. The record
// of a step forgets which connection it names: others see it who do not see that one.
func (r *Runner) refused(ctx context.Context, b *Beginning, command integration.Command, reason error) integration.Answer {
	if !fault.Is(reason, fault.Forbidden) {
		r.Log.WarnContext(ctx, "a run is put off, for who answers for it could not be looked up", "run", b.Run.ID, "error", reason)
		return unasked(b)
	}
	r.recordRefusal(ctx, &b.Run, reason)
	if b.Run.PlaybookRunID != 0 {
		b.Run.ConnectionID = 0
	}
	return integration.Answer{Outcome: command.Fail(reason)}
}

// unasked is the answer of a run of which nobody knows whether it may go on: it is not
// made, and asks again.
func unasked(b *Beginning) integration.Answer {
	return integration.Answer{Outcome: b.Run.Outcome, Continue: &integration.Continuation{
		Cursor: b.Run.Cursor, After: rightsPause, Reason: "The platform could not look up whether who started it still may; it tries again.",
	}}
}

// recordRefusal writes into the audit log that a run was not allowed to go on.
func (r *Runner) recordRefusal(ctx context.Context, of *Run, reason error) {
	entry := access.Entry{
		Time: r.Now().UTC(), Actor: of.StartedBy, Address: of.Address, Action: "run command", Outcome: access.Refused, Detail: reason.Error(),
		Object: fmt.Sprintf("run %d, connection %d %s", of.ID, of.ConnectionID, of.ConnectionName),
	}
	if err := r.Journal.Append(ctx, entry); err != nil {
		r.Log.ErrorContext(ctx, "the audit log did not take a row", "error", err, "user", entry.Actor, "action", entry.Action, "object", entry.Object)
	}
}
