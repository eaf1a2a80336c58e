package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// open asks the platform for a channel and returns its connection, with the name
// the relay is registered under.
func (w *way) open(ctx context.Context) (conn net.Conn, name string, err error) {
	token, err := w.Token()
	if err != nil {
		return nil, "", err
	}
	w.token = token
	// The time counts for opening alone: what is open is not ended by it.
	opening, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(w.Limits.Open, cancel)
	defer late.Stop()
	config, err := w.Trust.config(opening, w.platform, w.Proxy)
	if err != nil {
		cancel()
		return nil, "", err
	}
	var below net.Conn
	traced := httptrace.WithClientTrace(opening, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { below = got.Conn }})
	request, err := http.NewRequestWithContext(traced, http.MethodGet, w.platform.JoinPath(Path).String(), http.NoBody)
	if err != nil {
		cancel()
		return nil, "", fmt.Errorf("prepare the request for a channel: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", protocol)
	hello := w.Hello
	hello.Number = w.number
	setHello(request.Header, hello)
	answer, err := transportOf(config, w.Proxy, w.Limits).RoundTrip(request)
	if err != nil {
		if ctx.Err() == nil && opening.Err() != nil {
			err = fmt.Errorf("no answer within %s", w.Limits.Open)
		}
		cancel()
		return nil, "", fmt.Errorf("open a channel: %w", err)
	}
	body, both := answer.Body.(io.ReadWriteCloser)
	if answer.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(answer.Header.Get("Upgrade"), protocol) || !both {
		defer cancel()
		defer discard(answer.Body)
		return nil, "", unopened(answer)
	}
	name = answer.Header.Get(headerName)
	return &upgraded{Conn: below, body: body, cancel: cancel}, name, nil
}

// transportOf speaks HTTP/1.1, which has upgrades.
func transportOf(trust *tls.Config, proxy func(*http.Request) (*url.URL, error), limits Limits) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Protocols: protocols, Proxy: proxy, TLSClientConfig: trust, DisableKeepAlives: true,
		DialContext:         (&net.Dialer{Timeout: limits.Open, KeepAlive: limits.Heartbeat}).DialContext,
		TLSHandshakeTimeout: limits.Open, ResponseHeaderTimeout: limits.Open, MaxResponseHeaderBytes: 32 << 10,
	}
}

// unopened is the error of an answer that is no channel.
func unopened(answer *http.Response) error {
	var said struct{ Code, Message, Resolution string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, maxSaidBytes)).Decode(&said) // of a proxy, or another server, it is no JSON
	code := fault.Code(cmp.Or(said.Code, string(fault.Internal)))
	if said.Message != "" {
		return fault.New(code, said.Message, said.Resolution)
	}
	return fault.New(code, fmt.Sprintf("The platform, or a proxy before it, answered with status %d in place of a channel.", answer.StatusCode),
		"Check --url, and that proxies and load balancers pass HTTP/1.1 upgrades on for "+Path+", as they do for WebSocket.")
}

// upgraded is the connection of a channel: its bytes go by way of the answer's
// body, which may hold some already, its deadlines by the connection below.
type upgraded struct {
	net.Conn
	body   io.ReadWriteCloser
	cancel context.CancelFunc
}

func (u *upgraded) Read(p []byte) (int, error)  { return u.body.Read(p) }
func (u *upgraded) Write(p []byte) (int, error) { return u.body.Write(p) }

func (u *upgraded) Close() error {
	defer u.cancel()
	return u.body.Close()
}
