package main

import (
	"fmt"
	"os"
	"path/filepath"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/packages"
)

// packagesUsage explains the flag of the folder with agent packages.
const packagesUsage = "folder with the agent packages to offer; by default packages beside this program"

// openPackages returns the agent packages of a folder that was named, or of the
// default one, which need not be there.
func openPackages(path string) (*packages.Folder, error) {
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find own binary: %w", err)
		}
		return packages.NewFolder(filepath.Join(filepath.Dir(self), "packages")), nil
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("packages: %s is not a folder.", quote(path)),
			"Name the folder that make packages has filled, or leave the option out.")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	return packages.NewFolder(absolute), nil
}
