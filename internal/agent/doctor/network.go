package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// skewTold is a difference of clocks worth a warning; requests tolerate any, and
	// certificates do not.
	skewTold = time.Minute
	// certificateEnds is how long before its end a certificate is warned of.
	certificateEnds = 14 * 24 * time.Hour
)

// network goes the way to the platform step by step.
func (p *Patient) network(ctx context.Context, tell func(Check)) {
	server, err := url.Parse(p.Server)
	if p.Server == "" || err != nil || server.Host == "" {
		tell(Check{"platform", Warning, "its address is not known", "give it with ServerUri=, and its authority with CaFile="})
		return
	}
	route := p.Proxies.Route(server)
	names := p.dns(ctx, server, route)
	tell(names)
	if route[0] != nil {
		tell(p.proxies(ctx, route))
	}
	if names.Outcome == Failed {
		return
	}
	p.platform(ctx, server, tell)
}

// dns asks for the platform's name, where this host has to know it.
func (p *Patient) dns(ctx context.Context, server *url.URL, route []*url.URL) Check {
	const name = "dns"
	host := server.Hostname()
	if route[0] != nil {
		return ok(name, host+" is left to the proxy")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ok(name, host+" is an address")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := new(net.Resolver).LookupHost(ctx, host)
	if err != nil {
		return Check{name, Failed, err.Error(), "check ServerUri, /etc/resolv.conf, and that the name server is reached"}
	}
	return ok(name, host+" is "+strings.Join(found, ", "))
}

// proxies connects to each proxy, and asks it for nothing.
func (p *Patient) proxies(ctx context.Context, route []*url.URL) Check {
	const name = "proxy"
	var reached, silent []string
	open := false
	for _, way := range route {
		if way == nil {
			open = true
			continue
		}
		if err := reach(ctx, way); err != nil {
			silent = append(silent, fmt.Sprintf("%s does not answer: %v", proxy.Name(way), err))
			continue
		}
		reached = append(reached, proxy.Name(way)+" answers")
	}
	detail := p.Proxies.Variable() + ": " + strings.Join(append(reached, silent...), "; ")
	next := "check " + p.Proxies.Variable() + " and the proxies; no_proxy names hosts that are reached directly"
	switch {
	case len(silent) == 0:
		return ok(name, detail)
	case len(reached) > 0:
		return Check{name, Warning, detail, next}
	case open:
		return Check{name, Warning, detail + "; without a proxy is tried last", next}
	}
	return Check{name, Failed, detail, next}
}

func reach(ctx context.Context, way *url.URL) error {
	port := way.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[way.Scheme]
	}
	if port == "" {
		port = "1080" // socks5
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(way.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// platform asks the one question that needs no identity, and judges TLS, the answer
// and its date.
func (p *Patient) platform(ctx context.Context, server *url.URL, tell func(Check)) {
	transport, err := session.NewTransport(p.CA, p.Proxies)
	if err != nil {
		tell(Check{"tls", Failed, err.Error(), "give the authority's certificate with CaFile=, as PEM"})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address := strings.TrimRight(server.String(), "/") + agentwire.PathAuthority
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		tell(Check{"platform", Failed, err.Error(), "check ServerUri"})
		return
	}
	before := p.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		tell(p.unreached(err))
		return
	}
	defer response.Body.Close()
	doc, err := io.ReadAll(io.LimitReader(response.Body, agentwire.MaxMessageBytes))
	after := p.Now()
	if err != nil {
		tell(Check{"platform", Failed, "its answer breaks off: " + err.Error(), "check what is between this host and the platform"})
		return
	}
	tell(p.tls(response.TLS))
	tell(recognise(server, response.StatusCode, doc))
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		tell(clock(before.Add(after.Sub(before) / 2).Sub(date.Add(time.Second / 2))))
	}
}

// unreached says why there was no answer, as far as the error tells.
func (p *Patient) unreached(err error) Check {
	detail := err.Error()
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		next := "give the platform's authority with CaFile=; on the platform it is tls/ca.pem in its data folder"
		if len(p.CA) > 0 {
			next = "the platform has another authority than the one pinned here: compare the certificates before you give CaFile= anew. A proxy that opens TLS cannot be between"
		}
		if unknown.Cert != nil {
			detail += ", issuer " + unknown.Cert.Issuer.String()
		}
		return Check{"tls", Failed, detail, next}
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		c := invalid.Cert
		return Check{"tls", Failed, fmt.Sprintf("certificate is valid from %s to %s, and this host's clock says %s",
			c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339), p.Now().UTC().Format(time.RFC3339)),
			"set the clock of this host, or renew the platform's certificate"}
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return Check{"tls", Failed, detail, "use a name in ServerUri= that the platform's certificate has"}
	}
	if refused, ok := errors.AsType[*proxy.ConnectError](err); ok {
		next := "let the proxy open tunnels to the platform's host and port"
		if refused.Status == http.StatusProxyAuthRequired {
			next = "give user and password in " + p.Proxies.Variable() + ", special characters URL-encoded"
		}
		return Check{"connection", Failed, detail, next}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return Check{"tls", Failed, detail, "something else than TLS answers at that port: check ServerUri"}
	}
	return Check{"connection", Failed, detail, "check ServerUri, that the platform runs, and firewalls in between"}
}

// tls judges how the platform was recognised.
func (p *Patient) tls(state *tls.ConnectionState) Check {
	const name = "tls"
	if state == nil || len(state.PeerCertificates) == 0 {
		return Check{name, Failed, "the platform answered without TLS", "ServerUri must begin with https://"}
	}
	leaf := state.PeerCertificates[0]
	by := "an authority of this host"
	if len(p.CA) > 0 {
		by = "the pinned authority"
	}
	detail := fmt.Sprintf("%s, certificate recognised by %s, valid until %s", tls.VersionName(state.Version), by, leaf.NotAfter.UTC().Format(time.RFC3339))
	if leaf.NotAfter.Sub(p.Now()) < certificateEnds {
		return Check{name, Warning, detail, "renew the platform's certificate"}
	}
	return ok(name, detail)
}

// recognise judges whether it is a platform that answered.
func recognise(server *url.URL, status int, doc []byte) Check {
	const name = "platform"
	var problem agentwire.Problem
	_, err := x509.ParseCertificate(doc)
	isAuthority := status == http.StatusOK && err == nil
	isProblem := json.Unmarshal(doc, &problem) == nil && problem.Code != ""
	busy := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	switch {
	case isProblem && busy:
		return Check{name, Warning, "it is too busy just now", "none: agents come back by themselves"}
	case isAuthority || isProblem:
		return ok(name, server.Host+" is a Vedette platform")
	}
	return Check{name, Failed, fmt.Sprintf("%s answered %d with something no platform says", server.Host, status), "check ServerUri, and what is between this host and the platform"}
}

// clock judges by how much the host's clock is ahead of the platform's.
func clock(ahead time.Duration) Check {
	const name = "clock"
	ahead = ahead.Round(time.Second)
	if ahead.Abs() < skewTold {
		return ok(name, "agrees with the platform's")
	}
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	return Check{name, Warning, fmt.Sprintf("%s %s the platform's", ahead.Abs(), word), "set the clock of this host; the agent signs with the platform's time meanwhile, but certificates are judged by this one"}
}
