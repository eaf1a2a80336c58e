package qpsclient

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func clientOf(t *testing.T, p *platform) *Client {
	t.Helper()
	c, _ := newClient(t, p.URL)
	return c
}

func tagIDsOf(tags []*qps.Tag) []int64 {
	var ids []int64
	for _, t := range tags {
		ids = append(ids, t.ID)
	}
	return ids
}

func TestTagsOfAllPagesAreReturnedOnce(t *testing.T) {
	t.Parallel()
	page := func(more bool, ids ...int64) http.HandlerFunc {
		var records []qps.Record
		for _, id := range ids {
			records = append(records, &qps.Tag{ID: id, Name: fmt.Sprint(id)})
		}
		return answer(200, string(qps.AppendResponse(nil, qps.XML, qps.NewPage(qps.SchemaTag, records, more, ids[len(ids)-1]), nil)))
	}
	p := newPlatform(t, page(true, 2, 1), page(false, 2, 9_000_000_000))
	tags, err := clientOf(t, p).Tags(t.Context(), qps.Criterion{Field: "ruleType", Operator: qps.OpEquals, Value: "STATIC"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{1, 2, 9_000_000_000}, tagIDsOf(tags)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	second := p.received()[1]
	if second.uri != "/qps/rest/2.0/search/am/tag" || !strings.Contains(second.body, `field="id" operator="GREATER">2<`) || !strings.Contains(second.body, "STATIC") {
		t.Errorf("second request is %s %s", second.uri, second.body)
	}
}

func TestATagSearchThatDoesNotEndIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(200, string(qps.AppendResponse(nil, qps.XML, qps.NewPage(qps.SchemaTag, []qps.Record{&qps.Tag{ID: 1}}, true, 1), nil))))
	if _, err := clientOf(t, p).Tags(t.Context()); err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Errorf("got %v", err)
	}
}

func TestTagWritesAreSentAsDocumented(t *testing.T) {
	t.Parallel()
	name := "Edge"
	created := string(qps.AppendResponse(nil, qps.XML, qps.NewResult(qps.SchemaTag, &qps.Tag{ID: 51077, Name: name}), nil))
	changed := string(qps.AppendResponse(nil, qps.XML, qps.NewResult(qps.SchemaHostAsset, &qps.HostAsset{ID: 7}, &qps.HostAsset{ID: 8}), nil))
	for _, tc := range []struct {
		name, answer string
		do           func(c *Client) error
		uri          string
		body         []string
	}{
		{"create", created, func(c *Client) error {
			tag, err := c.CreateTag(t.Context(), qps.TagChange{Name: &name, Children: &qps.TagChildren{Replace: true, Add: []qps.TagChange{{Name: &name}}}})
			if err == nil && tag.ID != 51077 {
				err = fmt.Errorf("tag is %+v", tag)
			}
			return err
		}, "/qps/rest/2.0/create/am/tag", []string{"<Tag>", "<name>Edge</name>", "<set>", "<TagSimple>"}},
		{"update", created, func(c *Client) error { return c.UpdateTag(t.Context(), 51077, qps.TagChange{Color: &name}) },
			"/qps/rest/2.0/update/am/tag/51077", []string{"<color>Edge</color>"}},
		{"delete", created, func(c *Client) error { return c.DeleteTags(t.Context(), 1, 2) }, "/qps/rest/2.0/delete/am/tag", []string{`field="id" operator="IN">1,2<`}},
		{"assign", changed, func(c *Client) error {
			ids, err := c.AssignTags(t.Context(), []int64{7, 8, 9}, qps.TagAssignment{Add: []int64{51077}, Remove: []int64{51020}})
			if diff := cmp.Diff([]int64{7, 8}, ids); err == nil && diff != "" {
				err = fmt.Errorf("ids (-want +got):\n%s", diff)
			}
			return err
		}, "/qps/rest/2.0/update/am/hostasset", []string{`operator="IN">7,8,9<`, "<add>", "<id>51077</id>", "<remove>", "<id>51020</id>"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, answer(200, tc.answer))
			if err := tc.do(clientOf(t, p)); err != nil {
				t.Fatal(err)
			}
			got := p.received()[0]
			if got.uri != tc.uri || got.method != http.MethodPost {
				t.Errorf("request is %s %s, want %s", got.method, got.uri, tc.uri)
			}
			for _, part := range tc.body {
				if !strings.Contains(got.body, part) {
					t.Errorf("body lacks %s:\n%s", part, got.body)
				}
			}
		})
	}
}

func TestDeletingNoTagIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(200, ""))
	if err := clientOf(t, p).DeleteTags(t.Context()); err == nil || len(p.received()) > 0 {
		t.Errorf("got %v after %d requests", err, len(p.received()))
	}
}

func TestManyAssetsAreTaggedInSeveralCalls(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaHostAsset, &qps.HostAsset{ID: 1})))
	ids := make([]int64, 501)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	if _, err := clientOf(t, p).AssignTags(t.Context(), ids, qps.TagAssignment{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if calls := p.received(); len(calls) != 2 || !strings.Contains(calls[1].body, ">501<") || !strings.Contains(calls[1].body, "<set") {
		t.Errorf("%d calls, want 2 with the last id in the second", len(calls))
	}
}
