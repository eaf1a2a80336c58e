package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"vedette.dev/vedette/internal/automation"
)

// maxCronLength bounds the text of a cron, in bytes; sixty minutes one by one have
// 169.
const maxCronLength = 256

// longestWait is the longest time between two firings of a cron, in years: eight,
// from the 29th of February of 1896 to that of 1904 or from 2096 to 2104, and the
// year it began in.
const longestWait = 9

// set is a set of small numbers, one bit for each.
type set uint64

func (s set) has(n int) bool { return s>>n&1 == 1 }
func (s set) size() int      { return bits.OnesCount64(uint64(s)) }

// after returns the least number of the set that is at least n; 64 when there is
// none.
func (s set) after(n int) int { return bits.TrailingZeros64(uint64(s >> n << n)) }

func span(least, most int) (s set) {
	for n := least; n <= most; n++ {
		s |= 1 << n
	}
	return s
}

// cronTimes are the local times a cron matches.
type cronTimes struct {
	minutes, hours, days, months, weekdays set
	// either says that a day matches by its number or by its weekday: both are
	// given. Otherwise it has to match both.
	either bool
}

// cronFields are the fields of a cron in their order, with what is allowed.
func cronFields() []struct{ name, allowed string } {
	return []struct{ name, allowed string }{
		{"minute", "0-59"},
		{"hour", "0-23"},
		{"day of the month", "1-31"},
		{"month", "1-12 or JAN-DEC"},
		{"day of the week", "0-6 or SUN-SAT, Sunday is 0"},
	}
}

func cronParser() cron.Parser {
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
}

// parseCron reads five fields, or one of @yearly, @monthly, @weekly, @daily and
// @hourly. The error says what is wrong with which field; a cron that never fires
// is one.
func parseCron(text string) (cronTimes, error) {
	if len(text) > maxCronLength {
		return cronTimes{}, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), maxCronLength)
	}
	text = strings.TrimSpace(text)
	fields := strings.Fields(text)
	switch {
	case strings.HasPrefix(text, "@every"):
		return cronTimes{}, errors.New("@every is an interval, give it as that")
	case strings.HasPrefix(text, "@"):
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		return cronTimes{}, errors.New("the time zone is a setting of its own")
	case len(fields) != len(cronFields()):
		return cronTimes{}, fmt.Errorf("it has %d fields and needs 5: minute, hour, day of the month, month and day of the week", len(fields))
	default:
		if err := checkFields(fields); err != nil {
			return cronTimes{}, err
		}
	}
	parsed, err := cronParser().Parse(text)
	if err != nil {
		return cronTimes{}, errors.New("use five fields or one of @hourly, @daily, @weekly, @monthly and @yearly")
	}
	rule, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return cronTimes{}, errors.New("it has no fields")
	}
	// The parser marks a field that was left open with the highest bit.
	const open = 1 << 63
	times := cronTimes{
		minutes: set(rule.Minute) & span(0, 59), hours: set(rule.Hour) & span(0, 23), days: set(rule.Dom) & span(1, 31),
		months: set(rule.Month) & span(1, 12), weekdays: set(rule.Dow) & span(0, 6),
		either: rule.Dom&open == 0 && rule.Dow&open == 0,
	}
	return times, times.checkFires()
}

// checkFields refuses what the parser does not understand and says which field
// that is, and what it lets pass without a meaning.
func checkFields(fields []string) error {
	for i, field := range cronFields() {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = fields[i]
		_, err := cronParser().Parse(strings.Join(alone, " "))
		open := strings.Contains(fields[i], "*-") || strings.Contains(fields[i], "?-")
		empty := strings.Contains(","+fields[i]+",", ",,")
		if err != nil || open || empty {
			return fmt.Errorf("%s %q is not understood, use * or a list of %s with ranges as 1-5 and steps as */2", field.name, automation.Echo(fields[i]), field.allowed)
		}
	}
	return nil
}

// checkFires refuses days that no year has.
func (c cronTimes) checkFires() error {
	if c.either {
		return nil
	}
	lengths := [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for i, length := range lengths {
		if c.months.has(i+1) && c.days.after(1) <= length {
			return nil
		}
	}
	return fmt.Errorf("it never fires: no day %s is in %s", listed(c.days, plainNumber), listed(c.months, monthName))
}

// matchesDay says whether a cron fires on the date of a clock.
func (c cronTimes) matchesDay(clock time.Time) bool {
	if !c.months.has(int(clock.Month())) {
		return false
	}
	byDay, byWeekday := c.days.has(clock.Day()), c.weekdays.has(int(clock.Weekday()))
	if c.either {
		return byDay || byWeekday
	}
	return byDay && byWeekday
}

// from returns the first time that matches and is not before clock, which has no
// seconds. Clocks are times in UTC that mean no zone.
func (c cronTimes) from(clock time.Time) (time.Time, bool) {
	year, month, day := clock.Date()
	hour, minute := clock.Hour(), clock.Minute()
	for last := year + longestWait; year <= last; {
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		year, month, day = date.Date()
		switch {
		case !c.months.has(int(month)):
			month, day, hour, minute = month+1, 1, 0, 0
			continue
		case c.matchesDay(date):
			if at, ok := c.fromTime(date, hour, minute); ok {
				return at, true
			}
		}
		day, hour, minute = day+1, 0, 0
	}
	return time.Time{}, false
}

// fromTime returns the first time of a date that matches and is not before hour
// and minute.
func (c cronTimes) fromTime(date time.Time, hour, minute int) (time.Time, bool) {
	for h := c.hours.after(hour); h < 24; h = c.hours.after(h + 1) {
		if h > hour {
			minute = 0
		}
		if m := c.minutes.after(minute); m < 60 {
			return date.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute), true
		}
	}
	return time.Time{}, false
}
