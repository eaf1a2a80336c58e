package qpsapi_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	agentsXML  = `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`
	agentsJSON = `{"ServiceRequest":{"filters":{"Criteria":[{"field":"tagName","operator":"EQUALS","value":"Cloud Agent"}]}}}`
)

// TestAnswersAreTheSameForBothRequestForms sends every call as XML and as JSON,
// asks for both forms, and compares with one golden file per form asked for.
func TestAnswersAreTheSameForBothRequestForms(t *testing.T) {
	t.Parallel()
	const search, ods = "/qps/rest/2.0/search/am/hostasset", "/qps/rest/1.0/ods/ca/agentasset"
	for _, tc := range []struct {
		name, method, path string
		xml, json          string
	}{
		{"portal version", "GET", "/qps/rest/portal/version", "", ""},
		{"count all", "GET", "/qps/rest/2.0/count/am/hostasset", "", ""},
		{
			"count some", "POST", "/qps/rest/2.0/count/am/hostasset",
			`<ServiceRequest><filters><Criteria field="os" operator="CONTAINS">Rocky</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":{"field":"os","operator":"CONTAINS","value":"Rocky"}}}}`,
		},
		{
			"search first page", "POST", search,
			`<ServiceRequest><preferences><limitResults>2</limitResults></preferences></ServiceRequest>`,
			`{"ServiceRequest":{"preferences":{"limitResults":2}}}`,
		},
		{
			"search last page", "POST", search + "?fields=id,name",
			`<ServiceRequest><preferences><startFromId>7003004</startFromId><limitResults>2</limitResults></preferences></ServiceRequest>`,
			`{"ServiceRequest":{"preferences":{"startFromId":"7003004","limitResults":"2"}}}`,
		},
		{
			"search without a match", "POST", search,
			`<ServiceRequest><filters><Criteria field="name" operator="EQUALS">Edge-Cache-01</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"name","operator":"EQUALS","value":"Edge-Cache-01"}]}}}`,
		},
		{"search fields", "POST", search + "?fields=id,agentInfo.agentId,tags.list.TagSimple.name", agentsXML, agentsJSON},
		{"get", "GET", "/qps/rest/2.0/get/am/hostasset/7003005", "", ""},
		{"get fields", "POST", "/qps/rest/2.0/get/am/hostasset/7003005?fields=id,os", `<ServiceRequest/>`, `7003005`},
		{"get unknown", "GET", "/qps/rest/2.0/get/am/hostasset/1", "", ""},
		{"scan one", "POST", ods + "/7003002?scan=Inventory_Scan&overrideConfigCpu=false", `<ServiceRequest></ServiceRequest>`, `{"ServiceRequest":{}}`},
		{
			"scan some", "POST", ods + "?scan=Inventory_Scan",
			`<ServiceRequest><filters><Criteria field="id" operator="IN">7003001,7003003</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"id","operator":"IN","value":"7003001,7003003"}]}}}`,
		},
		{"scan of another type", "POST", ods + "/7003002?scan=UDC_Scan", `<ServiceRequest/>`, ``},
		{"scan without a criterion", "POST", ods + "?scan=Inventory_Scan", `<ServiceRequest/>`, `{"ServiceRequest":{}}`},
		{
			"unknown criterion", "POST", search,
			`<ServiceRequest><filters><Criteria field="color" operator="EQUALS">red</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"color","operator":"EQUALS","value":"red"}]}}}`,
		},
		{"unknown route", "POST", "/qps/rest/2.0/search/am/hostassets", agentsXML, agentsJSON},
	} {
		for _, in := range []struct{ form, contentType, body string }{
			{"xml", "text/xml", tc.xml}, {"json", "application/json", tc.json},
		} {
			for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
				t.Run(tc.name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
					t.Parallel()
					w := newPlatform().do(t, request{
						method: tc.method, path: tc.path, body: in.body, contentType: in.contentType, accept: out.accept,
					})
					got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
					name := filepath.Join("testdata", strings.ReplaceAll(tc.name, " ", "-")+"."+out.form)
					switch {
					case !*update:
						compareGolden(t, name, got)
					case in.form == "xml":
						if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("answer differs from %s (-want +got):\n%s", name, diff)
	}
}
