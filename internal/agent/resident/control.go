package resident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	controlSocket   = "control.sock" // in the state folder
	controlTimeout  = 30 * time.Second
	maxControlBytes = 4 << 10
	maxReportBytes  = 1 << 20
	// inspectTimeout is how long an agent may be in the middle of something before
	// its folder has to say what it knows.
	inspectTimeout = 2 * time.Second
)

// What is asked for on the control socket; a local demand by default.
const (
	askDemand = ""
	askStatus = "status"
	// askRestart says that another version of the agent is the current one.
	askRestart = "restart"
)

type controlRequest struct {
	Ask        string             `json:"ask,omitempty"`
	Type       agentwire.ScanType `json:"type,omitempty"` // of a demand
	ThrottleMS int64              `json:"throttleMs,omitempty"`
}

type controlAnswer struct {
	ControlID string          `json:"controlId,omitempty"`
	Report    *session.Report `json:"report,omitempty"`
	Error     string          `json:"error,omitempty"`
}

// control serves local demands and questions on a Unix socket that only its owner may use.
type control struct {
	listener net.Listener
	log      *slog.Logger
	agent    *session.Agent
	stateDir string
	restart  func()
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// listen opens the control socket. The state folder is locked by now, so one
// that is there was left behind.
func listen(ctx context.Context, stateDir string, agent *session.Agent, log *slog.Logger, restart func()) (*control, error) {
	path := filepath.Join(stateDir, controlSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open control socket (its path may have about 100 bytes, a shorter StateDir= helps): %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("protect control socket: %w", err)
	}
	c := &control{listener: listener, log: log, agent: agent, stateDir: stateDir, restart: restart}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.running.Go(c.accept)
	return c, nil
}

// accept serves one connection at a time: none takes longer than inspectTimeout
// while its client is there.
func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if c.ctx.Err() == nil {
				c.log.Error("control socket failed: local demands need a restart of the agent", "error", err)
			}
			return
		}
		c.serve(conn)
	}
}

func (c *control) serve(conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(c.ctx, controlTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var request controlRequest
	var answer controlAnswer
	if err := json.NewDecoder(io.LimitReader(conn, maxControlBytes)).Decode(&request); err != nil {
		answer.Error = fmt.Sprintf("request cannot be read: %v", err)
	} else if request.Ask == askRestart {
		defer c.restart() // after the answer, which the end of the agent would cut short
	} else {
		answer = c.answer(ctx, &request)
	}
	if err := json.NewEncoder(conn).Encode(answer); err != nil {
		c.log.Debug("answer on control socket", "error", err)
	}
}

func (c *control) answer(ctx context.Context, request *controlRequest) (answer controlAnswer) {
	var err error
	switch request.Ask {
	case askDemand:
		answer.ControlID, err = c.agent.Demand(ctx, session.Demand{Type: request.Type, Throttle: time.Duration(request.ThrottleMS) * time.Millisecond})
	case askStatus:
		answer.Report, err = c.report(ctx)
	default:
		err = fmt.Errorf("this agent cannot be asked for %.40q", request.Ask)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// report is what the agent says; while it waits for its platform, what its folder
// says and what it waits for.
func (c *control) report(ctx context.Context) (*session.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	if report, err := c.agent.Inspect(ctx); err == nil {
		return report, nil
	}
	report, err := session.ReadReport(c.stateDir)
	if err == nil {
		report.Handling = c.agent.Handling()
	}
	return report, err
}

// close ends serving.
func (c *control) close() {
	c.cancel()
	c.listener.Close() // removes the socket
	c.running.Wait()
}

// errNotRunning says that there is nobody to ask.
var errNotRunning = errors.New("no agent runs on")

// ask puts one question to the agent that runs on a state folder.
func ask(ctx context.Context, stateDir string, request controlRequest, most int64) (*controlAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(stateDir, controlSocket))
	if err != nil {
		return nil, fmt.Errorf("%w %s (%w): start it with vedette-agent run, or give the folder with StateDir=", errNotRunning, stateDir, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	var answer controlAnswer
	if err := json.NewDecoder(io.LimitReader(conn, most)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the agent's answer: %w", err)
	}
	return &answer, nil
}

// demand asks the running agent for a scan and prints its control id.
func demand(ctx context.Context, o *options, sys System) error {
	request := controlRequest{Type: o.demand.Type, ThrottleMS: o.demand.Throttle.Milliseconds()}
	answer, err := ask(ctx, o.stateDir, request, maxControlBytes)
	if err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("scan was not started: %s", answer.Error)
	}
	fmt.Fprintln(sys.Stdout, answer.ControlID)
	return nil
}
