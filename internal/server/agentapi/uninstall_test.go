package agentapi

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

// uninstall removes the agent of the bundle and leaves it an order.
func (b *bundle) uninstall() {
	b.orders = map[string]fleet.Uninstall{agentID: {
		ID: 5, HostID: 7, HostName: "edge-1", AgentID: agentID, PublicKey: b.state.PublicKey, State: fleet.UninstallOpen, Created: b.now,
	}}
	b.mu.Lock()
	b.state.AgentID = "somebody else"
	b.mu.Unlock()
	b.gateway.Roster.Forget(agentID)
}

func TestAnUninstalledAgentIsToldWhateverItAsks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.uninstall()
	for _, r := range []*http.Request{
		b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{}),
		b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=3&m=1", nil),
		b.request(t, http.MethodGet, agentwire.PathConfig, nil),
		b.request(t, http.MethodGet, agentwire.PathRevocation, nil),
		b.request(t, http.MethodPost, agentwire.PathScans+"12/state", agentwire.ScanReport{State: agentwire.ScanRunning}),
	} {
		status, body := send(t, r)
		var problem agentwire.Problem
		if err := json.Unmarshal([]byte(body), &problem); err != nil || status != http.StatusGone || problem.Code != agentwire.ProblemUninstall || problem.Instruction == nil {
			t.Fatalf("%s: got %d %s (%v), want 410 with an order", r.URL.Path, status, body, err)
		}
		in, err := problem.Instruction.Open(b.gateway.Signer.Root, agentID, agentwire.KindUninstall)
		if err != nil || in.Version != 5 {
			t.Errorf("%s: order %+v, %v", r.URL.Path, in, err)
		}
	}
	if len(b.reports) != 0 {
		t.Error("a report of a removed agent was taken")
	}
}

func TestAHeldPollEndsAndTheNextBringsTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ended := make(chan int)
	poll := b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=3&m=1", nil)
	go func() {
		status, _ := send(t, poll)
		ended <- status
	}()
	for b.gateway.Wakeups.Waiting() == 0 {
		select {
		case status := <-ended:
			t.Fatalf("the poll ended with %d", status)
		default:
		}
	}
	b.uninstall()
	b.gateway.Wakeups.Wake(7)
	if status := <-ended; status != http.StatusOK {
		t.Errorf("the poll ended with %d", status)
	}
	if status, _ := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{})); status != http.StatusGone {
		t.Errorf("the next status got %d", status)
	}
}

func TestAConfirmationMayComeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.uninstall()
	for range 2 {
		if status, body := send(t, b.request(t, http.MethodPost, agentwire.PathUninstall, nil)); status != http.StatusNoContent {
			t.Fatalf("got %d %s", status, body)
		}
	}
	if order := b.orders[agentID]; order.State != fleet.UninstallConfirmed || !order.Confirmed.Equal(b.now) {
		t.Errorf("order %+v", order)
	}
	// From now on it is an agent like any other that is not known here.
	status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{}))
	if status != http.StatusNotFound || problemCode(t, body) != agentwire.ProblemUnknownAgent {
		t.Errorf("after it has left: %d %s", status, body)
	}
}

func TestAnAgentThatIsNotKnownIsToldSoUnderItsRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signer.KeyID = "0f7c1c52-0000-4000-8000-00000000dead"
	for _, r := range []*http.Request{
		b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{}),
		b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=3&m=1", nil),
	} {
		signature, err := agentwire.ParseSignature(r)
		if err != nil {
			t.Fatal(err)
		}
		status, body := send(t, r)
		var problem agentwire.Problem
		if err := json.Unmarshal([]byte(body), &problem); err != nil || status != http.StatusNotFound || problem.Code != agentwire.ProblemUnknownAgent || problem.Instruction == nil {
			t.Fatalf("%s: got %d %s (%v), want 404 with an instruction", r.URL.Path, status, body, err)
		}
		in, err := problem.Instruction.Open(b.gateway.Signer.Root, b.signer.KeyID, agentwire.KindUnknownAgent)
		if err != nil {
			t.Fatal(err)
		}
		var unknown agentwire.UnknownAgent
		if err := json.Unmarshal(in.Body, &unknown); err != nil || unknown.Request != signature.ID() || in.Version < 1 {
			t.Errorf("%s: %+v of version %d (%v), want request %s", r.URL.Path, unknown, in.Version, err, signature.ID())
		}
	}
}

func TestOrdersAreShownAndConfirmedOnlyByTheirAgent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		path   string
		change func(b *bundle)
		status int
		code   string
	}{
		{"another key asks", agentwire.PathStatus, func(b *bundle) { _, b.signer.Key, _ = ed25519.GenerateKey(nil) }, 401, agentwire.ProblemBadSignature},
		{"another key confirms", agentwire.PathUninstall, func(b *bundle) { _, b.signer.Key, _ = ed25519.GenerateKey(nil) }, 401, agentwire.ProblemBadSignature},
		{"an agent without an order confirms", agentwire.PathUninstall, func(b *bundle) { b.orders = nil }, 404, agentwire.ProblemUnknownAgent},
		{"the database fails", agentwire.PathUninstall, func(b *bundle) { b.failing = errors.New("gone") }, 500, agentwire.ProblemInternal},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.uninstall()
			test.change(b)
			status, answered := send(t, b.request(t, http.MethodPost, test.path, nil))
			if status != test.status || problemCode(t, answered) != test.code {
				t.Errorf("got %d %s, want %d %s", status, answered, test.status, test.code)
			}
			if order, ok := b.orders[agentID]; ok && order.State != fleet.UninstallOpen && test.status < 500 {
				t.Errorf("the order is %s", order.State)
			}
		})
	}
}
