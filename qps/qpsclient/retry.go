package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Retry describes a wait before the next attempt of a call.
type Retry struct {
	Attempt int           // the attempt that failed, from 1
	Tries   int           // how many there are at most
	Wait    time.Duration // until the next one
	Err     error         // why it failed
}

// Headers with which a platform limits its callers (Qualys API limits).
const (
	headerToWait      = "X-RateLimit-ToWait-Sec"
	headerConcurrency = "X-Concurrency-Limit-Limit"
	headerRunning     = "X-Concurrency-Limit-Running"
	headerRetryAfter  = "Retry-After"
)

// told returns how long an answer asks to wait, zero when it does not.
func (c *Client) told(h http.Header) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(h.Get(headerToWait)), 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	value := strings.TrimSpace(h.Get(headerRetryAfter))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(c.now()))
	}
	return 0
}

// limited reports whether the headers say that a limit on calls is the reason.
// A platform with limits sends their headers with every answer: they are no
// reason when there is nothing to wait for and fewer calls run than may.
func limited(h http.Header) bool {
	if h.Get(headerRetryAfter) != "" {
		return true
	}
	wait, noWait := strconv.Atoi(strings.TrimSpace(h.Get(headerToWait)))
	running, noRunning := strconv.Atoi(strings.TrimSpace(h.Get(headerRunning)))
	most, noMost := strconv.Atoi(strings.TrimSpace(h.Get(headerConcurrency)))
	if noWait == nil && wait <= 0 && noRunning == nil && noMost == nil && running < most {
		return false
	}
	return h.Get(headerToWait) != "" || h.Get(headerConcurrency) != ""
}

// Retryable reports whether the same call may succeed later without doing harm: a
// read after what passes, a write only when the answer says that it was refused
// before it acted. It is true also of what a client has given up, since the wait
// would have been too long or the tries were over. StatusError.Wait tells what
// the platform asks for.
func Retryable(err error, write bool) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		switch status.StatusCode {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			return true
		case http.StatusConflict:
			return status.limited
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return !write
		}
		return false
	}
	broken, ok := errors.AsType[*TransportError](err)
	if !ok || write || permanent(err) {
		return false
	}
	switch broken.Kind {
	case KindConnect:
		// Of this machine it is known at once that nothing listens there.
		return !broken.RefusedHere()
	case KindTimeout:
		return true
	case KindDNS:
		// A name that does not exist will not exist in two seconds either.
		dns, ok := errors.AsType[*net.DNSError](err)
		return ok && dns.IsTemporary && !dns.IsNotFound
	}
	return false
}

// permanent reports whether a transport says that there is no point in another
// attempt; see Config.Transport.
func permanent(err error) bool {
	said, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && said.Permanent()
}

// wait returns how long to wait after a failed attempt, and false when it is
// not worth it or not possible within the context.
func (c *Client) wait(ctx context.Context, attempt int, err error) (time.Duration, bool) {
	// Full jitter: callers that failed together must not come back together.
	longest := min(MaxDelay, BaseDelay<<(attempt-1))
	delay := time.Duration(c.rand() * float64(longest))
	if status, ok := errors.AsType[*StatusError](err); ok && status.Wait > 0 {
		// Never earlier than asked for, and spread over the base delay.
		longest = status.Wait
		delay = status.Wait + time.Duration(c.rand()*float64(BaseDelay))
	}
	if longest > c.maxWait {
		return 0, false
	}
	if deadline, ok := ctx.Deadline(); ok && c.now().Add(delay).After(deadline) {
		return 0, false
	}
	return delay, true
}

// retry runs attempt until it succeeds, fails for good or has been tried often
// enough, and returns the error of the last one.
func (c *Client) retry(ctx context.Context, write bool, attempt func() error) error {
	for n := 1; ; n++ {
		err := attempt()
		if err == nil || n >= c.tries || !Retryable(err, write) {
			return err
		}
		delay, ok := c.wait(ctx, n, err)
		if !ok {
			return err
		}
		if c.onRetry != nil {
			c.onRetry(Retry{Attempt: n, Tries: c.tries, Wait: delay, Err: err})
		}
		if c.sleep(ctx, delay) != nil {
			// The end of the context is the reason; the failure before is told.
			return fmt.Errorf("%w while waiting to try again after: %s", ctx.Err(), err.Error())
		}
	}
}
