package schedule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

func day(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestASpecIsRefusedWithFieldValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	const fields = " is not allowed, "
	tests := []struct {
		name string
		give Spec
		want string
	}{
		{"nothing", Spec{}, "Neither every nor cron is given."},
		{"both", Spec{Every: MinInterval, Cron: "@daily"}, "every '1m' and cron '@daily' exclude each other."},
		{"too often", Spec{Every: Interval(59 * time.Second)}, "every: '59s'" + fields + "use whole seconds from 1m to 366d."},
		{"negative", Spec{Every: Interval(-time.Hour)}, "every: '-1h0m0s'" + fields + "use whole seconds from 1m to 366d."},
		{"too rarely", Spec{Every: MaxInterval + Interval(time.Second)}, "every: '8784h0m1s'" + fields + "use whole seconds from 1m to 366d."},
		{"fraction", Spec{Every: Interval(90*time.Second + 1)}, "every: '1m30.000000001s'" + fields + "use whole seconds from 1m to 366d."},
		{"zone", Spec{Every: MinInterval, Zone: "Europe/Berln"}, `timeZone: "Europe/Berln" is no time zone, did you mean Europe/Berlin?`},
		{"four fields", Spec{Cron: "0 6 * *"}, "cron: '0 6 * *'" + fields + "it has 4 fields and needs 5: minute, hour, day of the month, month and day of the week."},
		{"seconds", Spec{Cron: "0 0 6 * * *"}, "cron: '0 0 6 * * *'" + fields + "it has 6 fields and needs 5: minute, hour, day of the month, month and day of the week."},
		{"hour 24", Spec{Cron: "0 24 * * *"}, `cron: '0 24 * * *'` + fields + `hour "24" is not understood, use * or a list of 0-23 with ranges as 1-5 and steps as */2.`},
		{"Sunday as 7", Spec{Cron: "0 6 * * 7"}, `cron: '0 6 * * 7'` + fields + `day of the week "7" is not understood, use * or a list of 0-6 or SUN-SAT, Sunday is 0 with ranges as 1-5 and steps as */2.`},
		{"empty list", Spec{Cron: "0 6 , * *"}, `cron: '0 6 , * *'` + fields + `day of the month "," is not understood, use * or a list of 1-31 with ranges as 1-5 and steps as */2.`},
		{"open range", Spec{Cron: "*-5 6 * * *"}, `cron: '*-5 6 * * *'` + fields + `minute "*-5" is not understood, use * or a list of 0-59 with ranges as 1-5 and steps as */2.`},
		{"last day", Spec{Cron: "0 6 L * *"}, `cron: '0 6 L * *'` + fields + `day of the month "L" is not understood, use * or a list of 1-31 with ranges as 1-5 and steps as */2.`},
		{"never", Spec{Cron: "31 2 30 2 *"}, "cron: '31 2 30 2 *'" + fields + "it never fires: no day 30 is in February."},
		{"never in several months", Spec{Cron: "0 0 31 4,6,9,11 *"}, "cron: '0 0 31 4,6,9,11 *'" + fields + "it never fires: no day 31 is in April, June, September and November."},
		{"zone in the cron", Spec{Cron: "TZ=UTC 0 6 * * *"}, "cron: 'TZ=UTC 0 6 * * *'" + fields + "the time zone is a setting of its own."},
		{"every in the cron", Spec{Cron: "@every 1h"}, "cron: '@every 1h'" + fields + "@every is an interval, give it as that."},
		{"unknown word", Spec{Cron: "@noon"}, "cron: '@noon'" + fields + "use five fields or one of @hourly, @daily, @weekly, @monthly and @yearly."},
		{"too long", Spec{Cron: strings.Repeat("1,", 200) + "1 * * * *"}, "cron: '" + strings.Repeat("1,", 40) + "…'" + fields + "it has 409 bytes, at most 256 are allowed."},
		{"end before start", Spec{Every: MinInterval, Start: day("2026-03-02T00:00:00Z"), End: day("2026-03-01T00:00:00Z")}, "end: '2026-03-01T00:00:00Z'" + fields + "it is not after the start, 2026-03-02T00:00:00Z."},
		{"end at start", Spec{Every: MinInterval, Start: day("2026-03-02T00:00:00Z"), End: day("2026-03-02T00:00:00Z")}, "end: '2026-03-02T00:00:00Z'" + fields + "it is not after the start, 2026-03-02T00:00:00Z."},
		{"nothing before the end", Spec{Cron: "0 0 29 2 *", Start: day("2026-03-02T00:00:00Z"), End: day("2028-02-29T00:00:00Z")}, "end: '2028-02-29T00:00:00Z'" + fields + "nothing fires before it."},
		{"start long ago", Spec{Every: MinInterval, Start: day("1969-12-31T23:59:59Z")}, "start: '1969-12-31T23:59:59Z'" + fields + "times are in whole seconds from the year 1970 on."},
		{"part of a second", Spec{Every: MinInterval, Start: day("2026-03-02T00:00:00.5Z")}, "start: '2026-03-02T00:00:00.5Z'" + fields + "times are in whole seconds from the year 1970 on."},
		{"catch-up", Spec{Every: MinInterval, CatchUp: "all"}, "catchUp: 'all'" + fields + "use none or one."},
		{"overlap", Spec{Every: MinInterval, Overlap: "cancel"}, "overlap: 'cancel'" + fields + "use skip, queue or cancel_previous."},
		{"jitter", Spec{Every: MinInterval, Jitter: 51}, "jitterPercent: '51'" + fields + "use 0 to 50 percent of the interval."},
		{"jitter of a cron", Spec{Cron: "@daily", Jitter: 10}, "jitterPercent: '10'" + fields + "a cron fires at the times it names."},
		{"pause", Spec{Every: MinInterval, PauseAfter: -1}, "pauseAfterFailures: '-1'" + fields + "use 0 to 1000, where 0 is never."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.give.Check()
			if !fault.Is(err, fault.Invalid) || err.Error() != tt.want {
				t.Errorf("Check of %+v\n got %v\nwant %s", tt.give, err, tt.want)
			}
		})
	}
}

func TestASpecIsDescribed(t *testing.T) {
	t.Parallel()
	minutes := func(n int) Interval { return Interval(time.Duration(n) * time.Minute) }
	tests := []struct {
		give Spec
		want string
	}{
		{Spec{Every: minutes(1)}, "every minute"},
		{Spec{Every: minutes(30)}, "every 30 minutes"},
		{Spec{Every: minutes(60)}, "every hour"},
		{Spec{Every: minutes(90)}, "every hour and 30 minutes"},
		{Spec{Every: minutes(7 * 24 * 60)}, "every 7 days"},
		{Spec{Every: minutes(2*24*60+61) + Interval(time.Second)}, "every 2 days, 1 hour, 1 minute and 1 second"},
		{Spec{Every: minutes(60), Start: day("2026-03-01T06:00:00Z"), End: day("2026-04-01T00:00:00Z")}, "every hour, from 2026-03-01T06:00:00Z, until 2026-04-01T00:00:00Z"},
		{Spec{Cron: "0 6 * * 1-5", Zone: "Europe/Berlin"}, "at 06:00 on weekdays, Europe/Berlin"},
		{Spec{Cron: "@daily"}, "at 00:00, UTC"},
		{Spec{Cron: "@hourly"}, "every hour, UTC"},
		{Spec{Cron: "@weekly"}, "at 00:00 on Sundays, UTC"},
		{Spec{Cron: "@monthly"}, "at 00:00 on day 1 of the month, UTC"},
		{Spec{Cron: "@yearly"}, "at 00:00 on day 1 of the month in January, UTC"},
		{Spec{Cron: "* * * * *"}, "every minute, UTC"},
		{Spec{Cron: "*/15 * * * *"}, "every 15 minutes, UTC"},
		{Spec{Cron: "20 * * * *"}, "at minute 20 of every hour, UTC"},
		{Spec{Cron: "5,50 */2 * * *"}, "at minutes 5 and 50 of every 2nd hour, UTC"},
		{Spec{Cron: "0 */2 * * *"}, "every 2 hours, UTC"},
		{Spec{Cron: "*/10 8-17 * * 1-5"}, "every 10 minutes from 08:00 to 17:50 on weekdays, UTC"},
		{Spec{Cron: "30 9-17 * * SAT,SUN"}, "every hour from 09:30 to 17:30 on weekends, UTC"},
		{Spec{Cron: "1-40 3,5 * * *"}, "at minutes 1 to 40 in the hours 03 and 05, UTC"},
		{Spec{Cron: "15 6,18 1,15 * *"}, "at 06:15 and 18:15 on days 1 and 15 of the month, UTC"},
		{Spec{Cron: "0 12 13 * 5"}, "at 12:00 on day 13 of the month or on Fridays, UTC"},
		{Spec{Cron: "0 12 1-31 * 5"}, "at 12:00, UTC"},
		{Spec{Cron: "0 0 1 1-3,7 *"}, "at 00:00 on day 1 of the month in January to March and July, UTC"},
		{Spec{Cron: "0 0 * * MON,WED,FRI"}, "at 00:00 on Mondays, Wednesdays and Fridays, UTC"},
		{Spec{Cron: "0 0 30 2 *"}, ""},
	}
	for _, tt := range tests {
		if got := tt.give.Describe(); got != tt.want {
			t.Errorf("%+v is described as %q, want %q", tt.give, got, tt.want)
		}
	}
}

func TestTheNightsInWhichTheClockIsTurned(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cron, zone, after string
		want                    []string
	}{
		{
			"a time in the gap fires at its end", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		},
		{
			"all times of a gap fire as one", "*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		},
		{
			"the end of the gap fires once though it matches too", "0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
		},
		{
			"a time that happens twice fires the first time", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		},
		{
			"every hour rests for one hour", "0 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"},
		},
		{
			"the clock is turned by half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"},
		},
		{
			"the clock is turned back by half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
			[]string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		},
		{
			"a day that is left out fires as the next begins", "0 6 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z",
			[]string{"2011-12-29T16:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z"},
		},
		{
			"a zone with an odd offset", "0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z",
			[]string{"2026-01-01T18:15:00Z", "2026-01-02T18:15:00Z"},
		},
		{
			"the last day of a leap year far ahead", "0 12 31 12 *", "Europe/Berlin", "2040-12-31T00:30:00Z",
			[]string{"2040-12-31T11:00:00Z", "2041-12-31T11:00:00Z"},
		},
		{
			"eight years without a leap day", "0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z",
			[]string{"2104-02-29T00:00:00Z"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, at := range (Spec{Cron: tt.cron, Zone: tt.zone}).Preview(day(tt.after), len(tt.want)) {
				if got := at.Format(time.RFC3339); got != tt.want[i] {
					t.Errorf("firing %d at %s, want %s", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestAStartIsTheFirstFiringAndAnEndIsNone(t *testing.T) {
	t.Parallel()
	s := Spec{Every: Interval(90 * time.Minute), Start: day("2026-01-01T08:10:00Z"), End: day("2026-01-01T12:40:00Z")}
	var got []string
	for _, at := range s.Preview(time.Time{}, 10) {
		got = append(got, at.Format("15:04"))
	}
	if text := strings.Join(got, " "); text != "08:10 09:40 11:10" {
		t.Errorf("firings at %s", text)
	}
}

func TestAnIntervalWithoutAStartIsCountedFromTheBeginningOf1970(t *testing.T) {
	t.Parallel()
	s := Spec{Every: Interval(6 * time.Hour), Zone: "Europe/Berlin"}
	if next, ok := s.Next(day("2026-07-01T06:00:00Z")); !ok || !next.Equal(day("2026-07-01T12:00:00Z")) {
		t.Errorf("Next = %v, %t", next, ok)
	}
	if next, ok := s.Next(day("1800-01-01T00:00:00Z")); !ok || next.Unix() != 0 {
		t.Errorf("Next = %v, %t", next, ok)
	}
}

func TestWhatNobodyCarriedOutInTimeIsCaughtUpWithOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	hourly := Spec{Cron: "@hourly"}
	yearly := Spec{Cron: "0 0 29 2 *"}
	last := day("2026-01-01T00:00:00Z")
	tests := []struct {
		name    string
		spec    Spec
		now     string
		newest  string
		none    bool // it runs without catching up
		missed  int  // with catching up
		without int  // and without
	}{
		{"none has come", hourly, "2026-01-01T00:59:59Z", "", false, 0, 0},
		{"on time", hourly, "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z", true, 0, 0},
		{"a minute late", hourly, "2026-01-01T01:01:00Z", "2026-01-01T01:00:00Z", true, 0, 0},
		{"later", hourly, "2026-01-01T01:01:01Z", "2026-01-01T01:00:00Z", false, 0, 1},
		{"after three", hourly, "2026-01-01T03:30:00Z", "2026-01-01T03:00:00Z", false, 2, 3},
		{"after three and on time", hourly, "2026-01-01T03:00:30Z", "2026-01-01T03:00:00Z", true, 2, 2},
		{"after very many", hourly, "2028-01-01T03:30:00Z", "2028-01-01T03:00:00Z", false, MaxMissed, MaxMissed},
		{"after years", yearly, "2031-06-01T00:00:00Z", "2028-02-29T00:00:00Z", false, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := Due{Run: tt.none, Missed: tt.without}
			if tt.newest != "" {
				want.Newest = day(tt.newest)
			}
			if got := tt.spec.Due(last, day(tt.now)); got != want {
				t.Errorf("without catching up %+v, want %+v", got, want)
			}
			tt.spec.CatchUp = CatchUpOne
			want.Run, want.Missed = tt.newest != "", tt.missed
			if got := tt.spec.Due(last, day(tt.now)); got != want {
				t.Errorf("with catching up %+v, want %+v", got, want)
			}
		})
	}
}

func TestSchedulesWithOneIntervalAreSpreadOverAPartOfIt(t *testing.T) {
	t.Parallel()
	s := Spec{Every: Interval(time.Hour), Jitter: 10}
	seen := map[time.Duration]bool{}
	for id := range int64(1000) {
		spread := s.Spread(id)
		if spread < 0 || spread >= 6*time.Minute || spread != s.Spread(id) || spread%time.Second != 0 {
			t.Fatalf("schedule %d is put off by %s", id, spread)
		}
		seen[spread] = true
	}
	if len(seen) < 300 { // of 360 seconds
		t.Errorf("a thousand schedules fire at %d moments", len(seen))
	}
	if spread := (Spec{Every: Interval(time.Hour)}).Spread(7); spread != 0 {
		t.Errorf("put off by %s without a jitter", spread)
	}
}

func TestASpecIsTheSameAfterJSON(t *testing.T) {
	t.Parallel()
	const text = `{"every":"1h30m","timeZone":"Europe/Berlin","start":"2026-03-01T06:00:00Z","catchUp":"one","overlap":"queue","jitterPercent":10,"pauseAfterFailures":3}`
	var s Spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(s); err != nil || string(again) != text {
		t.Errorf("%s, %v", again, err)
	}
	err := json.Unmarshal([]byte(`{"every":"half an hour"}`), &s)
	if err == nil || err.Error() != `"half an hour" is no interval, use whole days, hours, minutes and seconds such as 30m, 6h, 7d or 1h30m` {
		t.Error(err)
	}
}

func TestIntervalsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1m", "30m", "6h", "7d", "1h30m", "2d1h1m1s", "0s"} {
		if i, err := ParseInterval(text); err != nil || i.String() != text {
			t.Errorf("ParseInterval(%q) = %v, %v", text, i, err)
		}
	}
	for _, text := range []string{"", "30", "m", "1.5h", "-1h", "1m1h", "1h 30m", "1w", "99999999999999d", "1hm"} {
		if i, err := ParseInterval(text); err == nil {
			t.Errorf("ParseInterval(%q) = %v", text, i)
		}
	}
}

// FuzzSpec looks for crons that are accepted and do not fire, that never come to
// an end, or that are described with nothing.
func FuzzSpec(f *testing.F) {
	for _, cron := range []string{"0 6 * * 1-5", "@daily", "*/7 1-3,5 ? JAN-mar SUN", "31 2 30 2 *", "TZ=0", "0 0 , * *", "* * * * *-1", "1/99999999999999999999 * * * *"} {
		f.Add(cron, "Europe/Berlin", int64(1_774_746_000))
	}
	f.Add("0 0 29 2 *", "Pacific/Apia", int64(4e9))
	f.Fuzz(func(t *testing.T, cron, zone string, after int64) {
		s := Spec{Cron: cron, Zone: zone}
		if s.Check() != nil {
			return
		}
		from := time.Unix(after%8e9, 0)
		next, ok := s.Next(from)
		if !ok || !next.After(from) || s.Describe() == "" {
			t.Errorf("%q in %q after %v: %v, %t, described as %q", cron, zone, from, next, ok, s.Describe())
		}
	})
}
