package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// Realm is the protection space of every 401 (RFC 9110, section 11.5).
const Realm = "Vedette"

// RetryAfter is what a refused request is told to wait. Budgets free up within
// the time of one request, so it is short.
const RetryAfter = 2 * time.Second

// Texts of failures whose cause is not the caller's business. The first is what
// the Qualys platform answers.
const (
	internalMessage    = "An error occurred during request processing. Please contact your account manager."
	internalResolution = "Repeat the request later. The platform's log has the cause, at the time of this answer's Date."
	defaultResolution  = "Correct the request and send it again."
	notFoundResolution = "Search for the objects there are."
)

// Failure is what a failed request looks like from outside.
type Failure struct {
	Code       fault.Code
	Status     int              // HTTP status of APIs in which it carries the outcome
	QPSStatus  int              // HTTP status under the rules of QPS
	QPSCode    qps.ResponseCode // response code under the rules of QPS
	Message    string
	Resolution string // never empty
	// RetryAfter is how long to wait before the next attempt, 0 where there is
	// nothing to say.
	RetryAfter time.Duration
	// Problems is everything that is wrong in detail, as a list that JSON has a form
	// for; nil where Message says it all.
	Problems any
}

// Explain maps an error to its Failure. Errors without a fault.Error or a
// qps.RequestError in their chain are internal and say nothing of their cause.
//
// QPS answers a failed request with HTTP 200 and an envelope. The exceptions are
// credentials and permissions (401), limits and failures of the transport (404,
// 405, 408, 409, 413, 503) and failures of the platform itself (500).
func Explain(err error) Failure {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = largeBody(fault.New(fault.TooLarge,
			"The request body is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes.",
			"Split the request into smaller ones."))
	}
	if le, ok := errors.AsType[*limitError](err); ok {
		return le.failure()
	}
	if te, ok := errors.AsType[*transportError](err); ok {
		f := describe(te.cause)
		f.Status, f.QPSStatus, f.QPSCode = te.status, te.status, te.code
		return f
	}
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		return describe(fe)
	}
	if re, ok := errors.AsType[*qps.RequestError](err); ok {
		if errors.Is(err, qps.ErrTooLarge) {
			return Explain(largeBody(fault.New(fault.TooLarge, re.Message, re.Resolution)))
		}
		f := describe(fault.New(fault.Invalid, re.Message, re.Resolution))
		f.QPSCode = re.Code
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		// Not Busy: that promises that nothing was done.
		f := describe(&fault.Error{Code: fault.Internal})
		f.Message, f.Resolution = "The platform could not answer in time.", "Ask for less at once, or repeat the request later."
		return f
	}
	return describe(&fault.Error{Code: fault.Internal})
}

// describe holds the mapping of codes. Its messages reach the caller, except
// those of internal faults.
func describe(fe *fault.Error) Failure {
	f := Failure{Code: fe.Code, Message: fe.Message, Resolution: fe.Resolution, QPSStatus: http.StatusOK}
	switch fe.Code {
	case fault.Invalid:
		f.Status, f.QPSCode = http.StatusBadRequest, qps.CodeInvalidRequest
	case fault.Unauthenticated:
		f.Status, f.QPSStatus, f.QPSCode = http.StatusUnauthorized, http.StatusUnauthorized, qps.CodeInvalidCredentials
	case fault.Forbidden:
		f.Status, f.QPSStatus, f.QPSCode = http.StatusForbidden, http.StatusUnauthorized, qps.CodeUnauthorized
	case fault.NotFound:
		f.Status, f.QPSCode = http.StatusNotFound, qps.CodeNotFound
	case fault.Conflict:
		f.Status, f.QPSCode = http.StatusConflict, qps.CodeInvalidRequest
	case fault.TooLarge:
		f.Status, f.QPSCode = http.StatusRequestEntityTooLarge, qps.CodeInvalidRequest
	case fault.Busy:
		f.Status, f.QPSStatus, f.QPSCode = http.StatusServiceUnavailable, http.StatusServiceUnavailable, qps.CodeOtherError
		f.RetryAfter = RetryAfter
	default:
		f.Code = fault.Internal
		f.Status, f.QPSStatus, f.QPSCode = http.StatusInternalServerError, http.StatusInternalServerError, qps.CodeOtherError
		f.Message, f.Resolution = internalMessage, internalResolution
	}
	if f.Resolution == "" {
		f.Resolution = defaultResolution
		if fe.Code == fault.NotFound {
			f.Resolution = notFoundResolution
		}
	}
	return f
}

// setHeader adds the header fields a failure comes with. A missing permission
// carries the challenge too: under QPS it is a 401, which must have one, and with
// a 403 it says that other credentials might do (RFC 9110, section 11.6.1).
func (f Failure) setHeader(h http.Header) {
	if f.Code == fault.Unauthenticated || f.Code == fault.Forbidden {
		h.Set("WWW-Authenticate", `Basic realm="`+Realm+`", charset="UTF-8"`)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(f.RetryAfter)))
	}
}

// transportError is a failure of HTTP rather than of what was asked for. It has
// the same status in every API.
type transportError struct {
	cause  *fault.Error
	status int
	code   qps.ResponseCode
}

func (e *transportError) Error() string { return e.cause.Error() }

func (e *transportError) Unwrap() error { return e.cause }

// NoCredentials says that a request carries no credentials that can be read.
// The texts are those of the Qualys platform.
func NoCredentials() error {
	return &transportError{
		cause: fault.New(fault.Unauthenticated, "Login and password are required",
			"Make sure to pass 'user' and 'password' as request headers."),
		status: http.StatusUnauthorized, code: qps.CodeAuthCredentialsNeeded,
	}
}

// NoRoute says that there is nothing at the path of a request.
func NoRoute(r *http.Request) error {
	return &transportError{
		cause: fault.New(fault.NotFound, "There is nothing at "+Echo(r.URL.Path)+".",
			"Check the path; it is case-sensitive."),
		status: http.StatusNotFound, code: qps.CodeInvalidURL,
	}
}

// NoFleet says that what is at the path of a request elsewhere is not here, because
// this platform keeps no fleet.
func NoFleet(r *http.Request) error {
	return &transportError{
		cause: fault.New(fault.NotFound, "There is nothing at "+Echo(r.URL.Path)+": this platform runs the automation layer alone and keeps no fleet.",
			"Call the platform that keeps it, run a command there with 'vedette automation run', or start this one without --only automation."),
		status: http.StatusNotFound, code: qps.CodeInvalidURL,
	}
}

// wrongMethod says that a path exists and does not take the request's method.
func wrongMethod(r *http.Request, allowed string) error {
	return &transportError{
		cause: fault.New(fault.Invalid, Echo(r.URL.Path)+" does not take "+Echo(r.Method)+".",
			"Use one of: "+allowed+"."),
		status: http.StatusMethodNotAllowed, code: qps.CodeOperationNotSupported,
	}
}

// largeBody says that a body exceeds a limit. Other things that are too large,
// such as the reach of a bulk action, are failures of what was asked for.
func largeBody(cause *fault.Error) error {
	return &transportError{cause: cause, status: http.StatusRequestEntityTooLarge, code: qps.CodeInvalidRequest}
}

func slowBody(err error) error {
	return &transportError{
		cause: &fault.Error{
			Code: fault.Invalid, Message: "The request body did not arrive in time.",
			Resolution: "Send the request again over a faster connection, or send a smaller body.", Err: err,
		},
		status: http.StatusRequestTimeout, code: qps.CodeInvalidRequest,
	}
}

// maxEchoBytes bounds how much of a request's own text a message repeats.
const maxEchoBytes = 120

// Echo returns text of a request as a message may repeat it: valid, and short.
func Echo(s string) string {
	if len(s) <= maxEchoBytes {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:maxEchoBytes], "") + "…"
}
