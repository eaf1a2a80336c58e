package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
)

// tunnel is a connection to a target, on the platform. Its caller has one end of a
// pipe, with the deadlines of a net.Conn; the stream of the channel has the other.
type tunnel struct {
	net.Conn // the caller's end
	name     string
	target   relay.Target
	end      func() // ends the stream
	total    *time.Timer

	mu    sync.Mutex
	cause error       // why it broke, nil for an end that was meant
	last  *time.Timer // of a connection that was closed
}

// receive carries what the target sends until either end has enough.
func (t *tunnel) receive(from io.ReadCloser, to net.Conn) {
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, from, make([]byte, copyBytes))
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.mu.Lock()
		t.cause = fmt.Errorf("connection to %s through relay %s broke: %w", t.target, t.name, err)
		t.mu.Unlock()
	}
	_ = to.Close()
	discard(from)
	t.total.Stop()
	t.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != nil {
		t.last.Stop()
	}
}

// Read reads what the target sent. A connection that broke is told from one that
// the target closed.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.cause != nil {
			err = t.cause
		}
	}
	return n, err
}

// Close ends the connection. What was written still arrives, if that does not take
// long.
func (t *tunnel) Close() error {
	t.mu.Lock()
	if t.last == nil {
		t.last = time.AfterFunc(linger, t.end)
	}
	t.mu.Unlock()
	return t.Conn.Close()
}

func (t *tunnel) LocalAddr() net.Addr  { return address{t.name, relay.Target{Host: "platform"}} }
func (t *tunnel) RemoteAddr() net.Addr { return address{t.name, t.target} }

// outgoing is what the caller writes, as the body of a request. Closing it ends
// the reading alone: the target may still be sending.
type outgoing struct{ far net.Conn }

func (o *outgoing) Read(p []byte) (int, error) { return o.far.Read(p) }

// Close ends a Read that waits.
func (o *outgoing) Close() error { return o.far.SetReadDeadline(time.Unix(1, 0)) }
