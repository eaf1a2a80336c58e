package qpsclient

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/qps"
)

// platform is a test server that answers from a script and remembers what it
// was asked. Once the script has ended, its last answer repeats.
type platform struct {
	*httptest.Server
	mu       sync.Mutex
	script   []http.HandlerFunc
	requests []request
}

type request struct {
	method, uri, body string
	header            http.Header
}

func newPlatform(t *testing.T, script ...http.HandlerFunc) *platform {
	t.Helper()
	p := &platform{script: script}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, request{r.Method, r.RequestURI, string(body), r.Header.Clone()})
	answer := p.script[min(len(p.requests), len(p.script))-1]
	p.mu.Unlock()
	answer(w, r)
}

func (p *platform) received() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.requests...)
}

// answer returns a handler that sends a status, headers and a body.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// envelope returns a handler that sends a response of the API.
func envelope(status int, resp *qps.Response) http.HandlerFunc {
	return answer(status, string(qps.AppendResponse(nil, qps.XML, resp, nil)))
}

func countOf(n int64) http.HandlerFunc { return envelope(200, qps.NewCount(qps.SchemaHostAsset, n)) }

func refusal(status int, code qps.ResponseCode, message, resolution string) http.HandlerFunc {
	return envelope(status, qps.NewError(qps.SchemaHostAsset, code, message, resolution))
}

func page(more bool, lastID int64, ids ...int64) http.HandlerFunc {
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = &qps.HostAsset{ID: id, Name: "host"}
	}
	return envelope(200, qps.NewPage(qps.SchemaHostAsset, records, more, lastID))
}

// waits records sleeps instead of sleeping.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	return ctx.Err()
}

// testNow is the clock of the tests.
func testNow() time.Time { return time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC) }

const testPassword = "correct horse"

// newClient returns a client whose jitter always chooses half of the range.
func newClient(t *testing.T, baseURL string, change ...func(*Config)) (*Client, *waits) {
	t.Helper()
	w := &waits{}
	cfg := Config{
		BaseURL: baseURL, Username: "scanner", Password: testPassword,
		Now: testNow, Sleep: w.sleep, Rand: func() float64 { return 0.5 },
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

// mustNotLeak fails when an error shows the password, plain or as sent.
func mustNotLeak(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.Contains(text, testPassword) || strings.Contains(text, "c2Nhbm5lcj") {
		t.Errorf("error shows credentials: %s", text)
	}
}
