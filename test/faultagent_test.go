package test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// glance is how often something is looked for that is gone in a moment.
const glance = time.Millisecond

// onSight looks again and again until look says that it has seen something, which
// it acts on itself, or ctx ends. It does not outlast the test.
func onSight(ctx context.Context, t *testing.T, look func() (seen bool)) {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		ticker := time.NewTicker(glance)
		defer ticker.Stop()
		for !look() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
}

// child returns what kills the child of the agent that runs such a command; nil
// where there is none.
func (a *agentProcess) child(runs func(command []string) bool) (kill func()) {
	cmd, _ := a.now()
	if cmd == nil {
		return nil
	}
	// The kernel lists children by the thread that started them.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	if err != nil {
		return nil
	}
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, child := range strings.Fields(string(children)) {
			command, err := os.ReadFile(filepath.Join("/proc", child, "cmdline"))
			pid, errPID := strconv.Atoi(child)
			if err == nil && errPID == nil && runs(strings.Split(strings.TrimSuffix(string(command), "\x00"), "\x00")) {
				return func() { _ = syscall.Kill(pid, syscall.SIGKILL) }
			}
		}
	}
	return nil
}

// worksOn returns what tells the worker that does one kind of work.
func worksOn(arguments ...string) func(command []string) bool {
	return func(command []string) bool {
		return filepath.Base(command[0]) == "vedette-agent-worker" && slices.Equal(command[1:], arguments)
	}
}
