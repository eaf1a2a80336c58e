package session

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

func TestWhatThePlatformWantsToHearIsSaidAtOnceAndOnlyOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Hour)
		agent := b.agent()
		agent.Echo = "one"
		before := len(agent.Statuses)
		b.run(time.Minute)
		said := agent.Statuses[before:]
		if len(said) != 2 || said[1].Sub(said[0]) > time.Second || agent.Last.Echo != "one" {
			t.Errorf("status requests at %v, the last said %q; want two in a row", said, agent.Last.Echo)
		}
		// One that is refused for what somebody on the way made it say spoils no other.
		var echoes []string
		b.contest(agent.ID, func(status agentwire.StatusRequest) *agentwire.Problem {
			if echoes = append(echoes, status.Echo); status.Echo != "" {
				return &agentwire.Problem{Code: agentwire.ProblemInvalid, Message: "too long"}
			}
			return nil
		})
		b.run(6 * time.Hour)
		if len(echoes) < 4 {
			t.Fatalf("status requests said %q", echoes)
		}
		for i, echo := range echoes {
			if want := []string{"", "one"}[i%2]; echo != want {
				t.Errorf("status request %d said %q, want %q", i, echo, want)
			}
		}
	})
}

func TestRunsAreNeverWrittenAndNeverRepeated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Host.Fingerprint = "f00d"
		seen := make(map[string]bool)
		for range 3 {
			b.run(5 * time.Hour)
			last := b.agent().Last
			if last.Run == "" || seen[last.Run] || last.Fingerprint != "f00d" {
				t.Errorf("run %q on %q, after %v", last.Run, last.Fingerprint, seen)
			}
			seen[last.Run] = true
		}
		err := filepath.WalkDir(b.cfg.StateDir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			doc, err := os.ReadFile(path)
			for run := range seen {
				if bytes.Contains(doc, []byte(run)) {
					t.Errorf("%s holds a run", path)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestNumbersThatAreUsedByAnotherBeginANewRun(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		var replays atomic.Int64
		b.intercept(agentwire.PathStatus, func(w http.ResponseWriter) bool {
			if replays.Add(-1) >= 0 {
				problem(w, http.StatusUnauthorized, agentwire.ProblemReplayed)
				return true
			}
			return false
		})
		b.beside()
		time.Sleep(time.Hour)
		first := b.agent().Last.Run
		for i, changed := range []bool{false, false, false, true} {
			replays.Store(1)
			time.Sleep(2 * time.Hour)
			if now := b.agent().Last.Run; (now != first) != changed {
				t.Errorf("after %d replays the run is %s, was %s", i+1, now, first)
			}
		}
	})
}
