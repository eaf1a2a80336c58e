package agentapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// gate admits one key. With channels it says that somebody has entered, and holds
// them until hold is closed.
type gate struct {
	entered, hold chan struct{}
	failing       error
}

func (g gate) Admit(_ context.Context, customerID, activationKey string) error {
	if g.failing != nil {
		return g.failing
	}
	if customerID != "customer" || activationKey != "key" {
		return fault.New(fault.Unauthenticated, "not admitted", "Ask for a key.")
	}
	if g.entered != nil {
		g.entered <- struct{}{}
		<-g.hold
	}
	return nil
}

// shelf has one package and counts how often it was asked for.
type shelf struct{ asked *[]string }

func (s shelf) OpenInstaller(_ context.Context, system, machine string) (fleet.Package, io.ReadSeekCloser, error) {
	*s.asked = append(*s.asked, system+" "+machine)
	if system != fleet.SystemDeb || machine != "x86_64" {
		return fleet.Package{}, nil, fleet.NoInstaller(system, machine)
	}
	return fleet.Package{Name: "agent.deb", Size: 7}, nopCloser{strings.NewReader("package")}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// doorstep serves an installation and what it logs, and returns its address.
func doorstep(t *testing.T, i *Installation) (url string, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	mux := server.NewMux(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	mux.Add(i.Routes()...)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return web.URL, log
}

func fetch(t *testing.T, url, customerID, key string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if customerID != "" {
		r.SetBasicAuth(customerID, key)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestAPackageIsForWhoeverHoldsAKey(t *testing.T) {
	t.Parallel()
	var asked []string
	url, log := doorstep(t, &Installation{Packages: shelf{&asked}, Admission: gate{}})
	response, body := fetch(t, url+agentwire.PathPackages+"deb/x86_64", "customer", "key")
	if response.StatusCode != http.StatusOK || body != "package" || !strings.Contains(response.Header.Get("Content-Disposition"), "agent.deb") {
		t.Errorf("got %d %q %v", response.StatusCode, body, response.Header)
	}
	for _, test := range []struct {
		name, path, customer, key string
		status                    int
		code                      string
	}{
		{"no credentials", "deb/x86_64", "", "", 401, agentwire.ProblemKeyRefused},
		{"another key", "deb/x86_64", "customer", "guess", 401, agentwire.ProblemKeyRefused},
		{"another customer", "deb/x86_64", "guess", "key", 401, agentwire.ProblemKeyRefused},
		{"a package there is not, without a key", "msi/x86_64", "customer", "guess", 401, agentwire.ProblemKeyRefused},
		{"a package there is not", "msi/x86_64", "customer", "key", 404, agentwire.ProblemInvalid},
	} {
		response, body := fetch(t, url+agentwire.PathPackages+test.path, test.customer, test.key)
		if response.StatusCode != test.status || problemCode(t, body) != test.code {
			t.Errorf("%s: got %d %s, want %d %s", test.name, response.StatusCode, body, test.status, test.code)
		}
	}
	if !slices.Equal(asked, []string{"deb x86_64", "msi x86_64"}) {
		t.Errorf("the folder was asked for %q, want only what was asked for with the key", asked)
	}
	if strings.Contains(log.String(), "guess") || strings.Contains(log.String(), "=key") {
		t.Errorf("the log has keys:\n%s", log)
	}
}

func TestAHostMayKnowTheAuthorityAndTheScriptBeforeItShowsItsKey(t *testing.T) {
	t.Parallel()
	url, _ := doorstep(t, &Installation{Authority: []byte{0x30, 0x00, 0xff}})
	if response, body := fetch(t, url+agentwire.PathAuthority, "", ""); response.StatusCode != 200 || body != "\x30\x00\xff" || response.Header.Get("Content-Type") != "application/pkix-cert" {
		t.Errorf("authority: %d %q %v", response.StatusCode, body, response.Header)
	}
	if response, body := fetch(t, url+agentwire.PathInstall, "", ""); response.StatusCode != 200 || body != string(installScript) {
		t.Errorf("script: %d %.80q", response.StatusCode, body)
	}
	url, _ = doorstep(t, &Installation{})
	if response, body := fetch(t, url+agentwire.PathAuthority, "", ""); response.StatusCode != 404 || problemCode(t, body) == "" {
		t.Errorf("without an authority: %d %q", response.StatusCode, body)
	}
}

func TestOneAddressCannotKeepOthersFromTheirPackages(t *testing.T) {
	t.Parallel()
	g := gate{entered: make(chan struct{}), hold: make(chan struct{})}
	f := &fetcher{&Installation{Admission: g}, server.NewBudget(4), server.NewBudget(4)}
	admit := func(address string) error {
		r := httptest.NewRequest(http.MethodGet, agentwire.PathPackages+"deb/x86_64", nil)
		r.RemoteAddr = address
		r.SetBasicAuth("customer", "key")
		return f.admit(r)
	}
	outcome := make(chan error)
	for _, address := range []string{"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3"} {
		go func() { outcome <- admit(address) }()
		<-g.entered
	}
	if err := admit("192.0.2.1:4"); !fault.Is(err, fault.Busy) {
		t.Errorf("the fourth of four places for one address: %v, want busy", err)
	}
	go func() { outcome <- admit("192.0.2.2:1") }()
	<-g.entered
	close(g.hold)
	for range 4 {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
}

func TestAPlatformThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	url, log := doorstep(t, &Installation{Admission: gate{failing: errors.New("disk")}})
	response, body := fetch(t, url+agentwire.PathPackages+"deb/x86_64", "customer", "key")
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, "disk") || !strings.Contains(log.String(), "disk") {
		t.Errorf("got %d %s, logged %s", response.StatusCode, body, log)
	}
}

// TestTheScriptRefusesWhatItCannotUse runs the served script with arguments that
// it must refuse before it does anything.
func TestTheScriptRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	const url = "https://vedette.example.net"
	for _, test := range []struct {
		name  string
		args  []string
		stdin string
		says  string
	}{
		{"no system", nil, "", "system ''"},
		{"another system", []string{"msi", url}, "", "allowed are deb, rpm and tar.gz"},
		{"a command for a system", []string{"deb; id", url}, "", "system 'deb; id'"},
		{"no URL", []string{"deb"}, "", "begin with https://"},
		{"no TLS", []string{"deb", "http://vedette.example.net"}, "", "begin with https://"},
		{"an option for a URL", []string{"deb", "--output=/etc/passwd"}, "", "begin with https://"},
		{"no key", []string{"deb", url}, "0f7c1c52\n", "missing"},
		{"a key with an option of curl", []string{"deb", url}, "0f7c1c52\nabc\"\\n output = x\n", "no UUID"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", string(installScript), "install.sh"}, test.args...)...)
			cmd.Dir, cmd.Stdin = t.TempDir(), strings.NewReader(test.stdin)
			said, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(said), test.says) && !strings.Contains(string(said), "only root") {
				t.Errorf("ended with %v and said %q, want %q", err, said, test.says)
			}
		})
	}
}
