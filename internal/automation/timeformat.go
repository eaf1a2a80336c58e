package automation

import (
	"fmt"
	"strings"
	"time"
)

// userLayout is MM/DD/YYYY hh:mm AM/PM, the default of the date and time format
// that users of the automation layer choose.
const userLayout = "01/02/2006 03:04 PM"

// ParseTime reads a time in RFC 3339 or as MM/DD/YYYY hh:mm AM/PM, which is
// taken as UTC. The error names the value and both forms.
func ParseTime(s string) (time.Time, error) {
	text := strings.ToUpper(strings.Join(strings.Fields(s), " "))
	for _, layout := range []string{time.RFC3339, userLayout} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time, use MM/DD/YYYY hh:mm AM/PM such as 12/29/2024 09:00 AM, which means UTC, or RFC 3339 such as 2024-12-29T09:00:00Z", shorten(s))
}
