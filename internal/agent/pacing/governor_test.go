//go:build unix

package pacing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// simulated is a group in the bubble's time. It uses as many cores as its function
// says for the time it is let run, sampled once a millisecond.
type simulated struct {
	cores     func(ran time.Duration) float64
	unread    bool // its CPU time cannot be read
	start, at time.Time
	ran, cpu  time.Duration
	stopped   bool
	stops     int
	looked    time.Time     // while running
	blind     time.Duration // the longest time between two looks while running
	over      time.Duration // the most it ever had above the share
	share     float64
}

func simulate(limit int, cores func(time.Duration) float64) *simulated {
	now := time.Now()
	return &simulated{cores: cores, start: now, at: now, looked: now, share: float64(limit) / 100}
}

// advance lives until now.
func (s *simulated) advance() {
	for now := time.Now(); s.at.Before(now); {
		step := min(now.Sub(s.at), time.Millisecond)
		s.at = s.at.Add(step)
		if !s.stopped {
			s.cpu += time.Duration(s.cores(s.ran) * float64(step))
			s.ran += step
		}
		s.over = max(s.over, s.cpu-time.Duration(s.share*float64(s.at.Sub(s.start))))
	}
}

func (s *simulated) used() (time.Duration, bool) {
	s.advance()
	if !s.stopped {
		s.blind = max(s.blind, s.at.Sub(s.looked))
	}
	s.looked = s.at
	return s.cpu, !s.unread
}

func (s *simulated) stop() error {
	s.advance()
	s.stopped = true
	s.stops++
	return nil
}

func (s *simulated) resume() error {
	s.advance()
	s.stopped, s.looked = false, s.at
	return nil
}

func (s *simulated) wait() error { return nil }

// governed returns the share of one core that s used while it was governed for d.
func (s *simulated) governed(limit int, d time.Duration) float64 {
	before := s.cpu
	ended := make(chan struct{})
	time.AfterFunc(d, func() { close(ended) })
	newGovernor(s, limit, time.Now()).run(ended)
	s.advance()
	return float64(s.cpu-before) / float64(d)
}

func always(cores float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return cores }
}

func TestABusyGroupGetsItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 5, 20, 50, 80, 100} {
		for _, threads := range []float64{1, 4} {
			t.Run(fmt.Sprintf("%d %% with %v threads", limit, threads), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := simulate(limit, always(threads))
					share := s.governed(limit, time.Minute)
					if want := float64(limit) / 100; share > want*1.02 || share < want*0.97 {
						t.Errorf("group used %.2f %% of a core, want %d %%", share*100, limit)
					}
					// What a busy group has in advance is one look of all its threads.
					if most := time.Duration(threads) * checkEvery; s.over > most {
						t.Errorf("group was %s ahead of its share once, at most %s are allowed", s.over, most)
					}
					if s.blind > checkEvery {
						t.Errorf("group ran for %s without a look, at most %s are allowed", s.blind, checkEvery)
					}
				})
			})
		}
	}
}

func TestAnUnsteadyGroupIsNeverAboveItsShare(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				limit := 2 + random.IntN(99)
				until, cores := time.Duration(0), 0.0
				s := simulate(limit, func(ran time.Duration) float64 {
					if ran >= until {
						until, cores = ran+time.Duration(random.Int64N(int64(200*time.Millisecond))), 2*random.Float64()
						if random.IntN(2) == 0 {
							cores = 0 // waits for the disk
						}
					}
					return cores
				})
				s.governed(limit, time.Minute)
				if most := 2 * checkEvery; s.over > most {
					t.Errorf("group was %s ahead of %d %% of a core once, at most %s are allowed", s.over, limit, most)
				}
			})
		})
	}
}

func TestAGroupBelowItsShareIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := simulate(20, always(0.1))
		share := s.governed(20, time.Minute)
		// Once at its start, when it has no credit yet.
		if s.stops > 1 || share < 0.099 {
			t.Errorf("group that wants 10 %% of a core was stopped %d times and used %.2f %%", s.stops, share*100)
		}
	})
}

func TestWhatAGroupDidNotUseIsNotSavedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, idle = 20, 10 * time.Second
		s := simulate(limit, func(ran time.Duration) float64 {
			if ran < idle {
				return 0
			}
			return 1
		})
		s.governed(limit, idle+2*time.Second)
		// Two seconds of its share, what it missed in the last window, and a burst.
		if most := 440*time.Millisecond + burst + checkEvery; s.cpu > most {
			t.Errorf("group used %s in two seconds after it had waited, at most %s are allowed", s.cpu, most)
		}
	})
}

func TestTimeCountsWhereCPUTimeCannotBeRead(t *testing.T) {
	t.Parallel()
	for cores, want := range map[float64]float64{1: 0.20, 0.5: 0.10} {
		t.Run(fmt.Sprintf("%v cores", cores), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := simulate(20, always(cores))
				s.unread = true
				if share := s.governed(20, time.Minute); share > want*1.01 || share < want*0.97 {
					t.Errorf("group used %.2f %% of a core, want %.0f %%", share*100, want*100)
				}
			})
		})
	}
}

// stubborn is a group that cannot be signalled any more.
type stubborn struct{ simulated }

func (s *stubborn) stop() error { return errors.New("no such process") }

func TestAGroupThatCannotBeStoppedIsWatchedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{*simulate(5, always(1))}
		ended := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(ended) })
		newGovernor(s, 5, time.Now()).run(ended)
		if s.blind > checkEvery {
			t.Errorf("group ran for %s without a look, at most %s are allowed", s.blind, checkEvery)
		}
	})
}
