//go:build unix

package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

func readableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

func executable(info fs.FileInfo) bool { return info.Mode().Perm()&0o111 != 0 }

func whoami() string {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Sprintf("user %d", uid)
	}
	return "root"
}

func roomAt(path string) (room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return room{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return room{bytes: uint64(st.Bavail) * uint64(st.Bsize), files: uint64(st.Ffree), filesKnown: st.Files > 0}, nil //nolint:unconvert // types differ between systems
}

// needs are what the collectors of internal/agent/collect read.
func needs(rootDir string) []need {
	if runtime.GOOS != "linux" {
		return nil
	}
	return []need{
		{path: filepath.Join(rootDir, "var/lib/dpkg/status"), what: "packages"},
		{path: filepath.Join(rootDir, "etc/passwd"), what: "accounts"},
		{path: "/proc/1/exe", what: "which program of another user holds a port", spared: true},
		{path: "/sys/class/dmi/id/product_serial", what: "serial number"},
	}
}
