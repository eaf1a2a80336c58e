package packages

import (
	"context"
	"io"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// Installers returns the newest package for each system and machine, in the order
// of fleet.InstallSystems and fleet.InstallMachines.
func (f *Folder) Installers(ctx context.Context) ([]fleet.Installer, error) {
	all, err := f.all(ctx)
	if err != nil {
		return nil, err
	}
	offered := make(map[pair]fleet.Package, len(all))
	for _, p := range all {
		offered[pair{p.Platform, p.Architecture}] = p
	}
	var list []fleet.Installer
	for _, system := range fleet.InstallSystems() {
		for _, machine := range fleet.InstallMachines() {
			if p, ok := offered[installers[system][machine]]; ok && p.Extension == extensions[system] {
				list = append(list, fleet.Installer{System: system, Machine: machine, Package: p})
			}
		}
	}
	return list, nil
}

// OpenInstaller returns the newest package for a system and a machine, or
// fault.NotFound. For the content, see Open.
func (f *Folder) OpenInstaller(ctx context.Context, system, machine string) (fleet.Package, io.ReadSeekCloser, error) {
	wanted, ok := installers[system][machine]
	if !ok {
		return fleet.Package{}, nil, fleet.NoInstaller(system, machine)
	}
	p, content, err := f.Open(ctx, wanted.platform, wanted.architecture)
	if err == nil && p.Extension != extensions[system] { // what a platform's tools do not install
		err = content.Close()
		if err == nil {
			err = fleet.NoInstaller(system, machine)
		}
		return fleet.Package{}, nil, err
	}
	if fault.Is(err, fault.NotFound) {
		err = fleet.NoInstaller(system, machine)
	}
	return p, content, err
}
