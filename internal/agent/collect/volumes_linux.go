package collect

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"vedette.dev/vedette/internal/agentwire"
)

// volumes returns the mounted file systems of the agent's mount namespace that
// are storage of this host, one entry per device, as `df` selects and measures
// them. A mount point that may not be entered is left out.
func volumes(ctx context.Context, _ Env) ([]agentwire.Volume, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("open mounts: %w", err)
	}
	defer table.Close()
	mounts, err := parseMounts(table)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var found []agentwire.Volume
	for _, m := range onePerDevice(mounts, deviceOf) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("measure volumes: %w", err)
		}
		if volume, ok := measure(m.target); ok {
			found = append(found, volume)
		}
	}
	return found, nil
}

// onePerDevice selects the volumes among mounts and, of several mounts of one
// device, the one df would show.
func onePerDevice(mounts []mount, deviceOf func(target string) (uint64, bool)) []mount {
	var chosen []mount
	at := make(map[uint64]int) // device to index in chosen
	for _, m := range mounts {
		if !m.isVolume() {
			continue
		}
		device, ok := deviceOf(m.target)
		if !ok {
			continue
		}
		if i, known := at[device]; !known {
			at[device] = len(chosen)
			chosen = append(chosen, m)
		} else if m.better(chosen[i]) {
			chosen[i] = m
		}
	}
	return chosen
}

func deviceOf(target string) (uint64, bool) {
	var stat unix.Stat_t
	err := unix.Stat(target, &stat)
	return uint64(stat.Dev), err == nil //nolint:unconvert // 32 bits wide on MIPS
}

// measure returns size and free bytes. A file system without blocks (proc,
// sysfs, cgroup) is no volume.
func measure(target string) (agentwire.Volume, bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(target, &stat); err != nil || stat.Blocks == 0 {
		return agentwire.Volume{}, false
	}
	block := int64(stat.Frsize) //nolint:unconvert // 32 bits wide on 32-bit systems
	if block == 0 {
		block = int64(stat.Bsize) //nolint:unconvert // as above
	}
	return agentwire.Volume{Name: target, Size: int64(stat.Blocks) * block, Free: int64(stat.Bavail) * block}, true
}
