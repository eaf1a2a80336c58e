package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/outbound/egress"
)

// maxTried is how many addresses of a name are tried.
const maxTried = 4

// gate is what a relay answers on a channel: it connects to targets that are
// allowed.
type gate struct {
	Config
	name   string
	log    *slog.Logger
	ending chan reason

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// enter has close wait for a handler, unless it has been called: the server does
// not wait.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.work.Add(1)
	return true
}

// close waits until every handler has ended; no other begins.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.work.Wait()
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.enter() {
		panic(http.ErrAbortHandler) // the channel is gone
	}
	defer g.work.Done()
	switch {
	case r.Method == http.MethodConnect:
		g.connect(w, r)
	case r.Method == http.MethodPost && r.URL.Path == endPath:
		select {
		case g.ending <- reason(r.Header.Get(headerReason)):
		default: // one was told before
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// connect connects to the target of a request and carries bytes until either end
// has enough.
func (g *gate) connect(w http.ResponseWriter, r *http.Request) {
	target, err := relay.ParseTarget(r.Host)
	if err != nil {
		refusal{kindRefused, "the target cannot be read"}.write(w)
		return
	}
	log := g.log.With("target", target.String())
	conn, refused := g.dial(r.Context(), target)
	if refused != nil {
		level := slog.LevelDebug
		if refused.Kind == kindRefused {
			level = slog.LevelWarn
		}
		log.Log(r.Context(), level, "no connection to the target", "reason", refused.Message)
		refused.write(w)
		return
	}
	began := time.Now()
	w.WriteHeader(http.StatusOK)
	sent, received, err := g.carry(w, r, conn)
	log.DebugContext(r.Context(), "a connection to the target ended", "address", conn.RemoteAddr().String(), "sent", sent, "received", received, "took", time.Since(began), "error", err)
	if err != nil {
		panic(http.ErrAbortHandler) // so that the platform does not take it for the end that the target meant
	}
}

// dial connects to a target whose address is allowed: to the very address that
// was asked for, so that nobody changes the answer to the question in between.
func (g *gate) dial(ctx context.Context, target relay.Target) (net.Conn, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, g.Limits.Connect)
	defer cancel()
	addresses, refused := g.addresses(ctx, target)
	if refused != nil {
		return nil, refused
	}
	var failed error
	for _, address := range addresses[:min(len(addresses), maxTried)] {
		conn, err := g.Connect(ctx, netip.AddrPortFrom(address, target.Port))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	if late, ok := errors.AsType[net.Error](failed); ctx.Err() != nil || ok && late.Timeout() {
		return nil, &refusal{kindTimeout, fmt.Sprintf("no answer within %s", g.Limits.Connect)}
	}
	return nil, &refusal{kindConnect, plainly(failed)}
}

// addresses returns the addresses of a target that are allowed, at least one.
func (g *gate) addresses(ctx context.Context, target relay.Target) ([]netip.Addr, *refusal) {
	if address, literal := target.Address(); literal {
		if !g.allows(target, address) {
			return nil, &refusal{kindRefused, "the target is not on the allow-list, or is an address that no relay reaches"}
		}
		return []netip.Addr{address}, nil
	}
	if !g.Allow.Resolves(target) {
		return nil, &refusal{kindRefused, "the target is not on the allow-list"}
	}
	all, err := g.Resolve(ctx, target.Host)
	switch {
	case ctx.Err() != nil:
		return nil, &refusal{kindTimeout, "the look-up of the name took too long"}
	case err != nil || len(all) == 0:
		return nil, &refusal{kindDNS, "no such host"}
	}
	allowed := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !g.allows(target, a) })
	if len(allowed) == 0 {
		return nil, &refusal{kindRefused, fmt.Sprintf("no address of the name is allowed: %v", all[:min(len(all), maxTried)])}
	}
	return allowed, nil
}

// allows reports whether a target may be reached at an address. The metadata
// services of clouds, which give credentials to this machine, never are, and with
// them all that is link-local.
func (g *gate) allows(target relay.Target, address netip.Addr) bool {
	return g.Allow.AllowsAt(target, address) && egress.Policy{}.Check(address) == nil
}

// plainly says why there is no connection, without what the platform need not
// know of this network: its addresses.
func plainly(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return "the connection failed"
}

// carry carries bytes between the platform and a target, which it closes. An
// error is that of a connection that did not end as the target meant.
func (g *gate) carry(w http.ResponseWriter, r *http.Request, target net.Conn) (sent, received int64, err error) {
	control := http.NewResponseController(w)
	idle := time.AfterFunc(g.Limits.Idle, func() { _ = target.Close() })
	total := time.AfterFunc(g.Limits.Total, func() { _ = target.Close() })
	gone := context.AfterFunc(r.Context(), func() { _ = target.Close() })
	moved := func() {
		idle.Reset(g.Limits.Idle)
		_ = control.SetWriteDeadline(time.Now().Add(g.Limits.Idle)) // a stream that is gone fails at the write
	}
	moved()
	_ = control.Flush() // the platform waits for the status before it sends
	var up sync.WaitGroup
	up.Go(func() {
		sent, _ = io.CopyBuffer(struct{ io.Writer }{target}, &moving{r.Body, moved}, make([]byte, copyBytes))
		if half, ok := target.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the target may have more to say
		}
	})
	received, err = io.CopyBuffer(&flushing{w, control}, &moving{target, moved}, make([]byte, copyBytes))
	_, _, _ = idle.Stop(), total.Stop(), gone()
	_ = target.Close()
	_ = control.SetReadDeadline(time.Unix(1, 0)) // ends the way up
	up.Wait()
	return sent, received, err
}

// moving is a reader that tells when something came.
type moving struct {
	from  io.Reader
	moved func()
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if n > 0 {
		m.moved()
	}
	return n, err
}

// flushing is a writer that keeps nothing back.
type flushing struct {
	to      io.Writer
	control *http.ResponseController
}

func (f *flushing) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}
