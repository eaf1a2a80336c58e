// Package release is the contract between the resident agent and the process that
// verifies release metadata for it: a Question goes in on standard input, an
// Answer comes out on standard output. Neither side imports the other, so the
// resident does not link The Update Framework.
package release

import (
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// Question asks what of the offered metadata is to be trusted.
type Question struct {
	Pin     []byte                    `json:"pin"`     // root key (Ed25519) that the agent pinned when it was provisioned
	Held    agentwire.ReleaseMetadata `json:"held"`    // Trusted of the last answer; at most one root
	Offered agentwire.ReleaseMetadata `json:"offered"` // by the platform
	Now     time.Time                 `json:"now"`
	System  string                    `json:"system"` // of this host, in the words of Go
	Machine string                    `json:"machine"`
}

// Answer is what may be trusted. What was verified before something was refused
// stays so: it is what later rollbacks are recognised by.
type Answer struct {
	Trusted agentwire.ReleaseMetadata `json:"trusted"`
	Version int64                     `json:"version"` // of the trusted timestamp; 0 for none
	Expires time.Time                 `json:"expires,omitzero"`
	// Refused says why nothing was chosen; then Targets is empty.
	Refused string   `json:"refused,omitempty"`
	Targets []Target `json:"targets,omitempty"` // for this system and machine, newest first
}

// Target is one package that may be installed.
type Target struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // in lower-case hexadecimal
	Size    int64  `json:"size"`
}
