package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ConnectTimeout bounds the way to a connection through one proxy: name,
	// connection, tunnel and TLS.
	ConnectTimeout = 20 * time.Second
	// avoided is how long a proxy that gave no connection is tried last.
	avoided = 5 * time.Minute
)

// Transport is an http.RoundTripper that finds a way through the proxies of its
// settings. It is safe for concurrent use.
type Transport struct {
	settings *Settings
	base     *http.Transport
	patience time.Duration

	mu     sync.Mutex
	failed map[*url.URL]time.Time
}

// NewTransport returns a transport that connects as base does, whose Proxy and
// OnProxyConnectResponse it sets.
func NewTransport(settings *Settings, base *http.Transport) *Transport {
	base.Proxy = func(r *http.Request) (*url.URL, error) {
		way, _ := r.Context().Value(wayKey{}).(*url.URL)
		return way, nil
	}
	base.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode != http.StatusOK {
			return &ConnectError{Status: answer.StatusCode}
		}
		return nil
	}
	return &Transport{settings: settings, base: base, patience: ConnectTimeout, failed: make(map[*url.URL]time.Time)}
}

// wayKey is the context key of the proxy an attempt goes through.
type wayKey struct{}

// ConnectError is a proxy's refusal to open a tunnel.
type ConnectError struct{ Status int }

// Error says what the proxy answered.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("proxy answered CONNECT with %d %s", e.Status, http.StatusText(e.Status))
}

// errSlow says that a proxy gave no connection in time.
var errSlow = errors.New("no connection in time")

// RoundTrip sends a request the first way on which there is a connection.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	route := t.route(r.URL)
	var failures error
	for i, way := range route {
		attempt := r
		if i > 0 {
			if attempt = again(r); attempt == nil {
				break
			}
		}
		// The last has as long as the request: there is nothing to go on to.
		response, connected, err := t.try(attempt, way, i < len(route)-1)
		if err == nil {
			t.settle(way, false)
			return response, nil
		}
		if len(route) > 1 || way != nil {
			err = fmt.Errorf("by %s: %w", Name(way), err)
		}
		failures = errors.Join(failures, err)
		if connected || r.Context().Err() != nil {
			break
		}
		t.settle(way, true)
	}
	return nil, failures
}

// again returns the request anew, nil when its body cannot be read twice.
func again(r *http.Request) *http.Request {
	next := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return next
	}
	if r.GetBody == nil {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil
	}
	next.Body = body
	return next
}

// try sends a request one way and reports whether it had a connection: only then
// can anything of it have been sent.
func (t *Transport) try(r *http.Request, way *url.URL, bounded bool) (*http.Response, bool, error) {
	var connected atomic.Bool
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), wayKey{}, way))
	patience := time.AfterFunc(t.patience, func() {
		if bounded && !connected.Load() {
			cancel(errSlow)
		}
	})
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		connected.Store(true)
		patience.Stop()
	}})
	response, err := t.base.RoundTrip(r.WithContext(ctx))
	patience.Stop()
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
			err = cause
		}
		cancel(nil)
		return nil, connected.Load(), err
	}
	response.Body = &body{response.Body, func() { cancel(nil) }}
	return response, true, nil
}

// body releases the context of an attempt with the answer.
type body struct {
	io.ReadCloser
	release func()
}

// Close closes the body.
func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// route returns the ways to an address, those that failed lately last.
func (t *Transport) route(to *url.URL) []*url.URL {
	route := t.settings.Route(to)
	if len(route) == 1 {
		return route
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	late := func(way *url.URL) bool { // going directly is always the very last
		at, ok := t.failed[way]
		return ok && time.Since(at) < avoided
	}
	proxies := slices.DeleteFunc(slices.Clone(route), func(way *url.URL) bool { return way == nil })
	direct := route[len(proxies):]
	slices.SortStableFunc(proxies, func(a, b *url.URL) int {
		switch {
		case late(a) == late(b):
			return 0
		case late(a):
			return 1
		default:
			return -1
		}
	})
	return append(proxies, direct...)
}

// settle notes whether a way gave a connection.
func (t *Transport) settle(way *url.URL, failed bool) {
	if way == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed {
		t.failed[way] = time.Now()
	} else {
		delete(t.failed, way)
	}
}
