// Package webhook sends JSON documents to URLs that people entered, signed as
// Standard Webhooks says. Client is its main type.
//
// It goes where package egress lets it and follows no redirect; what is not
// encrypted reaches this machine alone. Of an answer it looks at the status, and
// shows nothing else: who enters a URL reads no answer of an inner service through
// it. A URL may be a credential by itself, as those of chats are, so errors name its
// host alone.
//
// Limits: a connection for each message, 15 seconds, 256 KiB of body.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/outbound/egress"
)

const (
	// defaultTimeout is from the first packet to the header of the answer: a receiver
	// that has work to do answers first.
	defaultTimeout = 15 * time.Second
	// bodyLimit is far above what any notice has, and what receivers take.
	bodyLimit = 256 << 10
	// headerLimit bounds the header of an answer in bytes. Bodies are not read.
	headerLimit = 64 << 10
)

// Client sends webhooks. Its fields are set before it is used and do not change;
// it is safe for concurrent use and keeps no connection.
type Client struct {
	UserAgent string
	Policy    egress.Policy    // which addresses may be connected to
	Now       func() time.Time // for signatures
	Timeout   time.Duration    // of one message; 0: 15 s
}

// Send posts a JSON document with the id of its message, which is the same each
// time it is sent, and returns the status of the answer, 0 where there was none. Any
// status but 200 to 299 is an error, and every error is a *notice.SendError. Without
// a secret the document is not signed.
func (c *Client) Send(ctx context.Context, to notice.Target, secret signature.Secret, id string, body []byte) (int, error) {
	target, err := to.Check()
	if err != nil {
		return 0, refused(err)
	}
	if len(body) > bodyLimit {
		return 0, &notice.SendError{Message: fmt.Sprintf("The document for the webhook %s has %d bytes; at most %d are sent.", target.Host, len(body), bodyLimit)}
	}
	signed, err := signature.Sign(secret, id, c.Now(), body)
	if err != nil {
		return 0, refused(err)
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, refused(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", c.UserAgent)
	signed.Write(request.Header)
	answer, err := c.transport(target, to.CA, timeout).RoundTrip(request)
	if err != nil {
		return 0, unanswered(ctx, bounded, target.Host, timeout, err)
	}
	_ = answer.Body.Close() // nobody reads it, and the connection ends
	return answer.StatusCode, answered(target.Host, answer, c.Now())
}

// transport returns what carries one request to a target. It has no client around
// it, so redirects are answers like others.
func (c *Client) transport(target *url.URL, ca string, timeout time.Duration) *http.Transport {
	policy := c.Policy
	policy.OnlyLoopback = policy.OnlyLoopback || target.Scheme == "http"
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		security.RootCAs = x509.NewCertPool()
		security.RootCAs.AppendCertsFromPEM([]byte(ca)) // Target.Check has read it
	}
	t := &http.Transport{
		DialContext: policy.Dialer(timeout).DialContext, TLSClientConfig: security,
		DisableKeepAlives: true, MaxResponseHeaderBytes: headerLimit,
	}
	// A proxy resolves names by itself, so what can be judged here is an address. What
	// must stay on this machine has no business with a proxy.
	if address, err := netip.ParseAddr(target.Hostname()); target.Scheme == "https" && (err != nil || policy.Check(address) == nil) {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
}
