package fleet

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// Upgrade is how the last upgrade of an agent ended.
type Upgrade struct {
	HostID   int64
	HostName string
	agentwire.UpgradeReport
	Reported time.Time // by the clock of the platform
}

// UpgradeFilter selects upgrades.
type UpgradeFilter struct {
	Scope        Scope
	Unsuccessful bool  // only those that failed or were rolled back
	After        int64 // only of assets with a higher id
	Limit        int   // at least 1
}

// Upgrades is where the upgrades of agents are noted. They go with their asset.
type Upgrades interface {
	// RecordUpgrade keeps the last report of a host.
	RecordUpgrade(ctx context.Context, hostID int64, report agentwire.UpgradeReport, at time.Time) error
	// Upgrades lists the last report of each host in scope, in the order of their ids.
	Upgrades(ctx context.Context, f UpgradeFilter) ([]Upgrade, error)
}
