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
	System             bool        // made by Vedette; takes new and changed parameters on an upgrade
	Default            bool        // for agents that no tag rule matches; exactly one is
	Priority           int         // ascending, 1 first
	Include            ProfileTags // agents that get it by their tags
	Exclude            ProfileTags // and those that do not, although included
	TagSetUUID         string      // names the two together; empty for system profiles
	SuspendScanning    bool
	PreventAgentUpdate bool
	InMemoryDB         bool // kept for the API; agents of Vedette have no database that could be in memory
	Performance        performance.Settings
	Blackout           []agentwire.Blackout
	// Schedules say when each module is scanned; one that is missing has the
	// default. They belong to the profile but not to its XML form.
	Schedules map[agentwire.Module]agentwire.Schedule
	Created   time.Time
	CreatedBy string // first and last name; empty for system profiles
}

// ProfileTags is one side of a profile's tag rule, as people see it.
type ProfileTags struct {
	Tags []TagRef
	All  bool // ALL tags are asked for, otherwise ANY of them
}

// TagRef names a tag by its id or, with ID 0, by its name.
type TagRef struct {
	ID   int64
	Name string
}

// Wire returns the profile as its agents need it.
func (p Profile) Wire() agentwire.Profile {
	return agentwire.Profile{
		ID: p.ID, Name: p.Name,
		SuspendScanning: p.SuspendScanning, PreventUpdate: p.PreventAgentUpdate,
		Performance: p.Performance, Blackout: wireBlackout(p.Blackout),
		Schedules: p.Schedules,
	}
}
