package test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// maxDeltaCost is what one changed package may cost on the wire: all bytes of
// requests and answers, with their header fields.
const maxDeltaCost = 2 << 10

// counting is a listener that counts the bytes of its connections.
type counting struct {
	net.Listener
	bytes atomic.Int64
}

// Accept waits for the next connection.
func (c *counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, &c.bytes}, nil
}

type countedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// balancer ends TLS in front of a platform that has none, and rewrites the host, as
// load balancers do.
type balancer struct {
	server    *httptest.Server
	url       string
	ca        string    // file
	http, raw *counting // above and below TLS
}

func newBalancer(t *testing.T, backend string) *balancer {
	t.Helper()
	sample := httptest.NewTLSServer(http.NotFoundHandler())
	defer sample.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{raw: &counting{Listener: listener}}
	b.http = &counting{Listener: tls.NewListener(b.raw, &tls.Config{Certificates: sample.TLS.Certificates, MinVersion: tls.VersionTLS12})}
	target := &url.URL{Scheme: "http", Host: backend}
	b.server = &httptest.Server{Listener: b.http, Config: &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = "vedette.internal"
			r.SetXForwarded()
		},
	}}}
	b.server.Start()
	t.Cleanup(b.server.Close)
	b.url = "https://" + listener.Addr().String()
	b.ca = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sample.Certificate().Raw})
	if err := os.WriteFile(b.ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// freeAddress returns an address nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestThroughALoadBalancerOneChangedPackageOfFiveHundredCostsLessThanTwoKB counts
// everything that goes through a load balancer which ends TLS.
func TestThroughALoadBalancerOneChangedPackageOfFiveHundredCostsLessThanTwoKB(t *testing.T) {
	t.Parallel()
	host, data := newHost(t), newFolder(t)
	for i := len(host.packages); i < 500; i++ {
		host.packages[fmt.Sprintf("package-%03d", i)] = fmt.Sprintf("2.%d-1", i)
	}
	host.savePackages(t)
	plain := freeAddress(t)
	data.startPlatform(t, []string{"up", "--data", data.path, "--listen", "127.0.0.1:0", "--plain", plain, "--no-agent"}).awaitReady(t)
	balancer := newBalancer(t, plain)
	agent := &agentProcess{state: filepath.Join(t.TempDir(), "state"), log: filepath.Join(t.TempDir(), "agent.log")}
	agent.start(t, []string{
		"ActivationId=" + data.variable(t, "VEDETTE_ACTIVATION_KEY"), "CustomerId=" + data.variable(t, "VEDETTE_CUSTOMER_ID"),
		"ServerUri=" + balancer.url, "CaFile=" + balancer.ca, "RootDir=" + host.root, "Wakeup=0", "LogLevel=4",
	})
	t.Cleanup(func() {
		agent.kill()
		if t.Failed() {
			t.Logf("the agent said:\n%s", agent.said(t))
		}
	})
	uploads := func() int { return strings.Count(agent.said(t), "upload committed") }
	eventually(t, "the first inventory is there", func() bool { return uploads() == 1 })
	if assets := data.search(t); len(assets) != 1 || len(assets[0].Software.List) != 500 {
		t.Fatalf("found %d assets, want one with 500 packages", len(assets))
	}

	before, beforeTLS := balancer.http.bytes.Load(), balancer.raw.bytes.Load()
	host.install(t, "package-250", "2.250-2")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	demand := exec.CommandContext(ctx, filepath.Join(binaries, "vedette-agent"), "action=demand", "type=inv", "StateDir="+agent.state)
	if out, err := demand.CombinedOutput(); err != nil {
		t.Fatalf("demand: %v\n%s", err, out)
	}
	eventually(t, "the change is there", func() bool { return uploads() == 2 })
	cost, costTLS := balancer.http.bytes.Load()-before, balancer.raw.bytes.Load()-beforeTLS
	t.Logf("one changed package of 500: %d bytes of requests and answers, %d with TLS and its handshakes", cost, costTLS)
	if cost >= maxDeltaCost || cost == 0 {
		t.Errorf("one changed package of 500 cost %d bytes, less than %d are allowed", cost, maxDeltaCost)
	}
	if got := data.search(t)[0].version("package-250"); got != "2.250-2" {
		t.Errorf("package-250 has version %q on the platform", got)
	}
}
