package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// testNow is the clock of the tests at their beginning.
func testNow() time.Time { return time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC) }

const testPassword = "hunter22"

// platform is a server that speaks the QPS API, with agents 1 to 3 and one object
// of each other kind, all with ID 5. It is also the clock of its callers.
type platform struct {
	*httptest.Server
	mu       sync.Mutex
	now      time.Time
	slept    []time.Duration
	requests []request
	// fault answers in place of the platform; nil, or one that returns false, does
	// not. n counts requests from 1.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool
	// scans are the scans of agents where the platform reports them; nil where not.
	scans map[int64][]qpsclient.ScanState
	// assets shows host assets; nil for plain ones.
	assets func(id int64) *qps.HostAsset
	// states are those that connector 5 goes through, one a look.
	states []string
}

type request struct{ method, path, query, body, key string }

func (r request) String() string { return r.method + " " + r.path }

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{now: testNow()}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// session returns a session as a run has it.
func (p *platform) session(t *testing.T) Session {
	t.Helper()
	return p.sessionOver(t, nil, time.Minute)
}

// stalledSession returns a session over a network that stalls, as stall does.
func (p *platform) stalledSession(t *testing.T, stall http.RoundTripper) Session {
	t.Helper()
	return p.sessionOver(t, stall, time.Millisecond)
}

func (p *platform) sessionOver(t *testing.T, through http.RoundTripper, timeout time.Duration) Session {
	t.Helper()
	config := qualys(t).ClientConfig(map[string]string{"serverUrl": p.URL, "username": "acme_ab1", "password": testPassword, "apiVersion": "2.0"})
	config.Transport, config.Timeout, config.Now, config.Sleep, config.Rand = through, timeout, p.clock, p.sleep, func() float64 { return 0.5 }
	client, err := qpsclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return Session{Client: client, Now: p.clock, Rand: config.Rand}
}

func (p *platform) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *platform) sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
	p.slept = append(p.slept, d)
	return ctx.Err()
}

// received returns the requests so far.
func (p *platform) received() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, request{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Get("Idempotency-Key")})
	n, fault := len(p.requests), p.fault
	p.mu.Unlock()
	if fault != nil && fault(n, w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := strings.CutPrefix(r.URL.Path, "/automation/v1/scans"); ok {
		p.answerScans(w, r, strings.TrimPrefix(id, "/"))
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(qps.AppendResponse(nil, qps.XML, p.answer(r.URL.Path, string(body)), nil))
}

// answer is what the platform answers when nothing is wrong.
func (p *platform) answer(path, body string) *qps.Response {
	req, err := qps.DecodeRequest(strings.NewReader(body), "")
	if err != nil {
		req = &qps.Request{}
	}
	ids := idsOf(path, req)
	switch what := strings.TrimPrefix(path, "/qps/rest/"); {
	case strings.Contains(what, "count/am/hostasset"):
		return qps.NewCount(qps.SchemaHostAsset, 3)
	case strings.Contains(what, "search/am/hostasset"):
		return p.searched(req, ids)
	case strings.Contains(what, "get/am/hostasset"):
		if ids[0] > 3 {
			return qps.NewError(qps.SchemaHostAsset, qps.CodeNotFound, "There is no such asset.", "")
		}
		return qps.NewResult(qps.SchemaHostAsset, p.asset(ids[0]))
	case strings.Contains(what, "ods/ca/agentasset"):
		return acted(ids, func(id int64) qps.Record { return &qps.AgentAsset{ID: id} })
	case strings.Contains(what, "/am/asset"), strings.Contains(what, "update/am/hostasset"):
		return acted(ids, func(id int64) qps.Record { return &qps.HostAsset{ID: id} })
	case strings.Contains(what, "/am/tag"):
		return qps.NewResult(qps.SchemaTag, &qps.Tag{ID: 5, Name: "Edge"})
	case strings.Contains(what, "agentactkey"):
		return qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: 5, Title: "Edge", ActivationKey: "5d2a7c1e-0000-4000-8000-000000000005", CountPurchased: 9})
	case strings.Contains(what, "agentconfig"):
		return qps.NewResult(qps.SchemaAgentConfig, &qps.AgentConfig{ID: 5, Name: "Edge"})
	}
	state := qps.ConnectorFinishedSuccess
	if len(p.states) > 0 {
		state, p.states = p.states[0], p.states[min(1, len(p.states)-1):]
	}
	return qps.NewResult(qps.SchemaAwsAssetDataConnector, &qps.AwsAssetDataConnector{AssetDataConnector: qps.AssetDataConnector{ID: 5, Name: "Edge", ConnectorState: state}})
}

// idsOf returns the ids that a request names, in its path or as a list.
func idsOf(path string, req *qps.Request) []int64 {
	if id, err := strconv.ParseInt(path[strings.LastIndex(path, "/")+1:], 10, 64); err == nil {
		return []int64{id}
	}
	var ids []int64
	for _, c := range req.Criteria {
		if c.Field == "id" && c.Operator == qps.OpIn {
			for text := range strings.SplitSeq(c.Value, ",") {
				id, _ := strconv.ParseInt(text, 10, 64)
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func acted(ids []int64, record func(int64) qps.Record) *qps.Response {
	var records []qps.Record
	for _, id := range ids {
		if id <= 3 {
			records = append(records, record(id))
		}
	}
	if len(records) == 0 {
		return qps.NewError(qps.SchemaAgentAsset, qps.CodeNotFound, "There is no such asset.", "")
	}
	return qps.NewResult(qps.SchemaAgentAsset, records...)
}

func (p *platform) asset(id int64) *qps.HostAsset {
	if p.assets != nil {
		return p.assets(id)
	}
	return &qps.HostAsset{ID: id, Name: fmt.Sprintf("host-%d", id), OS: "Debian 12", AgentInfo: &qps.AgentInfo{Status: qps.AgentActive}}
}

// searched returns the agents of a list, or two pages of all of them.
func (p *platform) searched(req *qps.Request, ids []int64) *qps.Response {
	more, first := false, int64(1)
	if ids == nil {
		ids, more = []int64{1, 2}, true
		for _, c := range req.Criteria {
			if c.Field == "id" && c.Operator == qps.OpGreater {
				ids, more, first = []int64{3}, false, 3
			}
		}
	}
	var records []qps.Record
	for _, id := range ids {
		if id >= first && id <= 3 {
			records = append(records, p.asset(id))
		}
	}
	return qps.NewPage(qps.SchemaHostAsset, records, more, ids[len(ids)-1])
}

func (p *platform) answerScans(w http.ResponseWriter, r *http.Request, id string) {
	if p.scans == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	asset, _ := strconv.ParseInt(r.URL.Query().Get("assetId"), 10, 64)
	if id != "" {
		asset, _ = strconv.ParseInt(id, 10, 64)
		asset /= 100
	}
	states := p.scans[asset]
	var scan any = map[string]any{"scans": []any{}}
	if len(states) > 0 {
		state := qpsclient.Scan{ID: asset * 100, AssetID: asset, State: states[0]}
		if scan = state; id == "" {
			scan = map[string]any{"scans": []any{state}}
		}
		p.scans[asset] = states[min(1, len(states)-1):]
	}
	_ = json.NewEncoder(w).Encode(scan)
}

// xml answers with a status and an envelope.
func xml(w http.ResponseWriter, status int, resp *qps.Response) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(qps.AppendResponse(nil, qps.XML, resp, nil))
}

// sample is a call of each command that ends well, with how the platform answers.
type sample struct {
	command string
	inputs  map[string]any
	// probes says that the first request finds out whether the platform reports
	// scans: what is no JSON tells that it does not.
	probes bool
	// reads says that the first request is a read although the command writes.
	reads bool
}

func samples() []sample {
	one := map[string]any{"cloudAgentIds": []any{"1"}}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{"cloudAgentIds": []any{"1"}}
		for name, value := range more {
			all[name] = value
		}
		return all
	}
	return []sample{
		{command: "test-connection"}, {command: "search-cloud-agents"}, {command: "launch-on-demand-scans", inputs: one},
		{command: "scan-status", probes: true, inputs: with(map[string]any{"since": "2025-01-01T00:00:00Z"})}, {command: "get-cloud-agent", inputs: map[string]any{"cloudAgentId": 1}},
		{command: "activate-modules", inputs: with(map[string]any{"modules": "VM"})}, {command: "deactivate-modules", inputs: with(map[string]any{"modules": "VM"})},
		{command: "uninstall-cloud-agents", inputs: one}, {command: "tag-cloud-agents", inputs: with(map[string]any{"tags": "5"})},
		{command: "untag-cloud-agents", inputs: with(map[string]any{"tags": "Edge"}), reads: true},
		{command: "list-activation-keys"}, {command: "create-activation-key", inputs: map[string]any{"title": "Edge"}},
		{command: "update-activation-key", inputs: map[string]any{"key": "Edge", "disabled": true}, reads: true},
		{command: "delete-activation-key", inputs: map[string]any{"key": "5"}},
		{command: "list-configuration-profiles"}, {command: "create-configuration-profile", inputs: map[string]any{"name": "Edge"}},
		{command: "update-configuration-profile", inputs: map[string]any{"profile": "Edge", "suspendScanning": true}, reads: true},
		{command: "delete-configuration-profile", inputs: map[string]any{"profile": "5"}},
		{command: "list-connectors"}, {command: "create-connector", inputs: map[string]any{"name": "Edge"}},
		{command: "update-connector", inputs: map[string]any{"connector": "5", "disabled": true}},
		{command: "delete-connector", inputs: map[string]any{"connector": "5"}}, {command: "run-connectors", inputs: map[string]any{"connectors": "5"}},
	}
}

// values checks the inputs of a sample.
func (s sample) values(t *testing.T) Values {
	t.Helper()
	v, err := command(t, s.command).Check(s.inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
