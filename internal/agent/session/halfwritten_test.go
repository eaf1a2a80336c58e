package session

import (
	"bytes"
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
)

// damage is a way in which a file may be found after a crash of something below
// the agent: a file system, a disk, a restored backup.
type damage struct {
	name string
	to   func(whole []byte) []byte
}

var damages = []damage{
	{"empty", func([]byte) []byte { return nil }},
	{"one byte", func(whole []byte) []byte { return whole[:1] }},
	{"half", func(whole []byte) []byte { return whole[:len(whole)/2] }},
	{"all but one byte", func(whole []byte) []byte { return whole[:len(whole)-1] }},
	{"zeros", func(whole []byte) []byte { return make([]byte, len(whole)) }},
	{"half zeros", func(whole []byte) []byte {
		half := len(whole) / 2
		return append(bytes.Clone(whole[:half]), make([]byte, len(whole)-half)...)
	}},
	{"twice", func(whole []byte) []byte { return append(bytes.Clone(whole), whole...) }},
}

// damaged replaces the only file that a name stands for, and returns what puts
// the whole one back.
func (b *bundle) damaged(name string, to func([]byte) []byte) (repair func()) {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.cfg.StateDir, name))
	if err != nil || len(found) == 0 {
		b.t.Fatalf("there is no %s (%v)", name, err)
	}
	path := found[len(found)-1]
	whole, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	write(to(whole))
	return func() { write(whole) }
}

// backlog lives until the agent has an upload that the platform does not take
// yet, for a request. The platform takes it afterwards.
func (b *bundle) backlog() *sessiontest.Request {
	b.t.Helper()
	b.run(time.Minute)
	b.intercept(agentwire.PathUploads, func(w http.ResponseWriter) bool {
		w.Header().Set("Retry-After", "36000")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	b.upgrade(1, "2.0")
	request := b.platform.Launch(agentwire.InventoryScan, false)
	b.run(10 * time.Minute)
	synctest.Wait()
	b.platform.Intercept = nil
	b.cfg.Wakeup = false // from now on: hours without polls pass faster
	return request
}

func TestAnAgentRecoversFromHalfWrittenFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{stateFile, sequenceFile, profileFile, manifestFile, "spool/*", "snapshots/*"} {
		for _, d := range damages {
			t.Run(fmt.Sprintf("%s is %s", strings.Trim(name, "/*"), d.name), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, b *bundle) {
					request := b.backlog()
					b.damaged(name, d.to)
					b.run(6 * time.Hour)
					if request.State != "complete" && request.State != "failed" {
						t.Errorf("request is %s because %q, want it ended\n%s", request.State, request.Reason, b.log)
					}
					b.settled()
				})
			})
		}
	}
}

func TestAHalfWrittenIdentityIsNeverReplaced(t *testing.T) {
	t.Parallel()
	for _, name := range []string{identityFile, hostKeyFile} {
		for _, d := range damages {
			t.Run(fmt.Sprintf("%s is %s", name, d.name), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, b *bundle) {
					request := b.backlog()
					repair := b.damaged(name, d.to)
					for range 3 { // as often as it is started
						a, err := Open(b.cfg)
						if err == nil {
							a.Close()
							t.Fatal("opened all the same")
						}
						if said := err.Error(); !strings.Contains(said, "restore ") || !strings.Contains(said, name) || !strings.Contains(said, "move ") {
							t.Errorf("%q does not say what to do", said)
						}
					}
					repair()
					b.run(6 * time.Hour)
					if request.State != "complete" {
						t.Errorf("request is %s, want it complete after the repair", request.State)
					}
					b.settled()
				})
			})
		}
	}
}
