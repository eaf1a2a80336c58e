package failures

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// platform is a real HTTP server with a few routes of operators and one of
// agents, on which requests fail on demand.
type platform struct {
	*httptest.Server
	clock    *clock
	injector *Injector
	ended    chan struct{} // gets a value at the end of each request, where not nil

	mu      sync.Mutex
	handled int // requests that reached a handler
}

// hostNames make a page of about 700 bytes in either form.
var hostNames = []string{"edge-cache-01", "edge-cache-02", "edge-cache-03"}

type settings struct {
	header bool
	script string
	http2  bool
	limits *server.Limits
}

func newPlatform(t *testing.T, s settings) *platform {
	t.Helper()
	p := &platform{clock: &clock{}}
	var script *Script
	if s.script != "" {
		var err error
		if script, err = ReadScript(strings.NewReader(s.script)); err != nil {
			t.Fatal(err)
		}
	}
	p.injector = New(s.header, script, p.clock.after)
	routes, err := p.injector.Wrap(p.routes(s.limits))
	if err != nil {
		t.Fatal(err)
	}
	mux := server.NewMux(slog.New(slog.DiscardHandler))
	mux.Add(routes...)
	mux.Add(server.Route{Path: "/agent/v1/status", Handler: p.says("text/plain", "checked in")})
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		if p.ended != nil {
			p.ended <- struct{}{}
		}
	}))
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if s.http2 {
		p.EnableHTTP2 = true
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

func (p *platform) routes(limits *server.Limits) []server.Route {
	guard, open := server.Guard{Users: users{}, Limits: limits}, server.Operation{Open: true}
	qpsRoute := func(path string, response *qps.Response) server.Route {
		return server.Route{
			Path: path, MaxBody: 1 << 10, WriteFailure: writeEnvelope,
			Handler: guard.Protect(open, p.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					server.Fail(w, r, err)
					return
				}
				write(w, r, 200, response)
			}))),
		}
	}
	hosts := make([]qps.Record, len(hostNames))
	for i, name := range hostNames {
		hosts[i] = &qps.HostAsset{ID: int64(i + 1), Name: name, OS: "Debian GNU/Linux 12 (bookworm)"}
	}
	return []server.Route{
		qpsRoute("/qps/rest/{version}/search/am/hostasset", qps.NewPage(qps.SchemaHostAsset, hosts, false, 0)),
		qpsRoute("/qps/rest/{version}/count/am/hostasset", qps.NewCount(qps.SchemaHostAsset, 3)),
		qpsRoute("/qps/rest/{version}/get/am/hostasset/{id}", qps.NewResult(qps.SchemaHostAsset, hosts[0])),
		qpsRoute("/qps/rest/{version}/ods/ca/agentasset/{id}", qps.NewResult(qps.SchemaAgentAsset, &qps.AgentAsset{ID: 1})),
		{Methods: []string{"GET"}, Path: "/automation/v1/scans", Handler: guard.Protect(open, p.says("application/json", `{"scans":[]}`))},
		{Methods: []string{"GET"}, Path: "/open", Handler: p.says("text/plain", "for strangers")},
	}
}

func (p *platform) says(media, text string) http.Handler {
	return p.counted(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, text)
	}))
}

func (p *platform) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.handled++
		p.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

func (p *platform) reached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}

func write(w http.ResponseWriter, r *http.Request, status int, response *qps.Response) {
	form := qps.AcceptForm(r.Header.Get("Accept"))
	w.Header().Set("Content-Type", form.ContentType())
	w.WriteHeader(status)
	_, _ = w.Write(qps.AppendResponse(nil, form, response, nil))
}

func writeEnvelope(w http.ResponseWriter, r *http.Request, f server.Failure) {
	write(w, r, f.QPSStatus, qps.NewError(qps.SchemaHostAsset, f.QPSCode, f.Message, f.Resolution))
}

// users are admin and scanner; the password of both is "right". There are no
// tokens.
type users struct{}

func (users) Authenticate(_ context.Context, username, password, _ string) (access.Principal, error) {
	if password != "right" || username != "admin" && username != "scanner" {
		return access.Principal{}, fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
	}
	return access.NewPrincipal(access.User{Username: username, Roles: []access.Role{{Manager: true}}}), nil
}

func (users) AuthenticateToken(context.Context, string, string) (access.Principal, error) {
	return access.Principal{}, server.NoCredentials()
}

// clock remembers delays, which end at once unless it is stopped.
type clock struct {
	mu      sync.Mutex
	stopped bool
	delays  []time.Duration
	begun   chan struct{} // gets a value for each delay, where not nil
}

func (c *clock) after(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delays = append(c.delays, d)
	if c.begun != nil {
		c.begun <- struct{}{}
	}
	ended := make(chan time.Time, 1)
	if !c.stopped {
		ended <- time.Time{}
	}
	return ended
}

func (c *clock) waited() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delays
}

// request is one call of admin; the zero values are a POST that accepts XML.
type request struct {
	method, path string
	accept       string
	failure      string
	user         string
	body         string
}

const search = "/qps/rest/2.0/search/am/hostasset"

// answer is what a client sees; err is that of reading the body.
type answer struct {
	*http.Response
	body string
	err  error
}

// send sends a request; err is set where there is no answer at all.
func (p *platform) send(ctx context.Context, t *testing.T, q request) (answer, error) {
	t.Helper()
	if q.method == "" {
		q.method = "POST"
	}
	if q.user == "" {
		q.user = "admin"
	}
	r, err := http.NewRequestWithContext(ctx, q.method, p.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(q.user, "right")
	if q.user == "-" {
		r.Header.Del("Authorization")
	}
	if q.accept != "" {
		r.Header.Set("Accept", q.accept)
	}
	if q.failure != "" {
		r.Header.Set(Header, q.failure)
	}
	resp, err := p.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{Response: resp, body: string(body), err: err}, nil
}

// must sends a request that is answered.
func (p *platform) must(t *testing.T, q request) answer {
	t.Helper()
	a, err := p.send(t.Context(), t, q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
