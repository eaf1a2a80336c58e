// Package scan is the contract between the resident agent and the worker it
// starts for one scan: a Job goes in on standard input, a Result comes out on
// standard output, files in the state folder carry the rest. Neither side
// imports the other, so the resident links no collector.
//
// Files, all written to a temporary name, synced and renamed:
//
//	snapshots/<digest>.json.zst  a snapshot, named by its digest
//	spool/<digest>.delta.zst     a compressed delta, named by the digest of its bytes
package scan

import (
	"path/filepath"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// Job is one scan to run.
type Job struct {
	Module     agentwire.Module `json:"module"`
	Collectors []string         `json:"collectors"`         // by name, from the manifest
	RootDir    string           `json:"rootDir"`            // where the host's file system is mounted, "/" on the host itself
	StateDir   string           `json:"stateDir"`           // the agent's state folder
	Base       string           `json:"base,omitempty"`     // digest of the confirmed snapshot; empty or unreadable makes a baseline
	Throttle   time.Duration    `json:"throttle,omitempty"` // pause between operations (a collector call, a file read)
	CPULimit   int              `json:"-"`                  // percent of one core, 1 to 100; held from outside by the side that starts the worker
}

// Result is what a worker reports when it has ended well. A worker that ends
// otherwise exits with a non-zero status and says why on standard error.
type Result struct {
	Base       string      `json:"base,omitempty"` // digest the delta applies to; empty for a baseline
	Snapshot   string      `json:"snapshot"`       // digest of the new snapshot
	Upload     string      `json:"upload"`         // digest of the compressed delta
	UploadSize int64       `json:"uploadSize"`     // bytes
	Unchanged  bool        `json:"unchanged"`      // the delta changes nothing
	Collectors []Collected `json:"collectors"`

	// What the scan took, by the system's accounting: added by the side that
	// started the worker.
	Took time.Duration `json:"-"` // from start to end
	CPU  time.Duration `json:"-"` // of all threads
}

// Collected is how one collector fared. One that failed leaves its part of the
// snapshot as it was in the base: a broken package database never empties a host.
type Collected struct {
	Name    string        `json:"name"`
	Entries int           `json:"entries"`
	Took    time.Duration `json:"took"`
	Error   string        `json:"error,omitempty"`
}

// SnapshotName is the name of the snapshot with the given digest in a state
// folder, with slashes.
func SnapshotName(digest string) string { return "snapshots/" + digest + ".json.zst" }

// SpoolName is the name of the compressed delta with the given digest in a state
// folder, with slashes.
func SpoolName(digest string) string { return "spool/" + digest + ".delta.zst" }

// SnapshotPath is the file of the snapshot with the given digest.
func SnapshotPath(stateDir, digest string) string {
	return filepath.Join(stateDir, filepath.FromSlash(SnapshotName(digest)))
}

// SpoolPath is the file of the compressed delta with the given digest.
func SpoolPath(stateDir, digest string) string {
	return filepath.Join(stateDir, filepath.FromSlash(SpoolName(digest)))
}
