package resident

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the worker and what it starts into a process group, and lets the
// kernel kill it with this process. The kernel does so when the thread ends that
// started the child; the runtime ends a thread only when a goroutine returns
// that is locked to it, and none of ours is.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends the worker with everything it started.
func killGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
