package postgres_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, create)
}

func create(tb testing.TB) storetest.Database {
	dsn := pgtest.Database(tb)
	return func(tb testing.TB, now func() time.Time) *store.Store {
		tb.Helper()
		return open(tb, dsn, now)
	}
}

func open(tb testing.TB, dsn string, now func() time.Time) *store.Store {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), dsn, now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestReplicasThatStartTogetherMakeOneSchema(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.EnsureSubscription(t.Context(), storetest.CustomerID, storetest.Start); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}
