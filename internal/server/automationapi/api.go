package automationapi

import (
	"context"
	_ "embed" // the description is served
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
)

//go:embed openapi.yaml
var description []byte

// Limits of a page, as openapi.yaml has them.
const (
	defaultPage = 100
	maxPage     = 1000
)

// Scans is where on-demand scans are found.
type Scans interface {
	// ScanRequests lists requests, newest first.
	ScanRequests(ctx context.Context, f ondemand.Filter) ([]ondemand.Request, error)
	// ScanRequest returns one request of a host in scope, or fault.NotFound.
	ScanRequest(ctx context.Context, scope fleet.Scope, id int64) (ondemand.Request, error)
}

// Config is what the API needs. Budget may be left out.
type Config struct {
	// Fleet is nil on a platform that keeps none: calls about it are answered with
	// 404 then, and that this is why.
	Fleet *Fleet
	// Doorway is how hosts, and relays, reach the platform.
	Doorway   Doorway
	Directory *access.Directory
	AuditLog  access.AuditLog
	// Relays are those through which closed networks are reached.
	Relays *relay.Directory
	// Connections are those of the automation layer, Runs what is done with them, and
	// Trials tests one before it is made.
	Connections *connection.Directory
	Runs        *run.Desk
	Trials      *run.Trial
	// Schedules say when commands run by themselves.
	Schedules *schedule.Directory
	// Notices are what people are told, and the channels by which they are.
	Notices *notice.Directory
	// Library has the playbooks, and PlaybookRuns is what is done with them.
	Library      *library.Library
	PlaybookRuns *conductor.Desk
	Users        server.Authenticator
	Journal      access.Journal
	Budget       *server.Budget // shared with other operators' APIs
	Limits       *server.Limits // of each user, shared likewise; nil for none
}

// Routes returns the routes of the API.
func Routes(c Config) []server.Route {
	collected := &collector{}
	handlers := api{
		doorway: c.Doorway, directory: c.Directory, auditLog: c.AuditLog, relays: c.Relays,
		connections: c.Connections, runs: c.Runs, trials: c.Trials, schedules: c.Schedules, notices: c.Notices,
		library: c.Library, playbookRuns: c.PlaybookRuns,
	}
	if c.Fleet != nil {
		handlers.Fleet = *c.Fleet
	}
	strict := NewStrictHandlerWithOptions(handlers, []StrictMiddlewareFunc{settle}, StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  failBody,
		ResponseErrorHandlerFunc: failWithProblems,
	})
	HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: collected, ErrorHandlerFunc: failBinding})
	collected.HandleFunc("GET /automation/v1/openapi.yaml", serveDescription)
	waiting := server.NewBudget(server.WaitingRequests)
	for i := range collected.routes {
		route := &collected.routes[i]
		if c.Fleet == nil && aboutFleet(route.Path) {
			route.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.Fail(w, r, server.NoFleet(r)) })
		}
		if textual[route.Methods[0]+" "+route.Path] {
			route.MaxBody = maxPlaybookBody
		}
		guard := server.Guard{Users: c.Users, Journal: c.Journal, Budget: c.Budget, Limits: c.Limits}
		handler := guard.Protect(operationOf(*route), route.Handler)
		if slices.Contains(waitingPaths, route.Path) {
			guard.Budget = waiting
			handler = apart(waits, guard.Protect(operationOf(*route), route.Handler), handler)
		}
		route.Handler = handler
	}
	return collected.routes
}

// waitingPaths are those that may be asked to wait.
var waitingPaths = []string{"/automation/v1/runs/{id}", "/automation/v1/playbook-runs/{id}"}

// waits reports whether a request for one of waitingPaths is to be answered when the run has
// ended.
func waits(r *http.Request) bool {
	wait := r.URL.Query().Get("wait")
	return wait != "" && wait != "0"
}

// apart has some requests handled by one handler and the rest by another: those that
// wait must not take the places of those that are answered at once.
func apart(these func(*http.Request) bool, by, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if these(r) {
			by.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// collector takes the place of the generated code's router and keeps what it
// registers as routes. It serves nothing itself.
type collector struct {
	http.Handler
	routes []server.Route
}

func (c *collector) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	c.routes = append(c.routes, server.Route{Methods: []string{method}, Path: path, Handler: http.HandlerFunc(handler)})
}

func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that is gone cannot be told
}

// failBinding answers a parameter that is not what openapi.yaml says. Parameters
// whose format is checked there are integers, times and booleans.
func failBinding(w http.ResponseWriter, r *http.Request, err error) {
	bad, ok := errors.AsType[*InvalidParamFormatError](err)
	if !ok {
		server.Fail(w, r, &fault.Error{
			Code: fault.Invalid, Message: "The parameters of the request cannot be read.",
			Resolution: "See /automation/v1/openapi.yaml for what the call takes.", Err: err,
		})
		return
	}
	value := r.PathValue(bad.ParamName)
	if value == "" {
		value = strings.Join(r.URL.Query()[bad.ParamName], ",")
	}
	expected := "one integer"
	switch bad.ParamName {
	case "since", "until":
		expected = "one time such as 2031-04-01T06:00:00Z"
	case "open", "mine", "top":
		expected = "true or false"
	}
	server.Fail(w, r, invalid(bad.ParamName, value, expected))
}

func invalid(parameter, value, expected string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("%s: invalid value '%s'.", parameter, server.Echo(value)),
		fmt.Sprintf("Specify %s as %s.", parameter, expected))
}

// api implements the generated StrictServerInterface.
type api struct {
	Fleet
	doorway     Doorway
	directory   *access.Directory
	auditLog    access.AuditLog
	relays      *relay.Directory
	connections *connection.Directory
	runs        *run.Desk
	trials      *run.Trial
	schedules   *schedule.Directory
	notices     *notice.Directory
	library     *library.Library

	playbookRuns *conductor.Desk
}

// ListScans implements GET /automation/v1/scans.
func (a api) ListScans(ctx context.Context, request ListScansRequestObject) (ListScansResponseObject, error) {
	filter, err := scanFilter(request.Params)
	if err != nil {
		return nil, err
	}
	filter.Scope = server.ScopeOf(ctx)
	found, err := a.Scans.ScanRequests(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := ListScans200JSONResponse{Scans: make([]Scan, len(found))}
	for i, r := range found {
		list.Scans[i] = scanOf(r)
	}
	return list, nil
}

// GetScan implements GET /automation/v1/scans/{id}.
func (a api) GetScan(ctx context.Context, request GetScanRequestObject) (GetScanResponseObject, error) {
	found, err := a.Scans.ScanRequest(ctx, server.ScopeOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	return GetScan200JSONResponse(scanOf(found)), nil
}

// scanFilter checks what the generated binding does not: ranges and words.
func scanFilter(p ListScansParams) (ondemand.Filter, error) {
	f := ondemand.Filter{Limit: defaultPage}
	if p.AssetId != nil {
		if f.HostID = *p.AssetId; f.HostID < 1 {
			return f, invalid("assetId", fmt.Sprint(f.HostID), "an integer of at least 1")
		}
	}
	if p.Before != nil {
		if f.Before = *p.Before; f.Before < 1 {
			return f, invalid("before", fmt.Sprint(f.Before), "an integer of at least 1")
		}
	}
	if p.Limit != nil {
		if f.Limit = int(*p.Limit); f.Limit < 1 || f.Limit > maxPage {
			return f, invalid("limit", fmt.Sprint(f.Limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	if p.Type != nil {
		if !p.Type.Valid() {
			return f, invalid("type", string(*p.Type), "one of "+list(InventoryScan, VulnerabilityScan, PolicyComplianceScan, UDCScan, SCAScan, SWCAScan))
		}
		f.Type = agentwire.ScanType(*p.Type)
	}
	if p.State != nil {
		if !p.State.Valid() {
			return f, invalid("state", string(*p.State), "one of "+list(Queued, Delivered, Running, Uploaded, Complete, Rejected, Expired, Failed))
		}
		f.State = ondemand.State(*p.State)
	}
	return f, nil
}

func list[T ~string](words ...T) string {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return strings.Join(names, ", ")
}

func scanOf(r ondemand.Request) Scan {
	return Scan{
		Id: r.ID, AssetId: r.HostID, AgentId: r.AgentID,
		Type: ScanType(r.Type), OverrideConfigCpu: r.OverrideCPU,
		State: ScanState(r.State), Reason: r.Reason, RequestedBy: r.RequestedBy,
		Created: wireTime(r.Created), Delivered: reached(r.Delivered), Started: reached(r.Started), Ended: reached(r.Ended),
	}
}

// wireTime returns t as the platform writes times: UTC, to the second.
func wireTime(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func reached(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = wireTime(t)
	return &t
}
