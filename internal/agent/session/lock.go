package session

import (
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

// lock keeps a second agent away from the state folder until it is closed.
func lock(stateDir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(stateDir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	taken, err := tryLock(file)
	if err == nil && taken {
		return file, nil
	}
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("lock state folder %s: %w", stateDir, err)
	}
	return nil, &LockedError{StateDir: stateDir}
}
