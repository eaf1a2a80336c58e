package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// testPlatform is a platform in memory for scripts. Its agents are 1 (Debian),
// 2 and 4 (Windows) and 3 (Ubuntu); a scan moves one state on with each look at
// it, and scans of agent 2 are rejected. Agents without AGENT_VM, which is all
// of them, refuse vulnerability scans.
type testPlatform struct {
	mux *http.ServeMux

	mu     sync.Mutex
	assets []*qps.HostAsset
	scans  []qpsclient.Scan // oldest first

	uninstalls []qpsclient.Uninstall // oldest first
}

func newTestPlatform(reportsStates bool) *testPlatform {
	p := &testPlatform{mux: http.NewServeMux()}
	for i, host := range []struct{ name, os string }{
		{"db-01", "Debian GNU/Linux 12"}, {"web-01", "Windows Server 2022"}, {"db-02", "Ubuntu 24.04"}, {"web\u009b31m-02", "Windows 11"},
	} {
		p.assets = append(p.assets, &qps.HostAsset{
			ID: int64(i + 1), Name: host.name, OS: host.os, Address: fmt.Sprintf("192.0.2.%d", i+1), Type: qps.TypeHost,
			Tags: []qps.TagSimple{{ID: 9, Name: "Cloud Agent"}},
			AgentInfo: &qps.AgentInfo{
				AgentVersion: "2.0.0", AgentID: "0f7c1c52-0000-4000-8000-00000000000" + strconv.Itoa(i), Status: qps.AgentActive,
				LastCheckedIn: time.Date(2024, 12, 29+i, 9, 0, 0, 0, time.UTC), ChirpStatus: "Inventory Scan Complete", Platform: "Linux",
			},
		})
	}
	p.mux.HandleFunc("POST /qps/rest/2.0/count/am/hostasset", p.count)
	p.mux.HandleFunc("POST /qps/rest/2.0/search/am/hostasset", p.search)
	p.mux.HandleFunc("GET /qps/rest/2.0/get/am/hostasset/{id}", p.get)
	p.mux.HandleFunc("POST /qps/rest/1.0/ods/ca/agentasset/{id}", p.launch)
	newTestKeys().handle(p.mux)
	newTestTags(p).handle(p.mux)
	newTestConnectors().handle(p.mux, reportsStates)
	testPackages{}.handle(p.mux)
	p.handleAgents(reportsStates)
	if reportsStates {
		p.mux.HandleFunc("GET /automation/v1/scans", p.listScans)
		p.mux.HandleFunc("GET /automation/v1/scans/{id}", p.showScan)
	}
	return p
}

func (p *testPlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "admin" || password != scriptPassword {
		// As Qualys reports it: with status 200.
		send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeInvalidCredentials, "Authentication failed", "Verify both, user and password credentials."))
		return
	}
	p.mux.ServeHTTP(w, r)
}

func send(w http.ResponseWriter, resp *qps.Response) {
	w.Header().Set("Content-Type", qps.XML.ContentType())
	_, _ = w.Write(qps.AppendResponse(nil, qps.XML, resp, nil))
}

// matching returns the hosts that meet the criteria of a request, at most a page.
func (p *testPlatform) matching(r *http.Request) (hosts []qps.Record, more bool, err error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, false, err
	}
	for _, h := range p.assets {
		if slices.ContainsFunc(req.Criteria, func(c qps.Criterion) bool { return !meets(h, c) }) {
			continue
		}
		// Pages of two, so that every script follows them.
		if len(hosts) == 2 {
			return hosts, true, nil
		}
		hosts = append(hosts, h)
	}
	return hosts, false, nil
}

func meets(h *qps.HostAsset, c qps.Criterion) bool {
	number, _ := strconv.ParseInt(c.Value, 10, 64)
	at, _ := qps.ParseTime(c.Value)
	switch c.Field + " " + string(c.Operator) {
	case "tagName EQUALS":
		return c.Value == h.Tags[0].Name
	case "name CONTAINS":
		return strings.Contains(h.Name, c.Value)
	case "os CONTAINS":
		return strings.Contains(h.OS, c.Value)
	case "id GREATER":
		return h.ID > number
	case "id IN":
		return slices.Contains(strings.Split(c.Value, ","), strconv.FormatInt(h.ID, 10))
	case "id EQUALS":
		return h.ID == number
	case "lastCheckedIn GREATER":
		return h.AgentInfo.LastCheckedIn.After(at)
	case "lastCheckedIn LESSER":
		return h.AgentInfo.LastCheckedIn.Before(at)
	}
	return false
}

func (p *testPlatform) count(w http.ResponseWriter, r *http.Request) {
	send(w, qps.NewCount(qps.SchemaHostAsset, int64(len(p.assets))))
}

func (p *testPlatform) search(w http.ResponseWriter, r *http.Request) {
	hosts, more, err := p.matching(r)
	if err != nil {
		send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeInvalidXML, err.Error(), ""))
		return
	}
	var lastID int64
	if len(hosts) > 0 {
		lastID = hosts[len(hosts)-1].(*qps.HostAsset).ID
	}
	send(w, qps.NewPage(qps.SchemaHostAsset, hosts, more, lastID))
}

// asset returns the host of the path, or nil after having answered.
func (p *testPlatform) asset(w http.ResponseWriter, r *http.Request) *qps.HostAsset {
	for _, h := range p.assets {
		if r.PathValue("id") == strconv.FormatInt(h.ID, 10) {
			return h
		}
	}
	send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeNotFound, "There is no asset with id "+r.PathValue("id"), "List the assets."))
	return nil
}

func (p *testPlatform) get(w http.ResponseWriter, r *http.Request) {
	if h := p.asset(w, r); h != nil {
		send(w, qps.NewResult(qps.SchemaHostAsset, h))
	}
}

func (p *testPlatform) launch(w http.ResponseWriter, r *http.Request) {
	h := p.asset(w, r)
	if h == nil {
		return
	}
	if r.FormValue("scan") != "Inventory_Scan" {
		send(w, qps.NewError(qps.SchemaAgentAsset, qps.CodeInvalidRequest, "Module AGENT_VM is not activated", "Activate it."))
		return
	}
	p.scans = append(p.scans, qpsclient.Scan{
		ID: int64(len(p.scans) + 12), AssetID: h.ID, AgentID: h.AgentInfo.AgentID, Type: qpsclient.InventoryScan, State: qpsclient.ScanQueued,
		OverrideConfigCPU: r.FormValue("overrideConfigCpu") == "true", RequestedBy: "admin", Created: time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC),
	})
	send(w, qps.NewResult(qps.SchemaAgentAsset, &qps.AgentAsset{ID: h.ID}))
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *testPlatform) listScans(w http.ResponseWriter, r *http.Request) {
	asset, state := r.FormValue("assetId"), r.FormValue("state")
	found := []qpsclient.Scan{}
	for _, s := range slices.Backward(p.scans) {
		if (asset == "" || asset == strconv.FormatInt(s.AssetID, 10)) && (state == "" || state == string(s.State)) {
			found = append(found, s)
		}
	}
	sendJSON(w, 200, map[string]any{"scans": found})
}

func (p *testPlatform) showScan(w http.ResponseWriter, r *http.Request) {
	for i := range p.scans {
		s := &p.scans[i]
		if strconv.FormatInt(s.ID, 10) != r.PathValue("id") {
			continue
		}
		switch {
		case s.AssetID == 2:
			s.State, s.Reason = qpsclient.ScanRejected, "the agent is in a blackout"
		case s.State == qpsclient.ScanQueued:
			s.State = qpsclient.ScanRunning
		default:
			s.State, s.Ended = qpsclient.ScanComplete, s.Created.Add(time.Minute)
		}
		sendJSON(w, 200, *s)
		return
	}
	sendJSON(w, 404, map[string]string{"code": "not_found", "message": "There is no scan " + r.PathValue("id") + ".", "resolution": "List the scans."})
}
