package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// retryer repeats what AWS throttles, what fails on its side and what is cut off
// on the way, with pauses that grow and differ. One that AWS asks for by
// Retry-After is kept up to the longest pause.
func (l Limits) retryer() sdk.Retryer {
	growing := retry.NewExponentialJitterBackoff(l.Pause)
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = l.Tries
		o.MaxBackoff = l.Pause
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			pause, failed := growing.BackoffDelay(attempt, err)
			return min(max(pause, askedFor(err)), l.Pause), failed
		})
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(cutOff))
	})
}

// askedFor returns the pause in seconds that an answer asks for.
func askedFor(err error) time.Duration {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.Response == nil || answer.Response.Response == nil {
		return 0
	}
	seconds, err := strconv.ParseUint(answer.Response.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// cutOff finds answers that end too early, which the SDK takes for answers it
// cannot read. All calls here only read, so that repeating one is safe.
func cutOff(err error) sdk.Ternary {
	if _, unreadable := errors.AsType[*smithy.DeserializationError](err); unreadable || errors.Is(err, io.ErrUnexpectedEOF) {
		return sdk.TrueTernary
	}
	return sdk.UnknownTernary
}

// answerLimit is the most bytes read of one answer. A page of 1,000 instances,
// each with 50 tags of the longest kind and fifteen interfaces, has less.
const answerLimit = 128 << 20

// sizeLimited is an HTTP client whose answers end with an error at the limit.
type sizeLimited struct {
	next  sdk.HTTPClient
	limit int64 // bytes
}

// Do implements sdk.HTTPClient.
func (c sizeLimited) Do(request *http.Request) (*http.Response, error) {
	answer, err := c.next.Do(request)
	if err != nil {
		if cause, ok := request.Context().Value(causeKey{}).(*cause); ok {
			cause.note(err)
		}
		return nil, err
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, c.limit)
	return answer, nil
}

// cause is why the tries of a call did not reach AWS. The SDK forgets it when the
// time of the call ends in the pause before the next try. Renewing a role's
// credentials is part of a call, and may go on beside it.
type cause struct {
	mu  sync.Mutex
	err error
}

type causeKey struct{}

func (c *cause) note(err error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return // our own end says nothing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// words are the cause for people, after a colon; empty when there is none.
func (c *cause) words() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return ""
	}
	return ": " + networkWords(c.err)
}
