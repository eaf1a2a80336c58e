package qpsapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

const searchPath = "/qps/rest/2.0/search/am/hostasset"

func idsOf(response *qps.Response) []int64 {
	var ids []int64
	for _, r := range response.Records {
		switch r := r.(type) {
		case *qps.HostAsset:
			ids = append(ids, r.ID)
		case *qps.AgentAsset:
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// TestPagingStyles walks the fleet in pages of two, as clients do.
func TestPagingStyles(t *testing.T) {
	t.Parallel()
	const page = `<ServiceRequest><preferences><limitResults>2</limitResults>%s</preferences><filters>%s</filters></ServiceRequest>`
	for _, tc := range []struct {
		name string
		next func(read int, lastID int64) string
	}{
		{"id criterion", func(_ int, lastID int64) string {
			return fmt.Sprintf(page, "", fmt.Sprintf(`<Criteria field="id" operator="GREATER">%d</Criteria>`, lastID))
		}},
		{"startFromOffset", func(read int, _ int64) string {
			return fmt.Sprintf(page, fmt.Sprintf("<startFromOffset>%d</startFromOffset>", read+1), "")
		}},
		{"startFromId", func(_ int, lastID int64) string {
			return fmt.Sprintf(page, fmt.Sprintf("<startFromId>%d</startFromId>", lastID+1), "")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform()
			var ids []int64
			var counts []int64
			for more, lastID := true, int64(0); more; {
				response := envelope(t, p.do(t, request{method: "POST", path: searchPath, body: tc.next(len(ids), lastID)}))
				if response.Code != qps.CodeSuccess || response.HasMore == nil {
					t.Fatalf("page after %d is %+v", lastID, response)
				}
				ids, counts = append(ids, idsOf(response)...), append(counts, response.Count)
				more, lastID = *response.HasMore, response.LastID
			}
			if diff := cmp.Diff([]int64{7003001, 7003002, 7003003, 7003004, 7003005}, ids); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]int64{2, 2, 1}, counts); diff != "" {
				t.Errorf("count is not that of the page (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatClientsSend covers the ways real clients spell the same calls.
func TestWhatClientsSend(t *testing.T) {
	t.Parallel()
	const rocky = `<Criteria field="os" operator="CONTAINS">Rocky</Criteria>`
	all := []int64{7003001, 7003002, 7003003, 7003004, 7003005}
	for _, tc := range []struct {
		name string
		request
		ids []int64
	}{
		{"search without a body", request{method: "POST", path: searchPath}, all},
		{"search as JSON without a body", request{method: "POST", path: searchPath, contentType: "application/json"}, all},
		{"trailing slash before the query", request{method: "POST", path: searchPath + "/?fields=id"}, all},
		{"version 1.0", request{method: "POST", path: "/qps/rest/1.0/search/am/hostasset"}, all},
		{"XML without a Content-Type", request{method: "POST", path: searchPath, body: `<ServiceRequest><filters>` + rocky + `</filters></ServiceRequest>`}, all[:4]},
		{"JSON without a Content-Type", request{method: "POST", path: searchPath, body: ` {"ServiceRequest":{"filters":{"Criteria":{"field":"id","operator":"EQUALS","value":7003002}}}}`}, all[1:2]},
		{"form Content-Type of curl", request{method: "POST", path: searchPath, contentType: "application/x-www-form-urlencoded", body: `<ServiceRequest><filters>` + rocky + `</filters></ServiceRequest>`}, all[:4]},
		{"declaration, namespace, comment and other order", request{method: "POST", path: searchPath, body: "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n <ServiceRequest xmlns=\"urn:x\"><filters>" + rocky + "</filters><preferences><verbose>true</verbose></preferences></ServiceRequest><!-- end -->\n"}, all[:4]},
		{"white space around values", request{method: "POST", path: searchPath, body: "<ServiceRequest><filters><Criteria field=\"id\" operator=\"EQUALS\">\n 7003002\n</Criteria></filters></ServiceRequest>"}, all[1:2]},
		{"credentials in plain headers", request{user: "-", path: "/qps/rest/2.0/get/am/hostasset/7003001", header: map[string]string{"user": "admin", "password": "right"}}, all[:1]},
		{"get by POST with the id as body", request{method: "POST", path: "/qps/rest/2.0/get/am/hostasset/7003001/", contentType: "application/json", body: "7003001"}, all[:1]},
		{"get with a body that is nothing", request{path: "/qps/rest/2.0/get/am/hostasset/7003001", contentType: "text/xml", body: "<<<"}, all[:1]},
		{"scan one without a body", request{method: "POST", path: "/qps/rest/1.0/ods/ca/agentasset/7003001?scan=inventory_scan"}, all[:1]},
		{"scan one with an empty key and capitals", request{method: "POST", path: "/qps/rest/1.0/ods/ca/agentasset/7003001/?=&scan=INVENTORY_SCAN&OverrideConfigCpu=1", body: "<<<"}, all[:1]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newPlatform().do(t, tc.request)
			response := envelope(t, w)
			if w.Code != 200 || response.Code != qps.CodeSuccess {
				t.Fatalf("status %d, %v", w.Code, response.Err(w.Code))
			}
			if diff := cmp.Diff(tc.ids, idsOf(response)); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAcceptAloneDecidesTheForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ accept, contentType, want string }{
		{"", "application/json", "application/xml"},
		{"*/*", "application/json", "application/xml"},
		{"text/xml", "application/json", "application/xml"},
		{"application/json", "text/xml", "application/json"},
		{"application/xml;q=0.5, application/json", "", "application/json"},
		{"text/html", "", "application/xml"},
	} {
		t.Run("accept "+tc.accept, func(t *testing.T) {
			t.Parallel()
			w := newPlatform().do(t, request{method: "POST", path: searchPath, accept: tc.accept, contentType: tc.contentType})
			if got := w.Header().Get("Content-Type"); got != tc.want {
				t.Errorf("Content-Type %q, want %q", got, tc.want)
			}
			envelope(t, w)
		})
	}
}

func TestSearchReadsOnlyWhatIsSelected(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, query string
		wanted      []string
	}{
		{"literal commas", "?fields=id,agentInfo.agentId,tags.list.TagSimple.id", []string{"id", "agentInfo", "tags"}},
		{"encoded commas and blanks", "?fields=id%2C%20software.list.*", []string{"id", "software"}},
		{"last of several", "?fields=tags&fields=id,os", []string{"id", "os"}},
		{"any element", "?fields=id,*.list", []string{"id", "os", "tags", "agentInfo", "software"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform()
			if response := envelope(t, p.do(t, request{method: "POST", path: searchPath + tc.query})); response.Count != 5 {
				t.Fatalf("count %d, want all 5", response.Count)
			}
			if p.hosts.last.Include == nil {
				t.Fatal("everything is read")
			}
			var included []string
			for _, element := range []string{"id", "os", "agentInfo", "tags", "software"} {
				if p.hosts.last.Include(element) {
					included = append(included, element)
				}
			}
			if len(included) != len(tc.wanted) {
				t.Errorf("included %v, want %v", included, tc.wanted)
			}
			for _, element := range tc.wanted {
				if !p.hosts.last.Include(element) {
					t.Errorf("%s is selected and not read", element)
				}
			}
		})
	}
	t.Run("no selection", func(t *testing.T) {
		t.Parallel()
		p := newPlatform()
		p.do(t, request{method: "POST", path: searchPath + "?fields="})
		if p.hosts.last.Include != nil {
			t.Error("a search without selection does not read everything")
		}
	})
}

func TestSchemaLocationFollowsTheAddress(t *testing.T) {
	t.Parallel()
	w := newPlatform().do(t, request{path: "/qps/rest/portal/version", header: map[string]string{"Host": "ignored"}})
	if want := base + qps.SchemaPortalVersion; !strings.Contains(w.Body.String(), want) {
		t.Errorf("answer lacks %s", want)
	}
}
