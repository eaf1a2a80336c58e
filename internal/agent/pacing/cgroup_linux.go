package pacing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Leaves of the delegated group: a group with controllers for its children has no
// processes of its own (the kernel's Documentation/admin-guide/cgroup-v2.rst, "No
// Internal Process Constraint").
const (
	residentLeaf = "agent"
	scanLeaf     = "scan"
)

// quotaPeriod is the time in which a control group may use up its quota, the
// kernel's default.
const quotaPeriod = 100 * time.Millisecond

// controlGroup is a control group (cgroup v2) that was delegated to this process,
// prepared for children with a limit. A nil one holds nothing.
type controlGroup struct{ dir string }

// cgroups is where control groups are found.
type cgroups struct {
	mount string                                      // of the cgroup2 file system
	self  string                                      // file that names the group of this process
	mark  func(dir, attribute string) (string, error) // reads an extended attribute
}

func hostCgroups() cgroups {
	return cgroups{mount: "/sys/fs/cgroup", self: "/proc/self/cgroup", mark: extendedAttribute}
}

func extendedAttribute(path, name string) (string, error) {
	value := make([]byte, 8)
	n, err := unix.Getxattr(path, name, value)
	return string(value[:max(n, 0)]), err
}

// delegated reports whether a group carries systemd's mark for Delegate=. Being
// allowed to write, as root is everywhere, is no permission: the tree has another
// owner (systemd's "Control Group APIs and Delegation").
func (c cgroups) delegated(dir string) bool {
	for _, attribute := range []string{"trusted.delegate", "user.delegate"} {
		if value, err := c.mark(dir, attribute); err == nil && value == "1" {
			return true
		}
	}
	return false
}

// claim prepares the delegated group that this process is in, or that its group
// is a leaf of (DelegateSubgroup=). It returns nil where there is none with the
// cpu controller, or where it cannot be prepared.
func claim(c cgroups) *controlGroup {
	own, err := c.own()
	if err != nil {
		return nil
	}
	dir := own
	if !c.delegated(dir) {
		if dir = filepath.Dir(own); filepath.Base(own) != residentLeaf || !c.delegated(dir) {
			return nil
		}
	}
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil || !strings.Contains(" "+strings.TrimSpace(string(controllers))+" ", " cpu ") {
		return nil
	}
	g := &controlGroup{dir: dir}
	if g.prepare() != nil {
		return nil
	}
	return g
}

// own returns the folder of this process's control group.
func (c cgroups) own() (string, error) {
	doc, err := os.ReadFile(c.self)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(doc)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(c.mount, path), nil
		}
	}
	return "", errors.New("no cgroup v2")
}

// prepare moves this process into its leaf and makes one for scans.
func (g *controlGroup) prepare() error {
	for _, leaf := range []string{residentLeaf, scanLeaf} {
		if err := os.Mkdir(filepath.Join(g.dir, leaf), 0o750); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if err := g.write(filepath.Join(residentLeaf, "cgroup.procs"), strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	return g.write("cgroup.subtree_control", "+cpu")
}

// take limits the leaf for scans and puts a process into it.
func (g *controlGroup) take(pid, limit int) error {
	if g == nil {
		return nil
	}
	quota := quotaPeriod * time.Duration(limit) / Unlimited
	if err := g.write(filepath.Join(scanLeaf, "cpu.max"), fmt.Sprintf("%d %d", quota.Microseconds(), quotaPeriod.Microseconds())); err != nil {
		return err
	}
	return g.write(filepath.Join(scanLeaf, "cgroup.procs"), strconv.Itoa(pid))
}

// write writes one value into one file of the group, as the kernel wants it: in a
// single call and without making the file.
func (g *controlGroup) write(name, value string) error {
	file, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}
