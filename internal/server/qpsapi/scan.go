package qpsapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// launchFields are the criteria a bulk launch may select by (Qualys Cloud Agent
// API, launch on-demand scan).
var launchFields = []string{"id", "name", "tagName"}

// scanOne launches a scan on the asset in the path. The body is not read.
func (a *api) scanOne(r *http.Request) (reply, error) {
	order, err := launchOrder(r)
	if err != nil {
		return reply{}, err
	}
	id, err := assetID(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := a.Scans.LaunchOne(r.Context(), id, order); err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewResult(qps.SchemaAgentAsset, &qps.AgentAsset{ID: id})}, nil
}

// scanMatching launches a scan on every agent the criteria select.
func (a *api) scanMatching(r *http.Request) (reply, error) {
	order, err := launchOrder(r)
	if err != nil {
		return reply{}, err
	}
	conditions, err := launchConditions(r)
	if err != nil {
		return reply{}, err
	}
	launched, err := a.Scans.LaunchMatching(r.Context(), conditions, order)
	if err != nil {
		return reply{}, err
	}
	records := make([]qps.Record, len(launched))
	for i, request := range launched {
		records[i] = &qps.AgentAsset{ID: request.HostID}
	}
	return reply{response: qps.NewResult(qps.SchemaAgentAsset, records...)}, nil
}

func launchOrder(r *http.Request) (ondemand.Order, error) {
	scan, err := scanType(r)
	if err != nil {
		return ondemand.Order{}, err
	}
	override, err := overrideCPU(r)
	return ondemand.Order{Scope: server.ScopeOf(r.Context()), Type: scan, OverrideCPU: override, By: server.UserOf(r.Context()).Username}, err
}

// launchConditions reads the criteria of a bulk launch. There must be one:
// nothing scans a fleet because its filters were lost on the way.
func launchConditions(r *http.Request) ([]fleet.Condition, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	allowed := "Fields expected: " + strings.Join(launchFields, ", ") + "."
	if len(req.Criteria) == 0 {
		return nil, fault.New(fault.Invalid, "Criteria: at least one criterion is required to launch scans in bulk.", allowed)
	}
	for _, c := range req.Criteria {
		if !slices.Contains(launchFields, c.Field) {
			return nil, fault.New(fault.Invalid,
				fmt.Sprintf("Criteria: '%s' cannot select the agents of a bulk scan.", server.Echo(c.Field)), allowed)
		}
	}
	describe(r, req.Criteria)
	return fleet.ParseConditions(req.Criteria)
}
