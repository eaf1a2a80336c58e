package agentapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/performance"
)

const agentID = "0f7c1c52-0000-4000-8000-00000000a004"

// platform is everything behind the gateway, in memory.
type platform struct {
	mu       sync.Mutex
	state    fleet.AgentState
	lookups  atomic.Int64
	enrolled []agentwire.ProvisionRequest
	demands  []ondemand.Request
	reports  []agentwire.ScanReport
	uploads  []string
	failing  error
	orders   map[string]fleet.Uninstall
	ruling   fleet.Ruling
	claims   []fleet.Claim
}

func (p *platform) AgentState(_ context.Context, id string) (fleet.AgentState, error) {
	p.lookups.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if id != p.state.AgentID {
		return fleet.AgentState{}, fault.Newf(fault.NotFound, "no agent %s", id)
	}
	return p.state, nil
}

func (p *platform) Judge(_ context.Context, _ fleet.AgentState, c fleet.Claim) (fleet.Ruling, error) {
	p.claims = append(p.claims, c)
	return p.ruling, p.failing
}

func (p *platform) SaveHeartbeats(context.Context, []fleet.Heartbeat) error { return nil }

func (p *platform) Enrol(_ context.Context, r agentwire.ProvisionRequest, _ string) (fleet.Enrolled, error) {
	if p.failing != nil {
		return fleet.Enrolled{}, p.failing
	}
	p.enrolled = append(p.enrolled, r)
	return fleet.Enrolled{HostID: 7, AgentID: agentID}, nil
}

func (p *platform) DeliverScanRequests(context.Context, int64, time.Time, int) ([]ondemand.Request, error) {
	return p.demands, p.failing
}

func (p *platform) ReportScanRequest(_ context.Context, _, id int64, report agentwire.ScanReport, _ time.Time) error {
	if id != 12 {
		return fault.Newf(fault.NotFound, "no on-demand request %d", id)
	}
	p.reports = append(p.reports, report)
	return nil
}

func (p *platform) Profile(context.Context, int64) (fleet.Profile, error) {
	return fleet.Profile{ID: 2, Name: "Normal", Performance: performance.Recommended(performance.Normal)}, p.failing
}

func (p *platform) Start(_ context.Context, _ int64, digest string, _ agentwire.UploadStart) (agentwire.UploadAnswer, error) {
	p.uploads = append(p.uploads, "start "+digest)
	return agentwire.UploadAnswer{State: agentwire.UploadOpen}, p.failing
}

func (p *platform) Fragment(_ context.Context, _ int64, digest string, offset int64, data []byte) (agentwire.UploadAnswer, error) {
	p.uploads = append(p.uploads, "fragment "+digest)
	return agentwire.UploadAnswer{State: agentwire.UploadOpen, Offset: offset + int64(len(data))}, p.failing
}

func (p *platform) Commit(_ context.Context, _ int64, digest string) (agentwire.UploadAnswer, error) {
	p.uploads = append(p.uploads, "commit "+digest)
	return agentwire.UploadAnswer{State: agentwire.UploadCommitted}, p.failing
}

func (p *platform) UninstallOrder(_ context.Context, id string) (fleet.Uninstall, error) {
	order, ok := p.orders[id]
	if !ok {
		return order, fault.Newf(fault.NotFound, "no order to %s", id)
	}
	return order, p.failing
}

func (p *platform) ConfirmUninstall(_ context.Context, id string, at time.Time) error {
	order := p.orders[id]
	order.State, order.Confirmed = fleet.UninstallConfirmed, at
	p.orders[id] = order
	return p.failing
}

// bundle is a gateway with one agent that talks to it.
type bundle struct {
	*platform
	gateway  *Gateway
	url      string
	signer   *agentwire.RequestSigner
	releases releases
	sequence uint64
	now      time.Time
}

func setup(t *testing.T) *bundle {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{
		now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		platform: &platform{state: fleet.AgentState{
			HostID: 7, AgentID: agentID, PublicKey: public, ProfileID: 2, ProfileVersion: 3, ManifestVersion: 1,
		}},
	}
	b.signer = &agentwire.RequestSigner{
		KeyID: agentID, Key: private, Now: func() time.Time { return b.now },
		Sequence: func() (uint64, error) { b.sequence++; return b.sequence, nil },
	}
	rootPublic, root, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	onlinePublic, online, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return b.now }
	log := slog.New(slog.DiscardHandler)
	b.gateway = &Gateway{
		Roster: fleet.NewRoster(b.platform, now), Pulse: fleet.NewPulse(b.platform, log), Wakeups: &fleet.Wakeups{},
		Enroller: b.platform, Arbiter: b.platform, Intake: b.platform, Demands: b.platform, Profiles: b.platform, Orders: b.platform,
		Releases: &b.releases, Upgrades: &b.releases,
		Signer: &Signer{Root: rootPublic, Key: online, Certificate: agentwire.CertifyInstructionKey(root, onlinePublic, b.now.Add(time.Hour))},
		Now:    now, Log: log,
	}
	mux := server.NewMux(log)
	mux.Add(b.gateway.Routes(server.NewBudget(64))...)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	b.url = web.URL
	return b
}

// request makes a signed request.
func (b *bundle) request(t testing.TB, method, path string, body any) *http.Request {
	t.Helper()
	content, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.signer.Sign(r, content); err != nil {
		t.Fatal(err)
	}
	return r
}

// send returns the status and the body of the answer.
func send(t testing.TB, r *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func problemCode(t *testing.T, body string) string {
	t.Helper()
	var problem agentwire.Problem
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Message == "" {
		t.Fatalf("%q is not a problem: %v", body, err)
	}
	return problem.Code
}

func TestRequestsThatMustNotBeTrustedAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*testing.T, *bundle, *http.Request)
		status int
		code   string
	}{
		{"no signature", func(_ *testing.T, _ *bundle, r *http.Request) { r.Header.Del("Signature-Input") }, 401, agentwire.ProblemBadSignature},
		{"another path", func(_ *testing.T, _ *bundle, r *http.Request) {
			r.URL.Path = agentwire.PathUploads + strings.Repeat("a", 64)
		}, 401, agentwire.ProblemBadSignature},
		{"a query that was not signed", func(_ *testing.T, _ *bundle, r *http.Request) { r.URL.RawQuery = "p=1" }, 401, agentwire.ProblemBadSignature},
		{"another body", func(_ *testing.T, _ *bundle, r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"v":"9"}`)), 9
		}, 401, agentwire.ProblemBadSignature},
		{"an unknown agent", func(t *testing.T, b *bundle, r *http.Request) {
			b.signer.KeyID = "ffffffff-0000-4000-8000-000000000000"
			if err := b.signer.Sign(r, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}, 404, agentwire.ProblemUnknownAgent},
		{"another key", func(t *testing.T, b *bundle, r *http.Request) {
			_, b.signer.Key, _ = ed25519.GenerateKey(nil)
			if err := b.signer.Sign(r, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}, 401, agentwire.ProblemBadSignature},
		{"a clock that is off", func(_ *testing.T, b *bundle, _ *http.Request) {
			b.now = b.now.Add(agentwire.MaxClockSkew + time.Second)
		}, 401, agentwire.ProblemClockSkew},
		{"a body above the limit", func(t *testing.T, b *bundle, r *http.Request) {
			content := bytes.Repeat([]byte("x"), agentwire.MaxMessageBytes+1)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
			if err := b.signer.Sign(r, content); err != nil {
				t.Fatal(err)
			}
		}, 413, agentwire.ProblemTooLarge},
		{"a control character in a text", func(t *testing.T, b *bundle, r *http.Request) {
			content := []byte(`{"v":"2.0\u0000"}`)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
			if err := b.signer.Sign(r, content); err != nil {
				t.Fatal(err)
			}
		}, 400, agentwire.ProblemInvalid},
		{"not JSON", func(t *testing.T, b *bundle, r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("<a/>")), 4
			if err := b.signer.Sign(r, []byte("<a/>")); err != nil {
				t.Fatal(err)
			}
		}, 400, agentwire.ProblemInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := b.request(t, http.MethodPost, agentwire.PathStatus, []byte(`{}`))
			test.change(t, b, r)
			status, body := send(t, r)
			if status != test.status || problemCode(t, body) != test.code {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.code)
			}
		})
	}
}

func TestAReplayedRequestIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(t, http.MethodPost, agentwire.PathStatus, []byte(`{}`))
	again := first.Clone(t.Context())
	again.Body, _ = first.GetBody()
	if status, body := send(t, first); status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	if status, body := send(t, again); status != http.StatusUnauthorized || problemCode(t, body) != agentwire.ProblemReplayed {
		t.Errorf("got %d %s", status, body)
	}
}

func TestProvisioningProvesPossessionOfTheKey(t *testing.T) {
	t.Parallel()
	message := func(b *bundle) agentwire.ProvisionRequest {
		return agentwire.ProvisionRequest{ActivationID: "key", CustomerID: "customer", PublicKey: b.state.PublicKey, Host: agentwire.Host{Name: "edge-1"}}
	}
	t.Run("with the key it brings", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		status, body := send(t, b.request(t, http.MethodPost, agentwire.PathProvision, message(b)))
		var got agentwire.ProvisionAnswer
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
			t.Fatalf("got %d %s: %v", status, body, err)
		}
		if got.AgentID != agentID || !bytes.Equal(got.Root, b.gateway.Signer.Root) || !got.Time.Equal(b.now) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("with another", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		m := message(b)
		_, b.signer.Key, _ = ed25519.GenerateKey(nil)
		status, body := send(t, b.request(t, http.MethodPost, agentwire.PathProvision, m))
		if status != http.StatusUnauthorized || problemCode(t, body) != agentwire.ProblemBadSignature || len(b.enrolled) != 0 {
			t.Errorf("got %d %s, %d enrolled", status, body, len(b.enrolled))
		}
	})
	t.Run("a key that may not be used", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.failing = fault.New(fault.Forbidden, "activation key is disabled", "Enable it.")
		status, body := send(t, b.request(t, http.MethodPost, agentwire.PathProvision, message(b)))
		if status != http.StatusForbidden || problemCode(t, body) != agentwire.ProblemKeyRefused || !strings.Contains(body, "disabled") {
			t.Errorf("got %d %s", status, body)
		}
	})
}
