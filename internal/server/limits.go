package server

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// The limits of Qualys's standard tier (Qualys API limits), for those who switch
// limits on and name none of their own.
const (
	StandardCalls       = 300
	StandardWindow      = time.Hour
	StandardConcurrency = 2
)

// What limits may be set to.
const (
	MaxCalls        = 1_000_000
	MaxWindow       = 24 * time.Hour
	MaxConcurrency  = 1000
	maxTrackedUsers = 10_000 // about 100 bytes each
)

// NoLimit is what the header fields report for a limit that is not set: the
// largest integer that every client can hold.
const NoLimit = math.MaxInt32

// LimitSettings say what each user may do. The zero value limits nothing.
type LimitSettings struct {
	Calls       int           // in a window, 0 for any number
	Window      time.Duration // whole seconds; 0 means StandardWindow
	Concurrency int           // calls in progress, 0 for any number
}

// Limits bounds how many calls each user makes in a window of time and at once,
// as Qualys does. They are counted in memory, so every replica of a platform
// counts for itself. A nil *Limits limits nothing and says nothing. It is safe
// for concurrent use.
//
// The window of a user begins with a call and ends after its length; the next
// call begins a new one. Qualys's moves with each call. One that is fixed needs
// no more memory than a counter, and lets a client know how long to wait for all
// of its calls, not just the next. A token bucket has no count of what remains.
//
// A refused call does not count: a client that asks too early loses nothing.
type Limits struct {
	settings LimitSettings
	now      func() time.Time

	mu    sync.Mutex
	users map[string]*usage
}

// usage is what one user does.
type usage struct {
	ends    time.Time // of the window
	calls   int       // in the window
	running int
}

// NewLimits returns limits with the clock now, nil for settings that limit
// nothing, and fault.Invalid for settings that cannot be meant.
func NewLimits(s LimitSettings, now func() time.Time) (*Limits, error) {
	if s.Window == 0 {
		s.Window = StandardWindow
	}
	switch {
	case s.Calls < 0 || s.Calls > MaxCalls:
		return nil, badLimit("requests", strconv.Itoa(s.Calls), fmt.Sprintf("1 to %d, or 0 for no limit", MaxCalls))
	case s.Window < time.Second || s.Window > MaxWindow || s.Window%time.Second != 0:
		return nil, badLimit("window", s.Window.String(), "whole seconds from 1s to 24h")
	case s.Concurrency < 0 || s.Concurrency > MaxConcurrency:
		return nil, badLimit("concurrency", strconv.Itoa(s.Concurrency), fmt.Sprintf("1 to %d, or 0 for no limit", MaxConcurrency))
	case s.Calls == 0 && s.Concurrency == 0:
		return nil, nil
	}
	return &Limits{settings: s, now: now, users: make(map[string]*usage)}, nil
}

func badLimit(name, value, allowed string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("limits.%s: %s is not allowed.", name, value), "Allowed: "+allowed+".")
}

// Calls returns how many calls a user may make in a window, 0 for any number.
func (l *Limits) Calls() int {
	if l == nil {
		return 0
	}
	return l.settings.Calls
}

// Concurrency returns how many calls of a user may be in progress, 0 for any
// number.
func (l *Limits) Concurrency() int {
	if l == nil {
		return 0
	}
	return l.settings.Concurrency
}

// admit counts a call of a user, named the same in each of their calls, and
// returns what ends it; or it returns a refusal. Either way it sets the header
// fields of the answer. The concurrency limit has precedence, as with Qualys.
func (l *Limits) admit(w http.ResponseWriter, user string) (release func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.usageOf(user)
	switch {
	case l.settings.Concurrency > 0 && u.running >= l.settings.Concurrency:
		l.standing(u, u.running, 0).set(w.Header())
		return nil, concurrencyRefused()
	case l.settings.Calls > 0 && u.calls >= l.settings.Calls:
		wait := u.ends.Sub(l.now())
		l.standing(u, u.running, wait).set(w.Header())
		return nil, rateRefused(wait)
	}
	u.calls++
	u.running++
	// Clients repeat a call that succeeded when as many run as may, this one
	// included.
	l.standing(u, min(u.running, bound(l.settings.Concurrency)-1), 0).set(w.Header())
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.running--
	}), nil
}

// usageOf returns the usage of a user, in a window that has not ended.
func (l *Limits) usageOf(user string) *usage {
	now := l.now()
	u := l.users[user]
	if u == nil {
		if len(l.users) >= maxTrackedUsers {
			l.forget(now)
		}
		u = &usage{}
		l.users[user] = u
	}
	if !now.Before(u.ends) {
		u.ends, u.calls = now.Add(l.settings.Window), 0
	}
	return u
}

// forget drops who has no call in progress and no window, or where there is no
// such user the one whose window ends first: memory is bounded, and they are let
// through too early rather than refused for nothing. Somebody is always idle:
// fewer calls than that are in progress.
func (l *Limits) forget(now time.Time) {
	var first string
	var ends time.Time
	dropped := false
	for name, u := range l.users {
		switch {
		case u.running > 0:
		case !now.Before(u.ends):
			delete(l.users, name)
			dropped = true
		case first == "" || u.ends.Before(ends):
			first, ends = name, u.ends
		}
	}
	if !dropped {
		delete(l.users, first)
	}
}

// standing is where a user stands, as the header fields tell it (Qualys API
// limits, HTTP response headers).
type standing struct {
	limit, window, remaining, wait, concurrency, running int
}

func (l *Limits) standing(u *usage, running int, wait time.Duration) standing {
	limit := bound(l.settings.Calls)
	return standing{
		limit: limit, window: int(l.settings.Window / time.Second), remaining: limit - u.calls,
		wait: seconds(wait), concurrency: bound(l.settings.Concurrency), running: running,
	}
}

// set writes all fields: clients take some of them for granted where there are
// others.
func (s standing) set(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.limit))
	h.Set("X-RateLimit-Window-Sec", strconv.Itoa(s.window))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(s.remaining))
	h.Set("X-RateLimit-ToWait-Sec", strconv.Itoa(s.wait))
	h.Set("X-Concurrency-Limit-Limit", strconv.Itoa(s.concurrency))
	h.Set("X-Concurrency-Limit-Running", strconv.Itoa(s.running))
}

// bound is a limit as it is reported and compared.
func bound(limit int) int {
	if limit == 0 {
		return NoLimit
	}
	return limit
}

// seconds rounds up: who waits so long does not come too early.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// limitError is a refusal by a user's limits. QPS answers it with 409 and other
// APIs with 429, each with Retry-After.
type limitError struct {
	cause *fault.Error
	wait  time.Duration
}

func (e *limitError) Error() string { return e.cause.Error() }

func (e *limitError) Unwrap() error { return e.cause }

func (e *limitError) failure() Failure {
	f := describe(e.cause)
	f.Status, f.QPSStatus, f.RetryAfter = http.StatusTooManyRequests, http.StatusConflict, e.wait
	return f
}

// rateRefused and concurrencyRefused have the texts of Qualys, which clients
// look for, and its codes.
func rateRefused(wait time.Duration) error {
	return &limitError{wait: wait, cause: fault.New(fault.Busy,
		fmt.Sprintf("This API cannot be run again for another %d seconds.", seconds(wait)),
		"Wait as long as X-RateLimit-ToWait-Sec says, then send the request again (code 1965: rate limit).")}
}

func concurrencyRefused() error {
	return &limitError{wait: RetryAfter, cause: fault.New(fault.Busy,
		"This API cannot be run again until 1 currently running instance has finished.",
		"Wait for the answer of another request of this user, then send the request again (code 1960: concurrency limit).")}
}

// FailRateLimit answers a request as if the rate limit of Qualys's standard tier
// refused it for wait.
func FailRateLimit(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	standing{
		limit: StandardCalls, window: int(StandardWindow / time.Second), wait: seconds(wait), concurrency: StandardConcurrency,
	}.set(w.Header())
	Fail(w, r, rateRefused(wait))
}
