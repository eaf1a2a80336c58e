package integration

import (
	"context"
	"time"
)

// Ledger remembers which scans were launched over one connection, so that two
// runs do not launch the same scan on the same asset within a short time, and a
// run that is repeated after a crash does not launch again what it launched.
// Calls of all replicas meet in it: implementations decide between two claims in
// one transaction.
type Ledger interface {
	// Claim records that the launch is about to ask for a scan of each of the
	// assets, unless there is an entry for asset and scan type already. It
	// returns the entries that were found, which stay as they are; the assets of
	// all others are claimed by this key from now on.
	//
	// Entries from before LaunchClaim.Since, and with Force all entries of other
	// keys, are taken over instead of returned. So are entries of the same key
	// that are not settled: it is not known whether that launch was sent.
	Claim(ctx context.Context, c LaunchClaim) ([]LaunchEntry, error)
	// Settle marks the claims of the key as launched for these assets, and drops
	// those for the assets in released, which were not launched.
	Settle(ctx context.Context, c LaunchClaim, launched, released []int64) error
}

// LaunchClaim is what a launch is about to do.
type LaunchClaim struct {
	Key      string // of the execution
	ScanType string // as the API names it: "Inventory_Scan"
	AssetIDs []int64
	At       time.Time // now
	Since    time.Time // entries from before do not matter
	Force    bool
}

// LaunchEntry is a scan that was launched, or is about to be.
type LaunchEntry struct {
	AssetID int64
	Key     string    // who launched it
	At      time.Time // when it was claimed
	Settled bool      // the platform has accepted it
}
