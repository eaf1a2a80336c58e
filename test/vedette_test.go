package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for anything before it gives up. Nothing
// that works takes a tenth of it.
const patience = 90 * time.Second

// folder is a data folder of a platform and the environment its clients need.
type folder struct {
	path  string
	enter []string // command that runs another one on the platform's machine; empty for this machine
	root  string   // leads there from here
}

// seen is the path of a file in the folder for the test.
func (f *folder) seen(name string) string { return filepath.Join(f.root+f.path, name) }

// command returns a command of vedette on the platform's machine.
func (f *folder) command(ctx context.Context, args []string) *exec.Cmd {
	all := slices.Concat(f.enter, []string{filepath.Join(binaries, "vedette")}, args)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Env = os.Environ()
	if f.enter != nil {
		cmd.Env = append(cmd.Env, "NO_PROXY=*", "no_proxy=*") // there is nothing beyond that machine
	}
	return cmd
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	return &folder{path: filepath.Join(t.TempDir(), "data")}
}

// process is a running vedette up.
type process struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	stderr bytes.Buffer
	ready  chan struct{} // closed when it has said that it is up
	ended  chan struct{} // closed when it has ended
	once   sync.Once
}

// start runs vedette up on the folder, for a host that belongs to the test.
func (f *folder) start(t *testing.T, h *host, args ...string) *process {
	t.Helper()
	return f.startPlatform(t, slices.Concat([]string{"up", "--data", f.path, "--listen", "127.0.0.1:0", "--agent-root", h.root}, args))
}

// startPlatform runs a command that serves a platform from this folder.
func (f *folder) startPlatform(t *testing.T, args []string) *process {
	t.Helper()
	p := &process{
		cmd:   f.command(context.Background(), args),
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "Vedette is up.") {
				close(p.ready)
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			log, _ := os.ReadFile(f.seen("agent.log"))
			t.Logf("the platform said:\n%s\nits agent:\n%s", p.said(), log)
		}
	})
	return p
}

// Write takes standard error in.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// awaitReady waits until the host is searchable.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	select {
	case <-p.ready:
	case <-p.ended:
		t.Fatalf("the platform ended: %s", p.said())
	case <-time.After(patience):
		t.Fatal("the platform is not ready")
	}
}

// kill ends it as kill -9 does; its agent follows, having lost its parent.
func (p *process) kill() {
	p.once.Do(func() { _ = p.cmd.Process.Kill() })
	<-p.ended
}

// stop ends it as Ctrl-C does and returns its exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.once.Do(func() {
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the platform does not stop")
	}
	return p.cmd.ProcessState.ExitCode()
}

// result is what a command printed and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a client command with the folder's administrator, and with the
// variables given as NAME=VALUE in place of what admin.env says.
func (f *folder) run(t *testing.T, variables []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := f.command(ctx, args)
	cmd.Env = append(append(cmd.Env, f.environment(t)...), variables...)
	cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() < 0) {
		t.Fatalf("vedette %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// vedette runs a client command that must succeed and returns what it printed.
func (f *folder) vedette(t *testing.T, args ...string) string {
	t.Helper()
	r := f.run(t, nil, args...)
	if r.code != 0 {
		t.Fatalf("vedette %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func (f *folder) environment(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(f.seen("admin.env"))
	if err != nil {
		t.Fatal(err)
	}
	var variables []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			variables = append(variables, line)
		}
	}
	return variables
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		<-ticker.C
	}
}
