package main

import (
	"cmp"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/resident"
	"vedette.dev/vedette/internal/swarm"
)

// benchSwarm makes a swarm against a platform in a process of its own.
func benchSwarm(b *testing.B, p *benchPlatform, config swarm.Config) *swarm.Swarm {
	b.Helper()
	recordings, err := swarm.Recordings()
	if err != nil {
		b.Fatal(err)
	}
	config.Connections, config.Seed, config.Prefix, config.Recordings = 256, 1, "swarm-", recordings
	config.ServerURI, config.CA = p.url, p.ca
	config.ActivationID, config.CustomerID = p.admin.activationKey, p.admin.customerID
	config.AgentVersion, config.Log = resident.Version, slog.New(slog.DiscardHandler)
	config.Progress = func(s swarm.Progress) {
		b.Logf("%s, agents' time %s: %d agents, %d inventoried, %.0f requests/s, %d failed", s.Phase, s.Life.Round(time.Second), s.Agents, s.Inventoried, s.PerSecond, s.Failed)
	}
	s, err := swarm.New(config)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkFirstInventories installs 500 hosts at once and measures how long it
// takes until all first inventories are committed: provisioning, profiles,
// manifests, uploads of real inventories with all their retries.
func BenchmarkFirstInventories(b *testing.B) {
	const hosts = 500
	for _, engine := range benchEngines {
		b.Run(engine.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				platform := startBenchPlatform(b, engine.database(b), nil)
				s := benchSwarm(b, platform, swarm.Config{Scenario: swarm.Scenario{Name: "storm"}, Agents: hosts, Speed: 1})
				b.StartTimer()
				report := s.Run(b.Context())
				b.StopTimer()
				if report.Inventoried != hosts {
					b.Fatalf("%d of %d hosts inventoried", report.Inventoried, hosts)
				}
				b.ReportMetric(hosts/report.FirstInventories, "hosts/s")
				b.ReportMetric(float64(platform.cpu(b).Microseconds())/hosts/1000, "platform-ms/host")
				b.StartTimer()
			}
		})
	}
}

// BenchmarkReturnFromAnOutage lets VEDETTE_BENCH_AGENTS agents (1,500) lose a
// platform on SQLite for 30 minutes, on a clock sixty times as fast, and compares
// the busiest minute of their return with the mean. It fails above 2.
func BenchmarkReturnFromAnOutage(b *testing.B) {
	agents, err := strconv.Atoi(cmp.Or(os.Getenv("VEDETTE_BENCH_AGENTS"), "1500"))
	if err != nil {
		b.Fatalf("VEDETTE_BENCH_AGENTS: %v", err)
	}
	scenario, _ := swarm.FindScenario("outage")
	scenario.Ramp = time.Duration(agents) * 2 * time.Second // 30 hosts a second
	for b.Loop() {
		platform := startBenchPlatform(b, "", nil)
		s := benchSwarm(b, platform, swarm.Config{Scenario: scenario, Agents: agents, Speed: 60})
		report := s.Run(b.Context())
		back := report.Outage
		if back == nil || report.Inventoried != agents {
			b.Fatalf("%d of %d hosts inventoried", report.Inventoried, agents)
		}
		b.ReportMetric(back.PeakToMean, "peak/mean")
		b.ReportMetric(back.MeanPerMinute, "check-ins/agent-min")
		b.ReportMetric(float64(report.MemoryPerAgent)/1000, "KB/agent")
		for _, r := range report.Requests {
			if r.Kind == "status" {
				b.ReportMetric(r.Latency.P99, "ms-p99-status")
				if len(r.Errors) > 0 {
					b.Logf("status requests failed: %v", r.Errors)
				}
			}
		}
		if back.PeakToMean > 2 {
			b.Errorf("the busiest minute has %.2f times the mean, at most 2 are allowed", back.PeakToMean)
		}
	}
}
