package session

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

func TestRemovedAgentBecomesANewAsset(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.run(time.Hour)
		old := b.agent()
		b.platform.Forget()
		b.run(6 * time.Hour)
		if next := b.agent(); next.Key.Equal(old.Key) {
			t.Error("new asset has the key of the removed one")
		}
		b.settled()
		if b.logged("does not know this agent any more") != 1 {
			t.Errorf("log does not report the removal once:\n%s", b.log)
		}
		aside, err := filepath.Glob(filepath.Join(b.cfg.StateDir, "identity.removed-*"))
		if err != nil || len(aside) != 1 {
			t.Errorf("old identity is kept aside in %v (%v), want one file", aside, err)
		}
	})
}

func TestPlatformThatForgetsEverybodyGetsFewAgents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != agentwire.PathStatus {
				return false
			}
			b.platform.Unknown(w, r)
			return true
		}
		b.run(24 * time.Hour)
		repair := performance.Settings(nil).ProvisionInterval()
		if n := b.count("POST /provision"); n > 110*int(24*time.Hour/repair)/100 {
			t.Errorf("%d provision requests in a day, want at most one in %s ± 10 %%", n, repair)
		}
	})
}

func TestOnlyASignatureUnderItsRequestMakesAnAgentANewAsset(t *testing.T) {
	t.Parallel()
	signed := func(p *sessiontest.Platform, agentID, request string) *agentwire.SignedInstruction {
		return p.Sign(agentID, agentwire.KindUnknownAgent, 1, agentwire.UnknownAgent{Request: request})
	}
	for _, test := range []struct {
		name  string
		order func(b *bundle, agentID, request string) *agentwire.SignedInstruction
		says  string
	}{
		{"no signature", func(*bundle, string, string) *agentwire.SignedInstruction { return nil }, "no signature says so"},
		{"one for an earlier request", func(b *bundle, agentID, request string) *agentwire.SignedInstruction {
			return signed(b.platform, agentID, strings.Repeat("0", len(request)))
		}, "in answer to another request"},
		{"one for another agent", func(b *bundle, _, request string) *agentwire.SignedInstruction {
			return signed(b.platform, "00000000-0000-4000-8000-0000000000ff", request)
		}, "for another agent"},
		{"that of another platform", func(_ *bundle, agentID, request string) *agentwire.SignedInstruction {
			return signed(sessiontest.New(time.Now), agentID, request)
		}, "not signed by this platform"},
		{"another instruction", func(b *bundle, agentID, request string) *agentwire.SignedInstruction {
			return b.platform.Sign(agentID, agentwire.KindClone, 1, agentwire.UnknownAgent{Request: request})
		}, "of another kind"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Hour)
				agent := b.agent()
				b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
					signature, err := agentwire.ParseSignature(r)
					if err != nil || r.URL.Path != agentwire.PathStatus {
						return false
					}
					w.WriteHeader(http.StatusNotFound)
					return json.NewEncoder(w).Encode(agentwire.Problem{
						Code: agentwire.ProblemUnknownAgent, Message: "not here", Instruction: test.order(b, agent.ID, signature.ID()),
					}) == nil
				}
				b.run(24 * time.Hour)
				if n := b.count("POST /provision"); n != 1 || b.logged(test.says) == 0 || b.logged("check that ServerUri is the platform") == 0 {
					t.Errorf("%d provision requests, and nothing says %q with the next step:\n%s", n, test.says, b.log)
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
