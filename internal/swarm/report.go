package swarm

import "time"

// Report is what a swarm has measured. Times of the run are of the world, in
// seconds; latencies are in milliseconds.
type Report struct {
	Scenario string  `json:"scenario"`
	Speed    float64 `json:"speed"`   // of the agents' clock
	Stopped  bool    `json:"stopped"` // before its end
	Seconds  float64 `json:"seconds"`

	Agents     int `json:"agents"`     // at a time
	Hosts      int `json:"hosts"`      // that lived at any time
	Identities int `json:"identities"` // agent ids the platform gave
	// Inventoried are the hosts whose first inventory the platform has committed,
	// and FirstInventories how long it took until that held for all agents; 0 when
	// it never did.
	Inventoried      int     `json:"inventoried"`
	FirstInventories float64 `json:"firstInventoriesSeconds"`
	// Ended says why agents ended before the run did. None should.
	Ended map[string]int `json:"ended,omitempty"`
	// Hopeless says why the swarm gave up before its end; empty when it did not.
	Hopeless string `json:"hopeless,omitempty"`

	Requests    []Requests  `json:"requests"`
	Connections Connections `json:"connections"`
	// Outage is what followed an outage; nil without one.
	Outage *OutageReport `json:"outage,omitempty"`
	// MemoryPerAgent is what this process used for each agent, in bytes.
	MemoryPerAgent int64 `json:"memoryPerAgentBytes"`
}

// Requests are the requests of one kind.
type Requests struct {
	Kind      string  `json:"kind"`
	Count     int64   `json:"count"`
	PerSecond float64 `json:"perSecond"`
	// Latency of answered requests, from the moment they had a connection.
	Latency Latency `json:"latencyMs"`
	// Errors by status and code, or by what kept the request from being answered.
	Errors        map[string]int64 `json:"errors,omitempty"`
	SentBytes     int64            `json:"sentBytes"` // of bodies
	ReceivedBytes int64            `json:"receivedBytes"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Connections is what went over the network.
type Connections struct {
	Opened int64 `json:"opened"`
	// Wait is how long requests waited for a connection: a new one, or, where all
	// were busy, one of another agent. Much of it says that the platform, or this
	// machine, does not keep up.
	Wait          Latency `json:"waitMs"`
	SentBytes     int64   `json:"sentBytes"` // with TLS and headers
	ReceivedBytes int64   `json:"receivedBytes"`
}

// OutageReport is what a platform meets when it can be reached again. Minutes are
// those of the agents.
type OutageReport struct {
	Lost          int64   `json:"lostRequests"` // that found no network
	PeakPerMinute int     `json:"peakPerMinute"`
	MeanPerMinute float64 `json:"meanPerMinute"`
	// PeakToMean compares the busiest minute after the outage with the mean of all.
	// Chance alone makes it 1.3 with 10,000 agents and 2 with 500.
	PeakToMean float64 `json:"peakToMean"`
}

// outageReport looks at the check-ins of each minute after an outage.
func outageReport(lost int64, perMinute []int) *OutageReport {
	o := &OutageReport{Lost: lost}
	sum := 0
	for _, n := range perMinute {
		sum += n
		o.PeakPerMinute = max(o.PeakPerMinute, n)
	}
	if sum > 0 {
		o.MeanPerMinute = float64(sum) / float64(len(perMinute))
		o.PeakToMean = float64(o.PeakPerMinute) / o.MeanPerMinute
	}
	return o
}

// Progress is how far a run has come.
type Progress struct {
	Phase       string
	Life        time.Duration // of the agents
	Agents      int           // that have started
	Ended       int           // of these, by themselves
	Inventoried int
	Requests    int64
	Failed      int64   // requests
	PerSecond   float64 // requests since the last Progress
}
