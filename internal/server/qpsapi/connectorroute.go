package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Versions of the calls on connectors: 2.0 is the Asset Management API, 3.0 the
// Connectors API. Both are one here; they differ in elements of objects.
var (
	connectorVersions = []string{"2.0", "3.0"}
	version3          = []string{"3.0"}
)

// cloudObject is an object of the API that belongs to connectors, with its calls;
// a nil one is not there.
type cloudObject struct {
	name     string // in paths
	versions []string
	schema   func(r *http.Request) string

	get, search, count, create, update, remove, run call
}

// connectorRoutes are the calls on connectors and on what belongs to them (Qualys
// Asset Management API 2.0, AWS asset data connector and AWS authentication
// record; Connectors API 3.0).
func (a *api) connectorRoutes() []server.Route {
	aws, anyCloud, keys, base := a.awsConnectorCalls(), a.anyConnectorCalls(), a.authRecordCalls(), baseAccountCalls{a}
	var routes []server.Route
	for _, o := range []cloudObject{
		{
			name: "awsassetdataconnector", versions: connectorVersions, schema: awsConnectorSchema,
			get: aws.get, search: aws.search, count: aws.count, create: aws.create, update: aws.update, remove: aws.remove, run: aws.run,
		},
		{
			name: "assetdataconnector", versions: connectorVersions, schema: oneSchema(qps.SchemaAssetDataConnector),
			get: anyCloud.get, search: anyCloud.search, count: anyCloud.count, update: anyCloud.update, remove: anyCloud.remove, run: aws.run,
		},
		{
			name: "awsauthrecord", versions: connectorVersions, schema: oneSchema(qps.SchemaAwsAuthRecord),
			get: keys.get, search: keys.search, count: keys.count, create: keys.create, update: keys.update, remove: keys.remove,
		},
		{name: "assetdataconnectorerrors", versions: version3, schema: oneSchema(qps.SchemaAssetDataConnectorErrors), search: a.searchConnectorErrors},
		{name: "awsbaseaccount", versions: version3, schema: oneSchema(qps.SchemaAwsBaseAccount), get: base.get, search: base.search},
	} {
		routes = append(routes, a.objectRoutes(o)...)
	}
	return append(routes, a.templateRoutes()...)
}

// objectRoutes are the routes of an object, each with and without the part /am/:
// the release note and the guide leave it out of some of their samples.
func (a *api) objectRoutes(o cloudObject) []server.Route {
	read, write := []string{http.MethodGet, http.MethodPost}, []string{http.MethodPost}
	put, remove := []string{http.MethodPost, http.MethodPut}, []string{http.MethodPost, http.MethodDelete}
	var routes []server.Route
	for _, c := range []struct {
		methods []string
		verb    string
		do      call
		id      string
	}{
		{read, "get", o.get, "/{id}"},
		{write, "search", o.search, ""},
		{read, "count", o.count, ""},
		{write, "create", o.create, ""},
		{put, "update", o.update, ""},
		{put, "update", o.update, "/{id}"},
		{remove, "delete", o.remove, ""},
		{remove, "delete", o.remove, "/{id}"},
		{write, "run", o.run, ""},
		{write, "run", o.run, "/{id}"},
	} {
		if c.do == nil {
			continue
		}
		for _, form := range []string{"am/", ""} {
			route := a.route(c.methods, "/qps/rest/{version}/"+c.verb+"/"+form+o.name+c.id, "", versioned(o.versions, c.do))
			route.WriteFailure = func(w http.ResponseWriter, r *http.Request, f server.Failure) { a.failureWriter(o.schema(r))(w, r, f) }
			routes = append(routes, route)
		}
	}
	return routes
}

func oneSchema(schema string) func(*http.Request) string {
	return func(*http.Request) string { return schema }
}

// isVersion3 reports whether a request is to version 3.0 of the API.
func isVersion3(r *http.Request) bool { return r.PathValue("version") == version3[0] }

// pathID returns the id at the end of the path, and whether there is one.
func pathID(r *http.Request, element string) (id int64, found bool, err error) {
	text := r.PathValue("id")
	if text == "" {
		return 0, false, nil
	}
	id, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, true, fault.New(fault.Invalid, fmt.Sprintf("%s id: invalid value '%s'.", element, server.Echo(text)),
			fmt.Sprintf("Specify the numeric id (%s.id).", element))
	}
	return id, true, nil
}

// selected is what a call that changes something is about: the object with an id,
// or those that meet criteria.
type selected struct {
	id       int64
	single   bool
	criteria []qps.Criterion
}

// targetOf returns the target of a call: the id in the path, or the id in the body
// where there is one, or the criteria.
func targetOf(r *http.Request, element string, said *int64, criteria []qps.Criterion) (selected, error) {
	id, single, err := pathID(r, element)
	if err != nil {
		return selected{}, err
	}
	if said != nil {
		if (single && *said != id) || (!single && len(criteria) > 0) {
			return selected{}, fault.New(fault.Invalid, fmt.Sprintf("%s: id %d is given besides what selects.", element, *said),
				"Give the id in the path or in the body, or criteria.")
		}
		id, single = *said, true
	}
	return selected{id, single, criteria}, nil
}

// selectedBy returns the target of a call without data. With an id in the path
// the body, which some clients send, is not read.
func selectedBy(r *http.Request, element string) (selected, error) {
	id, single, err := pathID(r, element)
	if single || err != nil {
		return selected{id: id, single: true}, err
	}
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return selected{}, err
	}
	describe(r, req.Criteria)
	return selected{criteria: req.Criteria}, nil
}

// touch does to the target of a call what one does to an object and many to those
// that meet criteria, and returns the ids of what it was done to.
func touch[T any](r *http.Request, target selected, one func(context.Context, fleet.Scope, int64) error,
	many func(context.Context, fleet.Scope, []qps.Criterion) ([]T, error), id func(*T) int64,
) ([]int64, error) {
	ctx, scope := r.Context(), server.ScopeOf(r.Context())
	if target.single {
		return []int64{target.id}, one(ctx, scope, target.id)
	}
	touched, err := many(ctx, scope, target.criteria)
	ids := make([]int64, len(touched))
	for i := range touched {
		ids[i] = id(&touched[i])
	}
	return ids, err
}

// searchRequest reads the body of a search or a count.
func searchRequest(r *http.Request) (*qps.Request, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err == nil {
		describe(r, req.Criteria)
	}
	return req, err
}

// page cuts a page out of what a search found, in ascending order of id, and says
// whether more follows and which id is the last. Without id there are none.
func page[T any](found []T, id func(*T) int64, p qps.Preferences) (cut []T, more bool, lastID int64) {
	for id != nil && len(found) > 0 && id(&found[0]) < p.StartFromID {
		found = found[1:]
	}
	found = found[min(int64(len(found)), p.StartFromOffset-1):]
	if more = len(found) > p.LimitResults; more {
		found = found[:p.LimitResults]
	}
	if id != nil && len(found) > 0 {
		lastID = id(&found[len(found)-1])
	}
	return found, more, lastID
}

// onlyIDs answers with nothing but the ids of objects.
func onlyIDs(schema string, ids []int64, record func(id int64) qps.Record, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = record(id)
	}
	fields, err := qps.ParseFields("id")
	return reply{qps.NewResult(schema, records...), fields}, err
}

// dataObject returns the one object of a request's data and parses it.
func dataObject[C any](r *http.Request, element string, parse func(*qps.Node) (C, error)) (C, []qps.Criterion, error) {
	var none C
	body, err := onlyElement(r, element)
	if err != nil {
		return none, nil, err
	}
	if len(body.criteria) > 0 {
		describe(r, body.criteria)
	}
	change, err := parse(body.data)
	return change, body.criteria, err
}
