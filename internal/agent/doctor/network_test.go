package doctor

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agent/proxy/proxytest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/server/certificate"
)

// issuer is an authority of a platform's own.
type issuer struct {
	*certificate.Authority
	pem []byte
}

func newIssuer(t *testing.T, at time.Time) issuer {
	t.Helper()
	authority, err := certificate.NewAuthority("Vedette test", at)
	if err != nil {
		t.Fatal(err)
	}
	pem, _, err := authority.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return issuer{authority, pem}
}

// serve starts a platform with a certificate of the authority that was issued for
// a name at some time. Its clock is ahead of this machine's.
func (i issuer) serve(t *testing.T, name string, issued time.Time, ahead time.Duration, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	cert, key, err := i.Issue([]string{name}, issued)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		answer(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are wanted
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// authority answers as a platform does whose authority it is.
func (i issuer) authority(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != agentwire.PathAuthority {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(i.DER())
}

// route has all requests go through proxies.
func route(t *testing.T, variable, proxies string, failOpen bool) *proxy.Settings {
	t.Helper()
	s, err := proxy.FromEnvironment(func(name string) string {
		if name == variable {
			return proxies
		}
		return ""
	}, proxy.Sequential, failOpen)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onTheWay returns the checks of the network, by name.
func onTheWay(t *testing.T, p *Patient) map[string]Check {
	t.Helper()
	if p.Now == nil {
		p.Now = time.Now
	}
	found := map[string]Check{}
	p.network(t.Context(), func(c Check) { found[c.Name] = c })
	return found
}

// wantAlone checks one and that no other failed.
func wantAlone(t *testing.T, found map[string]Check, name string, outcome Outcome, detail, next string) {
	t.Helper()
	check, made := found[name]
	if !made {
		t.Errorf("there is no check %s in %+v", name, found)
		return
	}
	want(t, check, outcome, detail, next)
	for other, check := range found {
		if other != name && check.Outcome != OK {
			t.Errorf("beside %s there is %+v", name, check)
		}
	}
}

func TestAWayWithoutObstaclesIsGoneToItsEnd(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, time.Now())
	found := onTheWay(t, &Patient{Server: i.serve(t, "127.0.0.1", time.Now(), 0, i.authority).URL, CA: i.pem})
	for name, detail := range map[string]string{
		"dns": "127.0.0.1 is an address", "tls": "TLS 1.3, certificate recognised by the pinned authority", "platform": "is a Vedette platform", "clock": "agrees",
	} {
		want(t, found[name], OK, detail, "")
	}
	if len(found) != 4 {
		t.Errorf("checks %+v", found)
	}
}

func TestAnAddressThatLeadsNowhereIsFound(t *testing.T) {
	t.Parallel()
	wantAlone(t, onTheWay(t, &Patient{}), "platform", Warning, "not known", "ServerUri=")
	wantAlone(t, onTheWay(t, &Patient{Server: "https://platform.invalid:8443"}), "dns", Failed, "platform.invalid", "/etc/resolv.conf")
	wantAlone(t, onTheWay(t, &Patient{Server: "https://127.0.0.1:1"}), "connection", Failed, "refused", "that the platform runs, and firewalls")
}

func TestACertificateThatIsNotTrustedIsFound(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	i, stranger := newIssuer(t, time.Now().Add(-3*year)), newIssuer(t, time.Now())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	valid := i.serve(t, "127.0.0.1", time.Now(), 0, i.authority)
	expired := i.serve(t, "127.0.0.1", time.Now().Add(-2*year), 0, i.authority)
	for _, test := range []struct {
		name, server string
		ca           []byte
		detail, next string
	}{
		{"the host's own authorities", valid.URL, nil, "issuer CN=Vedette test", "tls/ca.pem"},
		{"another authority", valid.URL, stranger.pem, "unknown authority", "another authority than the one pinned here"},
		{"none at all", valid.URL, []byte("-----"), "", "as PEM"},
		{"an end that has come", expired.URL, i.pem, "this host's clock says " + now.Format(time.RFC3339), "set the clock of this host, or renew"},
		{"another name", strings.Replace(valid.URL, "127.0.0.1", "localhost", 1), i.pem, "localhost", "a name in ServerUri="},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), i.pem, "", "something else than TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := &Patient{Server: test.server, CA: test.ca, Now: func() time.Time { return now }}
			wantAlone(t, onTheWay(t, p), "tls", Failed, test.detail, test.next)
		})
	}

	// One that ends in days is warned of.
	p := &Patient{Server: valid.URL, CA: i.pem}
	until, err := time.Parse(time.RFC3339, onTheWay(t, p)["tls"].Detail[len("TLS 1.3, certificate recognised by the pinned authority, valid until "):])
	if err != nil {
		t.Fatal(err)
	}
	for before, outcome := range map[time.Duration]Outcome{certificateEnds - time.Hour: Warning, certificateEnds + time.Hour: OK} {
		p.Now = func() time.Time { return until.Add(-before) }
		if check := onTheWay(t, p)["tls"]; check.Outcome != outcome || outcome == Warning && !strings.Contains(check.Next, "renew") {
			t.Errorf("%s before its end: %+v", before, check)
		}
	}
}

func TestWhatIsNoPlatformIsFound(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, time.Now())
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(agentwire.Problem{Code: code})
		}
	}
	for name, test := range map[string]struct {
		answer       http.HandlerFunc
		outcome      Outcome
		detail, next string
	}{
		"a platform with a certificate from elsewhere": {problem(http.StatusNotFound, agentwire.ProblemInvalid), OK, "is a Vedette platform", ""},
		"one that is busy":  {problem(http.StatusServiceUnavailable, agentwire.ProblemBusy), Warning, "too busy", "agents come back by themselves"},
		"a page to sign in": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, Failed, "answered 200 with something no platform says", "what is between"},
		"another server":    {http.NotFound, Failed, "answered 404", "check ServerUri"},
		"an end in between": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		}, Failed, "breaks off", "between this host and the platform"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := onTheWay(t, &Patient{Server: i.serve(t, "127.0.0.1", time.Now(), 0, test.answer).URL, CA: i.pem})
			wantAlone(t, found, "platform", test.outcome, test.detail, test.next)
		})
	}
}

func TestAClockThatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, time.Now())
	for ahead, want := range map[time.Duration]struct {
		outcome Outcome
		detail  string
	}{
		-2 * time.Hour: {Warning, " ahead of the platform's"}, 2 * time.Hour: {Warning, " behind the platform's"}, 20 * time.Second: {OK, "agrees"},
	} {
		found := onTheWay(t, &Patient{Server: i.serve(t, "127.0.0.1", time.Now(), ahead, i.authority).URL, CA: i.pem})
		next := ""
		if want.outcome == Warning {
			next = "set the clock of this host"
		}
		wantAlone(t, found, "clock", want.outcome, want.detail, next)
	}
}

func TestAProxyThatDoesNotLetThroughIsFound(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, time.Now())
	platform := i.serve(t, "platform.invalid", time.Now(), 0, i.authority)
	to, err := url.Parse(platform.URL)
	if err != nil {
		t.Fatal(err)
	}
	open, locked, gone := proxytest.New(to.Host, ""), proxytest.New(to.Host, "agent:right"), proxytest.New(to.Host, "")
	shut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	for _, server := range []*httptest.Server{open.Server, locked.Server, shut} {
		t.Cleanup(server.Close)
	}
	gone.Server.Close()
	for _, test := range []struct {
		name, proxies string
		failOpen      bool
		check         string
		outcome       Outcome
		detail, next  string
	}{
		{"lets through", open.Host(), false, "proxy", OK, "https_proxy: http://" + open.Host() + " answers", ""},
		{"asks for a password", "agent:s3cret@" + locked.Host(), false, "connection", Failed, "407", "give user and password in https_proxy"},
		{"lets nobody through", shut.Listener.Addr().String(), false, "connection", Failed, "403", "let the proxy open tunnels"},
		{"one of two is gone", gone.Host() + ";" + open.Host(), false, "proxy", Warning, gone.Host() + " does not answer", "no_proxy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := onTheWay(t, &Patient{Server: "https://platform.invalid:8443", CA: i.pem, Proxies: route(t, "https_proxy", test.proxies, test.failOpen)})
			wantAlone(t, found, test.check, test.outcome, test.detail, test.next)
			want(t, found["dns"], OK, "left to the proxy", "")
			if said := fmt.Sprint(found); strings.Contains(said, "s3cret") {
				t.Errorf("the password is told: %s", said)
			}
		})
	}
	for _, failOpen := range []bool{false, true} {
		found := onTheWay(t, &Patient{Server: "https://platform.invalid:8443", CA: i.pem, Proxies: route(t, "vedette_https_proxy", gone.Host(), failOpen)})
		outcome, detail := Failed, "does not answer"
		if failOpen {
			outcome, detail = Warning, "without a proxy is tried last"
		}
		want(t, found["proxy"], outcome, detail, "check vedette_https_proxy")
		if found["connection"].Outcome != Failed {
			t.Errorf("nobody is reached, and the checks are %+v", found)
		}
	}
}
