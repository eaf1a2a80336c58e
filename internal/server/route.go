package server

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Times a route gets that names none.
const (
	// DefaultBodyTimeout is for bodies of a few KiB over slow links.
	DefaultBodyTimeout = 20 * time.Second
	// DefaultTimeout is for handling a request, body included.
	DefaultTimeout = 60 * time.Second
	// writeGrace is what an answer may take after the handling time has run out:
	// enough to say so, or to send the rest of a large page.
	writeGrace = 60 * time.Second
)

// DefaultMaxBody is for routes that expect no body worth naming.
const DefaultMaxBody = 64 << 10

// Route is one endpoint.
type Route struct {
	// Methods are those it takes; GET includes HEAD. None means every method.
	Methods []string
	// Path is a path as http.ServeMux takes it in patterns, with wildcards and
	// without a trailing slash. Requests match with and without one.
	Path    string
	Handler http.Handler
	// WriteFailure writes a failure in the form of the API the route belongs to.
	// Header fields that belong to the failure are set already. nil writes JSON.
	WriteFailure func(w http.ResponseWriter, r *http.Request, f Failure)
	// Budget is the concurrency the request counts against; nil for none.
	Budget *Budget
	// MaxBody bounds the body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// BodyTimeout bounds the time the body takes to arrive; 0 means
	// DefaultBodyTimeout. It does not bound a long poll.
	BodyTimeout time.Duration
	// Timeout bounds the request's context; 0 means DefaultTimeout.
	Timeout time.Duration
}

// takes reports whether the route is for this method.
func (rt *Route) takes(method string) bool {
	return len(rt.Methods) == 0 || slices.Contains(rt.Methods, method) ||
		method == http.MethodHead && slices.Contains(rt.Methods, http.MethodGet)
}

// withDefaults fills in what a route leaves open.
func (rt Route) withDefaults() Route {
	if rt.WriteFailure == nil {
		rt.WriteFailure = WriteProblem
	}
	if rt.MaxBody == 0 {
		rt.MaxBody = DefaultMaxBody
	}
	if rt.BodyTimeout == 0 {
		rt.BodyTimeout = DefaultBodyTimeout
	}
	if rt.Timeout == 0 {
		rt.Timeout = DefaultTimeout
	}
	return rt
}

// resource is all the routes of one path.
type resource []Route

func (res resource) forMethod(method string) (*Route, bool) {
	for i := range res {
		if res[i].takes(method) {
			return &res[i], true
		}
	}
	return &res[0], false
}

func (res resource) allowed() string {
	var methods []string
	for _, rt := range res {
		methods = append(methods, rt.Methods...)
	}
	return strings.Join(methods, ", ")
}
