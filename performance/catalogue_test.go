package performance

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row is one parameter as the release note prints it.
type row struct {
	Key, Label       string
	Unit             Unit
	Min, Max         int
	Low, Normal, Top string
	Agents           string
	Legacy           bool
	Change           Change
}

const (
	everyAgent   = "all"
	windowsAgent = "Windows 1.5 and above"
	unixAgent    = "Linux 1.6 and above, Mac 1.6 and above"
	legacyAgent  = "Windows 1.4 and below, Linux 1.5 and below, Mac 1.5 and below"
)

// published is the table of the release note, typed from it and from nothing in
// this package.
func published() []row {
	return []row{
		{"INTERVAL_EVENT_STATUS", "Agent Status Interval", "s", 300, 86400, "2400", "1800", "600", everyAgent, false, ValuesChanged},
		{"INTERVAL_EVENT_UPLOAD_CHANGELIST", "Delta Upload Interval", "s", 1, 1800, "10", "5", "1", everyAgent, false, ValuesChanged},
		{"FILE_UPLOAD_FRAGMENT_SIZE_IN_KB", "Chunk Sizes for File Fragment Uploads", "KB", 64, 10240, "1024", "2048", "4096", everyAgent, false, ValuesChanged},
		{"INTERVAL_EVENT_EXECUTE_SETUP", "Upgrade Reattempt Interval", "s", 180, Unbounded, "300", "300", "180", everyAgent, false, Unchanged},
		{"AGENT_LOGGING_LEVEL", "Logging level for agent", "", 0, 0, "Verbose", "Verbose", "Verbose", everyAgent, false, Unchanged},
		{"CPU_LIMIT", "CPU Limit", "%", 2, 100, "5", "20", "80", windowsAgent, false, New},
		{"THROTTLE_EVENT_SCAN", "CPU Throttle", "ms", 0, 1000, "20", "10", "0", unixAgent, false, ValuesChanged},
		{"INTERVAL_EVENT_DOWNLOAD_SNAPSHOT", "Delta Confirmation Interval", "s", 60, Unbounded, "300", "120", "60", legacyAgent, true, Unchanged},
		{"INTERVAL_EVENT_DOWNLOAD_MANIFEST", "Manifest Download Interval", "s", 60, Unbounded, "10800", "3600", "60", legacyAgent, true, Unchanged},
		{"INTERVAL_EVENT_CONFIG", "Configuration Download Interval", "s", 60, Unbounded, "10800", "3600", "60", legacyAgent, true, Unchanged},
		{"THROTTLE_EVENT_COMM_UPLOAD", "Network throttle Rx", "ms", 0, 200, "20", "10", "0", legacyAgent, true, Unchanged},
		{"THROTTLE_EVENT_COMM_DOWNLOAD", "Network throttle Tx", "ms", 0, 200, "20", "10", "0", legacyAgent, true, Unchanged},
		{"FILE_DOWNLOAD_FRAGMENT_SIZE_IN_KB", "Chunk sizes for file fragment downloads", "KB", 64, Unbounded, "1024", "1024", "1024", legacyAgent, true, Unchanged},
		{"INTERVAL_EVENT_CHECK_REVOCATION", "Revocation Interval", "s", 3600, Unbounded, "3600", "3600", "3600", legacyAgent, true, Unchanged},
		{"INTERVAL_EVENT_PROVISION", "Provisioning Interval", "s", 60, Unbounded, "900", "900", "900", legacyAgent, true, Unchanged},
		{"INTERVAL_EVENT_DOWNLOAD_SELF_PATCH", "Upgrade Check Interval", "s", 300, Unbounded, "10800", "3600", "300", legacyAgent, true, Unchanged},
	}
}

func TestCatalogueIsThePublishedTable(t *testing.T) {
	t.Parallel()
	var got []row
	for _, p := range Catalogue() {
		agents := everyAgent
		for i, r := range p.Agents {
			if i == 0 {
				agents = r.String()
				continue
			}
			agents += ", " + r.String()
		}
		got = append(got, row{p.Key, p.Label, p.Unit, p.Min, p.Max, p.Low, p.Normal, p.High, agents, p.Legacy, p.Change})
	}
	if diff := cmp.Diff(published(), got); diff != "" {
		t.Errorf("catalogue differs from the release note (-published +got):\n%s", diff)
	}
}

func TestOnlyTheStatusIntervalWasRelabelled(t *testing.T) {
	t.Parallel()
	for _, p := range Catalogue() {
		want := ""
		if p.Key == "INTERVAL_EVENT_STATUS" {
			want = "Update system with Agent's status"
		}
		if p.FormerLabel != want {
			t.Errorf("%s: former label %q, want %q", p.Key, p.FormerLabel, want)
		}
		if p.Description == "" {
			t.Errorf("%s has no description", p.Key)
		}
	}
}

func TestCatalogueBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	first := Catalogue()
	first[0].Key = "changed"
	first[4].Values[0] = "changed"
	first[5].Agents[0].System = "changed"
	first[15].Agents[0].System = "changed"
	if diff := cmp.Diff(Catalogue(), Catalogue()); diff != "" || Catalogue()[0].Key == "changed" ||
		Catalogue()[4].Values[0] == "changed" || Catalogue()[5].Agents[0].System == "changed" || Catalogue()[15].Agents[0].System == "changed" {
		t.Error("a change to one caller's catalogue reached the next")
	}
}

func TestLookupMatchesKeysExactly(t *testing.T) {
	t.Parallel()
	if p, ok := Lookup("CPU_LIMIT"); !ok || p.Label != "CPU Limit" {
		t.Errorf("Lookup(CPU_LIMIT) = %q, %v", p.Label, ok)
	}
	for _, key := range []string{"cpu_limit", "CPU_LIMIT ", ""} {
		if _, ok := Lookup(key); ok {
			t.Errorf("Lookup(%q) found a parameter", key)
		}
	}
}

func TestRecommendedHasEveryKeyAtItsLevel(t *testing.T) {
	t.Parallel()
	for _, level := range Levels() {
		want := Settings{}
		for _, r := range published() {
			want[r.Key] = []string{r.Low, r.Normal, r.Top}[level]
		}
		if diff := cmp.Diff(want, Recommended(level)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", level, diff)
		}
		if err := Validate(Recommended(level)); err != nil {
			t.Errorf("%s: recommended settings are not valid: %v", level, err)
		}
	}
	names := []string{}
	for _, level := range append(Levels(), Level(7)) {
		names = append(names, level.String())
	}
	if want := []string{"Low", "Normal", "High", "Level(7)"}; !slices.Equal(names, want) {
		t.Errorf("level names %q, want %q", names, want)
	}
}

func TestAgentRangeReadsLikeASentence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give AgentRange
		want string
	}{
		{AgentRange{System: Linux}, "Linux"},
		{AgentRange{System: Windows, From: "1.5"}, "Windows 1.5 and above"},
		{AgentRange{System: Mac, To: "1.5"}, "Mac 1.5 and below"},
		{AgentRange{System: Mac, From: "1.6", To: "2.0"}, "Mac 1.6 to 2.0"},
	}
	for _, tt := range tests {
		if got := tt.give.String(); got != tt.want {
			t.Errorf("%#v reads %q, want %q", tt.give, got, tt.want)
		}
	}
}
