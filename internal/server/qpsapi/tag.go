package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Tagger changes the tags of assets; *fleet.Tagger implements it.
type Tagger interface {
	AssignOne(ctx context.Context, scope fleet.Scope, hostID int64, a qps.TagAssignment) error
	AssignMatching(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition, a qps.TagAssignment) ([]int64, error)
}

// tagSchema is what criteria on tags may ask for.
var tagSchema = fleet.NewTagSchema()

// tagRoutes are the calls on tags (Qualys Asset Management API, tags), and those
// that put them on assets (update host asset).
func (a *api) tagRoutes() []server.Route {
	both, post := []string{http.MethodGet, http.MethodPost}, []string{http.MethodPost}
	route := func(methods []string, path, schema string, do call) server.Route {
		return a.route(methods, "/qps/rest/{version}/"+path, schema, versioned(assetVersions, do))
	}
	return []server.Route{
		route(both, "count/am/tag", qps.SchemaTag, a.countTags),
		route(post, "search/am/tag", qps.SchemaTag, a.searchTags),
		route(both, "get/am/tag/{id}", qps.SchemaTag, a.getTag),
		route(post, "create/am/tag", qps.SchemaTag, a.createTag),
		route(post, "update/am/tag", qps.SchemaTag, a.updateTags),
		route(post, "update/am/tag/{id}", qps.SchemaTag, a.updateTags),
		route(post, "delete/am/tag", qps.SchemaTag, a.deleteTags),
		route(post, "delete/am/tag/{id}", qps.SchemaTag, a.deleteTags),
		route(post, "evaluate/am/tag", qps.SchemaTag, evaluateTags),
		route(post, "evaluate/am/tag/{id}", qps.SchemaTag, evaluateTags),
		route(post, "update/am/hostasset", qps.SchemaHostAsset, a.updateHosts),
		route(post, "update/am/hostasset/{id}", qps.SchemaHostAsset, a.updateHosts),
		route(post, "update/am/asset", qps.SchemaAsset, a.updateAssets),
		route(post, "update/am/asset/{id}", qps.SchemaAsset, a.updateAssets),
	}
}

// tagID returns the id at the end of the path, and whether there is one.
func tagID(r *http.Request) (id int64, found bool, err error) {
	text := r.PathValue("id")
	if text == "" {
		return 0, false, nil
	}
	id, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, true, fault.New(fault.Invalid, fmt.Sprintf("Tag id: invalid value '%s'.", server.Echo(text)), "Specify the id of the tag (Tag.id) as Long.")
	}
	return id, true, nil
}

// tagRecords returns the tags, which are some of all, as the API shows them.
func tagRecords(some, all []fleet.Tag) []qps.Record {
	children := make(map[int64][]qps.TagSimple)
	for _, t := range all {
		children[t.ParentID] = append(children[t.ParentID], qps.TagSimple{ID: t.ID, Name: t.Name})
	}
	records := make([]qps.Record, len(some))
	for i := range some {
		records[i] = some[i].Wire(children[some[i].ID])
	}
	return records
}

// tagIDs answers with nothing but the ids of tags.
func tagIDs(ids []int64) reply {
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = &qps.Tag{ID: id}
	}
	return reply{response: qps.NewResult(qps.SchemaTag, records...)}
}

// matchingTags returns the tags that meet the criteria, and all tags.
func (a *api) matchingTags(r *http.Request, conditions []fleet.Condition) (some, all []fleet.Tag, err error) {
	if all, err = a.Tags.Tags(r.Context()); err != nil {
		return nil, nil, err
	}
	some = slices.DeleteFunc(slices.Clone(all), func(t fleet.Tag) bool { return !tagSchema.Match(&t, conditions) })
	return some, all, nil
}

// tagRequest reads the request's body and what its criteria mean.
func tagRequest(r *http.Request) (*qps.Request, []fleet.Condition, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	describe(r, req.Criteria)
	conditions, err := tagSchema.Parse(req.Criteria)
	return req, conditions, err
}

func (a *api) countTags(r *http.Request) (reply, error) {
	_, conditions, err := tagRequest(r)
	if err != nil {
		return reply{}, err
	}
	tags, _, err := a.matchingTags(r, conditions)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaTag, int64(len(tags)))}, nil
}

func (a *api) searchTags(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, conditions, err := tagRequest(r)
	if err != nil {
		return reply{}, err
	}
	tags, all, err := a.matchingTags(r, conditions)
	if err != nil {
		return reply{}, err
	}
	tags = slices.DeleteFunc(tags, func(t fleet.Tag) bool { return t.ID < req.Preferences.StartFromID })
	tags = tags[min(req.Preferences.StartFromOffset-1, int64(len(tags))):]
	more := len(tags) > req.Preferences.LimitResults
	if more {
		tags = tags[:req.Preferences.LimitResults]
	}
	var lastID int64
	if len(tags) > 0 {
		lastID = tags[len(tags)-1].ID
	}
	return reply{qps.NewPage(qps.SchemaTag, tagRecords(tags, all), more, lastID), fields}, nil
}

// getTag answers with one tag. A body, which some clients send, is not read.
func (a *api) getTag(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, _, err := tagID(r)
	if err != nil {
		return reply{}, err
	}
	answer, err := a.oneTag(r, id)
	answer.fields = fields
	return answer, err
}

func (a *api) oneTag(r *http.Request, id int64) (reply, error) {
	all, err := a.Tags.Tags(r.Context())
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(all, func(t fleet.Tag) bool { return t.ID == id })
	if i < 0 {
		return reply{}, fault.New(fault.NotFound, fmt.Sprintf("There is no tag %d.", id), "Search for the ids of the tags there are.")
	}
	return reply{response: qps.NewResult(qps.SchemaTag, tagRecords(all[i:i+1], all)...)}, nil
}

func (a *api) createTag(r *http.Request) (reply, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return reply{}, err
	}
	change, err := tagChange(req)
	if err != nil {
		return reply{}, err
	}
	if err := a.allowTagChange(r, nil, change); err != nil {
		return reply{}, err
	}
	id, err := a.Tags.CreateTag(r.Context(), change)
	if err != nil {
		return reply{}, err
	}
	describeMade(r, id, *change.Name) // CreateTag takes no tag without a name
	return a.oneTag(r, id)
}

// updateTags changes the tag in the path, or the one whose id is in the body, or
// all that meet the criteria.
func (a *api) updateTags(r *http.Request) (reply, error) {
	id, single, err := tagID(r)
	if err != nil {
		return reply{}, err
	}
	req, conditions, err := tagRequest(r)
	if err != nil {
		return reply{}, err
	}
	change, err := tagChange(req)
	if err != nil {
		return reply{}, err
	}
	if change.ID != nil {
		if (single && *change.ID != id) || (!single && len(conditions) > 0) {
			return reply{}, fault.New(fault.Invalid, fmt.Sprintf("id: %d is given besides what selects the tags.", *change.ID),
				"Give the id in the path or in the body, or criteria.")
		}
		id, single = *change.ID, true
	}
	ids := []int64{id}
	if !single {
		if ids, err = a.selectedTags(r, conditions); err != nil {
			return reply{}, err
		}
	}
	if err := a.allowTagChange(r, ids, change); err != nil {
		return reply{}, err
	}
	if err := a.Tags.UpdateTags(r.Context(), ids, change); err != nil {
		return reply{}, err
	}
	return tagIDs(ids), nil
}

// deleteTags deletes the tag in the path, whose body is not read, or all that
// meet the criteria.
func (a *api) deleteTags(r *http.Request) (reply, error) {
	id, single, err := tagID(r)
	if err != nil {
		return reply{}, err
	}
	ids := []int64{id}
	if !single {
		_, conditions, err := tagRequest(r)
		if err != nil {
			return reply{}, err
		}
		if ids, err = a.selectedTags(r, conditions); err != nil {
			return reply{}, err
		}
	}
	if err := server.ScopeOf(r.Context()).AllowTags(ids); err != nil {
		return reply{}, err
	}
	if err := a.Tags.DeleteTags(r.Context(), ids); err != nil {
		return reply{}, err
	}
	return tagIDs(ids), nil
}

// allowTagChange refuses a change of rules without the permission for it, and what
// reaches beyond the caller's scope.
func (a *api) allowTagChange(r *http.Request, ids []int64, change qps.TagChange) error {
	mayRule, scope := server.PrincipalOf(r.Context()).May(access.ModifyDynamicTagRules), server.ScopeOf(r.Context())
	if mayRule && scope.All {
		return nil
	}
	all, err := a.Tags.Tags(r.Context())
	if err != nil {
		return err
	}
	if !mayRule && fleet.ChangesRule(all, ids, change) {
		return fault.New(fault.Forbidden, "ruleType: a tag with a rule needs "+access.ModifyDynamicTagRules.Label()+".",
			"Create a static tag, or ask a manager to check the permission settings of this account.")
	}
	return scope.AllowTagChange(all, ids, change)
}

// selectedTags returns the tags of a bulk call.
func (a *api) selectedTags(r *http.Request, conditions []fleet.Condition) ([]int64, error) {
	if err := fleet.CheckBulk(conditions); err != nil {
		return nil, err
	}
	tags, _, err := a.matchingTags(r, conditions)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(tags))
	for i, t := range tags {
		ids[i] = t.ID
	}
	return ids, nil
}

// evaluateTags refuses the deprecated call as the Qualys platform does.
func evaluateTags(*http.Request) (reply, error) {
	return reply{}, fault.New(fault.Invalid, "The evaluate call is no longer supported.",
		"There is nothing to do: a tag is evaluated when it is created or its rule changes, and for a host whenever the host changes.")
}

// tagChange reads the one tag of a request's data.
func tagChange(req *qps.Request) (qps.TagChange, error) {
	n, err := onlyObject(req, "Tag")
	if err != nil {
		return qps.TagChange{}, err
	}
	return qps.ParseTagChange(n)
}

// onlyObject returns the one object of a request's data.
func onlyObject(req *qps.Request, name string) (*qps.Node, error) {
	if req.Data == nil || len(req.Data.Children) != 1 || req.Data.Children[0].Name != name {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("data: there is not exactly one %s.", name), fmt.Sprintf("Send one %s in data.", name))
	}
	return req.Data.Children[0], nil
}

func (a *api) updateHosts(r *http.Request) (reply, error) {
	return a.assignTags(r, "HostAsset", qps.SchemaHostAsset, nil, func(id int64) qps.Record { return &qps.HostAsset{ID: id} })
}

func (a *api) updateAssets(r *http.Request) (reply, error) {
	return a.assignTags(r, "Asset", qps.SchemaAsset, assetFields, func(id int64) qps.Record { return &qps.Asset{ID: id} })
}

// assignTags changes the tags of the asset in the path, or of all that meet the
// criteria.
func (a *api) assignTags(r *http.Request, object, schema string, fields []string, record func(id int64) qps.Record) (reply, error) {
	req, conditions, err := criteriaOf(r, fields)
	if err != nil {
		return reply{}, err
	}
	n, err := onlyObject(req, object)
	if err != nil {
		return reply{}, err
	}
	assignment, err := qps.ParseTagAssignment(n)
	if err != nil {
		return reply{}, err
	}
	ids, err := a.assign(r, conditions, assignment)
	if err != nil {
		return reply{}, err
	}
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = record(id)
	}
	onlyID, err := qps.ParseFields("id")
	return reply{qps.NewResult(schema, records...), onlyID}, err
}

func (a *api) assign(r *http.Request, conditions []fleet.Condition, assignment qps.TagAssignment) ([]int64, error) {
	if r.PathValue("id") == "" {
		return a.Tagger.AssignMatching(r.Context(), server.ScopeOf(r.Context()), conditions, assignment)
	}
	id, err := assetID(r)
	if err != nil {
		return nil, err
	}
	return []int64{id}, a.Tagger.AssignOne(r.Context(), server.ScopeOf(r.Context()), id, assignment)
}
