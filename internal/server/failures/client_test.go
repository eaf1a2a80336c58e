package failures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// client returns a client of the platform that waits in no time, and the waits.
func client(t *testing.T, p *platform) (*qpsclient.Client, *[]time.Duration) {
	t.Helper()
	waits := &[]time.Duration{}
	c, err := qpsclient.New(qpsclient.Config{
		BaseURL: p.URL, Username: "admin", Password: "right", Transport: p.Client().Transport,
		Sleep: func(ctx context.Context, d time.Duration) error { *waits = append(*waits, d); return ctx.Err() },
		Rand:  func() float64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, waits
}

func TestOurClientKeepsItsPromises(t *testing.T) {
	t.Parallel()
	read := func(ctx context.Context, c *qpsclient.Client) error {
		hosts := 0
		for page, err := range c.SearchHostAssets(ctx, qpsclient.HostAssetSearch{}) {
			if err != nil {
				return err
			}
			hosts += len(page.Assets)
		}
		if hosts != len(hostNames) {
			return fmt.Errorf("%d hosts, want %d", hosts, len(hostNames))
		}
		return nil
	}
	launch := func(ctx context.Context, c *qpsclient.Client) error {
		_, err := c.LaunchOnDemandScan(ctx, qpsclient.ScanLaunch{AssetID: 1, Type: qpsclient.InventoryScan})
		return err
	}
	for _, tc := range []struct {
		name    string
		failure string // of the first request
		call    func(context.Context, *qpsclient.Client) error
		waits   []time.Duration // before the next attempt, nil for none
		handled int
	}{
		{"a read after a rate limit waits as long as it says", "rate-limit=30", read, []time.Duration{30 * time.Second}, 1},
		{"a write likewise", "rate-limit=30", launch, []time.Duration{30 * time.Second}, 1},
		{"a write after 429", "status=429", launch, []time.Duration{2 * time.Second}, 1},
		{"a read after 503", "status=503", read, []time.Duration{2 * time.Second}, 1},
		{"a write after 503", "status=503", launch, []time.Duration{2 * time.Second}, 1},
		{"a read after 502", "status=502", read, []time.Duration{0}, 1},
		{"a write after 504 is not repeated", "status=504", launch, nil, 0},
		{"a write after 409 that is no limit is not repeated", "status=409", launch, nil, 0},
		{"a read that waits longer than a person would is not repeated", "rate-limit=3600", read, nil, 0},
		{"a read after 500 is not repeated", "status=500", read, nil, 0},
		{"a read after a business error is not repeated", "code=OTHER_ERROR", read, nil, 0},
		{"a read is repeated after a truncated page", "truncate=400", read, []time.Duration{0}, 2},
		{"a read is repeated after a page that lacks its end", "truncate=1000", read, []time.Duration{0}, 2},
		{"a read is repeated after a page that broke off", "drop-after=400", read, []time.Duration{0}, 2},
		{"a read is repeated after a dropped connection", "drop", read, []time.Duration{0}, 1},
		{"a write is not repeated after a dropped connection", "drop", launch, nil, 0},
		{"a write is not repeated when its answer is lost", "drop-after=0", launch, nil, 1},
		{"a write is not repeated when its answer is cut", "truncate=100", launch, nil, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			protocols(t, func(t *testing.T, http2 bool) {
				p := newPlatform(t, settings{script: "rules: [{first: 1, failure: " + tc.failure + "}]", http2: http2})
				c, waits := client(t, p)
				err := tc.call(t.Context(), c)
				if (err == nil) != (tc.waits != nil) || !slices.Equal(*waits, tc.waits) {
					t.Errorf("error %v after waits %v, want waits %v", err, *waits, tc.waits)
				}
				if n := p.reached(); n != tc.handled {
					t.Errorf("%d requests were handled, want %d", n, tc.handled)
				}
			})
		})
	}
}

func TestATruncatedPageIsNeverAShortList(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		p := newPlatform(t, settings{http2: http2})
		whole := len(p.must(t, request{path: search}).body)
		for _, how := range []string{"truncate", "drop-after"} {
			for _, keep := range []int{0, 1, whole / 4, whole / 2, whole - 2, whole - 1} {
				p := newPlatform(t, settings{script: fmt.Sprintf("rules: [{failure: %s=%d}]", how, keep), http2: http2})
				c, waits := client(t, p)
				for page, err := range c.SearchHostAssets(t.Context(), qpsclient.HostAssetSearch{}) {
					broken, ok := errors.AsType[*qpsclient.TransportError](err)
					if !ok || broken.Kind != qpsclient.KindConnect || len(page.Assets) != 0 {
						t.Fatalf("%s=%d: %d hosts, error %v; want none and a broken connection", how, keep, len(page.Assets), err)
					}
				}
				if len(*waits) != qpsclient.MaxTries-1 {
					t.Fatalf("%s=%d: %d waits, want %d", how, keep, len(*waits), qpsclient.MaxTries-1)
				}
			}
		}
	})
}

func TestOurClientSaysWhatWasAnswered(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{script: "rules: [{failure: code=EVALUATION_EXPIRED}]"})
	c, _ := client(t, p)
	_, err := c.CountHostAssets(t.Context(), nil)
	if answered, ok := errors.AsType[*qps.ResponseError](err); !ok || answered.Code != qps.CodeEvaluationExpired {
		t.Errorf("error %v, want EVALUATION_EXPIRED", err)
	}
}
