package test

import (
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
)

// agentProcess is an agent that is killed and started again on one state folder.
type agentProcess struct {
	state, log string
	enter      []string // command that runs another one where the agent is; empty for here
	root       string   // leads there from here

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{} // closed when cmd has ended
}

// start starts it and returns what kills this very process.
func (a *agentProcess) start(t *testing.T, options []string) (kill func()) {
	t.Helper()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	all := append(append([]string{}, a.enter...), filepath.Join(binaries, "vedette-agent"), "run", "StateDir="+a.state, "ExitWithParent=1")
	all = append(all, options...)
	cmd := exec.Command(all[0], all[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	a.mu.Lock()
	a.cmd, a.stdin, a.ended = cmd, stdin, ended
	a.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(ended)
	}()
	return func() { _ = cmd.Process.Kill() }
}

func (a *agentProcess) now() (*exec.Cmd, chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cmd, a.ended
}

// seen is the path of the state folder for the test.
func (a *agentProcess) seen() string { return a.root + a.state }

// said is the log of all the agents there were.
func (a *agentProcess) said(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// hasEnded reports whether it was started and has ended, and its exit code, -1
// when it was killed.
func (a *agentProcess) hasEnded() (code int, ended bool) {
	cmd, done := a.now()
	if cmd == nil {
		return 0, false
	}
	select {
	case <-done:
		return cmd.ProcessState.ExitCode(), true
	default:
		return 0, false
	}
}

// kill ends it as kill -9 does.
func (a *agentProcess) kill() {
	cmd, done := a.now()
	if cmd != nil {
		_ = cmd.Process.Kill()
		<-done
	}
}

// workerLook is how often a worker is looked for.
const workerLook = time.Millisecond

// onWorker calls back with what kills the next worker of the agent, as soon as
// there is one. It gives up with the test.
func (a *agentProcess) onWorker(t *testing.T, found func(kill func())) {
	ctx := t.Context()
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		ticker := time.NewTicker(workerLook)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if worker := a.worker(); worker > 0 {
				found(func() { _ = syscall.Kill(worker, syscall.SIGKILL) })
				return
			}
		}
	}()
}

// worker returns the process of the agent's worker, 0 for none. The kernel lists
// children by the thread that started them.
func (a *agentProcess) worker() int {
	cmd, _ := a.now()
	if cmd == nil {
		return 0
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				return pid
			}
		}
	}
	return 0
}
