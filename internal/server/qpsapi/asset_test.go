package qpsapi_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// agents does to the hosts in memory what storage does.
type agents struct {
	hosts    *hosts
	removals []fleet.Removal
}

func (a *agents) ChangeModules(_ context.Context, ids []int64, change func(int64, []fleet.Module) ([]fleet.Module, error)) ([]int64, error) {
	after := map[int64][]string{}
	for _, h := range a.hosts.all {
		if !slices.Contains(ids, h.ID) {
			continue
		}
		var active []fleet.Module
		for _, m := range h.AgentInfo.ActivatedModules {
			active = append(active, fleet.Module(m))
		}
		changed, err := change(h.ID, active)
		if err != nil {
			return nil, err
		}
		after[h.ID] = []string{}
		for _, m := range changed {
			after[h.ID] = append(after[h.ID], string(m))
		}
	}
	var found []int64
	for i := range a.hosts.all {
		h := &a.hosts.all[i]
		if modules, ok := after[h.ID]; ok {
			slices.Sort(modules)
			h.AgentInfo.ActivatedModules = modules
			found = append(found, h.ID)
		}
	}
	return found, nil
}

func (a *agents) RemoveAgents(_ context.Context, r fleet.Removal) ([]int64, error) {
	a.removals = append(a.removals, r)
	a.hosts.all = slices.DeleteFunc(a.hosts.all, func(h qps.HostAsset) bool { return slices.Contains(r.HostIDs, h.ID) })
	return r.HostIDs, nil
}

// fleetPlatform is a platform whose second host has AGENT_VM and AGENT_PC, and
// whose third has AGENT_VM and AGENT_SwCA.
func fleetPlatform() (*platform, *agents) {
	a := &agents{}
	p := newPlatform(func(c *qpsapi.Config) {
		a.hosts = c.Hosts.(*hosts)
		c.Actions = &fleet.Actions{Agents: a, Hosts: c.Hosts, Now: func() time.Time { return time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC) }}
	})
	p.hosts.all[1].AgentInfo.ActivatedModules = []string{"AGENT_PC", "AGENT_VM"}
	p.hosts.all[2].AgentInfo.ActivatedModules = []string{"AGENT_SwCA", "AGENT_VM"}
	return p, a
}

const (
	assetPath      = "/qps/rest/2.0/search/am/asset"
	activatePath   = "/qps/rest/2.0/activate/am/asset"
	deactivatePath = "/qps/rest/2.0/deactivate/am/asset"
	uninstallPath  = "/qps/rest/2.0/uninstall/am/asset"
)

// jsonCriteria is criteria in the other form.
func jsonCriteria(field, operator, value string) string {
	return fmt.Sprintf(`{"ServiceRequest":{"filters":{"Criteria":[{"field":"%s","operator":"%s","value":"%s"}]}}}`, field, operator, value)
}

func TestAgentActionsAnswerAlikeInBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, path string
		xml, json          string
	}{
		{"asset count", "POST", "/qps/rest/2.0/count/am/asset", criteria("name", "CONTAINS", "edge"), jsonCriteria("name", "CONTAINS", "edge")},
		{"asset search", "POST", assetPath, criteria("id", "IN", "7003001,7003002"), jsonCriteria("id", "IN", "7003001,7003002")},
		{"asset search fields", "POST", assetPath + "/?fields=id,tags.list.TagSimple.name", criteria("id", "IN", "7003001,7003002"), jsonCriteria("id", "IN", "7003001,7003002")},
		{"asset get", "GET", "/qps/rest/2.0/get/am/asset/7003005", "", ""},
		{"asset get unknown", "GET", "/qps/rest/2.0/get/am/asset/1", "", ""},
		{"activate one", "POST", activatePath + "/7003001?module=AGENT_VM", "<ServiceRequest></ServiceRequest>", `{"ServiceRequest":{}}`},
		{"activate some", "POST", activatePath + "/?=&module=AGENT_VM,%20AGENT_SwCA", criteria("id", "IN", "7003001,7003004"), jsonCriteria("id", "IN", "7003001,7003004")},
		{"activate none", "POST", activatePath + "?module=AGENT_VM", criteria("id", "EQUALS", "1"), jsonCriteria("id", "EQUALS", "1")},
		{"activate what excludes", "POST", activatePath + "/7003002?module=AGENT_SCA", "", ""},
		{"activate an unknown module", "POST", activatePath + "/7003002?module=AGENT_XYZ", "", ""},
		{"deactivate one", "POST", deactivatePath + "/7003002?module=AGENT_PC", "<ServiceRequest/>", `7003002`},
		{"uninstall one", "POST", uninstallPath + "/7003001", "", `7003001`},
		{"uninstall some", "POST", uninstallPath, criteria("tagName", "EQUALS", "Cloud Agent"), jsonCriteria("tagName", "EQUALS", "Cloud Agent")},
		{"uninstall hosts", "POST", "/qps/rest/2.0/uninstall/am/hostasset", criteria("os", "CONTAINS", "Debian"), jsonCriteria("os", "CONTAINS", "Debian")},
		{"uninstall all but", "POST", uninstallPath, criteria("name", "NOT EQUALS", "edge-cache-01"), jsonCriteria("name", "NOT EQUALS", "edge-cache-01")},
		{"uninstall without a criterion", "POST", uninstallPath, "<ServiceRequest/>", ""},
	} {
		for _, in := range []struct{ form, contentType, body string }{
			{"xml", "text/xml", tc.xml}, {"json", "application/json", tc.json},
		} {
			for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
				t.Run(tc.name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
					t.Parallel()
					p, _ := fleetPlatform()
					w := p.do(t, request{method: tc.method, path: tc.path, body: in.body, contentType: in.contentType, accept: out.accept})
					got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
					name := filepath.Join("testdata", strings.ReplaceAll(tc.name, " ", "-")+"."+out.form)
					if *update && in.form == "xml" {
						if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
							t.Fatal(err)
						}
					}
					if !*update {
						compareGolden(t, name, got)
					}
				})
			}
		}
	}
}

func TestModulesFollowActivation(t *testing.T) {
	t.Parallel()
	const one, two, three = "/7003001", "/7003002", "/7003003" // without, VM and PC, VM and SwCA
	for _, tc := range []struct {
		name, path string
		body       string
		refused    string // empty for success
		want       [3][]string
	}{
		{"one module in any case", activatePath + one + "?MODULE=agent_vm", "", "", [3][]string{{"AGENT_VM"}, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"a module that is active", activatePath + two + "?module=AGENT_VM", "", "", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"encoded separators, blanks and repetition", activatePath + one + "?=&module=AGENT_VM%2C%20agent_swca,,AGENT_VM", "", "",
			[3][]string{{"AGENT_SwCA", "AGENT_VM"}, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"on many", activatePath + "?module=AGENT_PC", criteria("id", "IN", "7003001,7003002,7003003"), "",
			[3][]string{{"AGENT_PC"}, {"AGENT_PC", "AGENT_VM"}, {"AGENT_PC", "AGENT_SwCA", "AGENT_VM"}}},
		{"off many, whether they have it or not", deactivatePath + "?module=AGENT_PC", criteria("id", "LESSER", "7003004"), "",
			[3][]string{{}, {"AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"VM and what needs it", deactivatePath + three + "?module=AGENT_VM,AGENT_SwCA", "", "", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {}}},

		{"SCA beside PC", activatePath + two + "?module=AGENT_SCA", "", "AGENT_PC is active", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"PC and SCA at once", activatePath + one + "?module=AGENT_PC,AGENT_SCA", "", "exclude each other", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"SwCA without VM", activatePath + one + "?module=AGENT_SwCA", "", "without AGENT_VM", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"VM while SwCA needs it", deactivatePath + three + "?module=AGENT_VM", "", "needs it", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
		{"one of many refuses", activatePath + "?module=AGENT_SCA", criteria("id", "LESSER", "7003004"), "asset 7003002", [3][]string{nil, {"AGENT_PC", "AGENT_VM"}, {"AGENT_SwCA", "AGENT_VM"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, _ := fleetPlatform()
			response := envelope(t, p.do(t, request{method: "POST", path: tc.path, body: tc.body}))
			switch {
			case tc.refused == "" && response.Code != qps.CodeSuccess:
				t.Fatal(response.Err(0))
			case tc.refused != "" && (response.Code != qps.CodeInvalidRequest || !strings.Contains(response.Error.Message, tc.refused)):
				t.Fatalf("answered %v, want a refusal that says %q", response.Err(0), tc.refused)
			}
			for i, want := range tc.want {
				if diff := cmp.Diff(want, p.hosts.all[i].AgentInfo.ActivatedModules); diff != "" {
					t.Errorf("host %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

func TestPCIsRefusedBesideSCA(t *testing.T) {
	t.Parallel()
	p, _ := fleetPlatform()
	for _, step := range []struct {
		path string
		code qps.ResponseCode
	}{
		{activatePath + "/7003001?module=AGENT_SCA", qps.CodeSuccess},
		{activatePath + "/7003001?module=AGENT_PC", qps.CodeInvalidRequest},
		{deactivatePath + "/7003001?module=AGENT_SCA", qps.CodeSuccess},
		{activatePath + "/7003001?module=AGENT_PC", qps.CodeSuccess},
	} {
		if response := envelope(t, p.do(t, request{method: "POST", path: step.path})); response.Code != step.code {
			t.Fatalf("%s: %v, want %s", step.path, response.Err(0), step.code)
		}
	}
}

func TestUninstalledAgentsAreGoneAtOnceAndGetAnOrder(t *testing.T) {
	t.Parallel()
	p, a := fleetPlatform()
	if response := envelope(t, p.do(t, request{method: "POST", path: uninstallPath + "/7003002"})); response.Code != qps.CodeSuccess || response.Count != 1 {
		t.Fatalf("answer %+v", response)
	}
	if len(a.removals) != 1 || !a.removals[0].Order || a.removals[0].By != "admin" || !a.removals[0].SilentSince.IsZero() {
		t.Errorf("removals %+v, want one with an order by admin", a.removals)
	}
	for _, path := range []string{"/qps/rest/2.0/get/am/hostasset/7003002", "/qps/rest/2.0/get/am/asset/7003002"} {
		if response := envelope(t, p.do(t, request{path: path})); response.Code != qps.CodeNotFound {
			t.Errorf("%s: %v", path, response.Err(0))
		}
	}
	if response := envelope(t, p.do(t, request{method: "POST", path: uninstallPath + "/7003002"})); response.Code != qps.CodeNotFound {
		t.Errorf("a second time: %v", response.Err(0))
	}
}

func TestBadAgentActionsAreAnsweredClearly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, path, body string
		code             qps.ResponseCode
		says             string
	}{
		{"no module", activatePath + "/7003001", "", qps.CodeInvalidRequest, "module: at least one module is required. Values expected: AGENT_VM, AGENT_PC, AGENT_SCA, AGENT_SwCA."},
		{"only separators", activatePath + "/7003001?module=,%2C", "", qps.CodeInvalidRequest, "at least one module"},
		{"unknown module", deactivatePath + "/7003001?module=AGENT_VM,AGENT_XYZ", "", qps.CodeInvalidRequest, "'AGENT_XYZ' is not a module of this platform. Values expected: AGENT_VM"},
		{"unknown asset", activatePath + "/1?module=AGENT_VM", "", qps.CodeNotFound, "asset 1"},
		{"negative asset", uninstallPath + "/-7", "", qps.CodeNotFound, "asset -7"},
		{"asset that is no number", uninstallPath + "/abc", "", qps.CodeInvalidRequest, "'abc'"},
		{"asset of zero", uninstallPath + "/0", "", qps.CodeNotFound, "asset 0"},
		{"bulk activation without criteria", activatePath + "?module=AGENT_VM", "", qps.CodeInvalidRequest, "at least one criterion"},
		{"bulk activation by another field", activatePath + "?module=AGENT_VM", criteria("os", "CONTAINS", "Linux"), qps.CodeInvalidRequest, "Criteria expected: id, name, created, updated, tagName."},
		{"bulk uninstall with empty filters", uninstallPath, "<ServiceRequest><filters/></ServiceRequest>", qps.CodeInvalidRequest, "at least one criterion"},
		{"bulk uninstall of hosts without criteria", "/qps/rest/2.0/uninstall/am/hostasset", "", qps.CodeInvalidRequest, "at least one criterion"},
		{"bulk uninstall by another field", uninstallPath, criteria("port", "EQUALS", "22"), qps.CodeInvalidRequest, "agentUuid"},
		{"bulk uninstall of all but", uninstallPath, criteria("id", "NOT EQUALS", "7003001"), qps.CodeInvalidRequest, "'NOT EQUALS' of criteria 'id'"},
		{"uninstall of hosts of all but", "/qps/rest/2.0/uninstall/am/hostasset", criteria("os", "NOT EQUALS", "x"), qps.CodeInvalidRequest, "NOT EQUALS"},
		{"search of assets by a field of hosts", assetPath, criteria("port", "EQUALS", "22"), qps.CodeInvalidRequest, "'port' cannot be used"},
		{"misspelled filters", uninstallPath, "<ServiceRequest><filter><Criteria/></filter></ServiceRequest>", qps.CodeInvalidRequest, "filter"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, a := fleetPlatform()
			before := len(p.hosts.all)
			response := envelope(t, p.do(t, request{method: "POST", path: tc.path, body: tc.body}))
			if response.Code != tc.code || response.Error == nil || !strings.Contains(response.Error.Message+" "+response.Error.Resolution, tc.says) {
				t.Fatalf("answered %v, want %s that says %q", response.Err(0), tc.code, tc.says)
			}
			if len(p.hosts.all) != before || len(a.removals) != 0 {
				t.Error("something was removed")
			}
		})
	}
}
