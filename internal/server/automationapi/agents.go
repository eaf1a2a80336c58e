package automationapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// maxInactiveFor is the longest silence a purge may ask for in seconds, as
// openapi.yaml has it: ten years.
const maxInactiveFor = 10 * 365 * 24 * 3600

// Uninstalls is where orders to agents to remove themselves are found.
type Uninstalls interface {
	// Uninstalls lists orders, newest first.
	Uninstalls(ctx context.Context, f fleet.UninstallFilter) ([]fleet.Uninstall, error)
}

// Purger removes silent agents; *fleet.Actions implements it.
type Purger interface {
	Purge(ctx context.Context, r fleet.PurgeRule, dryRun bool) ([]qps.HostAsset, error)
}

// failBody answers a body that is not what openapi.yaml says.
func failBody(w http.ResponseWriter, r *http.Request, err error) {
	server.Fail(w, r, &fault.Error{
		Code: fault.Invalid, Message: "The body of the request cannot be read: " + server.Echo(err.Error()) + ".",
		Resolution: "Send one JSON object as /automation/v1/openapi.yaml describes it.", Err: err,
	})
}

// ListUninstalls implements GET /automation/v1/uninstalls.
func (a api) ListUninstalls(ctx context.Context, request ListUninstallsRequestObject) (ListUninstallsResponseObject, error) {
	filter, err := uninstallFilter(request.Params)
	if err != nil {
		return nil, err
	}
	if !server.ScopeOf(ctx).All { // the assets are gone, and their tags with them
		filter.RequestedBy = server.UserOf(ctx).Username
	}
	found, err := a.Uninstalls.Uninstalls(ctx, filter)
	if err != nil {
		return nil, err
	}
	answer := ListUninstalls200JSONResponse{Uninstalls: make([]Uninstall, len(found))}
	for i, u := range found {
		answer.Uninstalls[i] = Uninstall{
			Id: u.ID, AssetId: u.HostID, AgentId: u.AgentID, HostName: u.HostName, State: UninstallState(u.State),
			RequestedBy: u.RequestedBy, Created: wireTime(u.Created), Confirmed: reached(u.Confirmed),
		}
	}
	return answer, nil
}

func uninstallFilter(p ListUninstallsParams) (fleet.UninstallFilter, error) {
	f := fleet.UninstallFilter{Limit: defaultPage}
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
	if p.State != nil {
		if !p.State.Valid() {
			return f, invalid("state", string(*p.State), "one of "+list(UninstallOpen, UninstallConfirmed))
		}
		f.State = fleet.UninstallState(*p.State)
	}
	return f, nil
}

// purgeRule is the body of a purge.
type purgeRule struct {
	InactiveFor   *int64 `json:"inactiveFor"`
	ActivationKey string `json:"activationKey"`
	AgentVersion  string `json:"agentVersion"`
	Profile       string `json:"profile"`
	Apply         bool   `json:"apply"`
}

// UnmarshalJSON refuses members it does not know: a misspelled one would select
// more agents than were meant.
func (r *purgeRule) UnmarshalJSON(doc []byte) error {
	type plain purgeRule
	return decodeStrictly(doc, (*plain)(r))
}

// text says for the audit log which agents the rule selects.
func (r *purgeRule) text() string {
	text := fmt.Sprintf("inactive for %d s", *r.InactiveFor)
	for _, part := range []struct{ name, value string }{{"key", r.ActivationKey}, {"version", r.AgentVersion}, {"profile", r.Profile}} {
		if part.value != "" {
			text += fmt.Sprintf(", %s '%s'", part.name, server.Echo(part.value))
		}
	}
	return text
}

// PurgeAgents implements POST /automation/v1/agents/purge.
func (a api) PurgeAgents(ctx context.Context, request PurgeAgentsRequestObject) (PurgeAgentsResponseObject, error) {
	body := request.Body
	minimum := int64(fleet.MinPurgeSilence / time.Second)
	if body == nil || body.InactiveFor == nil {
		return nil, fault.New(fault.Invalid, "inactiveFor: the member is missing.", fmt.Sprintf("Specify inactiveFor as an integer of at least %d, in seconds.", minimum))
	}
	if s := *body.InactiveFor; s < minimum || s > maxInactiveFor {
		return nil, invalid("inactiveFor", fmt.Sprint(s), fmt.Sprintf("an integer from %d to %d, in seconds", minimum, maxInactiveFor))
	}
	server.Describe(ctx, body.text(), "")
	hosts, err := a.Purger.Purge(ctx, fleet.PurgeRule{
		Scope:   server.ScopeOf(ctx),
		Silence: time.Duration(*body.InactiveFor) * time.Second, ActivationKey: body.ActivationKey, Version: body.AgentVersion, Profile: body.Profile,
	}, !body.Apply)
	if err != nil {
		return nil, err
	}
	outcome := fmt.Sprintf("%d agents", len(hosts))
	if !body.Apply {
		outcome += ", dry run"
	}
	server.Describe(ctx, "", outcome)
	answer := PurgeAgents200JSONResponse{Applied: body.Apply, Agents: make([]PurgedAgent, len(hosts))}
	for i := range hosts {
		h := &hosts[i]
		answer.Agents[i] = PurgedAgent{
			AssetId: h.ID, HostName: h.Name, AgentId: h.AgentInfo.AgentID, AgentVersion: h.AgentInfo.AgentVersion,
			LastCheckedIn: wireTime(h.AgentInfo.LastCheckedIn),
		}
	}
	return answer, nil
}
