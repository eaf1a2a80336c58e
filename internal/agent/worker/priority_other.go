//go:build !linux

package worker

// lowerPriority does nothing on systems without a scan to slow down.
func lowerPriority() {}
