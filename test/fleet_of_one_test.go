package test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFleetOfOne is the tutorial: one command, and this host is inventoried,
// searchable and scannable.
func TestFleetOfOne(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	data := newFolder(t)

	// Start everything. The agent provisions with the activation key that up has
	// made, fetches its profile and manifest, scans, and uploads a baseline.
	platform := data.start(t, host)
	platform.awaitReady(t)

	// The credentials are in admin.env; this checks them and the way there.
	if out := data.vedette(t, "connections", "test"); !strings.Contains(out, "Successful") && !strings.Contains(out, "Passed") {
		t.Errorf("connections test said %q", out)
	}

	// The host is found by its operating system, part of the name, case-sensitively.
	assets := data.search(t, "--os", "Debian")
	if len(assets) != 1 {
		t.Fatalf("found %d assets, want this host", len(assets))
	}
	asset := assets[0]
	if len(asset.Software.List) != len(host.packages) {
		t.Errorf("%d packages, the host has %d", len(asset.Software.List), len(host.packages))
	}
	if found := data.search(t, "--os", "debian"); len(found) != 0 {
		t.Errorf("found %d assets running debian, in lower case", len(found))
	}
	if asset.version("hello") != "" {
		t.Fatal("hello is there before it is installed")
	}

	// Something changes on the host. An on-demand scan finds it; only the
	// difference travels.
	host.install(t, "hello", "2.10-3")
	host.remove(t, "sample-07")
	data.vedette(t, "scans", "launch", "--type", "inventory", "--wait", strconv.FormatInt(asset.ID, 10))

	after := data.search(t, "--os", "Debian")[0]
	if got := after.version("hello"); got != "2.10-3" {
		t.Errorf("hello has version %q after the scan", got)
	}
	if got := after.version("sample-07"); got != "" {
		t.Errorf("sample-07 %s is still there", got)
	}
	if after.ID != asset.ID {
		t.Errorf("asset %d became %d", asset.ID, after.ID)
	}

	// Ctrl-C stops everything in good order.
	if code := platform.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestASecondUpContinuesWhereTheFirstStopped(t *testing.T) {
	t.Parallel()
	host := newHost(t)
	data := newFolder(t)
	first := data.start(t, host)
	first.awaitReady(t)
	before := data.search(t)
	first.stop(t)

	host.install(t, "hello", "2.10-3") // while nobody looks

	second := data.start(t, host)
	second.awaitReady(t)
	after := data.search(t)
	if len(before) != 1 || len(after) != 1 {
		t.Fatalf("%d assets before, %d after; want the same one", len(before), len(after))
	}
	if after[0].ID != before[0].ID || after[0].AgentInfo.AgentID != before[0].AgentInfo.AgentID {
		t.Errorf("asset %d with agent %s became asset %d with agent %s",
			before[0].ID, before[0].AgentInfo.AgentID, after[0].ID, after[0].AgentInfo.AgentID)
	}
}

func TestTwoPlatformsDoNotShareADataFolder(t *testing.T) {
	t.Parallel()
	data := newFolder(t)
	first := data.start(t, newHost(t))
	first.awaitReady(t)
	second := data.run(t, nil, "up", "--data", data.path, "--listen", "127.0.0.1:0", "--no-agent")
	if second.code == 0 || !strings.Contains(second.stderr, "in use") {
		t.Errorf("a second platform started: exit code %d, %s", second.code, second.stderr)
	}
}

// asset is what the tests look at in the raw data of a search, which has the
// shape of the command's documentation: $.ServiceResponse.data.HostAsset[*].
type asset struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Software struct {
		List []struct {
			HostAssetSoftware struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			} `json:"HostAssetSoftware"`
		} `json:"list"`
	} `json:"software"`
	AgentInfo struct {
		AgentID string `json:"agentId"`
		Status  string `json:"chirpStatus"`
	} `json:"agentInfo"`
}

func (a *asset) version(name string) string {
	for _, software := range a.Software.List {
		if software.HostAssetSoftware.Name == name {
			return software.HostAssetSoftware.Version
		}
	}
	return ""
}

func (f *folder) search(t *testing.T, filters ...string) []asset {
	t.Helper()
	out := f.vedette(t, slices.Concat([]string{"agents", "search", "-o", "json"}, filters)...)
	var raw struct {
		ServiceResponse struct {
			Data struct {
				HostAsset []asset
			} `json:"data"`
		}
	}
	if err := json.Unmarshal([]byte(out), &raw); err != nil {
		t.Fatalf("search printed %q: %v", out, err)
	}
	return raw.ServiceResponse.Data.HostAsset
}
