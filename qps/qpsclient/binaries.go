package qpsclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"time"

	"vedette.dev/vedette/qps"
)

// BinaryInfo returns the agent packages a platform offers for a platform and an
// architecture of agents, of which each may be qps.BinaryAll. For a pair that is
// named and has none it returns what the platform says, for the others an empty
// list.
func (c *Client) BinaryInfo(ctx context.Context, platform, architecture string) ([]qps.BinaryPlatform, error) {
	resp, err := c.envelope(ctx, post("/qps/rest/1.0/process/ca/binaryinfo", binaryRequest(qps.BinaryInfoElement, platform, architecture)))
	if err != nil {
		return nil, fmt.Errorf("get binary information: %w", err)
	}
	var packages []qps.BinaryPlatform
	for _, r := range resp.Records {
		if info, ok := r.(*qps.AllBinaryInfo); ok {
			packages = append(packages, info.Platforms...)
		}
	}
	return packages, nil
}

func binaryRequest(element, platform, architecture string) *qps.Request {
	return &qps.Request{Data: &qps.Node{Name: "data", Children: []*qps.Node{{Name: element, Children: []*qps.Node{
		{Name: "platform", Text: platform}, {Name: "architecture", Text: architecture},
	}}}}}
}

// BinaryDownload names an agent package.
type BinaryDownload struct {
	Platform     string // of agents, such as LINUX_UBUNTU
	Architecture string // such as X_64
	// Hash is what BinaryInfo says of the package. A download that differs is an
	// error, KindDamaged. An empty one is not compared.
	Hash string
}

// DownloadBinary writes the bytes of an agent package to w and returns how many
// there were. After an error, what w got is of no use. Only attempts that have
// written nothing are repeated; errors of w come back as they are. At most
// MaxBinaryBytes are read, within DownloadTimeout.
func (c *Client) DownloadBinary(ctx context.Context, d BinaryDownload, w io.Writer) (int64, error) {
	out := &verifiedWriter{w: w, hash: sha256.New()}
	if d.Hash != "" {
		label, sum, ok := qps.ParseBinaryHash(d.Hash)
		algorithm := binaryHashes[label]
		if !ok || algorithm == nil {
			return 0, fmt.Errorf("download binary: hash %q is not of a known form such as %q", excerpt([]byte(d.Hash)), qps.BinarySHA256+": 0f…")
		}
		out.hash, out.want = algorithm(), sum
	}
	var failed error
	err := c.retry(ctx, false, func() error {
		err := c.downloadOnce(ctx, d, out)
		if out.written > 0 {
			failed = err // what is written cannot be taken back
			return nil
		}
		return err
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = c.verify(out)
	}
	if err != nil {
		return out.written, fmt.Errorf("download binary: %w", err)
	}
	return out.written, nil
}

// binaryHashes are the algorithms by their labels.
var binaryHashes = map[string]func() hash.Hash{
	qps.BinarySHA256: sha256.New, qps.BinarySHA384: sha512.New384, qps.BinarySHA512: sha512.New,
}

// verifiedWriter hashes what passes, and remembers an error of the writer, so
// that a full disk is told from a broken connection.
type verifiedWriter struct {
	w       io.Writer
	hash    hash.Hash
	want    []byte // nil for nothing to compare
	written int64
	err     error
}

func (v *verifiedWriter) Write(p []byte) (int, error) {
	n, err := v.w.Write(p)
	v.hash.Write(p[:n])
	v.written += int64(n)
	v.err = err
	return n, err
}

func (c *Client) verify(out *verifiedWriter) error {
	if got := out.hash.Sum(nil); out.want != nil && !slices.Equal(got, out.want) {
		return &TransportError{Kind: KindDamaged, Host: c.base.Host, Err: fmt.Errorf("the hash of its %d bytes is %x, not %x", out.written, got, out.want)}
	}
	return nil
}

// errStalled ends an attempt in which nothing arrives any more.
var errStalled = errors.New("nothing arrived any more")

func (c *Client) downloadOnce(ctx context.Context, d BinaryDownload, out *verifiedWriter) error {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.limits.downloadStall, func() { cancel(errStalled) })
	defer stall.Stop()
	in := post("/qps/rest/1.0/download/ca/downloadbinary", binaryRequest(qps.DownloadBinaryElement, d.Platform, d.Architecture))
	in.accept, in.maxBytes, in.timeout = "*/*", c.limits.downloadBytes, c.limits.downloadTimeout
	var refused error
	err := c.attempt(bounded, in, func(_ http.Header, body io.Reader) (err error) {
		arriving := readerFunc(func(p []byte) (int, error) {
			stall.Reset(c.limits.downloadStall)
			return body.Read(p)
		})
		refused, err = receive(arriving, out)
		return err
	})
	switch {
	case out.err != nil:
		return out.err
	case err != nil && errors.Is(context.Cause(bounded), errStalled):
		return &TransportError{Kind: KindTimeout, Host: c.base.Host, Err: errStalled}
	case err != nil:
		return err
	}
	return refused
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// receive copies the bytes of a package. Failures come as an envelope, with
// status 200 as well, so an answer is looked at before it is taken for a package:
// refused is what an envelope says.
func receive(body io.Reader, out io.Writer) (refused, err error) {
	const enoughToTell = 64 // bytes
	in := bufio.NewReader(body)
	head, err := in.Peek(enoughToTell)
	if len(head) == 0 {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, err
	}
	if isText(head) {
		resp, err := qps.DecodeResponse(in, qps.XML)
		if err != nil {
			return nil, err
		}
		if refused = resp.Err(http.StatusOK); refused == nil {
			err = errors.New("an envelope stands where the package is expected")
		}
		return refused, err
	}
	_, err = io.Copy(out, in)
	return nil, err
}

// isText tells an envelope, or the page of a proxy, from a package by its first
// bytes: no format of packages begins like XML or JSON. Which media type comes
// with a package is not documented.
func isText(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
	return len(head) > 0 && (head[0] == '<' || head[0] == '{')
}
