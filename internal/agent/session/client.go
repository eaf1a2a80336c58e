package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// messageTimeout bounds every request but a fragment and a poll.
	messageTimeout = 2 * time.Minute
	// fragmentTimeout bounds one fragment: 10 MB in it is 230 kbit/s. It is longer
	// than the platform waits, whose answer is clearer than silence.
	fragmentTimeout = 6 * time.Minute
	// pollTimeout is the platform's hold time and a slow network.
	pollTimeout = agentwire.WakeupWait + 30*time.Second
	// skewKept is a difference to the platform's clock that is not corrected: the
	// Date header counts whole seconds and travels.
	skewKept = 2 * time.Second
	// skewReported is a difference that the host's administrator should hear of.
	skewReported = time.Minute
	// maxMessageText bounds what is logged of a platform's message.
	maxMessageText = 300
)

// Refusal is an answer of the platform outside 2xx.
type Refusal struct {
	Status     int
	Code       string // one of agentwire's Problem codes; empty when the answer had none
	Message    string
	RetryAfter time.Duration // 0 when the platform did not say

	order   *agentwire.SignedInstruction // that came with the answer, not verified
	request string                       // that it answers, see agentwire.RequestSignature.ID; only with an order
}

// Error says what the platform answered.
func (r *Refusal) Error() string {
	return fmt.Sprintf("platform answered %d %s: %s", r.Status, r.Code, r.Message)
}

// busy reports whether the platform only asked to come again later.
func (r *Refusal) busy() bool {
	return r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable
}

// refusedAs reports whether err is a refusal with the given code.
func refusedAs(err error, code string) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	return ok && refusal.Code == code
}

// client sends the signed requests of one identity. It is safe for concurrent use.
type client struct {
	http     *http.Client
	wall     func() time.Time
	log      *slog.Logger
	sequence *sequence
	base     string
	signer   *agentwire.RequestSigner

	mu     sync.Mutex
	offset time.Duration // the platform's clock less the host's
	pace   pace          // of downloads
}

// NewTransport returns the HTTP transport of an agent: HTTP/1.1 over TLS 1.2 or
// later, through the given proxies, which may be nil, and ca (PEM) as the only
// authority unless it is empty. HTTP/2 is left out for its buffers.
func NewTransport(ca []byte, proxies *proxy.Settings) (http.RoundTripper, error) {
	roots := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(2)}
	if len(ca) > 0 {
		roots.RootCAs = x509.NewCertPool()
		if !roots.RootCAs.AppendCertsFromPEM(ca) {
			return nil, &UsageError{"CaFile= holds no PEM certificate"}
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return proxy.NewTransport(proxies, &http.Transport{
		TLSClientConfig:       roots,
		Protocols:             protocols,
		MaxIdleConns:          2,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   30 * time.Second,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        4 << 10,
		WriteBufferSize:       4 << 10,
		DisableCompression:    true,
	}), nil
}

func newClient(id *identity, transport http.RoundTripper, wall func() time.Time, log *slog.Logger, seq *sequence) *client {
	c := &client{
		http: &http.Client{
			Transport: transport,
			// A signature is for one path: a redirect is an answer like any other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wall: wall, log: log, sequence: seq,
		base: strings.TrimRight(id.ServerURI, "/"),
	}
	c.signer = &agentwire.RequestSigner{KeyID: id.keyID(), Key: id.key, Now: c.now, Sequence: seq.take}
	return c
}

// now is the platform's time as far as it is known.
func (c *client) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall().Add(c.offset)
}

// ahead is by how much the host's clock is ahead of the platform's, 0 for too
// little to be worth telling.
func (c *client) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offset.Abs() < skewReported {
		return 0
	}
	return -c.offset
}

// exchange is one request.
type exchange struct {
	method, path string
	header       http.Header // beside what every request has; may be nil
	body         []byte
	timeout      time.Duration
	limit        int64 // bytes of the answer
}

// reply is an answer of the platform within 2xx.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends request as JSON, unless it is nil, and decodes the answer into
// answer, unless that is nil.
func (c *client) send(ctx context.Context, method, path string, request, answer any, limit int64) error {
	x := exchange{method: method, path: path, timeout: messageTimeout, limit: limit}
	if request != nil {
		var err error
		if x.body, err = json.Marshal(request); err != nil {
			return fmt.Errorf("encode request to %s: %w", path, err)
		}
	}
	got, err := c.do(ctx, x)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(got.body, answer); err != nil {
		return fmt.Errorf("decode answer from %s: %w", path, err)
	}
	return nil
}

// do performs an exchange. A request refused for the time or the number in its
// signature is repeated once: by then both are corrected.
func (c *client) do(ctx context.Context, x exchange) (*reply, error) {
	got, err := c.once(ctx, x)
	switch {
	case refusedAs(err, agentwire.ProblemReplayed):
		c.sequence.leap(c.wall())
	case refusedAs(err, agentwire.ProblemClockSkew):
	default:
		return got, err
	}
	return c.once(ctx, x)
}

func (c *client) once(ctx context.Context, x exchange) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, x.method, c.base+x.path, bytes.NewReader(x.body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", x.method, x.path, err)
	}
	for name, values := range x.header {
		request.Header[name] = values
	}
	if len(x.body) > 0 {
		request.Header.Set("Content-Type", "application/json")
		if x.method == http.MethodPut {
			request.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	if err := c.signer.Sign(request, x.body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", x.method, x.path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err // names method and address
	}
	defer response.Body.Close()
	c.correct(response)
	doc, err := io.ReadAll(io.LimitReader(response.Body, x.limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", x.method, x.path, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, c.refusal(request, response, doc)
	}
	if int64(len(doc)) > x.limit {
		return nil, fmt.Errorf("%s %s: answer has more than %d bytes", x.method, x.path, x.limit)
	}
	return &reply{response.StatusCode, response.Header, doc}, nil
}

// correct sets the offset of the clock from the Date of an answer whose sender
// TLS has verified.
func (c *client) correct(response *http.Response) {
	if response.TLS == nil || len(response.TLS.VerifiedChains) == 0 {
		return
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	offset := date.Add(time.Second / 2).Sub(c.wall())
	c.mu.Lock()
	before := c.offset
	if (offset - before).Abs() > skewKept {
		c.offset = offset
	}
	after := c.offset
	c.mu.Unlock()
	if (after - before).Abs() > skewReported {
		c.log.Warn("the clock of this host differs from the platform's: requests are signed with the platform's time",
			"host ahead by", (-after).Round(time.Second))
	}
}

func (c *client) refusal(request *http.Request, response *http.Response, doc []byte) *Refusal {
	refusal := &Refusal{Status: response.StatusCode}
	var problem agentwire.Problem
	if json.Unmarshal(doc, &problem) == nil {
		refusal.Code, refusal.Message, refusal.order = problem.Code, problem.Message, problem.Instruction
	}
	if refusal.order != nil {
		if signature, err := agentwire.ParseSignature(request); err == nil {
			refusal.request = signature.ID()
		}
	}
	if refusal.Message == "" {
		refusal.Message = http.StatusText(response.StatusCode)
	}
	refusal.Message = refusal.Message[:min(len(refusal.Message), maxMessageText)]
	refusal.RetryAfter = retryAfter(response.Header.Get("Retry-After"), c.now())
	return refusal
}

// retryAfter reads the two forms of the Retry-After field (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
