//go:build !linux

package resident

// becomeOwner does nothing: the packaged agent has a user of its own on Linux.
func becomeOwner(string, []string) error { return nil }
