package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// recordWithin bounds the time that writing one row of the audit log may take.
const recordWithin = 10 * time.Second

// auditing is what the audit log is to say of a request.
type auditing struct {
	journal   access.Journal
	operation Operation
	actor     string
	address   string
	object    string
	detail    string
	program   string // that asked, where the log is to say so
	settled   bool
}

// programOf returns what the audit log says of the program that sent a request:
// nothing, unless it acts for an AI assistant.
func programOf(r *http.Request) string {
	if name, _, _ := strings.Cut(r.UserAgent(), "/"); name == access.AssistantProgram {
		return Echo(r.UserAgent())
	}
	return ""
}

// Describe says, for the audit log, what a request is about and what came of it.
// An empty text leaves what is known already.
func Describe(ctx context.Context, object, detail string) {
	a := exchangeOf(ctx).audit
	if a == nil {
		return
	}
	if object != "" {
		a.object = object
	}
	if detail != "" {
		a.detail = detail
	}
}

// AddressOf returns the IP address that a request behind a Guard came from, an empty
// text without one.
func AddressOf(ctx context.Context) string {
	if a := exchangeOf(ctx).audit; a != nil {
		return a.address
	}
	return ""
}

// Settle records the outcome of a request behind a Guard and returns err. Handlers
// call it when the outcome is certain and before they answer, so that nobody is
// told of a change that is not in the audit log; it records once, and only writes
// and refusals. When the row cannot be written it returns an error that says what
// happened instead.
//
// The row follows the change: a platform that is killed between the two loses
// it.
func Settle(ctx context.Context, err error) error {
	ex := exchangeOf(ctx)
	a := ex.audit
	refused := fault.Is(err, fault.Forbidden) || access.IsHidden(err)
	if a == nil || a.settled || !a.operation.Write && !refused {
		return err
	}
	a.settled = true
	entry := access.Entry{
		Time: time.Now().UTC(), Actor: a.actor, Address: a.address, Action: a.operation.Name, Object: a.object,
		Outcome: access.Done, Detail: a.detail,
	}
	switch {
	case refused:
		entry.Outcome, entry.Detail = access.Refused, Explain(err).Message
		if access.IsHidden(err) {
			entry.Detail = "It exists and is not theirs to see; they were told: " + entry.Detail
		}
	case err != nil:
		entry.Outcome, entry.Detail = access.Failed, Explain(err).Message
	}
	if a.program != "" {
		entry.Detail = strings.TrimSpace(entry.Detail + " (" + a.program + ")")
	}
	// A client that hangs up does not keep what it did out of the log.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	failure := a.journal.Append(limited, entry)
	if failure == nil {
		return err
	}
	ex.log.ErrorContext(ctx, "the audit log did not take a row", slog.Any("error", failure), slog.String("user", a.actor),
		slog.String("action", entry.Action), slog.String("object", entry.Object), slog.String("outcome", string(entry.Outcome)))
	if err != nil {
		return err
	}
	return fmt.Errorf("the change was made and could not be recorded: %w", failure)
}
