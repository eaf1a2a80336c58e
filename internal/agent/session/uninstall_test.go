package session

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
)

// mustLeave runs the agent until it has left.
func (b *bundle) mustLeave(within time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	if err := b.runUntil(ctx); !errors.Is(err, ErrUninstalled) {
		b.t.Fatalf("run ended with %v, want %v\n%s", err, ErrUninstalled, b.log)
	}
}

// gone checks that nothing but the identity is left and that the platform knows.
func (b *bundle) gone() {
	b.t.Helper()
	if a := b.agent(); a.Left == 0 {
		b.t.Error("the platform was not told")
	}
	for _, name := range []string{profileFile, manifestFile, stateFile} {
		if _, err := os.Stat(filepath.Join(b.cfg.StateDir, name)); !errors.Is(err, os.ErrNotExist) {
			b.t.Errorf("%s is still there (%v)", name, err)
		}
	}
	for _, dir := range []string{snapshotsDir, spoolDir} {
		if entries, err := os.ReadDir(filepath.Join(b.cfg.StateDir, dir)); len(entries) != 0 {
			b.t.Errorf("%s holds %d files (%v)", dir, len(entries), err)
		}
	}
	report, err := ReadReport(b.cfg.StateDir)
	if err != nil || report.AgentID != b.agent().ID || report.Uninstalled == nil {
		b.t.Errorf("the folder says %+v (%v), want the identity of an uninstalled agent", report, err)
	}
}

func TestAnAgentLeavesWhenItsPlatformOrdersItTo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.platform.Uninstall()
		started := time.Now()
		b.mustLeave(time.Hour)
		if took := time.Since(started); took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		b.gone()

		// It stays away, and says nothing any more.
		calls := len(b.platform.Calls())
		b.mustLeave(24 * time.Hour)
		if n := len(b.platform.Calls()); n != calls {
			t.Errorf("%d requests after it has left", n-calls)
		}
		b.gone()
	})
}

func TestAWokenAgentLeavesAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		time.AfterFunc(time.Minute, b.platform.Uninstall)
		started := time.Now()
		b.mustLeave(time.Hour)
		if took := time.Since(started) - time.Minute; took > 5*time.Second {
			t.Errorf("it left %s after the order", took)
		}
	})
}

func TestARunningScanEndsWithTheAgent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.runner.Takes = 10 * time.Hour
		b.platform.Launch(agentwire.InventoryScan, false)
		time.AfterFunc(5*time.Minute, b.platform.Uninstall)
		b.mustLeave(time.Hour)
		if n := len(b.runner.Jobs()); n != 2 {
			t.Errorf("%d scans, want the second to have begun", n)
		}
		b.gone()
	})
}

func TestAnOrderIsFollowedOnlyWhenItIsSignedForThisAgent(t *testing.T) {
	t.Parallel()
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		order func(b *bundle) *agentwire.SignedInstruction
	}{
		{"no order", func(*bundle) *agentwire.SignedInstruction { return nil }},
		{"an order for another agent", func(b *bundle) *agentwire.SignedInstruction {
			return b.platform.Sign("00000000-0000-4000-8000-00000000ffff", agentwire.KindUninstall, 1, agentwire.Uninstall{})
		}},
		{"an instruction of another kind", func(b *bundle) *agentwire.SignedInstruction {
			return b.platform.Sign(b.agent().ID, agentwire.KindProfile, 1, agentwire.Uninstall{})
		}},
		{"an order of another platform", func(b *bundle) *agentwire.SignedInstruction {
			other := &sessiontest.Platform{Now: b.platform.Now, Life: time.Hour, Root: stranger, Online: stranger}
			return other.Sign(b.agent().ID, agentwire.KindUninstall, 1, agentwire.Uninstall{})
		}},
		{"an order that was changed", func(b *bundle) *agentwire.SignedInstruction {
			signed := b.platform.Sign(b.agent().ID, agentwire.KindUninstall, 1, agentwire.Uninstall{})
			signed.Instruction = append([]byte(" "), signed.Instruction...)
			return signed
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				doc, err := json.Marshal(agentwire.Problem{Code: agentwire.ProblemUninstall, Message: "go", Instruction: tt.order(b)})
				if err != nil {
					t.Fatal(err)
				}
				b.platform.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
					w.WriteHeader(http.StatusGone)
					_, _ = w.Write(doc)
					return true
				}
				calls := len(b.platform.Calls())
				b.upgrade(1, "2.0")
				b.run(6 * time.Hour)
				// A forged order must not turn the fleet against the platform either.
				if n := len(b.platform.Calls()) - calls; n > 100 {
					t.Errorf("%d requests in six hours", n)
				}
				if b.logged("instruction refused") == 0 {
					t.Errorf("nothing says that the order is refused:\n%s", b.log)
				}
				synctest.Wait()
				b.platform.Intercept = nil
				b.run(12 * time.Hour)
				b.settled() // it works as before
			})
		})
	}
}

// leaving is what the crash test lives through: a first inventory, then an order.
func (b *bundle) leaving(until func(d time.Duration)) {
	b.run(time.Minute)
	b.platform.Uninstall()
	until(6 * time.Hour)
	b.gone()
}

func TestKilledAtEveryRequestOnTheWayOut(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 2; at++ { // status, confirmation
		for _, handled := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d handled %t", at, handled), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, b *bundle) {
					b.leaving(func(d time.Duration) { b.leaveKilledAt(d, at, handled) })
				})
			})
		}
	}
}

// leaveKilledAt runs the agent until it has left, with one kill at a request.
func (b *bundle) leaveKilledAt(d time.Duration, at int, handled bool) {
	b.t.Helper()
	n, killed := 0, false
	var kill context.CancelFunc
	b.wire.Cut = func(r *http.Request, after bool) error {
		if r.URL.Path == agentwire.PathWakeup {
			return nil
		}
		if !after {
			n++
		}
		if n == at && after == handled && !killed {
			killed = true
			kill()
			return errors.New("killed")
		}
		return nil
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		ctx, cancel := context.WithDeadline(b.t.Context(), end)
		kill = cancel
		err := b.runUntil(ctx)
		cancel()
		if errors.Is(err, ErrUninstalled) {
			if !killed {
				b.t.Error("it left without the request it was to be killed at")
			}
			return
		}
		if err != nil {
			b.t.Fatalf("run: %v", err)
		}
	}
	b.t.Fatalf("it has not left within %s\n%s", d, b.log)
}

func TestKilledWhileItRemovesItsState(t *testing.T) {
	t.Parallel()
	for _, removed := range [][]string{nil, {profileFile}, {profileFile, manifestFile, stateFile}, {profileFile, manifestFile, stateFile, snapshotsDir, spoolDir}} {
		t.Run(fmt.Sprintf("after %d removals", len(removed)), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				b.platform.Uninstall()
				dir := &folder{files: diskFiles{b.cfg.StateDir}, now: time.Now}
				var id identity
				if err := dir.read(identityFile, &id); err != nil {
					t.Fatal(err)
				}
				id.Departure = &departure{Order: 1, Taken: time.Now()}
				if err := dir.write(identityFile, &id); err != nil {
					t.Fatal(err)
				}
				for _, name := range removed {
					if err := os.RemoveAll(filepath.Join(b.cfg.StateDir, name)); err != nil {
						t.Fatal(err)
					}
				}
				scans := len(b.runner.Jobs())
				b.mustLeave(time.Hour)
				b.gone()
				if n := len(b.runner.Jobs()); n != scans {
					t.Error("an agent that is leaving scanned")
				}
			})
		})
	}
}

func TestTheConfirmationIsRepeatedUntilThePlatformHasIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		after  int // refusals that it takes
	}{
		{"busy", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, 5},
		{"a proxy's page", func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				b.platform.Uninstall()
				refused := 0
				b.intercept(agentwire.PathUninstall, func(w http.ResponseWriter) bool {
					if refused == tt.after {
						return false
					}
					refused++
					tt.answer(w)
					return true
				})
				b.mustLeave(24 * time.Hour)
				b.gone()
				if refused != tt.after {
					t.Errorf("%d refusals, want %d", refused, tt.after)
				}
			})
		})
	}
}

func TestAnAgentThatLeavesTakesNoLocalDemands(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.platform.Uninstall()
		b.intercept(agentwire.PathUninstall, func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		a := b.beside()
		time.Sleep(5 * time.Minute) // of the bubble: it is confirming in vain
		if _, err := a.Demand(t.Context(), Demand{Type: agentwire.InventoryScan}); !errors.Is(err, ErrUninstalled) {
			t.Errorf("a local demand got %v", err)
		}
	})
}

func TestAHostProvisionedAgainIsANewAsset(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		b.platform.Uninstall()
		b.mustLeave(time.Hour)
		a, err := Open(b.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Provision(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Close()
		b.run(time.Minute)
		agents := b.platform.Agents()
		if len(agents) != 2 || agents[1].Ordered || agents[1].Baselines != 1 || agents[0].Key.Equal(agents[1].Key) {
			t.Errorf("agents %+v, want a second one with a key of its own\n%s", agents, b.log)
		}
	})
}
