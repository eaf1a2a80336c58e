package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
)

// channel is one channel to a relay, on the platform.
type channel struct {
	relay  relay.Relay // as it was when the channel was opened
	hello  relay.Hello
	opened time.Time
	limits Limits
	log    *slog.Logger

	conn   *watched
	client *http.ClientConn
	places chan struct{} // one for each connection to a target
	ending chan reason   // why it is to end, the first reason alone
}

func newChannel(r relay.Relay, hello relay.Hello, opened time.Time, conn net.Conn, limits Limits, log *slog.Logger) *channel {
	return &channel{
		relay: r, hello: hello, opened: opened, limits: limits, log: log,
		conn: watch(conn), places: make(chan struct{}, limits.Streams), ending: make(chan reason, 1),
	}
}

// start begins HTTP/2, with the platform as the client.
func (ch *channel) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ch.limits.Open)
	defer cancel()
	transport := &http.Transport{
		Protocols:   turnedRound(),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ch.conn, nil },
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: channelWindow,
			SendPingTimeout: ch.limits.Heartbeat, PingTimeout: ch.limits.HeartbeatWait, WriteByteTimeout: ch.limits.HeartbeatWait,
		},
		MaxResponseHeaderBytes: maxSaidBytes,
	}
	var err error
	if ch.client, err = transport.NewClientConn(ctx, "http", "relay:80"); err != nil {
		return errors.Join(fmt.Errorf("begin HTTP/2: %w", err), ch.conn.Close())
	}
	return nil
}

// turnedRound is HTTP/2 without TLS of its own: the connection below has it.
func turnedRound() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// end asks for the end of the channel. It does not wait.
func (ch *channel) end(why reason) {
	select {
	case ch.ending <- why:
	default: // another reason came first
	}
}

// run waits until the channel has ended and returns why.
func (ch *channel) run(ctx context.Context) string {
	defer func() {
		_ = ch.client.Close() // whatever state it is in
		_ = ch.conn.Close()
	}()
	select {
	case <-ch.conn.closed:
		return "the connection ended"
	case why := <-ch.ending:
		ch.tell(ctx, why)
		return string(why)
	}
}

// tell tells the relay why the channel ends. A relay that does not listen finds
// out when it asks for the next one.
func (ch *channel) tell(ctx context.Context, why reason) {
	ctx, cancel := context.WithTimeout(ctx, parting)
	defer cancel()
	request := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: "relay", Path: endPath}, Header: http.Header{headerReason: {string(why)}},
	}).WithContext(ctx)
	if answer, err := ch.client.RoundTrip(request); err == nil {
		_ = answer.Body.Close()
	}
}

// joined is a connection of which a part has been read already.
type joined struct {
	net.Conn
	reader *bufio.Reader
}

func (j *joined) Read(p []byte) (int, error) { return j.reader.Read(p) }

// watched is a connection that says when it is closed.
type watched struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
	err    error
}

func watch(conn net.Conn) *watched { return &watched{Conn: conn, closed: make(chan struct{})} }

// Close closes the connection; what comes after the first call changes nothing.
func (w *watched) Close() error {
	w.once.Do(func() {
		w.err = w.Conn.Close()
		close(w.closed)
	})
	return w.err
}

// discard closes a body that nobody reads to its end.
func discard(body io.Closer) { _ = body.Close() }
