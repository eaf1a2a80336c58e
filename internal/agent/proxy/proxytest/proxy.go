// Package proxytest is an HTTP proxy for tests. It opens tunnels to one address,
// whatever host it is asked for, so that nothing has to resolve.
package proxytest

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	Server *httptest.Server

	to       string
	userinfo string // "user:password" it asks for; empty for none
	mu       sync.Mutex
	asked    []string // hosts of CONNECT requests
}

// New starts a proxy that leads to an address, for those who give the user and
// password in userinfo. Close its Server when done.
func New(to, userinfo string) *Proxy {
	p := &Proxy{to: to, userinfo: userinfo}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	return p
}

// Host is the proxy's address, as host and port.
func (p *Proxy) Host() string { return p.Server.Listener.Addr().String() }

// Asked returns the hosts tunnels were opened to.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only tunnels", http.StatusMethodNotAllowed)
		return
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.userinfo))
	if p.userinfo != "" && r.Header.Get("Proxy-Authorization") != want {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	p.mu.Lock()
	p.asked = append(p.asked, r.Host)
	p.mu.Unlock()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n") // a client that is gone ends the copies below
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(there, buffered)
		there.Close()
	}()
	_, _ = io.Copy(here, there)
	here.Close()
	<-done
}
