package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Actions is what operators do with agents; *fleet.Actions implements it.
type Actions interface {
	Activate(ctx context.Context, s fleet.Selection, modules []fleet.Module) ([]qps.HostAsset, error)
	Deactivate(ctx context.Context, s fleet.Selection, modules []fleet.Module) ([]qps.HostAsset, error)
	Uninstall(ctx context.Context, s fleet.Selection, by string) ([]int64, error)
}

// Criteria by call (Qualys Cloud Agent API, activate, deactivate and uninstall
// agents; Asset Management API, object asset). The documentation calls tagName
// mandatory in bulk actions; it is not required here.
var (
	assetFields     = []string{"id", "name", "created", "updated", "update", "type", "tagName", "tagId"}
	moduleFields    = []string{"id", "name", "created", "updated", "tagName"}
	uninstallFields = []string{"id", "name", "created", "updated", "lastCheckedIn", "tagName", "agentUuid"}
)

// assetOf returns what every type of asset has of a host.
func assetOf(h *qps.HostAsset) *qps.Asset {
	return &qps.Asset{ID: h.ID, Name: h.Name, Created: h.Created, Modified: h.Modified, Type: h.Type, Tags: h.Tags, Sources: h.Sources}
}

// criteriaOf reads the criteria of a call on assets. A nil list of fields allows
// every field of a host asset.
func criteriaOf(r *http.Request, fields []string) (*qps.Request, []fleet.Condition, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	for _, c := range req.Criteria {
		if fields != nil && !slices.Contains(fields, c.Field) {
			return nil, nil, fault.New(fault.Invalid, fmt.Sprintf("Criteria: '%s' cannot be used in this call.", server.Echo(c.Field)),
				"Criteria expected: "+strings.Join(fields, ", ")+".")
		}
	}
	describe(r, req.Criteria)
	conditions, err := fleet.ParseConditions(req.Criteria)
	return req, conditions, err
}

// describe tells the audit log which objects a call selects.
func describe(r *http.Request, criteria []qps.Criterion) {
	clauses := make([]string, len(criteria))
	for i, c := range criteria {
		clauses[i] = fmt.Sprintf("%s %s %s", c.Field, c.Operator, c.Value)
	}
	server.Describe(r.Context(), strings.Join(clauses, " AND "), "")
}

// describeMade tells the audit log which object a call has made.
func describeMade(r *http.Request, id int64, name string) {
	server.Describe(r.Context(), strings.TrimSpace(fmt.Sprintf("%d %s", id, name)), "")
}

func (a *api) countAssets(r *http.Request) (reply, error) {
	_, conditions, err := criteriaOf(r, assetFields)
	if err != nil {
		return reply{}, err
	}
	count, err := a.Hosts.CountHosts(r.Context(), server.ScopeOf(r.Context()), conditions)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaAsset, count)}, nil
}

func (a *api) searchAssets(r *http.Request) (reply, error) {
	fields, err := assetSelection(r)
	if err != nil {
		return reply{}, err
	}
	req, conditions, err := criteriaOf(r, assetFields)
	if err != nil {
		return reply{}, err
	}
	page, err := a.Hosts.SearchHosts(r.Context(), fleet.Query{
		Scope:      server.ScopeOf(r.Context()),
		Conditions: conditions,
		FromID:     req.Preferences.StartFromID,
		Offset:     req.Preferences.StartFromOffset - 1,
		Limit:      req.Preferences.LimitResults,
		Include:    assetElement,
	})
	if err != nil {
		return reply{}, err
	}
	var lastID int64
	if len(page.Hosts) > 0 {
		lastID = page.Hosts[len(page.Hosts)-1].ID
	}
	return reply{qps.NewPage(qps.SchemaAsset, assetRecords(page.Hosts), page.More, lastID), fields}, nil
}

// getAsset answers with one asset. A body, which some clients send, is not read.
func (a *api) getAsset(r *http.Request) (reply, error) {
	fields, err := assetSelection(r)
	if err != nil {
		return reply{}, err
	}
	id, err := assetID(r)
	if err != nil {
		return reply{}, err
	}
	page, err := a.Hosts.SearchHosts(r.Context(), fleet.Query{
		Scope:      server.ScopeOf(r.Context()),
		Conditions: []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{id}}}, Limit: 1, Include: assetElement,
	})
	if err != nil {
		return reply{}, err
	}
	if len(page.Hosts) == 0 {
		return reply{}, fault.New(fault.NotFound, fmt.Sprintf("There is no asset %d.", id), "Search for the ids of the assets there are.")
	}
	return reply{qps.NewResult(qps.SchemaAsset, assetOf(&page.Hosts[0])), fields}, nil
}

func assetSelection(r *http.Request) (*qps.Fields, error) {
	text, _ := parameter(r, "fields")
	return qps.ParseFields(text)
}

// assetElement says which parts of a host an asset shows, beside what every host
// brings.
func assetElement(element string) bool { return element == "tags" || element == "sourceInfo" }

func assetRecords(hosts []qps.HostAsset) []qps.Record {
	records := make([]qps.Record, len(hosts))
	for i := range hosts {
		records[i] = assetOf(&hosts[i])
	}
	return records
}

// target returns the agents an action is for: the one in the path, whose body is
// not read, or those that criteria select. There must be a criterion: nothing
// happens to a fleet because its filters were lost on the way.
func target(r *http.Request, fields []string) (fleet.Selection, error) {
	if r.PathValue("id") != "" {
		id, err := assetID(r)
		if err != nil {
			return fleet.Selection{}, err
		}
		if id < 1 {
			return fleet.Selection{}, fault.New(fault.NotFound, fmt.Sprintf("There is no asset %d with an agent.", id), "Search for the ids of the agents there are.")
		}
		return fleet.Selection{Scope: server.ScopeOf(r.Context()), HostID: id}, nil
	}
	_, conditions, err := criteriaOf(r, fields)
	if err != nil {
		return fleet.Selection{}, err
	}
	if len(conditions) == 0 {
		expected := "Specify a criterion such as id; tagName EQUALS Cloud Agent selects every agent."
		if fields != nil {
			expected = "Criteria expected: " + strings.Join(fields, ", ") + "."
		}
		return fleet.Selection{}, fault.New(fault.Invalid, "Criteria: at least one criterion is required for a bulk action.", expected)
	}
	return fleet.Selection{Scope: server.ScopeOf(r.Context()), Conditions: conditions}, nil
}

func (a *api) activate(r *http.Request) (reply, error) { return changeModules(r, a.Actions.Activate) }
func (a *api) deactivate(r *http.Request) (reply, error) {
	return changeModules(r, a.Actions.Deactivate)
}

func changeModules(r *http.Request, change func(context.Context, fleet.Selection, []fleet.Module) ([]qps.HostAsset, error)) (reply, error) {
	list, _ := parameter(r, "module")
	modules, err := fleet.ParseActivation(list)
	if err != nil {
		return reply{}, err
	}
	selection, err := target(r, moduleFields)
	if err != nil {
		return reply{}, err
	}
	hosts, err := change(r.Context(), selection, modules)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewResult(qps.SchemaAsset, assetRecords(hosts)...)}, nil
}

// uninstallAssets answers with the ids of the assets that are gone.
func (a *api) uninstallAssets(r *http.Request) (reply, error) {
	return a.uninstall(r, uninstallFields, qps.SchemaAsset, func(id int64) qps.Record { return &qps.Asset{ID: id} })
}

func (a *api) uninstallHostAssets(r *http.Request) (reply, error) {
	return a.uninstall(r, nil, qps.SchemaHostAsset, func(id int64) qps.Record { return &qps.HostAsset{ID: id} })
}

func (a *api) uninstall(r *http.Request, fields []string, schema string, record func(id int64) qps.Record) (reply, error) {
	selection, err := target(r, fields)
	if err != nil {
		return reply{}, err
	}
	removed, err := a.Actions.Uninstall(r.Context(), selection, server.UserOf(r.Context()).Username)
	if err != nil {
		return reply{}, err
	}
	records := make([]qps.Record, len(removed))
	for i, id := range removed {
		records[i] = record(id)
	}
	onlyID, err := qps.ParseFields("id")
	return reply{qps.NewResult(schema, records...), onlyID}, err
}
