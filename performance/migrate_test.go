package performance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// earlier is a made-up catalogue before this one: CPU_LIMIT does not exist, the
// status interval has other recommendations and a wider range, and one parameter
// was since dropped. The rest is as today.
func earlier() []Parameter {
	var parameters []Parameter
	for _, p := range Catalogue() {
		switch p.Key {
		case "CPU_LIMIT":
			continue
		case "INTERVAL_EVENT_STATUS":
			p.Min, p.Low, p.Normal, p.High = 60, "900", "1800", "60"
		}
		parameters = append(parameters, p)
	}
	return append(parameters, Parameter{Key: "DROPPED", Low: "1", Normal: "2", High: "3", Max: 10})
}

func at(level Level, catalogue []Parameter) Settings {
	settings := Settings{}
	for _, p := range catalogue {
		settings[p.Key] = p.At(level)
	}
	return settings
}

func TestSystemProfilesTakeNewAndChangedValues(t *testing.T) {
	t.Parallel()
	for _, level := range Levels() {
		want := Recommended(level)
		want["DROPPED"] = at(level, earlier())["DROPPED"]
		if diff := cmp.Diff(want, MigrateSystem(at(level, earlier()), level, earlier(), Catalogue())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", level, diff)
		}
	}
}

func TestSystemProfilesKeepWhatDidNotChange(t *testing.T) {
	t.Parallel()
	stored := Settings{"THROTTLE_EVENT_SCAN": "11", "INTERVAL_EVENT_STATUS": "1700"}
	want := Settings{"THROTTLE_EVENT_SCAN": "11", "INTERVAL_EVENT_STATUS": "1700", "CPU_LIMIT": "20"}
	if diff := cmp.Diff(want, MigrateSystem(stored, Normal, earlier(), Catalogue())); diff != "" {
		t.Errorf("Normal, whose status interval is 1800 in both (-want +got):\n%s", diff)
	}
}

func TestCustomProfilesGainNewParametersAtLow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		stored, want Settings
	}{
		{"empty profile", nil, Settings{"CPU_LIMIT": "5"}},
		{
			"existing values stay, even outside the new range",
			Settings{"INTERVAL_EVENT_STATUS": "60", "THROTTLE_EVENT_SCAN": "1"},
			Settings{"INTERVAL_EVENT_STATUS": "60", "THROTTLE_EVENT_SCAN": "1", "CPU_LIMIT": "5"},
		},
		{
			"former recommendations stay",
			at(High, earlier()),
			func() Settings { s := at(High, earlier()); s["CPU_LIMIT"] = "5"; return s }(),
		},
		{
			"unknown keys stay, also one that the catalogue knows now",
			Settings{"MINE": "x", "CPU_LIMIT": "33"},
			Settings{"MINE": "x", "CPU_LIMIT": "33"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, MigrateCustom(tt.stored, earlier(), Catalogue())); diff != "" {
				t.Errorf("migrated (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMigrationLeavesItsInputAndRunsTwice(t *testing.T) {
	t.Parallel()
	stored := Settings{"INTERVAL_EVENT_STATUS": "60"}
	once := MigrateCustom(stored, earlier(), Catalogue())
	if len(stored) != 1 {
		t.Errorf("the stored settings changed: %v", stored)
	}
	if diff := cmp.Diff(once, MigrateCustom(once, earlier(), Catalogue())); diff != "" {
		t.Errorf("a second migration moved something:\n%s", diff)
	}
	if diff := cmp.Diff(once, MigrateCustom(once, Catalogue(), Catalogue())); diff != "" {
		t.Errorf("migrating to the same catalogue moved something:\n%s", diff)
	}
}
