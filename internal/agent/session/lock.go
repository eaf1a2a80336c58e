package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// LockedError is returned by Open while another agent runs on the same folder.
type LockedError struct{ StateDir string }

// Error names the folder and the next step.
func (e *LockedError) Error() string {
	return fmt.Sprintf("state folder %s is in use by another agent: stop that one first, or give StateDir= another folder", e.StateDir)
}

// folderLock is a state folder that is locked.
type folderLock struct{ file *os.File }

// Close gives the folder free. Closing the file is not enough: a child that is
// being started has the file as well until it runs its program, and holds what
// is locked through it.
func (l folderLock) Close() error {
	return errors.Join(unlock(l.file), l.file.Close())
}

// lock keeps a second agent away from the state folder until it is closed.
func lock(stateDir string) (folderLock, error) {
	file, err := os.OpenFile(filepath.Join(stateDir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return folderLock{}, fmt.Errorf("lock state folder: %w", err)
	}
	taken, err := tryLock(file)
	if err == nil && taken {
		return folderLock{file}, nil
	}
	file.Close()
	if err != nil {
		return folderLock{}, fmt.Errorf("lock state folder %s: %w", stateDir, err)
	}
	return folderLock{}, &LockedError{StateDir: stateDir}
}
