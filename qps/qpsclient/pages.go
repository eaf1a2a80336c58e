package qpsclient

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"vedette.dev/vedette/qps"
)

// smallSearch is a search for objects of which there are hundreds, rarely
// thousands: they are returned as one list.
type smallSearch[T qps.Record] struct {
	path     string
	query    string // besides the criteria, such as "fields=id"
	criteria []qps.Criterion
	id       func(T) int64
}

// searchAll follows the pages of a search by the id of the last object and
// returns each object once, in ascending order of id.
func searchAll[T qps.Record](ctx context.Context, c *Client, search smallSearch[T]) ([]T, error) {
	var found []T
	var last int64
	for pages := 1; ; pages++ {
		page, more, err := searchPage(ctx, c, search, last)
		if err != nil {
			return nil, err
		}
		found = append(found, page...)
		if !more {
			return found, nil
		}
		if len(page) == 0 || pages == c.limits.pages {
			return nil, c.badAnswer("the pages of the search do not end")
		}
		last = search.id(page[len(page)-1])
	}
}

// searchPage returns the objects that follow the last one seen.
func searchPage[T qps.Record](ctx context.Context, c *Client, search smallSearch[T], last int64) (page []T, more bool, err error) {
	req := &qps.Request{Criteria: slices.Clone(search.criteria)}
	req.Preferences.LimitResults = qps.MaxLimitResults
	if last > 0 {
		req.Criteria = append(req.Criteria, qps.Criterion{Field: "id", Operator: qps.OpGreater, Value: strconv.FormatInt(last, 10)})
	}
	in := post(search.path, req)
	in.query = search.query
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return nil, false, err
	}
	for _, r := range resp.Records {
		if object, ok := r.(T); ok && search.id(object) > last {
			page = append(page, object)
		}
	}
	slices.SortFunc(page, func(a, b T) int { return cmp.Compare(search.id(a), search.id(b)) })
	return page, resp.HasMore != nil && *resp.HasMore, nil
}
