package session

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
)

// contest has the platform judge the status requests of the agent with the given
// number: order returns what a refused one is told.
func (b *bundle) contest(agentID string, order func(status agentwire.StatusRequest) *agentwire.Problem) {
	b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != agentwire.PathStatus || !strings.Contains(r.Header.Get("Signature-Input"), agentID) {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var status agentwire.StatusRequest
		if err := json.Unmarshal(body, &status); err != nil {
			return false
		}
		told := order(status)
		if told == nil {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		return json.NewEncoder(w).Encode(told) == nil
	}
}

// cloned is what a clone is told.
func (b *bundle) cloned(agentID, run string) *agentwire.Problem {
	return &agentwire.Problem{
		Code: agentwire.ProblemCloned, Message: "cloned",
		Instruction: b.platform.Sign(agentID, agentwire.KindClone, 1, agentwire.Clone{Run: run}),
	}
}

// copyFolder copies a state folder as a copy of a disk has it.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestACloneLeavesTheSharedIdentityAndKeepsNothingOfIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Hour)
		former := b.agent()
		b.platform.Launch(agentwire.InventoryScan, false)
		original := b.cfg.StateDir
		b.cfg.StateDir = copyFolder(t, original)
		for _, name := range []string{identityFile, removedPrefix + former.ID + ".json"} {
			if err := os.WriteFile(filepath.Join(b.cfg.StateDir, name), read(t, original, identityFile), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b.contest(former.ID, func(status agentwire.StatusRequest) *agentwire.Problem { return b.cloned(former.ID, status.Run) })
		before := b.count("POST /uploads") + b.count("POST /uploads/commit") + b.count("POST /scans/1/state")
		b.run(time.Hour)

		agents := b.platform.Agents()
		if len(agents) != 2 || agents[1].Key.Equal(former.Key) || agents[1].Baselines != 1 {
			t.Fatalf("the platform has %d agents\n%s", len(agents), b.log)
		}
		if former.Baselines != 1 || former.Deltas != 0 || before != 2 {
			t.Errorf("the clone sent something under the shared identity: %+v", former)
		}
		files, err := os.ReadDir(b.cfg.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file.IsDir() {
				continue
			}
			if doc := read(t, b.cfg.StateDir, file.Name()); bytes.Contains(doc, []byte(former.ID)) {
				t.Errorf("%s still names the shared identity: %s", file.Name(), doc)
			}
		}
		if bytes.Equal(read(t, original, hostKeyFile), read(t, b.cfg.StateDir, hostKeyFile)) {
			t.Error("the clone kept the shared key")
		}
		// The first machine goes on as it was.
		b.cfg.StateDir = original
		b.platform.Intercept = nil
		b.run(time.Hour)
		if n := len(b.platform.Agents()); n != 2 || former.Baselines != 1 || former.Requests[0].State != "complete" {
			t.Errorf("%d agents, the first is %+v\n%s", n, former, b.log)
		}
	})
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOnlyASignedOrderForItsRunSeparatesAMachine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		order func(b *bundle, agentID string, status agentwire.StatusRequest) *agentwire.Problem
		says  string
	}{
		{"no order", func(*bundle, string, agentwire.StatusRequest) *agentwire.Problem {
			return &agentwire.Problem{Code: agentwire.ProblemCloned, Message: "cloned"}
		}, "sent no order"},
		{"an order for the run of the other machine", func(b *bundle, agentID string, _ agentwire.StatusRequest) *agentwire.Problem {
			return b.cloned(agentID, "0123456789abcdef")
		}, "is for run 0123456789abcdef"},
		{"an order for another agent", func(b *bundle, _ string, status agentwire.StatusRequest) *agentwire.Problem {
			return b.cloned("00000000-0000-4000-8000-0000000000ff", status.Run)
		}, "for another agent"},
		{"an order by another platform", func(_ *bundle, agentID string, status agentwire.StatusRequest) *agentwire.Problem {
			return &agentwire.Problem{
				Code: agentwire.ProblemCloned, Message: "cloned",
				Instruction: sessiontest.New(time.Now).Sign(agentID, agentwire.KindClone, 1, agentwire.Clone{Run: status.Run}),
			}
		}, "not signed by this platform"},
		{"another instruction", func(b *bundle, agentID string, status agentwire.StatusRequest) *agentwire.Problem {
			return &agentwire.Problem{
				Code: agentwire.ProblemCloned, Message: "cloned",
				Instruction: b.platform.Sign(agentID, agentwire.KindUninstall, 1, agentwire.Clone{Run: status.Run}),
			}
		}, "of another kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Hour)
				agent := b.agent()
				b.contest(agent.ID, func(status agentwire.StatusRequest) *agentwire.Problem { return test.order(b, agent.ID, status) })
				b.run(24 * time.Hour)
				if n := b.count("POST /provision"); n != 1 || !strings.Contains(b.log.String(), test.says) {
					t.Errorf("%d provision requests, and nothing says %q:\n%s", n, test.says, b.log)
				}
				if n := b.count("POST /status"); n > 200 {
					t.Errorf("%d status requests in a day", n)
				}
				b.platform.Intercept = nil
				b.run(6 * time.Hour)
				b.settled()
			})
		})
	}
}

func TestAMachineThatIsToldAgainAtOnceDoesNotMultiply(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.contest("keyid", func(status agentwire.StatusRequest) *agentwire.Problem {
			agents := b.platform.Agents()
			return b.cloned(agents[len(agents)-1].ID, status.Run)
		})
		b.run(14 * time.Minute)
		if n := len(b.platform.Agents()); n != 2 {
			t.Errorf("%d agents, want that the machine separates once", n)
		}
		if b.logged("find out why its hardware facts change") == 0 {
			t.Errorf("no next step:\n%s", b.log)
		}
	})
}

// TestKilledWhileItSeparates kills a clone at each write on the way to its own
// identity, by what is on disk then.
func TestKilledWhileItSeparates(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{"the new key alone", "key and identity", "all but the state"} {
		t.Run(kept, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Hour)
				former := b.agent()
				old := copyFolder(t, b.cfg.StateDir)
				b.contest(former.ID, func(status agentwire.StatusRequest) *agentwire.Problem { return b.cloned(former.ID, status.Run) })
				// Cut off before it is provisioned.
				b.wire.Cut = func(r *http.Request, _ bool) error {
					if r.URL.Path == agentwire.PathProvision {
						return io.ErrUnexpectedEOF
					}
					return nil
				}
				b.run(time.Minute)
				b.wire.Cut = nil
				restore := map[string][]string{
					"the new key alone": {identityFile, profileFile, manifestFile, stateFile},
					"key and identity":  {profileFile, manifestFile, stateFile},
					"all but the state": {stateFile},
				}[kept]
				for _, name := range restore {
					if err := os.WriteFile(filepath.Join(b.cfg.StateDir, name), read(t, old, name), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				b.run(6 * time.Hour)
				agents := b.platform.Agents()
				if len(agents) != 2 || agents[1].Baselines != 1 || agents[1].Key.Equal(former.Key) {
					t.Errorf("%d agents\n%s", len(agents), b.log)
				}
			})
		})
	}
}

func TestAMachineThatHasNotBeenWelcomedSendsNothingElse(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.intercept(agentwire.PathUploads, func(w http.ResponseWriter) bool {
			problem(w, http.StatusServiceUnavailable, agentwire.ProblemBusy)
			return true
		})
		b.run(time.Minute) // an upload is pending
		b.platform.Launch(agentwire.InventoryScan, false)
		b.intercept(agentwire.PathStatus, func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "300")
			problem(w, http.StatusServiceUnavailable, agentwire.ProblemBusy)
			return true
		})
		before := len(b.platform.Calls())
		b.run(6 * time.Hour)
		for _, call := range b.platform.Calls()[before:] {
			if call != "POST /status" {
				t.Fatalf("the agent sent %s", call)
			}
		}
		b.platform.Intercept = nil
		b.run(6 * time.Hour)
		b.settled()
	})
}

func TestAHostThatIsInstalledAgainIsTheSameAgent(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, b *bundle){
		"its state removed with it": func(t *testing.T, b *bundle) {
			if err := Uninstall(b.cfg.StateDir); err != nil {
				t.Error(err)
			}
		},
		"its state folder lost": func(t *testing.T, b *bundle) {
			if err := os.RemoveAll(b.cfg.StateDir); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.cfg.KeyDir = filepath.Join(t.TempDir(), "etc", "vedette-agent")
				b.run(time.Hour)
				before := b.agent()
				lose(t, b)
				b.run(time.Hour)
				if after := b.agent(); after != before { // and no second one, see agent
					t.Errorf("it is agent %s, was %s", after.ID, before.ID)
				}
				b.settled()
				info, err := os.Stat(filepath.Join(b.cfg.KeyDir, hostKeyFile))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("key file: %v, %v", info, err)
				}
				if _, err := os.Stat(filepath.Join(b.cfg.StateDir, hostKeyFile)); err == nil {
					t.Error("the key is in the state folder too")
				}
			})
		})
	}
}

func TestAKeyThatIsLostIsNotReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Hour)
		if err := os.Remove(filepath.Join(b.cfg.StateDir, hostKeyFile)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(b.cfg)
		if err == nil || !strings.Contains(err.Error(), "restore "+filepath.Join(b.cfg.StateDir, hostKeyFile)+" from a backup") {
			t.Errorf("opened: %v, want the next step", err)
		}
	})
}

func TestAClockThatIsHoursOffIsToldToBothSides(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-49 * time.Hour, 5 * time.Hour, 30 * time.Second} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.clock.skew = skew
				b.run(3 * time.Hour)
				b.settled()
				want := skew
				if want.Abs() < time.Minute {
					want = 0
				}
				report, err := ReadReport(b.cfg.StateDir)
				if err != nil {
					t.Fatal(err)
				}
				for who, ahead := range map[string]int64{"platform": b.agent().Last.Ahead, "status": report.AheadSeconds} {
					if got := time.Duration(ahead) * time.Second; (got - want).Abs() > 2*time.Second {
						t.Errorf("%s is told %s, want %s", who, got, want)
					}
				}
			})
		})
	}
}

// TestAnOlderInstructionIsRefusedAcrossRestarts puts an older profile and
// manifest, signed by the platform, in the agent's way at every place.
func TestAnOlderInstructionIsRefusedAcrossRestarts(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"nothing", stateFile} {
		for _, where := range []string{"sent", "on disk"} {
			t.Run(where+" with "+lost+" lost", func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, b *bundle) {
					b.platform.ProfileV, b.platform.ManifestV = 5, 5
					b.run(time.Minute)
					id := b.agent().ID
					old := map[string]*agentwire.SignedInstruction{
						agentwire.PathConfig:   b.platform.Sign(id, agentwire.KindProfile, 4, agentwire.Profile{Name: "Old"}),
						agentwire.PathManifest: b.platform.Sign(id, agentwire.KindManifest, 4, agentwire.Manifest{Name: "OLD"}),
					}
					if where == "on disk" {
						if lost == stateFile {
							return // whoever writes the agent's files needs no instruction
						}
						for name, path := range map[string]string{profileFile: agentwire.PathConfig, manifestFile: agentwire.PathManifest} {
							doc, err := json.Marshal(old[path])
							if err != nil {
								t.Fatal(err)
							}
							if err := os.WriteFile(filepath.Join(b.cfg.StateDir, name), doc, 0o600); err != nil {
								t.Fatal(err)
							}
						}
					} else {
						b.platform.Edit(func() { b.platform.ProfileV, b.platform.ManifestV = 6, 6 }) // announced
						b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
							signed, ok := old[r.URL.Path]
							return ok && json.NewEncoder(w).Encode(signed) == nil
						}
					}
					if lost != "nothing" {
						if err := os.Remove(filepath.Join(b.cfg.StateDir, lost)); err != nil {
							t.Fatal(err)
						}
					}
					for range 2 {
						b.run(5 * time.Hour)
						report, err := ReadReport(b.cfg.StateDir)
						if err != nil || report.Profile != "Low" || report.ProfileVersion != 5 || report.Manifest != "INVENTORY-1.0.0" || report.ManifestVersion != 5 {
							t.Errorf("in force are %+v (%v)\n%s", report, err, b.log)
						}
					}
				})
			})
		}
	}
}
