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

// Doorway is how hosts reach the platform and become agents of it.
type Doorway struct {
	URL        string // https
	Authority  string // SHA-256 of its own authority in hexadecimal; empty for none
	CustomerID string // UUID
}

// GetInstallation implements GET /automation/v1/installation.
func (a api) GetInstallation(ctx context.Context, _ GetInstallationRequestObject) (GetInstallationResponseObject, error) {
	offered, err := a.Installers.Installers(ctx)
	if err != nil {
		return nil, err
	}
	answer := GetInstallation200JSONResponse{Url: a.Doorway.URL, CustomerId: a.Doorway.CustomerID, Packages: make([]InstallPackage, len(offered))}
	if a.Doorway.Authority != "" {
		answer.Authority = &a.Doorway.Authority
	}
	for i, p := range offered {
		answer.Packages[i] = InstallPackage{System: p.System, Machine: p.Machine, Version: p.Version}
	}
	return answer, nil
}
