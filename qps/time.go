package qps

import (
	"fmt"
	"strings"
	"time"
)

// ParseTime reads a date of the protocol: YYYY-MM-DD, which means midnight UTC,
// or RFC 3339 with or without a fraction of a second. The result is in UTC. The
// error names the value and the accepted formats.
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date: use YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ", shorten(s))
}

// FormatTime returns t as the protocol writes it, 2031-04-01T06:12:44Z: UTC, to
// the second. The zero time, and years before 1 and after 9999, give "".
func FormatTime(t time.Time) string {
	if !writable(t) {
		return ""
	}
	return string(appendTime(nil, t))
}

func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, time.RFC3339)
}

// writable reports whether t is a time that can go on the wire. XML Schema has no
// year 0 (XSD 1.0 part 2, section 3.2.7).
func writable(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}
