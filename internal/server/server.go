package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of every connection.
const (
	// MaxHeaderBytes bounds the request line and header fields: signatures,
	// credentials and a fields parameter of 200 paths fit many times over.
	MaxHeaderBytes = 32 << 10
	// ReadHeaderTimeout bounds the TLS handshake and the arrival of a header.
	ReadHeaderTimeout = 10 * time.Second
	// IdleTimeout keeps connections between requests: a new handshake costs more
	// than ten check-ins.
	IdleTimeout = 3 * time.Minute
	// ShutdownGrace is what requests in progress get to finish when the server
	// stops. Supervisors commonly kill after 10 s or more.
	ShutdownGrace = 8 * time.Second
)

// Options configure a Server.
type Options struct {
	Handler http.Handler // usually a Mux
	Log     *slog.Logger // connection errors, at debug: they are the peers' doing
	// ReadHeaderTimeout and ShutdownGrace override the constants of the same
	// names when they are not zero.
	ReadHeaderTimeout time.Duration
	ShutdownGrace     time.Duration
}

// Server serves one handler on any number of listeners.
type Server struct {
	http     *http.Server
	grace    time.Duration
	draining chan struct{}
	cancel   context.CancelFunc
}

// Binding is a listener and the TLS configuration it serves, nil for plain HTTP.
type Binding struct {
	Listener net.Listener
	TLS      *tls.Config
}

type drainKey struct{}

// Draining returns a channel that is closed when the server that handles the
// request of ctx begins to stop. Handlers that wait for something to happen end
// their wait then. Outside of a Server it is nil.
func Draining(ctx context.Context) <-chan struct{} {
	ch, _ := ctx.Value(drainKey{}).(chan struct{})
	return ch
}

// New returns a Server. It serves once.
func New(o Options) *Server {
	if o.ReadHeaderTimeout == 0 {
		o.ReadHeaderTimeout = ReadHeaderTimeout
	}
	if o.ShutdownGrace == 0 {
		o.ShutdownGrace = ShutdownGrace
	}
	s := &Server{grace: o.ShutdownGrace, draining: make(chan struct{})}
	base, cancel := context.WithCancel(context.WithValue(context.Background(), drainKey{}, s.draining))
	s.cancel = cancel
	s.http = &http.Server{
		Handler:           o.Handler,
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		// Routes set their own; these hold where no route is reached.
		ReadTimeout:    o.ReadHeaderTimeout + DefaultBodyTimeout,
		WriteTimeout:   o.ReadHeaderTimeout + DefaultTimeout + writeGrace,
		IdleTimeout:    IdleTimeout,
		MaxHeaderBytes: MaxHeaderBytes,
		BaseContext:    func(net.Listener) context.Context { return base },
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves all bindings until ctx ends or one of them fails, then stops:
// no new connections, ShutdownGrace for requests in progress, and what is left
// after that is cut and its context cancelled. It closes the listeners and
// returns nil when every request was answered.
func (s *Server) Serve(ctx context.Context, bindings ...Binding) error {
	ended := make(chan error, len(bindings))
	for _, b := range bindings {
		go func() { ended <- s.serve(b) }()
	}
	var failed error
	running := len(bindings)
	select {
	case <-ctx.Done():
	case failed = <-ended:
		running--
	}
	failed = errors.Join(failed, s.stop())
	for range running {
		failed = errors.Join(failed, <-ended)
	}
	return failed
}

func (s *Server) serve(b Binding) error {
	listener := b.Listener
	if b.TLS != nil {
		listener = tls.NewListener(listener, secured(b.TLS))
	}
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", b.Listener.Addr(), err)
	}
	return nil
}

// secured returns a copy of c with the least TLS version and the protocols the
// platform speaks.
func secured(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if len(c.NextProtos) == 0 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c
}

func (s *Server) stop() error {
	close(s.draining)
	defer s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were still in progress after %s: %w", s.grace, err), s.http.Close())
	}
	return nil
}
