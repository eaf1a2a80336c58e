package schedule

import (
	"fmt"
	"math/bits"
	"time"
)

// Describe says for people when a Spec fires: "every 30 minutes", "at 06:00 on
// weekdays, Europe/Berlin". Of a Spec that Check refuses it returns nothing.
func (s Spec) Describe() string {
	r, err := s.rule()
	if err != nil {
		return ""
	}
	text := ""
	switch r := r.(type) {
	case intervalRule:
		text = "every " + s.Every.words()
	case cronRule:
		text = r.times.words() + ", " + r.zone.String()
	}
	if !s.Start.IsZero() {
		text += ", from " + wire(s.Start)
	}
	if !s.End.IsZero() {
		text += ", until " + wire(s.End)
	}
	return text
}

func (c cronTimes) words() string { return c.timeWords() + c.dayWords() + c.monthWords() }

// timeWords says at which times of a day.
func (c cronTimes) timeWords() string {
	const mostTimes = 6
	if c.minutes.size()*c.hours.size() <= mostTimes {
		var times []string
		for h := c.hours.after(0); h < 24; h = c.hours.after(h + 1) {
			for m := c.minutes.after(0); m < 60; m = c.minutes.after(m + 1) {
				times = append(times, fmt.Sprintf("%02d:%02d", h, m))
			}
		}
		return "at " + joined(times)
	}
	if text, ok := c.stretchWords(); ok {
		return text
	}
	return c.minuteWords() + c.hourWords()
}

// stretchWords says from when until when, where the hours are a stretch of the
// day and the minutes the same distance apart.
func (c cronTimes) stretchWords() (string, bool) {
	first := c.hours.after(0)
	last := first + c.hours.size() - 1
	step := c.minutes.step(60)
	if c.hours.size() == 24 || c.hours != span(first, last) || step == 0 && c.minutes.size() > 1 {
		return "", false
	}
	every, minute := "every hour", c.minutes.after(0)
	if step == 1 {
		every = "every minute"
	} else if step > 1 {
		every = fmt.Sprintf("every %d minutes", step)
	}
	return fmt.Sprintf("%s from %02d:%02d to %02d:%02d", every, first, minute, last, 63-bits.LeadingZeros64(uint64(c.minutes))), true
}

func (c cronTimes) minuteWords() string {
	if step := c.minutes.step(60); step == 1 {
		return "every minute"
	} else if step > 1 {
		return fmt.Sprintf("every %d minutes", step)
	}
	switch {
	case c.minutes == 1 && c.hours.step(24) > 0:
		return "" // said with the hours
	case c.minutes.size() == 1:
		return "at minute " + listed(c.minutes, plainNumber)
	}
	return "at minutes " + listed(c.minutes, plainNumber)
}

func (c cronTimes) hourWords() string {
	step := c.hours.step(24)
	switch {
	case c.hours.size() == 24 && c.minutes.step(60) > 0:
		return ""
	case c.minutes == 1 && step == 1:
		return "every hour"
	case c.minutes == 1 && step > 1:
		return fmt.Sprintf("every %d hours", step)
	case step == 1:
		return " of every hour"
	case step > 1:
		return fmt.Sprintf(" of every %d%s hour", step, ordinal(step))
	}
	return " in the hours " + listed(c.hours, func(h int) string { return fmt.Sprintf("%02d", h) })
}

// step returns n if a set is every nth number from 0 up to a limit that n
// divides, and 0 otherwise.
func (s set) step(limit int) int {
	size := s.size()
	if size == 0 || limit%size != 0 {
		return 0
	}
	n := limit / size
	for i := 0; i < limit; i += n {
		if !s.has(i) {
			return 0
		}
	}
	if size == 1 {
		return 0 // once: no step
	}
	return n
}

func ordinal(n int) string {
	switch n {
	case 2:
		return "nd"
	case 3:
		return "rd"
	}
	return "th"
}

// dayWords says on which days, and nothing of every day.
func (c cronTimes) dayWords() string {
	byDay, byWeekday := c.days.size() < 31, c.weekdays.size() < 7
	switch {
	case c.either && (!byDay || !byWeekday), !byDay && !byWeekday:
		return ""
	case byDay && byWeekday:
		return " " + c.numberWords() + " or " + c.weekdayWords()
	case byDay:
		return " " + c.numberWords()
	}
	return " " + c.weekdayWords()
}

func (c cronTimes) numberWords() string {
	if c.days.size() == 1 {
		return "on day " + listed(c.days, plainNumber) + " of the month"
	}
	return "on days " + listed(c.days, plainNumber) + " of the month"
}

func (c cronTimes) weekdayWords() string {
	switch c.weekdays {
	case span(1, 5):
		return "on weekdays"
	case 1 | 1<<6:
		return "on weekends"
	}
	return "on " + listed(c.weekdays, func(d int) string { return time.Weekday(d).String() + "s" })
}

func (c cronTimes) monthWords() string {
	if c.months.size() == 12 {
		return ""
	}
	return " in " + listed(c.months, monthName)
}
