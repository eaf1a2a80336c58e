package fleet

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

func TestASchedulesOtherPartsStayWhenOneChanges(t *testing.T) {
	t.Parallel()
	before := map[agentwire.Module]agentwire.Schedule{
		agentwire.ModuleInventory: {Interval: 28_800, Delay: 60, Randomize: 90},
		agentwire.ModuleVM:        {Interval: 86_400},
	}
	s, shelf := newProfiles(Profile{ID: 2, Name: "Normal", System: true, Schedules: before})
	got, err := s.Reschedule(t.Context(), WholeFleet(), 2, []ScheduleChange{
		{Module: agentwire.ModuleInventory, Delay: new(int64(0))},
		{Module: agentwire.ModuleVM, Interval: new(int64(240))}, // the default again
		{Module: agentwire.ModuleSwCA, Interval: new(int64(43_200)), Delay: new(int64(43_200)), Randomize: new(int64(43_200))},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[agentwire.Module]agentwire.Schedule{
		agentwire.ModuleInventory: {Interval: 28_800, Randomize: 90},
		agentwire.ModuleSwCA:      {Interval: 2_592_000, Delay: 43_200, Randomize: 43_200},
	}
	if diff := cmp.Diff(want, got.Wire().Schedules); diff != "" {
		t.Error(diff)
	}
	if got.Schedule(agentwire.ModuleVM) != agentwire.DefaultSchedule() || shelf.changed != 1 {
		t.Errorf("the schedule of vm is %+v, %d changes were announced", got.Schedule(agentwire.ModuleVM), shelf.changed)
	}
	if len(before) != 2 || before[agentwire.ModuleInventory].Delay != 60 {
		t.Errorf("the schedules as they were have become %+v: nobody could see the difference", before)
	}
}

func TestSchedulesThatAreRefusedByModuleAndValue(t *testing.T) {
	t.Parallel()
	inventory := func(c ScheduleChange) []ScheduleChange {
		c.Module = agentwire.ModuleInventory
		return []ScheduleChange{c}
	}
	for _, tc := range []struct {
		name    string
		changes []ScheduleChange
		says    string
	}{
		{"no module", nil, "schedules: no module is named."},
		{"an unknown module", []ScheduleChange{{Module: "edr"}}, "module: 'edr' is not known. Use one of inventory, vm, pc, udc, sca, swca."},
		{"a module twice", append(inventory(ScheduleChange{}), inventory(ScheduleChange{})...), "module: 'inventory' is named twice."},
		{"a short interval", inventory(ScheduleChange{Interval: new(int64(239))}), "intervalMinutes of inventory: invalid value '239'. Specify 240 to 43200 minutes."},
		{"a long interval", inventory(ScheduleChange{Interval: new(int64(1 << 62))}), "intervalMinutes of inventory: invalid value '4611686018427387904'."},
		{"a negative delay", inventory(ScheduleChange{Delay: new(int64(-1))}), "delaySeconds of inventory: invalid value '-1'. Specify 0 to 43200 seconds."},
		{"a long randomisation", inventory(ScheduleChange{Randomize: new(int64(43_201))}), "randomizeSeconds of inventory: invalid value '43201'."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, shelf := newProfiles(Profile{ID: 1})
			_, err := s.Reschedule(t.Context(), WholeFleet(), 1, tc.changes)
			refused, ok := errors.AsType[*fault.Error](err)
			if !ok || refused.Code != fault.Invalid || !strings.HasPrefix(refused.Message+" "+refused.Resolution, tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
			if shelf.stored.Schedules != nil || shelf.changed != 0 {
				t.Errorf("stored was %+v", shelf.stored)
			}
		})
	}
}

func TestAScheduleOutOfRangeThatWasStoredStays(t *testing.T) {
	t.Parallel()
	s, _ := newProfiles(Profile{ID: 1, Schedules: map[agentwire.Module]agentwire.Schedule{agentwire.ModuleInventory: {Interval: 60}}})
	got, err := s.Reschedule(t.Context(), WholeFleet(), 1, []ScheduleChange{{Module: agentwire.ModuleInventory, Delay: new(int64(5))}})
	if want := (agentwire.Schedule{Interval: 60, Delay: 5}); err != nil || got.Schedule(agentwire.ModuleInventory) != want {
		t.Errorf("got %+v, %v, want %+v", got.Schedules, err, want)
	}
}

func TestNobodyReschedulesProfilesOfAgentsOutOfTheirScope(t *testing.T) {
	t.Parallel()
	change := []ScheduleChange{{Module: agentwire.ModuleInventory, Interval: new(int64(480))}}
	for _, tc := range []struct {
		name    string
		profile Profile
		refused bool
	}{
		{"the default profile", Profile{ID: 1, Default: true}, true},
		{"a profile of other tags", Profile{ID: 1, Include: ProfileTags{Tags: []TagRef{{ID: 4}}}}, true},
		{"a profile of their tags", Profile{ID: 1, Include: ProfileTags{Tags: []TagRef{{ID: 3}}}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, shelf := newProfiles(tc.profile)
			_, err := s.Reschedule(t.Context(), mine, 1, change)
			if (err != nil) != tc.refused || (shelf.stored.Schedules == nil) != tc.refused {
				t.Errorf("got %v and stored %+v, want it refused: %t", err, shelf.stored.Schedules, tc.refused)
			}
		})
	}
}
