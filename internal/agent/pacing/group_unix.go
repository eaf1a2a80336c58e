//go:build unix && !linux

package pacing

import (
	"os/exec"
	"syscall"
	"time"
)

// Pacer runs children below a limit. Its zero value is ready to use.
type Pacer struct{}

// New returns a Pacer.
func New() *Pacer { return new(Pacer) }

func (p *Pacer) run(cmd *exec.Cmd, limit int) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	return govern(child{cmd}, limit)
}

// child is a process alone: without a way to wait for it and keep its number, its
// group might be a stranger's by the time it is signalled.
type child struct{ cmd *exec.Cmd }

func (c child) used() (time.Duration, bool) { return 0, false }

func (c child) stop() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }

func (c child) resume() error { return c.cmd.Process.Signal(syscall.SIGCONT) }

func (c child) wait() error { return c.cmd.Wait() }
