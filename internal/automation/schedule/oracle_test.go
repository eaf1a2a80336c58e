package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// The oracle knows nothing of civil time but what a clock on a wall shows: it
// looks at every minute of a stretch of time and fires when the clock shows a
// time that matches and that it has not come to before, or has just jumped over
// one.

// field is a field of a cron, as text and as the numbers it means.
type field struct {
	text    string
	numbers []int
	open    bool
}

// drawField draws a field; what is named in it one by one is at most named.
func drawField(t *rapid.T, label string, least, most, named int) field {
	switch rapid.IntRange(0, 3).Draw(t, label+" form") {
	case 0:
		return field{"*", numbers(least, most, 1), true}
	case 1:
		step := rapid.IntRange(2, 30).Draw(t, label+" step")
		return field{fmt.Sprintf("*/%d", step), numbers(least, most, step), false}
	case 2:
		from := rapid.IntRange(least, named).Draw(t, label+" from")
		to := rapid.IntRange(from, most).Draw(t, label+" to")
		return field{fmt.Sprintf("%d-%d", from, to), numbers(from, to, 1), false}
	}
	list := rapid.SliceOfN(rapid.IntRange(least, named), 1, 4).Draw(t, label)
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = fmt.Sprint(n)
	}
	return field{strings.Join(texts, ","), list, false}
}

func numbers(from, to, step int) (all []int) {
	for n := from; n <= to; n += step {
		all = append(all, n)
	}
	return all
}

// drawnCron is a cron with what it means.
type drawnCron struct{ minute, hour, day, month, weekday field }

func drawCron(t *rapid.T) drawnCron {
	return drawnCron{
		drawField(t, "minute", 0, 59, 59), drawField(t, "hour", 0, 23, 23),
		drawField(t, "day", 1, 31, 28), // which every month has
		drawField(t, "month", 1, 12, 12), drawField(t, "weekday", 0, 6, 6),
	}
}

func (c drawnCron) String() string {
	return strings.Join([]string{c.minute.text, c.hour.text, c.day.text, c.month.text, c.weekday.text}, " ")
}

func (c drawnCron) matches(clock time.Time) bool {
	day := slices.Contains(c.day.numbers, clock.Day())
	if c.day.open {
		day = true
	}
	weekday := slices.Contains(c.weekday.numbers, int(clock.Weekday()))
	date := day && weekday
	if !c.day.open && !c.weekday.open {
		date = day || weekday
	}
	return date && slices.Contains(c.month.numbers, int(clock.Month())) &&
		slices.Contains(c.hour.numbers, clock.Hour()) && slices.Contains(c.minute.numbers, clock.Minute())
}

// onTheWall is what a clock of the zone shows, read from its text.
func onTheWall(t time.Time, zone *time.Location) time.Time {
	clock, err := time.Parse("2006-01-02 15:04", t.In(zone).Format("2006-01-02 15:04"))
	if err != nil {
		panic(err)
	}
	return clock
}

// shown is what a clock of the zone shows at every minute of a stretch of time.
func shown(zone *time.Location, from, until time.Time) (clocks []time.Time) {
	for at := from; at.Before(until); at = at.Add(time.Minute) {
		clocks = append(clocks, onTheWall(at, zone))
	}
	return clocks
}

// lookedFor are the firings of a stretch of time, by looking at each minute.
func lookedFor(c drawnCron, from time.Time, clocks []time.Time) (firings []time.Time) {
	seen := clocks[0].Add(-time.Minute)
	for i, clock := range clocks {
		fires := false
		for seen.Before(clock) {
			seen = seen.Add(time.Minute)
			fires = fires || c.matches(seen)
		}
		if fires {
			firings = append(firings, from.Add(time.Duration(i)*time.Minute))
		}
	}
	return firings
}

// turns are days on which a clock was turned, or left alone.
func turns() []struct {
	zone  string
	noons []string
} {
	return []struct {
		zone  string
		noons []string
	}{
		{"Europe/Berlin", []string{"2026-03-29T12:00:00Z", "2026-10-25T12:00:00Z", "2026-06-01T12:00:00Z"}},
		{"America/New_York", []string{"2026-03-08T12:00:00Z", "2026-11-01T12:00:00Z"}},
		{"Australia/Lord_Howe", []string{"2026-04-04T15:00:00Z", "2026-10-03T15:00:00Z"}},
		{"Asia/Kathmandu", []string{"1985-12-31T18:30:00Z", "2026-03-29T12:00:00Z"}},
		{"Pacific/Apia", []string{"2011-12-30T10:00:00Z", "2011-09-24T11:00:00Z", "2012-03-31T14:00:00Z"}},
		{"Africa/Casablanca", []string{"2026-02-15T02:00:00Z", "2026-03-22T02:00:00Z"}},
		{"America/St_Johns", []string{"2006-04-02T03:31:00Z", "2006-10-29T02:31:00Z"}},
		{"Antarctica/Troll", []string{"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"}},
		{"UTC", []string{"2024-02-29T00:00:00Z"}},
	}
}

func moment(t interface{ Fatal(...any) }, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestFiringsAreThoseOfWhoLooksAtTheClockEveryMinute(t *testing.T) {
	t.Parallel()
	for _, turn := range turns() {
		for _, noon := range turn.noons {
			t.Run(turn.zone+"_"+noon[:10], func(t *testing.T) {
				t.Parallel()
				zone, err := time.LoadLocation(turn.zone)
				if err != nil {
					t.Fatal(err)
				}
				from := moment(t, noon).Add(-30 * time.Hour)
				until := from.Add(60 * time.Hour)
				clocks := shown(zone, from, until)
				rapid.Check(t, func(t *rapid.T) {
					c := drawCron(t)
					c.month = field{"*", numbers(1, 12, 1), true}
					s := Spec{Cron: c.String(), Zone: turn.zone, End: until}
					want := lookedFor(c, from, clocks)
					got := s.Preview(from.Add(-1), len(want)+1)
					for i := range max(len(got), len(want)) {
						if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
							t.Fatalf("%s in %s, firing %d: got %v, want %v", c, turn.zone, i, got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
						}
					}
					after := from.Add(time.Duration(rapid.Int64Range(0, int64(60*time.Hour)).Draw(t, "after")))
					next, ok := s.Next(after)
					i, _ := slices.BinarySearchFunc(want, after, func(f, after time.Time) int {
						if f.After(after) {
							return 1
						}
						return -1
					})
					if ok != (i < len(want)) || ok && !next.Equal(want[i]) {
						t.Fatalf("%s in %s: Next(%v) = %v, %t", c, turn.zone, after, next, ok)
					}
				})
			})
		}
	}
}

func TestFiringsMatchTheCronAndNoLocalTimeFiresTwice(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		c := drawCron(t)
		s := Spec{Cron: c.String(), Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		zone, err := time.LoadLocation(s.Zone)
		if err != nil {
			t.Fatal(err)
		}
		after := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "fraction"))
		before := time.Time{}
		for i := range 50 {
			next, ok := s.Next(after)
			if !ok {
				t.Fatalf("%s in %s fires no more after %v", c, s.Zone, after)
			}
			if !next.After(after) {
				t.Fatalf("%s in %s: Next(%v) = %v is not later", c, s.Zone, after, next)
			}
			clock := onTheWall(next, zone)
			if i > 0 && !clock.After(before) {
				t.Fatalf("%s in %s: the clock shows %v at the firing after that of %v", c, s.Zone, clock, before)
			}
			gap := onTheWall(next.Add(-time.Minute), zone).Add(time.Minute).Before(clock)
			if !gap && !c.matches(clock) {
				t.Fatalf("%s in %s fires at %v, which it does not match", c, s.Zone, clock)
			}
			after, before = next, clock
		}
	})
}

func TestIntervalsDoNotDrift(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.Int64Range(60, int64(366*24*time.Hour/time.Second)).Draw(t, "every")
		start := rapid.Int64Range(0, 4e9).Draw(t, "start")
		s := Spec{Every: Interval(time.Duration(every) * time.Second), Start: time.Unix(start, 0)}
		after := time.Unix(rapid.Int64Range(0, 9e9).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "fraction"))
		next, ok := s.Next(after)
		if !ok || !next.After(after) || (next.Unix()-start)%every != 0 || next.Nanosecond() != 0 || next.Unix() < start {
			t.Fatalf("%s from %d: Next(%v) = %v, %t", s.Every, start, after, next, ok)
		}
		if before := next.Add(-time.Duration(s.Every)); before.After(after) && before.Unix() >= start {
			t.Fatalf("%s from %d: Next(%v) = %v leaves out %v", s.Every, start, after, next, before)
		}
	})
}
