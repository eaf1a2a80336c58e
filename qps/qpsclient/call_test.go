package qpsclient

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func TestRequestsAreWhatTheAPIExpects(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, page(false, 7, 7))
	c, _ := newClient(t, p.URL+"/")
	search := HostAssetSearch{Criteria: []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "a<b"}}, Fields: []string{"name", "agentInfo.status"}}
	for _, err := range c.SearchHostAssets(context.Background(), search) {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := p.received()[0]
	if got.method != "POST" || got.uri != "/qps/rest/2.0/search/am/hostasset?fields=id,name,agentInfo.status" {
		t.Errorf("request line = %s %s, want the search with literal commas and one slash", got.method, got.uri)
	}
	if !strings.Contains(got.body, "a&lt;b</Criteria>") {
		t.Errorf("body = %s, want the value escaped", got.body)
	}
	want := map[string]string{
		"Content-Type": "text/xml", "Accept": "application/xml", "X-Requested-With": "vedette", "Authorization": "Basic c2Nhbm5lcjpjb3JyZWN0IGhvcnNl",
	}
	for name, value := range want {
		if got.header.Get(name) != value {
			t.Errorf("header %s = %q, want %q", name, got.header.Get(name), value)
		}
	}
}

func TestLaunchNamesTypeAndOverride(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAgentAsset, &qps.AgentAsset{ID: 7})))
	c, _ := newClient(t, p.URL)
	got, err := c.LaunchOnDemandScan(context.Background(), ScanLaunch{AssetID: 7, Type: PolicyComplianceScan, OverrideConfigCPU: true})
	if err != nil {
		t.Fatal(err)
	}
	if uri := p.received()[0].uri; uri != "/qps/rest/1.0/ods/ca/agentasset/7?scan=PolicyCompliance_Scan&overrideConfigCpu=true" {
		t.Errorf("request = %s", uri)
	}
	if diff := cmp.Diff(ScanLaunched{Count: 1, HasCount: true, AssetIDs: []int64{7}}, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestLaunchRefusesWhatWouldBeAMistake(t *testing.T) {
	t.Parallel()
	one := []qps.Criterion{{Field: "id", Operator: qps.OpIn, Value: "1"}}
	tests := []struct {
		name   string
		launch ScanLaunch
		want   string
	}{
		{"no selection", ScanLaunch{Type: InventoryScan}, "at least one criterion"},
		{"both selections", ScanLaunch{AssetID: 1, Criteria: one, Type: InventoryScan}, "not both"},
		{"negative id", ScanLaunch{AssetID: -1, Type: InventoryScan}, "asset id -1"},
		{"unknown type", ScanLaunch{AssetID: 1, Type: "Full_Scan"}, `"Full_Scan"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, countOf(1))
			c, _ := newClient(t, p.URL)
			if _, err := c.LaunchOnDemandScan(context.Background(), tt.launch); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
			if len(p.received()) != 0 {
				t.Error("a request was sent")
			}
		})
	}
}

func TestEnvelopeErrorsAreTyped(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer http.HandlerFunc
		code   qps.ResponseCode
		status int // of the StatusError, 0 for none
	}{
		{"wrong credentials with status 200", refusal(200, qps.CodeInvalidCredentials, "Authentication failed", "Verify both."), qps.CodeInvalidCredentials, 0},
		{"wrong credentials with status 401", refusal(401, qps.CodeInvalidCredentials, "Authentication failed", "Verify both."), qps.CodeInvalidCredentials, 401},
		{"internal error with status 500", refusal(500, qps.CodeOtherError, "An error occurred.", ""), qps.CodeOtherError, 500},
		{"in JSON although XML was asked for", answer(200, `{"ServiceResponse":{"responseCode":"NOT_FOUND","responseErrorDetails":{"errorMessage":"no"}}}`), qps.CodeNotFound, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.answer)
			c, _ := newClient(t, p.URL)
			_, err := c.GetHostAsset(context.Background(), 7)
			response, ok := errors.AsType[*qps.ResponseError](err)
			if !ok || response.Code != tt.code {
				t.Fatalf("error = %v, want response code %s", err, tt.code)
			}
			status, ok := errors.AsType[*StatusError](err)
			if ok != (tt.status != 0) || (ok && status.StatusCode != tt.status) {
				t.Errorf("status error = %v, want status %d", status, tt.status)
			}
			mustNotLeak(t, err)
		})
	}
}

func TestStatusErrorsSayWhatTheBodySays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"nothing for 401 without a body", answer(401, ""), "HTTP status 401 Unauthorized"},
		{"nothing for a page", answer(403, "<html><body>Blocked</body></html>", "Content-Type", "text/html"), "HTTP status 403 Forbidden"},
		{"plain text on one line", answer(400, "Client sent an HTTP request\nto an HTTPS server.\x1b[31m", "Content-Type", "text/plain; charset=utf-8"),
			"HTTP status 400 Bad Request: Client sent an HTTP request to an HTTPS server. [31m"},
		{"an excerpt of long text", answer(400, strings.Repeat("x", 1000), "Content-Type", "text/plain"),
			"HTTP status 400 Bad Request: " + strings.Repeat("x", excerptBytes)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.answer)
			c, _ := newClient(t, p.URL)
			_, err := c.CountHostAssets(context.Background(), nil)
			if want := "count host assets: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("error = %v\nwant    %s", err, want)
			}
		})
	}
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		blanks := []byte(strings.Repeat(" ", 64<<10))
		for {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"a page", answer(200, "<!DOCTYPE html><html></html>")},
		{"nothing", answer(200, "")},
		{"binary garbage", answer(200, "\x00\x01\x02\xff")},
		{"an envelope without a code", answer(200, "<ServiceResponse/>")},
		{"two documents", answer(200, "<ServiceResponse><responseCode>SUCCESS</responseCode></ServiceResponse><x/>")},
		{"success without the host", envelope(200, qps.NewResult(qps.SchemaHostAsset))},
		{"success with another host", page(false, 8, 8)},
		{"an answer without end", endless},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.answer)
			c, _ := newClient(t, p.URL)
			c.limits.responseBytes = 1 << 20
			_, err := c.GetHostAsset(context.Background(), 7)
			broken, ok := errors.AsType[*TransportError](err)
			if !ok || broken.Kind != KindAnswer {
				t.Errorf("error = %v, want a TransportError of kind answer", err)
			}
		})
	}
}

func TestSlowAnswersTimeOut(t *testing.T) {
	t.Parallel()
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<ServiceResponse>")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	p := newPlatform(t, slow)
	c, _ := newClient(t, p.URL, func(cfg *Config) { cfg.Tries = 1 })
	c.limits.attemptTimeout = 50 * time.Millisecond
	_, err := c.CountHostAssets(context.Background(), nil)
	broken, ok := errors.AsType[*TransportError](err)
	if !ok || broken.Kind != KindTimeout {
		t.Errorf("error = %v, want a TransportError of kind timeout", err)
	}
}

func TestCallersContextComesBackAsItself(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	p := newPlatform(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	c, _ := newClient(t, p.URL)
	_, err := c.CountHostAssets(ctx, nil)
	if _, broken := errors.AsType[*TransportError](err); broken || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and no TransportError", err)
	}
}

func TestRedirectsNeverCarryCredentialsAway(t *testing.T) {
	t.Parallel()
	elsewhere := newPlatform(t, countOf(1))
	to := func(target string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, status) }
	}
	read := func(c *Client) error { _, err := c.PortalVersion(context.Background()); return err }
	write := func(c *Client) error {
		_, err := c.LaunchOnDemandScan(context.Background(), ScanLaunch{AssetID: 1, Type: InventoryScan})
		return err
	}
	tests := []struct {
		name   string
		target string
		status int
		call   func(*Client) error
	}{
		{"read to another host with 302", elsewhere.URL, 302, read},
		{"read to another host with 307", elsewhere.URL, 307, read},
		{"write to another host with 308", elsewhere.URL, 308, write},
		{"write on the same host with 307", "/elsewhere", 307, write},
		{"write on the same host with 302", "/elsewhere", 302, write},
		{"read in a circle", "/qps/rest/portal/version", 302, read},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, to(tt.target, tt.status))
			c, _ := newClient(t, p.URL)
			err := tt.call(c)
			broken, ok := errors.AsType[*TransportError](err)
			if !ok || broken.Kind != KindRedirect {
				t.Fatalf("error = %v, want a TransportError of kind redirect", err)
			}
			if n := len(p.received()); n > maxRedirects+1 {
				t.Errorf("%d requests, want at most %d", n, maxRedirects+1)
			}
			mustNotLeak(t, err)
		})
	}
	t.Cleanup(func() {
		if n := len(elsewhere.received()); n != 0 {
			t.Errorf("the other host got %d requests, want none", n)
		}
	})
}

func TestReadFollowsARedirectOnItsHost(t *testing.T) {
	t.Parallel()
	p := newPlatform(t,
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
		},
		envelope(200, qps.NewResult(qps.SchemaPortalVersion, &qps.PortalVersion{Application: "3.9"})))
	c, _ := newClient(t, p.URL)
	v, err := c.PortalVersion(context.Background())
	if err != nil || v.Portal.Application != "3.9" {
		t.Errorf("PortalVersion = %+v, %v; want application 3.9", v, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(countOf(5))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point here
	server.StartTLS()
	t.Cleanup(server.Close)
	plain := newPlatform(t, countOf(5))
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")

	t.Run("a certificate of the CA file is trusted", func(t *testing.T) {
		t.Parallel()
		c, _ := newClient(t, server.URL, func(cfg *Config) { cfg.CAFile = caFile })
		if n, err := c.CountHostAssets(context.Background(), nil); err != nil || n != 5 {
			t.Errorf("CountHostAssets = %d, %v; want 5", n, err)
		}
	})
	t.Run("a request without TLS to a TLS port is told to use it", func(t *testing.T) {
		t.Parallel()
		c, _ := newClient(t, strings.Replace(server.URL, "https:", "http:", 1))
		_, err := c.CountHostAssets(context.Background(), nil)
		status, ok := errors.AsType[*StatusError](err)
		if !ok || !strings.Contains(status.Resolution, "https://") {
			t.Errorf("error = %v, want one whose resolution names https", err)
		}
	})
	failures := []struct {
		name, url, caFile, nextStep string
	}{
		{"an unknown authority", server.URL, "", "CA file"},
		{"a name that the certificate lacks", "https://localhost:" + port, caFile, "certificate names"},
		{"a port without TLS", strings.Replace(plain.URL, "http:", "https:", 1), "", "http://"},
	}
	for _, tt := range failures {
		t.Run(tt.name+" is refused with a next step", func(t *testing.T) {
			t.Parallel()
			c, w := newClient(t, tt.url, func(cfg *Config) { cfg.CAFile = tt.caFile })
			_, err := c.CountHostAssets(context.Background(), nil)
			broken, ok := errors.AsType[*TransportError](err)
			if !ok || broken.Kind != KindTLS || !strings.Contains(broken.NextStep(), tt.nextStep) {
				t.Fatalf("error = %v, want kind tls with a next step about %q", err, tt.nextStep)
			}
			if len(w.list) != 0 {
				t.Errorf("waits = %v, want none", w.list)
			}
		})
	}
}

func TestNewRefusesBadConfigurations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Config{BaseURL: "https://platform.example", Username: "u", Password: testPassword}
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no URL", func(c *Config) { c.BaseURL = "" }, "platform URL"},
		{"a URL without a scheme", func(c *Config) { c.BaseURL = "platform.example" }, "https://host"},
		{"another scheme", func(c *Config) { c.BaseURL = "ftp://platform.example" }, "ftp://platform.example"},
		{"credentials in the URL", func(c *Config) { c.BaseURL = "https://u:" + "pw1@platform.example" }, "holds credentials"},
		{"an unreadable URL", func(c *Config) { c.BaseURL = "https://u:pw1@[::1" }, "cannot be read"},
		{"a query", func(c *Config) { c.BaseURL += "?a=b" }, "query"},
		{"no user name", func(c *Config) { c.Username = "" }, "user name and password"},
		{"no password", func(c *Config) { c.Password = "" }, "user name and password"},
		{"a colon in the user name", func(c *Config) { c.Username = "a:b" }, "colon"},
		{"a wrong API version", func(c *Config) { c.APIVersion = "2.0/../x" }, "API version"},
		{"a missing CA file", func(c *Config) { c.CAFile = filepath.Join(dir, "none.pem") }, "none.pem"},
		{"a CA file without certificates", func(c *Config) { c.CAFile = empty }, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "pw1") {
				t.Errorf("error shows the password: %v", err)
			}
		})
	}
}

func TestPrintingShowsNoPassword(t *testing.T) {
	t.Parallel()
	cfg := Config{BaseURL: "https://platform.example", Username: "scanner", Password: testPassword}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{cfg, &cfg, c} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, testPassword) {
				t.Errorf("%s of %T shows the password: %s", verb, v, text)
			}
		}
	}
}
