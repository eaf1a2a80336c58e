package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/session"
)

// Words with which this binary re-executes itself as agent or worker when their
// own binaries are not beside it, as under go run.
const (
	hiddenAgent  = "__agent"
	hiddenWorker = "__worker"
)

const (
	// agentStopGrace is what the agent gets to end after its standard input has.
	agentStopGrace = 10 * time.Second
	// A crashed agent is started again after a pause that doubles.
	firstRestart, lastRestart = time.Second, time.Minute
	// maxAgentLog is where the agent's log is begun anew, the last one kept.
	maxAgentLog = 10 << 20
)

// errAgentStopped is the end of an agent that did not fail.
var errAgentStopped = errors.New("it was told to end")

// agentChild is this host's own agent, run as a child process.
type agentChild struct {
	stateDir string
	logPath  string
	rootDir  string // host file system the agent takes stock of
	command  []string
	env      []string
	log      *slog.Logger
}

func newAgentChild(p *platform, rootDir string, log *slog.Logger) (*agentChild, error) {
	agent, err := besideOrSelf("vedette-agent", hiddenAgent)
	if err != nil {
		return nil, err
	}
	c := &agentChild{
		stateDir: p.folder.file("agent"), logPath: p.folder.file("agent.log"), rootDir: rootDir, log: log,
	}
	// Not on the command line, where every user of the host could read them.
	c.env = append(withoutPassword(os.Environ()), "VEDETTE_ACTIVATION_KEY="+p.admin.activationKey, "VEDETTE_CUSTOMER_ID="+p.admin.customerID)
	c.command = slices.Concat(agent, []string{"run",
		"ServerUri=" + p.url, "StateDir=" + c.stateDir, "RootDir=" + rootDir, "ExitWithParent=1"})
	if p.fingerprint != "" { // else the certificate comes from elsewhere and the host knows its authority
		c.command = append(c.command, "CaFile="+p.admin.caFile)
	}
	return c, nil
}

// withoutPassword leaves out what the agent has no business with.
func withoutPassword(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, "VEDETTE_PASSWORD=") })
}

// besideOrSelf returns the command of a binary that lies beside this one, or of
// this one under a hidden word.
func besideOrSelf(name, hidden string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return []string{beside}, nil
	}
	return []string{self, hidden}, nil
}

// run keeps the agent running until ctx ends, or the platform has uninstalled it.
// It starts a crashed one again.
func (c *agentChild) run(ctx context.Context, show *progress) {
	pause := firstRestart
	for {
		started := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if c.uninstalled() {
			show.note("this host's agent was uninstalled and is not started again; to register the host as a new asset, run")
			show.note("  vedette-agent provision StateDir=%s", c.stateDir)
			show.note("and start this command again")
			return
		}
		if time.Since(started) > lastRestart {
			pause = firstRestart
		}
		if err == nil {
			err = errAgentStopped
		}
		// Told after the pause: the Ctrl-C of a terminal ends the agent too, and may be
		// seen here a moment later.
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		c.log.WarnContext(ctx, "this host's agent ended and is started again", "error", err, "pause", pause, "log", c.logPath)
		pause = min(2*pause, lastRestart)
	}
}

// once runs the agent until it ends, or ctx does.
func (c *agentChild) once(ctx context.Context) error {
	log, err := c.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = c.env
	endWithParent(cmd)
	// The agent ends when its standard input does: when we close it, or die.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("make pipe to agent: %w", err)
	}
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = agentStopGrace
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	return cmd.Wait()
}

func (c *agentChild) openLog() (*os.File, error) {
	if info, err := os.Stat(c.logPath); err == nil && info.Size() > maxAgentLog {
		if err := os.Rename(c.logPath, c.logPath+".1"); err != nil {
			return nil, fmt.Errorf("rotate agent log: %w", err)
		}
	}
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open agent log: %w", err)
	}
	return log, nil
}

// uninstalled reports whether the agent removed itself on the platform's order.
func (c *agentChild) uninstalled() bool {
	report, err := c.report()
	return err == nil && report != nil && report.Uninstalled != nil
}

// report returns what the agent's state folder says, nil before it has one.
func (c *agentChild) report() (*session.Report, error) {
	report, err := session.ReadReport(c.stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return report, err
}
