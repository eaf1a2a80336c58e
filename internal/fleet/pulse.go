package fleet

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// heartbeatDelay is how long a heartbeat may wait for others. A heartbeat that
	// is lost with the process heals at the agent's next contact.
	heartbeatDelay = time.Second
	// heartbeatBatch bounds one statement.
	heartbeatBatch = 512
	// maxHeartbeats bounds what may be waiting: beyond it only hosts that wait
	// already are refreshed and the rest is counted as lost.
	maxHeartbeats = 200_000
)

// Pulse collects heartbeats and stores them in batches, the newest of each
// host. Beat never waits for the database. It is safe for concurrent use; one
// goroutine runs Run.
type Pulse struct {
	store Heartbeats
	log   *slog.Logger

	mu      sync.Mutex
	waiting map[int64]Heartbeat
	lost    int64
}

// NewPulse returns a Pulse over the given storage.
func NewPulse(store Heartbeats, log *slog.Logger) *Pulse {
	return &Pulse{store: store, log: log, waiting: make(map[int64]Heartbeat)}
}

// Beat takes a heartbeat in.
func (p *Pulse) Beat(h Heartbeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	older, ok := p.waiting[h.HostID]
	if !ok && len(p.waiting) >= maxHeartbeats {
		p.lost++
		return
	}
	if ok {
		h = h.after(older)
	}
	p.waiting[h.HostID] = h
}

// after returns what stands of a heartbeat and an older one of the same host.
func (h Heartbeat) after(older Heartbeat) Heartbeat {
	h.Sequence = max(h.Sequence, older.Sequence)
	h.Event = cmp.Or(h.Event, older.Event)
	h.AgentVersion = cmp.Or(h.AgentVersion, older.AgentVersion)
	return h
}

// Run stores heartbeats until ctx ends, then what is left, and returns.
func (p *Pulse) Run(ctx context.Context) {
	ticker := time.NewTicker(heartbeatDelay)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			p.Flush(last)
			return
		case <-ticker.C:
			p.Flush(ctx)
		}
	}
}

// Flush stores everything that waits. Batches that cannot be stored are put
// back and tried again at the next flush, unless a newer heartbeat came.
func (p *Pulse) Flush(ctx context.Context) {
	batch, lost := p.take()
	if lost > 0 {
		p.log.WarnContext(ctx, "heartbeats lost: too many waiting for the database", "lost", lost, "limit", maxHeartbeats)
	}
	for part := range slices.Chunk(batch, heartbeatBatch) {
		if err := p.store.SaveHeartbeats(ctx, part); err != nil {
			p.log.WarnContext(ctx, "heartbeats not stored, trying again", "hosts", len(part), "error", err)
			p.putBack(part)
		}
	}
}

func (p *Pulse) take() ([]Heartbeat, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := make([]Heartbeat, 0, len(p.waiting))
	for _, h := range p.waiting {
		batch = append(batch, h)
	}
	clear(p.waiting)
	lost := p.lost
	p.lost = 0
	slices.SortFunc(batch, func(a, b Heartbeat) int { return cmp.Compare(a.HostID, b.HostID) })
	return batch, lost
}

func (p *Pulse) putBack(batch []Heartbeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range batch {
		if newer, ok := p.waiting[h.HostID]; ok {
			h = newer.after(h)
		}
		p.waiting[h.HostID] = h
	}
}
