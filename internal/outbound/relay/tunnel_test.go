package relay_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
)

// TestTheRelaySeesNoCredential calls a TLS server through a relay whose traffic is
// all looked through.
func TestTheRelaySeesNoCredential(t *testing.T) {
	t.Parallel()
	target := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "planted-secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte("planted-answer "), 100_000))
	}))
	target.Config.ErrorLog = log.New(io.Discard, "", 0) // of the connection that only waits for the channel
	target.StartTLS()
	t.Cleanup(target.Close)
	address := target.Listener.Addr().String()
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, address)
	var seen safeBuffer
	connect := config.Connect
	config.Connect = func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		conn, err := connect(ctx, a)
		return &tapped{conn, &seen}, err
	}
	if name := startRelay(t, config).awaitOpen(t); name != "plant" {
		t.Errorf("the relay is called %q", name)
	}
	_ = p.must(t, r.ID, address).Close()

	allow, err := relay.ParseAllowList([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		DialContext: p.channels.Dialer(r.ID, allow), ForceAttemptHTTP2: true,
		TLSClientConfig: target.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	t.Cleanup(transport.CloseIdleConnections)
	for range 3 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("qualys", "planted-secret")
		answer, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || len(body) != 1_500_000 {
			t.Fatalf("status %d, %d bytes: %v", answer.StatusCode, len(body), err)
		}
	}
	if passed := seen.String(); len(passed) < 4_500_000 || strings.Contains(passed, "planted") {
		t.Errorf("the relay saw %d bytes, and what was planted among them: %t", len(passed), strings.Contains(passed, "planted"))
	}
}

// tapped is a connection that keeps a copy of everything.
type tapped struct {
	net.Conn
	into io.Writer
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.into.Write(p[:n])
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	_, _ = c.into.Write(p)
	return c.Conn.Write(p)
}

// TestATargetMustBeAllowedOnBothEnds dials targets of which one end, or none,
// wants to know.
func TestATargetMustBeAllowedOnBothEnds(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	_, port, _ := net.SplitHostPort(address)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, address, "intranet.example:"+port, "rebound.example:"+port, "169.254.0.0/16:"+port, "itself.example:1")
	config.Resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "rebound.example": // to a cloud's metadata
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
		case "itself.example":
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		case "intranet.example": // the literal entry allows the address
			return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("127.0.0.1")}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	startRelay(t, config).awaitOpen(t)
	for _, tc := range []struct {
		name, target string
		allow        []string
		refused      string // by whom
	}{
		{"allowed by address", address, []string{address}, ""},
		{"allowed by name", "Intranet.Example.:" + port, []string{"intranet.example:" + port}, ""},
		{"not on the platform's list", address, []string{"127.0.0.1:1"}, "platform"},
		{"on an empty list", address, nil, "platform"},
		{"not on the relay's list", "127.0.0.1:1", []string{"127.0.0.1:1"}, "relay"},
		{"another name for what is allowed", "localhost:1", []string{"localhost:1"}, "relay"},
		{"a name that leads elsewhere", "rebound.example:" + port, []string{"rebound.example:" + port}, "relay"},
		{"a name that leads to the relay itself", "itself.example:1", []string{"itself.example:1"}, "relay"},
		{"a metadata address in an allowed network", "169.254.169.254:" + port, []string{"0.0.0.0/0:" + port}, "platform"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			conn, err := p.dial(t, r.ID, tc.target, tc.allow...)
			if tc.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, conn, "hello")
				return
			}
			refusal, ok := errors.AsType[*relay.RefusedError](err)
			if !ok || refusal.ByRelay != (tc.refused == "relay") || refusal.Name != "plant" || !strings.EqualFold(refusal.Target, tc.target) {
				t.Errorf("dial %s: %v, want a refusal by the %s", tc.target, err, tc.refused)
			}
		})
	}
}

// exchange sends a text to an echo and wants it back.
func exchange(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != text {
		t.Fatalf("sent %q, got %q: %v", text, back, err)
	}
}

// TestATargetThatDoesNotAnswerFailsAsIfItWasCalledDirectly has a client tell DNS,
// connection and time-out apart.
func TestATargetThatDoesNotAnswerFailsAsIfItWasCalledDirectly(t *testing.T) {
	t.Parallel()
	closed := listen(t, func(net.Conn) {})
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, "192.0.2.1:443", "unknown.example:443", "127.0.0.0/8:1")
	config.Limits.Connect = 20 * time.Millisecond
	config.Resolve = func(context.Context, string) ([]netip.Addr, error) {
		return nil, errors.New("planted: 10.0.0.53 says no")
	}
	connect := config.Connect
	config.Connect = func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		if a.Addr().IsLoopback() {
			return connect(ctx, a)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	startRelay(t, config).awaitOpen(t)
	_ = closed

	_, err := p.dial(t, r.ID, "192.0.2.1:443", "192.0.2.1:443")
	if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "192.0.2.1:443 through relay plant") {
		t.Errorf("a target that hangs: %v", err)
	}
	_, err = p.dial(t, r.ID, "unknown.example:443", "unknown.example:443")
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || dns.Name != "unknown.example" || strings.Contains(err.Error(), "planted") {
		t.Errorf("a name without addresses: %v", err)
	}
	_, err = p.dial(t, r.ID, "127.0.0.1:1", "127.0.0.1:1")
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that nobody listens on: %v", err)
	}
}

// TestAConnectionThatBreaksIsNotTakenForItsEnd has a target close a connection, and
// reset another.
func TestAConnectionThatBreaksIsNotTakenForItsEnd(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) {
		asked := make([]byte, 1)
		_, _ = io.ReadFull(conn, asked)
		_, _ = conn.Write([]byte("half"))
		if string(asked) == "r" {
			_, _ = io.ReadFull(conn, asked) // until the half was read
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	})
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	startRelay(t, p.config(t, token, address)).awaitOpen(t)
	for asked, want := range map[string]error{"c": io.EOF, "r": nil} {
		conn := p.must(t, r.ID, address)
		half := make([]byte, 4)
		_, _ = conn.Write([]byte(asked))
		if _, err := io.ReadFull(conn, half); err != nil || string(half) != "half" {
			t.Fatalf("%q: %v", half, err)
		}
		if asked == "r" {
			_, _ = conn.Write([]byte("x"))
		}
		if _, err := conn.Read(half); err == nil || (want != nil) != errors.Is(err, io.EOF) {
			t.Errorf("after %q: %v", asked, err)
		}
	}
}

// TestDeadlinesAreThoseOfAConnection has a read wait for a target that says
// nothing.
func TestDeadlinesAreThoseOfAConnection(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	startRelay(t, p.config(t, token, address)).awaitOpen(t)
	conn := p.must(t, r.ID, address)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	exchange(t, conn, "still here")
	if got := conn.RemoteAddr().String(); got != address+" through relay plant" {
		t.Errorf("the address is %q", got)
	}
}

// TestConnectionsThroughARelayAreBounded takes all places of a channel.
func TestConnectionsThroughARelayAreBounded(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	limits := brisk()
	limits.Streams, limits.Dial = 2, 100*time.Millisecond
	p := newReplica(t, limits)
	r, token := p.register(t, "plant")
	startRelay(t, p.config(t, token, address)).awaitOpen(t)
	first, second := p.must(t, r.ID, address), p.must(t, r.ID, address)
	_, err := p.dial(t, r.ID, address, address)
	if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() || !strings.Contains(err.Error(), "2 connections through relay plant are in use") {
		t.Errorf("a third connection: %v", err)
	}
	exchange(t, second, "not disturbed")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place of the first is free", func() bool {
		conn, err := p.dial(t, r.ID, address, address)
		if err == nil {
			exchange(t, conn, "in its place")
		}
		return err == nil
	})
}

// TestAConnectionEndsInTime lets one be idle, and another one go on for ever.
func TestAConnectionEndsInTime(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) {
		asked := make([]byte, 1)
		for {
			if _, err := io.ReadFull(conn, asked); err != nil {
				return
			}
			for string(asked) == "e" { // for ever
				if _, err := conn.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}
	})
	for asked, set := range map[string]func(*tunnel.Limits){
		"i": func(l *tunnel.Limits) { l.Idle = 50 * time.Millisecond },
		"e": func(l *tunnel.Limits) { l.Total = 100 * time.Millisecond },
	} {
		for _, end := range []string{"relay", "platform"} {
			if asked == "i" && end == "platform" {
				continue // where the client ends what is idle
			}
			t.Run(asked+" on the "+end, func(t *testing.T) {
				t.Parallel()
				limits, bounded := brisk(), brisk()
				set(&bounded)
				if end == "platform" {
					limits = bounded
				}
				p := newReplica(t, limits)
				r, token := p.register(t, "plant")
				config := p.config(t, token, address)
				if end == "relay" {
					config.Limits = bounded
				}
				startRelay(t, config).awaitOpen(t)
				conn := p.must(t, r.ID, address)
				_, _ = conn.Write([]byte(asked))
				if _, err := io.Copy(io.Discard, conn); err == nil || !strings.Contains(err.Error(), "broke") {
					t.Errorf("the connection ended with %v", err)
				}
			})
		}
	}
}

// TestTLSToTheTargetIsEndToEnd has a relay that leads elsewhere.
func TestTLSToTheTargetIsEndToEnd(t *testing.T) {
	t.Parallel()
	target, other := httptest.NewTLSServer(http.NotFoundHandler()), newReplica(t, brisk())
	t.Cleanup(target.Close)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, "target.example:443")
	config.Allow, _ = relay.ParseAllowList([]string{"target.example:443", "127.0.0.1:443"})
	config.Connect = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", other.address) // with a certificate of its own
	}
	startRelay(t, config).awaitOpen(t)
	conn, err := p.dial(t, r.ID, "target.example:443", "target.example:443")
	if err != nil {
		t.Fatal(err)
	}
	trust := target.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	_, mistaken := errors.AsType[*tls.CertificateVerificationError](tls.Client(conn, trust).HandshakeContext(t.Context()))
	if !mistaken {
		t.Error("the handshake with somebody else succeeded")
	}
}
