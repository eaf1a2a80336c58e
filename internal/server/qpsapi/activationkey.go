package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Keys manages activation keys; *fleet.Keyring implements it.
type Keys interface {
	Search(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]fleet.ActivationKey, error)
	Get(ctx context.Context, scope fleet.Scope, id int64) (fleet.ActivationKey, error)
	Create(ctx context.Context, scope fleet.Scope, c fleet.KeyChange) (fleet.ActivationKey, error)
	Update(ctx context.Context, scope fleet.Scope, id int64, c fleet.KeyChange) (fleet.ActivationKey, error)
	Delete(ctx context.Context, scope fleet.Scope, id int64) error
	MoveAgents(ctx context.Context, scope fleet.Scope, key string, conditions []fleet.Condition) (int64, error)
}

// keyRoutes are the calls on activation keys (Qualys Cloud Agent API, activation
// keys).
func (a *api) keyRoutes() []server.Route {
	both, post := []string{http.MethodGet, http.MethodPost}, []string{http.MethodPost}
	route := func(methods []string, path string, do call) server.Route {
		return a.route(methods, "/qps/rest/{version}/"+path, qps.SchemaAgentActKey, versioned(agentVersions, do))
	}
	return []server.Route{
		route(both, "get/ca/agentactkey/{id}", a.getKey),
		route(post, "search/ca/agentactkey", a.searchKeys),
		route(both, "count/ca/agentactkey", a.countKeys),
		route(post, "create/ca/agentactkey", a.createKey),
		route(post, "update/ca/agentactkey", a.updateKey),
		route(post, "update/ca/agentactkey/{id}", a.updateKey),
		route(post, "delete/ca/agentactkey/{id}", a.deleteKey),
		route(post, "cak/ca/changeactkey", a.changeKey),
	}
}

func keyRecord(k fleet.ActivationKey) *qps.AgentActKey {
	record := &qps.AgentActKey{
		ID: k.ID, Title: k.Title, ActivationKey: k.Key, CountUsed: int64(k.CountUsed), CountPurchased: int64(k.CountPurchased),
		ExpireDate: k.ExpireDate, DatePurchased: k.Created, Type: string(k.Type), IsDisabled: k.Disabled, Tags: k.Tags,
	}
	for _, m := range k.Modules {
		record.Licenses = append(record.Licenses, fleet.License(m))
	}
	return record
}

// keyID returns the id at the end of the path.
func keyID(r *http.Request) (int64, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("Activation key id: invalid value '%s'.", server.Echo(text)),
			"Specify the numeric id of the activation key (AgentActKey.id), not its UUID.")
	}
	return id, nil
}

// getKey answers with one key. The body is not read.
func (a *api) getKey(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, err := keyID(r)
	if err != nil {
		return reply{}, err
	}
	key, err := a.Keys.Get(r.Context(), server.ScopeOf(r.Context()), id)
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaAgentActKey, keyRecord(key)), fields}, nil
}

func (a *api) searchKeys(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return reply{}, err
	}
	keys, err := a.Keys.Search(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	keys = slices.DeleteFunc(keys, func(k fleet.ActivationKey) bool { return k.ID < req.Preferences.StartFromID })
	keys = keys[min(req.Preferences.StartFromOffset-1, int64(len(keys))):]
	more := len(keys) > req.Preferences.LimitResults
	if more {
		keys = keys[:req.Preferences.LimitResults]
	}
	var lastID int64
	records := make([]qps.Record, len(keys))
	for i, k := range keys {
		records[i], lastID = keyRecord(k), k.ID
	}
	return reply{qps.NewPage(qps.SchemaAgentActKey, records, more, lastID), fields}, nil
}

func (a *api) countKeys(r *http.Request) (reply, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return reply{}, err
	}
	keys, err := a.Keys.Search(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaAgentActKey, int64(len(keys)))}, nil
}

func (a *api) createKey(r *http.Request) (reply, error) {
	said, err := keyChange(r)
	if err != nil {
		return reply{}, err
	}
	change, err := domainKeyChange(said)
	if err != nil {
		return reply{}, err
	}
	key, err := a.Keys.Create(r.Context(), server.ScopeOf(r.Context()), change)
	if err != nil {
		return reply{}, err
	}
	describeMade(r, key.ID, key.Title)
	return reply{response: qps.NewResult(qps.SchemaAgentActKey, keyRecord(key))}, nil
}

// updateKey updates the key in the path or, as some clients send it, the one
// whose id is in the body.
func (a *api) updateKey(r *http.Request) (reply, error) {
	said, err := keyChange(r)
	if err != nil {
		return reply{}, err
	}
	id := said.ID
	if r.PathValue("id") != "" {
		inPath, err := keyID(r)
		if err != nil {
			return reply{}, err
		}
		if id != nil && *id != inPath {
			return reply{}, fault.New(fault.Invalid, fmt.Sprintf("AgentActKey: the id is %d, the path names key %d.", *id, inPath), "Give the same id, or leave it out of the body.")
		}
		id = &inPath
	}
	if id == nil {
		return reply{}, fault.New(fault.Invalid, "AgentActKey: the id is missing.", "Specify the id of the activation key in the path or in the body.")
	}
	if !server.PrincipalOf(r.Context()).May(access.EditActivationKey) && !said.OnlyDisables() {
		return reply{}, fault.New(fault.Forbidden, "AgentActKey: to change more than isDisabled needs "+access.EditActivationKey.Label()+".",
			"Ask a manager to check the permission settings of this account.")
	}
	change, err := domainKeyChange(said)
	if err != nil {
		return reply{}, err
	}
	key, err := a.Keys.Update(r.Context(), server.ScopeOf(r.Context()), *id, change)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewResult(qps.SchemaAgentActKey, keyRecord(key))}, nil
}

// deleteKey answers with the id alone. The body is not read.
func (a *api) deleteKey(r *http.Request) (reply, error) {
	id, err := keyID(r)
	if err != nil {
		return reply{}, err
	}
	fields, err := qps.ParseFields("id")
	if err != nil {
		return reply{}, err
	}
	if err := a.Keys.Delete(r.Context(), server.ScopeOf(r.Context()), id); err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: id}), fields}, nil
}

// keyChange reads the one AgentActKey of a request.
func keyChange(r *http.Request) (qps.AgentActKeyChange, error) {
	element, err := onlyElement(r, "AgentActKey")
	if err != nil {
		return qps.AgentActKeyChange{}, err
	}
	return qps.ParseAgentActKeyChange(element.data)
}

// body is a request with one object.
type body struct {
	data     *qps.Node
	criteria []qps.Criterion
}

// onlyElement reads a request whose data holds one element of that name.
func onlyElement(r *http.Request, name string) (body, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return body{}, err
	}
	if req.Data == nil || len(req.Data.Children) != 1 || req.Data.Children[0].Name != name {
		return body{}, fault.New(fault.Invalid, fmt.Sprintf("ServiceRequest: data does not hold one %s.", name), fmt.Sprintf("Send data with exactly one %s.", name))
	}
	return body{data: req.Data.Children[0], criteria: req.Criteria}, nil
}

// domainKeyChange turns the words of the API into those of the domain.
func domainKeyChange(said qps.AgentActKeyChange) (fleet.KeyChange, error) {
	change := fleet.KeyChange{
		Title: said.Title, CountPurchased: said.CountPurchased, ExpireDate: said.ExpireDate, Disabled: said.IsDisabled,
		Tags:     fleet.KeyList[qps.TagSimple](said.Tags),
		OnAgents: said.ApplyOnAgents != nil && *said.ApplyOnAgents,
	}
	if said.Type != nil {
		change.Type = new(fleet.KeyType(strings.ToUpper(*said.Type)))
	}
	for _, list := range []struct {
		words   []string
		modules *[]fleet.Module
	}{{said.Licenses.Set, &change.Modules.Set}, {said.Licenses.Add, &change.Modules.Add}, {said.Licenses.Remove, &change.Modules.Remove}} {
		if list.words != nil {
			*list.modules = []fleet.Module{}
		}
		for _, word := range list.words {
			modules, err := fleet.ParseLicense(word)
			if err != nil {
				return change, err
			}
			*list.modules = append(*list.modules, modules...)
		}
	}
	return change, nil
}

// keyMoveFields are the criteria that may select agents to change their key
// (Qualys Cloud Agent API, change activation key).
var keyMoveFields = []string{"id", "tagName", "activationKey"}

// changeKey gives the agents that the criteria select another activation key. The
// count is that of the agents, those included that had the key before.
func (a *api) changeKey(r *http.Request) (reply, error) {
	element, err := onlyElement(r, "ChangeActKey")
	if err != nil {
		return reply{}, err
	}
	for _, c := range element.criteria {
		if !slices.Contains(keyMoveFields, c.Field) {
			return reply{}, fault.New(fault.Invalid, fmt.Sprintf("Criteria: '%s' cannot select the agents whose activation key changes.", server.Echo(c.Field)),
				"Fields expected: "+strings.Join(keyMoveFields, ", ")+".")
		}
	}
	describe(r, element.criteria)
	conditions, err := fleet.ParseConditions(element.criteria)
	if err != nil {
		return reply{}, err
	}
	count, err := a.Keys.MoveAgents(r.Context(), server.ScopeOf(r.Context()), element.data.Trimmed("newActivationKey"), conditions)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaAgentActKey, count)}, nil
}
