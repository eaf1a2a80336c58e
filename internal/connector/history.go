package connector

import "time"

// StateChange is an entry of an instance's history.
type StateChange struct {
	State string    `json:"state"`
	Since time.Time `json:"since"` // when a run saw it first; to the second, UTC
}
