package library

import (
	"fmt"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
)

// AllowEvent refuses somebody with whose rights a playbook would start for events whose
// objects they may not see. Of which hosts and keys they learn is decided by their scope.
func AllowEvent(p access.Principal, kind playbook.EventKind) error {
	var needs []access.Permission
	switch kind {
	case playbook.AgentInactive:
		needs = []access.Permission{access.CAAPIAccess, access.ReadAsset}
	case playbook.ScanFinished:
		needs = []access.Permission{access.CAAPIAccess, access.LaunchOnDemandScan}
	case playbook.KeyNearlyUsedUp:
		needs = []access.Permission{access.ViewActivationKey}
	case playbook.ConnectorFailed:
		if p.Manager() {
			return nil
		}
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may not see connectors, and the playbook starts for the event %s with their rights.", p.User.Username, kind), "Have a manager publish the playbook.")
	}
	if p.May(needs...) {
		return nil
	}
	return fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may not see what the event %s is about, for which the playbook starts with their rights: it needs %s.", p.User.Username, kind, needs[0].Label()),
		"Ask a manager to check the permission settings of this account, or have somebody else publish the playbook.")
}
