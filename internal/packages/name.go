package packages

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// namePattern has groups for version, platform, architecture and extension. One
// extension: what is still being copied often has a second one.
var namePattern = regexp.MustCompile(`^vedette-agent-([0-9]{1,9}(?:\.[0-9]{1,9}){1,4})-([A-Z0-9_]+)-([A-Z0-9_]+)(\.[a-z]{1,8})$`)

// parseName returns what the name of a file says of the package in it. ok is
// false for the name of something else.
func parseName(name string) (p fleet.Package, ok bool) {
	m := namePattern.FindStringSubmatch(name)
	if len(m) != 5 || !slices.Contains(qps.BinaryPlatforms(), m[2]) || !slices.Contains(qps.BinaryArchitectures(), m[3]) {
		return fleet.Package{}, false
	}
	return fleet.Package{Name: name, Version: m[1], Platform: m[2], Architecture: m[3], Extension: m[4]}, true
}

// byPairAndAge orders packages by platform and architecture, and those for the
// same by version, newest first. Names decide between equals, so that the choice
// does not change from call to call.
func byPairAndAge(a, b fleet.Package) int {
	return cmp.Or(
		strings.Compare(a.Platform, b.Platform), strings.Compare(a.Architecture, b.Architecture),
		compareVersions(b.Version, a.Version), strings.Compare(a.Name, b.Name))
}

// compareVersions compares dotted versions number by number; one that goes on is
// newer than one that has ended.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
	})
}
