package qpsapi

import (
	"context"
	"net/http"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

const authRecordElement = "AwsAuthRecord"

// authRecordCalls are the calls on AWS authentication records. Answers never hold
// their keys: the domain gives none out.
type authRecordCalls struct{ *api }

func (a *api) authRecordCalls() authRecordCalls { return authRecordCalls{a} }

func authRecord(record *connector.AuthRecord) *qps.AwsAuthRecord {
	return &qps.AwsAuthRecord{ID: record.ID, Name: record.Name, Description: record.Description, Created: record.Created, Modified: record.Modified}
}

func onlyAuthRecordID(id int64) qps.Record { return &qps.AwsAuthRecord{ID: id} }

// get answers with one record. A body, which some clients send, is not read.
func (o authRecordCalls) get(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, _, err := pathID(r, authRecordElement)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.AuthRecord(r.Context(), server.ScopeOf(r.Context()), id)
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaAwsAuthRecord, authRecord(&found)), fields}, nil
}

func (o authRecordCalls) search(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.SearchAuthRecords(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	list, more, lastID := page(found, authRecordID, req.Preferences)
	records := make([]qps.Record, len(list))
	for i := range list {
		records[i] = authRecord(&list[i])
	}
	return reply{qps.NewPage(qps.SchemaAwsAuthRecord, records, more, lastID), fields}, nil
}

func (o authRecordCalls) count(r *http.Request) (reply, error) {
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	found, err := o.Connectors.SearchAuthRecords(r.Context(), server.ScopeOf(r.Context()), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaAwsAuthRecord, int64(len(found)))}, nil
}

func (o authRecordCalls) create(r *http.Request) (reply, error) {
	change, _, err := dataObject(r, authRecordElement, qps.ParseAwsAuthRecordChange)
	if err != nil {
		return reply{}, err
	}
	made, err := o.Connectors.CreateAuthRecord(r.Context(), server.ScopeOf(r.Context()), change)
	if err != nil {
		return reply{}, err
	}
	describeMade(r, made.ID, made.Name)
	return reply{response: qps.NewResult(qps.SchemaAwsAuthRecord, authRecord(&made))}, nil
}

// update changes the record in the path, or the one whose id is in the body, or
// all that meet the criteria, and answers with ids.
func (o authRecordCalls) update(r *http.Request) (reply, error) {
	change, criteria, err := dataObject(r, authRecordElement, qps.ParseAwsAuthRecordChange)
	if err != nil {
		return reply{}, err
	}
	selected, err := targetOf(r, authRecordElement, change.ID, criteria)
	if err != nil {
		return reply{}, err
	}
	ids, err := touch(r, selected, func(ctx context.Context, scope fleet.Scope, id int64) error {
		_, err := o.Connectors.UpdateAuthRecord(ctx, scope, id, change)
		return err
	}, func(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]connector.AuthRecord, error) {
		return o.Connectors.UpdateAuthRecordsMatching(ctx, scope, criteria, change)
	}, authRecordID)
	return onlyIDs(qps.SchemaAwsAuthRecord, ids, onlyAuthRecordID, err)
}

// remove deletes the record in the path or all that meet the criteria, and answers
// with ids.
func (o authRecordCalls) remove(r *http.Request) (reply, error) {
	selected, err := selectedBy(r, authRecordElement)
	if err != nil {
		return reply{}, err
	}
	ids, err := touch(r, selected, o.Connectors.DeleteAuthRecord, o.Connectors.DeleteAuthRecordsMatching, authRecordID)
	return onlyIDs(qps.SchemaAwsAuthRecord, ids, onlyAuthRecordID, err)
}

func authRecordID(a *connector.AuthRecord) int64 { return a.ID }
