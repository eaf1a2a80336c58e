package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// defaultDownloadFragment is the size of download fragments of an agent that does
// not follow the legacy parameters: their value at every level.
const defaultDownloadFragment = 1 << 20

// Download gets a document of the platform, below its base address, and writes it
// to a writer as it comes. It is an error when the document has more than limit
// bytes, or changes on the way; what was written is then of no use. Requests are
// signed, and cut and slowed as the profile in force says.
type Download func(ctx context.Context, path string, to io.Writer, limit int64) error

// errChanged says that a document is not the one whose download began.
var errChanged = errors.New("document changed while it was downloaded")

// pace is how downloads are cut and slowed.
type pace struct {
	fragment int           // bytes of one request's answer
	pause    time.Duration // between two requests
	clock    Clock         // that the pause is taken on
}

// pace returns the pace of downloads under the profile in force: the parameters
// are for legacy agents.
func (a *Agent) pace() pace {
	if !a.cfg.Legacy {
		return pace{defaultDownloadFragment, 0, a.clock}
	}
	settings := a.settings()
	return pace{min(settings.DownloadFragmentBytes(), agentwire.MaxFragmentBytes), settings.DownloadThrottle(), a.clock}
}

// setPace rules every later fragment, also of a download in progress.
func (c *client) setPace(p pace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace = p
}

func (c *client) currentPace() pace {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pace
}

// download implements Download with range requests (RFC 9110, section 14). A
// platform, or something between, that does not serve ranges sends everything at
// once, within what a fragment may have.
func (c *client) download(ctx context.Context, path string, to io.Writer, limit int64) error {
	var d document
	for {
		p := c.currentPace()
		got, err := c.do(ctx, exchange{
			method: http.MethodGet, path: path, header: d.ask(p.fragment),
			timeout: fragmentTimeout, limit: min(limit, agentwire.MaxFragmentBytes),
		})
		if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.Status == http.StatusPreconditionFailed {
			return fmt.Errorf("download %s: %w", path, errChanged)
		}
		if err == nil {
			err = d.take(got, p.fragment, limit)
		}
		if err == nil {
			_, err = to.Write(got.body)
		}
		if err != nil {
			return fmt.Errorf("download %s: %w", path, err)
		}
		if d.have == d.size {
			return nil
		}
		if err := p.wait(ctx); err != nil {
			return fmt.Errorf("download %s: %w", path, err)
		}
	}
}

// document is how far a download has come.
type document struct {
	have, size int64
	tag        string // its strong entity tag; empty where it has none
}

// ask returns the header fields of the request for the next fragment.
func (d *document) ask(fragment int) http.Header {
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", d.have, d.have+int64(fragment)-1)}}
	if d.tag != "" {
		header["If-Match"] = []string{d.tag}
	}
	return header
}

// take accounts for an answer to a request for so many bytes. Only the last may
// have fewer, or the platform could keep an agent busy with crumbs.
func (d *document) take(got *reply, asked int, limit int64) error {
	length := int64(len(got.body))
	if got.status != http.StatusPartialContent {
		if d.have > 0 {
			return errChanged
		}
		d.have, d.size = length, length
		return nil
	}
	first, size, err := contentRange(got.header.Get("Content-Range"))
	switch {
	case err != nil:
		return err
	case size > limit:
		return fmt.Errorf("document has %d bytes, allowed are %d", size, limit)
	case d.have > 0 && size != d.size:
		return errChanged
	case first != d.have || length != min(int64(asked), size-first):
		return fmt.Errorf("answer holds %d bytes from %d of %d, asked for were %d from %d", length, first, size, asked, d.have)
	}
	d.have, d.size = first+length, size
	if tag := got.header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		d.tag = tag
	}
	return nil
}

// contentRange reads the field of one range, "bytes FIRST-LAST/SIZE".
func contentRange(field string) (first, size int64, err error) {
	span, total, _ := strings.Cut(strings.TrimPrefix(field, "bytes "), "/")
	from, _, _ := strings.Cut(span, "-")
	first, err = strconv.ParseInt(from, 10, 64)
	if err == nil {
		size, err = strconv.ParseInt(total, 10, 64)
	}
	if err != nil || first < 0 {
		return 0, 0, fmt.Errorf("answer has the Content-Range %.80q", field)
	}
	return first, size, nil
}

// wait waits for the next fragment.
func (p pace) wait(ctx context.Context) error {
	if p.pause <= 0 {
		return nil
	}
	expired, stop := p.clock.Timer(p.pause)
	defer stop()
	select {
	case <-expired:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
