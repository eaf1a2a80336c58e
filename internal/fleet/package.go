package fleet

import (
	"crypto/sha256"
	"fmt"

	"vedette.dev/vedette/internal/fault"
)

// Package is a file that an agent is installed from.
type Package struct {
	Platform     string // one of qps.BinaryPlatforms
	Architecture string // one of qps.BinaryArchitectures
	Version      string // of the agent, dotted
	Name         string // of the file, without a folder
	Extension    string // of the file, with its dot
	Size         int64  // in bytes
	SHA256       [sha256.Size]byte
}

// NoPackage is the fault.NotFound of a platform and an architecture without a
// package.
func NoPackage(platform, architecture string) error {
	return fault.New(fault.NotFound,
		fmt.Sprintf("This platform has no agent package for platform '%s' and architecture '%s'.", platform, architecture),
		"Ask binaryinfo for platform ALL and architecture ALL to see which there are.")
}
