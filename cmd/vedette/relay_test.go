package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	links "vedette.dev/vedette/internal/automation/connection"
	runs "vedette.dev/vedette/internal/automation/run"
)

// closedNetwork is a platform that holds a connection to another one, its target,
// which is reached through a relay alone.
type closedNetwork struct {
	*operatorPlatform
	target     adminEnv
	by         access.Principal
	connection links.Connection
	relay      string // arguments that every relay of it has
}

// openNetwork starts the platform that calls a target.
func openNetwork(t *testing.T, config platformConfig, target adminEnv) *closedNetwork {
	t.Helper()
	n := &closedNetwork{operatorPlatform: startOperatorPlatform(t, config), target: target}
	admin, err := n.store.UserByName(t.Context(), adminUsername)
	if err != nil {
		t.Fatal(err)
	}
	n.by = access.NewPrincipal(admin)
	sites, err := n.store.Sites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	registered, token, err := n.relays.Register(t.Context(), "plant", "", "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.relay = fmt.Sprintf("relay --url %s --ca-file %s --token-file %s", n.url, n.admin.caFile, file)
	authority, err := os.ReadFile(target.caFile)
	if err != nil {
		t.Fatal(err)
	}
	n.connection, err = n.automation.connections.Create(t.Context(), n.by, links.Draft{
		Integration: "qualys-cloud-agent", Name: "closed", SiteID: sites[0].ID, RelayID: registered.ID, Limits: links.Limits{Concurrency: 2},
		Parameters: map[string]string{"serverUrl": target.url, "username": target.username, "password": target.password, "caCertificate": string(authority)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *closedNetwork) host() string {
	u, _ := url.Parse(n.target.url) // its own
	return u.Host
}

// startRelay runs a relay in this process until stop is called, or the test ends.
func (n *closedNetwork) startRelay(t *testing.T, arguments string) (stop func(), said *lockedBuffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	said = &lockedBuffer{}
	a := &app{stdout: said, stderr: said, stdin: strings.NewReader(""), getenv: func(string) string { return "" }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		root := newRootCommand(a)
		root.SetArgs(strings.Fields(n.relay + " " + arguments))
		if err := root.ExecuteContext(ctx); err != nil {
			t.Errorf("the relay ended: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop, said
}

// lockedBuffer is written to by what a test runs, and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// search runs Search Cloud Agents through the connection, as somebody who asks for
// it, and returns its outcome.
func (n *closedNetwork) search(t *testing.T) automation.Outcome {
	t.Helper()
	asked, _, err := n.automation.desk.Ask(t.Context(), n.by, runs.Request{ConnectionID: n.connection.ID, Command: "search-cloud-agents", Origin: runs.ByTest})
	if err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-ticker.C {
		r, err := n.automation.desk.Get(t.Context(), n.by, asked.ID)
		switch {
		case err != nil:
			t.Fatal(err)
		case !r.Ended.IsZero():
			return r.Outcome
		case time.Now().After(deadline):
			t.Fatal("the run does not end")
		}
	}
}

// eventually searches until the outcome is as it should be.
func (n *closedNetwork) eventually(t *testing.T, what string, holds func(o automation.Outcome) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		o := n.search(t)
		if holds(o) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s; the search was %s %+v", what, o.State, o.Errors)
		}
	}
}

// TestAConnectionGoesThroughItsRelayAndNowhereElse searches a platform in a closed
// network while the relay is not there, there, not allowed to, and back.
func TestAConnectionGoesThroughItsRelayAndNowhereElse(t *testing.T) {
	t.Parallel()
	n := openNetwork(t, platformConfig{}, startOperatorPlatform(t, platformConfig{}).admin)
	offline := func(when, says string) {
		t.Helper()
		o := n.search(t)
		if o.State != automation.Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != 503 ||
			!strings.Contains(o.Errors[0].Text(), "Search Cloud Agents failed.\nStatus Code: 503.\nMessage: Relay plant is offline: "+says) ||
			!strings.Contains(o.Errors[0].Resolution, "vedette relay") {
			t.Fatalf("%s: %s %+v", when, o.State, o.Errors)
		}
	}
	// A password that the relay would see, and a target of no connection.
	for serverURL, target := range map[string]string{"http://" + n.host(): n.host(), n.target.url: "127.0.0.1:1"} {
		_, err := n.dialThrough(n.connection.RelayID, serverURL)(t.Context(), "tcp", target)
		if err == nil || !strings.Contains(err.Error(), "without TLS") && !strings.Contains(err.Error(), "not on the allow-list of the connection") {
			t.Errorf("a connection to %s dials %s: %v", serverURL, target, err)
		}
	}
	// The target listens on this machine: a direct call would succeed.
	offline("before the relay came", "it has never been connected")

	stop, said := n.startRelay(t, "--allow "+n.host())
	n.eventually(t, "the search succeeds", func(o automation.Outcome) bool { return o.State == automation.Successful && o.RawData != nil })
	if strings.Contains(said.String(), n.target.password) || !strings.Contains(said.String(), "Relay plant is connected to "+n.url) {
		t.Errorf("the relay said:\n%s", said)
	}
	stop()
	offline("after the relay was stopped", "it was last seen at 2")

	stop, said = n.startRelay(t, "--allow 192.0.2.1:443")
	n.eventually(t, "the target is refused", func(o automation.Outcome) bool {
		return o.State == automation.Failed && len(o.Errors) == 1 && o.Errors[0].StatusCode == 403 &&
			strings.Contains(o.Errors[0].Text(), "Message: Relay plant refuses the target "+n.host()+".\nIf the target is meant, add --allow "+n.host()+" to the relay")
	})
	if !strings.Contains(said.String(), "the target is not on the allow-list") {
		t.Errorf("the relay said:\n%s", said)
	}
	stop()
	n.startRelay(t, "--allow "+n.host())
	n.eventually(t, "the search succeeds again", func(o automation.Outcome) bool { return o.State == automation.Successful })
}
