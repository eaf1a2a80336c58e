package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// bulk gives the host packages that make a baseline of about n KB.
func (b *bundle) bulk(n int, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.packages = nil
	for i := range n {
		b.packages = append(b.packages, agentwire.Software{Kind: "deb", Name: fmt.Sprintf("bulk-%05d", i), Version: version + strings.Repeat("1", 930)})
	}
}

func TestUploadFragmentsHaveTheSizeOfTheProfileInForce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.bulk(2000, "1.")
		b.change(performance.Settings{performance.KeyUploadFragmentSize: "64", performance.KeyTxThrottle: "200", performance.KeyConfigurationInterval: "1"})
		fragments, starts := b.watch(to(http.MethodPut, "/fragments")), b.watch(aStart)
		b.beside()
		time.Sleep(5 * time.Second) // 3 s of them the scan
		synctest.Wait()
		early := len(fragments())
		b.change(performance.Settings{performance.KeyUploadFragmentSize: "256"})
		time.Sleep(time.Minute)
		sizes := map[int64]int{}
		seen := fragments()
		for _, f := range seen[:len(seen)-1] { // the last holds what is left
			sizes[f.bytes]++
		}
		if early < 3 || len(sizes) != 2 || sizes[64<<10] < early || sizes[256<<10] < 3 {
			t.Errorf("fragments by bytes %v, %d of them before the change; want 64 KB and then 256 KB", sizes, early)
		}
		if !slices.IsSortedFunc(seen[:len(seen)-1], func(x, y sighting) int { return int(x.bytes - y.bytes) }) {
			t.Error("fragments of the former size came after the change")
		}
		if n := len(starts()); n != 1 {
			t.Errorf("%d uploads were started, want one that goes on", n)
		}
	})
}

// duration returns the time from the first to the last request, and how many
// pauses there were.
func duration(seen []sighting) (d time.Duration, pauses int) {
	if len(seen) == 0 {
		return 0, 0
	}
	return seen[len(seen)-1].at.Sub(seen[0].at), len(seen) - 1
}

// The key named for downloads slows uploads, see package performance.
func TestUploadsTakeAsLongAsTheTxThrottleMakesThem(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.bulk(1000, "1.")
		b.change(performance.Settings{
			performance.KeyUploadFragmentSize: "64", performance.KeyTxThrottle: "50", performance.KeyRxThrottle: "200",
			performance.KeyStatusInterval: "300", performance.KeyDeltaConfirmInterval: "60",
		})
		fragments := b.watch(to(http.MethodPut, "/fragments"))
		b.beside()
		time.Sleep(10 * time.Minute)
		first := fragments()
		took, pauses := duration(first)
		if pauses < 10 || took != time.Duration(pauses)*50*time.Millisecond {
			t.Errorf("%d pauses took %s, want 50 ms each", pauses, took)
		}
		b.change(performance.Settings{performance.KeyTxThrottle: "200"})
		time.Sleep(2 * time.Minute)
		b.bulk(1000, "2.")
		b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(20 * time.Minute)
		took, pauses = duration(fragments()[len(first):])
		if pauses < 10 || took != time.Duration(pauses)*200*time.Millisecond {
			t.Errorf("%d pauses took %s under the new profile, want 200 ms each", pauses, took)
		}
	})
}

func TestDownloadsComeInFragmentsAsFastAsTheRxThrottleLetsThem(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.legacy()
		b.change(performance.Settings{
			performance.KeyDownloadFragmentSize: "64", performance.KeyRxThrottle: "200", performance.KeyTxThrottle: "1",
			performance.KeyConfigurationInterval: "600", "UNKNOWN_TO_THIS_AGENT": strings.Repeat("x", 500<<10),
		})
		ranges := b.watch(to(http.MethodGet, agentwire.PathConfig))
		b.beside()
		time.Sleep(5 * time.Minute)
		first := ranges() // the first profile: until it is there, the agent acts by Low
		b.change(performance.Settings{performance.KeyStatusInterval: "86000"})
		time.Sleep(10 * time.Minute)
		second := ranges()[len(first):]
		b.change(performance.Settings{performance.KeyDownloadFragmentSize: "128", performance.KeyRxThrottle: "20"})
		time.Sleep(10 * time.Minute)
		third := ranges()[len(first)+len(second):]
		time.Sleep(10 * time.Minute)
		fourth := ranges()[len(first)+len(second)+len(third):]

		if len(first) != 1 || first[0].span != "bytes=0-1048575" {
			t.Errorf("the first profile was asked for as %v, want one fragment of the Low size", first)
		}
		for _, tt := range []struct {
			name  string
			seen  []sighting
			pause time.Duration
			size  int64
		}{
			{"before the change", second, 200 * time.Millisecond, 64 << 10},
			{"what brings the change", third, 200 * time.Millisecond, 64 << 10},
			{"after it", fourth, 20 * time.Millisecond, 128 << 10},
		} {
			took, pauses := duration(tt.seen)
			if pauses < 4 || took != time.Duration(pauses)*tt.pause {
				t.Errorf("%s: %d pauses took %s, want %s each", tt.name, pauses, took, tt.pause)
			}
			for i, f := range tt.seen {
				if want := fmt.Sprintf("bytes=%d-%d", int64(i)*tt.size, int64(i+1)*tt.size-1); f.span != want {
					t.Errorf("%s: fragment %d was asked for as %s, want %s", tt.name, i, f.span, want)
				}
			}
		}
		if report, err := ReadReport(b.cfg.StateDir); err != nil || report.ProfileVersion != b.platform.ProfileV {
			t.Errorf("profile in force is %+v (%v), want version %d", report, err, b.platform.ProfileV)
		}
	})
}

// uploadCalls returns how many calls of uploads the platform has seen.
func (b *bundle) uploadCalls() (starts, fragments, commits int) {
	return b.count("POST /uploads"), b.count("PUT /uploads/fragments"), b.count("POST /uploads/commit")
}

func TestASmallUploadGoesWithItsStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.TakesWhole = true
		b.run(time.Minute)
		b.upgrade(3, "2.0")
		b.run(5 * time.Hour)
		if starts, fragments, commits := b.uploadCalls(); starts < 2 || fragments+commits > 0 {
			t.Errorf("%d starts, %d fragments and %d commits, want starts alone", starts, fragments, commits)
		}
		b.settled()
	})
}

func TestAnUploadWithItsStartIsCommittedOnceWhereverItIsCutOff(t *testing.T) {
	t.Parallel()
	for _, handled := range []bool{false, true} {
		bubble(t, func(t *testing.T, b *bundle) {
			b.platform.TakesWhole = true
			cuts := 0
			b.wire.Cut = func(r *http.Request, after bool) error {
				if !strings.HasPrefix(r.URL.Path, agentwire.PathUploads) || after != handled || cuts == 3 {
					return nil
				}
				cuts++
				return errors.New("connection reset by peer")
			}
			b.run(3 * time.Hour)
			if a := b.agent(); cuts != 3 || a.Baselines != 1 {
				t.Errorf("%d baselines after %d cuts, want one", a.Baselines, cuts)
			}
			b.settled()
		})
	}
}

func TestAStartThatIsTooLargeForSomethingBetweenIsSentWithoutData(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.TakesWhole = true
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			tooLarge := r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, agentwire.PathUploads) && r.ContentLength > 2000
			if tooLarge {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return tooLarge
		}
		b.run(time.Minute)
		if starts, fragments, commits := b.uploadCalls(); starts != 2 || fragments != 1 || commits != 1 {
			t.Errorf("%d starts, %d fragments and %d commits, want the start anew and then steps", starts, fragments, commits)
		}
		b.settled()
	})
}

// A request that was held up on the way can strike between what the platform does
// for one start: the bytes are there already, or the upload is not any more.
func TestAnUploadWithItsStartBeginsAgainWhenAnotherRequestCameBetween(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{http.StatusConflict: agentwire.ProblemOffsetMismatch, http.StatusNotFound: agentwire.ProblemInvalid} {
		bubble(t, func(t *testing.T, b *bundle) {
			b.platform.TakesWhole = true
			refused := 0
			b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if refused == 2 || !strings.HasPrefix(r.URL.Path, agentwire.PathUploads) {
					return false
				}
				refused++
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(agentwire.Problem{Code: code, Message: "not now"})
				return true
			}
			b.run(time.Minute)
			if a := b.agent(); refused != 2 || a.Baselines != 1 {
				t.Errorf("%d baselines after %d times %d %s, want one", a.Baselines, refused, status, code)
			}
			b.settled()
		})
	}
}

func TestALargeUploadGoesInSteps(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.TakesWhole = true
		b.bulk(40, "1.")
		b.run(time.Minute)
		if starts, fragments, commits := b.uploadCalls(); starts != 1 || fragments != 1 || commits != 1 {
			t.Errorf("%d starts, %d fragments and %d commits, want one of each", starts, fragments, commits)
		}
		b.settled()
	})
}
