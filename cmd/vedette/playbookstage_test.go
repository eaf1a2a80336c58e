package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	links "vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/qps"
)

// tenSteps is a playbook of ten steps: five that launch, each of its own kind, four
// that read, and one that must not be sent twice.
const tenSteps = `kind: Playbook
name: ten
inputs:
  n: {type: integer, required: true}
defaults: {connection: lab, retry: {max: 5, on: [429, 503, network], base: 1s}}
steps:
  - {id: find, uses: qualys-cloud-agent/search-cloud-agents, with: {hostName: "${{ string(inputs.n) }}"}}
  - {id: one, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: ["${{ inputs.n }}"], scanType: Inventory Scan}}
  - {id: look, uses: qualys-cloud-agent/search-cloud-agents}
  - {id: make, uses: qualys-cloud-agent/create-activation-key, with: {title: "key ${{ string(inputs.n) }}"}, onError: continue}
  - {id: two, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: ["${{ inputs.n }}"], scanType: Vulnerability Scan}}
  - {id: again, uses: qualys-cloud-agent/search-cloud-agents}
  - {id: three, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: ["${{ inputs.n }}"], scanType: Policy Compliance Scan}}
  - {id: once, uses: qualys-cloud-agent/search-cloud-agents}
  - {id: four, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: ["${{ inputs.n }}"], scanType: UDC Scan}}
  - {id: five, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: ["${{ inputs.n }}"], scanType: SCA Scan}}
`

// subscription stands for the platform that playbooks act on. It does nothing but
// write down what it is asked to do, so it can say what was asked twice.
type subscription struct {
	requests atomic.Int64
	pause    time.Duration // before each answer

	mu       sync.Mutex
	launches map[string][]string // the keys that came with each scan of each asset
	created  map[string]int      // how often a key of a title was made
}

func newSubscription(tb testing.TB) (*subscription, string) {
	tb.Helper()
	s := &subscription{launches: map[string][]string{}, created: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /qps/rest/2.0/search/am/hostasset", func(w http.ResponseWriter, _ *http.Request) {
		send(w, qps.NewPage(qps.SchemaHostAsset, []qps.Record{&qps.HostAsset{ID: 1, Name: "db-01"}}, false, 1))
	})
	mux.HandleFunc("POST /qps/rest/1.0/ods/ca/agentasset/{id}", s.launch)
	mux.HandleFunc("POST /qps/rest/1.0/create/ca/agentactkey", s.create)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		mux.ServeHTTP(w, r)
		_ = sleepContext(r.Context(), s.pause)
	}))
	tb.Cleanup(server.Close)
	return s, server.URL
}

func (s *subscription) launch(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	scan := r.PathValue("id") + " " + r.FormValue("scan")
	s.launches[scan] = append(s.launches[scan], r.Header.Get("Idempotency-Key"))
	var id int64
	_, _ = fmt.Sscan(r.PathValue("id"), &id)
	send(w, qps.NewResult(qps.SchemaAgentAsset, &qps.AgentAsset{ID: id}))
}

func (s *subscription) create(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	var change qps.AgentActKeyChange
	if err == nil {
		change, err = qps.ParseAgentActKeyChange(req.Data.Child("AgentActKey"))
	}
	if err != nil || change.Title == nil {
		send(w, qps.NewError(qps.SchemaAgentActKey, qps.CodeInvalidXML, "not read", ""))
		return
	}
	title := *change.Title
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created[title]++
	send(w, qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: int64(len(s.created)), Title: title}))
}

// stage makes a connection to a subscription and publishes tenSteps.
func stage(tb testing.TB, p *platform, url string) (library.Playbook, access.Principal) {
	tb.Helper()
	ctx := tb.Context()
	user, err := p.store.UserByName(ctx, p.admin.username)
	if err != nil {
		tb.Fatal(err)
	}
	admin := access.NewPrincipal(user)
	sites, err := p.store.Sites(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = p.automation.connections.Create(ctx, admin, links.Draft{
		Integration: "qualys-cloud-agent", Name: "lab", SiteID: sites[0].ID, Limits: links.Limits{Concurrency: links.MaxConcurrency},
		Parameters: map[string]string{"serverUrl": url, "username": "soar", "password": "correct-horse", "apiVersion": "2.0", "allowHttp": "true"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	made, err := p.store.CreatePlaybook(ctx, library.Playbook{SiteID: sites[0].ID, Name: "ten"}, library.Version{Source: tenSteps, Author: user.Username, Created: user.Created})
	if err != nil {
		tb.Fatal(err)
	}
	made.Live, made.Publisher, made.PublisherID, made.Modified = 1, user.Username, user.ID, user.Created
	if err := p.store.Publish(ctx, made); err != nil {
		tb.Fatal(err)
	}
	return made, admin
}

// begin starts runs of a playbook.
func begin(tb testing.TB, p *platform, admin access.Principal, of library.Playbook, from, to int) {
	tb.Helper()
	for n := from; n < to; n++ {
		_, created, err := p.automation.playbooks.desk.Start(tb.Context(), admin, conductor.Request{PlaybookID: of.ID, Inputs: map[string]any{"n": int64(n)}})
		if err != nil || !created {
			tb.Fatalf("created %t: %v", created, err)
		}
	}
}

// openStage opens a platform without letting it run.
func openStage(tb testing.TB, config platformConfig) *platform {
	tb.Helper()
	p, err := openPlatform(tb.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
