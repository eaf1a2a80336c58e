package failures

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// maxEndpoint bounds the pattern of an endpoint in bytes.
const maxEndpoint = 512

const endpointForms = "Name a QPS call such as search/am/hostasset, or a path such as /automation/v1/scans with or without a method before it; " +
	"* stands for any part of a segment, and ** as the last segment for any more of them."

// endpoint is a pattern of requests. The zero endpoint is every request.
type endpoint struct {
	method   string // empty for every method
	segments []string
	// more says that an id may follow, and all that anything may.
	more, all bool
}

// parseEndpoint reads a pattern: a path, with or without a method, or the name of
// a QPS call, which stands for its path in every version, with and without an id.
func parseEndpoint(text string) (endpoint, error) {
	if text == "" {
		return endpoint{all: true}, nil
	}
	bad := fault.New(fault.Invalid, fmt.Sprintf("endpoint: invalid value '%s'.", server.Echo(text)), endpointForms)
	var e endpoint
	rest := text
	if method, after, found := strings.Cut(text, " "); found {
		if e.method, rest = method, strings.TrimSpace(after); !slices.Contains(methods, method) {
			return endpoint{}, bad
		}
	}
	trimmed, isPath := strings.CutPrefix(rest, "/")
	e.segments = strings.Split(strings.TrimSuffix(trimmed, "/"), "/")
	switch last := len(e.segments) - 1; {
	case len(text) > maxEndpoint:
		return endpoint{}, bad
	case isPath && e.segments[last] == "**":
		e.segments, e.all = e.segments[:last], true
	case !isPath && len(e.segments) == callSegments:
		e.segments, e.more = append([]string{"qps", "rest", "*"}, e.segments...), true
	case !isPath:
		return endpoint{}, bad
	}
	for _, segment := range e.segments {
		if _, err := path.Match(segment, ""); err != nil || segment == "" || segment == "**" {
			return endpoint{}, bad
		}
	}
	return e, nil
}

// callSegments are those of a QPS call: operation, module and object.
const callSegments = 3

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// matches reports whether a request is one of the endpoint's.
func (e endpoint) matches(method, target string) bool {
	takes := e.method == "" || method == e.method || method == http.MethodHead && e.method == http.MethodGet
	return takes && e.covers(target, func(pattern, segment string) bool {
		ok, _ := path.Match(pattern, segment) // checked by parseEndpoint
		return ok
	})
}

// reaches reports whether requests of a route can be of the endpoint.
func (e endpoint) reaches(route server.Route) bool {
	takes := e.method == "" || len(route.Methods) == 0 || slices.Contains(route.Methods, e.method)
	return takes && e.covers(route.Path, func(pattern, segment string) bool {
		ok, _ := path.Match(pattern, segment)
		return ok || strings.HasPrefix(segment, "{")
	})
}

func (e endpoint) covers(target string, equal func(pattern, segment string) bool) bool {
	segments := strings.Split(strings.Trim(target, "/"), "/")
	over := len(segments) - len(e.segments)
	if over < 0 || over > 0 && !e.all && (!e.more || over > 1) {
		return false
	}
	for i, pattern := range e.segments {
		if !equal(pattern, segments[i]) {
			return false
		}
	}
	return true
}
