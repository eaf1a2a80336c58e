package automation

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// zoneNames are the names of the IANA time zone database, release 2025c, one a
// line. The database is in the public domain.
//
//go:embed zones.txt
var zoneNames string

// zones are the zones there are, in ascending order.
var zones = sync.OnceValue(func() []string { return strings.Fields(zoneNames) })

// ZoneNames returns the names of the time zones that LoadZone accepts, in
// ascending order.
func ZoneNames() []string { return slices.Clone(zones()) }

// LoadZone returns the time zone of that name in the IANA database; none is UTC.
// Names are exact, and the zone of this machine, "Local", is none of them: each
// replica would have another. The error names the value and a zone that was
// probably meant. Programs that run where there is no such database embed it
// (time/tzdata).
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if _, known := slices.BinarySearch(zones(), name); !known {
		return nil, unknownZone(name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("the rules of the time zone %s cannot be read on this machine: %w", name, err)
	}
	return zone, nil
}

func unknownZone(name string) error {
	if near := nearestZone(name); near != "" {
		return fmt.Errorf("%q is no time zone, did you mean %s?", shorten(name), near)
	}
	return fmt.Errorf("%q is no time zone, use a name of the IANA database such as UTC, Europe/Berlin or America/New_York", shorten(name))
}

// nearestZone returns the zone whose name, or the city in it, is nearest to what
// was written, and none where nothing is near.
func nearestZone(name string) string {
	if len(name) > maxEcho {
		return ""
	}
	written := foldZone(name)
	best, least := "", 2*(len(written)/4+1)
	for _, zone := range zones() {
		folded := foldZone(zone)
		_, city, _ := strings.Cut(folded, "/")
		// Where both fit, as UTC and Etc/UTC, the whole name was meant.
		if d := min(2*distance(written, folded), 2*distance(written, city[strings.LastIndex(city, "/")+1:])+1); d < least {
			best, least = zone, d
		}
	}
	return best
}

// foldZone takes from a name what people write in different ways.
func foldZone(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(name)))
}

// distance is the least number of bytes to insert, delete or replace that makes
// one text of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
