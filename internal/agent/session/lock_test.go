//go:build unix

package session

import (
	"errors"
	"syscall"
	"testing"
)

// TestAFolderIsFreeWhateverAChildStillHasOpen has the file of the lock open a
// second time, as a child has that was started by another goroutine and does not
// run its program yet.
func TestAFolderIsFreeWhateverAChildStillHasOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(first.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(child) }()
	if _, err := lock(dir); !isLocked(err) || !lockHeld(dir) {
		t.Errorf("a locked folder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if lockHeld(dir) {
		t.Error("an agent seems to run on the folder after it was given free")
	}
	second, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func isLocked(err error) bool {
	_, ok := errors.AsType[*LockedError](err)
	return ok
}
