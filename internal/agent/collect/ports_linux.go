package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
)

// ports returns the listening TCP and the bound, unconnected UDP sockets of the
// agent's network namespace, IPv4 and IPv6: what `ss -ltnu` lists. The files are
// read line by line, so a server with a million connections costs time, not
// memory. The process is the name `ss -p` shows; another user's is only known to
// root.
func ports(ctx context.Context, _ Env) ([]agentwire.Port, error) {
	var sockets []socket
	for _, table := range []struct{ file, protocol, state string }{
		{"tcp", "TCP", tcpListen},
		{"tcp6", "TCP", tcpListen},
		{"udp", "UDP", udpUnconnect},
		{"udp6", "UDP", udpUnconnect},
	} {
		found, err := readSockets(filepath.Join("/proc/net", table.file), table.protocol, table.state)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6 has no tcp6
		}
		if err != nil {
			return nil, fmt.Errorf("read sockets of %s: %w", table.file, err)
		}
		sockets = append(sockets, found...)
	}
	owners, err := socketOwners(ctx, sockets)
	if err != nil {
		return nil, err
	}
	return named(sockets, owners), nil
}

func readSockets(file, protocol, state string) ([]socket, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseSockets(f, protocol, state)
}

// named gives sockets their process names and orders them so that of several
// sockets with one key (SO_REUSEPORT) the same one comes first in every scan.
func named(sockets []socket, owners map[string]string) []agentwire.Port {
	found := make([]agentwire.Port, 0, len(sockets))
	for _, s := range sockets {
		s.port.Process = owners[s.inode]
		found = append(found, s.port)
	}
	slices.SortFunc(found, func(a, b agentwire.Port) int {
		if a.Key() != b.Key() {
			return strings.Compare(a.Key(), b.Key())
		}
		if (a.Process == "") != (b.Process == "") {
			return cmp.Compare(len(b.Process), len(a.Process)) // the named one first
		}
		return strings.Compare(a.Process, b.Process)
	})
	return slices.CompactFunc(found, func(a, b agentwire.Port) bool { return a.Key() == b.Key() })
}

// socketOwners maps socket inodes to process names. Of several processes that
// hold a socket the one with the lowest id counts, which is the parent that
// opened it; init comes last, since it holds sockets only to hand them on.
func socketOwners(ctx context.Context, sockets []socket) (map[string]string, error) {
	wanted := make(map[string]bool, len(sockets))
	for _, s := range sockets {
		wanted[s.inode] = true
	}
	owners := make(map[string]string, len(wanted))
	pids, err := processIDs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for _, pid := range pids {
		if len(owners) == len(wanted) {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("look for the owners of sockets: %w", err)
		}
		claim(pid, wanted, owners)
	}
	return owners, nil
}

// processIDs lists the processes, lowest id first and init last.
func processIDs() ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return append(pids, 1), nil
}

// claim enters the wanted sockets of one process that nobody has yet. A process
// that has ended meanwhile, or belongs to somebody else, claims nothing.
func claim(pid int, wanted map[string]bool, owners map[string]string) {
	folder := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, err := os.Open(folder)
	if err != nil {
		return
	}
	defer fds.Close()
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return
	}
	comm := ""
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(folder, name))
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		inode = strings.TrimSuffix(inode, "]")
		if _, taken := owners[inode]; !ok || !wanted[inode] || taken {
			continue
		}
		if comm == "" {
			if comm = processName(pid); comm == "" {
				return
			}
		}
		owners[inode] = comm
	}
}

func processName(pid int) string {
	comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(comm), "\n")
}
