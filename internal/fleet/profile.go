package fleet

import (
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// Profile is a configuration profile: how the agents that are given it behave.
type Profile struct {
	ID                 int64
	Name               string
	Description        string
	System             bool // made by Vedette; takes new and changed parameters on an upgrade
	Default            bool // for agents that no tag rule matches; exactly one is
	Priority           int  // ascending, 1 first
	SuspendScanning    bool
	PreventAgentUpdate bool
	Performance        performance.Settings
	Blackout           []agentwire.Blackout
	InventoryInterval  time.Duration // between interval scans; belongs to the profile but not to its XML form
	Created            time.Time
}

// DefaultInventoryInterval is how often an agent takes its inventory unless its
// profile says otherwise.
const DefaultInventoryInterval = 4 * time.Hour

// Wire returns the profile as its agents need it.
func (p Profile) Wire() agentwire.Profile {
	return agentwire.Profile{
		ID: p.ID, Name: p.Name,
		SuspendScanning: p.SuspendScanning, PreventUpdate: p.PreventAgentUpdate,
		Performance: p.Performance, Blackout: p.Blackout,
		InventoryEvery: int64(p.InventoryInterval / time.Second),
	}
}

// SystemTag is the name of the tag every agent carries and nobody can remove.
const SystemTag = "Cloud Agent"

// Tag labels host assets.
type Tag struct {
	ID      int64
	Name    string
	System  bool
	Created time.Time
}
