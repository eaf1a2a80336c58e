package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// life is what the crash tests live through: a first inventory, a change, and an
// on-demand scan. It returns the request.
func (b *bundle) life(run func(d time.Duration)) *sessiontest.Request {
	run(20 * time.Second)
	b.upgrade(3, "2.0")
	request := b.platform.Launch(agentwire.InventoryScan, false)
	run(2 * time.Minute)
	run(6 * time.Hour) // beyond every retry
	return request
}

func TestKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	killedAtEveryRequest(t, 3*time.Minute, func(*bundle) {})
}

func TestALegacyAgentKilledAtEveryRequest(t *testing.T) {
	t.Parallel()
	killedAtEveryRequest(t, 20*time.Minute, func(b *bundle) {
		b.cfg.Legacy = true
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "600"}
	})
}

// killedAtEveryRequest counts the requests in the first part of a life and lives
// once for each of them.
func killedAtEveryRequest(t *testing.T, part time.Duration, prepare func(*bundle)) {
	t.Helper()
	total := 0
	t.Run("undisturbed", func(t *testing.T) {
		bubble(t, func(t *testing.T, b *bundle) {
			prepare(b)
			b.wire.Cut = func(r *http.Request, handled bool) error {
				if !handled && r.URL.Path != agentwire.PathWakeup && time.Since(epoch) < part {
					total++
				}
				return nil
			}
			b.check(b.life(b.run))
		})
	})
	if total < 14 {
		t.Fatalf("an undisturbed life has %d requests, too few to be one", total)
	}
	for at := 1; at <= total; at++ {
		for _, handled := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d handled %t", at, handled), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, b *bundle) {
					prepare(b)
					b.killedAt(at, handled)
				})
			})
		}
	}
}

// epoch is when every bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// killedAt lives with one kill: at the given request, before the platform has got
// it or after it has answered.
func (b *bundle) killedAt(at int, handled bool) {
	n := 0
	var kill context.CancelFunc
	b.wire.Cut = func(r *http.Request, after bool) error {
		if r.URL.Path == agentwire.PathWakeup {
			return nil
		}
		if !after {
			n++
		}
		if n == at && after == handled && kill != nil {
			kill()
			kill, at = nil, -1
			return errors.New("killed")
		}
		return nil
	}
	request := b.life(func(d time.Duration) {
		end := time.Now().Add(d)
		for time.Now().Before(end) {
			ctx, cancel := context.WithDeadline(b.t.Context(), end)
			kill = cancel
			if err := b.runUntil(ctx); err != nil {
				b.t.Errorf("run: %v", err)
			}
			cancel()
		}
	})
	b.check(request)
}

// check looks at the end of a life: one agent, everything acknowledged kept,
// everything asked for answered.
func (b *bundle) check(request *sessiontest.Request) {
	b.t.Helper()
	b.settled()
	if request.State != "complete" {
		b.t.Errorf("request is %s because %q, want complete\n%s", request.State, request.Reason, b.log)
	}
	if request.Answered != 1 {
		b.t.Errorf("request was answered %d times, want once", request.Answered)
	}
	if a := b.agent(); a.Baselines > 2 {
		b.t.Errorf("%d baselines, want few", a.Baselines)
	}
}

func TestKilledDuringAScan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.runner.Takes = time.Minute
		request := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(30 * time.Second)
		if n := len(b.runner.Jobs()); n != 2 {
			t.Fatalf("%d scans before the kill, want the second to run", n)
		}
		b.run(5 * time.Minute)
		if request.State != "complete" {
			t.Errorf("request is %s after the restart, want complete\n%s", request.State, b.log)
		}
	})
}

func TestAScanThatEndsWithItsAgentHasNotFailed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.runner.Takes = time.Hour
		request := b.platform.Launch(agentwire.InventoryScan, false)
		ctx, stop := context.WithCancel(t.Context())
		b.wire.Cut = func(r *http.Request, handled bool) error {
			if handled || !strings.HasSuffix(r.URL.Path, "/state") || ctx.Err() != nil {
				return nil
			}
			stop() // while the scan runs, and it is over before the agent looks again
			time.Sleep(time.Second)
			return ctx.Err()
		}
		if err := b.runUntil(ctx); err != nil {
			t.Fatal(err)
		}
		b.runner.Takes = 3 * time.Second
		b.run(5 * time.Minute)
		if request.State != "complete" {
			t.Errorf("request is %s because %q, want complete after the restart", request.State, request.Reason)
		}
	})
}

func TestScanThatTakesTheAgentDownIsGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.runner.Takes = time.Hour / 2
		request := b.platform.Launch(agentwire.InventoryScan, false)
		for range maxAttempts + 1 {
			b.run(time.Minute)
		}
		if request.State != "failed" || !strings.Contains(request.Reason, "stopped 3 times") {
			t.Errorf("request is %s because %q, want failed after %d attempts", request.State, request.Reason, maxAttempts)
		}
	})
}

func TestLostProvisionAnswerMakesNoSecondAgent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		lost := 0
		b.wire.Cut = func(r *http.Request, handled bool) error {
			if r.URL.Path == agentwire.PathProvision && handled && lost < 3 {
				lost++
				return errors.New("connection reset")
			}
			return nil
		}
		b.run(30 * time.Minute)
		if lost != 3 {
			t.Fatalf("%d answers were lost, want 3", lost)
		}
		b.settled()
	})
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content string
		opens               bool
		says                string
	}{
		{"identity is garbage", identityFile, "{", false, "identity is damaged (restore identity.json from a backup"},
		{"identity is empty", identityFile, "", false, "identity is damaged"},
		{"identity without settings", identityFile, `{"agentId":"x"}`, false, `agent id "x"`},
		{"key is empty", hostKeyFile, "{}", false, "a key of 0 bytes, need 32"},
		{"key is garbage", hostKeyFile, "{", false, "restore"},
		{"state is garbage", stateFile, "\x00\x00", true, "state is damaged"},
		{"state with a path for a digest", stateFile, `{"confirmed":"../../etc/passwd"}`, true, "is not a digest"},
		{"state with an empty request", stateFile, `{"requests":[null]}`, true, "is empty"},
		{"profile is garbage", profileFile, "[]", true, "stored instruction cannot be used"},
		{"profile is not signed", profileFile, `{"instruction":"e30=","signature":"","key":{}}`, true, "not signed by this platform"},
		{"manifest is garbage", manifestFile, "x", true, "stored instruction cannot be used"},
		{"sequence is garbage", sequenceFile, "x", true, "sequence numbers start anew"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				if err := os.WriteFile(filepath.Join(b.cfg.StateDir, tt.file), []byte(tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
				a, err := Open(b.cfg)
				if err == nil {
					a.Close()
				}
				if (err == nil) != tt.opens {
					t.Fatalf("open: %v, want success %t", err, tt.opens)
				}
				if said := fmt.Sprint(err, b.log); !strings.Contains(said, tt.says) {
					t.Errorf("nothing says %q: %s", tt.says, said)
				}
				if tt.opens {
					b.upgrade(1, "9")
					b.run(6 * time.Hour)
					b.settled() // one agent, and it works
				}
			})
		})
	}
}

func TestFilesOfTheStateFolder(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		for i := range 5 {
			b.upgrade(i, "3.0")
			b.run(5 * time.Hour)
		}
		b.settled()
		err := filepath.WalkDir(b.cfg.StateDir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if path != b.cfg.StateDir && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %o, want nothing for others", path, info.Mode().Perm())
			}
			if strings.HasSuffix(path, ".tmp") {
				t.Errorf("%s was left behind", path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for dir, want := range map[string]int{snapshotsDir: 1, spoolDir: 0} {
			entries, err := os.ReadDir(filepath.Join(b.cfg.StateDir, dir))
			if err != nil || len(entries) != want {
				t.Errorf("%s holds %d files (%v), want %d", dir, len(entries), err, want)
			}
		}
	})
}

func TestUploadThatWaitsIsReplacedByTheNextScan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.intercept(agentwire.PathUploads, func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "36000")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		b.upgrade(1, "2.0")
		first := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(10 * time.Minute)
		b.upgrade(2, "2.0")
		second := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(10 * time.Minute)
		synctest.Wait()
		b.platform.Intercept = nil
		b.run(16 * time.Hour)
		if first.State != "complete" || second.State != "complete" {
			t.Errorf("requests are %s and %s, want both complete with the one upload", first.State, second.State)
		}
		b.settled()
		report, err := ReadReport(b.cfg.StateDir)
		if err != nil || report.Replaced == 0 {
			t.Errorf("report counts %d replaced uploads (%v), want the one", report.Replaced, err)
		}
	})
}
