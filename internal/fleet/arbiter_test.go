package fleet

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// holders is one agent's holder in memory.
type holders struct {
	holder  Holder
	silence Silence
	judged  int
	failing error
}

func (h *holders) JudgeClaim(_ context.Context, _ int64, judge func(Holder, Silence) (Holder, Verdict)) (Verdict, error) {
	h.judged++
	if h.failing != nil {
		return Rightful, h.failing
	}
	var verdict Verdict
	h.holder, verdict = judge(h.holder, h.silence)
	return verdict, nil
}

// AgentState makes holders the storage of a Roster too.
func (h *holders) AgentState(context.Context, string) (AgentState, error) {
	state := AgentState{HostID: 7, AgentID: "a"}
	if n := len(h.holder.Runs); n > 0 {
		state.Run = h.holder.Runs[n-1].ID
	}
	return state, nil
}

func newArbiter(h *holders) (*Arbiter, *strings.Builder) {
	var log strings.Builder
	at := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	return &Arbiter{Holders: h, Roster: NewRoster(h, now), Now: now, Log: slog.New(slog.NewTextHandler(&log, nil))}, &log
}

func TestTheRunThatSpeaksForAnAgentIsJudgedOnce(t *testing.T) {
	t.Parallel()
	h := &holders{}
	a, _ := newArbiter(h)
	for range 5 {
		agent, err := a.Roster.Agent(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range []string{"one", ""} { // and an agent without runs never
			if verdict, err := a.Judge(t.Context(), agent, Claim{Run: run}); verdict != Rightful || err != nil {
				t.Fatalf("verdict %d, %v", verdict, err)
			}
		}
	}
	if h.judged != 1 {
		t.Errorf("the storage was asked %d times, want once", h.judged)
	}
}

func TestAReplicaThatLagsDeniesNobody(t *testing.T) {
	t.Parallel()
	h := &holders{}
	a, _ := newArbiter(h)
	h.holder = Holder{Runs: []Run{{ID: "before"}, {ID: "now"}}, Denied: []Run{{ID: "clone"}}}
	for _, remembered := range []string{"", "before", "clone"} {
		verdict, err := a.Judge(t.Context(), AgentState{HostID: 7, AgentID: "a", Run: remembered}, Claim{Run: "now"})
		if verdict != Rightful || err != nil {
			t.Errorf("remembering %q: verdict %d, %v", remembered, verdict, err)
		}
	}
}

func TestOperatorsHearOfClonesAndOfOtherHardware(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		heard time.Duration // before now
		run   string
		want  Verdict
		says  string
	}{
		{time.Minute, "clone", Cloned, "two machines share the identity of one agent"},
		{time.Minute, "new", Waiting, "comes from other hardware"},
		{24 * time.Hour, "new", Rightful, "goes on on other hardware"},
	} {
		h := &holders{holder: Holder{Fingerprint: "A", Runs: []Run{{ID: "first"}}, Denied: []Run{{ID: "clone"}}}}
		a, log := newArbiter(h)
		h.silence = Silence{LastHeard: a.Now().Add(-test.heard), Inactive: time.Hour}
		verdict, err := a.Judge(t.Context(), AgentState{HostID: 7, AgentID: "a", Run: "first"}, Claim{Run: test.run, Fingerprint: "B", Signed: a.Now()})
		if verdict != test.want || err != nil || !strings.Contains(log.String(), test.says) || !strings.Contains(log.String(), "asset=7") {
			t.Errorf("run %s: verdict %d (%v), want %d; the log says %q", test.run, verdict, err, test.want, log)
		}
	}
}

func TestAClaimOnAnAgentThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	h := &holders{failing: fault.Newf(fault.NotFound, "no such agent")}
	a, _ := newArbiter(h)
	if _, err := a.Judge(t.Context(), AgentState{AgentID: "a"}, Claim{Run: "one"}); !errors.Is(err, h.failing) || !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
