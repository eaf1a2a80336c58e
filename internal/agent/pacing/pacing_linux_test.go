package pacing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// roleVariable makes the test binary play a child.
const roleVariable = "VEDETTE_PACING_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case "busy":
		err = beBusy()
	case "parent":
		err = runBusyShell(context.Background(), os.Stdout, 1)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// busyFor is how long a busy child works. A burst more or less at its end is a
// hundredth of the smallest limit then.
const busyFor = 4 * time.Second

// beBusy wants all there is: it counts in one thread, makes garbage in another, and
// decompresses with the threads of a library. Then it prints for how long its
// threads had to wait for a processor, in nanoseconds.
func beBusy() error {
	end := time.Now().Add(busyFor)
	work := func(step func()) func() {
		return func() {
			for time.Now().Before(end) {
				step()
			}
		}
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	packed := packer.EncodeAll(bytes.Repeat([]byte("garbage collection and decompression count "), 1<<15), nil)
	var garbage [][]byte
	var workers sync.WaitGroup
	workers.Go(work(func() {}))
	workers.Go(work(func() {
		if garbage = append(garbage, make([]byte, 1<<10)); len(garbage) > 10_000 {
			garbage = nil
		}
	}))
	workers.Go(work(func() {
		unpacker, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(2))
		if err == nil {
			_, err = unpacker.WriteTo(new(bytes.Buffer))
			unpacker.Close()
		}
		if err != nil {
			panic(err)
		}
	}))
	workers.Wait()
	waited, err := waitedForProcessor()
	fmt.Println(waited.Nanoseconds())
	return err
}

// waitedForProcessor is the time that the threads of this process were ready and
// others were running, from the second field of the kernel's schedstat.
func waitedForProcessor() (time.Duration, error) {
	threads, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, thread := range threads {
		var ran, waited time.Duration
		doc, err := os.ReadFile(thread)
		if err == nil {
			_, err = fmt.Sscan(string(doc), &ran, &waited)
		}
		if err != nil {
			return 0, err
		}
		sum += waited
	}
	return sum, nil
}

// runBusyShell runs a child that prints its process id and is busy until it is killed.
func runBusyShell(ctx context.Context, stdout io.Writer, limit int) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", "echo $$; while :; do :; done")
	cmd.Stdout = stdout
	return new(Pacer).Run(cmd, limit)
}

// play is a command that runs this test binary in a role.
func play(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestABusyChildGetsItsShareOfOneCore measures with the kernel's accounting of the
// child when it has ended. A machine that is busy otherwise may leave the child
// less than its share: the time it had to wait for a processor is not held against
// the governor. With more than one processor its threads wait for each other too,
// so only the upper bound says something there.
func TestABusyChildGetsItsShareOfOneCore(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{5, 20, 50} {
		t.Run(fmt.Sprintf("%d percent, one thread at a time", limit), func(t *testing.T) {
			t.Parallel()
			share, waited := measure(t, limit, "GOMAXPROCS=1")
			if least := float64(limit) * 0.8; share/(1-waited) < least {
				t.Errorf("child used %.2f %% of a core, at least %.1f %% are its share", share, least)
			}
		})
		t.Run(fmt.Sprintf("%d percent, many threads", limit), func(t *testing.T) {
			t.Parallel()
			measure(t, limit, "GOMAXPROCS=4")
		})
	}
}

// measure runs a busy child and returns how much of a core it used, in percent,
// and for which part of the time it was waiting for one. No child may use more
// than a tenth above the limit.
func measure(t *testing.T, limit int, environment string) (share, waited float64) {
	t.Helper()
	cmd := play(t, "busy")
	cmd.Env = append(cmd.Env, environment)
	var out bytes.Buffer
	cmd.Stdout = &out
	start := time.Now()
	if err := new(Pacer).Run(cmd, limit); err != nil {
		t.Fatal(err)
	}
	wall := time.Since(start)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(out.String()), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	share, waited = 100*cpu.Seconds()/wall.Seconds(), min(float64(nanoseconds)/float64(wall), 1)
	t.Logf("%s of CPU time in %s: %.2f %% of a core; it waited for a processor %.0f %% of the time", cpu, wall.Round(time.Millisecond), share, 100*waited)
	if most := float64(limit) * 1.1; share > most {
		t.Errorf("child used %.2f %% of a core, at most %.1f %% are allowed", share, most)
	}
	return share, waited
}

func TestAChildThatWaitsStaysBelowItsShare(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "0.3")
	start := time.Now()
	if err := new(Pacer).Run(cmd, 20); err != nil {
		t.Fatal(err)
	}
	wall, cpu := time.Since(start), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if share := cpu.Seconds() / wall.Seconds(); share > 0.2 {
		t.Errorf("child used %.1f %% of a core", share*100)
	}
}

// firstLine cancels when something has been written, and keeps it.
type firstLine struct {
	line   string
	cancel context.CancelFunc
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.line += string(p)
	f.cancel()
	return len(p), nil
}

func TestACancelledChildEndsWhetherItIsStoppedOrNot(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, Unlimited} { // stopped nearly always, and hardly ever
		t.Run(fmt.Sprintf("%d percent", limit), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &firstLine{cancel: cancel}
			err := runBusyShell(ctx, out, limit)
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Errorf("child ended with %v, want it killed", err)
			}
			awaitEnd(t, out.line)
		})
	}
}

func TestAStoppedChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	parent := play(t, "parent")
	out, err := parent.StdoutPipe()
	if err == nil {
		err = parent.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // its error is the signal
	awaitEnd(t, pid)
}

func TestNothingOfAChildOutlivesIt(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sleep 600 & echo $!")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := new(Pacer).Run(cmd, Unlimited); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, out.String())
}

// awaitEnd waits until a process has ended; one that nobody waits for counts.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	stat := "/proc/" + strings.TrimSpace(pid) + "/stat"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		if doc, err := os.ReadFile(stat); err != nil || strings.Contains(string(doc), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still there after a minute", stat)
		}
	}
}

func TestAChildThatCannotStartIsNamed(t *testing.T) {
	t.Parallel()
	err := new(Pacer).Run(exec.CommandContext(t.Context(), "/nowhere/worker"), 5)
	if err == nil || !strings.Contains(err.Error(), "/nowhere/worker") {
		t.Errorf("error %v, want one that names the program", err)
	}
}
