package failures

import (
	"cmp"
	"net/http"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// answer returns the error answer of a failure, as the platform would give it if
// it were in earnest. A code alone is a business error: HTTP 200 under the rules
// of QPS, save for credentials and permissions.
func (f Failure) answer() server.Failure {
	code, qpsCode := ofStatus(f.status)
	if f.code != "" {
		code, qpsCode = ofCode(f.code), f.code
	}
	a := server.Failure{
		Code: code, QPSCode: qpsCode,
		Status: cmp.Or(f.status, statusOf(code)), QPSStatus: cmp.Or(f.status, qpsStatusOf(code)),
		Message:    "This answer was asked for by the failure '" + f.text + "'.",
		Resolution: "Send the request without " + Header + ", or change the script of failures.",
	}
	if a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests {
		a.RetryAfter = server.RetryAfter
	}
	return a
}

// ofStatus returns what goes with an HTTP status.
func ofStatus(status int) (fault.Code, qps.ResponseCode) {
	switch {
	case status == http.StatusUnauthorized:
		return fault.Unauthenticated, qps.CodeInvalidCredentials
	case status == http.StatusForbidden:
		return fault.Forbidden, qps.CodeUnauthorized
	case status == http.StatusNotFound:
		return fault.NotFound, qps.CodeNotFound
	case status == http.StatusConflict:
		return fault.Conflict, qps.CodeInvalidRequest
	case status == http.StatusRequestEntityTooLarge:
		return fault.TooLarge, qps.CodeInvalidRequest
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		return fault.Busy, qps.CodeOtherError
	case status >= http.StatusInternalServerError:
		return fault.Internal, qps.CodeOtherError
	}
	return fault.Invalid, qps.CodeInvalidRequest
}

// ofCode returns the kind of failure a response code stands for.
func ofCode(code qps.ResponseCode) fault.Code {
	switch code {
	case qps.CodeInvalidCredentials, qps.CodeAuthCredentialsNeeded:
		return fault.Unauthenticated
	case qps.CodeUnauthorized, qps.CodeUnauthorizedDestinationApps:
		return fault.Forbidden
	case qps.CodeNotFound, qps.CodeUnknownObject:
		return fault.NotFound
	case qps.CodeOtherError, qps.CodeJMSServerDown, qps.CodeRMIServerDown, qps.CodeUnidentifiedProducer:
		return fault.Internal
	}
	return fault.Invalid
}

// statusOf and qpsStatusOf return the HTTP status of a code that comes alone.
func statusOf(code fault.Code) int {
	switch code {
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

func qpsStatusOf(code fault.Code) int {
	if code == fault.Unauthenticated || code == fault.Forbidden {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}
