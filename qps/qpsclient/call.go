package qpsclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/qps"
)

// call is one request of the API.
type call struct {
	method string
	path   string // below the base URL, with a leading slash, escaped
	query  string // as it goes on the wire
	body   []byte // nil for none
	media  string // of the body; empty means XML
	accept string
	key    string // Idempotency-Key; empty for none
	write  bool   // acts on the platform, so it is repeated only after a refusal
	// maxBytes bounds a successful answer; zero means that of envelopes.
	maxBytes int64
	// timeout bounds an attempt; zero means that of envelopes.
	timeout time.Duration
}

// mediaXML is what Qualys's own samples ask for.
const mediaXML, mediaJSON = "application/xml", "application/json"

// get and post describe calls of the QPS API.
func get(path string) call { return call{method: http.MethodGet, path: path, accept: mediaXML} }

func post(path string, req *qps.Request) call {
	return call{method: http.MethodPost, path: path, body: qps.EncodeRequest(qps.XML, req), accept: mediaXML}
}

// envelope makes a call of the QPS API and returns its successful answer.
func (c *Client) envelope(ctx context.Context, in call) (*qps.Response, error) {
	var out *qps.Response
	err := c.retry(ctx, in.write, func() error {
		return c.attempt(ctx, in, func(_ http.Header, body io.Reader) error {
			resp, err := qps.DecodeResponse(body, qps.XML)
			if err != nil {
				return err
			}
			out = resp
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, out.Err(http.StatusOK)
}

// attempt sends one request. decode reads the body of an answer with a status
// of 2xx; its errors, and those of reading, become a *TransportError.
func (c *Client) attempt(ctx context.Context, in call, decode func(h http.Header, body io.Reader) error) error {
	if r := c.rehearsal; r != nil && (in.write || r.Reads) {
		r.Record(Request{Method: in.method, Path: in.path, Query: in.query, Body: string(in.body)})
		return ErrRehearsed
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(in.timeout, c.limits.attemptTimeout))
	defer cancel()
	req, err := c.request(bounded, in)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer drain(resp.Body)
	body := &watchedReader{r: resp.Body, left: cmp.Or(in.maxBytes, c.limits.responseBytes)}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.statusError(resp, body)
	}
	switch err := decode(resp.Header, body); {
	case err == nil:
		return nil
	case body.err != nil:
		return c.transportError(ctx, body.err)
	default:
		return &TransportError{Kind: KindAnswer, Host: c.base.Host, Err: err}
	}
}

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	path, err := url.PathUnescape(in.path)
	if err != nil {
		return nil, fmt.Errorf("prepare request for %s: %w", in.path, err)
	}
	target := *c.base
	target.Path, target.RawPath = target.Path+path, target.EscapedPath()+in.path
	target.RawQuery = in.query
	var body io.Reader
	if in.body != nil {
		body = bytes.NewReader(in.body)
	}
	req, err := http.NewRequestWithContext(ctx, in.method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("prepare request for %s: %w", in.path, err)
	}
	req.Header.Set("Accept", in.accept)
	req.Header.Set("X-Requested-With", c.userAgent)
	req.Header.Set("User-Agent", c.userAgent)
	if in.body != nil {
		req.Header.Set("Content-Type", cmp.Or(in.media, "text/xml"))
	}
	key, err := idempotencyOf(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("prepare request for %s: %w", in.path, err)
	}
	if key != "" {
		req.Header[headerIdempotency] = []string{key}
	}
	c.authorize(req)
	return req, nil
}

// statusError describes an answer whose status is not 2xx.
func (c *Client) statusError(resp *http.Response, body io.Reader) *StatusError {
	e := &StatusError{StatusCode: resp.StatusCode, Wait: c.told(resp.Header), limited: limited(resp.Header)}
	text, err := io.ReadAll(io.LimitReader(body, errorBytes))
	if err != nil && len(text) == 0 {
		return e
	}
	if envelope, err := qps.DecodeResponse(bytes.NewReader(text), qps.XML); err == nil {
		e.err = envelope.Err(resp.StatusCode)
		return e
	}
	switch media := mediaType(resp.Header); media {
	case mediaJSON, "application/problem+json":
		var said struct {
			Code, Message, Resolution string
			Problems                  []PlaybookProblem
		}
		if json.Unmarshal(text, &said) == nil {
			e.Code, e.Message, e.Resolution, e.Problems = said.Code, said.Message, said.Resolution, said.Problems
		}
	case "text/plain", "":
		if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
			e.Message = excerpt(text)
		}
		if strings.Contains(e.Message, plainRequest) {
			e.Resolution = "The port speaks TLS: use https:// in the platform URL."
		}
	}
	return e
}

// plainRequest is what Go's server answers, without a media type, when a request
// without TLS reaches a TLS port.
const plainRequest = "HTTP request to an HTTPS server"

func mediaType(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// excerpt returns the beginning of a text as one printable line.
func excerpt(text []byte) string {
	text = text[:min(len(text), excerptBytes)]
	line := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(string(text), ""))
	return strings.Join(strings.Fields(line), " ")
}

// watchedReader bounds a body, and remembers why reading ended, so that a
// connection that broke is told from a document that is wrong.
type watchedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, fmt.Errorf("reading stopped: %w", qps.ErrTooLarge)
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// drain reads the rest of a short body so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}
