package swarm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// wire is the network between a swarm and its platform: the connections all
// agents share, what is measured on them, and outages.
type wire struct {
	requests http.RoundTripper
	polls    http.RoundTripper // one connection for each agent: a poll holds it
	meter    *meter
	speed    float64

	network atomic.Pointer[network]
}

// network is the network at a time: there, until it is cut, or away.
type network struct {
	there context.Context // ends when it is cut; nil while it is away
	cut   context.CancelFunc
	lost  atomic.Int64 // requests that found none
}

// errOutage is what agents see in an outage.
var errOutage = errors.New("no network: outage of the scenario")

// maxAnswerBytes bounds an answer: a signed instruction is the largest.
const maxAnswerBytes = 4 << 20

// newTransports returns what carries requests over at most connections
// connections, and what carries polls. ca is PEM, empty for the authorities of
// this system.
func newTransports(ca []byte, connections int, m *meter) (requests, polls *http.Transport, err error) {
	roots := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	if len(ca) > 0 {
		roots.RootCAs = x509.NewCertPool()
		if !roots.RootCAs.AppendCertsFromPEM(ca) {
			return nil, nil, errors.New("the file with certificates to trust holds no PEM certificate")
		}
	}
	transport := func(most int) *http.Transport {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true) // as agents do
		dialer := &net.Dialer{Timeout: 30 * time.Second}
		return &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: roots, Protocols: protocols, DisableCompression: true,
			MaxConnsPerHost: most, MaxIdleConnsPerHost: most, MaxIdleConns: most,
			TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: 30 * time.Second,
			ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				m.opened.Add(1)
				return &countedConn{conn, m}, nil
			},
		}
	}
	return transport(connections), transport(0), nil
}

// countedConn counts the bytes of a connection.
type countedConn struct {
	net.Conn
	meter *meter
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.meter.sent.Add(int64(n))
	return n, err
}

// connect brings the network back, or for the first time.
func (w *wire) connect() {
	n := &network{}
	n.there, n.cut = context.WithCancel(context.Background())
	w.network.Store(n)
}

// cut takes the network away, also from requests on their way, and returns how
// many requests have found none so far.
func (w *wire) cut() (lost func() int64) {
	away := &network{}
	before := w.network.Swap(away)
	before.cut()
	return func() int64 { return before.lost.Load() + away.lost.Load() }
}

// roundTrip carries one request and measures it. The answer it returns is
// complete.
func (w *wire) roundTrip(r *http.Request) (*http.Response, []byte, error) {
	n := w.network.Load()
	if n.there == nil {
		n.lost.Add(1)
		return nil, nil, errOutage
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(n.there, cancel)()
	if r.URL.Path == agentwire.PathStatus {
		w.meter.checkIn()
	}
	o := outcome{kind: kindOf(r), sent: int(max(r.ContentLength, 0))}
	response, body, err := w.measure(r.WithContext(ctx), &o)
	switch {
	case err == nil:
		o.failure = refusalOf(response, body)
	case n.there.Err() != nil:
		n.lost.Add(1)
		return nil, nil, errOutage
	case errors.Is(r.Context().Err(), context.Canceled): // the end of an agent is no failure
		return nil, nil, err
	default:
		o.failure, o.unanswered = failureOf(err), true
	}
	w.meter.add(o)
	if err != nil {
		return nil, nil, err
	}
	w.stretch(response)
	return response, body, nil
}

// measure carries one request and notes how long it took and how large its answer
// is.
func (w *wire) measure(r *http.Request, o *outcome) (*http.Response, []byte, error) {
	transport := w.requests
	if r.URL.Path == agentwire.PathWakeup {
		transport = w.polls
	}
	begun := time.Now()
	var connected atomic.Pointer[time.Time]
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { now := time.Now(); connected.Store(&now) }}
	response, err := transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, nil, err
	}
	since := begun
	if at := connected.Load(); at != nil {
		since = *at
	}
	o.wait, o.took, o.received = since.Sub(begun), time.Since(since), len(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, body, nil
}

// stretch makes a Retry-After as long for the agents as the platform meant it:
// their seconds are shorter.
func (w *wire) stretch(response *http.Response) {
	seconds, err := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 32)
	if err == nil {
		response.Header.Set("Retry-After", strconv.FormatInt(int64(float64(seconds)*w.speed), 10))
	}
}

// kindOf names what a request is for. Digests and ids are no part of it.
func kindOf(r *http.Request) string {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, agentwire.PathUploads):
		_, step, _ := strings.Cut(strings.TrimPrefix(path, agentwire.PathUploads), "/")
		switch step {
		case "":
			return "upload start"
		case "fragments":
			return "upload fragment"
		}
		return "upload " + step
	case strings.HasPrefix(path, agentwire.PathScans):
		return "scan report"
	default:
		return path[strings.LastIndexByte(path, '/')+1:]
	}
}

// refusalOf names an answer outside 2xx by status and code.
func refusalOf(response *http.Response, body []byte) string {
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return ""
	}
	var problem agentwire.Problem
	if json.Unmarshal(body, &problem) != nil || problem.Code == "" {
		return strconv.Itoa(response.StatusCode)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, problem.Code)
}

// outOfSockets is a failure of this machine, not of the platform.
const outOfSockets = "out of sockets on this side"

// failureOf names what kept a request from being answered.
func failureOf(err error) string {
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return "certificate not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection cut"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return outOfSockets
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	}
	return "network"
}
