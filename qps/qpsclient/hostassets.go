package qpsclient

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// MaxPages bounds the pages of one search. A million hosts in pages of a
// thousand are a thousand pages; ten times that is a platform that never ends.
const MaxPages = 10_000

// Versions are the versions a platform reports of itself.
type Versions struct {
	Portal qps.PortalVersion
	QWeb   qps.QWebVersion
}

// PortalVersion returns the versions of the platform, which needs nothing but
// valid credentials.
func (c *Client) PortalVersion(ctx context.Context) (Versions, error) {
	resp, err := c.envelope(ctx, get("/qps/rest/portal/version"))
	if err != nil {
		return Versions{}, fmt.Errorf("read portal version: %w", err)
	}
	var v Versions
	for _, r := range resp.Records {
		switch r := r.(type) {
		case *qps.PortalVersion:
			v.Portal = *r
		case *qps.QWebVersion:
			v.QWeb = *r
		}
	}
	return v, nil
}

// CountHostAssets returns how many host assets meet all criteria; without any,
// all that the account may see.
func (c *Client) CountHostAssets(ctx context.Context, criteria []qps.Criterion) (int64, error) {
	resp, err := c.envelope(ctx, post(c.am("count"), &qps.Request{Criteria: criteria}))
	if err != nil {
		return 0, fmt.Errorf("count host assets: %w", err)
	}
	if !resp.HasCount {
		return 0, fmt.Errorf("count host assets: %w", c.badAnswer("there is no count"))
	}
	return resp.Count, nil
}

// GetHostAsset returns one host asset by its id.
func (c *Client) GetHostAsset(ctx context.Context, id int64) (*qps.HostAsset, error) {
	resp, err := c.envelope(ctx, get(c.am("get")+"/"+strconv.FormatInt(id, 10)))
	if err != nil {
		return nil, fmt.Errorf("get host asset %d: %w", id, err)
	}
	for _, r := range resp.Records {
		if h, ok := r.(*qps.HostAsset); ok && h.ID == id {
			return h, nil
		}
	}
	return nil, fmt.Errorf("get host asset %d: %w", id, c.badAnswer("there is no HostAsset with this id"))
}

// HostAssetSearch selects host assets.
type HostAssetSearch struct {
	Criteria []qps.Criterion // all must hold; none selects everything
	// Fields limits the elements of each host to these paths, as
	// qps.ParseFields reads them; none means all. The id always comes.
	Fields []string
	// PageSize is the number of hosts asked for at a time, 1 to
	// qps.MaxLimitResults; zero means qps.DefaultLimitResults.
	PageSize int
	// MaxRecords ends the search after so many hosts; zero means no bound.
	MaxRecords int
}

// HostAssetPage is a page of a search.
type HostAssetPage struct {
	Assets []*qps.HostAsset // not seen on an earlier page
	// More says that hosts follow. On the last page that a search yields it
	// means that MaxRecords ended the search.
	More bool
	// LastID is the largest id so far: a search with the additional criterion
	// id GREATER LastID continues here.
	LastID int64
}

// SearchHostAssets yields the hosts of a search page by page, in ascending
// order of id; the first error ends it. Pages are asked for one after the other
// by id, so hosts that appear or vanish meanwhile neither repeat nor hide
// others. Breaking out of the loop makes no further call.
func (c *Client) SearchHostAssets(ctx context.Context, s HostAssetSearch) iter.Seq2[HostAssetPage, error] {
	return func(yield func(HostAssetPage, error) bool) {
		query, err := fieldsQuery(s.Fields)
		if err != nil {
			yield(HostAssetPage{}, fmt.Errorf("search host assets: %w", err))
			return
		}
		p := pager{client: c, search: s, query: query, seen: map[int64]bool{}}
		for more := true; more; {
			page, err := p.next(ctx)
			if err != nil {
				yield(HostAssetPage{}, fmt.Errorf("search host assets: %w", err))
				return
			}
			// More stays true when a bound ends the search.
			more = page.More && (s.MaxRecords <= 0 || len(p.seen) < s.MaxRecords)
			if !yield(page, nil) {
				return
			}
		}
	}
}

// pager walks through the pages of one search.
type pager struct {
	client *Client
	search HostAssetSearch
	query  string
	seen   map[int64]bool
	lastID int64
	pages  int
}

func (p *pager) next(ctx context.Context) (HostAssetPage, error) {
	if p.pages++; p.pages > p.client.limits.pages {
		return HostAssetPage{}, p.client.badAnswer(fmt.Sprintf("the search has more than %d pages", p.client.limits.pages))
	}
	in := post(p.client.am("search"), p.request())
	in.query = p.query
	resp, err := p.client.envelope(ctx, in)
	if err != nil {
		return HostAssetPage{}, err
	}
	before := p.lastID
	page := HostAssetPage{Assets: p.unseen(resp.Records), More: resp.HasMore != nil && *resp.HasMore}
	if len(page.Assets) == 0 {
		p.lastID = max(p.lastID, resp.LastID)
	}
	if page.More && p.lastID <= before {
		// Asking again would give the same page for ever.
		return HostAssetPage{}, p.client.badAnswer(fmt.Sprintf("page %d has no host after id %d but says that more follow", p.pages, before))
	}
	if over := len(p.seen) - p.search.MaxRecords; p.search.MaxRecords > 0 && over > 0 {
		page.Assets, page.More = page.Assets[:len(page.Assets)-over], true
		p.lastID = page.Assets[len(page.Assets)-1].ID
	}
	page.LastID = p.lastID
	return page, nil
}

func (p *pager) request() *qps.Request {
	req := &qps.Request{Criteria: p.search.Criteria}
	req.Preferences.LimitResults = p.search.PageSize
	if p.lastID > 0 {
		// Platforms differ in whether lastId belongs to this page or begins
		// the next one; the largest id received is right with both.
		req.Criteria = append(slices.Clone(req.Criteria),
			qps.Criterion{Field: "id", Operator: qps.OpGreater, Value: strconv.FormatInt(p.lastID, 10)})
	}
	return req
}

// unseen returns the hosts that no earlier page had, in order of id.
func (p *pager) unseen(records []qps.Record) []*qps.HostAsset {
	var fresh []*qps.HostAsset
	for _, r := range records {
		if h, ok := r.(*qps.HostAsset); ok && !p.seen[h.ID] {
			p.seen[h.ID] = true
			p.lastID = max(p.lastID, h.ID)
			fresh = append(fresh, h)
		}
	}
	slices.SortFunc(fresh, func(a, b *qps.HostAsset) int { return cmp.Compare(a.ID, b.ID) })
	return fresh
}

// fieldsQuery returns the query with literal commas: the Qualys platform does
// not understand encoded ones and answers without records.
func fieldsQuery(paths []string) (string, error) {
	if len(paths) == 0 {
		return "", nil
	}
	if !slices.Contains(paths, "id") {
		paths = append([]string{"id"}, paths...)
	}
	joined := strings.Join(paths, ",")
	if _, err := qps.ParseFields(joined); err != nil {
		return "", err
	}
	return "fields=" + joined, nil
}

// am returns the path of an operation on host assets.
func (c *Client) am(operation string) string {
	return "/qps/rest/" + c.apiVersion + "/" + operation + "/am/hostasset"
}

func (c *Client) badAnswer(what string) error {
	return &TransportError{Kind: KindAnswer, Host: c.base.Host, Err: fmt.Errorf("%s", what)}
}
