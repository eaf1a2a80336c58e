package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

func quiet(int64, int64) {}

func TestBackups(t *testing.T) {
	t.Parallel()
	storetest.RunBackups(t, func(tb testing.TB) storetest.Backup {
		dsn := pgtest.Database(tb)
		return storetest.Backup{
			Original: at(dsn),
			Copy: func(tb testing.TB) (storetest.Database, storetest.Settle) {
				dump := filepath.Join(tb.TempDir(), "database.dump")
				of, err := postgres.Dump(tb.Context(), dsn, dump, func(int64) {})
				if err != nil {
					tb.Fatal(err)
				}
				copied := pgtest.Database(tb)
				if err := postgres.Load(tb.Context(), copied, dump, of, quiet); err != nil {
					tb.Fatal(err)
				}
				return at(copied), func(ctx context.Context, r store.Restoration) error { return postgres.Settle(ctx, copied, r) }
			},
			Tables: "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
		}
	})
}

func at(dsn string) storetest.Database {
	return func(tb testing.TB, now func() time.Time) *store.Store {
		tb.Helper()
		return open(tb, dsn, now)
	}
}

// dumped returns the dump of a database with some hosts.
func dumped(t *testing.T) (string, postgres.Dumped) {
	t.Helper()
	dsn := pgtest.Database(t)
	s := open(t, dsn, time.Now)
	storetest.Bootstrap(t, s)
	storetest.Fill(t, s, storetest.Hosts(t, s, 500))
	dump := filepath.Join(t.TempDir(), "database.dump")
	var done int64
	of, err := postgres.Dump(t.Context(), dsn, dump, func(d int64) { done = d })
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dump)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != done {
		t.Errorf("the dump is %v, %v; progress said %d bytes", info, err, done)
	}
	known, err := postgres.KnownSchema()
	if err != nil || of.Schema != known || of.Server < 13 || of.Tool < of.Server {
		t.Errorf("dumped %+v, %v; this program knows schema %d", of, err, known)
	}
	return dump, of
}

func TestADatabaseIsRestoredOnlyIntoAnEmptyOne(t *testing.T) {
	t.Parallel()
	dump, of := dumped(t)
	taken := pgtest.Database(t)
	execute(t, taken, "CREATE SCHEMA mine", "CREATE TABLE mine.notes (text text)")
	for name, attempt := range map[string]error{
		"checked":  postgres.CheckEmpty(t.Context(), taken, of),
		"restored": postgres.Load(t.Context(), taken, dump, of, quiet),
	} {
		if !fault.Is(attempt, fault.Conflict) || !strings.Contains(attempt.Error(), "is not empty: it holds mine.notes") {
			t.Errorf("%s: %v", name, attempt)
		}
	}
	// An extension that an administrator made first is in nobody's way.
	prepared := pgtest.Database(t)
	execute(t, prepared, "CREATE EXTENSION pg_trgm", "CREATE EXTENSION pg_stat_statements")
	if err := postgres.Load(t.Context(), prepared, dump, of, quiet); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedRestoreLeavesTheDatabaseEmpty(t *testing.T) {
	t.Parallel()
	dump, of := dumped(t)
	dsn := pgtest.Database(t)
	ctx, interrupt := context.WithCancel(t.Context())
	err := postgres.Load(ctx, dsn, dump, of, func(done, total int64) {
		if done > total/2 {
			interrupt()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	awaitAlone(t, dsn)
	if err := postgres.CheckEmpty(t.Context(), dsn, of); err != nil {
		t.Errorf("after the interruption: %v", err)
	}
	if err := postgres.Load(t.Context(), dsn, dump, of, quiet); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// TestADumpThatEndsEarlyIsRolledBack is what pg_restore sees of a process that is
// killed: the end of its input.
func TestADumpThatEndsEarlyIsRolledBack(t *testing.T) {
	t.Parallel()
	dump, of := dumped(t)
	info, err := os.Stat(dump)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dump, info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.Database(t)
	if err := postgres.Load(t.Context(), dsn, dump, of, quiet); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "pg_restore failed") {
		t.Errorf("got %v", err)
	}
	if err := postgres.CheckEmpty(t.Context(), dsn, of); err != nil {
		t.Error(err)
	}
}

func TestABackupFromANewerServerOrToolIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	for words, of := range map[string]postgres.Dumped{
		"The backup comes from PostgreSQL 99": {Server: 99, Tool: 99},
		"the backup needs 99 or newer":        {Server: 13, Tool: 99},
	} {
		err := postgres.CheckEmpty(t.Context(), dsn, of)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
}

func TestOnlyAPlatformsDatabaseIsBackedUp(t *testing.T) {
	t.Parallel()
	dump := filepath.Join(t.TempDir(), "database.dump")
	_, err := postgres.Dump(t.Context(), pgtest.Database(t), dump, func(int64) {})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "holds no Vedette platform") {
		t.Errorf("got %v", err)
	}
	_, err = postgres.Dump(t.Context(), "postgres://vedette:geheim@127.0.0.1:1/vedette?connect_timeout=2", dump, func(int64) {})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dump); err == nil {
		t.Error("a dump is left")
	}
}

func TestADumpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	storetest.Bootstrap(t, open(t, dsn, time.Now))
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := postgres.Dump(ctx, dsn, filepath.Join(t.TempDir(), "database.dump"), func(int64) { interrupt() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	db := sqlOpen(t, dsn)
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func sqlOpen(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// awaitAlone waits until nobody else is connected: a server notices late that a
// client is gone.
func awaitAlone(t *testing.T, dsn string) {
	t.Helper()
	db := sqlOpen(t, dsn)
	for others := 1; others > 0; {
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND backend_type = 'client backend'`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
}
