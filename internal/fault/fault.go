// Package fault is the one error type of the platform.
//
// Domain code returns a *Error when the caller can act on what went wrong; any
// other error is an internal one, shown to users as a bland sentence and logged
// in full for the operator. The codes are few on purpose: each is mapped to an
// HTTP status and a QPS response code in package server, and to an exit code in
// cmd/vedette, in exactly one place each.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is, in the terms a caller can act on.
type Code string

// The codes. A new one needs a line in each mapping, so add one only when no
// existing code makes the caller do the right thing.
const (
	Invalid         Code = "invalid"         // the input is wrong; repeating it will not help
	Unauthenticated Code = "unauthenticated" // missing or wrong credentials
	Forbidden       Code = "forbidden"       // known caller without the permission
	NotFound        Code = "not_found"       // the named object does not exist (or is out of the caller's scope)
	Conflict        Code = "conflict"        // the object's state does not allow it now
	TooLarge        Code = "too_large"       // the input exceeds a limit that is named in the message
	Busy            Code = "busy"            // refused before anything was done; repeat later
	Internal        Code = "internal"        // not the caller's fault
)

// Error is a failure with a message for the person who caused it and, where
// there is one, a next step. Message and Resolution never hold secrets or
// details of the inside; Err does and is only logged.
type Error struct {
	Code       Code
	Message    string // one sentence: names the field, the value and what is allowed
	Resolution string // the next step; may be empty
	Err        error  // the cause, for logs; may be nil
}

// New returns an Error with a message and a resolution.
func New(code Code, message, resolution string) *Error {
	return &Error{Code: code, Message: message, Resolution: resolution}
}

// Newf returns an Error with a formatted message and no resolution.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message, followed by the cause when there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain, Internal for any
// other error, and the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if fe, ok := errors.AsType[*Error](err); ok {
		return fe.Code
	}
	return Internal
}

// Is reports whether err is an Error with the given code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }
