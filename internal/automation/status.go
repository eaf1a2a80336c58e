package automation

import (
	"context"
	"errors"
	"net/http"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// StatusCancelled stands for a command that its caller ended. There is no
// registered status for it; proxies use this one.
const StatusCancelled = 499

// StatusOf returns the status code that an error entry shows for err: the status
// of the platform's answer, the one that fits its response code when a failure
// came with status 200, 502 when there was no usable answer, 504 when it did not
// come in time, 503 when the relay to the platform is offline, 403 when a target is
// not allowed through it, and 400 for input that was refused before any call.
func StatusOf(err error) int {
	if _, ok := errors.AsType[*relay.OfflineError](err); ok {
		return http.StatusServiceUnavailable
	}
	if _, ok := errors.AsType[*relay.RefusedError](err); ok {
		return http.StatusForbidden
	}
	if status, ok := errors.AsType[*qpsclient.StatusError](err); ok {
		return status.StatusCode
	}
	if response, ok := errors.AsType[*qps.ResponseError](err); ok {
		return statusOfCode(response.Code)
	}
	if broken, ok := errors.AsType[*qpsclient.TransportError](err); ok {
		if broken.Kind == qpsclient.KindTimeout {
			return http.StatusGatewayTimeout
		}
		return http.StatusBadGateway
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return StatusCancelled
	case fault.Is(err, fault.Invalid):
		return http.StatusBadRequest
	case fault.Is(err, fault.Forbidden):
		return http.StatusForbidden
	case fault.Is(err, fault.NotFound):
		return http.StatusNotFound
	case fault.Is(err, fault.Conflict):
		return http.StatusConflict
	case fault.Is(err, fault.TooLarge):
		return http.StatusRequestEntityTooLarge
	case fault.Is(err, fault.Busy):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// statusOfCode maps the response codes of the published QPS schemas. A missing
// permission is 401 like wrong credentials: readers of the error are told to
// check the permission settings on a 401.
func statusOfCode(code qps.ResponseCode) int {
	switch code {
	case qps.CodeInvalidRequest, qps.CodeInvalidXML, qps.CodeInvalidParam, qps.CodeInvalidURL,
		qps.CodeInvalidAPIVersion, qps.CodeCannotBeNull, qps.CodeOperationNotSupported:
		return http.StatusBadRequest
	case qps.CodeInvalidCredentials, qps.CodeAuthCredentialsNeeded, qps.CodeUnauthorized:
		return http.StatusUnauthorized
	case qps.CodeUnauthorizedDestinationApps, qps.CodeEvaluationExpired:
		return http.StatusForbidden
	case qps.CodeNotFound, qps.CodeUnknownObject:
		return http.StatusNotFound
	case qps.CodeStillProcessing:
		return http.StatusConflict
	case qps.CodeJMSServerDown, qps.CodeRMIServerDown:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// command names a command in errors and the permission its account needs.
type command struct {
	indicator  string
	permission string // empty where it differs from call to call
}

// Minimum permissions as the published integration names them.
const (
	permissionRead   = "Cloud Agent > CA Module Access Permissions > CA API Access Permissions for subusers"
	permissionLaunch = "Cloud Agent > CA Agent Permissions > Launch On-Demand Scan"
)

var (
	searchAgents   = command{"Search Cloud Agents failed.", permissionRead}
	getAgent       = command{"Get Cloud Agent failed.", permissionRead}
	launchScans    = command{"Launch On Demand Scans failed.", permissionLaunch}
	scanStatus     = command{"Scan Status failed.", permissionRead}
	testConnection = command{"Test Connection failed. Failed to check the connector.", permissionRead}
)

// authenticationFailed is the message of a 401 whose answer has none of its own.
const authenticationFailed = "Authentication failed."

// failure describes err as an error entry of the command.
func (c command) failure(err error) Error {
	e := Error{Indicator: c.indicator, StatusCode: StatusOf(err), Message: sentence(upperFirst(err.Error()))}
	if response, ok := errors.AsType[*qps.ResponseError](err); ok {
		e.ResponseCode = string(response.Code)
		e.Message = sentence(response.Message)
		if e.Message == "" {
			e.Message = sentence(e.ResponseCode)
		}
		e.Resolution = response.Resolution
	} else if status, ok := errors.AsType[*qpsclient.StatusError](err); ok {
		e.Resolution = status.Resolution
		if status.Message != "" {
			e.Message = sentence(status.Message)
		}
	} else if untold, ok := errors.AsType[untold](err); ok {
		e.Message, e.Resolution = sentence(upperFirst(untold.Error())), untold.NextStep()
	} else if broken, ok := errors.AsType[*qpsclient.TransportError](err); ok {
		e.Message, e.Resolution = sentence(upperFirst(broken.Error())), broken.NextStep()
	} else if errors.Is(err, context.Canceled) {
		e.Message = "The command was cancelled."
	} else if refused, ok := errors.AsType[*fault.Error](err); ok {
		e.Message, e.Resolution = sentence(refused.Message), refused.Resolution
	}
	return c.withNextStep(e, err)
}

// untold is why a call was not even made: *relay.OfflineError, *relay.RefusedError.
type untold interface {
	error
	NextStep() string
	// Permanent reports that it was not made and would not be at once either.
	Permanent() bool
}

// withNextStep adds what a person can do where the platform's answer does not
// say it, or says it in terms of its protocol.
func (c command) withNextStep(e Error, err error) Error {
	switch e.StatusCode {
	case http.StatusUnauthorized:
		if status, ok := errors.AsType[*qpsclient.StatusError](err); ok && e.ResponseCode == "" && status.Message == "" {
			e.Message = authenticationFailed
		}
		e.Resolution = c.afterRefusal(e)
	case http.StatusForbidden:
		if e.Resolution == "" {
			e.Resolution = "Check the permission settings of the account" + c.need() + "."
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
		if status, ok := errors.AsType[*qpsclient.StatusError](err); ok && e.Resolution == "" {
			e.Resolution = "Try again later."
			if status.Wait > 0 {
				e.Resolution = "Try again in " + status.Wait.String() + "."
			}
		}
	}
	return e
}

// afterRefusal is the next step after a 401. A platform that knows what the
// account lacks has said it in the message.
func (c command) afterRefusal(e Error) string {
	if c.permission == "" && e.ResponseCode == string(qps.CodeUnauthorized) && e.Resolution != "" {
		return e.Resolution
	}
	return "Check the user name and password, or the token, of the connection, and the permission settings of the account" + c.need() + "."
}

// need names the permission of the command where that is known.
func (c command) need() string {
	if c.permission == "" {
		return ""
	}
	return ": the command needs " + c.permission
}

// concernsConnection reports whether every further call would fail in the same
// way, so that there is no point in trying the other items.
func concernsConnection(err error) bool {
	if unreachable(err) || qpsclient.Retryable(err, true) {
		return true
	}
	switch StatusOf(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// unreachable reports whether there was no answer, or nobody waits for one.
func unreachable(err error) bool {
	_, broken := errors.AsType[*qpsclient.TransportError](err)
	return broken || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Failure is the failed outcome of a command outside this package. indicator
// names it: "List Scans failed."
func Failure(indicator string, err error) Outcome {
	return failed(command{indicator: indicator}.failure(err))
}

// FailureOf is Failure for a command whose least permission is known. write says
// that the failing call may have been one that acts.
func FailureOf(indicator, permission string, write bool, err error) Outcome {
	c := command{indicator, permission}
	out := failed(c.failure(err))
	out.Again = again(err, write, Tally{})
	return out
}
