package fleet

import "time"

// ContestedInstance is a cloud instance that an agent says it runs on while the
// instance is another host asset: that of the agent that said so first, or of
// one that was found to be it. The second agent gets nothing of it. It is an
// installation that was copied, or somebody who lies.
type ContestedInstance struct {
	HostID     int64 // the host whose agent says so
	HolderID   int64 // the host asset the instance is
	AccountID  string
	InstanceID string
	Since      time.Time // when the agent said so first
}
