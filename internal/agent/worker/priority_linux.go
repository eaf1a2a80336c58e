package worker

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	nicest = 19
	// From the kernel's include/uapi/linux/ioprio.h: one process (thread) is
	// meant, class idle in the upper bits.
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13
)

// lowerPriority makes this process step back behind everything else, for
// processor and disk. On Linux both belong to threads, and the runtime has some
// already; threads made later inherit from the one that makes them, so it goes
// on until a round finds no new one. Best effort: it never fails a scan.
func lowerPriority() {
	lowered := make(map[int]bool)
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		found := false
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || lowered[id] {
				continue
			}
			found, lowered[id] = true, true
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, nicest)
			_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(id), ioprioIdle)
		}
		if !found {
			return
		}
	}
}
