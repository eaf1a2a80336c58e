package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
)

// BenchmarkPlaybookRuns has runs of ten steps carried out by a whole platform in this
// process, against a subscription that answers at once, in this process too. An
// operation is a run. start-ms is how long a run waits for its first step when there
// is nothing else to do. The last runs of a measurement wait for the next look of the
// job engine, some 0.4 s in all: give it five seconds (-benchtime 5s) for steps/s.
func BenchmarkPlaybookRuns(b *testing.B) {
	for _, engine := range benchEngines {
		b.Run(engine.name, func(b *testing.B) {
			p := openStage(b, platformConfig{Data: b.TempDir(), Listen: "127.0.0.1:0", Database: engine.database(b)})
			subscription, url := newSubscription(b)
			playbook, admin := stage(b, p, url)
			ctx, stop := context.WithCancel(b.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- p.run(ctx) }()
			defer func() {
				stop()
				if err := <-stopped; err != nil && !errors.Is(err, http.ErrServerClosed) {
					b.Error(err)
				}
				_ = p.close()
			}()
			began := time.Now()
			begin(b, p, admin, playbook, 1, 2)
			for subscription.requests.Load() == 0 {
				_ = sleepContext(b.Context(), time.Millisecond)
			}
			alone := time.Since(began)
			awaitRuns(b, p)
			b.ResetTimer()
			begin(b, p, admin, playbook, 2, b.N+2)
			awaitRuns(b, p)
			b.StopTimer()
			b.ReportMetric(float64(b.N*10)/b.Elapsed().Seconds(), "steps/s")
			b.ReportMetric(float64(alone.Milliseconds()), "start-ms")
			found, err := p.store.PlaybookRuns(b.Context(), conductor.Filter{State: conductor.Succeeded, Limit: b.N + 2})
			if err != nil || len(found) != b.N+1 {
				b.Errorf("%d of %d runs were successful: %v", len(found), b.N+1, err)
			}
		})
	}
}

// awaitRuns waits until every run has ended.
func awaitRuns(tb testing.TB, p *platform) {
	tb.Helper()
	for {
		open, err := p.store.PlaybookRuns(tb.Context(), conductor.Filter{Open: true, Limit: 1})
		if err != nil {
			tb.Fatal(err)
		}
		if len(open) == 0 {
			return
		}
		_ = sleepContext(tb.Context(), 20*time.Millisecond)
	}
}
