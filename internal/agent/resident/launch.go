package resident

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agent/upgrade"
)

// What one version of the agent tells the next in its environment.
const (
	// envPackaged is the path of the packaged agent, for a version that is not.
	envPackaged = "VEDETTE_AGENT_PACKAGED"
	// envTrial says that another version watches this one.
	envTrial = "VEDETTE_AGENT_TRIAL"
)

const (
	verifyTimeout = time.Minute
	tryTimeout    = 30 * time.Second
	// stopTimeout is how long a version on trial has to end when it is told to.
	stopTimeout = 10 * time.Second
)

// versions are the versions of the agent on this host, as this process has to do
// with them. Its zero value is that of an agent that does not upgrade itself.
type versions struct {
	*upgrade.Versions
	self, packaged string
	onTrial        bool
}

// openVersions returns the versions of a state folder; of none where agents do
// not upgrade themselves.
func openVersions(o *options, sys System) (*versions, error) {
	v := &versions{}
	if !sys.Installed || runtime.GOOS != "linux" {
		return v, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	if err := os.MkdirAll(o.stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	stateDir, err := filepath.EvalSymlinks(o.stateDir)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if v.Versions, err = upgrade.Open(stateDir); err != nil {
		return nil, err
	}
	v.self, v.packaged, v.onTrial = self, cmp.Or(sys.env(envPackaged), self), sys.env(envTrial) != ""
	return v, nil
}

func (s System) env(name string) string {
	if s.Getenv == nil {
		return ""
	}
	return s.Getenv(name)
}

// launcher returns what runs the current version, with the arguments of this
// process.
func (v *versions) launcher(args []string, o *options, sys System, log *slog.Logger) *upgrade.Launcher {
	environment := func(more ...string) []string {
		return append(append(os.Environ(), envPackaged+"="+v.packaged), more...)
	}
	return &upgrade.Launcher{
		Versions: v.Versions, Self: v.self, Version: Version, Packaged: v.packaged, Patience: o.patience, Log: log,
		Start: func(path string) (upgrade.Child, error) {
			cmd := exec.Command(path, args...) //nolint:noctx // ended by Stop, which lets it finish
			cmd.Env = environment(envTrial + "=1")
			return startChild(cmd, sys)
		},
		Exec: func(path string) error {
			env := os.Environ()
			if path != v.packaged {
				env = environment()
			} else {
				env = without(env, envPackaged)
			}
			return takePlace(path, args, env)
		},
		Probe: func(ctx context.Context) error {
			proxies, err := o.proxies(sys.Getenv)
			if err != nil {
				return err
			}
			return session.Probe(ctx, o.stateDir, proxies)
		},
		Departed: func() bool {
			report, err := session.ReadReport(o.stateDir)
			return o.exitWithParent || err == nil && report.Uninstalled != nil
		},
	}
}

func without(env []string, name string) []string {
	var kept []string
	for _, variable := range env {
		if !strings.HasPrefix(variable, name+"=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// child is an agent on trial.
type child struct {
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{}
	err    error // once done is closed
}

// startChild starts an agent on trial, which ends with this process.
func startChild(cmd *exec.Cmd, sys System) (*child, error) {
	const lastWords = 300 // of the reason that is reported
	c := &child{cmd: cmd, stderr: &tail{most: lastWords}, done: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sys.Stdin, sys.Stdout, io.MultiWriter(sys.Stderr, c.stderr)
	cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	go func() { // ends with the child, which Stop waits for
		endWithParent(cmd)
		started <- cmd.Start()
		if cmd.Process != nil {
			c.err = cmd.Wait()
		}
		close(c.done)
	}()
	return c, <-started
}

// Done implements upgrade.Child.
func (c *child) Done() <-chan struct{} { return c.done }

// Ended implements upgrade.Child.
func (c *child) Ended() string {
	if c.err == nil {
		return ""
	}
	return fmt.Sprintf("it ended with %v%s", c.err, c.stderr)
}

// Stop implements upgrade.Child.
func (c *child) Stop() {
	_ = c.cmd.Process.Signal(os.Interrupt) // one that has ended needs none
	patience := time.NewTimer(stopTimeout)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// upgrader returns what upgrades this agent; nil where that is not wanted.
func (v *versions) upgrader(w *worker, log *slog.Logger, restart func()) session.Upgrader {
	if v.Versions == nil || v.onTrial {
		return nil
	}
	return &upgrade.Upgrader{
		Versions: v.Versions, Version: Version, System: runtime.GOOS, Machine: runtime.GOARCH,
		Now: time.Now, Log: log, Verify: w.verify, Try: tryVersion, Restart: restart,
	}
}

// tryVersion asks a program for its version.
func tryVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	const most = 100
	stdout, stderr := &head{most: most}, &tail{most: maxErrorBytes}
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w%s", err, stderr)
	}
	return strings.TrimSpace(stdout.buffer.String()), nil
}

// verify has release metadata verified by the worker.
func (w *worker) verify(ctx context.Context, q release.Question) (release.Answer, error) {
	var answer release.Answer
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	doc, err := json.Marshal(q)
	if err != nil {
		return answer, fmt.Errorf("encode release metadata: %w", err)
	}
	const most = 8 << 20
	stdout, stderr := &head{most: most}, &tail{most: maxErrorBytes}
	cmd := exec.CommandContext(ctx, w.command[0], append(w.command[1:len(w.command):len(w.command)], "release")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(doc), stdout, stderr, killDelay
	if err := cmd.Run(); err != nil {
		return answer, fmt.Errorf("verify release metadata with %s: %w%s", w.command[0], err, stderr)
	}
	if err := json.Unmarshal(stdout.buffer.Bytes(), &answer); err != nil {
		return answer, fmt.Errorf("decode verified release metadata: %w", err)
	}
	return answer, nil
}

// rollBack goes back from the current version, and has a running agent follow.
func rollBack(ctx context.Context, o *options, sys System) error {
	v, err := openVersions(o, sys)
	if err != nil {
		return err
	}
	if v.Versions == nil {
		return errors.New("this agent does not upgrade itself: install another package")
	}
	from, to, err := v.RollBack("an administrator of this host went back", time.Now())
	if errors.Is(err, upgrade.ErrPackaged) {
		return errors.New("the packaged agent runs already: to go back further, install an older package")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(sys.Stdout, "Rolled back from version %s to %s. It is not tried again before vedette-agent retry.\n", from, cmp.Or(to, "the packaged agent"))
	if _, err := ask(ctx, o.stateDir, controlRequest{Ask: askRestart}, maxControlBytes); err != nil && !errors.Is(err, errNotRunning) {
		return fmt.Errorf("the running agent could not be told, restart it: %w", err)
	}
	return nil
}

// retry lets versions be tried again that were rolled back.
func retry(o *options, sys System) error {
	v, err := openVersions(o, sys)
	if err != nil {
		return err
	}
	if v.Versions == nil {
		return errors.New("this agent does not upgrade itself: install another package")
	}
	again, err := v.Retry()
	if err != nil {
		return err
	}
	if len(again) == 0 {
		fmt.Fprintln(sys.Stdout, "No version was rolled back.")
		return nil
	}
	fmt.Fprintf(sys.Stdout, "Tried again when the agent next looks for a release: %s.\n", strings.Join(again, ", "))
	return nil
}
