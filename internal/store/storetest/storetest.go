// Package storetest is the conformance suite that every engine of the store
// passes: Run, split by subject. Fill makes fleets for it and for benchmarks.
package storetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/performance"
)

// Database opens one database, the same at every call, and closes it with the
// test.
type Database func(tb testing.TB, now func() time.Time) *store.Store

// Run runs the suite. create returns a new, empty database.
func Run(t *testing.T, create func(tb testing.TB) Database) {
	for _, subject := range []struct {
		name string
		run  func(t *testing.T, create func(tb testing.TB) Database)
	}{
		{"bootstrap", testBootstrap},
		{"users", testUsers},
		{"managers", testManagers},
		{"scopes", testScopes},
		{"roles", testRoles},
		{"api tokens", testTokens},
		{"sign-ins", testSignIns},
		{"audit log", testAudit},
		{"keys", testKeys},
		{"key changes", testKeyChanges},
		{"key moves", testKeyMoves},
		{"key pushes", testKeyPushes},
		{"enrolment", testEnrolment},
		{"heartbeats", testHeartbeats},
		{"holders", testHolders},
		{"changes", testChanges},
		{"uploads", testUploads},
		{"inventory", testInventory},
		{"software", testSoftware},
		{"scan requests", testScanRequests},
		{"modules", testModules},
		{"removal", testRemoval},
		{"upgrades of agents", testAgentUpgrades},
		{"hosts", testHosts},
		{"instances", testInstances},
		{"instances with agents", testAgentInstances},
		{"search", testSearch},
		{"tallies", testTallies},
		{"scope", testScope},
		{"tags", testTags},
		{"profiles", testProfiles},
		{"connectors", testConnectors},
		{"secrets", testSecrets},
		{"connections", testConnections},
		{"automation runs", testAutomationRuns},
		{"automation schedules", testSchedules},
		{"playbook runs", testPlaybookRuns},
		{"schedules of playbooks", testPlaybookSchedules},
		{"webhooks of playbooks", testPlaybookHooks},
		{"events that start playbooks", testPlaybookEvents},
		{"relays", testRelays},
		{"notices", testNotices},
		{"what playbooks tell people", testTellings},
	} {
		t.Run(subject.name, func(t *testing.T) {
			t.Parallel()
			subject.run(t, create)
		})
	}
}

// Start is when every test begins: what tests store lies around it.
var Start = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

// CustomerID and ActivationKey are those of a database made by Bootstrap.
const (
	CustomerID    = "0f7c1c52-0000-4000-8000-00000000c001"
	ActivationKey = "5d2f0000-0000-4000-8000-00000000b001"
)

// Bootstrap makes a database usable: subscription, system tag, system profiles
// and one unlimited key.
func Bootstrap(tb testing.TB, s *store.Store) {
	tb.Helper()
	ctx := tb.Context()
	if _, err := s.EnsureSubscription(ctx, CustomerID, Start); err != nil {
		tb.Fatal(err)
	}
	if _, err := s.EnsureSystemTag(ctx, Start); err != nil {
		tb.Fatal(err)
	}
	if err := s.EnsureSystemProfiles(ctx, Profiles()); err != nil {
		tb.Fatal(err)
	}
	createKey(tb, s, fleet.ActivationKey{Key: ActivationKey, Title: "Edge key", Type: fleet.KeyUnlimited, Modules: []fleet.Module{fleet.ModuleVM, fleet.ModulePC}})
}

// Profiles are two system profiles, the first the default.
func Profiles() []fleet.Profile {
	return []fleet.Profile{
		{
			Name: "Normal", Description: "as recommended", System: true, Default: true, Priority: 1,
			Performance: performance.Recommended(performance.Normal),
			Blackout:    []agentwire.Blackout{{StartHour: 22, EndHour: 6, Days: [7]bool{1: true, 5: true}}},
			// Whole seconds, as stored.
			Created: Start,
		},
		{
			Name: "Low", System: true, Priority: 2, SuspendScanning: true, PreventAgentUpdate: true,
			Performance: performance.Recommended(performance.Low), Created: Start,
		},
	}
}

// bundle is a bootstrapped store with its database and its clock.
type bundle struct {
	*store.Store
	database Database
	now      *time.Time
}

func setup(tb testing.TB, create func(tb testing.TB) Database) *bundle {
	tb.Helper()
	now := Start
	b := &bundle{database: create(tb), now: &now}
	b.Store = b.database(tb, b.clock)
	Bootstrap(tb, b.Store)
	return b
}

func (b *bundle) clock() time.Time { return *b.now }

// reopen closes the store and opens its database again.
func (b *bundle) reopen(tb testing.TB) {
	tb.Helper()
	if err := b.Close(); err != nil {
		tb.Fatal(err)
	}
	b.Store = b.database(tb, b.clock)
}

// PublicKey is a key that is different for every n.
func PublicKey(n int) ed25519.PublicKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "agent %d", n))
	return ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
}

// AgentID is an agent id that is different for every n.
func AgentID(n int) string { return fmt.Sprintf("0f7c1c52-0000-4000-8000-%012x", n) }

func enrolment(n int) fleet.Enrolment {
	return fleet.Enrolment{
		ActivationKey: ActivationKey, PublicKey: PublicKey(n), AgentID: AgentID(n), AgentVersion: "2.0.0", ConnectedFrom: "203.0.113.8",
		Host: agentwire.Host{Name: fmt.Sprintf("edge-cache-%02d", n), OS: "Debian GNU/Linux 12 (bookworm)", OSID: "debian", OSVersion: "12.5", Platform: "Linux"},
		At:   Start,
	}
}

func enrol(tb testing.TB, s *store.Store, n int) fleet.Enrolled {
	tb.Helper()
	enrolled, err := s.EnrolAgent(tb.Context(), enrolment(n))
	if err != nil {
		tb.Fatal(err)
	}
	return enrolled
}

func createKey(tb testing.TB, s *store.Store, k fleet.ActivationKey) fleet.ActivationKey {
	tb.Helper()
	if k.Created.IsZero() {
		k.Created = Start
	}
	stored, err := s.CreateActivationKey(tb.Context(), k)
	if err != nil {
		tb.Fatal(err)
	}
	return stored
}

func wantCode(tb testing.TB, err error, code fault.Code) {
	tb.Helper()
	if fault.CodeOf(err) != code {
		tb.Fatalf("got error %v of code %q, want code %q", err, fault.CodeOf(err), code)
	}
}

func must[T any](v T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// messageOf returns the sentence for the person who caused err.
func messageOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Message
	}
	return ""
}
