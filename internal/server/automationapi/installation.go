package automationapi

import (
	"context"

	"vedette.dev/vedette/internal/fleet"
)

// Installers are the packages that hosts are installed from; *packages.Folder
// implements it.
type Installers interface {
	// Installers returns the newest package for each system and machine.
	Installers(ctx context.Context) ([]fleet.Installer, error)
}

// Doorway is how hosts reach the platform, to become agents of it or relays.
type Doorway struct {
	URL        string // https
	Authority  string // SHA-256 of its own authority in hexadecimal; empty for none
	CustomerID string // UUID
}

// GetInstallation implements GET /automation/v1/installation.
func (a api) GetInstallation(ctx context.Context, _ GetInstallationRequestObject) (GetInstallationResponseObject, error) {
	var offered []fleet.Installer
	if a.Installers != nil { // otherwise the platform keeps no fleet
		var err error
		if offered, err = a.Installers.Installers(ctx); err != nil {
			return nil, err
		}
	}
	answer := GetInstallation200JSONResponse{Url: a.doorway.URL, CustomerId: a.doorway.CustomerID, Packages: make([]InstallPackage, len(offered))}
	if a.doorway.Authority != "" {
		answer.Authority = &a.doorway.Authority
	}
	for i, p := range offered {
		answer.Packages[i] = InstallPackage{System: p.System, Machine: p.Machine, Version: p.Version}
	}
	return answer, nil
}
