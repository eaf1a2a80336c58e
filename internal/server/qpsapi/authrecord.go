package qpsapi

import (
	"net/http"

	"vedette.dev/vedette/internal/connector"
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
	list, more, lastID := page(found, func(a *connector.AuthRecord) int64 { return a.ID }, req.Preferences)
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
	ctx, scope := r.Context(), server.ScopeOf(r.Context())
	if selected.single {
		if _, err := o.Connectors.UpdateAuthRecord(ctx, scope, selected.id, change); err != nil {
			return reply{}, err
		}
		return onlyIDs(qps.SchemaAwsAuthRecord, []int64{selected.id}, onlyAuthRecordID)
	}
	changed, err := o.Connectors.UpdateAuthRecordsMatching(ctx, scope, selected.criteria, change)
	if err != nil {
		return reply{}, err
	}
	return onlyIDs(qps.SchemaAwsAuthRecord, authRecordIDs(changed), onlyAuthRecordID)
}

// remove deletes the record in the path or all that meet the criteria, and answers
// with ids.
func (o authRecordCalls) remove(r *http.Request) (reply, error) {
	selected, err := selectedBy(r, authRecordElement)
	if err != nil {
		return reply{}, err
	}
	ctx, scope := r.Context(), server.ScopeOf(r.Context())
	if selected.single {
		if err := o.Connectors.DeleteAuthRecord(ctx, scope, selected.id); err != nil {
			return reply{}, err
		}
		return onlyIDs(qps.SchemaAwsAuthRecord, []int64{selected.id}, onlyAuthRecordID)
	}
	deleted, err := o.Connectors.DeleteAuthRecordsMatching(ctx, scope, selected.criteria)
	if err != nil {
		return reply{}, err
	}
	return onlyIDs(qps.SchemaAwsAuthRecord, authRecordIDs(deleted), onlyAuthRecordID)
}

func authRecordIDs(list []connector.AuthRecord) []int64 {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}
