package collect

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// mount is one line of /proc/self/mountinfo.
type mount struct {
	root   string // folder of the file system that is mounted, "/" but for bind mounts
	target string // mount point
	kind   string // file system type
	source string // device, or whatever the file system calls its source
}

// parseMounts reads mountinfo (proc_pid_mountinfo(5)).
func parseMounts(r io.Reader) ([]mount, error) {
	var found []mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // overlay mounts list all their layers
	for lines.Scan() {
		// 36 35 98:0 /root /target rw,noatime [master:1 …] - ext3 /dev/sda1 rw
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.SplitN(after, " ", 3)
		if !ok || len(left) < 6 || len(right) < 2 {
			return nil, fmt.Errorf("mount entry %q is not of the expected form", lines.Text())
		}
		found = append(found, mount{
			root:   unescape(left[3]),
			target: unescape(left[4]),
			kind:   right[0],
			source: unescape(right[1]),
		})
	}
	return found, lines.Err()
}

// unescape undoes the kernel's octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isVolume reports whether a mount is storage of this host. Everything else is
// left out by its type alone, before the file system is touched: asking a dead
// NFS server for its size blocks for ever, and looking into an autofs folder
// mounts it.
//
// Left out are file systems in memory (tmpfs, devtmpfs, ramfs, efivarfs), images
// that are full by nature (squashfs, which snap mounts by the dozen), container
// layers (overlay, unless the system itself runs on it), whatever a user process
// serves (fuse, but not fuseblk, which is NTFS), automount points, and network
// file systems by the rule of `df -l`. What remains is what
// `df -l -x tmpfs -x devtmpfs -x ramfs -x efivarfs -x squashfs -x overlay -x fuse…` lists.
func (m mount) isVolume() bool {
	switch m.kind {
	case "tmpfs", "devtmpfs", "ramfs", "efivarfs", "squashfs", "fuse", "autofs":
		return false
	case "overlay":
		return m.target == "/"
	case "acfs", "afs", "auristorfs", "ceph", "coda", "fhgfs", "gpfs", "ibrix", "nfs", "nfs4", "ocfs2", "vxfs":
		return false
	case "cifs", "smb3", "smbfs":
		return false
	}
	return !strings.HasPrefix(m.kind, "fuse.") && !strings.Contains(m.source, ":")
}

// better reports whether m rather than seen stands for the device both are
// mounts of, by the rules of df: a real device name wins, then the mount point
// nearer to "/" unless it shows a deeper folder of the device, then what was
// mounted over the same place later.
func (m mount) better(seen mount) bool {
	switch {
	case strings.Contains(m.source, "/") && !strings.Contains(seen.source, "/"):
		return true
	case len(seen.target) > len(m.target) && len(seen.root) >= len(m.root):
		return true
	}
	return seen.source != m.source && seen.target == m.target
}
