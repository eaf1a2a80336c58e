package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func TestScanStatusCountsWhatIsPending(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		scans  map[int64][]qpsclient.ScanState
		inputs map[string]any
		want   map[string][]int64
		raw    string
	}{
		{"with-scan-states", map[int64][]qpsclient.ScanState{1: {qpsclient.ScanRunning}, 2: {qpsclient.ScanComplete}, 3: {qpsclient.ScanExpired}}, nil,
			map[string][]int64{"cloudAgentIds": {1, 2, 3, 4}, "pending": {1}, "complete": {2}, "failed": {3}}, `{"pending":1,`},
		{"inferred", nil, map[string]any{"scanType": "Vulnerability Scan", "since": "01/02/2025 07:00 PM"},
			map[string][]int64{"cloudAgentIds": {1, 2, 3}, "pending": {1, 2}, "complete": {3}, "failed": {}}, `{"pending":2,`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.scans = tt.scans
			p.assets = func(id int64) *qps.HostAsset {
				return &qps.HostAsset{ID: id, AgentInfo: &qps.AgentInfo{ChirpStatus: "Running"}, LastVulnScan: testNow().Add(time.Duration(id-3) * time.Hour)}
			}
			inputs := map[string]any{"cloudAgentIds": []any{1, 2, 3, 4}}
			for name, value := range tt.inputs {
				inputs[name] = value
			}
			out := run(t, p, "scan-status", inputs)
			if diff := cmp.Diff(tt.want, out.KeyFields); diff != "" {
				t.Errorf("key fields (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(string(out.RawData), tt.raw) {
				t.Errorf("raw data = %s, want it to begin with %s", out.RawData, tt.raw)
			}
		})
	}
	t.Run("inferred-from-nothing", func(t *testing.T) {
		t.Parallel()
		out := run(t, newPlatform(t), "scan-status", map[string]any{"cloudAgentIds": 1})
		if out.State != automation.Failed || out.Errors[0].StatusCode != 400 || !strings.HasPrefix(out.Errors[0].Message, "Launched Since parameter is required") {
			t.Errorf("outcome = %+v, want a refusal", out)
		}
	})
}
