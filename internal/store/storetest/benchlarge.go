package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

const (
	// benchHosts is the size of a large fleet unless VEDETTE_BENCH_HOSTS says
	// otherwise.
	benchHosts = 100_000
	// checkInsPerSecond is how many agents check in beside searches.
	checkInsPerSecond = 1000
	// bulkHosts is how many hosts one call tags.
	bulkHosts = 10_000
)

// BenchmarkLargeFleet fills a database made by Bootstrap and asks it for pages of
// 100 complete hosts, for counts and for bulk changes, alone and beside check-ins.
// Each part reports the median, the 95th percentile and the longest time.
// VEDETTE_BENCH_HOSTS is the number of hosts, 100,000 without it.
func BenchmarkLargeFleet(b *testing.B, s *store.Store, bulk Bulk) {
	hosts := benchHosts
	if text := os.Getenv("VEDETTE_BENCH_HOSTS"); text != "" {
		hosts = must(strconv.Atoi(text))(b)
	}
	began := time.Now()
	p := &fleetPlan{hosts: hosts, models: min(models, hosts), assessed: true}
	p.fill(b, s, bulk)
	built := time.Since(began)
	var size int64
	if err := bulk.DB.QueryRowContext(b.Context(), bulk.Size).Scan(&size); err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprint("build of ", hosts, " hosts"), func(b *testing.B) {
		for b.Loop() { // they were built before
		}
		b.ReportMetric(built.Seconds(), "s-built")
		b.ReportMetric(float64(size)/1e6, "MB")
		b.ReportMetric(0, "ns/op")
	})
	list := p.inquiries()
	for _, q := range list {
		b.Run(q.name, func(b *testing.B) { q.benchmark(b, s) })
	}
	group := func(name string, fn func(b *testing.B)) {
		b.Run(name, func(b *testing.B) { beside(b, s, hosts, fn) })
	}
	group("beside check-ins", func(b *testing.B) {
		for _, q := range list {
			if q.besideCheckIns() {
				b.Run(q.name, func(b *testing.B) { q.benchmark(b, s) })
			}
		}
	})
	group("counts beside check-ins", func(b *testing.B) {
		for _, q := range append([]inquiry{{name: "everything", scope: fleet.WholeFleet()}}, list...) {
			if q.counted() {
				b.Run(q.name, func(b *testing.B) { q.benchmarkCount(b, s) })
			}
		}
	})
	group("bulk tag beside check-ins", func(b *testing.B) {
		b.Run("add to and remove from 10,000 hosts", func(b *testing.B) { benchmarkBulkTag(b, s) })
	})
}

// besideCheckIns reports whether an inquiry is among those asked beside check-ins:
// what operators ask for, and what is hard.
func (q inquiry) besideCheckIns() bool {
	return len(q.criteria) != 1 || strings.Contains(q.name, "CONTAINS") || strings.Contains(q.name, "absent") ||
		strings.HasPrefix(q.name, "tagName") || strings.HasPrefix(q.name, "lastCheckedIn")
}

// counted reports whether an inquiry is among those that are counted: one of each
// kind of filter.
func (q inquiry) counted() bool {
	return q.name == "everything" || len(q.criteria) == 1 && q.offset == 0 && (strings.HasSuffix(q.name, "EQUALS frequent") || strings.HasSuffix(q.name, "GREATER frequent"))
}

func (q inquiry) conditions(tb testing.TB) []fleet.Condition {
	tb.Helper()
	return must(fleet.ParseConditions(q.criteria))(tb)
}

func (q inquiry) benchmark(b *testing.B, s *store.Store) {
	b.Helper()
	query := fleet.Query{Scope: q.scope, Conditions: q.conditions(b), FromID: q.from, Offset: q.offset, Limit: 100}
	var times latencies
	for b.Loop() {
		began := time.Now()
		must(s.SearchHosts(b.Context(), query))(b)
		times = append(times, time.Since(began))
	}
	times.report(b)
}

func (q inquiry) benchmarkCount(b *testing.B, s *store.Store) {
	b.Helper()
	var times latencies
	for b.Loop() {
		began := time.Now()
		must(s.CountHosts(b.Context(), q.scope, q.conditions(b)))(b)
		times = append(times, time.Since(began))
	}
	times.report(b)
}

// benchmarkBulkTag puts a tag on 10,000 hosts and takes it off again.
func benchmarkBulkTag(b *testing.B, s *store.Store) {
	b.Helper()
	name := fmt.Sprint("bulk ", b.N)
	tag := must(s.CreateTag(b.Context(), qps.TagChange{Name: &name}))(b)
	first := conditions(b, "id", qps.OpLesser, strconv.Itoa(bulkHosts+1))
	tagger := &fleet.Tagger{Assignments: s}
	var times latencies
	for b.Loop() {
		for _, change := range []qps.TagAssignment{{Add: []int64{tag}}, {Remove: []int64{tag}}} {
			began := time.Now()
			must(tagger.AssignMatching(b.Context(), fleet.WholeFleet(), first, change))(b)
			times = append(times, time.Since(began))
		}
	}
	times.report(b)
}

// beside runs fn while agents of the fleet check in, and then reports, as a
// benchmark of its own, how long their heartbeats took to be stored.
func beside(b *testing.B, s *store.Store, hosts int, fn func(b *testing.B)) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	timed := &timedHeartbeats{Store: s}
	pulse := fleet.NewPulse(timed, slog.New(slog.DiscardHandler))
	var work sync.WaitGroup
	work.Go(func() { pulse.Run(ctx) })
	work.Go(func() { checkIn(ctx, pulse, hosts) })
	fn(b)
	cancel()
	work.Wait()
	b.Run("a batch of heartbeats", func(b *testing.B) {
		for b.Loop() { // they were stored before
		}
		timed.times.report(b)
	})
}

// checkIn lets agents of the whole fleet check in until ctx ends.
func checkIn(ctx context.Context, pulse *fleet.Pulse, hosts int) {
	r := draws(4, 0)
	ticker := time.NewTicker(time.Second / 100)
	defer ticker.Stop()
	for at := Start; ; at = at.Add(time.Second / 100) {
		for range checkInsPerSecond / 100 {
			pulse.Beat(fleet.Heartbeat{HostID: 1 + r.Int64N(int64(hosts)), At: at, ConnectedFrom: "203.0.113.8", Event: lastEvent})
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// timedHeartbeats keeps how long each batch took.
type timedHeartbeats struct {
	*store.Store
	times latencies
}

func (h *timedHeartbeats) SaveHeartbeats(ctx context.Context, batch []fleet.Heartbeat) error {
	began := time.Now()
	defer func() { h.times = append(h.times, time.Since(began)) }()
	return h.Store.SaveHeartbeats(ctx, batch)
}

// latencies are how long each of several operations took.
type latencies []time.Duration

func (l latencies) report(b *testing.B) {
	b.Helper()
	if len(l) == 0 {
		return
	}
	slices.Sort(l)
	for _, point := range []struct {
		name string
		at   int
	}{{"ms-p50", len(l) / 2}, {"ms-p95", (len(l)*95+99)/100 - 1}, {"ms-max", len(l) - 1}} {
		b.ReportMetric(float64(l[point.at].Microseconds())/1000, point.name)
	}
	b.ReportMetric(0, "ns/op") // the median says it
}
