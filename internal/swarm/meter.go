package swarm

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter counts what a swarm does. It is safe for concurrent use.
type meter struct {
	clock          *clock
	sent, received atomic.Int64 // bytes of all connections, with TLS
	opened         atomic.Int64 // connections
	requests       atomic.Int64
	failed         atomic.Int64

	mu       sync.Mutex
	kinds    map[string]*tally
	waits    *hdrhistogram.Histogram // for a connection, µs
	checkIns []int                   // status requests sent, per minute of the agents
}

// tally is what is known of the requests of one kind.
type tally struct {
	count          int64
	sent, received int64 // bytes of bodies
	errors         map[string]int64
	took           *hdrhistogram.Histogram // µs, of requests that were answered
}

// What latencies are recorded within: a request that takes longer than the
// longest time-out of an agent does not exist.
const (
	longestLatency = 10 * time.Minute
	latencyDigits  = 2
	// maxMinutes bounds the series of check-ins: four weeks.
	maxMinutes = 28 * 24 * 60
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestLatency.Microseconds(), latencyDigits)
}

func newMeter(c *clock) *meter {
	return &meter{clock: c, kinds: make(map[string]*tally), waits: newHistogram()}
}

// outcome is one request.
type outcome struct {
	kind           string
	sent, received int
	wait, took     time.Duration // for a connection; from then to the end of the answer
	failure        string        // empty for an answer within 2xx
	unanswered     bool
}

func (m *meter) add(o outcome) {
	m.requests.Add(1)
	if o.failure != "" {
		m.failed.Add(1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.kinds[o.kind]
	if t == nil {
		t = &tally{errors: make(map[string]int64), took: newHistogram()}
		m.kinds[o.kind] = t
	}
	t.count++
	t.sent += int64(o.sent)
	t.received += int64(o.received)
	if o.failure != "" {
		t.errors[o.failure]++
	}
	if o.unanswered {
		return
	}
	record(t.took, o.took)
	record(m.waits, o.wait)
}

// record cannot fail: the value is within the histogram's bounds.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d, time.Microsecond), longestLatency).Microseconds())
}

// checkIn counts a status request that is about to be sent.
func (m *meter) checkIn() {
	minute := int(m.clock.elapsed() / time.Minute)
	if minute >= maxMinutes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.checkIns) <= minute {
		m.checkIns = append(m.checkIns, 0)
	}
	m.checkIns[minute]++
}

// perMinute returns the check-ins of each whole minute between two moments of the
// agents' time.
func (m *meter) perMinute(from, to time.Duration) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	first, last := int((from+time.Minute-1)/time.Minute), int(to/time.Minute)
	counts := make([]int, max(0, last-first))
	if first < len(m.checkIns) {
		copy(counts, m.checkIns[first:])
	}
	return counts
}

// tallies returns a report on every kind of request, the most frequent first.
func (m *meter) tallies(elapsed time.Duration) []Requests {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Requests
	for kind, t := range m.kinds {
		list = append(list, Requests{
			Kind: kind, Count: t.count, PerSecond: float64(t.count) / elapsed.Seconds(),
			Latency: latency(t.took), Errors: maps.Clone(t.errors),
			SentBytes: t.sent, ReceivedBytes: t.received,
		})
	}
	slices.SortFunc(list, func(a, b Requests) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	return list
}

func (m *meter) waited() Latency {
	m.mu.Lock()
	defer m.mu.Unlock()
	return latency(m.waits)
}

func latency(h *hdrhistogram.Histogram) Latency {
	milliseconds := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: milliseconds(50), P95: milliseconds(95), P99: milliseconds(99), Max: float64(h.Max()) / 1000}
}
