package qpsapi

import (
	"context"
	"net/http"
	"strings"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// connectorCalls are the calls on connectors as one object of the API has them:
// all of an AWS connector, or what connectors of every cloud have in common.
type connectorCalls struct {
	*api
	element string
	schema  func(r *http.Request) string
	record  func(r *http.Request, c *connector.Connector, assuming accounts) qps.Record
	onlyID  func(id int64) qps.Record
	parse   func(n *qps.Node) (qps.AwsAssetDataConnectorChange, error)
}

func (a *api) awsConnectorCalls() connectorCalls {
	return connectorCalls{
		api: a, element: "AwsAssetDataConnector", schema: awsConnectorSchema, record: awsConnectorRecord, parse: qps.ParseAwsAssetDataConnectorChange,
		onlyID: func(id int64) qps.Record {
			return &qps.AwsAssetDataConnector{AssetDataConnector: qps.AssetDataConnector{ID: id}}
		},
	}
}

func (a *api) anyConnectorCalls() connectorCalls {
	return connectorCalls{
		api: a, element: "AssetDataConnector", schema: oneSchema(qps.SchemaAssetDataConnector),
		record: func(_ *http.Request, c *connector.Connector, _ accounts) qps.Record {
			return connectorRecord(c).InVersion2()
		},
		onlyID: func(id int64) qps.Record { return &qps.AssetDataConnector{ID: id} },
		parse: func(n *qps.Node) (qps.AwsAssetDataConnectorChange, error) {
			change, err := qps.ParseAssetDataConnectorChange(n)
			return qps.AwsAssetDataConnectorChange{AssetDataConnectorChange: change}, err
		},
	}
}

// records returns connectors as the API shows them.
func (o connectorCalls) records(r *http.Request, list []connector.Connector) ([]qps.Record, error) {
	assuming, err := o.assumingAccounts(r)
	if err != nil {
		return nil, err
	}
	records := make([]qps.Record, len(list))
	for i := range list {
		records[i] = o.record(r, &list[i], assuming)
	}
	return records, nil
}

func (o connectorCalls) answer(r *http.Request, list []connector.Connector) (reply, error) {
	records, err := o.records(r, list)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewResult(o.schema(r), records...)}, nil
}

// get answers with one connector. A body, which some clients send, is not read.
func (o connectorCalls) get(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, _, err := pathID(r, o.element)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.Get(r.Context(), server.ScopeOf(r.Context()), id)
	if err != nil {
		return reply{}, err
	}
	answer, err := o.answer(r, []connector.Connector{found})
	answer.fields = fields
	return answer, err
}

func (o connectorCalls) search(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.Search(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	list, more, lastID := page(found, connectorID, req.Preferences)
	records, err := o.records(r, list)
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewPage(o.schema(r), records, more, lastID), fields}, nil
}

func (o connectorCalls) count(r *http.Request) (reply, error) {
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.Search(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(o.schema(r), int64(len(found)))}, nil
}

// create makes a connector. In version 2.0 its answer does not repeat which
// authentication record was given, as that of the release note does not.
func (o connectorCalls) create(r *http.Request) (reply, error) {
	change, _, err := dataObject(r, o.element, o.parse)
	if err != nil {
		return reply{}, err
	}
	made, err := o.Connectors.Create(r.Context(), server.ScopeOf(r.Context()), change)
	if err != nil {
		return reply{}, err
	}
	describeMade(r, made.ID, made.Name)
	answer, err := o.answer(r, []connector.Connector{made})
	if err != nil || isVersion3(r) {
		return answer, err
	}
	for _, record := range answer.response.Records {
		if aws, ok := record.(*qps.AwsAssetDataConnector); ok && aws.AuthRecord != nil {
			aws.AuthRecord.ID = 0
		}
	}
	return answer, nil
}

// update changes the connector in the path, or the one whose id is in the body, or
// all that meet the criteria, and answers with ids (Qualys Connectors API, update).
func (o connectorCalls) update(r *http.Request) (reply, error) {
	change, criteria, err := dataObject(r, o.element, o.parse)
	if err != nil {
		return reply{}, err
	}
	selected, err := targetOf(r, o.element, change.ID, criteria)
	if err != nil {
		return reply{}, err
	}
	ids, err := touch(r, selected, func(ctx context.Context, scope fleet.Scope, id int64) error {
		_, err := o.Connectors.Update(ctx, scope, id, change)
		return err
	}, func(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]connector.Connector, error) {
		return o.Connectors.UpdateMatching(ctx, scope, criteria, change)
	}, connectorID)
	return onlyIDs(o.schema(r), ids, o.onlyID, err)
}

// remove deletes the connector in the path or all that meet the criteria, and
// answers with ids.
func (o connectorCalls) remove(r *http.Request) (reply, error) {
	selected, err := selectedBy(r, o.element)
	if err != nil {
		return reply{}, err
	}
	ids, err := touch(r, selected, o.Connectors.Delete, o.Connectors.DeleteMatching, connectorID)
	return onlyIDs(o.schema(r), ids, o.onlyID, err)
}

// run asks for a run of the connector in the path, or of all that meet the
// criteria, and answers at once with them in their new state.
func (o connectorCalls) run(r *http.Request) (reply, error) {
	selected, err := selectedBy(r, o.element)
	if err != nil {
		return reply{}, err
	}
	ctx, scope, by := r.Context(), server.ScopeOf(r.Context()), server.UserOf(r.Context()).Username
	var queued []connector.Connector
	if selected.single {
		queued = make([]connector.Connector, 1)
		queued[0], err = o.Connectors.Run(ctx, scope, selected.id, by)
	} else {
		queued, err = o.Connectors.RunMatching(ctx, scope, selected.criteria, by)
	}
	if err != nil {
		return reply{}, err
	}
	return o.answer(r, queued)
}

func connectorID(c *connector.Connector) int64 { return c.ID }

// searchConnectorErrors answers what went wrong in the runs of the connectors
// that the criteria name by id.
func (a *api) searchConnectorErrors(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	found, err := a.Connectors.Errors(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	list, more, _ := page(found, nil, req.Preferences)
	records := make([]qps.Record, len(list))
	for i, e := range list {
		records[i] = &qps.AssetDataConnectorErrors{ErrorMessage: errorText(e), Created: e.Created}
	}
	return reply{qps.NewPage(qps.SchemaAssetDataConnectorErrors, records, more, 0), fields}, nil
}

// errorText names the region, as what AWS refuses does by itself.
func errorText(e connector.RunError) string {
	if strings.Contains(e.Message, e.Region) {
		return e.Message
	}
	return e.Region + ": " + e.Message
}
