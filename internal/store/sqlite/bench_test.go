package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/storetest"
)

func newStore(tb testing.TB) *store.Store {
	tb.Helper()
	s := open(tb, filepath.Join(tb.TempDir(), "vedette.db"), func() time.Time { return storetest.Start })
	storetest.Bootstrap(tb, s)
	return s
}

// BenchmarkSearch asks a fleet of 100,000 for pages of 100.
func BenchmarkSearch(b *testing.B) {
	s := newStore(b)
	storetest.Fill(b, s, storetest.Hosts(b, s, 100_000))
	storetest.BenchmarkSearch(b, s)
}

// BenchmarkSaveHeartbeats stores batches of 500 contacts of 5,000 agents.
func BenchmarkSaveHeartbeats(b *testing.B) {
	s := newStore(b)
	storetest.Fill(b, s, storetest.Hosts(b, s, 5000))
	storetest.BenchmarkHeartbeats(b, s, 5000, 500)
}

// BenchmarkCommit commits inventories of 500 packages: all packages are new to the platform,
// all are known from other hosts, or one of them changed.
func BenchmarkCommit(b *testing.B) { storetest.BenchmarkCommit(b, newStore(b), 500) }

// BenchmarkRollout tells a fleet of 100,000 of changed profiles.
func BenchmarkRollout(b *testing.B) {
	s := newStore(b)
	storetest.Fill(b, s, storetest.Hosts(b, s, 100_000))
	storetest.BenchmarkRollout(b, s)
}

// BenchmarkTags tags a fleet of 20,000.
func BenchmarkTags(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "vedette.db"), time.Now)
	storetest.Bootstrap(b, s)
	storetest.Fill(b, s, storetest.Hosts(b, s, 20_000))
	storetest.BenchmarkTags(b, s)
}

// BenchmarkWriteWait stores first inventories beside another writer.
func BenchmarkWriteWait(b *testing.B) { storetest.BenchmarkWriteWait(b, newStore(b)) }

func BenchmarkUsers(b *testing.B) { storetest.BenchmarkUsers(b, create) }

// BenchmarkInstances stores what connectors find.
func BenchmarkInstances(b *testing.B) { storetest.BenchmarkInstances(b, newStore(b)) }

// BenchmarkEvents ends scans in a fleet of 100,000, and looks for silent agents in it.
func BenchmarkEvents(b *testing.B) {
	s := newStore(b)
	storetest.Fill(b, s, storetest.Hosts(b, s, 100_000))
	storetest.BenchmarkEvents(b, s)
}
