package automationapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/qps"
)

// agents has two orders, and a silent agent to purge.
type agents struct {
	asked  fleet.UninstallFilter
	rule   fleet.PurgeRule
	dryRun bool
	purges int
}

func (a *agents) Uninstalls(_ context.Context, f fleet.UninstallFilter) ([]fleet.Uninstall, error) {
	a.asked = f
	at := func(minutes int) time.Time { return time.Date(2031, 4, 1, 6, minutes, 0, 123456789, time.UTC) }
	return []fleet.Uninstall{
		{ID: 2, HostID: 8, HostName: "edge-02", AgentID: "0f7c1c52-0000-4000-8000-000000000008", State: fleet.UninstallOpen, RequestedBy: "ada", Created: at(30)},
		{
			ID: 1, HostID: 7, HostName: "edge-01", AgentID: "0f7c1c52-0000-4000-8000-000000000007", State: fleet.UninstallConfirmed,
			RequestedBy: "ada", Created: at(10), Confirmed: at(12),
		},
	}, nil
}

func (a *agents) Purge(_ context.Context, r fleet.PurgeRule, dryRun bool) ([]qps.HostAsset, error) {
	a.rule, a.dryRun = r, dryRun
	a.purges++
	if r.Profile == "none" {
		return nil, nil
	}
	return []qps.HostAsset{{
		ID: 7, Name: "edge-01", AgentInfo: &qps.AgentInfo{
			AgentID: "0f7c1c52-0000-4000-8000-000000000007", AgentVersion: "2.0.0", LastCheckedIn: time.Date(2031, 1, 1, 6, 0, 0, 0, time.UTC),
		},
	}}, nil
}

func (a *agents) call(method, target, body string) *httptest.ResponseRecorder {
	mux := server.NewMux(slog.New(slog.DiscardHandler))
	mux.Add(automationapi.Routes(automationapi.Config{Fleet: &automationapi.Fleet{Scans: &scans{}, Uninstalls: a, Purger: a}, Users: operators{}, Journal: &accesstest.Memory{}})...)
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.SetBasicAuth("admin", "right")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// offered are the packages of two systems.
type offered struct{}

func (offered) Installers(context.Context) ([]fleet.Installer, error) {
	return []fleet.Installer{
		{System: fleet.SystemDeb, Machine: "x86_64", Package: fleet.Package{Version: "2.0.0", Name: "agent.deb"}},
		{System: fleet.SystemTar, Machine: "aarch64", Package: fleet.Package{Version: "2.1.0", Name: "agent.tar.gz"}},
	}, nil
}

func TestAnInstallationIsShown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		doorway automationapi.Doorway
		want    string
	}{
		{"its own authority", automationapi.Doorway{URL: "https://v", Authority: "0f", CustomerID: "c"}, `{"authority":"0f","customerId":"c","packages":[` +
			`{"machine":"x86_64","system":"deb","version":"2.0.0"},{"machine":"aarch64","system":"tar.gz","version":"2.1.0"}],"url":"https://v"}`},
		{"an authority from elsewhere", automationapi.Doorway{URL: "https://v", CustomerID: "c"}, `{"customerId":"c","packages":[` +
			`{"machine":"x86_64","system":"deb","version":"2.0.0"},{"machine":"aarch64","system":"tar.gz","version":"2.1.0"}],"url":"https://v"}`},
	} {
		mux := server.NewMux(slog.New(slog.DiscardHandler))
		mux.Add(automationapi.Routes(automationapi.Config{Fleet: &automationapi.Fleet{Installers: offered{}}, Doorway: test.doorway, Users: operators{}, Journal: &accesstest.Memory{}})...)
		r := httptest.NewRequest("GET", "/automation/v1/installation", nil)
		r.SetBasicAuth("admin", "right")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != test.want {
			t.Errorf("%s: %d %s, want %s", test.name, w.Code, w.Body, test.want)
		}
	}
}

const purgePath = "/automation/v1/agents/purge"

func TestUninstallsAndPurgesAreShown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, target, body string }{
		{"uninstalls", "GET", "/automation/v1/uninstalls", ""},
		{"purge-dry", "POST", purgePath, `{"inactiveFor":2592000}`},
		{"purge-applied", "POST", purgePath + "/", `{"inactiveFor":2592000,"apply":true}`},
		{"purge-none", "POST", purgePath, `{"inactiveFor":2592000,"profile":"none"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := (&agents{}).call(tc.method, tc.target, tc.body)
			if w.Code != 200 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			matchGolden(t, tc.name, w.Body.Bytes())
		})
	}
}

func TestParametersReachTheDomain(t *testing.T) {
	t.Parallel()
	a := &agents{}
	if w := a.call("GET", "/automation/v1/uninstalls?state=open&limit=3&before=9", ""); w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(fleet.UninstallFilter{State: fleet.UninstallOpen, Limit: 3, Before: 9}, a.asked); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
	for _, apply := range []bool{false, true} {
		body, err := json.Marshal(map[string]any{"inactiveFor": 172800, "activationKey": "k", "agentVersion": "2.0.0", "profile": "Low", "apply": apply})
		if err != nil {
			t.Fatal(err)
		}
		if w := a.call("POST", purgePath, string(body)); w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		want := fleet.PurgeRule{Scope: fleet.WholeFleet(), Silence: 48 * time.Hour, ActivationKey: "k", Version: "2.0.0", Profile: "Low"}
		if diff := cmp.Diff(want, a.rule); diff != "" || a.dryRun == apply {
			t.Errorf("apply %t: dry run %t, rule (-want +got):\n%s", apply, a.dryRun, diff)
		}
	}
}

func TestBadUninstallAndPurgeRequestsAreProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		says                       string
	}{
		{"unknown state", "GET", "/automation/v1/uninstalls?state=done", "", 400, "one of open, confirmed"},
		{"limit of none", "GET", "/automation/v1/uninstalls?limit=0", "", 400, "from 1 to 1000"},
		{"before of zero", "GET", "/automation/v1/uninstalls?before=0", "", 400, "at least 1"},
		{"no body", "POST", purgePath, "", 400, "openapi.yaml"},
		{"no silence", "POST", purgePath, `{"apply":true}`, 400, "inactiveFor: the member is missing."},
		{"too short a silence", "POST", purgePath, `{"inactiveFor":60,"apply":true}`, 400, "inactiveFor: invalid value '60'."},
		{"a silence beyond all times", "POST", purgePath, `{"inactiveFor":9223372036854775807}`, 400, "to 315360000"},
		{"a misspelled member", "POST", purgePath, `{"inactiveFor":2592000,"agentVerson":"1.0","apply":true}`, 400, "agentVerson"},
		{"a silence in words", "POST", purgePath, `{"inactiveFor":"30d","apply":true}`, 400, "inactiveFor"},
		{"purge by GET", "GET", purgePath, "", 405, "POST"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := &agents{}
			w := a.call(tc.method, tc.target, tc.body)
			var p automationapi.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatalf("status %d without a problem: %v", w.Code, err)
			}
			if text := p.Message + " " + p.Resolution; w.Code != tc.status || string(p.Code) != string(fault.Invalid) || !strings.Contains(text, tc.says) {
				t.Errorf("status %d, %s: %q; want %d that says %q", w.Code, p.Code, text, tc.status, tc.says)
			}
			if a.purges != 0 {
				t.Error("something was purged")
			}
		})
	}
}

func TestTheDescriptionKnowsEveryStateOfAnUninstall(t *testing.T) {
	t.Parallel()
	for _, state := range []fleet.UninstallState{fleet.UninstallOpen, fleet.UninstallConfirmed} {
		if !automationapi.UninstallState(state).Valid() {
			t.Errorf("state %q is not described", state)
		}
	}
}
