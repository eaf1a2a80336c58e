package qpsclient

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

const jsonType = "application/json"

func TestScansAreReadFromTheAutomationAPI(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(200, `{"scans":[{"id":12,"assetId":7,"agentId":"0f7c1c52-0000-4000-8000-00000000a004","type":"Inventory_Scan",
		"overrideConfigCpu":true,"state":"failed","reason":"worker ended","requestedBy":"admin","created":"2031-04-01T06:00:00Z"}]}`, "Content-Type", jsonType))
	c, _ := newClient(t, p.URL)
	got, err := c.Scans(context.Background(), ScanQuery{AssetID: 7, Type: InventoryScan, State: ScanFailed, Limit: 1, Before: 20})
	if err != nil {
		t.Fatal(err)
	}
	want := []Scan{{ID: 12, AssetID: 7, AgentID: "0f7c1c52-0000-4000-8000-00000000a004", Type: InventoryScan, OverrideConfigCPU: true,
		State: ScanFailed, Reason: "worker ended", RequestedBy: "admin", Created: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scans (-want +got):\n%s", diff)
	}
	if r := p.received()[0]; r.uri != "/automation/v1/scans?assetId=7&before=20&limit=1&state=failed&type=Inventory_Scan" || r.header.Get("Accept") != jsonType {
		t.Errorf("request = %s with Accept %q", r.uri, r.header.Get("Accept"))
	}
}

func TestPlatformsWithoutScanStatesAreRecognised(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"404 with a page", answer(404, "<html>not found</html>", "Content-Type", "text/html")},
		{"404 without a body", answer(404, "")},
		{"a page with status 200", answer(200, "<html>Sign in</html>", "Content-Type", "text/html")},
		{"a redirect to a sign-in page elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/", http.StatusFound)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.answer)
			c, _ := newClient(t, p.URL)
			if _, err := c.Scans(context.Background(), ScanQuery{}); !errors.Is(err, ErrNoScanStates) {
				t.Errorf("Scans: error = %v, want ErrNoScanStates", err)
			}
		})
	}
}

func TestScanStateErrorsAreNotTakenForAMissingAPI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"an unknown scan", answer(404, `{"code":"not_found","message":"There is no scan 12.","resolution":"List the scans."}`, "Content-Type", jsonType),
			"There is no scan 12."},
		{"missing permission", answer(401, `{"code":"forbidden","message":"Not allowed."}`, "Content-Type", jsonType), "Not allowed."},
		{"another scan", answer(200, `{"id":13}`, "Content-Type", jsonType), "describes scan 13"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.answer)
			c, _ := newClient(t, p.URL)
			_, err := c.Scan(context.Background(), 12)
			if err == nil || errors.Is(err, ErrNoScanStates) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestOversizedScanListIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(200, `{"scans":[{"reason":"`+strings.Repeat("x", stateBytes)+`"}]}`, "Content-Type", jsonType))
	c, _ := newClient(t, p.URL)
	if _, err := c.Scans(context.Background(), ScanQuery{}); !errors.Is(err, qps.ErrTooLarge) {
		t.Errorf("error = %v, want one about the size", err)
	}
}

func TestFinalStatesAreTheLastFour(t *testing.T) {
	t.Parallel()
	for i, state := range ScanStates() {
		if got, want := state.Final(), i >= 4; got != want {
			t.Errorf("%s: Final = %v, want %v", state, got, want)
		}
	}
}
