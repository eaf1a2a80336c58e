package schedule

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
)

// The bounds of an interval.
const (
	MinInterval = Interval(time.Minute)
	MaxInterval = Interval(366 * 24 * time.Hour)
)

// Interval is the time between two firings, in whole seconds. As text it is 30m,
// 6h, 7d or a sum of such, with s for seconds.
type Interval time.Duration

// intervalUnits are the units an interval is written in, the longest first.
func intervalUnits() []struct {
	letter, name string
	size         time.Duration
} {
	return []struct {
		letter, name string
		size         time.Duration
	}{
		{"d", "day", 24 * time.Hour},
		{"h", "hour", time.Hour},
		{"m", "minute", time.Minute},
		{"s", "second", time.Second},
	}
}

var errInterval = errors.New("use whole days, hours, minutes and seconds such as 30m, 6h, 7d or 1h30m")

// ParseInterval reads an interval of any length; whether it is allowed is for
// Spec.Check to say.
func ParseInterval(text string) (Interval, error) {
	const most = math.MaxInt64 / 4 // of each unit, so that the sum is a Duration
	rest, total := strings.TrimSpace(text), time.Duration(0)
	if rest == "" {
		return 0, errInterval
	}
	for _, unit := range intervalUnits() {
		digits, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil || time.Duration(n) > most/unit.size {
			return 0, errInterval
		}
		total += time.Duration(n) * unit.size
		rest = after
	}
	if rest != "" {
		return 0, errInterval
	}
	return Interval(total), nil
}

// String returns the text that ParseInterval reads.
func (i Interval) String() string {
	if i <= 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(i)
	for _, unit := range intervalUnits() {
		if n := rest / unit.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.letter)
			rest -= n * unit.size
		}
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler; see String.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see ParseInterval.
func (i *Interval) UnmarshalText(text []byte) error {
	parsed, err := ParseInterval(string(text))
	if err != nil {
		return fmt.Errorf("%q is no interval, %w", automation.Echo(string(text)), err)
	}
	*i = parsed
	return nil
}

// words returns the interval as people say it after "every": "minute", "30
// minutes", "hour and 30 minutes".
func (i Interval) words() string {
	var parts []string
	rest := time.Duration(i)
	for _, unit := range intervalUnits() {
		n := rest / unit.size
		rest -= n * unit.size
		switch {
		case n == 1 && len(parts) == 0:
			parts = append(parts, unit.name)
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return joined(parts)
}
