package qpsapi

import (
	"net/http"
	"strings"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// decode reads the request's body and what its criteria mean.
func decode(r *http.Request) (*qps.Request, []fleet.Condition, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	describe(r, req.Criteria)
	conditions, err := fleet.ParseConditions(req.Criteria)
	if err != nil {
		return nil, nil, err
	}
	return req, conditions, nil
}

// selection returns the fields parameter, and which top-level elements it needs
// something of. Both are nil when everything is wanted.
func selection(r *http.Request) (fields *qps.Fields, include func(element string) bool, err error) {
	text, _ := parameter(r, "fields")
	if fields, err = qps.ParseFields(text); err != nil || fields == nil {
		return nil, nil, err
	}
	wanted := make(map[string]bool)
	for path := range strings.SplitSeq(text, ",") {
		element, _, _ := strings.Cut(strings.TrimSpace(path), ".")
		wanted[element] = true
	}
	return fields, func(element string) bool { return wanted[element] || wanted["*"] }, nil
}

func (a *api) countHosts(r *http.Request) (reply, error) {
	_, conditions, err := decode(r)
	if err != nil {
		return reply{}, err
	}
	count, err := a.Hosts.CountHosts(r.Context(), server.ScopeOf(r.Context()), conditions)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaHostAsset, count)}, nil
}

func (a *api) searchHosts(r *http.Request) (reply, error) {
	fields, include, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	req, conditions, err := decode(r)
	if err != nil {
		return reply{}, err
	}
	page, err := a.Hosts.SearchHosts(r.Context(), fleet.Query{
		Scope:      server.ScopeOf(r.Context()),
		Conditions: conditions,
		FromID:     req.Preferences.StartFromID,
		Offset:     req.Preferences.StartFromOffset - 1,
		Limit:      req.Preferences.LimitResults,
		Include:    include,
	})
	if err != nil {
		return reply{}, err
	}
	records := make([]qps.Record, len(page.Hosts))
	var lastID int64
	for i := range page.Hosts {
		records[i] = &page.Hosts[i]
		lastID = page.Hosts[i].ID
	}
	return reply{qps.NewPage(qps.SchemaHostAsset, records, page.More, lastID), fields}, nil
}

// getHost answers with one asset. A body, which some clients send, is not read.
func (a *api) getHost(r *http.Request) (reply, error) {
	fields, _, err := selection(r)
	if err != nil {
		return reply{}, err
	}
	id, err := assetID(r)
	if err != nil {
		return reply{}, err
	}
	host, err := a.Hosts.Host(r.Context(), server.ScopeOf(r.Context()), id)
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaHostAsset, &host), fields}, nil
}
