package session

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

func TestJitterBounds(t *testing.T) {
	t.Parallel()
	const interval = 30 * time.Minute
	s := spread{random: rand.New(rand.NewPCG(3, 4)).Float64}
	tests := []struct {
		name        string
		draw        func() time.Duration
		least, most time.Duration
	}{
		{"status varies by a tenth", func() time.Duration { return scale(interval, s.regular()) }, interval * 9 / 10, interval * 11 / 10},
		{"recovered varies by a half", func() time.Duration { return scale(interval, s.recovered()) }, interval / 2, interval * 3 / 2},
		{"retry reaches below twice the interval", func() time.Duration { return s.retry(interval) }, 0, 2 * interval},
		{"doubling starts at first", func() time.Duration { return s.doubling(1, time.Minute, interval) }, 0, time.Minute},
		{"doubling doubles", func() time.Duration { return s.doubling(4, time.Minute, interval) }, 0, 8 * time.Minute},
		{"doubling keeps its jitter at the cap", func() time.Duration { return s.doubling(1000, time.Minute, interval) }, 0, interval},
		{"retry after is a lower bound", func() time.Duration { return s.after(time.Hour) }, time.Hour, 90 * time.Minute},
		{"retry after is bounded", func() time.Duration { return s.after(365 * 24 * time.Hour) }, maxRetryAfter, maxRetryAfter * 3 / 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			low, high := time.Duration(1<<62), time.Duration(0)
			for range 5000 {
				d := tt.draw()
				low, high = min(low, d), max(high, d)
			}
			width := tt.most - tt.least
			if low < tt.least || high > tt.most {
				t.Errorf("delays from %s to %s, want %s to %s", low, high, tt.least, tt.most)
			}
			if low > tt.least+width/5 || high < tt.most-width/5 {
				t.Errorf("delays from %s to %s do not fill %s to %s", low, high, tt.least, tt.most)
			}
		})
	}
}

// TestReturnFromAnOutage lets a fleet lose its platform for half an hour and
// looks at the contacts after its return: no minute may see twice the mean.
func TestReturnFromAnOutage(t *testing.T) {
	t.Parallel()
	const (
		fleet  = 10_000
		outage = 30 * time.Minute
	)
	for _, interval := range []time.Duration{10 * time.Minute, 30 * time.Minute, 40 * time.Minute} {
		t.Run(interval.String(), func(t *testing.T) {
			t.Parallel()
			s := spread{random: rand.New(rand.NewPCG(5, 6)).Float64}
			window := 4 * interval
			perMinute := make([]int, window/time.Minute)
			for range fleet {
				lost := false
				at := s.below(interval) // the next contact, since the outage began
				for at < outage+window {
					if at < outage {
						lost = true
						at += s.retry(interval)
						continue
					}
					perMinute[(at-outage)/time.Minute]++
					if lost {
						at += scale(interval, s.recovered())
					} else {
						at += scale(interval, s.regular())
					}
					lost = false
				}
			}
			peak, sum := 0, 0
			for _, n := range perMinute {
				peak, sum = max(peak, n), sum+n
			}
			mean := float64(sum) / float64(len(perMinute))
			t.Logf("mean %.0f, peak %d contacts a minute: %.2f", mean, peak, float64(peak)/mean)
			if float64(peak) > 2*mean {
				t.Errorf("peak of %d contacts a minute at a mean of %.0f, want at most twice the mean", peak, mean)
			}
		})
	}
}

func TestOutageIsLoggedOnceAndSurvived(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		down := true
		b.wire.Cut = func(*http.Request, bool) error {
			if down {
				return http.ErrServerClosed
			}
			return nil
		}
		b.run(12 * time.Hour)
		if n := b.logged("contact failed"); n != 1 {
			t.Errorf("outage was logged %d times, want once", n)
		}
		down = false
		b.run(6 * time.Hour)
		b.settled()
	})
}

func TestBlackoutIsSilent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		newYork, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		b.clock.zone = newYork
		// 22:00 to 04:00 in New York is 03:00 to 09:00 UTC.
		b.platform.Profile.Blackout = []agentwire.Blackout{{StartHour: 22, EndHour: 4, Days: [7]bool{true, true, true, true, true, true, true}}}
		quiet, loud := 0, 0
		var first time.Time
		b.platform.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if at := time.Now().UTC(); at.Hour() >= 3 && at.Hour() < 9 {
				quiet++
				t.Errorf("%s %s at %s", r.Method, r.URL.Path, at)
			} else if at.Sub(epoch) > 9*time.Hour {
				if first.IsZero() {
					first = at
				}
				loud++
			}
			return false
		}
		var held *time.Time
		b.wire.Cut = func(r *http.Request, handled bool) error {
			if handled && r.URL.Path == agentwire.PathWakeup {
				if at := time.Now().UTC(); at.Hour() >= 3 && at.Hour() < 9 {
					held = &at
				}
			}
			return nil
		}
		time.Sleep(7 * time.Second) // so that no poll ends at the very start of the blackout
		b.beside()
		time.Sleep(4 * time.Hour)
		b.upgrade(5, "2.0")
		request := b.platform.Launch(agentwire.InventoryScan, false)
		scans := len(b.runner.Jobs())
		time.Sleep(5*time.Hour - 10*time.Second)
		if len(b.runner.Jobs()) == scans {
			t.Error("local collection did not go on in the blackout")
		}
		time.Sleep(2 * time.Hour)
		b.platform.Edit(func() {
			if request.State != "complete" {
				t.Errorf("request is %s two hours after the blackout, want complete", request.State)
			}
		})
		if loud == 0 || held != nil {
			t.Errorf("%d contacts after the blackout, a poll answered within it at %v", loud, held)
		}
		if delay := first.Sub(epoch.Add(9 * time.Hour)); delay <= 0 || delay > resumeSpread {
			t.Errorf("first contact came %s after the blackout, want a random part of %s", delay, resumeSpread)
		}
		b.settled()
	})
}

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(c *Config)
		says   string
	}{
		{"nothing given", func(c *Config) { c.ActivationID = "" }, "ActivationId=, CustomerId= and ServerUri= are required"},
		{"activation id", func(c *Config) { c.ActivationID = `x";tag="` }, "is not a UUID"},
		{"plain http", func(c *Config) { c.ServerURI = "http://platform.test/" }, "is not an https address"},
		{"credentials in the address", func(c *Config) { c.ServerURI = "https://a:b@platform.test/" }, "is not an https address"},
		{"authority without a certificate", func(c *Config) { c.CA, c.Transport = []byte("x"), nil }, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				tt.change(&b.cfg)
				a, err := Open(b.cfg)
				if err == nil {
					a.Close()
				}
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("open: %v, want %q", err, tt.says)
				}
			})
		})
	}
}

func TestServerMayMoveButNotTheSubscription(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.cfg.ServerURI = "https://moved.test:9443"
		host := ""
		b.wire.Cut = func(r *http.Request, _ bool) error {
			host = r.URL.Host
			return nil
		}
		b.run(time.Minute)
		b.settled()
		if host != "moved.test:9443" {
			t.Errorf("agent contacted %s, want the new address", host)
		}
		b.cfg.CustomerID = "99999999-0000-4000-8000-000000000000"
		if _, err := Open(b.cfg); err == nil || !strings.Contains(err.Error(), "cannot be provisioned for") {
			t.Errorf("open for another subscription: %v, want a refusal", err)
		}
	})
}
