package qpsclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	reset := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("<ServiceResponse><responseCode>SUC"))
	}
	tests := []struct {
		name  string
		first http.HandlerFunc
		want  []time.Duration
	}{
		{"after 429 with X-RateLimit-ToWait-Sec for at least that long", answer(429, "", "X-RateLimit-ToWait-Sec", "7"), []time.Duration{8 * time.Second}},
		{"after 503 with Retry-After in seconds", answer(503, "", "Retry-After", "30"), []time.Duration{31 * time.Second}},
		{"after 503 with Retry-After as a date", answer(503, "", "Retry-After", testNow().Add(20*time.Second).Format(http.TimeFormat)), []time.Duration{21 * time.Second}},
		{"after 409 that is a rate refusal", answer(409, "", "X-RateLimit-ToWait-Sec", "3"), []time.Duration{4 * time.Second}},
		{"after 409 that is a concurrency refusal", answer(409, "", "X-RateLimit-ToWait-Sec", "0", "X-Concurrency-Limit-Limit", "2"), []time.Duration{time.Second}},
		{"after 502", answer(502, "<html>"), []time.Duration{time.Second}},
		{"after 504", answer(504, ""), []time.Duration{time.Second}},
		{"after a reset connection", reset, []time.Duration{time.Second}},
		{"after an answer cut off by the connection", cut, []time.Duration{time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.first, countOf(12))
			c, w := newClient(t, p.URL)
			got, err := c.CountHostAssets(context.Background(), nil)
			if err != nil || got != 12 {
				t.Fatalf("CountHostAssets = %d, %v; want 12", got, err)
			}
			if diff := cmp.Diff(tt.want, w.list); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadsAreNotRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first http.HandlerFunc
	}{
		{"after 500", answer(500, "")},
		{"after 404", answer(404, "")},
		{"after 401", answer(401, "")},
		{"after 409 that is no limit", answer(409, "")},
		{"after an error in the envelope", refusal(200, qps.CodeOtherError, "An error occurred.", "")},
		{"after an answer that is no envelope", answer(200, "<html><body>Sign in</body></html>")},
		{"after XML that ends too early", answer(200, "<ServiceResponse><responseCode>SUCCESS</responseCode>")},
		{"when the platform asks for more than MaxDelay", answer(429, "", "X-RateLimit-ToWait-Sec", "3000")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.first, countOf(12))
			c, w := newClient(t, p.URL)
			if _, err := c.CountHostAssets(context.Background(), nil); err == nil {
				t.Fatal("CountHostAssets succeeded, want an error")
			}
			if len(w.list) != 0 || len(p.received()) != 1 {
				t.Errorf("waits %v and %d requests, want none and one", w.list, len(p.received()))
			}
		})
	}
}

func TestWritesAreRepeatedOnlyAfterARefusal(t *testing.T) {
	t.Parallel()
	reset := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	tests := []struct {
		name   string
		first  http.HandlerFunc
		repeat bool
	}{
		{"429", answer(429, ""), true},
		{"503", answer(503, ""), true},
		{"409 of a limit", answer(409, "", "X-Concurrency-Limit-Limit", "2"), true},
		{"409 of a full concurrency limit", answer(409, "", "X-RateLimit-ToWait-Sec", "0", "X-Concurrency-Limit-Limit", "2", "X-Concurrency-Limit-Running", "2"), true},
		{"409 of another reason", answer(409, ""), false},
		{"409 of another reason where there are limits", answer(409, "", "X-RateLimit-ToWait-Sec", "0", "X-Concurrency-Limit-Limit", "2", "X-Concurrency-Limit-Running", "1"), false},
		{"502", answer(502, ""), false},
		{"504", answer(504, ""), false},
		{"500", answer(500, ""), false},
		{"reset connection", reset, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.first, countOf(1))
			c, _ := newClient(t, p.URL)
			_, err := c.LaunchOnDemandScan(context.Background(), ScanLaunch{AssetID: 7, Type: InventoryScan})
			if repeated := len(p.received()) == 2; repeated != tt.repeat || (err == nil) != tt.repeat {
				t.Errorf("repeated = %v, error = %v; want repeated = %v", repeated, err, tt.repeat)
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()

	t.Run("after MaxTries attempts with growing waits", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, answer(503, ""))
		var announced []int
		c, w := newClient(t, p.URL, func(cfg *Config) {
			cfg.Rand = func() float64 { return 1 }
			cfg.OnRetry = func(r Retry) { announced = append(announced, r.Attempt) }
		})
		_, err := c.CountHostAssets(context.Background(), nil)
		status, ok := errors.AsType[*StatusError](err)
		if !ok || status.StatusCode != 503 {
			t.Fatalf("error = %v, want status 503", err)
		}
		want := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second}
		if diff := cmp.Diff(want, w.list); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5}, announced); diff != "" {
			t.Errorf("announced attempts (-want +got):\n%s", diff)
		}
	})

	t.Run("at once with one try", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, answer(503, ""))
		c, w := newClient(t, p.URL, func(cfg *Config) { cfg.Tries = 1 })
		if _, err := c.CountHostAssets(context.Background(), nil); err == nil || len(w.list) != 0 {
			t.Errorf("error = %v, waits = %v; want an error without a wait", err, w.list)
		}
	})

	t.Run("when the context would end before the wait", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, answer(429, "", "Retry-After", "60"))
		c, w := newClient(t, p.URL, func(cfg *Config) { cfg.Now = time.Now })
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err := c.CountHostAssets(ctx, nil)
		status, ok := errors.AsType[*StatusError](err)
		if !ok || status.Wait != time.Minute || len(w.list) != 0 {
			t.Errorf("error = %v, waits = %v; want the refusal with its wait at once", err, w.list)
		}
	})

	t.Run("when the context ends during a wait", func(t *testing.T) {
		t.Parallel()
		p := newPlatform(t, answer(503, ""))
		ctx, cancel := context.WithCancel(context.Background())
		c, _ := newClient(t, p.URL, func(cfg *Config) {
			cfg.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
		})
		if _, err := c.CountHostAssets(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want context.Canceled in the chain", err)
		}
	})
}

func TestUnknownHostIsNotRetried(t *testing.T) {
	t.Parallel()
	dials := 0
	c, w := newClient(t, "https://nowhere.example", func(cfg *Config) {
		cfg.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}}
		}}
	})
	_, err := c.PortalVersion(context.Background())
	broken, ok := errors.AsType[*TransportError](err)
	if !ok || broken.Kind != KindDNS || dials != 1 || len(w.list) != 0 {
		t.Errorf("error = %v after %d attempts, want one that says dns", err, dials)
	}
}

// hopeless is an error of a transport that knows better than to try again.
type hopeless struct{}

func (hopeless) Error() string   { return "the way is closed" }
func (hopeless) Permanent() bool { return true }

type closedWay struct{ asked int }

func (w *closedWay) RoundTrip(*http.Request) (*http.Response, error) {
	w.asked++
	return nil, &net.OpError{Op: "dial", Err: hopeless{}}
}

func TestWhatATransportCallsPermanentIsNotRetried(t *testing.T) {
	t.Parallel()
	way := &closedWay{}
	c, w := newClient(t, "https://platform.example", func(cfg *Config) { cfg.Transport = way })
	_, err := c.CountHostAssets(context.Background(), nil)
	if _, ok := errors.AsType[hopeless](err); !ok || way.asked != 1 || len(w.list) != 0 {
		t.Errorf("%d requests, waits %v: %v", way.asked, w.list, err)
	}
}

func TestOnlyWhatThisMachineRefusesIsNotRetried(t *testing.T) {
	t.Parallel()
	for address, tries := range map[string]int{"127.0.0.1": 1, "::1": 1, "192.0.2.1": MaxTries} {
		dials := 0
		c, _ := newClient(t, "https://vedette.example", func(cfg *Config) {
			cfg.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials++
				return nil, &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}}
		})
		_, err := c.PortalVersion(t.Context())
		broken, ok := errors.AsType[*TransportError](err)
		if !ok || broken.Kind != KindConnect || dials != tries {
			t.Errorf("%s refuses: %v after %d attempts, want %d", address, err, dials, tries)
		} else if here := strings.Contains(broken.NextStep(), "vedette up"); here != (tries == 1) {
			t.Errorf("%s refuses, next step: %s", address, broken.NextStep())
		}
	}
}

func TestAWaitLongerThanMaxWaitIsLeftToTheCaller(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first http.HandlerFunc
		want  []time.Duration
	}{
		{"asked for", answer(429, "", "Retry-After", "6"), nil},
		{"asked for by a limit of Qualys", answer(409, "", "X-RateLimit-ToWait-Sec", "300"), nil},
		{"short enough", answer(429, "", "Retry-After", "5"), []time.Duration{6 * time.Second, 6 * time.Second, 6 * time.Second, 6 * time.Second, 6 * time.Second}},
		{"grown by itself", answer(503, ""), []time.Duration{time.Second, 2 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tt.first)
			c, w := newClient(t, p.URL, func(cfg *Config) { cfg.MaxWait = 5 * time.Second })
			_, err := c.CountHostAssets(context.Background(), nil)
			if _, ok := errors.AsType[*StatusError](err); !ok {
				t.Errorf("error = %v, want the refusal", err)
			}
			if diff := cmp.Diff(tt.want, w.list); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAttemptEndsAfterTheTimeoutOfTheConfiguration(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	c, _ := newClient(t, newPlatform(t, hang).URL, func(cfg *Config) { cfg.Tries, cfg.Timeout = 1, 20*time.Millisecond })
	_, err := c.CountHostAssets(context.Background(), nil)
	if broken, ok := errors.AsType[*TransportError](err); !ok || broken.Kind != KindTimeout {
		t.Errorf("error = %v, want a timeout", err)
	}
}
