package test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"vedette.dev/vedette/qps/qpsclient"
)

// disk is a small file system. It is mounted for the process that holds it and
// those that enter, and gone with them.
type disk struct {
	path  string // where it is mounted, for those that enter
	root  string // what leads there from outside
	enter []string
}

func newDisk(t *testing.T, size string) *disk {
	t.Helper()
	path := t.TempDir()
	m := startMachine(t, "disk", `set -e
mount --make-rprivate /
mount -t tmpfs -o size="$2" none "$3"
holder=`+hold, syscall.CLONE_NEWNS, size, path)
	return &disk{
		path: path, root: fmt.Sprintf("/proc/%d/root", m.pid),
		enter: []string{"nsenter", "--target", strconv.Itoa(m.pid), "--mount", "--"},
	}
}

// fill takes the space that is left, but for so many bytes.
func (d *disk) fill(t *testing.T, spare int64) {
	t.Helper()
	file, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with: %v", err)
	}
	info, err := file.Stat()
	if err == nil {
		err = file.Truncate(info.Size() - spare)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// free gives the space back.
func (d *disk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) ballast() string { return filepath.Join(d.root+d.path, "ballast") }

// zeros is as long as anybody reads.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestAnAgentRecoversFromAFullDisk fills the file system of the state folder, to
// the last byte and with room for some of what a scan writes. Scans that were
// acknowledged end, and the inventory is that of the host, once there is space.
func TestAnAgentRecoversFromAFullDisk(t *testing.T) {
	t.Parallel()
	for _, spare := range []int64{0, 4 << 10, 8 << 10} {
		t.Run(fmt.Sprintf("%d bytes left", spare), func(t *testing.T) {
			t.Parallel()
			l := newLife(t, 0)
			d := newDisk(t, "1m")
			l.agent.enter, l.agent.state, l.agent.root = d.enter, filepath.Join(d.path, "agent"), d.root
			l.tend()
			l.startAgent()
			l.converge()

			d.fill(t, spare)
			l.host.install(t, "hello", "2.10-3")
			l.launch()
			if len(l.launched) != 1 {
				t.Fatal("the scan was not acknowledged")
			}
			eventually(t, "somebody says that the disk is full", func() bool {
				l.restartAgent()
				return strings.Contains(l.agent.said(t)+l.reasonOf(l.launched[0]), "no space left on device")
			})
			if ended := l.agent.said(t); strings.Contains(ended, "vedette-agent: ") && !strings.Contains(ended, "free space on the file system") {
				t.Errorf("the agent ended without a next step: %s", ended)
			}
			d.free(t)
			l.agent.kill() // it may be about to end by itself
			l.startAgent()
			l.converge()
			l.check()
		})
	}
}

// restartAgent starts an agent that ended by itself, as a service manager does.
func (l *life) restartAgent() {
	l.t.Helper()
	if _, ended := l.agent.hasEnded(); ended {
		l.startAgent()
	}
}

// reasonOf returns why a scan failed, if it did.
func (l *life) reasonOf(id int64) string {
	l.t.Helper()
	scan, err := l.client.Scan(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return scan.Reason
}

// TestAPlatformRecoversFromAFullDisk fills the file system of the data folder
// while an agent has something to send, and kills the platform on top of it. What
// was acknowledged is there, and once there is space everything goes on.
func TestAPlatformRecoversFromAFullDisk(t *testing.T) {
	t.Parallel()
	l := newLife(t, 0)
	d := newDisk(t, "16m")
	l.data.path, l.data.enter, l.data.root = filepath.Join(d.path, "data"), d.enter, d.root
	l.tend()
	l.startAgent()
	l.converge()

	l.launch() // acknowledged before the disk is full
	d.fill(t, 0)
	l.host.install(t, "hello", "2.10-3")
	eventually(t, "a launch is refused for want of space", func() bool {
		_, err := l.client.LaunchOnDemandScan(t.Context(), qpsclient.ScanLaunch{AssetID: 1, Type: qpsclient.InventoryScan})
		return err != nil
	})
	if _, err := l.assets(); err != nil {
		t.Errorf("nothing can be read while the disk is full: %v", err)
	}
	d.free(t)
	l.converge()

	d.fill(t, 0)
	l.platform.kill()
	l.checkAcknowledged()
	for _, command := range [][]string{{"serve"}, {"up", "--agent-root", l.host.root}} {
		again := l.data.run(t, nil, append(command, "--data", l.data.path, "--listen", "127.0.0.1:0")...)
		if again.code != 1 || !strings.Contains(again.stderr, "free space on it") {
			t.Errorf("%s on a full disk: exit code %d and %q, want 1 and the next step", command[0], again.code, again.stderr)
		}
	}
	d.free(t)
	l.tend()
	l.converge()
	l.check()
}

func TestAFirstStartOnAFullDiskSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "1m")
	d.fill(t, 0)
	l := newLife(t, 0)
	l.agent.enter, l.agent.state, l.agent.root = d.enter, filepath.Join(d.path, "agent"), d.root
	l.tend()
	l.startAgent()
	eventually(t, "the agent has ended", func() bool { _, ended := l.agent.hasEnded(); return ended })
	if said := l.agent.said(t); !strings.Contains(said, "free space on the file system of the state folder") {
		t.Errorf("the agent said %q", said)
	}
	d.free(t)
	l.restartAgent()
	l.converge()
	l.check()
}

func TestADownloadThatDoesNotFitSaysWhatToDo(t *testing.T) {
	t.Parallel()
	packages, data, d := t.TempDir(), newFolder(t), newDisk(t, "1m")
	if err := os.WriteFile(filepath.Join(packages, "vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	data.startPlatform(t, []string{"serve", "--data", data.path, "--listen", "127.0.0.1:0", "--packages", packages}).awaitReady(t)
	there := *data
	there.enter = d.enter
	r := there.run(t, nil, "agents", "download", "--platform", "LINUX_UBUNTU", "--architecture", "X_64", "-O", filepath.Join(d.path, "agent.deb"))
	if r.code != 1 || !strings.Contains(r.stderr, "no space left for") || !strings.Contains(r.stderr, "on another file system with -O") {
		t.Errorf("exit code %d and %q, want 1 and the next step", r.code, r.stderr)
	}
	left, err := os.ReadDir(d.root + d.path)
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left (%v), want none", len(left), err)
	}
}
