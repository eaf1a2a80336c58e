package qpsapi

import (
	"context"
	"fmt"
	"net/http"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// OwnAccounts says whose account the platform's own credentials open.
type OwnAccounts interface {
	// OwnAccount returns the twelve digits of the account in a partition, empty when
	// the platform has no credentials there. The first answer may take seconds.
	OwnAccount(ctx context.Context, p connector.Partition) string
}

// accounts are those that assume the roles of each partition.
type accounts struct {
	bases map[connector.Partition]string // that are set
	own   func(p connector.Partition) string
}

// assuming returns the account that assumes the roles of a partition, empty where
// it is not known, and whether it is one that was set as base account. China has
// no other (Qualys Connectors, help on China regions).
func (a accounts) assuming(p connector.Partition) (id string, set bool) {
	if id, set = a.bases[p]; set || p == connector.China {
		return id, set
	}
	return a.own(p), false
}

func (a *api) assumingAccounts(r *http.Request) (accounts, error) {
	list, err := a.Connectors.BaseAccounts(r.Context(), server.ScopeOf(r.Context()))
	if err != nil {
		return accounts{}, err
	}
	all := accounts{bases: make(map[connector.Partition]string), own: func(p connector.Partition) string {
		if a.OwnAccounts == nil {
			return ""
		}
		return a.OwnAccounts.OwnAccount(r.Context(), p)
	}}
	for _, base := range list {
		all.bases[base.Partition] = base.AccountID
	}
	return all, nil
}

// baseAccountID is the id of the one base account object: it has the accounts of
// all partitions.
const baseAccountID = 1

// baseAccountSchema is what criteria on the base account may ask for.
var baseAccountSchema = fleet.NewSchema(map[fleet.Field]fleet.Property[qps.AwsBaseAccount]{
	"id":              fleet.Integer(func(b *qps.AwsBaseAccount) []int64 { return []int64{b.ID} }),
	"globalAccountId": fleet.Text(func(b *qps.AwsBaseAccount) string { return b.GlobalAccountID }),
	"govAccountId":    fleet.Text(func(b *qps.AwsBaseAccount) string { return b.GovAccountID }),
	"chinaAccountId":  fleet.Text(func(b *qps.AwsBaseAccount) string { return b.ChinaAccountID }),
})

// baseAccountCalls are the calls on the base account. Setting one takes keys, for
// which the API has no words: that is the automation API's.
type baseAccountCalls struct{ *api }

func (o baseAccountCalls) record(r *http.Request) (*qps.AwsBaseAccount, error) {
	all, err := o.assumingAccounts(r)
	if err != nil {
		return nil, err
	}
	record := &qps.AwsBaseAccount{ID: baseAccountID}
	record.GlobalAccountID, record.CustomerGlobalAccount = all.assuming(connector.Commercial)
	record.GovAccountID, record.CustomerGovAccount = all.assuming(connector.GovCloud)
	record.ChinaAccountID, record.CustomerChinaAccount = all.assuming(connector.China)
	return record, nil
}

func (o baseAccountCalls) get(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, _, err := pathID(r, "AwsBaseAccount")
	if err != nil {
		return reply{}, err
	}
	record, err := o.record(r)
	if err != nil {
		return reply{}, err
	}
	if id != record.ID {
		return reply{}, fault.New(fault.NotFound, fmt.Sprintf("There is no base account %d.", id), fmt.Sprintf("The base account has the id %d.", record.ID))
	}
	return reply{qps.NewResult(qps.SchemaAwsBaseAccount, record), fields}, nil
}

func (o baseAccountCalls) search(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, err := searchRequest(r)
	if err != nil {
		return reply{}, err
	}
	conditions, err := baseAccountSchema.Parse(req.Criteria)
	if err != nil {
		return reply{}, err
	}
	record, err := o.record(r)
	if err != nil {
		return reply{}, err
	}
	var found []*qps.AwsBaseAccount
	if baseAccountSchema.Match(record, conditions) {
		found = append(found, record)
	}
	list, more, lastID := page(found, func(b **qps.AwsBaseAccount) int64 { return (*b).ID }, req.Preferences)
	records := make([]qps.Record, len(list))
	for i := range list {
		records[i] = list[i]
	}
	return reply{qps.NewPage(qps.SchemaAwsBaseAccount, records, more, lastID), fields}, nil
}
