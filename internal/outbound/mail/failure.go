package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/outbound/egress"
)

// shownLimit is how many characters of a server's answer are shown.
const shownLimit = 300

// tlsError is a connection that could not be encrypted.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// senderError is an answer to the address of the sender.
type senderError struct{ err error }

func (e *senderError) Error() string { return e.err.Error() }
func (e *senderError) Unwrap() error { return e.err }

// isAnswer reports whether an error is a refusal by the server, so that the
// connection can still be used. After 421 it cannot (RFC 5321, section 3.8).
func isAnswer(err error) bool {
	answer, ok := errors.AsType[*textproto.Error](err)
	return ok && answer.Code != 421
}

// outcome is what became of the recipients that are done with.
type outcome struct {
	pending, refused []notice.Address
	told             []string // what the server said of each
	sender           bool     // it was about the sender
}

// add notes that the server refused a mail: for now with a code of 400 to 499, for
// good otherwise (RFC 5321, section 4.2.1).
func (o *outcome) add(to notice.Address, shown string, err error) {
	answer, _ := errors.AsType[*textproto.Error](err)
	if answer.Code >= 400 && answer.Code < 500 {
		o.pending = append(o.pending, to)
	} else {
		o.refused = append(o.refused, to)
	}
	_, sender := errors.AsType[*senderError](err)
	o.sender = o.sender || sender
	o.told = append(o.told, to.Mailbox+": "+shown)
}

// err returns the failure for all of them, nil when there was none.
func (o *outcome) err(host string) error {
	if len(o.told) == 0 {
		return nil
	}
	failed := &notice.SendError{
		Temporary: len(o.pending) > 0, Pending: o.pending, Refused: o.refused,
		Message: notice.Line(fmt.Sprintf("The mail server %s refused a message: %s.", host, strings.Join(o.told, "; ")), 10*shownLimit),
	}
	switch {
	case o.sender:
		failed.Resolution = "Check that the account may send from the address From of the mail settings."
	case len(o.refused) > 0:
		failed.Resolution = "Check the addresses of the recipients."
	}
	return failed
}

// unfinished is the failure of a connection that broke when some recipients had
// been done with: those that are left may still get their mail.
func (m *Mailer) unfinished(ctx context.Context, err error, done outcome, left []notice.Address) error {
	failed := m.failed(ctx, err, left)
	failed.Temporary, failed.Refused = true, done.refused
	failed.Pending = slices.Concat(done.pending, left)
	if len(done.told) > 0 {
		failed.Message += " Before that it refused: " + notice.Line(strings.Join(done.told, "; "), 10*shownLimit) + "."
	}
	return failed
}

// failed explains why a server could not be used, for all recipients alike.
func (m *Mailer) failed(ctx context.Context, err error, recipients []notice.Address) *notice.SendError {
	server := net.JoinHostPort(m.settings.Host, fmt.Sprint(m.settings.Port))
	f := &notice.SendError{Temporary: true}
	told := m.shown(err)
	answer, answered := errors.AsType[*textproto.Error](err)
	_, insecure := errors.AsType[*tlsError](err)
	_, forbidden := errors.AsType[*egress.RefusedError](err)
	_, unoffered := errors.AsType[*noMechanism](err)
	switch {
	case ctx.Err() != nil:
		f.Err = ctx.Err()
		f.Message = "The mail server " + server + " was not done when the sending was cancelled."
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.Message = "The mail server " + server + " did not answer in time."
			f.Resolution = "Check host, port and security of the mail settings, and that firewalls let the connection through."
		}
	case answered:
		f.Temporary = answer.Code >= 400 && answer.Code < 500
		f.Message = fmt.Sprintf("The mail server %s refused: %s.", server, told)
		if !f.Temporary {
			f.Resolution = "Check Username, Password and Auth of the mail settings."
		}
	case errors.Is(err, errNoStartTLS):
		f.Temporary = false
		f.Message = "The mail server " + server + " does not offer STARTTLS, and nothing is sent to it in clear."
		f.Resolution = "Check Port and Security of the mail settings: 587 with starttls, 465 with tls."
	case errors.Is(err, errInClear), unoffered:
		f.Temporary = false
		f.Message = "The account cannot be proven to the mail server " + server + ": " + told + "."
		f.Resolution = "Check Security and Auth of the mail settings."
	case forbidden:
		f.Temporary = false
		f.Message = "The mail server " + server + " is not connected to: " + told + "."
		f.Resolution = "Use another host in the mail settings."
	case insecure:
		f.Temporary = !isDistrust(err)
		f.Message = "There is no trusted TLS connection to the mail server " + server + ": " + told + "."
		f.Resolution = "Check Host, Port and Security of the mail settings; if the server's certificate is signed by an authority of your own, give it as CA."
	default:
		f.Message = "The connection to the mail server " + server + " failed: " + told + "."
		f.Resolution = "Check host and port of the mail settings and that the server is running."
	}
	if f.Temporary {
		f.Pending = recipients
	} else {
		f.Refused = recipients
	}
	return f
}

// shown is what may be shown of an error: the server's words in one line, without
// a password that it might repeat.
func (m *Mailer) shown(err error) string {
	text := err.Error()
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		text = fmt.Sprintf("%d %s", answer.Code, answer.Msg)
	}
	if password := m.settings.Password.Reveal(); password != "" {
		text = strings.ReplaceAll(text, password, hidden.Mask)
	}
	return strings.TrimRight(notice.Line(text, shownLimit), ".")
}

// isDistrust reports whether a handshake failed for what the other side is, and
// not because it broke off.
func isDistrust(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return certificate || record || alert
}
