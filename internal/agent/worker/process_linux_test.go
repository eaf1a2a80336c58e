package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// roleVariable makes the test binary play a part in a process of its own.
const roleVariable = "VEDETTE_WORKER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "worker":
		os.Exit(Main(os.Stdin, os.Stdout, os.Stderr))
	case "write half and wait":
		os.Exit(writeHalf())
	case "report priority":
		os.Exit(reportPriority())
	}
	os.Exit(m.Run())
}

// process is a command that runs this test binary in a role.
func process(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), roleVariable+"="+role)
	return command
}

// work runs the worker program as the resident agent does.
func work(t *testing.T, job scan.Job) scan.Result {
	t.Helper()
	doc, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	command := process(t, "worker")
	command.Stdin = bytes.NewReader(doc)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("worker: %v, on standard error: %s", err, stderr.String())
	}
	var result scan.Result
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("worker printed %q: %v", out, err)
	}
	return result
}

// scanRoot is a host's file system that the test owns.
func scanRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/os-release":      "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"etc/passwd":          "root:x:0:0::/root:/bin/sh\n",
		"var/lib/dpkg/status": entry("bash", "5.2.15-2") + entry("zlib1g", "1:1.2.13"),
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// entry is an installed package in dpkg's database.
func entry(name, version string) string {
	return fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nDescription: x\n\n", name, version)
}

func TestInventoryOfAScanRoot(t *testing.T) {
	t.Parallel()
	root := scanRoot(t)
	s := newSite(t)
	job := scan.Job{
		Module:     agentwire.ModuleInventory,
		Collectors: []string{collect.Host, collect.Software, collect.Accounts},
		RootDir:    root,
		StateDir:   s.stateDir,
	}

	first := work(t, job)
	for _, report := range first.Collectors {
		if report.Error != "" {
			t.Errorf("collector %s: %s", report.Name, report.Error)
		}
	}
	baseline := s.delta(first)
	if !baseline.Baseline() || len(baseline.Software.Put) != 2 || baseline.Host.OS != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("first delta is %+v, want a baseline of this root", baseline)
	}

	job.Base = first.Snapshot
	if second := work(t, job); !second.Unchanged {
		t.Errorf("second scan reports %+v, want it unchanged: %+v", second, s.delta(second))
	}

	status := filepath.Join(root, "var/lib/dpkg/status")
	file, err := os.OpenFile(status, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, entry("hello", "2.10-3")); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	third := work(t, job)
	want := &agentwire.Delta{
		Base: first.Snapshot, Result: third.Snapshot,
		Software: agentwire.Changes[agentwire.Software]{
			Put: []agentwire.Software{{Kind: "deb", Name: "hello", Version: "2.10-3", Architecture: "amd64"}},
		},
	}
	if diff := cmp.Diff(want, s.delta(third)); diff != "" {
		t.Errorf("delta of one package (-want +got):\n%s", diff)
	}

	job.Base = third.Snapshot
	if err := os.Truncate(status, 100); err != nil {
		t.Fatal(err)
	}
	fourth := work(t, job)
	if !fourth.Unchanged || fourth.Collectors[1].Error == "" {
		t.Errorf("scan of a damaged database reports %+v, want an error and no change", fourth)
	}
}

func TestFullInventoryOfThisHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	job := scan.Job{Module: agentwire.ModuleInventory, Collectors: collect.Names(), RootDir: "/", StateDir: s.stateDir, Throttle: time.Millisecond}
	first := work(t, job)
	for _, report := range first.Collectors {
		if report.Error != "" || report.Entries == 0 {
			t.Errorf("collector %+v found nothing on this host", report)
		}
	}
	host, err := s.delta(first).Apply(nil)
	if err != nil {
		t.Fatalf("the platform could not apply the baseline: %v", err)
	}
	t.Logf("baseline of %d packages: %d bytes", len(host.Software), first.UploadSize)
	job.Base = first.Snapshot
	second := work(t, job)
	if next, err := s.delta(second).Apply(host); err != nil || next.Digest() != second.Snapshot {
		t.Errorf("the platform could not apply the delta: %v", err)
	}
}

func TestWorkerProgramSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	command := process(t, "worker")
	command.Stdin = strings.NewReader(`{"module":"inventory"}`)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if command.ProcessState.ExitCode() != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "rootDir") {
		t.Errorf("worker ended with %v, printed %q and %q", err, stdout.String(), stderr.String())
	}
}

// writeHalf is the part of a worker that gets killed while it writes the file
// that standard input names.
func writeHalf() int {
	var path string
	if _, err := fmt.Scanln(&path); err != nil {
		fmt.Println(err)
		return 1
	}
	err := replaceFile(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		fmt.Println("half written")
		_, err := os.Stdin.Read(make([]byte, 1)) // nothing comes: it is killed here
		return err
	})
	fmt.Println(err)
	return 1
}

func TestKillWithinAWriteLeavesNoHalfFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"))
	first := s.mustRun("")
	for _, path := range []string{
		scan.SnapshotPath(s.stateDir, first.Snapshot),          // there already
		scan.SnapshotPath(s.stateDir, strings.Repeat("0", 64)), // not yet
	} {
		before, _ := os.ReadFile(path)
		command := process(t, "write half and wait")
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := command.StdinPipe() // stays open until Wait
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(in, path); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("half written"))
		if _, err := io.ReadFull(out, line); err != nil || string(line) != "half written" {
			t.Fatalf("writer printed %q (%v)", line, err)
		}
		if err := command.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait() // its error is the signal
		if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Errorf("the writer ended by itself: %s", command.ProcessState)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s holds %d bytes after the kill, %d before", path, len(after), len(before))
		}
	}
	if second := s.mustRun(first.Snapshot); !second.Unchanged {
		t.Errorf("scan after the kills reports %+v, want it unchanged", second)
	}
}

// reportPriority lowers the priority and prints that of every thread.
func reportPriority() int {
	lowerPriority()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			fmt.Println(err)
			return 1
		}
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, id) // 20 - nice, as the system call returns it
		class, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(id), 0)
		fmt.Printf("nice %d (%v), class %d (%d)\n", 20-raw, err, class>>13, errno)
	}
	return 0
}

func TestEveryThreadStepsBack(t *testing.T) {
	t.Parallel()
	out, err := process(t, "report priority").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 2 {
		t.Errorf("one thread reported: %q; the runtime has more", out)
	}
	for _, line := range lines {
		if want := "nice 19 (<nil>), class 3 (0)"; line != want {
			t.Errorf("a thread has %s, want %s", line, want)
		}
	}
}
