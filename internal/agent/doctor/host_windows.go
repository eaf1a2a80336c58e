package doctor

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/windows"
)

// readableByOthers is ruled by the folder's access list, which it inherits.
func readableByOthers(fs.FileInfo) bool { return false }

func executable(fs.FileInfo) bool { return true }

func whoami() string {
	if windows.GetCurrentProcessToken().IsElevated() {
		return "an administrator"
	}
	return "a user without administrator rights"
}

func roomAt(path string) (room, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return room{}, fmt.Errorf("path %s: %w", path, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return room{}, fmt.Errorf("free space at %s: %w", path, err)
	}
	return room{bytes: free}, nil
}

// needs has nothing: there are no collectors for Windows yet.
func needs(string) []need { return nil }
