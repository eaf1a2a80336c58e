package resident

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeOwner starts this program anew with its arguments, for root, as the user whom the state
// folder belongs to, with no right of root's but to read all files, as the
// packaged service has it: what root writes there stays the agent's, and who has
// taken over the agent cannot lead root through links in its folder. It returns
// nil where there is nothing to give up: to others, for a folder of root's and for
// one that is not there yet.
func becomeOwner(stateDir string, args []string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known || owner.Uid == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	// Rights are a thread's, and the thread that replaces the program decides. It is
	// not given back: where this fails, the process ends.
	runtime.LockOSThread()
	if err := takeRightsOf(int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("work as user %d, who owns the state folder %s: %w; run the command as that user", owner.Uid, stateDir, err)
	}
	return takePlace(self, args, os.Environ())
}

// takeRightsOf gives this thread the rights of a user and one group, and for this
// and later programs the right to read all files, if it has that.
func takeRightsOf(uid, gid int) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := unix.Setgroups([]int{gid}); err != nil {
		return fmt.Errorf("leave groups: %w", err)
	}
	if err := unix.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("become group %d: %w", gid, err)
	}
	if err := unix.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // capabilities 0 to 31, 32 to 63
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	const reading = uint32(1) << unix.CAP_DAC_READ_SEARCH
	kept := sets[0].Permitted & reading // a container may lack it
	sets = [2]unix.CapUserData{{Effective: kept, Permitted: kept, Inheritable: kept}}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	if kept != 0 {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_DAC_READ_SEARCH, 0, 0); err != nil {
			return fmt.Errorf("hand on CAP_DAC_READ_SEARCH: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce new rights: %w", err)
	}
	return nil
}
