package session

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

func problem(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(agentwire.Problem{Code: code, Message: "as the test wants it"})
}

func TestFragmentsAreHalvedOnTooLarge(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inflate(400)
		b.platform.MaxFragment = 5 << 10
		b.platform.Profile.Performance = map[string]string{performance.KeyUploadFragmentSize: "64"}
		b.run(time.Minute)
		b.settled()
		if n := b.logged("halved"); n != 4 {
			t.Errorf("fragment size was halved %d times, want 4: 64 KB to 4 KB", n)
		}
	})
}

func TestUploadThatIsAlwaysTooLargeIsGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inflate(400)
		b.platform.MaxFragment = 100
		b.run(10 * time.Second)
		request := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(5 * time.Minute)
		if request.State != "failed" {
			t.Errorf("request is %s, want failed", request.State)
		}
		if n := b.count("PUT /uploads/fragments"); n > 30 {
			t.Errorf("%d fragments were tried in five minutes", n)
		}
	})
}

// inflate gives the host many packages.
func (b *bundle) inflate(n int) {
	for i := range n {
		b.packages = append(b.packages, agentwire.Software{Kind: "deb", Name: strings.Repeat("x", i%40) + "-more", Version: strings.Repeat("1", i%7+1), Architecture: strings.Repeat("a", i/40+1)})
	}
}

func TestUploadGoesOnFromTheOffsetOfANewStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.inflate(4000)
		b.platform.Profile.Performance = map[string]string{performance.KeyUploadFragmentSize: "64"}
		n := 0
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut {
				return false
			}
			n++
			if n != 3 {
				return false
			}
			problem(w, http.StatusConflict, agentwire.ProblemOffsetMismatch)
			return true
		}
		b.run(time.Minute)
		b.settled()
		if starts := b.count("POST /uploads"); starts != 2 {
			t.Errorf("%d starts, want a second one after the mismatch", starts)
		}
		if a := b.agent(); a.Baselines != 1 {
			t.Errorf("%d baselines, want 1", a.Baselines)
		}
	})
}

func TestStaleUploadLeadsToABaseline(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		agent := b.agent() // the platform is restored from a backup
		b.platform.Edit(func() { agent.Confirmed, agent.Snapshot = "", nil })
		b.upgrade(0, "2.0")
		request := b.platform.Launch(agentwire.InventoryScan, false)
		b.run(2 * time.Minute)
		b.settled()
		if request.State != "complete" {
			t.Errorf("request is %s, want complete with the baseline", request.State)
		}
		jobs := b.runner.Jobs()
		if last := jobs[len(jobs)-1]; len(jobs) != 3 || last.Base != "" {
			t.Errorf("%d scans, the last with base %q, want a third without one", len(jobs), last.Base)
		}
	})
}

func TestBusyPlatformIsObeyedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				id := b.agent().ID
				var contacts []time.Time
				b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == agentwire.PathStatus {
						contacts = append(contacts, time.Now())
					}
					w.Header().Set("Retry-After", "7200")
					problem(w, status, agentwire.ProblemBusy)
					return true
				}
				b.cfg.Wakeup = false
				b.run(24 * time.Hour)
				if len(contacts) < 8 || len(contacts) > 13 {
					t.Errorf("%d contacts in a day, want one every 2 to 3 hours", len(contacts))
				}
				for i := 1; i < len(contacts); i++ {
					if gap := contacts[i].Sub(contacts[i-1]); gap < 2*time.Hour || gap > 3*time.Hour {
						t.Errorf("contact %d came %s after the last, want 2 to 3 hours", i, gap)
					}
				}
				b.platform.Intercept = nil
				b.cfg.Wakeup = true
				b.run(4 * time.Hour)
				if got := b.agent().ID; got != id {
					t.Errorf("agent became %s, was %s", got, id)
				}
				b.settled()
			})
		})
	}
}

func TestBadSignatureNeverProvisionsAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		var refuse atomic.Bool
		b.intercept("/", func(w http.ResponseWriter) bool {
			if refuse.Load() {
				problem(w, http.StatusUnauthorized, agentwire.ProblemBadSignature)
			}
			return refuse.Load()
		})
		b.beside()
		time.Sleep(time.Minute)
		refuse.Store(true)
		time.Sleep(7 * 24 * time.Hour)
		if n := b.count("POST /provision"); n != 1 {
			t.Errorf("%d provision requests, want the first only", n)
		}
		if n := b.logged("contact failed"); n != 1 {
			t.Errorf("failure was logged %d times in a week, want once", n)
		}
		refuse.Store(false)
		time.Sleep(6 * time.Hour)
		b.settled()
		if b.logged("platform reached again") == 0 {
			t.Error("log does not tell that the platform was reached again")
		}
	})
}

func TestRefusedActivationKeyIsTriedRarely(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.ActivationID = "11111111-0000-4000-8000-000000000000"
		b.run(24 * time.Hour)
		if n := b.count("POST /provision"); n < 50 || n > 400 {
			t.Errorf("%d provision requests in a day, want one in about %s", n, performance.Settings(nil).ProvisionInterval()/2)
		}
		if b.logged("check ActivationId and CustomerId") != 1 {
			t.Errorf("log does not name the next step once:\n%s", b.log)
		}
	})
}

func TestWrongClockIsCorrected(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-50 * 24 * time.Hour, -6 * time.Minute, time.Minute, 3 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.clock.skew = skew
				b.run(time.Minute)
				b.settled()
				if n := b.count("POST /provision"); n > 2 {
					t.Errorf("%d provision requests, want one more than usual at most", n)
				}
				if skew.Abs() > skewReported && b.logged("clock of this host differs") != 1 {
					t.Errorf("log does not report the clock once:\n%s", b.log)
				}
			})
		})
	}
}

func TestInstructionsThatAreNotFollowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forge func(b *bundle)
		says  string
	}{
		{"signed by another platform", func(b *bundle) {
			_, b.platform.Root, _ = ed25519.GenerateKey(nil)
		}, "not signed by this platform"},
		{"signed by a key the root does not know", func(b *bundle) {
			b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != agentwire.PathConfig {
					return false
				}
				other := sessiontest.New(time.Now)
				signed := other.Sign(b.agent().ID, agentwire.KindProfile, 7, agentwire.Profile{Name: "Evil"})
				return json.NewEncoder(w).Encode(signed) == nil
			}
		}, "not signed by this platform"},
		{"for another agent", func(b *bundle) { b.replaceProfile("00000000-0000-4000-8000-0000000000ff", agentwire.KindProfile, 7) }, "for another agent"},
		{"of another kind", func(b *bundle) { b.replaceProfile("", agentwire.KindManifest, 7) }, "of another kind"},
		{"older than the one held", func(b *bundle) { b.replaceProfile("", agentwire.KindProfile, 4) }, "version 4, had 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.platform.ProfileV = 5
				b.run(time.Minute)
				tt.forge(b)
				b.platform.Edit(func() { b.platform.ProfileV, b.platform.Profile.Name = 7, "Evil" })
				b.run(5 * time.Hour)
				report, err := ReadReport(b.cfg.StateDir)
				if err != nil || report.Profile != "Low" || report.ProfileVersion != 5 {
					t.Errorf("profile in force is %s version %d (%v), want Low version 5", report.Profile, report.ProfileVersion, err)
				}
				if !strings.Contains(b.log.String(), tt.says) {
					t.Errorf("log does not say %q:\n%s", tt.says, b.log)
				}
				// The poll is answered at once as long as the new version is not taken.
				if n := len(b.agent().Statuses); n < 7 || n > 40 {
					t.Errorf("%d status requests in five hours, want that the agent goes on, and calmly", n)
				}
			})
		})
	}
}

// replaceProfile answers requests for the profile with a well-signed instruction
// of the test's making. An empty audience is the agent itself.
func (b *bundle) replaceProfile(audience string, kind agentwire.InstructionKind, version int64) {
	if audience == "" {
		audience = b.agent().ID
	}
	b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != agentwire.PathConfig {
			return false
		}
		signed := b.platform.Sign(audience, kind, version, agentwire.Profile{Name: "Evil"})
		return json.NewEncoder(w).Encode(signed) == nil
	}
}

func TestRollbackIsRefusedEvenWhenTheProfileIsLost(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.ProfileV = 5
		b.run(time.Minute)
		if err := os.Remove(filepath.Join(b.cfg.StateDir, profileFile)); err != nil {
			t.Fatal(err)
		}
		b.platform.Edit(func() { b.platform.ProfileV, b.platform.Profile.Name = 4, "Old" })
		b.run(5 * time.Hour)
		report, err := ReadReport(b.cfg.StateDir)
		if err != nil || report.Profile != "" {
			t.Errorf("profile in force is %q (%v), want none", report.Profile, err)
		}
	})
}

func TestExpiredInstructionsStayInForceUntilRenewed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.Life = 8 * time.Hour
		b.run(24 * time.Hour)
		if n := b.count("GET /config"); n < 3 || n > 20 {
			t.Errorf("profile of 8 h was fetched %d times in a day, want it renewed", n)
		}
		if b.logged("has expired") != 0 {
			t.Error("an instruction expired although the platform renews it")
		}
		b.intercept(agentwire.PathConfig, func(w http.ResponseWriter) bool {
			problem(w, http.StatusInternalServerError, agentwire.ProblemInternal)
			return true
		})
		b.run(48 * time.Hour)
		report, err := ReadReport(b.cfg.StateDir)
		if err != nil || report.Profile != "Low" {
			t.Errorf("profile in force is %q (%v), want the expired one", report.Profile, err)
		}
		if n := b.logged("profile has expired"); n != 1 {
			t.Errorf("expiry was logged %d times, want once", n)
		}
	})
}

func TestAPlatformThatStaysBusyIsLeftAloneLongerEachTime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		var contacts []time.Time
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == agentwire.PathStatus {
				contacts = append(contacts, time.Now())
			}
			w.Header().Set("Retry-After", "2")
			problem(w, http.StatusServiceUnavailable, agentwire.ProblemBusy)
			return true
		}
		b.cfg.Wakeup = false
		b.run(24 * time.Hour)
		if len(contacts) > 80 {
			t.Errorf("%d contacts in a day of a platform that is too busy, want few more than one an interval", len(contacts))
		}
	})
}

func TestWhatSomethingBetweenAnswersIsNotThePlatformsLastWord(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(http.ResponseWriter){
		"a proxy forbids it":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
		"a proxy finds nothing": func(w http.ResponseWriter) { http.Error(w, "<html>not here</html>", http.StatusNotFound) },
		"it took too long":      func(w http.ResponseWriter) { problem(w, http.StatusRequestTimeout, agentwire.ProblemInvalid) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				var passing atomic.Bool
				b.intercept(agentwire.PathUploads, func(w http.ResponseWriter) bool {
					if !passing.Load() {
						refuse(w)
					}
					return !passing.Load()
				})
				b.beside()
				time.Sleep(time.Hour)
				passing.Store(true)
				time.Sleep(6 * time.Hour)
				if n := b.logged("upload given up"); n != 0 {
					t.Errorf("the upload was given up %d times", n)
				}
				b.settled()
			})
		})
	}
}

func TestAKeyThatHasEndedBringsNothingNewHoweverItDatesIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Minute)
		agent := b.agent().ID
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != agentwire.PathConfig {
				return false
			}
			ended := time.Now().Add(-24 * time.Hour)
			profile, err := json.Marshal(agentwire.Profile{ID: 1, Name: "Stolen key"})
			if err != nil {
				t.Error(err)
			}
			signed, err := agentwire.SignInstruction(agentwire.Instruction{
				Audience: agent, Kind: agentwire.KindProfile, Version: 99,
				Issued: ended.Add(-time.Hour), Expires: time.Now().Add(time.Hour), Body: profile,
			}, b.platform.Online, agentwire.CertifyInstructionKey(b.platform.Root, b.platform.Online.Public().(ed25519.PublicKey), ended))
			if err != nil {
				t.Error(err)
			}
			if err := json.NewEncoder(w).Encode(signed); err != nil {
				t.Error(err)
			}
			return true
		}
		b.platform.Edit(func() { b.platform.ProfileV = 99 })
		b.run(2 * time.Hour)
		report, err := ReadReport(b.cfg.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		if report.ProfileVersion != 1 {
			t.Errorf("the agent follows profile version %d %q", report.ProfileVersion, report.Profile)
		}
		if b.logged("key that ended") == 0 {
			t.Error("the log does not say why")
		}
	})
}
