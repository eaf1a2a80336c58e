package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/proxy/proxytest"
)

// environment returns a getenv of pairs of name and value.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func settings(t *testing.T, failOpen bool, pairs ...string) *Settings {
	t.Helper()
	s, err := FromEnvironment(environment(pairs...), Sequential, failOpen)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// platform is a TLS server that answers with what it was sent.
func platform(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	return server
}

// newProxy starts a proxy that ends with the test.
func newProxy(t *testing.T, to, userinfo string) *proxytest.Proxy {
	t.Helper()
	p := proxytest.New(to, userinfo)
	t.Cleanup(p.Server.Close)
	return p
}

// transport trusts the platform, which has a certificate for example.com.
func transport(platform *httptest.Server, s *Settings) *Transport {
	base := platform.Client().Transport.(*http.Transport).Clone()
	base.DialContext, base.ForceAttemptHTTP2 = nil, false
	return NewTransport(s, base)
}

func post(t *testing.T, with http.RoundTripper, to string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := with.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if doc, err := io.ReadAll(response.Body); err != nil || string(doc) != "hello" {
		t.Errorf("the platform answered %q, %v", doc, err)
	}
	return nil
}

const platformURL = "https://example.com/"

func TestTheFirstProxyThatGivesAConnectionIsTaken(t *testing.T) {
	t.Parallel()
	server := platform(t)
	to := server.Listener.Addr().String()
	closed := newProxy(t, to, "")
	closed.Server.Close()
	locked := newProxy(t, to, "agent:right")
	open := newProxy(t, to, "agent:p;ss@word")
	spare := newProxy(t, to, "")
	s := settings(t, false, "vedette_https_proxy", `"`+strings.Join([]string{
		"http://" + closed.Host(), "agent:wrong@" + locked.Host(), "http://agent:p%3Bss%40word@" + open.Host(), spare.Host(),
	}, "; ")+`"`, "https_proxy", "http://unused.invalid")
	tr := transport(server, s)
	for range 3 {
		if err := post(t, tr, platformURL); err != nil {
			t.Fatal(err)
		}
	}
	if asked := open.Asked(); !slices.Equal(asked, []string{"example.com:443"}) {
		t.Errorf("the third proxy opened tunnels to %v, want one that is kept", asked)
	}
	if len(locked.Asked()) > 0 || len(spare.Asked()) > 0 {
		t.Errorf("tunnels of other proxies: %v, %v", locked.Asked(), spare.Asked())
	}
}

func TestAProxyThatIsSilentIsLeftAndThenTriedLast(t *testing.T) {
	t.Parallel()
	server := platform(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var tried atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept() // ends with the listener
			if err != nil {
				return
			}
			tried.Add(1)
			defer conn.Close()
		}
	}()
	good := newProxy(t, server.Listener.Addr().String(), "")
	tr := transport(server, settings(t, false, "https_proxy", listener.Addr().String()+";"+good.Host()))
	tr.patience = 3 * time.Second // a handshake takes some of it on a busy machine
	for range 3 {
		if err := post(t, tr, platformURL); err != nil {
			t.Fatal(err)
		}
		tr.base.CloseIdleConnections()
	}
	if n := tried.Load(); n != 1 {
		t.Errorf("the silent proxy was tried %d times, want once in %s", n, avoided)
	}
}

func TestWithoutAProxyThatWorksOnlyFailOpenReachesThePlatform(t *testing.T) {
	t.Parallel()
	server := platform(t)
	gone := newProxy(t, "", "")
	gone.Server.Close()
	const secret = "s3cret"
	for _, failOpen := range []bool{false, true} {
		s := settings(t, failOpen, "HTTPS_PROXY", "http://agent:"+secret+"@"+gone.Host())
		tr := transport(server, s)
		tr.base.DialContext = redirect(server, gone.Host())
		err := post(t, tr, platformURL)
		if failOpen != (err == nil) {
			t.Errorf("with ProxyFailOpen=%t: %v", failOpen, err)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), gone.Host())) {
			t.Errorf("error is %v, want the proxy without its password", err)
		}
	}
}

// redirect dials the server for every address but those of proxies.
func redirect(server *httptest.Server, proxies ...string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if !slices.Contains(proxies, address) {
			address = server.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func TestARequestThatMayHaveArrivedIsNotSentTwice(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}))
	defer server.Close()
	to := server.Listener.Addr().String()
	first, second := newProxy(t, to, ""), newProxy(t, to, "")
	err := post(t, transport(server, settings(t, true, "https_proxy", first.Host()+";"+second.Host())), platformURL)
	if err == nil || requests.Load() != 1 || len(second.Asked()) != 0 {
		t.Errorf("%d requests arrived, by the second proxy %v; error %v", requests.Load(), second.Asked(), err)
	}
}

func TestNoProxyNamesWhatIsReachedDirectly(t *testing.T) {
	t.Parallel()
	s := settings(t, false, "https_proxy", "proxy:3128", "no_proxy", "corp.example,10.0.0.0/8")
	for host, direct := range map[string]bool{
		"vedette.corp.example": true, "10.1.2.3": true, "127.0.0.1": true, "vedette.example": false, "11.1.2.3": false,
	} {
		route := s.Route(&url.URL{Scheme: "https", Host: host + ":8443"})
		if (route[0] == nil) != direct {
			t.Errorf("%s is reached by %s, want direct: %t", host, Name(route[0]), direct)
		}
	}
	if route := (*Settings)(nil).Route(&url.URL{}); len(route) != 1 || route[0] != nil {
		t.Errorf("without settings the route is %v", route)
	}
}

func TestWhatIsWrongWithAProxyIsSaidWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"http://agent:s3cret@":                 "https_proxy: proxy 1 is not of the form",
		"ok:1;ftp://agent:s3cret@host":         `https_proxy: proxy 2 has the scheme "ftp"`,
		"http://agent:s3cret%zz@host":          "proxy 1 is not of the form",
		"http://agent:s3cret@host/path":        "proxy 1 is not of the form",
		"a:1;b:1;c:1;d:1;e:1;agent:s3cret@f:1": "has 6 proxies, at most 5 are allowed",
	} {
		_, err := FromEnvironment(environment("https_proxy", value), Sequential, false)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: error %v, want %q and no password", value, err, says)
		}
	}
	if _, err := FromEnvironment(environment(), "backwards", false); err == nil {
		t.Error("an order that does not exist is taken")
	}
}

func TestARandomOrderIsDrawnOnce(t *testing.T) {
	t.Parallel()
	firsts := map[string]bool{}
	for range 200 {
		s, err := FromEnvironment(environment("https_proxy", "a:1;b:1;c:1"), Random, false)
		if err != nil {
			t.Fatal(err)
		}
		to := &url.URL{Scheme: "https", Host: "example.com"}
		if !slices.Equal(s.Route(to), s.Route(to)) {
			t.Fatal("the order changes between two requests")
		}
		firsts[s.Route(to)[0].Host] = true
	}
	if len(firsts) != 3 {
		t.Errorf("first came %v in 200 processes, want each", firsts)
	}
}

func TestABodyThatCannotBeReadTwiceIsTriedOneWay(t *testing.T) {
	t.Parallel()
	server := platform(t)
	gone := newProxy(t, "", "")
	gone.Server.Close()
	good := newProxy(t, server.Listener.Addr().String(), "")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, platformURL, io.MultiReader(bytes.NewReader([]byte("once"))))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport(server, settings(t, false, "https_proxy", gone.Host()+";"+good.Host())).RoundTrip(request)
	if err == nil {
		response.Body.Close()
		t.Error("half a body may have been sent")
	}
	if connect, ok := errors.AsType[*net.OpError](err); !ok || connect.Op != "proxyconnect" {
		t.Errorf("error is %v, want that of the first proxy", err)
	}
}
