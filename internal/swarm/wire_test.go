package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// line is a wire to a handler, over connections of its own.
func line(t *testing.T, connections int, speed float64, handler http.HandlerFunc) (*wire, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	m := newMeter(newClock(speed))
	requests, polls, err := newTransports(nil, connections, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(requests.CloseIdleConnections)
	t.Cleanup(polls.CloseIdleConnections)
	w := &wire{requests: requests, polls: polls, meter: m, speed: speed}
	w.connect()
	return w, server.URL
}

func ask(ctx context.Context, w *wire, method, url, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, _, err := w.roundTrip(request)
	return response, err
}

func TestRequestsAreCountedByKindWithTheirErrors(t *testing.T) {
	t.Parallel()
	w, url := line(t, 2, 1, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/commit") {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"busy","message":"later"}`)
			return
		}
		_, _ = io.WriteString(w, "{}")
	})
	for path, body := range map[string]string{
		agentwire.PathStatus: "12345", agentwire.PathUploads + "abc": "1", agentwire.PathUploads + "abc/fragments?offset=0": "22",
		agentwire.PathUploads + "abc/commit": "333", agentwire.PathScans + "7/state": "",
	} {
		response, err := ask(t.Context(), w, http.MethodPost, url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err := io.ReadAll(response.Body); err != nil || len(doc) == 0 {
			t.Errorf("%s: the answer is not handed on: %q, %v", path, doc, err)
		}
	}
	got := map[string]Requests{}
	for _, r := range w.meter.tallies(time.Second) {
		got[r.Kind] = r
	}
	for kind, sent := range map[string]int64{"status": 5, "upload start": 1, "upload fragment": 2, "upload commit": 3, "scan report": 0} {
		r, ok := got[kind]
		if !ok || r.Count != 1 || r.SentBytes != sent || r.ReceivedBytes == 0 || r.Latency.Max <= 0 {
			t.Errorf("%s: %+v, want one request of %d bytes", kind, r, sent)
		}
	}
	if n := got["upload commit"].Errors["503 busy"]; n != 1 {
		t.Errorf("errors of commits are %v, want one 503 busy", got["upload commit"].Errors)
	}
	if w.meter.sent.Load() < 500 || w.meter.received.Load() < 500 {
		t.Errorf("%d bytes sent and %d received on the network, want headers too", w.meter.sent.Load(), w.meter.received.Load())
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	w, url := line(t, 2, 1, func(http.ResponseWriter, *http.Request) { <-release })
	done := make(chan error, 6)
	for range 6 {
		go func() {
			_, err := ask(t.Context(), w, http.MethodPost, url+agentwire.PathStatus, "")
			done <- err
		}()
	}
	for range 6 {
		release <- struct{}{}
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := w.meter.opened.Load(); n < 1 || n > 2 {
		t.Errorf("%d connections were opened, want 2 at most", n)
	}
}

func TestAnOutageCutsRequestsOnTheirWay(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	w, url := line(t, 2, 1, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == agentwire.PathWakeup {
			close(arrived)
			<-r.Context().Done()
		}
	})
	held := make(chan error, 1)
	go func() {
		_, err := ask(t.Context(), w, http.MethodGet, url+agentwire.PathWakeup, "")
		held <- err
	}()
	<-arrived
	lost := w.cut()
	if err := <-held; !errors.Is(err, errOutage) {
		t.Errorf("the poll ended with %v, want the outage", err)
	}
	if _, err := ask(t.Context(), w, http.MethodPost, url+agentwire.PathStatus, ""); !errors.Is(err, errOutage) {
		t.Errorf("a request in the outage: %v", err)
	}
	w.connect()
	if _, err := ask(t.Context(), w, http.MethodPost, url+agentwire.PathStatus, ""); err != nil {
		t.Errorf("a request after the outage: %v", err)
	}
	if n := lost(); n != 2 {
		t.Errorf("%d requests were lost, want 2", n)
	}
	if n := w.meter.failed.Load(); n != 0 {
		t.Errorf("%d requests count as failed, want none: the outage is the scenario's", n)
	}
}

func TestRetryAfterIsInTheTimeOfTheWorld(t *testing.T) {
	t.Parallel()
	w, url := line(t, 1, 60, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	response, err := ask(t.Context(), w, http.MethodPost, url+agentwire.PathStatus, "")
	if err != nil || response.Header.Get("Retry-After") != "120" {
		t.Errorf("agents are told %v (%v), want 120 of their seconds for 2 of the world's", response.Header, err)
	}
}

func TestFailuresHaveNames(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"connection refused":          fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"connection cut":              fmt.Errorf("read: %w", syscall.ECONNRESET),
		"timed out":                   fmt.Errorf("get: %w", context.DeadlineExceeded),
		"out of sockets on this side": &net.OpError{Op: "dial", Err: syscall.EMFILE},
		"network":                     errors.New("something else"),
	} {
		if got := failureOf(err); got != want {
			t.Errorf("%v is called %q, want %q", err, got, want)
		}
	}
}

func TestTheBusiestMinuteIsComparedWithAll(t *testing.T) {
	t.Parallel()
	if got := outageReport(3, []int{10, 30, 20, 20}); got.PeakPerMinute != 30 || got.MeanPerMinute != 20 || got.PeakToMean != 1.5 || got.Lost != 3 {
		t.Errorf("report is %+v", got)
	}
	if got := outageReport(0, nil); got.PeakToMean != 0 {
		t.Errorf("report of no minute is %+v", got)
	}
}
