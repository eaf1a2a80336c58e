package agentapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// releases are releases, and how upgrades ended, in memory.
type releases struct {
	version  int64
	reported []agentwire.UpgradeReport
}

const packageContent = "0123456789"

func (r *releases) Version() int64 { return r.version }

func (r *releases) Metadata(after int64) (agentwire.ReleaseMetadata, error) {
	if r.version == 0 {
		return agentwire.ReleaseMetadata{}, fault.New(fault.NotFound, "nothing", "")
	}
	docs := agentwire.ReleaseMetadata{Timestamp: []byte("timestamp")}
	if after == 0 {
		docs.Roots = [][]byte{[]byte("root")}
	}
	return docs, nil
}

func (r *releases) Open(name string) (fleet.Package, io.ReadSeekCloser, error) {
	if name != "known" {
		return fleet.Package{}, nil, fault.New(fault.NotFound, "nothing", "")
	}
	return fleet.Package{Name: name, SHA256: sha256.Sum256([]byte(packageContent))}, struct {
		*strings.Reader
		io.Closer
	}{strings.NewReader(packageContent), io.NopCloser(nil)}, nil
}

func (r *releases) RecordUpgrade(_ context.Context, _ int64, report agentwire.UpgradeReport, _ time.Time) error {
	r.reported = append(r.reported, report)
	return nil
}

// send sends a signed request and returns status and body.
func (b *bundle) send(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(content))
}

func TestReleasesAreAnnouncedToAgentsThatUpgradeThemselves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		current, held int64
		want          string
	}{
		{"nothing is published", 0, agentwire.NoRelease, `{}`},
		{"it has none", 5, agentwire.NoRelease, `{"u":5}`},
		{"it has an older one", 5, 4, `{"u":5}`},
		{"it has this one", 5, 5, `{}`},
		{"it has a newer one, of another replica", 5, 6, `{}`},
		{"it does not upgrade itself", 5, 0, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.releases.version = tt.current
			state, err := b.gateway.Roster.Agent(t.Context(), agentID)
			if err != nil {
				t.Fatal(err)
			}
			request := b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{
				AgentVersion: "2.0.0", Profile: state.ProfileVersion, Manifest: state.ManifestVersion, Demands: state.DemandVersion, Release: tt.held,
			})
			if status, body := b.send(t, request); status != http.StatusOK || body != tt.want {
				t.Errorf("answer is %d %s, want %s", status, body, tt.want)
			}
		})
	}
}

func TestReleasesAreServedInPartsToAgents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if status, _ := b.send(t, b.request(t, http.MethodGet, agentwire.PathRelease+"?root=0", nil)); status != http.StatusNotFound {
		t.Errorf("without a release the answer is %d, want 404", status)
	}
	b.releases.version = 5
	_, body := b.send(t, b.request(t, http.MethodGet, agentwire.PathRelease+"?root=0", nil))
	var docs agentwire.ReleaseMetadata
	if err := json.Unmarshal([]byte(body), &docs); err != nil || len(docs.Roots) != 1 || !bytes.Equal(docs.Timestamp, []byte("timestamp")) {
		t.Errorf("metadata is %s: %v", body, err)
	}
	if status, _ := b.send(t, b.request(t, http.MethodGet, agentwire.PathRelease+"?root=x", nil)); status != http.StatusBadRequest {
		t.Errorf("a root that is no number is answered with %d, want 400", status)
	}
	part := b.request(t, http.MethodGet, agentwire.PathPackage+"known", nil)
	part.Header.Set("Range", "bytes=2-4")
	if status, body := b.send(t, part); status != http.StatusPartialContent || body != "234" {
		t.Errorf("a part of a package is answered with %d %q", status, body)
	}
	if status, _ := b.send(t, b.request(t, http.MethodGet, agentwire.PathPackage+"other", nil)); status != http.StatusNotFound {
		t.Errorf("an unknown package is answered with %d, want 404", status)
	}
	unsigned, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+agentwire.PathPackage+"known", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := b.send(t, unsigned); status != http.StatusUnauthorized {
		t.Errorf("a request that nobody signed is answered with %d, want 401", status)
	}
}

func TestReportsOfUpgradesAreChecked(t *testing.T) {
	t.Parallel()
	good := agentwire.UpgradeReport{Outcome: agentwire.UpgradeRolledBack, From: "2.0.0", To: "2.1.0", Reason: "it was broken", At: time.Unix(1, 0).UTC()}
	for name, tt := range map[string]struct {
		change func(r *agentwire.UpgradeReport)
		want   int
	}{
		"as it is":         {func(*agentwire.UpgradeReport) {}, http.StatusNoContent},
		"unknown outcome":  {func(r *agentwire.UpgradeReport) { r.Outcome = "fine" }, http.StatusBadRequest},
		"no reason":        {func(r *agentwire.UpgradeReport) { r.Reason = "" }, http.StatusBadRequest},
		"no time":          {func(r *agentwire.UpgradeReport) { r.At = time.Time{} }, http.StatusBadRequest},
		"long reason":      {func(r *agentwire.UpgradeReport) { r.Reason = strings.Repeat("x", agentwire.MaxReason+1) }, http.StatusBadRequest},
		"control in it":    {func(r *agentwire.UpgradeReport) { r.To = "2.1.0\x1b[31m" }, http.StatusBadRequest},
		"good, no reason":  {func(r *agentwire.UpgradeReport) { r.Outcome, r.Reason = agentwire.UpgradeDone, "" }, http.StatusNoContent},
		"very long reason": {func(r *agentwire.UpgradeReport) { r.Reason = strings.Repeat("x", agentwire.MaxMessageBytes) }, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			report := good
			tt.change(&report)
			status, body := b.send(t, b.request(t, http.MethodPost, agentwire.PathUpgraded, report))
			if kept := len(b.releases.reported) == 1 && b.releases.reported[0] == report; status != tt.want || kept != (tt.want == http.StatusNoContent) {
				t.Errorf("answer is %d %s, want %d; kept: %v", status, body, tt.want, b.releases.reported)
			}
		})
	}
}
