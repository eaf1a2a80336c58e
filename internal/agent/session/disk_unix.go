//go:build unix

package session

import (
	"errors"
	"syscall"
)

// DiskFull reports whether err says that a file could not be written for want of
// space, of the file system or of the user's quota.
func DiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
