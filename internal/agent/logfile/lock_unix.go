//go:build unix

package logfile

import (
	"os"
	"syscall"
)

// tryLock takes a lock that ends with unlock or with the process. Where the file
// system has none it counts as taken.
func tryLock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != syscall.EWOULDBLOCK
}

func unlock(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
