package packages

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// namePattern has groups for version, platform, architecture and extension. One
// extension: what is still being copied often has a second one.
var namePattern = regexp.MustCompile(`^vedette-agent-([0-9]{1,9}(?:\.[0-9]{1,9}){1,4})-([A-Z0-9_]+)-([A-Z0-9_]+)(\.[a-z]{1,8})$`)

// parseName returns what the name of a file says of the package in it. ok is
// false for the name of something else.
func parseName(name string) (p fleet.Package, ok bool) {
	// The API does not know archives: its words are for systems with packages.
	if version, system, machine, ok := agentwire.ParseReleaseName(name); ok {
		return fleet.Package{Name: name, Version: version, Platform: system, Architecture: machine, Extension: ".tar.gz"}, true
	}
	m := namePattern.FindStringSubmatch(name)
	if len(m) != 5 || !slices.Contains(qps.BinaryPlatforms(), m[2]) || !slices.Contains(qps.BinaryArchitectures(), m[3]) {
		return fleet.Package{}, false
	}
	return fleet.Package{Name: name, Version: m[1], Platform: m[2], Architecture: m[3], Extension: m[4]}, true
}

// archives is the platform in the names of archives.
const archives = "linux"

// pair is a platform and an architecture as names of packages have them.
type pair struct{ platform, architecture string }

// installers says which package a host is installed from.
var installers = map[string]map[string]pair{ // by system and machine
	fleet.SystemDeb: {"x86_64": {"LINUX_UBUNTU", "X_64"}, "aarch64": {"LINUX_UBUNTU", "ARM_64"}},
	fleet.SystemRPM: {"x86_64": {"LINUX", "X_64"}, "aarch64": {"LINUX", "ARM_64"}},
	fleet.SystemTar: {"x86_64": {archives, "amd64"}, "aarch64": {archives, "arm64"}},
}

// extensions are those that the tools of a system install.
var extensions = map[string]string{fleet.SystemDeb: ".deb", fleet.SystemRPM: ".rpm", fleet.SystemTar: ".tar.gz"}

// byPairAndAge orders packages by platform and architecture, and those for the
// same by version, newest first. Names decide between equals, so that the choice
// does not change from call to call.
func byPairAndAge(a, b fleet.Package) int {
	return cmp.Or(
		strings.Compare(a.Platform, b.Platform), strings.Compare(a.Architecture, b.Architecture),
		agentwire.CompareVersions(b.Version, a.Version), strings.Compare(a.Name, b.Name))
}
