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
)

// controlRequest is a local demand on the control socket.
type controlRequest struct {
	Type       agentwire.ScanType `json:"type"`
	ThrottleMS int64              `json:"throttleMs"`
}

type controlAnswer struct {
	ControlID string `json:"controlId,omitempty"`
	Error     string `json:"error,omitempty"`
}

// control serves local demands on a Unix socket that only its owner may use.
type control struct {
	listener net.Listener
	log      *slog.Logger
	agent    *session.Agent
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// listen opens the control socket. The state folder is locked by now, so one
// that is there was left behind.
func listen(ctx context.Context, stateDir string, agent *session.Agent, log *slog.Logger) (*control, error) {
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
	c := &control{listener: listener, log: log, agent: agent}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.running.Go(c.accept)
	return c, nil
}

// accept serves one connection at a time: a demand takes no time to accept.
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
	} else {
		id, err := c.agent.Demand(ctx, session.Demand{Type: request.Type, Throttle: time.Duration(request.ThrottleMS) * time.Millisecond})
		answer.ControlID = id
		if err != nil {
			answer.Error = err.Error()
		}
	}
	if err := json.NewEncoder(conn).Encode(answer); err != nil {
		c.log.Debug("answer on control socket", "error", err)
	}
}

// close ends serving.
func (c *control) close() {
	c.cancel()
	c.listener.Close() // removes the socket
	c.running.Wait()
}

// demand asks the running agent for a scan and prints its control id.
func demand(ctx context.Context, o *options, sys System) error {
	path := filepath.Join(o.stateDir, controlSocket)
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("no agent runs on %s (%w): start it with vedette-agent run, or give the folder with StateDir=", o.stateDir, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(controlRequest{Type: o.demand.Type, ThrottleMS: o.demand.Throttle.Milliseconds()}); err != nil {
		return fmt.Errorf("ask the agent for a scan: %w", err)
	}
	var answer controlAnswer
	if err := json.NewDecoder(io.LimitReader(conn, maxControlBytes)).Decode(&answer); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("scan was not started: %s", answer.Error)
	}
	fmt.Fprintln(sys.Stdout, answer.ControlID)
	return nil
}
