package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/outbound/egress"
)

// Dialer returns what dials targets through a relay, for http.Transport for
// example; nothing of it dials directly. A target that allow does not have is
// *relay.RefusedError, and so is one that the relay does not want. Without a
// channel to the relay it is *relay.OfflineError. A target that does not answer is
// the *net.OpError or *net.DNSError of a direct call.
//
// A connection ends with its channel, with relay.Limits.Total, or when nothing
// moves on it.
func (c *Channels) Dialer(relayID int64, allow relay.AllowList) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasPrefix(network, "tcp") {
			return nil, fmt.Errorf("dial %s through a relay: it carries TCP, not %s", address, network)
		}
		target, err := relay.ParseTarget(address)
		if err != nil {
			return nil, err
		}
		ch := c.channelTo(relayID)
		var offline *relay.OfflineError
		var name string
		if ch != nil {
			name = ch.relay.Name
		} else if offline, err = c.offline(ctx, relayID); err != nil {
			return nil, err
		} else {
			name = offline.Name
		}
		switch {
		case !allow.Allows(target), forbidden(target):
			return nil, &relay.RefusedError{Target: target.String(), Name: name}
		case offline != nil:
			return nil, offline
		}
		return ch.dial(ctx, target)
	}
}

// forbidden reports whether a target is an address that no relay reaches, whatever
// its allow-list says.
func forbidden(target relay.Target) bool {
	address, literal := target.Address()
	return literal && egress.Policy{}.Check(address) != nil
}

func (c *Channels) channelTo(relayID int64) *channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[relayID]
}

// offline says what is known of a relay without a channel.
func (c *Channels) offline(ctx context.Context, relayID int64) (*relay.OfflineError, error) {
	r, err := c.Presence.Relay(ctx, relayID)
	if err != nil {
		return nil, fmt.Errorf("look up relay %d: %w", relayID, err)
	}
	return &relay.OfflineError{Name: r.Name, LastSeen: r.LastSeen, Revoked: r.Status == relay.Revoked, Elsewhere: c.Shared && r.Status == relay.Online}, nil
}

// dial connects to a target. ctx counts until the connection is made.
func (ch *channel) dial(ctx context.Context, target relay.Target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ch.limits.Dial)
	defer cancel()
	select {
	case ch.places <- struct{}{}:
	case <-ch.conn.closed:
		return nil, ch.gone()
	case <-ctx.Done():
		return nil, ch.late(ctx, target, fmt.Sprintf("%d connections through relay %s are in use", ch.limits.Streams, ch.relay.Name))
	}
	conn, err := ch.connect(ctx, target)
	if err != nil {
		<-ch.places
	}
	return conn, err
}

// connect asks the relay for a connection, with a place that the connection then
// gives back.
func (ch *channel) connect(ctx context.Context, target relay.Target) (net.Conn, error) {
	whole, cancel := context.WithCancel(context.Background()) // of the connection, which outlives ctx
	release := context.AfterFunc(ctx, cancel)
	near, far := net.Pipe()
	body := &outgoing{far}
	request := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Scheme: "http", Host: target.String()}, Host: target.String(),
		Header: http.Header{}, Body: body, ContentLength: -1,
	}).WithContext(whole)
	answer, err := ch.client.RoundTrip(request) //nolint:bodyclose // the tunnel closes it
	if inTime := release(); err == nil && !inTime {
		discard(answer.Body)
		err = ctx.Err()
	}
	if err == nil && answer.StatusCode != http.StatusOK {
		said := readRefusal(answer.Body)
		discard(answer.Body)
		cancel()
		_, _ = near.Close(), far.Close()
		return nil, ch.refused(target, said)
	}
	if err != nil {
		cancel()
		_, _ = near.Close(), far.Close()
		return nil, ch.broken(ctx, target, err)
	}
	t := &tunnel{Conn: near, name: ch.relay.Name, target: target, end: func() {
		cancel()
		_ = body.Close() // while a body is read, nobody looks at the context
	}}
	t.total = time.AfterFunc(ch.limits.Total, t.end)
	go func() {
		defer func() { <-ch.places }()
		t.receive(answer.Body, far)
	}()
	return t, nil
}

// refused is the error of a target that the relay did not connect to.
func (ch *channel) refused(target relay.Target, said refusal) error {
	switch said.Kind {
	case kindRefused:
		return &relay.RefusedError{Target: target.String(), Name: ch.relay.Name, ByRelay: true}
	case kindDNS:
		return &net.DNSError{Err: said.Message + ", asked by relay " + ch.relay.Name, Name: target.Host, IsNotFound: true}
	case kindTimeout:
		return ch.opError(target, &lateError{said.Message})
	}
	return ch.opError(target, errors.New(said.Message))
}

// broken is the error of a request to the relay that was not answered.
func (ch *channel) broken(ctx context.Context, target relay.Target, err error) error {
	select {
	case <-ch.conn.closed:
		return ch.gone()
	default:
	}
	if ctx.Err() != nil {
		return ch.late(ctx, target, fmt.Sprintf("relay %s did not answer", ch.relay.Name))
	}
	return ch.opError(target, err)
}

// gone is the error of a channel that ended before anything was sent through it.
func (ch *channel) gone() error {
	return &relay.OfflineError{Name: ch.relay.Name, LastSeen: time.Now()}
}

// late is the error of a dial whose time is over, or whose caller gave up.
func (ch *channel) late(ctx context.Context, target relay.Target, why string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return ch.opError(target, &lateError{why})
}

func (ch *channel) opError(target relay.Target, err error) error {
	return &net.OpError{Op: "dial", Net: "relay", Addr: address{ch.relay.Name, target}, Err: err}
}

// lateError is what took too long.
type lateError struct{ why string }

func (e *lateError) Error() string   { return e.why }
func (e *lateError) Timeout() bool   { return true }
func (e *lateError) Temporary() bool { return true }
func (e *lateError) Unwrap() error   { return os.ErrDeadlineExceeded }

// address is that of a target behind a relay.
type address struct {
	name   string
	target relay.Target
}

func (a address) Network() string { return "relay" }
func (a address) String() string  { return a.target.String() + " through relay " + a.name }
