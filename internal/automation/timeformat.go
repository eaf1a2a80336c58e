package automation

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// TimeFormat is the form in which a user reads and writes dates with times, named
// as people know it. RFC 3339 is read beside each of them; no other form ever is,
// so a day is not taken for a month. The zero TimeFormat is the default.
type TimeFormat string

// The formats. The first is the default, as in the integration that this package
// follows.
const (
	MonthDayYear      TimeFormat = "MM/DD/YYYY hh:mm AM/PM"
	DayMonthYear      TimeFormat = "DD/MM/YYYY HH:mm"
	YearMonthDay      TimeFormat = "YYYY-MM-DD HH:mm"
	DottedDayMonth    TimeFormat = "DD.MM.YYYY HH:mm"
	DayNamedMonth     TimeFormat = "DD MMM YYYY HH:mm"
	RFC3339           TimeFormat = "RFC 3339"
	defaultTimeFormat            = MonthDayYear
)

// TimeFormats returns the formats there are, the default first.
func TimeFormats() []TimeFormat {
	return []TimeFormat{MonthDayYear, DayMonthYear, YearMonthDay, DottedDayMonth, DayNamedMonth, RFC3339}
}

// layout is the format in the words of package time.
func (f TimeFormat) layout() string {
	switch f {
	case DayMonthYear:
		return "02/01/2006 15:04"
	case YearMonthDay:
		return "2006-01-02 15:04"
	case DottedDayMonth:
		return "02.01.2006 15:04"
	case DayNamedMonth:
		return "02 Jan 2006 15:04"
	case RFC3339:
		return time.RFC3339
	}
	return "01/02/2006 03:04 PM"
}

// ParseTimeFormat returns the format of that name, whatever its case and spaces;
// an empty name is the default. The error names the value and every format.
func ParseTimeFormat(name string) (TimeFormat, error) {
	if name == "" {
		return defaultTimeFormat, nil
	}
	fold := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	names := make([]string, len(TimeFormats()))
	for i, format := range TimeFormats() {
		if names[i] = string(format); fold(names[i]) == fold(name) {
			return format, nil
		}
	}
	return "", fmt.Errorf("%q is no time format, use one of %s", shorten(name), strings.Join(names, ", "))
}

// Example returns a time in the format: the one that the integration shows.
func (f TimeFormat) Example() string {
	return f.Format(time.Date(2024, time.December, 29, 9, 0, 0, 0, time.UTC), time.UTC)
}

// Format writes a time as the clock of a zone shows it, nothing for the zero
// time. All formats but RFC 3339 leave out the seconds.
func (f TimeFormat) Format(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(f.layout())
}

// Parse reads a time in the format, which is what the clock of the zone shows, or
// in RFC 3339. After the time there may be UTC, or the abbreviation of the zone
// at that time, as Times.Show writes it. A time that the zone leaves out when its
// clock is put forward is refused, and one that it has twice unless the
// abbreviation says which is meant. The error names the value and both forms.
func (f TimeFormat) Parse(s string, zone *time.Location) (time.Time, error) {
	text := strings.ToUpper(strings.Join(strings.Fields(s), " "))
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if f == RFC3339 {
		return time.Time{}, fmt.Errorf("%q is not a time, use RFC 3339 such as 2024-12-29T09:00:00Z", shorten(s))
	}
	t, err := f.parseLocal(text, zone)
	if errors.Is(err, errNoTime) {
		name := f
		if name == "" {
			name = defaultTimeFormat
		}
		err = fmt.Errorf("%q is not a time, use %s such as %s, which means %s, or RFC 3339 such as 2024-12-29T09:00:00Z", shorten(s), name, f.Example(), zone)
	}
	return t, err
}

var errNoTime = errors.New("not a time in this format")

// parseLocal reads a time that has the format.
func (f TimeFormat) parseLocal(text string, zone *time.Location) (time.Time, error) {
	clock, err := time.Parse(f.layout(), text)
	abbreviation := ""
	if err != nil {
		space := strings.LastIndexByte(text, ' ')
		if space < 0 {
			return time.Time{}, errNoTime
		}
		if clock, err = time.Parse(f.layout(), text[:space]); err != nil {
			return time.Time{}, errNoTime
		}
		abbreviation = text[space+1:]
	}
	if abbreviation == "UTC" {
		return clock, nil
	}
	found := moments(clock, zone)
	if len(found) == 0 {
		return time.Time{}, fmt.Errorf("%q does not exist in %s, where the clock is put forward over it", text, zone)
	}
	if abbreviation != "" {
		found = named(found, zone, abbreviation)
	}
	switch len(found) {
	case 0:
		return time.Time{}, errNoTime
	case 1:
		return found[0], nil
	}
	return time.Time{}, fmt.Errorf("%q happens twice in %s, where the clock is put back: add %s or %s, or use RFC 3339 such as %s", text, zone,
		found[0].In(zone).Format("MST"), found[1].In(zone).Format("MST"), found[0].In(zone).Format(time.RFC3339))
}

// moments returns when the clock of a zone shows a time: once as a rule, never
// or twice where the clock is turned. clock is that time in UTC.
func moments(clock time.Time, zone *time.Location) (found []time.Time) {
	const day = 24 * time.Hour // a zone is not turned twice within two
	_, before := clock.Add(-day).In(zone).Zone()
	_, after := clock.Add(day).In(zone).Zone()
	for i, offset := range []int{before, after} {
		t := clock.Add(-time.Duration(offset) * time.Second)
		if _, actual := t.In(zone).Zone(); actual == offset && (i == 0 || before != after) {
			found = append(found, t)
		}
	}
	return found
}

// named returns those of the moments at which the zone is called so.
func named(found []time.Time, zone *time.Location, abbreviation string) (matching []time.Time) {
	for _, t := range found {
		if strings.EqualFold(t.In(zone).Format("MST"), abbreviation) {
			matching = append(matching, t)
		}
	}
	return matching
}

// ParseTime reads a time in the default format, which means UTC, or in RFC 3339;
// see TimeFormat.Parse.
func ParseTime(s string) (time.Time, error) { return defaultTimeFormat.Parse(s, time.UTC) }

// Times is how a user reads and writes times. The zero Times is the default.
type Times struct {
	Format TimeFormat
	Zone   *time.Location // nil is UTC
}

// NewTimes returns how a user reads and writes times who has chosen a format and
// a zone, each empty for the default: MM/DD/YYYY hh:mm AM/PM, and UTC.
func NewTimes(format, zone string) (Times, error) {
	f, err := ParseTimeFormat(format)
	if err != nil {
		return Times{}, err
	}
	z, err := LoadZone(zone)
	return Times{f, z}, err
}

// ReadTime reads a time as the user writes it, which with utc means UTC and
// otherwise the user's zone; see TimeFormat.Parse.
func (u Times) ReadTime(text string, utc bool) (time.Time, error) {
	if utc {
		return u.Format.Parse(text, time.UTC)
	}
	return u.Format.Parse(text, u.zone())
}

// Show writes a time for the user, with the abbreviation of the zone where the
// format has none; nothing for the zero time. ReadTime reads it.
func (u Times) Show(t time.Time) string {
	text := u.Format.Format(t, u.zone())
	if text == "" || u.Format == RFC3339 {
		return text
	}
	return text + " " + t.In(u.zone()).Format("MST")
}

func (u Times) zone() *time.Location {
	if u.Zone == nil {
		return time.UTC
	}
	return u.Zone
}
