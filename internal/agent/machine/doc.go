// Package machine tells one machine from another by facts of its hardware. It
// reads a few small files, so that the resident agent can link it.
//
// Limits: only Linux says anything yet. Elsewhere, and where firmware and
// installation have no ids, the fingerprint is empty, and clones show by the fork
// of their runs alone.
package machine
