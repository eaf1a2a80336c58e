package performance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is the create request of the release note: fifteen keys, among them
// parameters of Windows, of Linux and Mac and legacy ones.
func sample() Settings {
	return Settings{
		"INTERVAL_EVENT_PROVISION": "60", "INTERVAL_EVENT_UPLOAD_CHANGELIST": "60", "FILE_UPLOAD_FRAGMENT_SIZE_IN_KB": "666",
		"AGENT_LOGGING_LEVEL": "Verbose", "CPU_LIMIT": "20", "THROTTLE_EVENT_COMM_DOWNLOAD": "100",
		"INTERVAL_EVENT_DOWNLOAD_MANIFEST": "200", "THROTTLE_EVENT_SCAN": "0", "FILE_DOWNLOAD_FRAGMENT_SIZE_IN_KB": "1024",
		"INTERVAL_EVENT_DOWNLOAD_SELF_PATCH": "333", "INTERVAL_EVENT_EXECUTE_SETUP": "222", "INTERVAL_EVENT_DOWNLOAD_SNAPSHOT": "66",
		"THROTTLE_EVENT_COMM_UPLOAD": "0", "INTERVAL_EVENT_STATUS": "333", "INTERVAL_EVENT_CONFIG": "66",
	}
}

func TestValidateAcceptsWhatClientsSend(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give Settings
	}{
		{"nothing", nil},
		{"sample request of the release note", sample()},
		{"unknown key", Settings{"PRIORITY_STATUS_UPLOAD_INTERVAL": "300", "ANOTHER": ""}},
		{"logging level as number", Settings{"AGENT_LOGGING_LEVEL": "0"}},
		{"logging level as number without known meaning", Settings{"AGENT_LOGGING_LEVEL": "5"}},
		{"logging level alias", Settings{"AGENT_LOGGING_LEVEL": "Warning"}},
		{"logging level in lower case", Settings{"AGENT_LOGGING_LEVEL": "informational"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := Validate(tt.give); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestValidateHoldsEveryRangeAtItsEnds(t *testing.T) {
	t.Parallel()
	for _, r := range published() {
		if r.Unit == "" {
			continue
		}
		t.Run(r.Key, func(t *testing.T) {
			t.Parallel()
			for value, want := range map[int]bool{r.Min - 1: false, r.Min: true, r.Max: true, r.Max + 1: false} {
				err := Validate(Settings{r.Key: strconv.Itoa(value)})
				if (err == nil) != want {
					t.Errorf("%d: accepted %v, want %v", value, err == nil, want)
				}
				for _, part := range []string{r.Key, strconv.Itoa(value), strconv.Itoa(r.Min)} {
					if err != nil && !strings.Contains(err.Error(), part) {
						t.Errorf("%d: error %q does not name %s", value, err, part)
					}
				}
			}
			for _, value := range []string{"", " ", "1e3", "0x40", "100.0", "+100", "100 ", "Low", "99999999999999999999"} {
				if Validate(Settings{r.Key: value}) == nil {
					t.Errorf("%q was accepted", value)
				}
			}
		})
	}
}

func TestValidateNamesEveryOffenderInOrder(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("K", MaxKeyBytes+1)
	err := Validate(Settings{
		"THROTTLE_EVENT_COMM_UPLOAD": "201", "CPU_LIMIT": "1", "INTERVAL_EVENT_STATUS": "299", "INTERVAL_EVENT_CONFIG": "5\n",
		"AGENT_LOGGING_LEVEL": "Loud", "INTERVAL_EVENT_UPLOAD_CHANGELIST": "5",
		"": "1", long: "1", "Z": strings.Repeat("9", MaxValueBytes+1),
	})
	invalid, ok := errors.AsType[*ValidationError](err)
	if !ok {
		t.Fatalf("error is %T, want *ValidationError", err)
	}
	want := []string{
		"INTERVAL_EVENT_STATUS is 299, allowed is 300 to 86400 s",
		"AGENT_LOGGING_LEVEL is Loud, allowed is one of Verbose, Info, Warn, Error, None, or a number",
		"CPU_LIMIT is 1, allowed is 2 to 100 %",
		`INTERVAL_EVENT_CONFIG is "5\n", allowed is 60 s or more, up to 2147483647`,
		"THROTTLE_EVENT_COMM_UPLOAD is 201, allowed is 0 to 200 ms",
		`"" is 1, allowed is a key of 1 to 128 bytes`,
		fmt.Sprintf("%q… (129 bytes) is 1, allowed is a key of 1 to 128 bytes", long[:64]),
		fmt.Sprintf("Z is %q… (257 bytes), allowed is a value of at most 256 bytes", strings.Repeat("9", 64)),
	}
	var got []string
	for _, v := range invalid.Violations {
		got = append(got, v.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	if want := "performance settings: " + strings.Join(want, "; "); err.Error() != want {
		t.Errorf("error is\n%s\nwant\n%s", err, want)
	}
}

func TestValidateLimitsTheNumberOfKeys(t *testing.T) {
	t.Parallel()
	settings := Settings{}
	for i := range MaxSettings {
		settings[fmt.Sprint("UNKNOWN_", i)] = "1"
	}
	if err := Validate(settings); err != nil {
		t.Errorf("%d keys: %v", len(settings), err)
	}
	settings["ONE_MORE"] = "1"
	if err := Validate(settings); err == nil || err.Error() != "performance settings: number of keys is 129, allowed is at most 128" {
		t.Errorf("%d keys: %v", len(settings), err)
	}
}

func TestValidateChangesNothing(t *testing.T) {
	t.Parallel()
	settings := Settings{"AGENT_LOGGING_LEVEL": "warning", "X": "1", "CPU_LIMIT": "020"}
	if err := Validate(settings); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Settings{"AGENT_LOGGING_LEVEL": "warning", "X": "1", "CPU_LIMIT": "020"}, settings); diff != "" {
		t.Errorf("settings changed:\n%s", diff)
	}
}
