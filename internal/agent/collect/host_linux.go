package collect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/mem"
	"golang.org/x/sys/unix"

	"vedette.dev/vedette/internal/agent/machine"
	"vedette.dev/vedette/internal/agentwire"
)

// platform is what the API calls this family of systems.
const platform = "Linux"

// host gathers the facts a host has exactly one of. It fails when name, system,
// memory or boot time cannot be read; what else is missing is left empty.
func host(ctx context.Context, env Env) (agentwire.Host, error) {
	root, err := openRoot(env.RootDir)
	if err != nil {
		return agentwire.Host{}, err
	}
	defer root.Close()

	facts := agentwire.Host{Platform: platform}
	if err := identify(root, &facts); err != nil {
		return agentwire.Host{}, err
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return agentwire.Host{}, fmt.Errorf("read memory size: %w", err)
	}
	facts.MemoryMB = int64(memory.Total >> 20)
	if facts.LastBoot, err = bootTime(); err != nil {
		return agentwire.Host{}, err
	}
	if facts.Address, err = ownAddress(ctx, env); err != nil {
		return agentwire.Host{}, err
	}
	facts.Timezone = timezone(root, env.Now())
	facts.LastUser = lastUser(root)
	facts.DockerHost, facts.Docker = docker(ctx, root)

	made := readHardware()
	facts.Manufacturer, facts.Model, facts.BIOS = made.manufacturer, made.model, made.bios
	facts.Fingerprint = machine.Fingerprint(machineID(root))
	if env.Cloud != nil {
		// A service that does not answer is no reason to know nothing else.
		facts.Cloud, _ = env.Cloud(ctx)
	}
	return facts, nil
}

// identify fills in names, system and kernel.
func identify(root *rootFS, facts *agentwire.Host) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("ask the kernel for its name: %w", err)
	}
	facts.Kernel = unix.ByteSliceToString(uts.Release[:])
	facts.Architecture = unix.ByteSliceToString(uts.Machine[:])
	hosts, err := optional(root, "etc/hosts")
	if err != nil {
		return err
	}
	facts.Name, facts.FQDN = names(unix.ByteSliceToString(uts.Nodename[:]), hosts)

	about, err := optional(root, "etc/os-release", "usr/lib/os-release")
	if err != nil {
		return err
	}
	system := parseRelease(about)
	facts.OS, facts.OSID, facts.OSVersion = system.pretty, system.id, system.versionID
	if system.id == "debian" {
		full, err := optional(root, "etc/debian_version")
		if err != nil {
			return err
		}
		facts.OSVersion = pointRelease(system.versionID, string(full))
	}
	return nil
}

// optional returns the content of the first of the files that exists, or nothing.
func optional(root *rootFS, candidates ...string) ([]byte, error) {
	for _, name := range candidates {
		content, err := root.read(name, maxSmallFileBytes)
		if err == nil {
			return content, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read host facts: %w", err)
		}
	}
	return nil, nil
}

// bootTime reads btime, which stays put, unlike now minus uptime, which changes
// by a second from scan to scan.
func bootTime() (time.Time, error) {
	stat, err := os.Open("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	defer stat.Close()
	lines := bufio.NewScanner(stat)
	lines.Buffer(nil, 1<<20) // one line counts every interrupt of the machine
	for lines.Scan() {
		if seconds, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			at, err := strconv.ParseInt(seconds, 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("read boot time: %w", err)
			}
			return time.Unix(at, 0).UTC(), nil
		}
	}
	if err := lines.Err(); err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	return time.Time{}, errors.New("read boot time: /proc/stat has no btime")
}

func ownAddress(ctx context.Context, env Env) (string, error) {
	found, err := interfaces(ctx, env)
	if err != nil {
		return "", err
	}
	gateways, err := defaultGateways()
	if err != nil {
		return "", err
	}
	return primaryAddress(found, gateways), nil
}

// timezone is the present offset of the host's own zone. A host without one
// keeps UTC (localtime(5)).
func timezone(root *rootFS, now time.Time) string {
	data, err := root.read("etc/localtime", maxSmallFileBytes)
	if err != nil {
		return offset(now.UTC())
	}
	zone, err := time.LoadLocationFromTZData("localtime", data)
	if err != nil {
		return offset(now.UTC())
	}
	return offset(now.In(zone))
}

// lastUser is the last user who logged on, empty on systems that keep no wtmp.
func lastUser(root *rootFS) string {
	wtmp, err := root.open("var/log/wtmp")
	if err != nil {
		return ""
	}
	defer wtmp.Close()
	info, err := wtmp.Stat()
	if err != nil {
		return ""
	}
	user, err := lastLogin(wtmp, info.Size(), utmpRecordBytes(runtime.GOARCH))
	if err != nil {
		return ""
	}
	return user
}
