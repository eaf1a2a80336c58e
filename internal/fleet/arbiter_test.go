package fleet

import (
	"context"
	"errors"
	"fmt"
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
	return AgentState{HostID: 7, AgentID: "a", Run: h.holder.Speaker()}, nil
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
			if ruling, err := a.Judge(t.Context(), agent, Claim{Run: run}); ruling != (Ruling{}) || err != nil {
				t.Fatalf("ruling %+v, %v", ruling, err)
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
		ruling, err := a.Judge(t.Context(), AgentState{HostID: 7, AgentID: "a", Run: remembered}, Claim{Run: "now"})
		if ruling != (Ruling{}) || err != nil {
			t.Errorf("remembering %q: ruling %+v, %v", remembered, ruling, err)
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
		ruling, err := a.Judge(t.Context(), AgentState{HostID: 7, AgentID: "a", Run: "first"}, Claim{Run: test.run, Fingerprint: "B"})
		if ruling.Verdict != test.want || err != nil || !strings.Contains(log.String(), test.says) || !strings.Contains(log.String(), "asset=7") {
			t.Errorf("run %s: verdict %d (%v), want %d; the log says %q", test.run, ruling.Verdict, err, test.want, log)
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

func TestClaimsThatComeTooOftenAreNotJudged(t *testing.T) {
	t.Parallel()
	h := &holders{}
	a, _ := newArbiter(h)
	now := a.Now()
	a.Roster.now = func() time.Time { return now }
	judged := func(claims int) int {
		before := h.judged
		for i := range claims {
			agent, err := a.Roster.Agent(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if _, err = a.Judge(t.Context(), agent, Claim{Run: fmt.Sprint(now, i)}); err != nil && !fault.Is(err, fault.Busy) {
				t.Fatal(err)
			}
		}
		return h.judged - before
	}
	if n := judged(1000); n != claimsAtOnce {
		t.Errorf("%d claims at once were judged, want %d", n, claimsAtOnce)
	}
	now = now.Add(2 * claimEvery)
	if n := judged(1000); n != 2 {
		t.Errorf("%d claims were judged after %s, want 2", n, 2*claimEvery)
	}
	agent, err := a.Roster.Agent(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Judge(t.Context(), agent, Claim{Run: h.holder.Speaker()}); err != nil {
		t.Errorf("the run that speaks for the agent is kept out: %v", err)
	}
}

func TestTheSameNewsOfAnAgentIsToldOnceAnHour(t *testing.T) {
	t.Parallel()
	h := &holders{holder: Holder{Fingerprint: "A", Runs: []Run{{ID: "first"}}, Denied: []Run{{ID: "clone"}}}}
	a, log := newArbiter(h)
	h.silence = Silence{LastHeard: a.Now(), Inactive: time.Hour}
	now := a.Now()
	a.Roster.now = func() time.Time { return now }
	for minute := range 120 {
		now = a.Now().Add(time.Duration(minute) * time.Minute)
		agent, err := a.Roster.Agent(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Claim{{Run: "clone", Fingerprint: "A"}, {Run: fmt.Sprint(minute), Fingerprint: "B"}} {
			if _, err := a.Judge(t.Context(), agent, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, news := range []string{"two machines share", "comes from other hardware"} {
		if n := strings.Count(log.String(), news); n != 2 {
			t.Errorf("%q was told %d times in two hours, want 2", news, n)
		}
	}
}

func TestTheHolderIsHeardWhileAnHeirWaits(t *testing.T) {
	t.Parallel()
	h := &holders{holder: Holder{Fingerprint: "A", Runs: []Run{{ID: "first"}}}}
	a, _ := newArbiter(h)
	h.silence = Silence{LastHeard: a.Now(), Inactive: time.Hour}
	judge := func(c Claim) Ruling {
		agent, err := a.Roster.Agent(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ruling, err := a.Judge(t.Context(), agent, c)
		if err != nil {
			t.Fatal(err)
		}
		return ruling
	}
	first, copied := Claim{Run: "first", Fingerprint: "A"}, Claim{Run: "copy", Fingerprint: "B"}
	if r := judge(copied); r.Verdict != Waiting || r.Echo != "" {
		t.Fatalf("the copy: %+v", r)
	}
	r := judge(first)
	if r.Verdict != Rightful || r.Echo == "" {
		t.Fatalf("the holder: %+v, want an echo", r)
	}
	if r := judge(copied); r.Verdict != Waiting {
		t.Errorf("the copy before the holder has proven to live: %+v", r)
	}
	first.Echo = r.Echo
	if r := judge(first); r != (Ruling{}) {
		t.Errorf("the holder with the echo: %+v", r)
	}
	if r := judge(copied); r.Verdict != Cloned {
		t.Errorf("the copy after that: %+v", r)
	}
	judged := h.judged
	if judge(Claim{Run: "first", Fingerprint: "A"}); h.judged != judged {
		t.Error("the holder is still judged when all is clear")
	}
}
