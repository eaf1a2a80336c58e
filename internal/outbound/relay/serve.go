package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

// Config is what a relay is started with.
type Config struct {
	// Platforms are the base URLs of the replicas of a platform: the relay keeps one
	// channel for each.
	Platforms []*url.URL
	// Token returns the token; it is asked for every channel, so that another one can
	// be put in its place while the relay runs.
	Token func() (string, error)
	Trust Trust
	// Proxy says by which proxy a platform is reached; nil for none.
	Proxy func(*http.Request) (*url.URL, error)
	// Allow is the relay's own allow-list.
	Allow relay.AllowList
	// Hello is what it says of itself, without the number of the channel.
	Hello  relay.Hello
	Limits Limits
	// Resolve returns the addresses of a name, Connect connects to one of them.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Connect func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
	// Rand returns a number in [0, 1).
	Rand func() float64
	Log  *slog.Logger
	// Opened, if set, is called when a channel is open, with the name the relay is
	// registered under. It must not block.
	Opened func(platform *url.URL, name string)
}

// Serve keeps a channel to every replica and connects the platform to targets,
// until ctx ends, which is no error. It comes back by itself from every failure
// but one: another relay with the same token is fault.Conflict, since the two
// would take the place from each other for ever.
func Serve(ctx context.Context, c Config) error {
	c.Limits = c.Limits.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for number, platform := range c.Platforms {
		w := &way{Config: c, platform: platform, number: number, log: c.Log.With("platform", platform.String())}
		work.Go(func() {
			if err := w.keep(ctx); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// way is the way to one replica.
type way struct {
	Config
	platform *url.URL
	number   int
	log      *slog.Logger
	said     string // the failure that was logged last
	token    string // the one that was shown last
}

// keep opens channels, one after the other, until ctx ends or the relay's place is
// taken.
func (w *way) keep(ctx context.Context) error {
	delay := w.Limits.FirstRetry
	for {
		began := time.Now()
		why, err := w.channel(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if why == reasonReplaced {
			return replaced(w.platform)
		}
		if err == nil || time.Since(began) > w.Limits.LastRetry {
			delay = w.Limits.FirstRetry
		}
		if why == reasonRevoked || fault.Is(err, fault.Unauthenticated) {
			delay = w.Limits.LastRetry // or until there is another token
		}
		w.report(ctx, why, err)
		// Half of it at least, the rest by chance: relays that were cut off together
		// do not come back together.
		if w.pause(ctx, delay/2+time.Duration(w.Rand()*float64(delay/2))) != nil {
			return nil
		}
		delay = min(2*delay, w.Limits.LastRetry)
	}
}

func replaced(platform *url.URL) error {
	return fault.New(fault.Conflict, "Another relay came to "+platform.String()+" with the same token and has taken the place of this one.",
		"Run one relay for each token: register another one with 'vedette relays register', or stop one of the two. Has the token been stolen, 'vedette relays rotate' issues another.")
}

// report logs why there is no channel, once for each reason.
func (w *way) report(ctx context.Context, why reason, err error) {
	text := fmt.Sprint(why, err)
	level := slog.LevelWarn
	switch {
	case err == nil && why != reasonRevoked:
		level = slog.LevelInfo
	case text == w.said:
		level = slog.LevelDebug
	}
	w.said = text
	attributes := []any{}
	if why != "" {
		attributes = append(attributes, "reason", why)
	}
	if err != nil {
		attributes = append(attributes, "error", err)
		if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Resolution != "" {
			attributes = append(attributes, "next", refused.Resolution)
		}
	}
	w.log.Log(ctx, level, "no channel to the platform; it is opened again", attributes...)
}

// channel opens a channel and serves it until it ends; why is what the platform
// said of that.
func (w *way) channel(ctx context.Context) (why reason, err error) {
	conn, name, err := w.open(ctx)
	if err != nil {
		return "", err
	}
	channel := watch(conn)
	w.said = ""
	w.log.InfoContext(ctx, "the channel is open", "relay", name)
	if w.Opened != nil {
		w.Opened(w.platform, name)
	}
	g := &gate{Config: w.Config, name: name, log: w.log, ending: make(chan reason, 1)}
	server := &http.Server{
		Handler: g, Protocols: turnedRound(), ReadHeaderTimeout: w.Limits.Open, MaxHeaderBytes: maxSaidBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:      w.Limits.Streams + 1, // and the one that says why it ends
			MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: channelWindow,
			SendPingTimeout: w.Limits.Heartbeat, PingTimeout: w.Limits.HeartbeatWait, WriteByteTimeout: w.Limits.HeartbeatWait,
		},
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = channel.Close() })
	defer stop()
	_ = server.Serve(&single{conn: channel}) // the listener is at its end with the connection
	_ = server.Close()
	g.close()
	select {
	case why = <-g.ending:
	default:
	}
	return why, nil
}

// single is a listener for one connection. Accept waits for its end the second
// time.
type single struct {
	conn     *watched
	accepted bool
}

func (s *single) Accept() (net.Conn, error) {
	if !s.accepted {
		s.accepted = true
		return s.conn, nil
	}
	<-s.conn.closed
	return nil, net.ErrClosed
}

func (s *single) Close() error   { return s.conn.Close() }
func (s *single) Addr() net.Addr { return s.conn.LocalAddr() }

// pause waits as long as it says, or until another token was put in the place of
// the one that was shown last.
func (w *way) pause(ctx context.Context, d time.Duration) error {
	for d > 0 {
		step := min(d, w.Limits.FirstRetry)
		if err := sleep(ctx, step); err != nil {
			return err
		}
		if token, err := w.Token(); err == nil && token != w.token {
			return nil
		}
		d -= step
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
