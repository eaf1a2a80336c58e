// Package platform opens the sessions in which commands call the platforms of
// connections. Sessions is its main type: it knows how to get there, directly or
// through a relay, keeps to the pace of a connection, and keeps connections to
// servers open between runs.
package platform

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/qps/qpsclient"
)

// Dial opens a connection to an address.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Sessions opens sessions. Its fields are set before it is used and do not change;
// it is safe for concurrent use.
type Sessions struct {
	UserAgent string
	// Authority is the platform's own authority, which is trusted beside those of the
	// system where a connection names none; nil for none.
	Authority *x509.Certificate
	// Pace counts a request of a connection with a limit and says how long it waits.
	Pace func(ctx context.Context, connectionID int64, perMinute int, now time.Time) (time.Duration, error)
	// Ledger is that of a connection.
	Ledger func(connectionID int64) integration.Ledger
	// Relay returns how a relay dials the targets of a connection; nil where there are
	// no relays.
	Relay func(relayID int64, target string) Dial
	Now   func() time.Time
	// Vaults are the password vaults that connections may be to.
	Vaults Vaults

	mu         sync.Mutex
	transports map[route]*http.Transport
}

// route is what connections to servers can be shared for.
type route struct {
	authorities [sha256.Size]byte
	relay       int64
	target      string // empty without a relay
}

const (
	dialTimeout      = 15 * time.Second
	handshakeTimeout = 15 * time.Second
	idleTimeout      = 90 * time.Second
	idleConnections  = 8
	// maxTransports bounds the routes whose connections are kept open; when there are
	// more, all of them are closed.
	maxTransports = 256
	// maxPaceWait is how long a request waits for its turn; what would have to wait
	// longer is refused as a platform would.
	maxPaceWait = 30 * time.Second
)

// Open returns a session of a connection; see run.Opener.
func (s *Sessions) Open(_ context.Context, c connection.Connection, parameters map[string]string) (integration.Session, error) {
	of, known := integration.Find(c.Integration)
	if !known {
		return integration.Session{}, fmt.Errorf("open session: there is no integration %s", c.Integration)
	}
	if of.Name == integration.VaultIntegration {
		return integration.Session{Now: s.Now, Vault: opened{s.Vaults.Source, integration.VaultSettings(parameters)}}, nil
	}
	config := of.ClientConfig(parameters)
	config.UserAgent, config.Now = s.UserAgent, s.Now
	var through http.RoundTripper
	through, err := s.transport(c, parameters, config)
	if err != nil {
		return integration.Session{}, err
	}
	if c.Limits.RequestsPerMinute > 0 && c.ID != 0 {
		through = &paced{s, c.ID, c.Limits.RequestsPerMinute, through}
	}
	config.Transport = through
	client, err := qpsclient.New(config)
	if err != nil {
		return integration.Session{}, fmt.Errorf("open session of connection %s: %w", c.Name, err)
	}
	session := integration.Session{Client: client, Now: s.Now}
	if c.ID != 0 {
		session.Ledger = s.Ledger(c.ID)
	}
	return session, nil
}

// transport returns what carries the requests of a connection. Connections that go
// the same way share one.
func (s *Sessions) transport(c connection.Connection, parameters map[string]string, config qpsclient.Config) (*http.Transport, error) {
	way := route{authorities: sha256.Sum256([]byte(parameters[integration.ParameterCACertificate])), relay: c.RelayID}
	dial := egress.Policy{}.Dialer(dialTimeout).DialContext
	proxy := http.ProxyFromEnvironment
	if c.RelayID != 0 {
		if s.Relay == nil {
			return nil, fmt.Errorf("open session of connection %s: this platform has no relays", c.Name)
		}
		way.target = config.BaseURL
		dial, proxy = s.Relay(c.RelayID, config.BaseURL), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, open := s.transports[way]; open {
		return t, nil
	}
	roots := config.RootCAs
	if roots == nil && s.Authority != nil {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil {
			roots = x509.NewCertPool()
		}
		roots.AddCert(s.Authority)
	}
	if len(s.transports) >= maxTransports {
		for _, t := range s.transports {
			t.CloseIdleConnections()
		}
		clear(s.transports)
	}
	t := &http.Transport{
		Proxy: proxy, DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: handshakeTimeout, MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout: idleTimeout, ResponseHeaderTimeout: qpsclient.AttemptTimeout,
	}
	if s.transports == nil {
		s.transports = map[route]*http.Transport{}
	}
	s.transports[way] = t
	return t, nil
}

// paced carries requests at the pace of a connection.
type paced struct {
	sessions   *Sessions
	connection int64
	perMinute  int
	next       http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	wait, err := p.sessions.Pace(r.Context(), p.connection, p.perMinute, p.sessions.Now())
	if err != nil {
		return nil, fmt.Errorf("keep to the pace of the connection: %w", err)
	}
	if wait > maxPaceWait {
		return p.refuse(r, wait), nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// refuse answers in place of the platform that it has to be asked later.
func (p *paced) refuse(r *http.Request, wait time.Duration) *http.Response {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	header := http.Header{}
	header.Set("Retry-After", fmt.Sprint(int64(wait/time.Second)+1))
	header.Set("Content-Type", "text/plain")
	text := fmt.Sprintf("The connection may make %d requests per minute.", p.perMinute)
	return &http.Response{
		Status: "429 Too Many Requests", StatusCode: http.StatusTooManyRequests, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}
}
