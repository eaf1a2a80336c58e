//go:build unix

package upgrade

import (
	"fmt"
	"os"
	"syscall"
)

// lock waits for a lock that ends with the process or unlock. It is held for
// moments.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock versions: %w", err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR { //nolint:errorlint // a system call returns the number itself
			break
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock versions: %w", err)
	}
	return func() { file.Close() }, nil
}
