package agentapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

// heartbeats keeps what a Pulse stores.
type heartbeats struct{ saved []fleet.Heartbeat }

func (h *heartbeats) SaveHeartbeats(_ context.Context, batch []fleet.Heartbeat) error {
	h.saved = append(h.saved, batch...)
	return nil
}

func TestAStatusIsAClaimOnTheIdentity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ruling.Echo = "say this"
	status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: "5eed", Fingerprint: "f00d", Echo: "said", Profile: 3, Manifest: 1}))
	want := fleet.Claim{Run: "5eed", Fingerprint: "f00d", Echo: "said"}
	if status != http.StatusOK || body != `{"o":"say this"}` || len(b.claims) != 1 || b.claims[0] != want {
		t.Errorf("got %d %s and claims %+v, want %+v", status, body, b.claims, want)
	}
}

// holders keeps the holder of one identity in memory.
type holders struct {
	holder fleet.Holder
	heard  time.Time
}

func (h *holders) JudgeClaim(_ context.Context, _ int64, judge func(fleet.Holder, fleet.Silence) (fleet.Holder, fleet.Verdict)) (verdict fleet.Verdict, err error) {
	h.holder, verdict = judge(h.holder, fleet.Silence{LastHeard: h.heard, Inactive: 3 * time.Minute})
	return verdict, nil
}

// TestARequestThatSomebodyHeldBackDeniesNobody is one machine behind a proxy that
// terminates TLS: the agent's clock follows the proxy's, so the request that is
// held back is dated later than the run after it.
func TestARequestThatSomebodyHeldBackDeniesNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := &holders{heard: b.now}
	b.gateway.Arbiter = &fleet.Arbiter{Holders: h, Roster: b.gateway.Roster, Now: b.gateway.Now, Log: b.gateway.Log}
	status := func(run string) *http.Request {
		return b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: run, Fingerprint: "f00d"})
	}
	taken := func(r *http.Request) {
		t.Helper()
		if status, body := send(t, r); status != http.StatusOK {
			t.Fatalf("got %d %s", status, body)
		}
	}
	taken(status("run 1"))
	b.now = b.now.Add(4 * time.Minute)
	held := status("run 1")
	b.now = b.now.Add(-4 * time.Minute)
	taken(status("run 2"))
	b.now = b.now.Add(10 * time.Second)
	taken(held)
	b.now = b.now.Add(time.Minute)
	taken(status("run 2"))
	if len(h.holder.Runs) != 2 || len(h.holder.Denied) != 0 {
		t.Errorf("the holder is %+v", h.holder)
	}
}

func TestACloneIsToldByAnOrderForItsRunAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	beats := &heartbeats{}
	b.gateway.Pulse = fleet.NewPulse(beats, slog.New(slog.DiscardHandler))
	b.ruling.Verdict = fleet.Cloned
	status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: "5eed"}))
	var problem agentwire.Problem
	if err := json.Unmarshal([]byte(body), &problem); err != nil || status != http.StatusConflict || problem.Code != agentwire.ProblemCloned || problem.Instruction == nil {
		t.Fatalf("got %d %s (%v), want 409 with an order", status, body, err)
	}
	in, err := problem.Instruction.Open(b.gateway.Signer.Root, agentID, agentwire.KindClone)
	if err != nil {
		t.Fatal(err)
	}
	var clone agentwire.Clone
	if err := json.Unmarshal(in.Body, &clone); err != nil || clone.Run != "5eed" || in.Version < 1 {
		t.Errorf("order %+v of version %d: %v", clone, in.Version, err)
	}
	if b.gateway.Pulse.Flush(t.Context()); len(beats.saved) != 0 {
		t.Errorf("the clone counts as a check-in: %+v", beats.saved)
	}
}

func TestADisputedMachineComesAgainLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	beats := &heartbeats{}
	b.gateway.Pulse = fleet.NewPulse(beats, slog.New(slog.DiscardHandler))
	b.ruling.Verdict = fleet.Waiting
	response, err := http.DefaultClient.Do(b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: "5eed"}))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var problem agentwire.Problem
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "300" || problem.Code != agentwire.ProblemBusy {
		t.Errorf("got %d %+v, Retry-After %q", response.StatusCode, problem, response.Header.Get("Retry-After"))
	}
	if b.gateway.Pulse.Flush(t.Context()); len(beats.saved) != 0 {
		t.Errorf("a machine that waits counts as a check-in: %+v", beats.saved)
	}
}

func TestAClaimThatCannotBeJudgedDeniesNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.failing = errors.New("the database is gone")
	status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: "5eed"}))
	if status != http.StatusInternalServerError || problemCode(t, body) != agentwire.ProblemInternal {
		t.Errorf("got %d %s", status, body)
	}
}

func TestAClockThatIsWrongIsLoggedOncePerChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var log strings.Builder
	b.gateway.Log = slog.New(slog.NewTextHandler(&log, nil))
	told := 0
	for _, ahead := range []int64{0, 0, 7200, 7201, 7199, 0, 0, -86400, -86400} {
		if status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Ahead: ahead})); status != http.StatusOK {
			t.Fatalf("got %d %s", status, body)
		}
		told = strings.Count(log.String(), "clock of an agent's host differs")
		b.now = b.now.Add(time.Second)
	}
	if told != 2 || !strings.Contains(log.String(), "2h0m0s") || !strings.Contains(log.String(), "-24h0m0s") {
		t.Errorf("told %d times:\n%s", told, log.String())
	}
}
