package resident

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// endWithParent has the kernel kill a child when this process dies. It watches the
// thread, so the goroutine that starts the child keeps it.
func endWithParent(cmd *exec.Cmd) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// takePlace runs a program in the place of this process.
func takePlace(path string, args, env []string) error {
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, append([]string{path}, args...), env))
}
