package qpsclient

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

// found is what a search yielded.
type found struct {
	IDs  []int64
	More bool // of the last page
}

func search(t *testing.T, c *Client, s HostAssetSearch) (found, error) {
	t.Helper()
	var f found
	for page, err := range c.SearchHostAssets(context.Background(), s) {
		if err != nil {
			return f, err
		}
		for _, h := range page.Assets {
			f.IDs = append(f.IDs, h.ID)
		}
		f.More = page.More
	}
	return f, nil
}

func TestSearchFollowsPages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		pages   []http.HandlerFunc
		search  HostAssetSearch
		want    found
		cursors []string // value of the id criterion, by request
	}{
		{"no match", []http.HandlerFunc{page(false, 0)}, HostAssetSearch{}, found{}, []string{""}},
		{"one page", []http.HandlerFunc{page(false, 2, 1, 2)}, HostAssetSearch{}, found{IDs: []int64{1, 2}}, []string{""}},
		{"several pages", []http.HandlerFunc{page(true, 2, 1, 2), page(true, 4, 3, 4), page(false, 5, 5)}, HostAssetSearch{},
			found{IDs: []int64{1, 2, 3, 4, 5}}, []string{"", "2", "4"}},
		{"pages that overlap", []http.HandlerFunc{page(true, 2, 1, 2), page(false, 3, 2, 3)}, HostAssetSearch{},
			found{IDs: []int64{1, 2, 3}}, []string{"", "2"}},
		{"a lastId that begins the next page", []http.HandlerFunc{page(true, 3, 1, 2), page(false, 3, 3)}, HostAssetSearch{},
			found{IDs: []int64{1, 2, 3}}, []string{"", "2"}},
		{"pages out of order", []http.HandlerFunc{page(true, 1, 3, 1, 2), page(false, 4, 4)}, HostAssetSearch{},
			found{IDs: []int64{1, 2, 3, 4}}, []string{"", "3"}},
		{"an end at MaxRecords within a page", []http.HandlerFunc{page(true, 2, 1, 2), page(true, 4, 3, 4)}, HostAssetSearch{MaxRecords: 3},
			found{IDs: []int64{1, 2, 3}, More: true}, []string{"", "2"}},
		{"an end at MaxRecords with a page", []http.HandlerFunc{page(true, 2, 1, 2), page(false, 3, 3)}, HostAssetSearch{MaxRecords: 2},
			found{IDs: []int64{1, 2}, More: true}, []string{""}},
		{"exactly MaxRecords", []http.HandlerFunc{page(false, 2, 1, 2)}, HostAssetSearch{MaxRecords: 2}, found{IDs: []int64{1, 2}}, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.pages...)
			c, _ := newClient(t, p.URL)
			got, err := search(t, c, tt.search)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			var cursors []string
			for _, r := range p.received() {
				cursors = append(cursors, cursorOf(t, r))
			}
			if diff := cmp.Diff(tt.cursors, cursors); diff != "" {
				t.Errorf("cursors (-want +got):\n%s", diff)
			}
		})
	}
}

// cursorOf returns the value of the id criterion of a request.
func cursorOf(t *testing.T, r request) string {
	t.Helper()
	req, err := qps.DecodeRequest(strings.NewReader(r.body), r.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range req.Criteria {
		if c.Field == "id" && c.Operator == qps.OpGreater {
			return c.Value
		}
	}
	return ""
}

func TestSearchKeepsTheCallersCriteria(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, page(true, 6, 6), page(true, 7, 7), page(false, 8, 8))
	c, _ := newClient(t, p.URL)
	criteria := append(make([]qps.Criterion, 0, 8), qps.Criterion{Field: "os", Operator: qps.OpContains, Value: "Linux"})
	if _, err := search(t, c, HostAssetSearch{Criteria: criteria, PageSize: 1}); err != nil {
		t.Fatal(err)
	}
	req, err := qps.DecodeRequest(strings.NewReader(p.received()[2].body), "text/xml")
	if err != nil {
		t.Fatal(err)
	}
	want := []qps.Criterion{criteria[0], {Field: "id", Operator: qps.OpGreater, Value: "7"}}
	if diff := cmp.Diff(want, req.Criteria); diff != "" {
		t.Errorf("criteria of the third page (-want +got):\n%s", diff)
	}
	if req.Preferences.LimitResults != 1 {
		t.Errorf("limitResults = %d, want 1", req.Preferences.LimitResults)
	}
}

func TestSearchDoesNotRunInCircles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		pages []http.HandlerFunc
	}{
		{"the same page again", []http.HandlerFunc{page(true, 2, 1, 2)}},
		{"an empty page that promises more", []http.HandlerFunc{answer(200, "<ServiceResponse><responseCode>SUCCESS</responseCode><count>0</count><hasMoreRecords>true</hasMoreRecords></ServiceResponse>")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.pages...)
			c, _ := newClient(t, p.URL)
			_, err := search(t, c, HostAssetSearch{})
			broken, ok := errors.AsType[*TransportError](err)
			if !ok || broken.Kind != KindAnswer || len(p.received()) > 2 {
				t.Errorf("error = %v after %d requests, want kind answer after at most two", err, len(p.received()))
			}
		})
	}

	t.Run("more pages than allowed", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, page(true, 1, 1), page(true, 2, 2), page(true, 3, 3))
		c, _ := newClient(t, p.URL)
		c.limits.pages = 2
		if _, err := search(t, c, HostAssetSearch{}); err == nil || !strings.Contains(err.Error(), "more than 2 pages") {
			t.Errorf("error = %v, want one about the number of pages", err)
		}
	})
}

func TestSearchStopsWhenTheCallerDoes(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, page(true, 1, 1), page(false, 2, 2))
	c, _ := newClient(t, p.URL)
	for _, err := range c.SearchHostAssets(context.Background(), HostAssetSearch{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if n := len(p.received()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestSearchRefusesBadFields(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, page(false, 1, 1))
	c, _ := newClient(t, p.URL)
	if _, err := search(t, c, HostAssetSearch{Fields: []string{"name&x=y"}}); err == nil || len(p.received()) != 0 {
		t.Errorf("error = %v after %d requests, want one before any request", err, len(p.received()))
	}
}

func TestPortalVersionReadsBothRecords(t *testing.T) {
	t.Parallel()
	want := Versions{
		Portal: qps.PortalVersion{Application: "3.9", Modules: []qps.ModuleVersion{{Module: "CA", Version: "2.1"}}},
		QWeb:   qps.QWebVersion{Web: "8.1", Scanner: "12.0", VulnSigs: "2.6"},
	}
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaPortalVersion, &want.Portal, &want.QWeb)))
	c, _ := newClient(t, p.URL)
	got, err := c.PortalVersion(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}
