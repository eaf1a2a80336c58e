package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Times of a download.
const (
	// DownloadTimeout is the Route.Timeout of downloads: 40 MB at 11 kB/s.
	DownloadTimeout = time.Hour
	// DownloadStall is how long a client may take nothing before it is cut. A
	// kernel wakes a writer when a part of its buffer is free again, so at 11 kB/s
	// more than a minute may pass between two writes of a download that goes on.
	DownloadStall = 2 * time.Minute
)

// downloadChunk is what is written between two looks at the clock.
const downloadChunk = 64 << 10

// Download is a file that is sent as it is. Ranges and conditions are not looked
// at: for the methods with which files are asked for here they have no meaning
// (RFC 9110, section 14.2).
type Download struct {
	Name    string // that the client is told, without a folder
	Size    int64  // in bytes
	Content io.Reader
	Stall   time.Duration // 0 means DownloadStall
}

// Send answers a request with the file. The time it may take is that of the
// request's context, and DownloadStall for each part of it; the connection is cut
// when one has passed, or when the file cannot be read to its end, so that the
// client does not take half of it for the whole.
func (d Download) Send(w http.ResponseWriter, r *http.Request) {
	if d.Stall == 0 {
		d.Stall = DownloadStall
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(d.Size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	w.WriteHeader(http.StatusOK)
	err := d.copy(r.Context(), w)
	if err == nil {
		return
	}
	ex := exchangeOf(r.Context())
	ex.err = err
	if cause, ok := errors.AsType[*contentError](err); ok {
		ex.log.WarnContext(r.Context(), "a file could not be sent to its end", slog.String("file", d.Name), slog.Any("error", cause.Err))
	}
	panic(http.ErrAbortHandler)
}

// contentError is a failure of the file, rather than of the connection.
type contentError struct{ Err error }

func (e *contentError) Error() string { return "read file: " + e.Err.Error() }

func (e *contentError) Unwrap() error { return e.Err }

func (d Download) copy(ctx context.Context, w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	chunk := make([]byte, downloadChunk)
	for left := d.Size; left > 0; {
		n, err := io.ReadFull(d.Content, chunk[:min(left, downloadChunk)])
		if err != nil {
			return &contentError{err}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		limit := time.Now().Add(d.Stall)
		if end, ok := ctx.Deadline(); ok && end.Before(limit) {
			limit = end
		}
		// A connection without deadlines, which only tests have, has nothing to limit.
		_ = control.SetWriteDeadline(limit)
		if _, err := w.Write(chunk[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}
