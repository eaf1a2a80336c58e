package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func TestWritesCarryTheKeyOfTheirRun(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			p, c := newPlatform(t), command(t, s.command)
			for range 2 { // as after a crash
				if a := c.Execute(t.Context(), p.session(t), Call{Values: s.values(t), Key: "run-7/scan"}); a.State == automation.Failed {
					t.Fatalf("outcome = %+v", a.Outcome)
				}
			}
			keys := map[string]int{}
			for _, r := range p.received() {
				if r.key != "" {
					keys[r.key]++
				}
			}
			if c.ReadOnly {
				if len(keys) != 0 {
					t.Errorf("reads carry keys: %v", keys)
				}
				return
			}
			if len(keys) != 1 {
				t.Fatalf("keys = %v, want one, sent twice", keys)
			}
			for key, n := range keys {
				if !strings.HasPrefix(key, "run-7/scan/") || n != 2 {
					t.Errorf("key %s was sent %d times, want run-7/scan/… twice", key, n)
				}
			}
		})
	}
}

func TestADryRunShowsEveryRequestAndWritesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			p, c := newPlatform(t), command(t, s.command)
			session, l := p.session(t), &ledger{entries: map[int64]LaunchEntry{}}
			session.Ledger = l
			a := c.Execute(t.Context(), session, Call{Values: s.values(t), Key: "run-1", DryRun: true, Wait: &Wait{}})
			if a.State != automation.Successful || a.Continue != nil || len(a.Result.Rows) != 1 || len(l.entries) != 0 {
				t.Fatalf("answer = %+v with %d claims, want one request and no claim", a, len(l.entries))
			}
			for _, r := range p.received() {
				if c.ReadOnly || r.key != "" {
					t.Errorf("%s was sent", r)
				}
			}
			var raw struct{ Requests []qpsclient.Request }
			if err := json.Unmarshal(a.RawData, &raw); err != nil || len(raw.Requests) != 1 {
				t.Fatalf("raw data = %s, %v, want one request", a.RawData, err)
			}
			shown := string(a.RawData) + fmt.Sprint(a.Result)
			if strings.Contains(shown, testPassword) || strings.Contains(shown, "Authorization") {
				t.Errorf("the dry run shows credentials: %s", shown)
			}
			// What was shown is what a run sends.
			want := raw.Requests[0]
			c.Execute(t.Context(), p.session(t), Call{Values: s.values(t), Key: "run-1"})
			sent := p.received()
			if !slices.ContainsFunc(sent, func(r request) bool {
				return r.method == want.Method && r.path == want.Path && r.query == want.Query && r.body == want.Body
			}) {
				t.Errorf("a run sent %v, want %v among them", sent, want)
			}
		})
	}
}

func TestADryRunRefusesWhatARunRefuses(t *testing.T) {
	t.Parallel()
	c := command(t, "search-cloud-agents")
	v, err := c.Check(map[string]any{"lastCheckedInFrom": "2025-01-02T00:00:00Z", "lastCheckedInTo": "2025-01-01T00:00:00Z"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Execute(t.Context(), newPlatform(t).session(t), Call{Values: v, DryRun: true}); a.State != automation.Failed || a.Errors[0].StatusCode != 400 {
		t.Errorf("answer = %+v, want Failed with 400", a.Outcome)
	}
}
