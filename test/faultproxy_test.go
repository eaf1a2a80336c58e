package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/server/certificate"
)

// held is how many requests overtake one that is held up.
const held = 2

// late is a request that is sent on after others.
type late struct {
	request *http.Request
	behind  int // requests that still overtake it
}

// proxy stands between an agent and its platform, as a load balancer that ends
// TLS does, and does to one request at a time what a fault says. It keeps what the
// platform has acknowledged.
type proxy struct {
	server *httptest.Server
	ca     string // path of the certificate to trust
	strike func(fault)

	mu       sync.Mutex
	platform string // base URL; empty while there is none
	client   *http.Client
	armed    []fault
	struck   int
	late     []*late
	last     time.Time // of a request other than the wake-up poll

	agents    []string // ids that provisioning was answered with
	results   map[string]string
	committed string // snapshot of the last upload that was acknowledged as committed
	underway  string // snapshot of a commit without an answer yet
}

func newProxy(t *testing.T, strike func(fault)) *proxy {
	t.Helper()
	authority, err := certificate.NewAuthority("faults", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca, _, err := authority.PEM()
	if err != nil {
		t.Fatal(err)
	}
	certificatePEM, keyPEM, err := authority.Issue([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ca: filepath.Join(t.TempDir(), "ca.pem"), strike: strike, results: map[string]string{}, last: time.Now()}
	if err := os.WriteFile(p.ca, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are cut on purpose
	p.server.StartTLS()
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
	})
	return p
}

// lead sends requests to a platform from now on; to none with an empty address.
func (p *proxy) lead(t *testing.T, platform, caFile string) {
	t.Helper()
	roots := x509.NewCertPool()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			t.Fatalf("read %s: %v", caFile, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
	p.platform = platform
	p.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableCompression: true,
	}}
}

// arm makes faults strike, each the first request of its step.
func (p *proxy) arm(faults ...fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = append(p.armed, faults...)
}

// disarm lets everything pass, also what was held up.
func (p *proxy) disarm() {
	p.mu.Lock()
	p.armed = nil
	waiting := p.late
	p.late = nil
	p.mu.Unlock()
	for _, l := range waiting {
		p.sendLate(l)
	}
}

// take returns the fault that is armed for a step, and disarms it.
func (p *proxy) take(at step) (fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.armed, func(f fault) bool { return f.step == at })
	if i < 0 {
		return fault{}, false
	}
	f := p.armed[i]
	p.armed = slices.Delete(p.armed, i, i+1)
	p.struck++
	return f, true
}

// quiet returns for how long the agent has asked for nothing.
func (p *proxy) quiet() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last)
}

// ServeHTTP does to a request what the fault says that is armed for its step. A
// connection is cut where the agent gets no answer.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, agentwire.MaxFragmentBytes))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	at := stepOf(r.URL.Path)
	if at != stepWakeup {
		p.mu.Lock()
		p.last = time.Now()
		p.mu.Unlock()
	}
	f, faulty := p.take(at)
	if !faulty {
		p.pass(w, r, body)
		p.overtaken(at)
		return
	}
	switch f.kind {
	case cut:
		if f.moment == after {
			_, _ = p.forward(r, body)
		}
		panic(http.ErrAbortHandler)
	case postpone:
		p.hold(r, body)
		panic(http.ErrAbortHandler)
	case duplicate:
		p.duplicate(w, r, body, f)
	default:
		p.kill(w, r, body, f)
	}
}

// duplicate sends a request twice; the agent gets the answer to either. Or the
// second one arrives after others.
func (p *proxy) duplicate(w http.ResponseWriter, r *http.Request, body []byte, f fault) {
	first, err := p.forward(r, body)
	if f.moment == during {
		p.hold(r, body)
		answer(w, first, err)
		return
	}
	second, errSecond := p.forward(r, body)
	if f.moment == after {
		first, err = second, errSecond
	}
	answer(w, first, err)
}

// kill strikes a process before it has got the request, while it works on it, or
// when all is said.
func (p *proxy) kill(w http.ResponseWriter, r *http.Request, body []byte, f fault) {
	switch f.moment {
	case before:
		p.strike(f)
		panic(http.ErrAbortHandler)
	case during:
		time.AfterFunc(f.delay, func() { p.strike(f) })
		p.pass(w, r, body)
	default:
		reply, err := p.forward(r, body)
		if f.kind == killAgent && f.delay%2 == 0 { // it never sees the answer
			p.strike(f)
		}
		defer time.AfterFunc(f.delay, func() { p.strike(f) })
		answer(w, reply, err)
	}
}

func (p *proxy) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	reply, err := p.forward(r, body)
	answer(w, reply, err)
}

// reply is an answer of the platform.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func answer(w http.ResponseWriter, got *reply, err error) {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range got.header {
		w.Header()[name] = values
	}
	w.WriteHeader(got.status)
	_, _ = w.Write(got.body) // the agent may be gone
	_ = http.NewResponseController(w).Flush()
}

var errNoPlatform = errors.New("no platform")

// forward sends a request on, unchanged but for the connection it takes.
func (p *proxy) forward(r *http.Request, body []byte) (*reply, error) {
	p.mu.Lock()
	platform, client := p.platform, p.client
	p.mu.Unlock()
	if platform == "" {
		return nil, errNoPlatform
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, platform+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	p.noteRequest(r, body)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	got := &reply{status: response.StatusCode, header: response.Header}
	if got.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	p.noteReply(r, got)
	return got, nil
}

// noteRequest keeps what an upload leads to, by its path, and which one may have
// been committed without a word: a small one goes with its start.
func (p *proxy) noteRequest(r *http.Request, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch stepOf(r.URL.Path) {
	case stepStart:
		var start agentwire.UploadStart
		if json.Unmarshal(body, &start) == nil {
			p.results[r.URL.Path] = start.Result
			if len(start.Data) > 0 {
				p.underway = start.Result
			}
		}
	case stepCommit:
		p.underway = p.results[strings.TrimSuffix(r.URL.Path, "/commit")]
	}
}

// noteReply keeps what the platform has acknowledged.
func (p *proxy) noteReply(r *http.Request, got *reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := stepOf(r.URL.Path)
	if at == stepCommit {
		p.underway = ""
	}
	if got.status != http.StatusOK {
		return
	}
	switch at {
	case stepProvision:
		var granted agentwire.ProvisionAnswer
		if json.Unmarshal(got.body, &granted) == nil && !slices.Contains(p.agents, granted.AgentID) {
			p.agents = append(p.agents, granted.AgentID)
		}
	case stepStart, stepCommit:
		var upload agentwire.UploadAnswer
		if json.Unmarshal(got.body, &upload) == nil && upload.State == agentwire.UploadCommitted {
			p.committed, p.underway = upload.Confirmed, ""
		}
	}
}

// acknowledged returns what the platform may hold of the host: the snapshot it
// has acknowledged last, and one whose commit it did not get to answer.
func (p *proxy) acknowledged() (committed, underway string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.committed, p.underway
}

// hold keeps a request back until others have overtaken it.
func (p *proxy) hold(r *http.Request, body []byte) {
	copied := r.Clone(context.WithoutCancel(r.Context()))
	copied.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, &late{request: copied, behind: held})
}

// overtaken lets requests go that enough others have overtaken.
func (p *proxy) overtaken(at step) {
	if at == stepWakeup {
		return
	}
	var due []*late
	p.mu.Lock()
	p.late = slices.DeleteFunc(p.late, func(l *late) bool {
		l.behind--
		if l.behind <= 0 {
			due = append(due, l)
		}
		return l.behind <= 0
	})
	p.mu.Unlock()
	for _, l := range due {
		p.sendLate(l)
	}
}

// sendLate sends a request whose agent waits for no answer any more.
func (p *proxy) sendLate(l *late) {
	ctx, cancel := context.WithTimeout(l.request.Context(), patience)
	defer cancel()
	body, err := io.ReadAll(l.request.Body)
	if err == nil {
		_, _ = p.forward(l.request.WithContext(ctx), body) // the platform may be gone
	}
}
