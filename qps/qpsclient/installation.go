package qpsclient

import (
	"context"
	"fmt"
	"net/http"
)

// Where a Vedette platform says what agents are installed with.
const installationPath = "/automation/v1/installation"

// Installation is what a host has to know to become an agent, beside an
// activation key.
type Installation struct {
	URL string `json:"url"` // base URL by which hosts reach the platform
	// Authority is the SHA-256 in hexadecimal of the certificate, in DER, of the
	// platform's own authority; empty where hosts trust it by theirs.
	Authority  string           `json:"authority,omitempty"`
	CustomerID string           `json:"customerId"` // UUID
	Packages   []InstallPackage `json:"packages"`
}

// InstallPackage is a package that hosts are installed from.
type InstallPackage struct {
	System  string `json:"system"`  // what installs it: deb, rpm or tar.gz
	Machine string `json:"machine"` // what uname -m says on the hosts it is for
	Version string `json:"version"` // of the agent in it
}

// Installation returns what agents of the platform are installed with. Platforms
// that do not say so give ErrNoAutomationAPI.
func (c *Client) Installation(ctx context.Context) (*Installation, error) {
	var answer Installation
	in := call{method: http.MethodGet, path: installationPath, accept: mediaJSON}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("get installation: %w", noAutomationAPI(err))
	}
	return &answer, nil
}
