package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/server"
)

// serve runs a server on a plain and a TLS listener until the test ends or stop
// is called, which returns what Serve returned.
func serve(t *testing.T, o server.Options, routes ...server.Route) (plain, secure string, client *http.Client, stop func() error) {
	t.Helper()
	certificate, pool := issue(t)
	mux := server.NewMux(quiet)
	mux.Add(routes...)
	o.Handler, o.Log = mux, quiet
	ctx, cancel := context.WithCancel(context.Background())
	listeners := [2]net.Listener{listen(t), listen(t)}
	ended := make(chan error, 1)
	s := server.New(o)
	go func() {
		ended <- s.Serve(ctx, server.Binding{Listener: listeners[0]},
			server.Binding{Listener: listeners[1], TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}})
	}()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop() // tests that care call it themselves
		}
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return listeners[0].Addr().String(), listeners[1].Addr().String(), &http.Client{Transport: transport}, stop
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// issue borrows the certificate of net/http/httptest, which is for example.com.
func issue(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	ts := httptest.NewTLSServer(http.NotFoundHandler())
	defer ts.Close()
	pool := x509.NewCertPool()
	pool.AddCert(ts.Certificate())
	return ts.TLS.Certificates[0], pool
}

func TestServesPlainAndTLSAlike(t *testing.T) {
	t.Parallel()
	plain, secure, client, stop := serve(t, server.Options{}, server.Route{Path: "/", Handler: says("hello")})
	for url, proto := range map[string]string{"http://" + plain: "HTTP/1.1", "https://" + secure: "HTTP/2.0"} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "hello" || resp.Proto != proto {
			t.Errorf("%s answered %q over %s (%v), want hello over %s", url, body, resp.Proto, err, proto)
		}
		if resp.Header.Get("Date") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s answered with header %v, want Date and nosniff", url, resp.Header)
		}
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stopping an idle server: %v", err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	_, secure, _, _ := serve(t, server.Options{}, server.Route{Path: "/", Handler: says("hello")})
	conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	t.Parallel()
	plain, _, _, _ := serve(t, server.Options{ReadHeaderTimeout: 50 * time.Millisecond}, server.Route{Path: "/", Handler: says("hello")})
	conn := dial(t, plain)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	answer, err := io.ReadAll(conn) // ends when the server hangs up
	if err != nil || strings.Contains(string(answer), "200 OK") {
		t.Errorf("half a header was answered %q (%v)", answer, err)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	plain, _, _, _ := serve(t, server.Options{}, server.Route{Path: "/", Handler: says("hello")})
	conn := dial(t, plain)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", server.MaxHeaderBytes+8<<10))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", resp.StatusCode)
	}
}

func TestSlowBodiesAreCutWithAnAnswer(t *testing.T) {
	t.Parallel()
	plain, _, _, _ := serve(t, server.Options{}, server.Route{
		Path: "/", BodyTimeout: 50 * time.Millisecond,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				server.Fail(w, r, err)
			}
		}),
	})
	conn := dial(t, plain)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := problemOf(t, resp.Body)
	if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(p.Message, "in time") {
		t.Errorf("status %d, problem %+v, want 408 that says so", resp.StatusCode, p)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestBodyTimeoutDoesNotEndALongPoll(t *testing.T) {
	t.Parallel()
	// The poll outlasts the body's time several times over.
	const bodyTimeout, poll = 20 * time.Millisecond, 200 * time.Millisecond
	plain, secure, client, _ := serve(t, server.Options{}, server.Route{
		Path: "/", BodyTimeout: bodyTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				server.Fail(w, r, err)
				return
			}
			select {
			case <-r.Context().Done():
				server.Fail(w, r, r.Context().Err())
			case <-time.After(poll):
			}
		}),
	})
	for _, url := range []string{"http://" + plain, "https://" + secure} {
		for _, body := range []string{"", "a body"} {
			resp, err := client.Post(url, "", strings.NewReader(body))
			if err != nil {
				t.Fatalf("poll of %s with body %q: %v", url, body, err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("poll of %s with body %q answered %d", url, body, resp.StatusCode)
			}
		}
	}
}

func TestStoppingEndsWaitsAndLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	inside := make(chan struct{})
	plain, _, client, stop := serve(t, server.Options{}, server.Route{Path: "/", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		<-server.Draining(r.Context())
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "finished")
		}
	})})
	answered := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://" + plain)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body) // what was read is compared below
		answered <- string(body)
	}()
	<-inside
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if got := <-answered; got != "finished" {
		t.Errorf("the request in progress got %q", got)
	}
}

func TestStoppingHasAnEnd(t *testing.T) {
	t.Parallel()
	inside, cancelled := make(chan struct{}), make(chan struct{})
	plain, _, client, stop := serve(t, server.Options{ShutdownGrace: 20 * time.Millisecond}, server.Route{
		Path: "/", Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside <- struct{}{}
			<-r.Context().Done()
			close(cancelled)
		}),
	})
	failed := make(chan error, 1)
	go func() {
		resp, err := client.Get("http://" + plain)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-inside
	if err := stop(); err == nil || !strings.Contains(err.Error(), "still in progress") {
		t.Errorf("stop returned %v, want that a request was cut", err)
	}
	<-cancelled
	if err := <-failed; err == nil {
		t.Error("the request that was cut got an answer")
	}
}

func TestAFailingListenerStopsTheServer(t *testing.T) {
	t.Parallel()
	broken, fine := listen(t), listen(t)
	broken.Close()
	err := server.New(server.Options{Handler: says("hello"), Log: quiet}).Serve(
		context.Background(), server.Binding{Listener: broken}, server.Binding{Listener: fine})
	if err == nil || !strings.Contains(err.Error(), broken.Addr().String()) {
		t.Errorf("serve returned %v, want an error that names the listener", err)
	}
	if _, err := fine.Accept(); err == nil {
		t.Error("the other listener is still open")
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// Far beyond what the server may take: a test that hangs fails instead.
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
