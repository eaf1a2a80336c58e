package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// handleAgents adds what operators do with the agents of a test platform. Agent 2
// has AGENT_PC and refuses AGENT_SCA.
func (p *testPlatform) handleAgents(automation bool) {
	p.assets[1].AgentInfo.ActivatedModules = []string{"AGENT_PC"}
	p.mux.HandleFunc("POST /qps/rest/2.0/activate/am/asset/{id}", p.changeModules)
	p.mux.HandleFunc("POST /qps/rest/2.0/deactivate/am/asset/{id}", p.changeModules)
	p.mux.HandleFunc("POST /qps/rest/2.0/uninstall/am/asset/{id}", p.uninstall)
	p.mux.HandleFunc("POST /qps/rest/2.0/uninstall/am/asset", p.uninstallMany)
	if automation {
		p.mux.HandleFunc("GET /automation/v1/uninstalls", p.listUninstalls)
		p.mux.HandleFunc("POST /automation/v1/agents/purge", p.purge)
	}
}

func (p *testPlatform) changeModules(w http.ResponseWriter, r *http.Request) {
	h := p.asset(w, r)
	if h == nil {
		return
	}
	modules := strings.Split(r.FormValue("module"), ",")
	active := &h.AgentInfo.ActivatedModules
	switch {
	case strings.Contains(r.URL.Path, "/deactivate/"):
		*active = slices.DeleteFunc(*active, func(m string) bool { return slices.Contains(modules, m) })
	case slices.Contains(*active, "AGENT_PC") && slices.Contains(modules, "AGENT_SCA"):
		send(w, qps.NewError(qps.SchemaAsset, qps.CodeInvalidRequest, "AGENT_PC is active", "Deactivate AGENT_PC first."))
		return
	default:
		*active = append(*active, modules...)
	}
	send(w, qps.NewResult(qps.SchemaAsset, &qps.Asset{ID: h.ID, Name: h.Name}))
}

func (p *testPlatform) uninstall(w http.ResponseWriter, r *http.Request) {
	h := p.asset(w, r)
	if h == nil {
		return
	}
	p.remove(h)
	send(w, qps.NewResult(qps.SchemaAsset, &qps.Asset{ID: h.ID}))
}

func (p *testPlatform) uninstallMany(w http.ResponseWriter, r *http.Request) {
	hosts, _, err := p.matching(r)
	if err != nil {
		send(w, qps.NewError(qps.SchemaAsset, qps.CodeInvalidXML, err.Error(), ""))
		return
	}
	gone := make([]qps.Record, len(hosts))
	for i, record := range hosts {
		h := record.(*qps.HostAsset)
		p.remove(h)
		gone[i] = &qps.Asset{ID: h.ID}
	}
	send(w, qps.NewResult(qps.SchemaAsset, gone...))
}

// remove lets an asset go, with an order for its agent.
func (p *testPlatform) remove(h *qps.HostAsset) {
	p.assets = slices.DeleteFunc(p.assets, func(other *qps.HostAsset) bool { return other == h })
	p.uninstalls = append(p.uninstalls, qpsclient.Uninstall{
		ID: int64(len(p.uninstalls) + 1), AssetID: h.ID, AgentID: h.AgentInfo.AgentID, HostName: h.Name, State: qpsclient.UninstallOpen,
		RequestedBy: "admin", Created: time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC),
	})
}

func (p *testPlatform) listUninstalls(w http.ResponseWriter, r *http.Request) {
	found := []qpsclient.Uninstall{}
	for _, u := range slices.Backward(p.uninstalls) {
		if state := r.FormValue("state"); state == "" || state == string(u.State) {
			found = append(found, u)
		}
	}
	sendJSON(w, 200, map[string]any{"uninstalls": found})
}

// purge knows one silent agent, the last one.
func (p *testPlatform) purge(w http.ResponseWriter, r *http.Request) {
	var rule struct {
		InactiveFor int64
		Profile     string
		Apply       bool
	}
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&rule) != nil || rule.InactiveFor < 172800 {
		sendJSON(w, 400, map[string]string{"code": "invalid", "message": "inactiveFor: invalid value.", "resolution": "Specify at least 172800."})
		return
	}
	agents := []qpsclient.PurgedAgent{}
	if last := len(p.assets) - 1; rule.Profile == "" {
		h := p.assets[last]
		agents = append(agents, qpsclient.PurgedAgent{AssetID: h.ID, HostName: h.Name, AgentVersion: "2.0.0", LastCheckedIn: h.AgentInfo.LastCheckedIn})
		if rule.Apply {
			p.assets = p.assets[:last]
		}
	}
	sendJSON(w, 200, map[string]any{"applied": rule.Apply, "agents": agents})
}
