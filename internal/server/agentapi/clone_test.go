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
	status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, agentwire.StatusRequest{Run: "5eed", Fingerprint: "f00d"}))
	want := fleet.Claim{Run: "5eed", Fingerprint: "f00d", Signed: b.now}
	if status != http.StatusOK || len(b.claims) != 1 || !b.claims[0].Signed.Equal(want.Signed) || b.claims[0].Run != want.Run || b.claims[0].Fingerprint != want.Fingerprint {
		t.Errorf("got %d %s and claims %+v, want %+v", status, body, b.claims, want)
	}
}

func TestACloneIsToldByAnOrderForItsRunAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	beats := &heartbeats{}
	b.gateway.Pulse = fleet.NewPulse(beats, slog.New(slog.DiscardHandler))
	b.verdict = fleet.Cloned
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
	b.verdict = fleet.Waiting
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
