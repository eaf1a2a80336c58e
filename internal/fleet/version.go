package fleet

import "strings"

// Limits of what VersionKey tells apart.
const (
	maxVersionParts  = 16 // real versions have at most six
	maxVersionDigits = 20 // a part of more digits counts as twenty nines
)

// VersionKey returns a text that sorts, byte by byte, as the dotted version
// does number by number: 5.10 is above 5.9, and 5.6 equals 5.6.0. Of each part
// only the leading digits count, so 5.6.0-beta equals 5.6.0. Keys are stored
// beside the versions of agents: when what this returns changes, a data migration
// has to make them anew.
func VersionKey(version string) string {
	var key strings.Builder
	pending := 0 // zero parts that count only when a greater one follows
	for i, part := range strings.Split(version, ".") {
		if i == maxVersionParts {
			break
		}
		digits := strings.TrimLeft(leadingDigits(part), "0")
		if digits == "" {
			pending++
			continue
		}
		if len(digits) > maxVersionDigits {
			digits = strings.Repeat("9", maxVersionDigits)
		}
		// A letter for the number of digits in front makes longer numbers sort later.
		key.WriteString(strings.Repeat("a", pending))
		pending = 0
		key.WriteByte('a' + byte(len(digits)))
		key.WriteString(digits)
	}
	return key.String()
}

func leadingDigits(s string) string {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return s[:i]
		}
	}
	return s
}

func dottedNumbers(version string) bool {
	for part := range strings.SplitSeq(version, ".") {
		if part == "" || leadingDigits(part) != part {
			return false
		}
	}
	return true
}
