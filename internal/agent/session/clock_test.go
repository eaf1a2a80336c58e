package session

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// TestAnAgentWhoseClockJumps sets the host's clock at random requests of a life,
// and again before each start. What a running agent waits for follows the
// monotonic clock, which no setting moves; signatures and all that is on disk
// follow the other one.
func TestAnAgentWhoseClockJumps(t *testing.T) {
	t.Parallel()
	jumps := []time.Duration{
		0, 6 * time.Minute, -6 * time.Minute, time.Hour, -time.Hour, 25 * time.Hour, -25 * time.Hour,
		20 * 365 * 24 * time.Hour, -365 * 24 * time.Hour,
	}
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				random := rand.New(rand.NewPCG(seed, 0))
				var ahead atomic.Int64
				jump := func() { ahead.Store(int64(jumps[random.IntN(len(jumps))])) }
				b.cfg.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				moved := 0
				b.wire.Cut = func(r *http.Request, handled bool) error {
					if r.URL.Path != agentwire.PathWakeup && random.IntN(4) == 0 {
						jump()
						moved++
					}
					return nil
				}
				life := func(d time.Duration) {
					b.clock.skew = time.Duration(ahead.Load()) // as it is when a process starts
					b.run(d)
				}
				life(10 * time.Minute)
				b.upgrade(3, "2.0")
				request := b.platform.Launch(agentwire.InventoryScan, false)
				for range 4 {
					jump()
					life(30 * time.Minute)
				}
				b.wire.Cut = nil
				ahead.Store(0)
				life(6 * time.Hour)
				if moved < 3 {
					t.Fatalf("the clock jumped %d times", moved)
				}
				b.check(request)
			})
		})
	}
}
