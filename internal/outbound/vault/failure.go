package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/openbao/openbao/api/v2"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/outbound/egress"
)

const (
	statusBadGateway = http.StatusBadGateway
	statusNotFound   = http.StatusNotFound
	shownLimit       = 300 // characters of what a vault says
)

// stepError is an error with what was asked for.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// goneError says that the newest version at a path was deleted.
type goneError struct {
	place     string
	version   int
	destroyed bool
}

func (e *goneError) Error() string { return e.place + " is deleted" }

// isDenied reports whether a vault takes a token for wrong, or too weak.
func isDenied(err error) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == http.StatusForbidden
}

// unusable is the failure of settings or of an item that were refused here.
func unusable(err error) *vault.Failure {
	return &vault.Failure{Kind: vault.Invalid, StatusCode: http.StatusBadRequest, Message: err.Error()}
}

// explain makes a failure of an error. ctx is that of the caller, without the
// time limit of the settings.
func explain(ctx context.Context, s vault.Settings, err error) *vault.Failure {
	host := s.Address
	if u, bad := url.Parse(s.Address); bad == nil {
		host = u.Host
	}
	step := "ask it"
	if at, ok := errors.AsType[*stepError](err); ok {
		step = at.step
	}
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return answered(s, host, step, answer)
	}
	if gone, ok := errors.AsType[*goneError](err); ok {
		how := "deleted"
		if gone.destroyed {
			how = "destroyed"
		}
		return &vault.Failure{
			Kind: vault.NotFound, StatusCode: statusNotFound,
			Message:    fmt.Sprintf("Version %d at %s in the vault %s is %s.", gone.version, gone.place, host, how),
			Resolution: "Restore it, or store a new version.",
		}
	}
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return &vault.Failure{
			Kind: vault.NotFound, StatusCode: statusNotFound,
			Message:    fmt.Sprintf("There is nothing at %s in the vault %s.", strings.TrimPrefix(step, "read "), host),
			Resolution: "Check the path, without data/, the mount, which is a key-value engine of version 2, and the namespace.",
		}
	case errors.Is(ctx.Err(), context.Canceled):
		return &vault.Failure{Kind: vault.Cancelled, StatusCode: automation.StatusCancelled, Message: "Fetching from the vault " + host + " was cancelled."}
	}
	return unanswered(s, host, step, err)
}

// answered explains a status of the vault (its HTTP API documentation, "HTTP
// status codes").
func answered(s vault.Settings, host, step string, answer *api.ResponseError) *vault.Failure {
	f := &vault.Failure{Kind: vault.Refused, StatusCode: answer.StatusCode}
	told := "no reason was given"
	if !answer.RawError && len(answer.Errors) > 0 { // anything else is a page of somebody else
		told = shown(s, strings.Join(answer.Errors, "; "))
	}
	f.Message = fmt.Sprintf("The vault %s refused to %s: %s.", host, step, told)
	login := strings.HasPrefix(step, "log in")
	switch code := answer.StatusCode; {
	case code == http.StatusServiceUnavailable:
		f.Kind = vault.Sealed
		f.Message = fmt.Sprintf("The vault %s is sealed or in maintenance: %s.", host, told)
		f.Resolution = "Unseal the vault, or wait until it is back."
	case login && code >= 400 && code < 500 && code != http.StatusTooManyRequests && code != http.StatusNotFound:
		f.Kind = vault.Denied
		f.Resolution = "Check RoleID, SecretID, AuthMount and Namespace; a secret id can have ended or be used up."
	case code == http.StatusForbidden, code == http.StatusUnauthorized:
		f.Kind = vault.Denied
		f.Resolution = "Check that the token is valid, and that its policies allow it to read the path, with data/ after the mount."
	case code == http.StatusNotFound:
		f.Kind = vault.NotFound
		f.Resolution = "Check the address, the mounts and the namespace."
	case code == http.StatusTooManyRequests:
		f.Kind = vault.Busy
		f.Resolution = "Try again later, or raise the vault's limit for requests."
	}
	return f
}

// unanswered explains an error without an answer that is of use.
func unanswered(s vault.Settings, host, step string, err error) *vault.Failure {
	f := &vault.Failure{Kind: vault.Unreachable, StatusCode: statusBadGateway, Resolution: "Check Address and CA, and that the vault is running and reachable from the platform."}
	if redirect, ok := errors.AsType[*redirectError](err); ok {
		f.Kind, f.StatusCode = vault.Refused, redirect.status
		f.Message = fmt.Sprintf("The vault %s redirects to %s, which is not followed.", host, shown(s, redirect.host))
		f.Resolution = "Use the address of the active node, or of a load balancer in front of the nodes."
		return f
	}
	var network net.Error
	transport, sent := errors.AsType[*url.Error](err)
	_, forbidden := errors.AsType[*egress.RefusedError](err)
	switch {
	case errors.Is(err, errTooLong):
		f.Kind = vault.Malformed
		f.Message = fmt.Sprintf("The vault %s cannot be used to %s: %s.", host, step, errTooLong)
		f.Resolution = "Check that Address is that of a vault, and that the document is not longer than that."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		f.StatusCode = http.StatusGatewayTimeout
		f.Message = fmt.Sprintf("The vault %s did not answer within %s.", host, s.Timeout)
	case sent:
		if forbidden {
			f.Resolution = "Use another address."
		}
		f.Message = fmt.Sprintf("The vault %s cannot be reached: %s.", host, shown(s, transport.Err.Error()))
	default:
		// What the client says of an answer that it cannot read may quote it.
		f.Kind = vault.Malformed
		f.Message = fmt.Sprintf("The vault %s cannot be used to %s: the answer cannot be read.", host, step)
		if errors.Is(err, errNoToken) || errors.Is(err, errNoDocument) {
			f.Message = fmt.Sprintf("The vault %s cannot be used to %s: %s.", host, step, errors.Unwrap(err))
		}
		f.Resolution = "Check that Address is that of a vault and Mount a key-value engine of version 2."
	}
	return f
}

// shown is what may be shown of a text of the other side: one line, without the
// credentials that it might repeat.
func shown(s vault.Settings, text string) string {
	for _, secret := range []hidden.Text{s.Token, s.SecretID} {
		if !secret.IsEmpty() {
			text = strings.ReplaceAll(text, secret.Reveal(), hidden.Mask)
		}
	}
	return strings.TrimRight(notice.Line(text, shownLimit), ".")
}
