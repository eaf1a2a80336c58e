package sessiontest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"crypto/tls"
	"crypto/x509"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// Runner stands in for the scan worker: it takes as long as Takes, finds what
// Host returns and writes the files a worker writes, without compression.
type Runner struct {
	Takes time.Duration
	Host  func() *agentwire.Snapshot
	Fail  error

	mu   sync.Mutex
	jobs []scan.Job
	runs []Run
}

// Run is when a scan of a module ran; End is zero while it does.
type Run struct {
	Module     agentwire.Module
	Start, End time.Time
}

// Runs returns when the scans so far ran, those of one module or, for "", all.
func (r *Runner) Runs(module agentwire.Module) (runs []Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.runs {
		if module == "" || run.Module == module {
			runs = append(runs, run)
		}
	}
	return runs
}

// Jobs returns the scans so far.
func (r *Runner) Jobs() []scan.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]scan.Job(nil), r.jobs...)
}

// SetFail makes scans that begin from now on end with an error, or well again.
func (r *Runner) SetFail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Fail = err
}

// Scan implements session.Runner.
func (r *Runner) Scan(ctx context.Context, job scan.Job) (*scan.Result, error) {
	r.mu.Lock()
	r.jobs = append(r.jobs, job)
	fail, at := r.Fail, len(r.runs)
	r.runs = append(r.runs, Run{Module: job.Module, Start: time.Now()})
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.runs[at].End = time.Now()
	}()
	timer := time.NewTimer(r.Takes)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	}
	if fail != nil {
		return nil, fail
	}
	next := r.Host()
	next.Normalize()
	var base *agentwire.Snapshot
	if doc, err := os.ReadFile(scan.SnapshotPath(job.StateDir, job.Base)); job.Base != "" && err == nil {
		base = &agentwire.Snapshot{}
		if err := json.Unmarshal(doc, base); err != nil {
			return nil, err
		}
	}
	delta := agentwire.Diff(base, next)
	snapshot, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(delta)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(doc)
	digest := hex.EncodeToString(sum[:])
	if err := errors.Join(
		os.WriteFile(scan.SnapshotPath(job.StateDir, delta.Result), snapshot, 0o600),
		os.WriteFile(scan.SpoolPath(job.StateDir, digest), doc, 0o600),
	); err != nil {
		return nil, err
	}
	return &scan.Result{
		Base: delta.Base, Snapshot: delta.Result, Upload: digest, UploadSize: int64(len(doc)), Unchanged: delta.Empty(),
		Collectors: []scan.Collected{{Name: "packages", Entries: len(next.Software)}},
	}, nil
}

// Wire is an http.RoundTripper that hands requests to a handler in memory, as if
// over verified TLS. It works in a synctest bubble, where sockets do not.
type Wire struct {
	Handler http.Handler
	// Cut, unless nil, is asked before and after each request is handled; an error
	// is a connection that broke then.
	Cut func(r *http.Request, handled bool) error
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.Cut != nil {
		if err := w.Cut(r, false); err != nil {
			return nil, err
		}
	}
	recorder := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Handler.ServeHTTP(recorder, r.Clone(r.Context()))
	}()
	<-done // handlers end with the request's context
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if w.Cut != nil {
		if err := w.Cut(r, true); err != nil {
			return nil, err
		}
	}
	response := recorder.Result()
	response.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	return response, nil
}
