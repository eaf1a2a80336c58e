package swarm

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// bundle is a swarm and its platform, in the time of a synctest bubble.
type bundle struct {
	t        *testing.T
	platform *sessiontest.Platform
	wire     *sessiontest.Wire
	cfg      Config
}

// bubble runs a test in a bubble of its own time.
func bubble(t *testing.T, agents int, scenario Scenario, test func(b *bundle)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bundle{t: t, platform: sessiontest.New(time.Now)}
		b.platform.Manifest.Modules[agentwire.ModuleInventory] = agentwire.Recipe{
			Collectors: []string{"host", "software", "ports", "interfaces", "accounts", "processors", "volumes"},
		}
		b.wire = &sessiontest.Wire{Handler: b.platform}
		b.cfg = Config{
			Scenario: scenario, Agents: agents, Speed: 1, Connections: 1, Seed: 1, Prefix: "swarm-",
			ServerURI: "https://platform.test/", ActivationID: sessiontest.ActivationID, CustomerID: sessiontest.CustomerID, AgentVersion: "2.0.0",
			Recordings: fewPackages(t), Transport: b.wire, Log: slog.New(slog.DiscardHandler),
		}
		test(b)
	})
}

// fewPackages are the recordings cut short: what is in them matters little here.
func fewPackages(t *testing.T) []Recording {
	t.Helper()
	list, err := Recordings()
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].Snapshot.Software = list[i].Snapshot.Software[:20]
	}
	return list
}

// interval makes agents check in that often.
func (b *bundle) interval(d time.Duration) {
	b.platform.Profile.Performance = map[string]string{performance.KeyStatusInterval: fmt.Sprint(int(d.Seconds()))}
}

func (b *bundle) run() (*Swarm, *Report) {
	b.t.Helper()
	s, err := New(b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return s, s.Run(b.t.Context())
}

func (r *Report) of(kind string) Requests {
	for _, requests := range r.Requests {
		if requests.Kind == kind {
			return requests
		}
	}
	return Requests{}
}

// TestAFleetThatLostItsPlatformComesBackEvenly is the rule of fleets: whoever lost
// the platform together does not return to it together. The agents are real ones.
func TestAFleetThatLostItsPlatformComesBackEvenly(t *testing.T) {
	t.Parallel()
	const agents = 1000
	scenario := Scenario{Name: "outage", Ramp: 10 * time.Minute, Before: 15 * time.Minute, Outage: 30 * time.Minute, Duration: time.Hour}
	bubble(t, agents, scenario, func(b *bundle) {
		b.interval(10 * time.Minute)
		_, report := b.run()
		back := report.Outage
		b.t.Logf("after the outage: mean %.0f, peak %d check-ins a minute, %.2f", back.MeanPerMinute, back.PeakPerMinute, back.PeakToMean)
		if back.Lost < agents {
			b.t.Errorf("%d requests found no network, want one of each agent at least", back.Lost)
		}
		if back.MeanPerMinute < agents/10*0.9 {
			b.t.Errorf("%.1f check-ins a minute after the outage, want about %d: the fleet did not come back", back.MeanPerMinute, agents/10)
		}
		if back.PeakToMean > 2 {
			b.t.Errorf("the busiest minute has %.2f times the mean, want at most 2", back.PeakToMean)
		}
		if report.Inventoried != agents || report.Identities != agents || len(report.Ended) > 0 {
			b.t.Errorf("%d inventories and %d identities of %d agents, ended: %v", report.Inventoried, report.Identities, agents, report.Ended)
		}
	})
}

// TestAPlatformThatIsTooBusyIsGivenTheTimeItAsksFor has a platform that lets
// nobody in for a while and says for how long.
func TestAPlatformThatIsTooBusyIsGivenTheTimeItAsksFor(t *testing.T) {
	t.Parallel()
	const asked = 7 * time.Minute
	bubble(t, 50, Scenario{Name: "steady", Duration: 60 * time.Hour}, func(b *bundle) {
		b.cfg.Speed = 60 // an hour of the world
		last := make(map[string]time.Time)
		refusals := 0
		var mu sync.Mutex
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != agentwire.PathStatus {
				return false
			}
			signature, err := agentwire.ParseSignature(r)
			if err != nil {
				b.t.Errorf("status without a signature: %v", err)
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if before, ok := last[signature.KeyID]; ok && time.Since(before) < asked {
				b.t.Errorf("agent is back %s after it was asked to wait for %s", time.Since(before), asked)
			}
			last[signature.KeyID] = time.Now()
			refusals++
			w.Header().Set("Retry-After", fmt.Sprint(int(asked.Seconds())))
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		_, report := b.run()
		if refusals < 50*5 || report.of("status").Errors["503"] != int64(refusals) {
			b.t.Errorf("%d refusals, the report has %v; want the same, and some 6 of each agent", refusals, report.of("status").Errors)
		}
	})
}

func TestAgentsOfAFastClockSignWithTheTimeOfTheWorld(t *testing.T) {
	t.Parallel()
	bubble(t, 20, Scenario{Name: "steady", Ramp: 10 * time.Minute, Duration: 12 * time.Hour}, func(b *bundle) {
		b.cfg.Speed = 60
		begun := time.Now()
		_, report := b.run()
		if took := time.Since(begun); took > 15*time.Minute {
			b.t.Errorf("12 hours and 10 minutes of the agents took %s, want a sixtieth", took)
		}
		// The Low interval is 40 minutes.
		if status := report.of("status"); status.Count < 20*12 || len(status.Errors) > 0 {
			b.t.Errorf("%d status requests with errors %v, want some 18 of each agent and none", status.Count, status.Errors)
		}
	})
}

func TestLegacyAgentsAskFromTimersOfTheirOwn(t *testing.T) {
	t.Parallel()
	bubble(t, 40, Scenario{Name: "steady", Duration: 12 * time.Hour}, func(b *bundle) {
		b.cfg.Legacy = 0.5
		s, report := b.run()
		// REVOCATION_INTERVAL is an hour at every level.
		if n := report.of("revocation").Count; n < 40/4*11 || n > 40*3/4*12 {
			b.t.Errorf("%d questions whether to leave in 12 hours, want one an hour of half of 40 agents", n)
		}
		if n := report.of("status").Count; n == 0 || report.Inventoried != 40 || len(report.Ended) > 0 {
			b.t.Errorf("%d status requests, %d of 40 inventoried, ended: %v", n, report.Inventoried, report.Ended)
		}
		b.platform.Uninstall()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Hour)
		defer cancel()
		if gone, of := s.Depart(ctx); gone != of || time.Since(begun) > time.Minute {
			b.t.Errorf("%d of %d agents are gone after %s, want all within seconds", gone, of, time.Since(begun))
		}
	})
}

func TestASwarmIsStoppedAtAnyTimeAndReports(t *testing.T) {
	t.Parallel()
	bubble(t, 20, Scenario{Name: "steady", Ramp: 10 * time.Minute, Duration: 12 * time.Hour}, func(b *bundle) {
		s, err := New(b.cfg)
		if err != nil {
			b.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Minute+time.Second)
		defer cancel()
		report := s.Run(ctx)
		if !report.Stopped || report.Identities < 9 || report.Identities > 12 {
			b.t.Errorf("stopped: %t, %d identities, want half of 20 by half of the ramp", report.Stopped, report.Identities)
		}
	})
}

func TestHostsThatGoAreReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, 20, Scenario{Name: "churn", Duration: 4 * time.Hour, Life: 2 * time.Hour}, func(b *bundle) {
		_, report := b.run()
		if report.Hosts < 40 || report.Identities != report.Hosts || len(report.Ended) > 0 {
			b.t.Errorf("%d hosts with %d identities, ended: %v; want about 60, each its own", report.Hosts, report.Identities, report.Ended)
		}
	})
}

func TestAnUninstalledSwarmDeparts(t *testing.T) {
	t.Parallel()
	bubble(t, 20, Scenario{Name: "churn", Duration: 4 * time.Hour, Life: 2 * time.Hour}, func(b *bundle) {
		s, report := b.run()
		b.platform.Uninstall()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Hour)
		defer cancel()
		gone, of := s.Depart(ctx)
		if gone != of || of != report.Hosts || time.Since(begun) > time.Minute {
			b.t.Errorf("%d of %d agents of %d hosts are gone after %s, want all within seconds", gone, of, report.Hosts, time.Since(begun))
		}
		left := 0
		for _, agent := range b.platform.Agents() {
			left += agent.Left
		}
		if left != report.Hosts {
			b.t.Errorf("%d agents have confirmed, want %d", left, report.Hosts)
		}
	})
}

func TestAgentsThatDepartBecomeNoNewOnes(t *testing.T) {
	t.Parallel()
	bubble(t, 5, Scenario{Name: "steady", Duration: time.Hour}, func(b *bundle) {
		s, _ := b.run()
		b.platform.Forget()
		ctx, cancel := context.WithTimeout(b.t.Context(), 24*time.Hour)
		defer cancel()
		if gone, of := s.Depart(ctx); gone != of || len(b.platform.Agents()) > 0 {
			b.t.Errorf("%d of %d agents are gone, and the platform has %d new ones, want none", gone, of, len(b.platform.Agents()))
		}
	})
}

// TestClonesStartFromACopyOfAnInstalledHost makes sure that they are clones: with
// the identity, the instructions and the confirmed inventory of the first.
func TestClonesStartFromACopyOfAnInstalledHost(t *testing.T) {
	t.Parallel()
	bubble(t, 10, Scenario{Name: "clones", Image: 5, Duration: time.Minute}, func(b *bundle) {
		b.cfg.Patience = time.Minute
		s, report := b.run()
		if report.Identities != 2 || len(b.platform.Agents()) != 2 {
			b.t.Errorf("%d identities for two images, want one each: this platform tells no clones apart", report.Identities)
		}
		for _, m := range s.members {
			state, err := m.lives.files.Read("state.json", 1<<20)
			if err != nil || !strings.Contains(string(state), `"confirmed":`) || strings.Contains(string(state), `"upload":`) {
				b.t.Errorf("state of host %d is %s (%v), want a confirmed inventory and nothing on its way", m.slot, state, err)
			}
		}
		if n := report.of("upload commit").Count; n != 2 {
			b.t.Errorf("%d inventories were committed, want that of each image alone", n)
		}
	})
}
