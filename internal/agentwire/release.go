package agentwire

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Paths of the releases that agents upgrade to.
const (
	PathRelease  = "/agent/v1/release"          // ReleaseMetadata; ?root=N for the roots after version N
	PathPackage  = "/agent/v1/release/package/" // + name of a target
	PathUpgraded = "/agent/v1/upgrade"          // takes an UpgradeReport
)

// Limits of releases.
const (
	// MaxReleaseBytes bounds the metadata of releases, as every instruction.
	MaxReleaseBytes = MaxInstructionBytes
	// MaxPackageBytes bounds the package of a release; today's has 9 MB.
	MaxPackageBytes = 64 << 20
	// MaxRoots bounds the root metadata in one answer: an agent that missed more
	// changes of keys follows them in several steps.
	MaxRoots = 32
	// MaxReason bounds the reason in a report, in bytes.
	MaxReason = 500
)

// NoRelease is what an agent that has no release metadata says it holds. One that
// says 0 does not look for releases.
const NoRelease = -1

// ReleaseMetadata are the documents of The Update Framework, exactly as they were
// signed (https://theupdateframework.github.io/specification/latest/). They are
// verified with the root key that the agent pinned when it was provisioned.
type ReleaseMetadata struct {
	Roots     [][]byte `json:"roots,omitempty"` // in the order of their versions
	Timestamp []byte   `json:"timestamp"`
	Snapshot  []byte   `json:"snapshot"`
	Targets   []byte   `json:"targets"`
}

// UpgradeOutcome says how an attempt to go to another version ended.
type UpgradeOutcome string

// The outcomes; docs/states.md draws how they are reached.
const (
	UpgradeDone       UpgradeOutcome = "upgraded"    // the new version was found healthy
	UpgradeRolledBack UpgradeOutcome = "rolled_back" // it was not, or an administrator of the host went back
	UpgradeFailed     UpgradeOutcome = "failed"      // the old version never stopped: nothing was changed
)

// Valid reports whether the outcome is one of those above.
func (o UpgradeOutcome) Valid() bool {
	return o == UpgradeDone || o == UpgradeRolledBack || o == UpgradeFailed
}

// UpgradeReport tells the platform how the last attempt ended. The last one
// counts; the same one may come again.
type UpgradeReport struct {
	Outcome UpgradeOutcome `json:"outcome"`
	From    string         `json:"from,omitempty"`   // version before; empty where it is not known
	To      string         `json:"to,omitempty"`     // version that was tried; empty when none could be chosen
	Reason  string         `json:"reason,omitempty"` // for people; required unless upgraded
	At      time.Time      `json:"at"`               // by the clock of the host
}

// releaseName is the form of the names of targets: archives for systems and
// machines in the words of Go.
var releaseName = regexp.MustCompile(`^vedette-agent-([0-9]{1,9}(?:\.[0-9]{1,9}){1,4})-(linux)-(amd64|arm64)\.tar\.gz$`)

// ParseReleaseName returns what the name of an archive says of the release in it.
func ParseReleaseName(name string) (version, system, machine string, ok bool) {
	m := releaseName.FindStringSubmatch(name)
	if m == nil {
		return "", "", "", false
	}
	return m[1], m[2], m[3], true
}

// CompareVersions compares dotted versions number by number; one that goes on is
// newer than one that has ended.
func CompareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
	})
}
