package fleet

import (
	"crypto/sha256"
	"fmt"
	"strings"

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

// Installer is a package as the host asks for it that is installed from it.
type Installer struct {
	System  string // what installs it: one of InstallSystems
	Machine string // the host's, as uname -m says: one of InstallMachines
	Package
}

// What installs packages.
const (
	SystemDeb = "deb"    // dpkg: Debian, Ubuntu
	SystemRPM = "rpm"    // rpm
	SystemTar = "tar.gz" // tar: every other Linux
)

// InstallSystems are what packages may be for.
func InstallSystems() []string { return []string{SystemDeb, SystemRPM, SystemTar} }

// InstallMachines are the machines packages may be for.
func InstallMachines() []string { return []string{"x86_64", "aarch64"} }

// NoInstaller is the fault.NotFound of a system and a machine without a package.
func NoInstaller(system, machine string) error {
	return fault.New(fault.NotFound,
		fmt.Sprintf("This platform has no agent package of system '%s' for machine '%s'.", system, machine),
		"Systems are "+strings.Join(InstallSystems(), ", ")+", machines are "+strings.Join(InstallMachines(), ", ")+
			"; see that the platform's folder of packages has the one needed.")
}
