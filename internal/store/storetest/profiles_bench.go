package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/performance"
)

// rolloutAgents is how many agents each step of BenchmarkRollout looks at, as
// many as a fleet.Rollout begins with.
const rolloutAgents = 200

// BenchmarkRollout brings a changed rule and changed content to a fleet made by
// Hosts, without the pauses that fleet.Rollout makes, while batches of 100
// contacts are stored. It reports how many agents are told per second, the
// longest step, and the longest time a batch of contacts took.
func BenchmarkRollout(b *testing.B, s *store.Store) {
	ctx := b.Context()
	all := func(p *fleet.Profile) { p.Include.Tags = []fleet.TagRef{{Name: fleet.SystemTag}} }
	id := must(s.CreateProfile(ctx, profile("Everybody")))(b).ID
	drain(b, s)
	limit := 0
	for _, c := range []struct {
		name   string
		change func(p *fleet.Profile)
	}{
		{"rule for every agent, there and back", func(p *fleet.Profile) {
			if len(p.Include.Tags) > 0 {
				p.Include.Tags = nil
				return
			}
			all(p)
		}},
		{"content of the profile of every agent", func(p *fleet.Profile) {
			all(p)
			limit = limit%90 + 2
			p.Performance = performance.Settings{performance.KeyScanThrottle: time.Duration(limit).String()}
		}},
		{"rule that changes nothing", func(p *fleet.Profile) { p.Exclude.All = !p.Exclude.All }},
	} {
		b.Run(c.name, func(b *testing.B) {
			contacts := startContacts(b, s)
			var longest time.Duration
			told, looked := 0, 0
			for b.Loop() {
				must(s.UpdateProfile(ctx, id, func(p *fleet.Profile) error { c.change(p); return nil }))(b)
				for waiting := true; waiting; {
					began := time.Now()
					step := must(s.RolloutProfiles(ctx, rolloutAgents))(b)
					longest = max(longest, time.Since(began))
					told, looked, waiting = told+step.Told, looked+step.Looked, step.Waiting
				}
			}
			b.ReportMetric(float64(looked)/b.Elapsed().Seconds(), "looked/s")
			b.ReportMetric(float64(told)/b.Elapsed().Seconds(), "told/s")
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-step")
			b.ReportMetric(float64(contacts().Microseconds())/1000, "ms-longest-contact")
		})
	}
}

func drain(b *testing.B, s *store.Store) {
	b.Helper()
	for must(s.RolloutProfiles(b.Context(), rolloutAgents))(b).Waiting {
	}
}

// startContacts stores contacts until the function it returns is called, which
// gives the longest time that one batch took.
func startContacts(b *testing.B, s *store.Store) (end func() time.Duration) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var longest time.Duration
	var work sync.WaitGroup
	work.Go(func() {
		for at := Start; ctx.Err() == nil; at = at.Add(time.Second) {
			batch := make([]fleet.Heartbeat, 100)
			for i := range batch {
				batch[i] = fleet.Heartbeat{HostID: int64(i + 1), At: at, ConnectedFrom: "203.0.113.8", AgentVersion: "2.0.0"}
			}
			began := time.Now()
			if err := s.SaveHeartbeats(ctx, batch); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			if ctx.Err() == nil {
				longest = max(longest, time.Since(began))
			}
		}
	})
	return func() time.Duration { cancel(); work.Wait(); return longest }
}
