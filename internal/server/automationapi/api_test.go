package automationapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
)

// scans is an in-memory list of requests, newest first.
type scans struct {
	all     []ondemand.Request
	failure error
	asked   ondemand.Filter // the last filter
}

func (s *scans) ScanRequests(_ context.Context, f ondemand.Filter) ([]ondemand.Request, error) {
	s.asked = f
	var found []ondemand.Request
	for _, r := range s.all {
		if (f.State == "" || f.State == r.State) && (f.Before == 0 || r.ID < f.Before) && len(found) < f.Limit {
			found = append(found, r)
		}
	}
	return found, s.failure
}

func (s *scans) ScanRequest(_ context.Context, _ fleet.Scope, id int64) (ondemand.Request, error) {
	for _, r := range s.all {
		if r.ID == id {
			return r, s.failure
		}
	}
	return ondemand.Request{}, fault.New(fault.NotFound, fmt.Sprintf("Scan %d does not exist.", id), "List the scans there are.")
}

func requests() []ondemand.Request {
	at := func(minutes int) time.Time {
		return time.Date(2031, 4, 1, 6, minutes, 0, 123456789, time.FixedZone("", 2*3600))
	}
	return []ondemand.Request{
		{ID: 12, HostID: 7, AgentID: "0f7c1c52-0000-4000-8000-000000000007", Type: agentwire.InventoryScan, State: ondemand.Queued, RequestedBy: "admin", Created: at(30)},
		{
			ID: 11, HostID: 7, AgentID: "0f7c1c52-0000-4000-8000-000000000007", Type: agentwire.InventoryScan, OverrideCPU: true,
			State: ondemand.Complete, RequestedBy: "admin", Created: at(20), Delivered: at(21), Started: at(22), Ended: at(23),
		},
		{
			ID: 4, HostID: 8, AgentID: "0f7c1c52-0000-4000-8000-000000000008", Type: agentwire.SCAScan,
			State: ondemand.Rejected, Reason: "AGENT_SCA is not activated.", RequestedBy: "robot", Created: at(1), Delivered: at(2), Ended: at(2),
		},
	}
}

func serve(s *scans, target string, anonymous bool) *httptest.ResponseRecorder {
	mux := server.NewMux(slog.New(slog.DiscardHandler))
	mux.Add(automationapi.Routes(automationapi.Config{Fleet: &automationapi.Fleet{Scans: s}, Users: operators{}})...)
	r := httptest.NewRequest("GET", target, nil)
	if !anonymous {
		r.SetBasicAuth("admin", "right")
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestScansAreShown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, target string }{
		{"list", "/automation/v1/scans"},
		{"list-none", "/automation/v1/scans/?state=running"},
		{"one-queued", "/automation/v1/scans/12"},
		{"one-complete", "/automation/v1/scans/11/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := serve(&scans{all: requests()}, tc.target, false)
			if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("status %d, type %q: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			matchGolden(t, tc.name, w.Body.Bytes())
		})
	}
}

func TestParametersBecomeTheFilter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		query string
		want  ondemand.Filter
	}{
		{"", ondemand.Filter{Limit: 100}},
		{"?assetId=7&type=SWCA_Scan&state=expired&limit=1000&before=12", ondemand.Filter{
			HostID: 7, Type: agentwire.SWCAScan, State: ondemand.Expired, Limit: 1000, Before: 12,
		}},
		{"?limit=1&before=9223372036854775807", ondemand.Filter{Limit: 1, Before: 9223372036854775807}},
	} {
		t.Run("query "+tc.query, func(t *testing.T) {
			t.Parallel()
			s := &scans{}
			if w := serve(s, "/automation/v1/scans"+tc.query, false); w.Code != 200 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			tc.want.Scope = fleet.WholeFleet() // admin's
			if diff := cmp.Diff(tc.want, s.asked); diff != "" {
				t.Errorf("filter (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailuresAreProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, target string
		failure      error
		anonymous    bool
		status       int
		code         fault.Code
		says         string // of message and resolution together
	}{
		{"no credentials", "/automation/v1/scans", nil, true, 401, fault.Unauthenticated, "required"},
		{"description without credentials", "/automation/v1/openapi.yaml", nil, true, 401, fault.Unauthenticated, "required"},
		{"limit of no scans", "/automation/v1/scans?limit=0", nil, false, 400, fault.Invalid, "limit: invalid value '0'. Specify limit as an integer from 1 to 1000."},
		{"limit of too many", "/automation/v1/scans?limit=1001", nil, false, 400, fault.Invalid, "from 1 to 1000"},
		{"limit that is no number", "/automation/v1/scans?limit=many", nil, false, 400, fault.Invalid, "limit: invalid value 'many'."},
		{"limit twice", "/automation/v1/scans?limit=1&limit=2", nil, false, 400, fault.Invalid, "'1,2'"},
		{"asset id that is no number", "/automation/v1/scans?assetId=x", nil, false, 400, fault.Invalid, "assetId"},
		{"asset id of zero", "/automation/v1/scans?assetId=0", nil, false, 400, fault.Invalid, "at least 1"},
		{"before of zero", "/automation/v1/scans?before=0", nil, false, 400, fault.Invalid, "before"},
		{"unknown type", "/automation/v1/scans?type=inventory", nil, false, 400, fault.Invalid, "Inventory_Scan, Vulnerability_Scan"},
		{"unknown state", "/automation/v1/scans?state=done", nil, false, 400, fault.Invalid, "queued, delivered, running, uploaded, complete, rejected, expired, failed"},
		{"scan id that is no number", "/automation/v1/scans/x", nil, false, 400, fault.Invalid, "id: invalid value 'x'."},
		{"unknown scan", "/automation/v1/scans/5", nil, false, 404, fault.NotFound, "Scan 5"},
		{"unknown path", "/automation/v1/scan", nil, false, 404, fault.NotFound, "/automation/v1/scan"},
		{"busy", "/automation/v1/scans", fault.Newf(fault.Busy, "The database is busy."), false, 503, fault.Busy, "busy"},
		{"internal", "/automation/v1/scans/12", errors.New("secret"), false, 500, fault.Internal, "An error occurred"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := serve(&scans{all: requests(), failure: tc.failure}, tc.target, tc.anonymous)
			var p automationapi.Problem
			decoder := json.NewDecoder(w.Body)
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&p); err != nil {
				t.Fatalf("status %d without a problem: %v", w.Code, err)
			}
			if w.Code != tc.status || string(p.Code) != string(tc.code) || !p.Code.Valid() {
				t.Errorf("status %d with code %q, want %d with %q", w.Code, p.Code, tc.status, tc.code)
			}
			if text := p.Message + " " + p.Resolution; p.Resolution == "" || !strings.Contains(text, tc.says) || strings.Contains(text, "secret") {
				t.Errorf("explanation %q, want %q and a resolution", text, tc.says)
			}
		})
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	w := serve(&scans{}, "/automation/v1/openapi.yaml", false)
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), w.Body.String()); diff != "" || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("type %q, description (-want +got):\n%s", w.Header().Get("Content-Type"), diff)
	}
}

// TestTheDescriptionKnowsEveryWord compares the words of openapi.yaml with those
// of the domain.
func TestTheDescriptionKnowsEveryWord(t *testing.T) {
	t.Parallel()
	for _, state := range []ondemand.State{
		ondemand.Queued, ondemand.Delivered, ondemand.Running, ondemand.Uploaded,
		ondemand.Complete, ondemand.Rejected, ondemand.Expired, ondemand.Failed,
	} {
		if !automationapi.ScanState(state).Valid() {
			t.Errorf("state %q is not described", state)
		}
	}
	for _, scan := range []agentwire.ScanType{
		agentwire.InventoryScan, agentwire.VulnerabilityScan, agentwire.PolicyComplianceScan,
		agentwire.UDCScan, agentwire.SCAScan, agentwire.SWCAScan,
	} {
		if !automationapi.ScanType(scan).Valid() {
			t.Errorf("scan type %q is not described", scan)
		}
	}
	for _, code := range []fault.Code{
		fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound,
		fault.Conflict, fault.TooLarge, fault.Busy, fault.Internal,
	} {
		if !automationapi.ProblemCode(code).Valid() {
			t.Errorf("code %q is not described", code)
		}
	}
}
