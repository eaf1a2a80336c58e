package performance

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inUse is everything an agent reads from its settings.
type inUse struct {
	Status, Delta, UpgradeRetry, Confirm, Manifest, Config, Revocation, Provision, UpgradeCheck time.Duration
	Scan, Download, Upload                                                                      time.Duration
	UploadBytes, DownloadBytes, CPU                                                             int
	Logging                                                                                     LoggingLevel
}

func read(s Settings) inUse {
	return inUse{
		Status: s.StatusInterval(), Delta: s.DeltaUploadInterval(), UpgradeRetry: s.UpgradeRetryInterval(),
		Confirm: s.DeltaConfirmInterval(), Manifest: s.ManifestInterval(), Config: s.ConfigurationInterval(),
		Revocation: s.RevocationInterval(), Provision: s.ProvisionInterval(), UpgradeCheck: s.UpgradeCheckInterval(),
		Scan: s.ScanThrottle(), Download: s.DownloadThrottle(), Upload: s.UploadThrottle(),
		UploadBytes: s.UploadFragmentBytes(), DownloadBytes: s.DownloadFragmentBytes(), CPU: s.CPULimitPercent(),
		Logging: s.LoggingLevel(),
	}
}

func lowInUse() inUse {
	return inUse{
		Status: 2400 * time.Second, Delta: 10 * time.Second, UpgradeRetry: 300 * time.Second,
		Confirm: 300 * time.Second, Manifest: 3 * time.Hour, Config: 3 * time.Hour,
		Revocation: time.Hour, Provision: 15 * time.Minute, UpgradeCheck: 3 * time.Hour,
		Scan: 20 * time.Millisecond, Download: 20 * time.Millisecond, Upload: 20 * time.Millisecond,
		UploadBytes: 1 << 20, DownloadBytes: 1 << 20, CPU: 5, Logging: LogVerbose,
	}
}

func TestSettingsInUse(t *testing.T) {
	t.Parallel()
	unusable := Settings{}
	for _, p := range Catalogue() {
		unusable[p.Key] = "-1"
	}
	tests := []struct {
		name string
		give Settings
		want inUse
	}{
		{"no settings are Low", nil, lowInUse()},
		{"recommended Low", Recommended(Low), lowInUse()},
		{"unusable values are Low", unusable, lowInUse()},
		{"recommended High", Recommended(High), inUse{
			Status: 10 * time.Minute, Delta: time.Second, UpgradeRetry: 3 * time.Minute,
			Confirm: time.Minute, Manifest: time.Minute, Config: time.Minute,
			Revocation: time.Hour, Provision: 15 * time.Minute, UpgradeCheck: 5 * time.Minute,
			UploadBytes: 4 << 20, DownloadBytes: 1 << 20, CPU: 80,
		}},
		{"sample of the release note, with the key it leaves out", sample(), inUse{
			Status: 333 * time.Second, Delta: time.Minute, UpgradeRetry: 222 * time.Second,
			Confirm: 66 * time.Second, Manifest: 200 * time.Second, Config: 66 * time.Second,
			Revocation: time.Hour, Provision: time.Minute, UpgradeCheck: 333 * time.Second,
			Upload: 100 * time.Millisecond, UploadBytes: 666 << 10, DownloadBytes: 1 << 20, CPU: 20,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, read(tt.give)); diff != "" {
				t.Errorf("in use (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingsOutsideTheRangeKeepTheirEffect(t *testing.T) {
	t.Parallel()
	stored := Settings{"INTERVAL_EVENT_STATUS": "60", "CPU_LIMIT": "150", "FILE_UPLOAD_FRAGMENT_SIZE_IN_KB": "16", "THROTTLE_EVENT_SCAN": "5000"}
	if Validate(stored) == nil {
		t.Error("settings outside the ranges may be written")
	}
	want := lowInUse()
	want.Status, want.CPU, want.UploadBytes, want.Scan = time.Minute, 150, 16<<10, 5*time.Second
	if diff := cmp.Diff(want, read(stored)); diff != "" {
		t.Errorf("in use (-want +got):\n%s", diff)
	}
}

func TestSettingsThatWouldStopOrSpinAnAgentAreLow(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0", "", "x", "2147483648", "1.5"} {
		s := Settings{KeyStatusInterval: value, KeyUploadFragmentSize: value, KeyCPULimit: value}
		if s.StatusInterval() != 2400*time.Second || s.UploadFragmentBytes() != 1<<20 || s.CPULimitPercent() != 5 {
			t.Errorf("%q: status every %s, fragments of %d bytes, %d %% of a core", value, s.StatusInterval(), s.UploadFragmentBytes(), s.CPULimitPercent())
		}
	}
	largest := Settings{KeyStatusInterval: "2147483647", KeyDownloadFragmentSize: "2147483647"}
	if largest.StatusInterval() <= 0 || largest.DownloadFragmentBytes() <= 0 {
		t.Errorf("the largest number overflows: %s, %d bytes", largest.StatusInterval(), largest.DownloadFragmentBytes())
	}
}

func TestRxSlowsDownloadsAndTxUploads(t *testing.T) {
	t.Parallel()
	s := Settings{"THROTTLE_EVENT_COMM_UPLOAD": "7", "THROTTLE_EVENT_COMM_DOWNLOAD": "9"}
	if s.DownloadThrottle() != 7*time.Millisecond || s.UploadThrottle() != 9*time.Millisecond {
		t.Errorf("downloads pause %s, uploads %s; want 7ms and 9ms", s.DownloadThrottle(), s.UploadThrottle())
	}
}

func TestLoggingLevelWordsAliasesAndNumbers(t *testing.T) {
	t.Parallel()
	tests := map[LoggingLevel][]string{
		LogVerbose: {"Verbose", "verbose", "0", "", "Loud", "5", "-1"},
		LogInfo:    {"Info", "informational", "Informational", "1"},
		LogWarn:    {"Warn", "Warning", "WARNING", "2"},
		LogError:   {"Error", "3"},
		LogNone:    {"None", "none", "4"},
	}
	for want, values := range tests {
		for _, value := range values {
			if got := (Settings{KeyLoggingLevel: value}).LoggingLevel(); got != want {
				t.Errorf("%q is %s, want %s", value, got, want)
			}
		}
		if got, ok := ParseLoggingLevel(want.String()); !ok || got != want {
			t.Errorf("%s reads back as %s, %v", want, got, ok)
		}
	}
}

func TestOrderedIsCatalogueOrderThenUnknownKeys(t *testing.T) {
	t.Parallel()
	s := Settings{"ZEBRA": "1", "INTERVAL_EVENT_CONFIG": "66", "ALPHA": "2", "CPU_LIMIT": "20", "INTERVAL_EVENT_STATUS": "333"}
	want := []Setting{{"INTERVAL_EVENT_STATUS", "333"}, {"CPU_LIMIT", "20"}, {"INTERVAL_EVENT_CONFIG", "66"}, {"ALPHA", "2"}, {"ZEBRA", "1"}}
	if diff := cmp.Diff(want, s.Ordered()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if len(s) != 5 {
		t.Errorf("Ordered took keys away: %v", s)
	}
	if got := Settings(nil).Ordered(); len(got) != 0 {
		t.Errorf("no settings are ordered as %v", got)
	}
}

func TestAnEffectiveValueIsTheOneThatActs(t *testing.T) {
	t.Parallel()
	settings := Settings{KeyStatusInterval: "7", KeyCPULimit: "0", KeyScanThrottle: "0", KeyLoggingLevel: "2", KeyRxThrottle: "fast"}
	tests := map[string]struct {
		value string
		own   bool
	}{
		KeyStatusInterval:      {"7", true}, // outside the range, and acts all the same
		KeyCPULimit:            {"5", false},
		KeyScanThrottle:        {"0", true},
		KeyLoggingLevel:        {"Warn", true},
		KeyRxThrottle:          {"20", false},
		KeyDeltaUploadInterval: {"10", false},
		"UNKNOWN":              {"", false},
	}
	for key, want := range tests {
		if value, own := settings.Effective(key); value != want.value || own != want.own {
			t.Errorf("%s acts as %q (own %t), want %q (own %t)", key, value, own, want.value, want.own)
		}
	}
}
