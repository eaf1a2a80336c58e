package run

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
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
	const next = "Ask a manager to check the permission settings of this account, or have somebody else run it."
	user, err := u.Users.UserByID(ctx, userID)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.Forbidden, "The user with whose rights it runs was deleted.", "Have somebody else run it.")
	case err != nil:
		return err
	case user.Disabled:
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights it runs, is disabled.", user.Username), next)
	}
	if len(anyOf) == 0 {
		anyOf = []access.Permission{access.RunCommand}
	}
	p := access.NewPrincipal(user)
	if !p.May(anyOf...) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights it runs, may not run commands any more, it needs %s.", user.Username, anyOf[0].Label()), next)
	}
	if connectionID == 0 {
		return nil
	}
	_, err = u.Connections.Get(ctx, p, connectionID)
	if access.IsHidden(err) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s', with whose rights it runs, may not use the connection any more.", user.Username), next)
	}
	return err
}

// mayGoOn refuses a run whose starter lost the right to it since they asked for it. The
// platform's own runs, and trials, whose askers were just looked at, have nobody to ask
// about.
func (r *Runner) mayGoOn(ctx context.Context, b *Beginning) error {
	if b.Run.Origin == ByHealth || b.trial || b.allowed {
		return nil
	}
	permissions := []access.Permission{access.RunCommand}
	if b.Run.Command == connection.TestCommand && b.Run.Origin == ByTest {
		permissions = append(permissions, access.EditConnection) // who changes a connection may test it
	}
	return r.Rights.MayRun(ctx, b.Run.UserID, b.Run.ConnectionID, permissions...)
}

// named reports whether the connection that a step of a playbook names is one that
// its starter sees. Any other is as good as none, whether it exists or not: its record
// forgets which one it is. Where nobody knows, mayGoOn says so later.
func (r *Runner) named(ctx context.Context, b *Beginning) bool {
	if !b.NoConnection {
		err := r.Rights.MayRun(ctx, b.Run.UserID, b.Run.ConnectionID)
		if b.allowed = err == nil; !fault.Is(err, fault.Forbidden) {
			return true
		}
	}
	if !b.NoConnection && fault.Is(r.Rights.MayRun(ctx, b.Run.UserID, 0), fault.Forbidden) {
		return true // it is not the connection that is missing
	}
	r.recordRefusal(ctx, &b.Run, fmt.Errorf("no connection '%s' that '%s' may use", b.Run.ConnectionName, b.Run.StartedBy))
	b.Run.ConnectionID = 0
	return false
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
