package aws

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"vedette.dev/vedette/internal/connector"
)

// failure is an error with words for people in front of what the SDK said.
type failure struct {
	text string
	err  error
}

// Error returns the words for people.
func (f *failure) Error() string { return f.text }

// Unwrap returns the SDK's error.
func (f *failure) Unwrap() error { return f.err }

// explain turns an error of the SDK into one for people: an AccessError where AWS
// refused, otherwise one that gives AWS's code and message, or what the
// network said.
func explain(err error, operation, region string) error {
	operation = innermost(err, operation)
	status := 0
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = answer.HTTPStatusCode()
	}
	api, told := errors.AsType[smithy.APIError](err)
	if !told && status < http.StatusBadRequest {
		return &failure{fmt.Sprintf("%s in %s: %s%s", operation, region, networkWords(err), tries(err)), err}
	}
	// Unless the SDK could read the answer. UnknownError is its word for that.
	code, message := fmt.Sprintf("HTTP %d", status), "AWS gave no reason"
	if told && api.ErrorCode() != "" && api.ErrorCode() != "UnknownError" {
		code = api.ErrorCode()
	}
	if told && api.ErrorMessage() != "" && api.ErrorMessage() != "UnknownError" {
		message = plain(api.ErrorMessage())
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden || refusing(code) {
		return &connector.AccessError{Operation: operation, Region: region, Code: code, Message: message, Err: err}
	}
	return &failure{fmt.Sprintf("%s in %s: %s: %s%s", operation, region, code, message, tries(err)), err}
}

// innermost returns the operation that failed. It is another one than was called
// when a role has to be assumed first.
func innermost(err error, called string) string {
	for {
		inner, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return called
		}
		called = strings.ToLower(inner.ServiceID) + ":" + inner.OperationName
		err = inner.Err
	}
}

// tries says how often a call was made when it was made more than once.
func tries(err error) string {
	if exhausted, ok := errors.AsType[*retry.MaxAttemptsError](err); ok {
		return fmt.Sprintf(" (tried %d times)", exhausted.Attempt)
	}
	return ""
}

// networkWords are what there is to say of an error without an answer of AWS.
func networkWords(err error) string {
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return plain(transport.Error())
	}
	if unreadable, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return "the answer cannot be read: " + plain(unreadable.Err.Error())
	}
	return plain(err.Error())
}

// refusing reports whether a code says that repeating does not help, whatever the
// HTTP status (EC2 API reference, error codes: client errors for all actions).
func refusing(code string) bool {
	return expired(code) || slices.Contains([]string{
		"AuthFailure", "Blocked", "IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationToken",
		"OptInRequired", "PendingVerification", "RegionDisabledException", "UnauthorizedOperation",
	}, code)
}

// expired reports whether a code says that credentials are too old: EC2 says
// RequestExpired, STS and others ExpiredToken.
func expired(code string) bool {
	return slices.Contains([]string{"RequestExpired", "ExpiredToken", "ExpiredTokenException"}, code)
}

// messageLimit is how many characters of a message are kept.
const messageLimit = 500

// plain returns the first line of a message, without control characters. What
// follows the first line of a refused signature is the request, with its
// session token; what EC2 encodes is for administrators of the account only.
func plain(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	line, _, _ = strings.Cut(line, " Encoded authorization failure message:")
	letters := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line))
	if len(letters) > messageLimit {
		return string(letters[:messageLimit]) + "…"
	}
	return string(letters)
}
