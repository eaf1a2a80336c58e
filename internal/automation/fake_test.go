package automation

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// testNow is the clock of the tests.
func testNow() time.Time { return time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC) }

// fakePlatform is a platform with function fields; a missing one gives the
// answer of a platform that holds assets.
type fakePlatform struct {
	assets map[int64]*qps.HostAsset

	count  func(criteria []qps.Criterion) (int64, error)
	search func(s qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error)
	get    func(id int64) (*qps.HostAsset, error)
	launch func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error)

	calls []string // one word per call, with what it was about
}

// platformWith returns a platform with agents of these ids.
func platformWith(ids ...int64) *fakePlatform {
	p := &fakePlatform{assets: map[int64]*qps.HostAsset{}}
	for _, id := range ids {
		p.assets[id] = &qps.HostAsset{ID: id, Name: fmt.Sprintf("host-%d", id), AgentInfo: &qps.AgentInfo{Status: qps.AgentActive}}
	}
	return p
}

func (p *fakePlatform) CountHostAssets(_ context.Context, criteria []qps.Criterion) (int64, error) {
	p.calls = append(p.calls, "count")
	if p.count != nil {
		return p.count(criteria)
	}
	return int64(len(p.assets)), nil
}

func (p *fakePlatform) SearchHostAssets(_ context.Context, s qpsclient.HostAssetSearch) iter.Seq2[qpsclient.HostAssetPage, error] {
	p.calls = append(p.calls, "search")
	pages, err := []qpsclient.HostAssetPage{{Assets: p.selected(s.Criteria)}}, error(nil)
	if p.search != nil {
		pages, err = p.search(s)
	}
	return func(yield func(qpsclient.HostAssetPage, error) bool) {
		for _, page := range pages {
			if !yield(page, nil) {
				return
			}
		}
		if err != nil {
			yield(qpsclient.HostAssetPage{}, err)
		}
	}
}

// selected returns the assets of an id list, or all, in order of id.
func (p *fakePlatform) selected(criteria []qps.Criterion) []*qps.HostAsset {
	var found []*qps.HostAsset
	for _, id := range p.selectedIDs(criteria) {
		found = append(found, p.assets[id])
	}
	return found
}

func (p *fakePlatform) selectedIDs(criteria []qps.Criterion) []int64 {
	var ids []int64
	for id := range p.assets {
		ids = append(ids, id)
	}
	for _, c := range criteria {
		if c.Field == "id" && c.Operator == qps.OpIn {
			list := strings.Split(c.Value, ",")
			ids = slices.DeleteFunc(ids, func(id int64) bool { return !slices.Contains(list, strconv.FormatInt(id, 10)) })
		}
	}
	slices.Sort(ids)
	return ids
}

func (p *fakePlatform) GetHostAsset(_ context.Context, id int64) (*qps.HostAsset, error) {
	p.calls = append(p.calls, fmt.Sprintf("get %d", id))
	if p.get != nil {
		return p.get(id)
	}
	if h, ok := p.assets[id]; ok {
		return h, nil
	}
	return nil, notFound()
}

func (p *fakePlatform) LaunchOnDemandScan(_ context.Context, l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
	if l.AssetID != 0 {
		p.calls = append(p.calls, fmt.Sprintf("launch %d", l.AssetID))
	} else {
		p.calls = append(p.calls, "launch "+l.Criteria[0].Value)
	}
	if p.launch != nil {
		return p.launch(l)
	}
	if l.AssetID != 0 {
		if p.assets[l.AssetID] == nil {
			return qpsclient.ScanLaunched{}, notFound()
		}
		return qpsclient.ScanLaunched{Count: 1, HasCount: true, AssetIDs: []int64{l.AssetID}}, nil
	}
	ids := p.selectedIDs(l.Criteria)
	return qpsclient.ScanLaunched{Count: int64(len(ids)), HasCount: true, AssetIDs: ids}, nil
}

// answers of a platform, as qpsclient returns them.

func notFound() error {
	return &qps.ResponseError{Code: qps.CodeNotFound, Message: "There is no such asset", HTTPStatus: 200}
}

func wrongCredentials() error {
	return fmt.Errorf("call: %w", &qps.ResponseError{
		Code: qps.CodeInvalidCredentials, Message: "Authentication failed", Resolution: "Verify both, user and password credentials.", HTTPStatus: 200})
}

func bareStatus(code int) error { return &qpsclient.StatusError{StatusCode: code} }

func unreachableHost(kind qpsclient.TransportKind) error {
	return &qpsclient.TransportError{Kind: kind, Host: "platform.example", Err: http.ErrServerClosed}
}
