package qpsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// StatusError is an answer with an HTTP status other than 2xx. When its body
// was an envelope, the *qps.ResponseError is in its chain.
type StatusError struct {
	StatusCode int
	// Code, Message and Resolution are what the body says: that of an error of
	// the automation API, or for Message a short excerpt of plain text. They
	// are empty otherwise.
	Code       string
	Message    string
	Resolution string
	// Problems is everything that is wrong with the text of a playbook.
	Problems []PlaybookProblem
	// Wait is how long the platform asks to wait; zero when it does not say.
	Wait time.Duration

	limited bool // a rate or concurrency refusal
	err     error
}

// Error returns the status and what the body says.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("HTTP status %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	switch {
	case e.err != nil:
		text += ": " + e.err.Error()
	case e.Message != "":
		text += ": " + e.Message
	}
	if e.Wait > 0 {
		text += fmt.Sprintf(" (the platform asks to wait %s)", e.Wait)
	}
	return text
}

// Unwrap returns the *qps.ResponseError of the body, or nil.
func (e *StatusError) Unwrap() error { return e.err }

// TransportKind says where an attempt broke off.
type TransportKind string

// The kinds of a TransportError.
const (
	KindDNS      TransportKind = "dns"      // the host name has no address
	KindConnect  TransportKind = "connect"  // no connection, or it broke
	KindTLS      TransportKind = "tls"      // no trusted, encrypted connection
	KindTimeout  TransportKind = "timeout"  // no complete answer in time
	KindRedirect TransportKind = "redirect" // a redirect that is not followed
	KindAnswer   TransportKind = "answer"   // an answer that is not one of this API
	KindDamaged  TransportKind = "damaged"  // a file that is not the one announced
)

// TransportError says that a call got no usable answer. Whether the platform
// has acted on a write is then unknown, except for KindDNS and KindTLS.
type TransportError struct {
	Kind TransportKind
	Host string // host and port of the platform
	Err  error
}

// Error says what failed, for the host, in a sentence for people.
func (e *TransportError) Error() string {
	switch e.Kind {
	case KindDNS:
		return fmt.Sprintf("host name of %s cannot be resolved: %v", e.Host, e.Err)
	case KindTLS:
		return fmt.Sprintf("no trusted TLS connection to %s: %v", e.Host, e.Err)
	case KindTimeout:
		return fmt.Sprintf("no complete answer from %s in time: %v", e.Host, e.Err)
	case KindRedirect:
		return fmt.Sprintf("redirect by %s not followed: %v", e.Host, e.Err)
	case KindAnswer:
		return fmt.Sprintf("answer of %s is not one of the QPS API: %v", e.Host, e.Err)
	case KindDamaged:
		return fmt.Sprintf("file from %s is damaged: %v", e.Host, e.Err)
	default:
		return fmt.Sprintf("connection to %s failed: %v", e.Host, e.Err)
	}
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// RefusedHere reports whether this machine itself refused the connection, since
// nothing listens on that port of its loopback address.
func (e *TransportError) RefusedHere() bool {
	op, ok := errors.AsType[*net.OpError](e.Err)
	if !ok || !errors.Is(op, syscall.ECONNREFUSED) {
		return false
	}
	to, ok := op.Addr.(*net.TCPAddr)
	return ok && to.IP.IsLoopback()
}

// NextStep tells a person what to check.
func (e *TransportError) NextStep() string {
	if e.RefusedHere() {
		return "Nothing listens on that port of this machine: start the platform ('vedette up' starts one), or check host and port of the platform URL."
	}
	switch e.Kind {
	case KindDNS:
		return "Check the host name in the platform URL."
	case KindTLS:
		return tlsNextStep(e.Err)
	case KindTimeout:
		return "Check that the platform is running and that proxies and firewalls let the request through, then try again."
	case KindRedirect:
		return "If the address it redirects to is the right one, use it as the platform URL."
	case KindAnswer:
		return "Check that the platform URL is that of the API server and not of the user interface or a proxy."
	case KindDamaged:
		return "Try again; if it stays so, something between this machine and the platform changes the file, or the platform announces a wrong hash."
	default:
		return "Check host and port of the platform URL and that the platform is running."
	}
}

func tlsNextStep(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Use a host name or address that the platform's certificate names."
	}
	if strings.Contains(err.Error(), plainAnswer) {
		return "The port answers without TLS: use http:// in the platform URL, or the platform's TLS port."
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "The certificate is signed by an authority that is not trusted here: if the platform has its own, give its certificate as the CA file."
	}
	return "Check the platform's certificate, and the CA file if one is given."
}

// plainAnswer is how net/http begins its report of an answer without TLS; the
// error has no type to ask for.
const plainAnswer = "server gave HTTP response to HTTPS client"

// errRedirect marks a redirect that checkRedirect refused.
var errRedirect = errors.New("redirect refused")

// checkRedirect follows a few redirects of reads within one scheme, host and
// port. Everything else would send credentials elsewhere, or repeat a write.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.Method != http.MethodGet:
		return fmt.Errorf("%w: a %s is not repeated at %s", errRedirect, first.Method, place(next.URL))
	case next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host:
		return fmt.Errorf("%w: credentials for %s are not sent to %s", errRedirect, place(first.URL), place(next.URL))
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d in a row", errRedirect, maxRedirects)
	}
	return nil
}

// place is the part of a URL that is safe and short enough to print.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host }

// transportError classifies an error of net/http. The end of the caller's
// context is returned as itself, so that a cancelled call does not look like a
// broken platform.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &TransportError{Kind: kindOf(err), Host: c.base.Host, Err: withoutURL(err)}
}

func kindOf(err error) TransportKind {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		return KindDNS
	}
	if errors.Is(err, errRedirect) {
		return KindRedirect
	}
	if isTLS(err) {
		return KindTLS
	}
	if timeout, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || (ok && timeout.Timeout()) {
		return KindTimeout
	}
	return KindConnect
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), plainAnswer)
}

// withoutURL drops the method and URL that net/http puts in front: the URL is
// long, and the host is named by TransportError.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
