package relay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation/relay"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/certificate"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/sqlite"
)

// patience is how long a test waits for anything before it gives up.
const patience = 20 * time.Second

// brisk are limits under which nothing takes long to be found out.
func brisk() tunnel.Limits {
	return tunnel.Limits{Heartbeat: 50 * time.Millisecond, HeartbeatWait: 200 * time.Millisecond, FirstRetry: 10 * time.Millisecond, LastRetry: 40 * time.Millisecond}
}

// database is a store that replicas share, with the directory of its relays and the
// authority of their certificates.
type database struct {
	*store.Store
	directory *relay.Directory
	authority *certificate.Authority
}

// migrated is a database with its tables, made once for all tests: that takes a
// second.
var migrated = sync.OnceValues(func() (content []byte, err error) {
	folder, err := os.MkdirTemp("", "vedette-relay-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "db")
	s, err := sqlite.Open(context.Background(), file, time.Now)
	if err != nil {
		return nil, err
	}
	_, err = s.EnsureSubscription(context.Background(), "0f7c1c52-0000-4000-8000-00000000c001", time.Now())
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

func newDatabase(t testing.TB) *database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db")
	content, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), file, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	authority, err := certificate.NewAuthority("Test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &database{s, &relay.Directory{Relays: s, Now: time.Now}, authority}
}

func (d *database) register(t testing.TB, name string) (relay.Relay, string) {
	t.Helper()
	r, token, err := d.directory.Register(t.Context(), name, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return r, token
}

// replica is a platform that takes channels.
type replica struct {
	*database
	channels *tunnel.Channels
	pair     tls.Certificate
	address  string
	stop     func() // ends it; it may be called again
}

// startReplica starts a replica on an address, 127.0.0.1:0 for any.
func startReplica(t testing.TB, d *database, name, at string, limits tunnel.Limits) *replica {
	t.Helper()
	certPEM, keyPEM, err := d.authority.Issue([]string{"127.0.0.1", "platform.example"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{database: d}
	if r.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	log := slog.New(slog.DiscardHandler)
	r.channels = tunnel.NewChannels(tunnel.Options{
		Admission: d.directory, Presence: d.Store, Replica: name, Shared: true, Limits: limits, Now: time.Now, Log: log,
	})
	mux := server.NewMux(log)
	mux.Add(server.Route{Methods: []string{http.MethodGet}, Path: tunnel.Path, Handler: http.HandlerFunc(func(w http.ResponseWriter, r2 *http.Request) {
		if err := r.channels.Upgrade(w, r2); err != nil {
			server.Fail(w, r2, err)
		}
	})}, server.Route{Path: agentwire.PathAuthority, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(d.authority.DER()) })})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { r.channels.Run(ctx) })
	work.Go(func() {
		if err := server.New(server.Options{Handler: mux, Log: log}).Serve(ctx, server.Binding{Listener: listener, TLS: &tls.Config{Certificates: []tls.Certificate{r.pair}}}); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

func newReplica(t testing.TB, limits tunnel.Limits) *replica {
	t.Helper()
	return startReplica(t, newDatabase(t), "replica-1", "127.0.0.1:0", limits)
}

func (r *replica) url() *url.URL { return &url.URL{Scheme: "https", Host: r.address} }

func (r *replica) roots(t testing.TB) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(r.certificate(t))
	return pool
}

// outpost is a relay that runs.
type outpost struct {
	opened chan string // the name, each time a channel is open
	ended  chan error
	stop   func()
	log    *safeBuffer
}

// config is that of a relay in this process, which trusts the replica.
func (r *replica) config(t testing.TB, token string, allow ...string) tunnel.Config {
	t.Helper()
	list, err := relay.ParseAllowList(allow)
	if err != nil {
		t.Fatal(err)
	}
	return tunnel.Config{
		Platforms: []*url.URL{r.url()}, Token: func() (string, error) { return token, nil }, Trust: tunnel.Trust{Roots: r.roots(t)},
		Allow: list, Limits: brisk(), Rand: func() float64 { return 0.5 },
		Hello: relay.Hello{Version: "1.2.0", Host: "edge-1", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.7")}, Instance: "instance-" + t.Name()},
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Connect: func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address.String())
		},
	}
}

func startRelay(t testing.TB, config tunnel.Config) *outpost {
	t.Helper()
	o := &outpost{opened: make(chan string, 100), ended: make(chan error, 1), log: &safeBuffer{}}
	config.Log = slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Opened = func(_ *url.URL, name string) { o.opened <- name }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.ended <- tunnel.Serve(ctx, config)
	}()
	o.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		o.stop()
		if t.Failed() {
			t.Logf("the relay said:\n%s", o.log)
		}
	})
	return o
}

// awaitOpen waits until a channel is open.
func (o *outpost) awaitOpen(t testing.TB) string {
	t.Helper()
	select {
	case name := <-o.opened:
		return name
	case err := <-o.ended:
		t.Fatalf("the relay ended: %v\n%s", err, o.log)
	case <-time.After(patience):
		t.Fatalf("no channel was opened\n%s", o.log)
	}
	return ""
}

// dial dials through a relay, and waits for its channel.
func (r *replica) dial(t testing.TB, id int64, target string, allow ...string) (net.Conn, error) {
	t.Helper()
	list, err := relay.ParseAllowList(allow)
	if err != nil {
		t.Fatal(err)
	}
	dial := r.channels.Dialer(id, list)
	var conn net.Conn
	eventually(t, "the relay has a channel", func() bool {
		conn, err = dial(t.Context(), "tcp", target)
		_, offline := errors.AsType[*relay.OfflineError](err)
		return !offline
	})
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// must is dial for a connection that has to be made.
func (r *replica) must(t testing.TB, id int64, target string) net.Conn {
	t.Helper()
	conn, err := r.dial(t, id, target, target)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// listen serves connections on this machine until the test ends.
func listen(t testing.TB, serve func(conn net.Conn)) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		work.Wait()
	})
	return listener.Addr().String()
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		<-ticker.C
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// certificate is that of the replica's authority.
func (r *replica) certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	certificate, err := x509.ParseCertificate(r.authority.DER())
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func sumOf(content []byte) []byte {
	sum := sha256.Sum256(content)
	return sum[:]
}
