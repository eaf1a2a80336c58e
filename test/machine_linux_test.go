package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a machine beside this one: its network and, for one with a root, its
// name, processes and file system are its own. The file system is this machine's
// and keeps what changes in memory. All of it is held by one process that dies
// with the test, however the test ends: nothing has a name that could stay behind.
type machine struct {
	name  string
	pid   int
	enter []string // command that runs another one there
}

// ownRoot makes a file system of its own and leaves it to whoever enters.
const ownRoot = `
hostname "$1"
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
echo "$1" >etc/hostname
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs none run
mount -t tmpfs none tmp
holder="chroot ."
`

// hold says that everything is there and then only waits, as the first process of
// a machine: for the end of the test, and for orphans, which need no burial where
// SIGCHLD is ignored.
const hold = `
ip link set lo up
echo ready
exec $holder env --ignore-signal=CHLD cat
`

// boot starts systemd as the first process of a machine, with the units that are
// asked for and nothing of what a system does besides when it starts: the kernel
// is this machine's. The control groups it makes are below the one it is given.
const boot = `
echo $$ >"$2/cgroup.procs"
exec unshare --cgroup sh -euc '
mount -t cgroup2 none sys/fs/cgroup
mount --bind -o ro proc/sys proc/sys
rm -rf lib/systemd/system/*.wants etc/systemd/system/*.wants
ip link set lo up
echo ready
container=docker exec chroot . /lib/systemd/systemd --system --unit=basic.target
'
`

// newNetwork returns a machine that has nothing but a network of its own.
func newNetwork(t *testing.T, name string) *machine {
	t.Helper()
	m := startMachine(t, name, "set -e; holder="+hold, syscall.CLONE_NEWNET)
	m.enter = []string{"nsenter", "--target", strconv.Itoa(m.pid), "--net", "--"}
	return m
}

// newMachine returns a machine with a file system of its own.
func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	m := startMachine(t, name, "set -e"+ownRoot+hold, syscall.CLONE_NEWNET|syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS)
	m.enter = []string{"nsenter", "--target", strconv.Itoa(m.pid), "--net", "--mount", "--pid", "--uts", "--root", "--wd", "--"}
	return m
}

// newBootedMachine returns a machine with a file system of its own on which
// systemd runs.
func newBootedMachine(t *testing.T, name string) *machine {
	t.Helper()
	m := startMachine(t, name, "set -e"+ownRoot+boot, syscall.CLONE_NEWNET|syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS|syscall.CLONE_NEWIPC, newControlGroup(t))
	m.enter = []string{"nsenter", "--target", strconv.Itoa(m.pid), "--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd", "--"}
	eventually(t, name+" has booted", func() bool {
		_, err := m.run(t, "", "systemctl", "is-active", "basic.target")
		return err == nil
	})
	return m
}

// newControlGroup makes a control group below that of this process.
func newControlGroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mount := regexp.MustCompile(`(?m)^\S+ (\S+) cgroup2 `).FindSubmatch(mounts)
	path := regexp.MustCompile(`(?m)^0::(.*)$`).FindSubmatch(own)
	if mount == nil || path == nil {
		t.Fatal("this test needs control groups of version 2, which are not mounted here: mount -t cgroup2 none /sys/fs/cgroup")
	}
	dir, err := os.MkdirTemp(filepath.Join(string(mount[1]), string(path[1])), "vedette-test-")
	if err != nil {
		t.Fatalf("make a control group (is the container privileged?): %v", err)
	}
	t.Cleanup(func() {
		eventually(t, dir+" is removed", func() bool {
			var groups []string
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					groups = append(groups, path)
				}
				return nil
			})
			for _, group := range slices.Backward(groups) {
				_ = os.Remove(group)
			}
			_, err := os.Stat(dir)
			return errors.Is(err, fs.ErrNotExist)
		})
	})
	return dir
}

func startMachine(t *testing.T, name, script string, apart uintptr, arguments ...string) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes machines of its own, with network and mounts, which only root may: run it as root, as CI does, or in a privileged container")
	}
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", name}, arguments...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: apart, Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("make machine %s (is the container privileged?): %v", name, err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	if line != "ready\n" {
		_ = cmd.Wait()
		t.Fatalf("machine %s was not made (is the container privileged?): %s", name, stderr.String())
	}
	return &machine{name: name, pid: cmd.Process.Pid}
}

// connect puts a cable between two machines, over which each reaches the other's
// address.
func connect(t *testing.T, a *machine, addressOfA string, b *machine, addressOfB string) {
	t.Helper()
	output(t, "ip", "link", "add", b.name, "netns", strconv.Itoa(a.pid), "type", "veth", "peer", "name", a.name, "netns", strconv.Itoa(b.pid))
	for _, end := range []struct {
		m                            *machine
		device, address, itsNeighbor string
	}{{a, b.name, addressOfA, addressOfB}, {b, a.name, addressOfB, addressOfA}} {
		end.m.must(t, "", "ip", "address", "add", end.address+"/32", "dev", end.device)
		end.m.must(t, "", "ip", "link", "set", end.device, "up")
		end.m.must(t, "", "ip", "route", "add", end.itsNeighbor, "dev", end.device, "src", end.address)
	}
}

// run runs a program there, in an environment as root has it after signing in,
// and returns all it said. err says how it ended.
func (m *machine) run(t *testing.T, stdin string, command ...string) (said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := slices.Concat(m.enter, command)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	cmd.Stdin, cmd.WaitDelay = strings.NewReader(stdin), time.Second // what it started may hold its output open
	text, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("%s on %s: %v\n%s", strings.Join(command, " "), m.name, err, text)
	}
	return string(text), err
}

// must is run for what has to succeed.
func (m *machine) must(t *testing.T, stdin string, command ...string) string {
	t.Helper()
	said, err := m.run(t, stdin, command...)
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", strings.Join(command, " "), m.name, err, said)
	}
	return said
}

// install puts a program there.
func (m *machine) install(t *testing.T, path, script string) {
	t.Helper()
	m.must(t, script, "sh", "-euc", fmt.Sprintf("cat >%[1]s; chmod 755 %[1]s", path))
}
