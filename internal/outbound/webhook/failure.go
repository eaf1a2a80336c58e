package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/outbound/egress"
)

const (
	shownLimit = 300 // characters of what went wrong on the way
	// waitLimit bounds what a receiver may ask for: it does not put a message off
	// for good.
	waitLimit = 24 * time.Hour
)

// refused is the failure of what was refused before anything was sent.
func refused(err error) *notice.SendError {
	f := &notice.SendError{Message: err.Error(), Err: err}
	if told, ok := errors.AsType[*fault.Error](err); ok {
		f.Message, f.Resolution = told.Message, told.Resolution
	}
	return f
}

// answered returns the failure of an answer, nil for 200 to 299. Most pass by
// themselves or when somebody looks after the receiver, who has another secret for
// now, or is being moved; a redirect and 410 do not (Standard Webhooks, "Expected
// response" and "Disabling endpoints").
func answered(host string, answer *http.Response, now time.Time) error {
	code := answer.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	f := &notice.SendError{
		Temporary: true, Wait: waitOf(answer.Header.Get("Retry-After"), now),
		Message:    fmt.Sprintf("The receiver %s of the webhook answered with status %s.", host, named(code)),
		Resolution: "Look into the log of the receiver.",
	}
	switch {
	case code >= 300 && code < 400:
		f.Temporary, f.Wait = false, 0
		f.Message = fmt.Sprintf("The receiver %s of the webhook redirects, with status %s, which is not followed.", host, named(code))
		f.Resolution = "Use the URL that the receiver redirects to."
	case code == http.StatusGone:
		f.Temporary, f.Wait = false, 0
		f.Resolution = "The receiver wants no more messages: use another URL, or remove the webhook."
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		f.Resolution = "Check that the receiver verifies signatures with the secret of this webhook, and that its clock is right."
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		f.Resolution = "Check the URL of the webhook: it has to take POST."
	}
	return f
}

// named returns a status as people know it, such as 404 Not Found. What the
// receiver calls it is not shown.
func named(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// waitOf reads a Retry-After header (RFC 9110, section 10.2.3).
func waitOf(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), waitLimit)
}

// unanswered explains why there is no answer. ctx is that of the caller, bounded
// has the time limit as well.
func unanswered(ctx, bounded context.Context, host string, timeout time.Duration, err error) *notice.SendError {
	f := &notice.SendError{Temporary: true, Resolution: "Check the URL of the webhook, and that its receiver is running and reachable from the platform."}
	forbidden, isForbidden := errors.AsType[*egress.RefusedError](err)
	connection, atNetwork := errors.AsType[*net.OpError](err)
	switch {
	case ctx.Err() != nil:
		f.Err, f.Message = ctx.Err(), fmt.Sprintf("The webhook to %s was not sent when the sending was cancelled.", host)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.Message = fmt.Sprintf("The receiver %s of the webhook did not answer in time.", host)
		}
	case bounded.Err() != nil:
		f.Err, f.Message = bounded.Err(), fmt.Sprintf("The receiver %s of the webhook did not answer within %s.", host, timeout)
	case isForbidden:
		f.Temporary = false
		f.Message = fmt.Sprintf("The receiver %s of the webhook is not connected to: %s.", host, forbidden)
		f.Resolution = "Use another URL for the webhook."
	case isDistrust(err):
		f.Temporary = false
		f.Message = fmt.Sprintf("There is no trusted TLS connection to the receiver %s of the webhook: %s.", host, shown(err))
		f.Resolution = "Check the URL of the webhook; if the receiver's certificate is signed by an authority of your own, give it as CA."
	case atNetwork:
		f.Message = fmt.Sprintf("The connection to the receiver %s of the webhook failed: %s.", host, shown(connection))
	default: // what cannot be read is quoted in the error, and may be of an inner service
		f.Message = fmt.Sprintf("The receiver %s of the webhook gave no answer that can be read.", host)
	}
	return f
}

// shown is what may be shown of an error of the network or of TLS.
func shown(err error) string {
	return strings.TrimRight(notice.Line(err.Error(), shownLimit), ".")
}

// isDistrust reports whether a handshake failed for what the other side is, and
// not because it broke off.
func isDistrust(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return certificate || record || alert || errors.Is(err, http.ErrSchemeMismatch)
}
