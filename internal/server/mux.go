package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// Mux sends requests to routes. Unlike http.ServeMux it never redirects, which
// clients that POST do not survive: a trailing slash and doubled slashes are
// ignored. Paths with dot segments are not found. Register every route before
// the first request; after that it is safe for concurrent use.
type Mux struct {
	log       *slog.Logger
	inner     *http.ServeMux
	resources map[string]resource
}

// NewMux returns a Mux without routes that logs requests to log.
func NewMux(log *slog.Logger) *Mux {
	m := &Mux{log: log, inner: http.NewServeMux(), resources: make(map[string]resource)}
	m.handle("/")
	return m
}

// Add registers routes. Like http.ServeMux it panics on a path that is
// malformed, or that conflicts with one registered before.
func (m *Mux) Add(routes ...Route) {
	for _, rt := range routes {
		known := m.resources[rt.Path]
		m.resources[rt.Path] = append(known, rt.withDefaults())
		if known == nil && rt.Path != "/" {
			m.handle(rt.Path)
		}
	}
}

func (m *Mux) handle(path string) {
	m.inner.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { m.dispatch(path, w, r) })
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	rec := &recorder{ResponseWriter: w}
	ex := &exchange{log: m.log, writeFailure: WriteProblem}
	defer func() { m.logRequest(r, rec, ex, time.Since(begun)) }()
	setSecurityHeader(w.Header())

	req := r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
	target := normalPath(r.URL)
	if target == nil {
		Fail(rec, req, NoRoute(r))
		return
	}
	req.URL = target
	m.inner.ServeHTTP(rec, req)
}

// dispatch runs the route of a path that takes the request's method.
func (m *Mux) dispatch(path string, w http.ResponseWriter, r *http.Request) {
	res := m.resources[path]
	if len(res) == 0 { // only "/", which takes what no route is for
		Fail(w, r, NoRoute(r))
		return
	}
	rt, ok := res.forMethod(r.Method)
	ex := exchangeOf(r.Context())
	ex.writeFailure = rt.WriteFailure
	if !ok {
		allowed := res.allowed()
		w.Header().Set("Allow", allowed)
		Fail(w, r, wrongMethod(r, allowed))
		return
	}
	release, err := rt.Budget.acquire()
	if err != nil {
		Fail(w, r, err)
		return
	}
	defer release()
	defer recoverHandler(w, r)
	ctx, cancel := context.WithTimeout(r.Context(), rt.Timeout)
	defer cancel()
	r = r.WithContext(ctx)
	limitExchange(w, r, rt)
	rt.Handler.ServeHTTP(w, r)
}

// recoverHandler turns a panic into an internal failure. An answer that has
// begun cannot be taken back: the connection is cut so that the client does not
// take half of it for the whole.
func recoverHandler(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	err := fmt.Errorf("panic in handler of %s %s: %v\n%s", r.Method, r.URL.Path, cause, debug.Stack())
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		exchangeOf(r.Context()).err = err
		panic(http.ErrAbortHandler)
	}
	Fail(w, r, err)
}

// normalPath returns u without doubled and trailing slashes, u itself when it
// has none, and nil when its path has dot segments.
func normalPath(u *url.URL) *url.URL {
	if !strings.HasPrefix(u.Path, "/") {
		return nil
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil
		}
	}
	path, raw := slim(u.Path), slim(u.RawPath)
	if path == u.Path && raw == u.RawPath {
		return u
	}
	c := *u
	c.Path, c.RawPath = path, raw
	return &c
}

func slim(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// setSecurityHeader sets what protects browsers that are pointed at an API.
// There is no Strict-Transport-Security: it would cover every port of the host
// name, the plain one an operator may have asked for included.
func setSecurityHeader(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cache-Control", "no-store")
}
