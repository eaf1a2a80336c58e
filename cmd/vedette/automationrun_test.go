package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// automationPlatform is a platform with the connection lab, whose run 9 goes on by one
// step with each look at it.
type automationPlatform struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // requests with their bodies
	steps []string // answers of the looks; the last one stays
	looks func(int)
}

func newAutomationPlatform(t *testing.T, steps ...string) *automationPlatform {
	t.Helper()
	p := &automationPlatform{steps: steps, looks: func(int) {}}
	mux := http.NewServeMux()
	say := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			sent, _ := io.ReadAll(r.Body)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.asked = append(p.asked, r.Method+" "+r.URL.RequestURI()+" "+string(sent))
			fmt.Fprint(w, body)
		})
	}
	say("GET /automation/v1/connections", `{"connections":[{"id":3,"name":"lab","integration":"q","site":{"id":1,"name":"SOC"}}]}`)
	say("GET /automation/v1/integrations/q", `{"name":"q","displayName":"Q","commands":[{"name":"launch","displayName":"Launch","failureIndicator":"Launch failed.",
		"inputs":[{"name":"ids","displayName":"IDs","type":"ids"},{"name":"after","displayName":"After","type":"datetime"},{"name":"pin","displayName":"PIN","type":"secret"}]}]}`)
	say("POST /automation/v1/connections/3/commands/launch", `{"id":9,"state":"queued"}`)
	mux.HandleFunc("GET /automation/v1/runs/9", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		p.mu.Lock()
		defer p.mu.Unlock()
		p.looks(len(p.steps))
		fmt.Fprint(w, p.steps[0])
		if len(p.steps) > 1 {
			p.steps = p.steps[1:]
		}
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// command runs a command line with a clock that goes on a second with each look.
func (p *automationPlatform) command(ctx context.Context, t *testing.T, args ...string) (terminal, int) {
	t.Helper()
	term := newTerminal(t, map[string]string{"VEDETTE_URL": p.URL, "VEDETTE_USERNAME": "admin", "VEDETTE_PASSWORD": "x"})
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	term.now = func() time.Time { now = now.Add(time.Second); return now }
	return term, term.run(ctx, append([]string{"automation"}, args...))
}

func TestARunIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	p := newAutomationPlatform(t,
		`{"id":9,"state":"running"}`, `{"id":9,"state":"running"}`,
		`{"id":9,"state":"waiting","outcome":{"notes":["Waiting for one scan."]}}`,
		`{"id":9,"state":"partially-successful","outcome":{"returnData":"Partially Successful","result":{"columns":["ID"],"rows":[["7"]]},
			"errors":[{"failureIndicator":"Launch failed.","statusCode":404,"message":"There is no asset 8.","resolution":"List them."}]}}`)
	term, code := p.command(t.Context(), t, "run", "SOC/lab", "Launch", "--input", "IDs=7,8", "--input", "after=12/29/2024 09:00 AM", "--wait=2h", "--idempotency-key", "k")
	if code != exitPartial {
		t.Errorf("exit code %d, want %d", code, exitPartial)
	}
	if got, want := term.out.String(), "ID\n7\n"; got != want {
		t.Errorf("standard output %q, want %q", got, want)
	}
	want := "   1.0s  run 9: running\n   2.0s  run 9: waiting, Waiting for one scan.\nLaunch failed.\nStatus Code: 404.\nMessage: There is no asset 8.\nList them.\n"
	if got := term.err.String(); got != want {
		t.Errorf("standard error\n%swant\n%s", got, want)
	}
	sent := p.asked[len(p.asked)-1]
	if want := `POST /automation/v1/connections/3/commands/launch {"inputs":{"after":"2024-12-29T09:00:00Z","ids":"7,8"},"wait":{"timeout":"2h0m0s"}}`; sent != want {
		t.Errorf("sent %s, want %s", sent, want)
	}
}

func TestCtrlCStopsTheFollowingAndNotTheRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p := newAutomationPlatform(t, `{"id":9,"state":"running"}`, `{"id":9,"state":"running"}`)
	p.looks = func(left int) {
		if left == 1 {
			stop()
		}
	}
	term, code := p.command(ctx, t, "run", "lab", "launch")
	if said := term.err.String(); code != exitFailed || !strings.HasSuffix(said, "No longer following. The run goes on; see how it ends with: vedette automation runs show 9\n") || strings.Contains(said, "failed") {
		t.Errorf("exit code %d, standard error %s", code, term.err)
	}
	for _, request := range p.asked {
		if strings.Contains(request, "cancel") {
			t.Errorf("the run was cancelled: %s", request)
		}
	}
}

func TestSecretInputsAreNoArguments(t *testing.T) {
	t.Parallel()
	p := newAutomationPlatform(t, `{"id":9,"state":"successful","outcome":{"returnData":"Successful"}}`)
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--input", "PIN=hunter22"}, exitUsage, "give --inputs-file, - for standard input"},
		{[]string{"--input", "hunter22"}, exitUsage, "use NAME=VALUE"},
		{[]string{"--input", "after=soon"}, exitUsage, "--input after: \"soon\" is not a time"},
		{[]string{"--wait-interval", "30s"}, exitUsage, "together with --wait"},
		{[]string{"--inputs-file", "-", "--password-file", "-"}, exitUsage, "cannot both come from standard input"},
		{[]string{"--inputs-file", "-"}, exitUsage, "standard input: the inputs must be one JSON object"},
	} {
		term, code := p.command(t.Context(), t, append([]string{"run", "lab", "launch"}, tc.args...)...)
		if code != tc.code || !strings.Contains(term.err.String(), tc.says) {
			t.Errorf("%v: exit code %d, standard error %s", tc.args, code, term.err)
		}
	}
	for _, request := range p.asked {
		if strings.HasPrefix(request, "POST") {
			t.Errorf("it was run all the same: %s", request)
		}
	}
}
