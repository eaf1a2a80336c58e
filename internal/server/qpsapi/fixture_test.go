package qpsapi_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// base is the address of the platform in tests. The scheme makes
// httptest.NewRequest pretend TLS.
const base = "https://vedette.example.com"

// hosts is an in-memory fleet, ordered by id.
type hosts struct {
	all     []qps.HostAsset
	failure error // when not nil, the outcome of every call
	panics  bool

	mu   sync.Mutex
	last fleet.Query
}

func (h *hosts) SearchHosts(_ context.Context, q fleet.Query) (fleet.Page, error) {
	if h.panics {
		panic("the index is gone")
	}
	h.mu.Lock()
	h.last = q
	h.mu.Unlock()
	var page fleet.Page
	offset := q.Offset
	for i := range h.all {
		switch host := &h.all[i]; {
		case host.ID < q.FromID || !inScope(host, q.Scope) || !fleet.Match(host, q.Conditions):
		case offset > 0:
			offset--
		case len(page.Hosts) == q.Limit:
			page.More = true
		default:
			page.Hosts = append(page.Hosts, *host)
		}
	}
	return page, h.failure
}

func inScope(host *qps.HostAsset, scope fleet.Scope) bool {
	tags := make([]int64, len(host.Tags))
	for i, tag := range host.Tags {
		tags[i] = tag.ID
	}
	return scope.Holds(tags)
}

func (h *hosts) CountHosts(_ context.Context, scope fleet.Scope, conditions []fleet.Condition) (int64, error) {
	var n int64
	for i := range h.all {
		if inScope(&h.all[i], scope) && fleet.Match(&h.all[i], conditions) {
			n++
		}
	}
	return n, h.failure
}

func (h *hosts) Host(_ context.Context, scope fleet.Scope, id int64) (qps.HostAsset, error) {
	i := slices.IndexFunc(h.all, func(host qps.HostAsset) bool { return host.ID == id && inScope(&host, scope) })
	if i < 0 {
		return qps.HostAsset{}, fault.New(fault.NotFound, fmt.Sprintf("Host asset %d does not exist.", id), "Search for the ids of the host assets there are.")
	}
	return h.all[i], h.failure
}

// launch is what a call asked to run.
type launch struct {
	ID       int64 // 0 for bulk
	Criteria int
	Type     agentwire.ScanType
	Override bool
	By       string
}

// scans records launches and finds their targets among hosts.
type scans struct {
	hosts *hosts

	mu       sync.Mutex
	launched []launch
}

func (s *scans) record(l launch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.launched = append(s.launched, l)
}

func (s *scans) LaunchOne(ctx context.Context, id int64, o ondemand.Order) (ondemand.Request, error) {
	if _, err := s.hosts.Host(ctx, o.Scope, id); err != nil {
		return ondemand.Request{}, err
	}
	if o.Type != agentwire.InventoryScan {
		return ondemand.Request{}, fault.New(fault.Conflict, string(o.Type)+" cannot run.", "Launch Inventory_Scan instead.")
	}
	s.record(launch{ID: id, Type: o.Type, Override: o.OverrideCPU, By: o.By})
	return ondemand.Request{ID: 1, HostID: id}, nil
}

func (s *scans) LaunchMatching(ctx context.Context, conditions []fleet.Condition, o ondemand.Order) ([]ondemand.Request, error) {
	page, err := s.hosts.SearchHosts(ctx, fleet.Query{Scope: o.Scope, Conditions: conditions, Limit: len(s.hosts.all)})
	if err != nil {
		return nil, err
	}
	s.record(launch{Criteria: len(conditions), Type: o.Type, Override: o.OverrideCPU, By: o.By})
	requests := make([]ondemand.Request, len(page.Hosts))
	for i, host := range page.Hosts {
		requests[i] = ondemand.Request{ID: int64(i + 1), HostID: host.ID}
	}
	return requests, nil
}

// users are admin, who may do everything, and visitor, who may do nothing. The
// password of both is "right".
type users struct{}

func (users) Authenticate(_ context.Context, username, password, _ string) (access.Principal, error) {
	roles := map[string]access.Role{"admin": {Manager: true}, "visitor": {}}
	role, ok := roles[username]
	if !ok || password != "right" {
		return access.Principal{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
	}
	return access.NewPrincipal(access.User{Username: username, Roles: []access.Role{role}}), nil
}

func (users) AuthenticateToken(context.Context, string, string) (access.Principal, error) {
	return access.Principal{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
}

// journal is the audit log in memory.
type journal struct {
	mu      sync.Mutex
	entries []access.Entry
}

func (j *journal) Append(_ context.Context, e access.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return nil
}

// platform is the API over fakes.
type platform struct {
	http.Handler
	hosts   *hosts
	scans   *scans
	journal *journal
}

func newPlatform(options ...func(*qpsapi.Config)) *platform {
	h := &hosts{all: fleetOfFive()}
	p := &platform{hosts: h, scans: &scans{hosts: h}, journal: &journal{}}
	c := qpsapi.Config{
		Hosts: p.hosts, Scans: p.scans, Users: users{}, Journal: p.journal, Budget: server.NewBudget(8),
		Versions: qpsapi.Versions{
			Application: "1.2.3 Vedette (2031-04-01T00:00:00Z)",
			Modules:     []qps.ModuleVersion{{Module: "CA", Version: "1.2.3"}, {Module: "THREAT_PROTECT", Version: "1.2.3"}},
			Web:         "1.2.3", Scanner: "1.2.3-1", VulnSigs: "2031.4 <beta>",
		},
	}
	for _, o := range options {
		o(&c)
	}
	mux := server.NewMux(slog.New(slog.DiscardHandler))
	mux.Add(qpsapi.Routes(c)...)
	p.Handler = mux
	return p
}

func fleetOfFive() []qps.HostAsset {
	created := time.Date(2031, 1, 5, 8, 0, 0, 0, time.UTC)
	fleet := make([]qps.HostAsset, 5)
	for i := range fleet {
		id := int64(7003001 + i)
		fleet[i] = qps.HostAsset{
			ID: id, Name: fmt.Sprintf("edge-cache-%02d", i+1), Created: created, Modified: created.AddDate(0, 0, i), Type: qps.TypeHost,
			Tags: []qps.TagSimple{{ID: 51001, Name: "Cloud Agent"}}, OS: "Rocky Linux 9.3", TrackingMethod: qps.TrackingAgent,
			AgentInfo: &qps.AgentInfo{AgentVersion: "2.0.0", AgentID: fmt.Sprintf("0f7c1c52-0000-4000-8000-%012d", i), Status: qps.AgentActive},
			Software:  []qps.Software{{Name: "openssl <3>", Version: "3.0.7-24.el9"}},
		}
	}
	fleet[4].OS = "Debian GNU/Linux 12 (bookworm)"
	return fleet
}

// request is one call. The zero values are a GET by admin that accepts anything.
type request struct {
	method, path string
	body         string
	contentType  string
	accept       string
	user         string // admin by default, "-" for none
	password     string
	header       map[string]string
}

func (p *platform) do(t testing.TB, q request) *httptest.ResponseRecorder {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r := httptest.NewRequest(q.method, base+q.path, body)
	if q.user == "" {
		q.user, q.password = "admin", "right"
	}
	if q.user != "-" {
		r.SetBasicAuth(q.user, q.password)
	}
	set := func(name, value string) {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	set("Content-Type", q.contentType)
	set("Accept", q.accept)
	for name, value := range q.header {
		set(name, value)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// envelope decodes an answer, which must be in the form its Content-Type says.
func envelope(t testing.TB, w *httptest.ResponseRecorder) *qps.Response {
	t.Helper()
	form, first := qps.XML, byte('<')
	if w.Header().Get("Content-Type") == qps.JSON.ContentType() {
		form, first = qps.JSON, '{'
	}
	body := w.Body.Bytes()
	if len(body) == 0 || body[0] != first {
		t.Fatalf("answer is not %v: %.200q", form, body)
	}
	response, err := qps.DecodeResponse(w.Body, form)
	if err != nil {
		t.Fatalf("answer is no envelope: %v\n%.500s", err, body)
	}
	return response
}
