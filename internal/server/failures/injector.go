package failures

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// Header is the field with which a request asks for a failure, and with which an
// answer says that it is one.
const Header = "X-Vedette-Failure"

// maxDelayed bounds the requests that wait at one time; each may hold a body. It
// is half of the operators' budget, so that others are served meanwhile.
const maxDelayed = server.OperatorRequests / 2

// Injector makes requests fail. Create it with New; a nil *Injector lets them be.
// It is safe for concurrent use.
type Injector struct {
	byHeader bool
	script   *Script
	after    func(time.Duration) <-chan time.Time
	delayed  chan struct{}
}

// New returns an Injector that heeds the header field where byHeader is true, and
// the script unless it is nil. The field goes before the script: a request that
// has one is no hit of any rule. after is the clock of delays, time.After.
func New(byHeader bool, script *Script, after func(time.Duration) <-chan time.Time) *Injector {
	return &Injector{byHeader: byHeader, script: script, after: after, delayed: make(chan struct{}, maxDelayed)}
}

// Wrap returns routes on which requests fail on demand once their guard has let
// them through; without a guard they never do. It refuses a script with a rule
// for none of them: that is a slip of the pen.
func (in *Injector) Wrap(routes []server.Route) ([]server.Route, error) {
	if in == nil {
		return routes, nil
	}
	if in.script != nil {
		if err := in.script.check(routes); err != nil {
			return nil, err
		}
	}
	wrapped := make([]server.Route, len(routes))
	for i, route := range routes {
		// The time of the route is for handling the request, after the delay.
		handling := cmp.Or(route.Timeout, server.DefaultTimeout)
		route.Timeout = handling + MaxDelay
		wrapped[i] = route.Inside(func(w http.ResponseWriter, r *http.Request, user string, next http.Handler) {
			in.serve(w, r, user, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), handling)
				defer cancel()
				next.ServeHTTP(w, r.WithContext(ctx))
			}))
		})
	}
	return wrapped, nil
}

func (in *Injector) serve(w http.ResponseWriter, r *http.Request, user string, next http.Handler) {
	f, found, err := in.choose(r, user)
	if err != nil {
		// A slip in the field must not look like the failure that was asked for.
		bad := server.Explain(err)
		bad.QPSStatus = http.StatusBadRequest
		server.FailAs(w, r, bad, err)
		return
	}
	if !found {
		next.ServeHTTP(w, r)
		return
	}
	w.Header().Set(Header, f.text)
	if f.delay > 0 {
		if err := in.hold(r, f.delay); err != nil {
			server.Fail(w, r, err)
			return
		}
	}
	f.act(w, r, next)
}

// choose returns the failure of a request, if it has one.
func (in *Injector) choose(r *http.Request, user string) (f Failure, found bool, err error) {
	if fields := r.Header.Values(Header); in.byHeader && len(fields) > 0 {
		f, err = Parse(strings.Join(fields, ";"))
		return f, err == nil, err
	}
	if in.script == nil {
		return Failure{}, false, nil
	}
	f, found = in.script.next(r.Method, r.URL.Path, user)
	return f, found, nil
}

// hold waits, until the request or the platform ends at the latest. It reads the
// body first: it might not be there any more afterwards, and only then does the
// server learn of a client that hangs up.
func (in *Injector) hold(r *http.Request, d time.Duration) error {
	select {
	case in.delayed <- struct{}{}:
		defer func() { <-in.delayed }()
	default:
		return fault.New(fault.Busy, fmt.Sprintf("%d requests are being delayed, more are not allowed.", maxDelayed),
			"Wait as long as Retry-After says, then send the request again.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case <-in.after(d):
	case <-server.Draining(r.Context()):
	case <-r.Context().Done():
		return r.Context().Err()
	}
	return nil
}

// act ends a request in the way of the failure.
func (f Failure) act(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch f.kind {
	case answered:
		server.FailAs(w, r, f.answer(), f.asked())
	case rateLimited:
		server.FailRateLimit(w, r, f.wait)
	case dropped:
		server.Drop(r, f.asked())
	case truncated, cutOff:
		part := &partialWriter{ResponseWriter: w, keep: f.bytes}
		next.ServeHTTP(part, r)
		part.end(f.kind == truncated)
	default:
		next.ServeHTTP(w, r)
	}
}

// asked is what the logs say of a request that was not handled.
func (f Failure) asked() error { return fault.Newf(fault.Busy, "Failure on demand: %s.", f.text) }
