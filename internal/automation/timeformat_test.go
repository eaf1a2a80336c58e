package automation

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zoned(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestATimeIsReadInTheFormatOfTheUserAndInRFC3339Only(t *testing.T) {
	t.Parallel()
	const no = ""
	inputs := []struct {
		text string
		want map[TimeFormat]string // formats that read it
		all  string                // what every format reads
	}{
		{"2024-12-29T09:00:00Z", nil, "2024-12-29T09:00:00Z"},
		{"2024-12-29t10:00:30+01:00", nil, "2024-12-29T09:00:30Z"},
		{"12/29/2024 09:00 AM", map[TimeFormat]string{MonthDayYear: "2024-12-29T09:00:00Z"}, no},
		{" 12/29/2024  09:00 pm ", map[TimeFormat]string{MonthDayYear: "2024-12-29T21:00:00Z"}, no},
		{"01/02/2025 08:00 PM", map[TimeFormat]string{MonthDayYear: "2025-01-02T20:00:00Z"}, no},
		{"01/02/2025 20:00", map[TimeFormat]string{DayMonthYear: "2025-02-01T20:00:00Z"}, no},
		{"29/12/2024 09:00", map[TimeFormat]string{DayMonthYear: "2024-12-29T09:00:00Z"}, no},
		{"12/29/2024 09:00", nil, no},
		{"2024-12-29 09:00", map[TimeFormat]string{YearMonthDay: "2024-12-29T09:00:00Z"}, no},
		{"29.12.2024 09:00", map[TimeFormat]string{DottedDayMonth: "2024-12-29T09:00:00Z"}, no},
		{"29 Dec 2024 09:00", map[TimeFormat]string{DayNamedMonth: "2024-12-29T09:00:00Z"}, no},
		{"29 DEC 2024 21:30 UTC", map[TimeFormat]string{DayNamedMonth: "2024-12-29T21:30:00Z"}, no},
		{"12/29/2024 12:00 AM UTC", map[TimeFormat]string{MonthDayYear: "2024-12-29T00:00:00Z"}, no},
		{"12/29/2024 09:00 AM CET", nil, no},
		{"02/30/2025 09:00 AM", nil, no},
		{"30.02.2025 09:00", nil, no},
		{"12/29/2024", nil, no},
		{"2024-12-29", nil, no},
		{"29. Dezember 2024 09:00", nil, no},
		{"yesterday", nil, no},
		{"", nil, no},
	}
	for _, format := range TimeFormats() {
		for _, in := range inputs {
			want := in.want[format]
			if in.all != no {
				want = in.all
			}
			got := no
			at, err := format.Parse(in.text, time.UTC)
			if err == nil {
				got = at.Format(time.RFC3339)
			}
			if got != want {
				t.Errorf("%s reads %q as %q (%v), want %q", format, in.text, got, err, want)
			}
		}
	}
}

func TestWhatIsNoTimeIsRefusedWithBothForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format TimeFormat
		zone   string
		give   string
		want   string
	}{
		{"", "", "29/12/2024 09:00", `"29/12/2024 09:00" is not a time, use MM/DD/YYYY hh:mm AM/PM such as 12/29/2024 09:00 AM, which means UTC, or RFC 3339 such as 2024-12-29T09:00:00Z`},
		{DayMonthYear, "Europe/Berlin", "12/29/2024 09:00 AM", `"12/29/2024 09:00 AM" is not a time, use DD/MM/YYYY HH:mm such as 29/12/2024 09:00, which means Europe/Berlin, or RFC 3339 such as 2024-12-29T09:00:00Z`},
		{DayNamedMonth, "", "29/12/2024 09:00", `"29/12/2024 09:00" is not a time, use DD MMM YYYY HH:mm such as 29 Dec 2024 09:00, which means UTC, or RFC 3339 such as 2024-12-29T09:00:00Z`},
		{RFC3339, "Europe/Berlin", "29.12.2024 09:00", `"29.12.2024 09:00" is not a time, use RFC 3339 such as 2024-12-29T09:00:00Z`},
		{DottedDayMonth, "Europe/Berlin", "29.03.2026 02:30", `"29.03.2026 02:30" does not exist in Europe/Berlin, where the clock is put forward over it`},
		{DottedDayMonth, "Europe/Berlin", "25.10.2026 02:30", `"25.10.2026 02:30" happens twice in Europe/Berlin, where the clock is put back: add CEST or CET, or use RFC 3339 such as 2026-10-25T02:30:00+02:00`},
		{DottedDayMonth, "Europe/Berlin", "25.10.2026 02:30 EST", `"25.10.2026 02:30 EST" is not a time, use DD.MM.YYYY HH:mm such as 29.12.2024 09:00, which means Europe/Berlin, or RFC 3339 such as 2024-12-29T09:00:00Z`},
		{DottedDayMonth, "Pacific/Apia", "30.12.2011 12:00", `"30.12.2011 12:00" does not exist in Pacific/Apia, where the clock is put forward over it`},
		{YearMonthDay, "", strings.Repeat("9", 300), `"` + strings.Repeat("9", 80) + `…" is not a time, use YYYY-MM-DD HH:mm such as 2024-12-29 09:00, which means UTC, or RFC 3339 such as 2024-12-29T09:00:00Z`},
	}
	for _, tt := range tests {
		if at, err := tt.format.Parse(tt.give, zoned(t, tt.zone)); err == nil || err.Error() != tt.want {
			t.Errorf("%s reads %q as %v\n got %v\nwant %s", tt.format, tt.give, at, err, tt.want)
		}
	}
}

func TestATimeMeansTheZoneOfTheUserUnlessItIsOneOfUTC(t *testing.T) {
	t.Parallel()
	berlin, err := NewTimes("DD.MM.YYYY HH:mm", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text string
		utc  bool
		want string
	}{
		{"01.07.2026 09:00", false, "2026-07-01T07:00:00Z"},
		{"01.01.2026 09:00", false, "2026-01-01T08:00:00Z"},
		{"01.07.2026 09:00", true, "2026-07-01T09:00:00Z"},
		{"01.07.2026 09:00 UTC", false, "2026-07-01T09:00:00Z"},
		{"01.07.2026 09:00 CEST", false, "2026-07-01T07:00:00Z"},
		{"2026-07-01T09:00:00+05:45", false, "2026-07-01T03:15:00Z"},
		{"25.10.2026 02:30 CEST", false, "2026-10-25T00:30:00Z"},
		{"25.10.2026 02:30 cet", false, "2026-10-25T01:30:00Z"},
		{"25.10.2026 02:30", true, "2026-10-25T02:30:00Z"},
	}
	for _, tt := range tests {
		at, err := berlin.ReadTime(tt.text, tt.utc)
		if err != nil || at.Format(time.RFC3339) != tt.want {
			t.Errorf("ReadTime(%q, %t) = %v, %v, want %s", tt.text, tt.utc, at, err, tt.want)
		}
	}
}

func TestATimeIsShownInTheFormatAndZoneOfTheUser(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.July, 1, 21, 5, 44, 0, time.UTC)
	tests := []struct{ format, zone, want string }{
		{"", "", "07/01/2026 09:05 PM UTC"},
		{"DD/MM/YYYY HH:mm", "Europe/Berlin", "01/07/2026 23:05 CEST"},
		{"YYYY-MM-DD HH:mm", "Asia/Kathmandu", "2026-07-02 02:50 +0545"},
		{"DD.MM.YYYY HH:mm", "America/New_York", "01.07.2026 17:05 EDT"},
		{"DD MMM YYYY HH:mm", "UTC", "01 Jul 2026 21:05 UTC"},
		{"rfc3339", "Europe/Berlin", "2026-07-01T23:05:44+02:00"},
	}
	for _, tt := range tests {
		times, err := NewTimes(tt.format, tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := times.Show(at); got != tt.want {
			t.Errorf("%q in %q shows %q, want %q", tt.format, tt.zone, got, tt.want)
		}
		if got := times.Show(time.Time{}); got != "" {
			t.Errorf("the zero time is shown as %q", got)
		}
	}
}

func TestWhatIsShownIsReadAsTheSameMinute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		format := rapid.SampledFrom(TimeFormats()).Draw(r, "format")
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"}).Draw(r, "zone")
		times, err := NewTimes(string(format), zone)
		if err != nil {
			r.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(r, "time")/60*60, 0)
		if again, err := times.ReadTime(times.Show(at), false); err != nil || !again.Equal(at) {
			r.Fatalf("%q is read as %v, %v; it was %v", times.Show(at), again, err, at.UTC())
		}
	})
}

func TestAFormatIsFoundByItsNameAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, format := range TimeFormats() {
		for _, name := range []string{string(format), strings.ToLower(string(format)), " " + strings.ReplaceAll(string(format), " ", "")} {
			if got, err := ParseTimeFormat(name); err != nil || got != format {
				t.Errorf("ParseTimeFormat(%q) = %q, %v", name, got, err)
			}
		}
	}
	_, err := ParseTimeFormat("YY-MM-DD")
	const want = `"YY-MM-DD" is no time format, use one of MM/DD/YYYY hh:mm AM/PM, DD/MM/YYYY HH:mm, YYYY-MM-DD HH:mm, DD.MM.YYYY HH:mm, DD MMM YYYY HH:mm, RFC 3339`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
