//go:build !linux

package machine

// Fingerprint is empty: nothing is known of the machine.
func Fingerprint(string) string { return "" }

// InstallationID is empty: nothing is known of the installation.
func InstallationID(string) string { return "" }
