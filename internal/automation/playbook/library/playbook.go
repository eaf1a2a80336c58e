package library

import (
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// Bounds of the library.
const (
	// MaxPlaybooks bounds the playbooks of a platform: they are listed in one answer.
	MaxPlaybooks = 1000
	// MaxVersions bounds the versions of a playbook. When there are more, the oldest
	// that is not live, and that no run refers to, is removed.
	MaxVersions = 200
)

// Playbook is a playbook without its texts.
type Playbook struct {
	ID          int64
	SiteID      int64
	Name        string // as in the text; unique in its site
	Description string // of the newest version
	Latest      int64  // the number of the newest version, the draft
	Live        int64  // the number of the version that is started; 0 for none
	// Publisher made Live what it is; triggers start runs with their rights.
	Publisher         string
	PublisherID       int64
	Created, Modified time.Time
}

// Version is one text of a playbook.
type Version struct {
	ID         int64
	PlaybookID int64
	Playbook   string // its name
	SiteID     int64
	Number     int64  // from 1
	Source     string // its text; empty where only the version is asked for
	Author     string
	Created    time.Time
}

// NoPlaybook is the error for a playbook that does not exist, or that who asks does
// not see.
func NoPlaybook(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no playbook %d.", id), "List the playbooks there are.")
}

// NoVersion is the error for a version that does not exist.
func NoVersion(p Playbook, number int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("Playbook '%s' has no version %d.", p.Name, number), fmt.Sprintf("Its newest version is %d.", p.Latest))
}

// NotLive is the error for a playbook that is to be started and has no live version.
func NotLive(name string) *fault.Error {
	return fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s' has no live version.", name), "Publish one of its versions, or run its draft.")
}
