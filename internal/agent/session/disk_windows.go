package session

import (
	"errors"

	"golang.org/x/sys/windows"
)

// DiskFull reports whether err says that a file could not be written for want of
// space.
func DiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
