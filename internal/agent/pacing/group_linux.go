package pacing

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pacer runs children below a limit. Its zero value is ready to use and knows no
// control group.
type Pacer struct {
	claim func() *controlGroup // the delegated control group, nil without one
}

// New returns a Pacer that uses the control group which was delegated to this
// process, if there is one. With its first child it moves this process into a
// leaf of that group; make one Pacer per process.
func New() *Pacer {
	return &Pacer{claim: sync.OnceValue(func() *controlGroup { return claim(hostCgroups()) })}
}

func (p *Pacer) run(cmd *exec.Cmd, limit int) error {
	// The kernel kills the child when the thread ends that started it; the runtime
	// ends a thread only when a goroutine returns that is locked to it, and none of
	// ours is.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	g := &processGroup{cmd: cmd}
	cmd.Cancel = g.kill
	if err := cmd.Start(); err != nil {
		return err
	}
	if p.claim != nil {
		// The governor holds the limit alone where this fails.
		_ = p.claim().take(cmd.Process.Pid, limit)
	}
	return govern(g, limit)
}

// processGroup is a child that leads a process group of its own.
type processGroup struct {
	cmd   *exec.Cmd
	mu    sync.Mutex // guards ended, and that no signal is on its way once it is set
	ended bool       // the group's number may be another's from now on
}

func (g *processGroup) stop() error { return g.signal(unix.SIGSTOP) }

func (g *processGroup) resume() error { return g.signal(unix.SIGCONT) }

func (g *processGroup) kill() error { return g.signal(unix.SIGKILL) }

func (g *processGroup) signal(s unix.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return os.ErrProcessDone
	}
	return unix.Kill(-g.cmd.Process.Pid, s)
}

// used reads the child's CPU-time clock, whose number is made of the process's as
// clock_getcpuclockid(3) makes it.
func (g *processGroup) used() (time.Duration, bool) {
	const cpuClockSched = 2 // from the kernel's include/linux/posix-timers_types.h
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return 0, false
	}
	var clock unix.Timespec
	if err := unix.ClockGettime(int32(^g.cmd.Process.Pid<<3|cpuClockSched), &clock); err != nil {
		return 0, false
	}
	return time.Duration(clock.Nano()), true
}

// wait waits for the child, kills what it has left behind, stopped perhaps, and
// only then gives its number free.
func (g *processGroup) wait() error {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, g.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err != nil { // never seen: govern on while it is waited for the other way
		return g.cmd.Wait()
	}
	g.mu.Lock()
	_ = unix.Kill(-g.cmd.Process.Pid, unix.SIGKILL) // the child itself is past that
	g.ended = true
	g.mu.Unlock()
	return g.cmd.Wait()
}
