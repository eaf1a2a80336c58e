package schedule

import (
	"strconv"
	"strings"
	"time"
)

// joined returns a list as people write it: "a, b and c".
func joined(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

// listed returns the members of a set as people write them, with runs of three
// and more as a range: "1, 2 and 5 to 9".
func listed(s set, name func(int) string) string {
	var parts []string
	for n := s.after(0); n < 64; n = s.after(n + 1) {
		end := n
		for s.has(end + 1) {
			end++
		}
		switch {
		case end == n:
			parts = append(parts, name(n))
		case end == n+1:
			parts = append(parts, name(n), name(end))
		default:
			parts = append(parts, name(n)+" to "+name(end))
		}
		n = end
	}
	return joined(parts)
}

func plainNumber(n int) string { return strconv.Itoa(n) }
func monthName(n int) string   { return time.Month(n).String() }
