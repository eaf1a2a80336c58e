package relay_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/automation/relay"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
)

// hello are the header fields of a request for a channel.
func hello(token string) map[string]string {
	return map[string]string{
		"Authorization": "Bearer " + token, "Connection": "Upgrade", "Upgrade": "vedette-relay/1", "Vedette-Relay-Version": "1", "Vedette-Relay-Host": "edge-1",
		"Vedette-Relay-Instance": "i", "Vedette-Relay-Channel": "0", "Vedette-Relay-Addresses": "10.1.0.7,2001:db8::7",
	}
}

// openByHand opens a channel without the program that does so, and returns its
// connection.
func (r *replica) openByHand(t *testing.T, token string) net.Conn {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: r.roots(t)}}).DialContext(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request := "GET " + tunnel.Path + " HTTP/1.1\r\nHost: platform\r\n"
	for name, value := range hello(token) {
		request += name + ": " + value + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the channel was not opened: %v %v", answer, err)
	}
	return &read{conn, reader}
}

// read is a connection of which a part has been read.
type read struct {
	net.Conn
	reader *bufio.Reader
}

func (r *read) Read(p []byte) (int, error) { return r.reader.Read(p) }

// once is a listener for one connection.
type once struct {
	conn chan net.Conn
	end  chan struct{}
	stop sync.Once
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case conn := <-o.conn:
		return conn, nil
	case <-o.end:
		return nil, net.ErrClosed
	}
}

func (o *once) Close() error {
	o.stop.Do(func() { close(o.end) })
	return nil
}

func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

// TestWhatAHostileRelaySaysIsBoundedAndPrintable has somebody with a token answer
// as they like.
func TestWhatAHostileRelaySaysIsBoundedAndPrintable(t *testing.T) {
	t.Parallel()
	flood := strings.Repeat("A\x1b[31mB\u202e", 100_000)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	conn := p.openByHand(t, token)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	hostile := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Host {
		case "kind.example:443":
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, `{"kind":"`+strings.Repeat("x", 3000)+`","message":"`+strings.Repeat("\u001b\u202eC", 200)+`"}`)
		case "long.example:443":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"kind":"dns","message":"`+flood)
		case "header.example:443":
			w.Header().Set("X-Flood", strings.Repeat("a", 50_000))
			w.WriteHeader(http.StatusOK)
		case "redirect.example:443":
			w.Header().Set("Location", "https://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		}
	})}
	listener := &once{conn: make(chan net.Conn, 1), end: make(chan struct{})}
	listener.conn <- conn
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hostile.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = hostile.Close()
		<-served
	})
	_, _ = p.dial(t, r.ID, "kind.example:443", "kind.example:443")        // the channel is there
	for _, host := range []string{"kind", "long", "redirect", "header"} { // the last one costs it the channel
		target := host + ".example:443"
		allow, err := relay.ParseAllowList([]string{target})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.channels.Dialer(r.ID, allow)(t.Context(), "tcp", target)
		if _, offline := errors.AsType[*relay.OfflineError](err); offline && host != "header" {
			t.Errorf("%s: %v", host, err)
		}
		if conn != nil || err == nil || len(err.Error()) > 500 || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: a connection: %t, or %.600v", host, conn != nil, err)
		}
	}
}

// TestWhatARelaySaysOfItselfIsChecked sends what cannot be stored or shown.
func TestWhatARelaySaysOfItselfIsChecked(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	_, token := p.register(t, "plant")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots(t)}}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	for field, values := range map[string][]string{
		"Vedette-Relay-Version":   {"", strings.Repeat("1", 256), "\xff"},
		"Vedette-Relay-Host":      {"", strings.Repeat("h", 256), "a\tb"},
		"Vedette-Relay-Instance":  {""},
		"Vedette-Relay-Channel":   {"", "-1", "64", "one"},
		"Vedette-Relay-Addresses": {"10.1.0", "fe80::1%eth0", strings.Repeat("10.1.0.7,", 17)},
	} {
		for _, value := range values {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url().JoinPath(tunnel.Path).String(), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			for name, standard := range hello(token) {
				request.Header.Set(name, standard)
			}
			request.Header.Set(field, value)
			answer, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			said, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), field) {
				t.Errorf("%s: %.40q is answered %d %s", field, value, answer.StatusCode, said)
			}
		}
	}
	if all, err := p.directory.List(t.Context()); err != nil || all[0].Status != relay.Registered {
		t.Errorf("the relay is %s: %v", all[0].Status, err)
	}
}

// TestARelayThatDoesNotReadIsCut has somebody with a token open a channel and read
// nothing: the platform does not wait for ever to write.
func TestARelayThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	p.openByHand(t, token)
	allow, err := relay.ParseAllowList([]string{"target.example:443"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "the channel is cut", func() bool {
		_, err := p.channels.Dialer(r.ID, allow)(t.Context(), "tcp", "target.example:443")
		offline, ok := errors.AsType[*relay.OfflineError](err)
		return ok && !offline.LastSeen.IsZero()
	})
	if took := time.Since(began); took > patience/2 {
		t.Errorf("that took %s", took)
	}
}

// BenchmarkThroughARelay measures connections and bytes through a channel on one
// machine, TLS of the channel included.
func BenchmarkThroughARelay(b *testing.B) {
	address := listen(b, echo)
	p := newReplica(b, tunnel.Limits{})
	r, token := p.register(b, "plant")
	startRelay(b, p.config(b, token, address)).awaitOpen(b)
	b.Run("connections", func(b *testing.B) {
		for b.Loop() {
			conn := p.must(b, r.ID, address)
			exchange(b, conn, "x")
			_ = conn.Close()
		}
	})
	b.Run("bytes", func(b *testing.B) {
		conn := p.must(b, r.ID, address)
		block, back := make([]byte, 64<<10), make([]byte, 64<<10)
		b.SetBytes(int64(len(block)))
		ended := make(chan error, 1)
		for b.Loop() {
			go func() {
				_, err := conn.Write(block)
				ended <- err
			}()
			if _, err := io.ReadFull(conn, back); err != nil {
				b.Fatal(err)
			}
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		}
	})
}
