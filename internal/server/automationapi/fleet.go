package automationapi

import (
	"slices"
	"strings"

	"vedette.dev/vedette/internal/connector"
)

// Fleet is what the API needs for its calls about hosts, and about what the platform
// does with them.
type Fleet struct {
	Scans      Scans
	Uninstalls Uninstalls
	Upgrades   Upgrades
	Purger     Purger
	Profiles   Profiles
	Installers Installers
	// Connectors are those of cloud accounts.
	Connectors *connector.Directory
	Instances  Instances
	// OwnAccounts may be nil: then the platform's own are not known.
	OwnAccounts OwnAccounts
}

// fleetCalls are the first words of the paths of calls about the fleet.
var fleetCalls = []string{"agents", "assets", "aws", "connectors", "profiles", "scans", "uninstalls", "upgrades"}

// aboutFleet reports whether a path of the API is about the fleet.
func aboutFleet(path string) bool {
	word, _, _ := strings.Cut(strings.TrimPrefix(path, "/automation/v1/"), "/")
	return slices.Contains(fleetCalls, word)
}
