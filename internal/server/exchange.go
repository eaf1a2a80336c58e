package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"
)

// exchange is what is known of a request and its answer while it is handled.
type exchange struct {
	log          *slog.Logger
	writeFailure func(http.ResponseWriter, *http.Request, Failure)
	user         string    // who asked, once authenticated
	err          error     // what the request failed with
	audit        *auditing // nil outside of a Guard
	inner        Inner     // what comes before the route's handler, nil for nothing
}

type exchangeKey struct{}

// exchangeOf returns the exchange of a request's context, an empty one outside
// of Mux.
func exchangeOf(ctx context.Context) *exchange {
	if ex, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return ex
	}
	return &exchange{log: slog.New(slog.DiscardHandler), writeFailure: WriteProblem}
}

// Fail answers a request with a failure, in the form of its route, and leaves
// err for the log. Nothing may have been written before, and nothing may be
// after.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	FailAs(w, r, Explain(err), err)
}

// FailAs answers a request like Fail, with another failure than Explain makes of
// err.
func FailAs(w http.ResponseWriter, r *http.Request, f Failure, err error) {
	ex := exchangeOf(r.Context())
	ex.err = err
	f.setHeader(w.Header())
	ex.writeFailure(w, r, f)
}

// Drop ends a request without an answer and leaves err for the log. It does not
// return: the connection, or the stream of HTTP/2, is cut.
func Drop(r *http.Request, err error) {
	exchangeOf(r.Context()).err = err
	panic(http.ErrAbortHandler)
}

// Problem is the body of a failure of an API whose HTTP status carries the
// outcome.
type Problem struct {
	Code       string `json:"code"` // a fault.Code
	Message    string `json:"message"`
	Resolution string `json:"resolution"`
	Problems   any    `json:"problems,omitempty"` // those of a Failure
}

// WriteProblem writes a failure as a Problem in JSON.
func WriteProblem(w http.ResponseWriter, r *http.Request, f Failure) {
	// Strings and numbers of ours: encoding cannot fail.
	body, _ := json.Marshal(Problem{Code: string(f.Code), Message: f.Message, Resolution: f.Resolution, Problems: f.Problems})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone cannot be told
}

// recorder remembers what was answered. ResponseController reaches the
// connection through it.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && status >= http.StatusOK {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// limitExchange puts the limits of a route on a request and its connection.
func limitExchange(w http.ResponseWriter, r *http.Request, rt *Route) {
	control := http.NewResponseController(w)
	now := time.Now()
	// A connection without deadlines, which only tests have, has nothing to limit.
	_ = control.SetWriteDeadline(now.Add(rt.Timeout + writeGrace))
	if r.Body == nil || r.Body == http.NoBody {
		_ = control.SetReadDeadline(time.Time{})
		return
	}
	_ = control.SetReadDeadline(now.Add(rt.BodyTimeout))
	if rec, ok := w.(*recorder); ok {
		// The connection's own writer, so that the limit closes the connection.
		w = rec.ResponseWriter
	}
	r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, r.Body, rt.MaxBody), control: control}
}

// timedBody names the failure of a body that takes too long, and lifts the read
// deadline once the body is complete. Left in place it would fire while the
// handler works, and the server would take that for a client that hung up.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		err = slowBody(err)
	}
	return n, err
}

// logRequest logs every request at debug and what the platform is to blame for
// at warn. Errors of clients, and clients that hang up, are expected.
func (m *Mux) logRequest(r *http.Request, rec *recorder, ex *exchange, took time.Duration) {
	ctx := r.Context()
	level := slog.LevelDebug
	// Busy is the platform protecting itself, as often as others make it.
	blamed := rec.status >= http.StatusInternalServerError && rec.status != http.StatusServiceUnavailable
	if blamed && !errors.Is(ctx.Err(), context.Canceled) {
		level = slog.LevelWarn
	}
	if !m.log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("method", Echo(r.Method)), slog.String("path", Echo(r.URL.Path)),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
		slog.String("from", r.RemoteAddr),
	}
	if ex.user != "" {
		attributes = append(attributes, slog.String("user", ex.user))
	}
	if ex.err != nil {
		attributes = append(attributes, slog.Any("error", ex.err))
	}
	m.log.LogAttrs(ctx, level, "request", attributes...)
}
