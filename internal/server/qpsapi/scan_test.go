package qpsapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/qps"
)

const odsPath = "/qps/rest/1.0/ods/ca/agentasset"

func TestLaunchesReachTheDomain(t *testing.T) {
	t.Parallel()
	const byTag = `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria><Criteria field="name" operator="CONTAINS">edge</Criteria></filters></ServiceRequest>`
	for _, tc := range []struct {
		name, path, body string
		want             launch
	}{
		{"one", odsPath + "/7003002?scan=Inventory_Scan", "", launch{ID: 7003002, Type: agentwire.InventoryScan, By: "admin"}},
		{"override true", odsPath + "/7003002?scan=Inventory_Scan&overrideConfigCpu=true", "", launch{ID: 7003002, Type: agentwire.InventoryScan, Override: true, By: "admin"}},
		{"override False", odsPath + "/7003002?scan=Inventory_Scan&OVERRIDECONFIGCPU=False", "", launch{ID: 7003002, Type: agentwire.InventoryScan, By: "admin"}},
		{"override 1, repeated", odsPath + "/7003002?scan=UDC_Scan&scan=Inventory_Scan&overrideConfigCpu=0&overrideConfigCpu=1", "", launch{ID: 7003002, Type: agentwire.InventoryScan, Override: true, By: "admin"}},
		{"bulk of a type printed in two ways", odsPath + "?scan=SWCA_scan&overrideConfigCpu=0", byTag, launch{Criteria: 2, Type: agentwire.SWCAScan, By: "admin"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform()
			if response := envelope(t, p.do(t, request{method: "POST", path: tc.path, body: tc.body})); response.Code != qps.CodeSuccess {
				t.Fatal(response.Err(0))
			}
			if diff := cmp.Diff([]launch{tc.want}, p.scans.launched); diff != "" {
				t.Errorf("launched (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBulkLaunchWithoutAMatchSucceeds(t *testing.T) {
	t.Parallel()
	response := envelope(t, newPlatform().do(t, request{
		method: "POST", path: odsPath + "?scan=Inventory_Scan",
		body: `<ServiceRequest><filters><Criteria field="id" operator="EQUALS">1</Criteria></filters></ServiceRequest>`,
	}))
	if response.Code != qps.CodeSuccess || response.Count != 0 || !response.HasCount {
		t.Errorf("answer %+v, want a success with count 0", response)
	}
}
