package blackout

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/agentwire"
)

var everyDay = [7]bool{true, true, true, true, true, true, true}

func days(list ...time.Weekday) (d [7]bool) {
	for _, day := range list {
		d[day] = true
	}
	return d
}

func at(t *testing.T, zone, local string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	moment, err := time.ParseInLocation("2006-01-02 15:04:05", local, loc)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestActive(t *testing.T) {
	t.Parallel()
	work := agentwire.Blackout{StartHour: 10, EndHour: 16, Days: days(time.Monday)}
	night := agentwire.Blackout{StartHour: 22, EndHour: 4, Days: days(time.Friday)}
	evening := agentwire.Blackout{StartHour: 20, EndHour: 24, Days: days(time.Sunday)}
	tests := []struct {
		name   string
		window agentwire.Blackout
		local  string // 2026-03-02 is a Monday
		want   bool
	}{
		{"start is inside", work, "2026-03-02 10:00:00", true},
		{"just before the start", work, "2026-03-02 09:59:59", false},
		{"just before the end", work, "2026-03-02 15:59:59", true},
		{"end is outside", work, "2026-03-02 16:00:00", false},
		{"another day", work, "2026-03-03 12:00:00", false},
		{"before midnight of its day", night, "2026-03-06 23:00:00", true},
		{"after midnight belongs to the day before", night, "2026-03-07 03:59:59", true},
		{"end after midnight is outside", night, "2026-03-07 04:00:00", false},
		{"early morning of its own day is outside", night, "2026-03-06 03:00:00", false},
		{"night after is outside", night, "2026-03-07 23:00:00", false},
		{"end of the day", evening, "2026-03-01 23:59:59", true},
		{"next day", evening, "2026-03-02 00:00:00", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := New([]agentwire.Blackout{tt.window})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Active(at(t, "Europe/Berlin", tt.local)); got != tt.want {
				t.Errorf("active at %s is %t, want %t", tt.local, got, tt.want)
			}
		})
	}
}

func TestNextOverDaylightSaving(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, zone, from, want string
		window                 agentwire.Blackout
	}{
		{"hour that is skipped", "Europe/Berlin", "2026-03-29 01:30:00", "2026-03-29T01:00:00Z", agentwire.Blackout{StartHour: 1, EndHour: 3, Days: everyDay}},
		{"hour that is repeated", "Europe/Berlin", "2026-10-25 01:30:00", "2026-10-25T02:00:00Z", agentwire.Blackout{StartHour: 1, EndHour: 3, Days: everyDay}},
		{"window inside the skipped hour", "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-30T00:00:00Z", agentwire.Blackout{StartHour: 2, EndHour: 3, Days: everyDay}},
		{"zone of three quarters of an hour", "Asia/Kathmandu", "2026-05-01 00:10:00", "2026-05-01T04:15:00Z", agentwire.Blackout{StartHour: 10, EndHour: 11, Days: everyDay}},
		{"shift of half an hour", "Australia/Lord_Howe", "2026-10-03 23:10:00", "2026-10-03T16:00:00Z", agentwire.Blackout{StartHour: 3, EndHour: 4, Days: everyDay}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := New([]agentwire.Blackout{tt.window})
			if err != nil {
				t.Fatal(err)
			}
			got, ok := w.Next(at(t, tt.zone, tt.from))
			if !ok || got.UTC().Format(time.RFC3339) != tt.want {
				t.Errorf("next change after %s is %s, want %s", tt.from, got.UTC().Format(time.RFC3339), tt.want)
			}
		})
	}
}

func TestWindowsThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		windows []agentwire.Blackout
		says    string
	}{
		{"equal hours", []agentwire.Blackout{{StartHour: 5, EndHour: 5}}, "hours 5 to 5"},
		{"negative start", []agentwire.Blackout{{StartHour: -1, EndHour: 5}}, "hours -1 to 5"},
		{"end after the day", []agentwire.Blackout{{StartHour: 1, EndHour: 25}}, "hours 1 to 25"},
		{"whole week", []agentwire.Blackout{{StartHour: 0, EndHour: 24, Days: everyDay}}, "cover the whole week"},
		{"whole week in two", []agentwire.Blackout{{StartHour: 8, EndHour: 20, Days: everyDay}, {StartHour: 20, EndHour: 8, Days: everyDay}}, "cover the whole week"},
		{"too many", make([]agentwire.Blackout, MaxWindows+1), "at most 168"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(tt.windows); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
		})
	}
}

// TestNextIsTheFirstChange checks Next against every minute before it.
func TestNextIsTheFirstChange(t *testing.T) {
	t.Parallel()
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var windows []agentwire.Blackout
		for range rapid.IntRange(0, 3).Draw(t, "windows") {
			w := agentwire.Blackout{StartHour: rapid.IntRange(0, 23).Draw(t, "start"), EndHour: rapid.IntRange(1, 24).Draw(t, "end")}
			for day := range w.Days {
				w.Days[day] = rapid.Bool().Draw(t, "day")
			}
			windows = append(windows, w)
		}
		w, err := New(windows)
		if err != nil {
			t.Skip(err)
		}
		from := time.Unix(rapid.Int64Range(1_790_000_000, 1_800_000_000).Draw(t, "from"), 0).In(loc)
		next, ok := w.Next(from)
		if !ok {
			next = from.Add(7 * 24 * time.Hour)
		}
		for moment := from; moment.Before(next); moment = moment.Add(time.Minute) {
			if w.Active(moment) != w.Active(from) {
				t.Fatalf("active changes at %s, next after %s says %s", moment, from, next)
			}
		}
		if ok && w.Active(next) == w.Active(from) {
			t.Fatalf("active does not change at %s", next)
		}
	})
}
