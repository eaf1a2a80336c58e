package sqlite_test

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
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/internal/store/storetest"
)

func quiet(int64, int64) {}

func TestBackups(t *testing.T) {
	t.Parallel()
	storetest.RunBackups(t, func(tb testing.TB) storetest.Backup {
		path := filepath.Join(tb.TempDir(), "vedette ?#%41.db")
		return storetest.Backup{
			Original: at(path),
			Copy: func(tb testing.TB) (storetest.Database, storetest.Settle) {
				copied := filepath.Join(tb.TempDir(), "copy ?#%41.db")
				if err := sqlite.Copy(tb.Context(), path, copied, quiet); err != nil {
					tb.Fatal(err)
				}
				if err := sqlite.Check(tb.Context(), copied); err != nil {
					tb.Error(err)
				}
				return at(copied), func(ctx context.Context, r store.Restoration) error { return sqlite.Settle(ctx, copied, r) }
			},
			// The tables behind the full-text index are compared in its place.
			Tables: "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
		}
	})
}

func at(path string) storetest.Database {
	return func(tb testing.TB, now func() time.Time) *store.Store {
		tb.Helper()
		return open(tb, path, now)
	}
}

// filled returns the path of a database with hosts, about 1 MB for a thousand.
func filled(t *testing.T, hosts int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vedette.db")
	s, err := sqlite.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Bootstrap(t, s)
	storetest.Fill(t, s, storetest.Hosts(t, s, hosts))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestACopyIsPrivateCompleteAndHasNoLog(t *testing.T) {
	t.Parallel()
	path := filled(t, 10)
	folder := t.TempDir()
	copied := filepath.Join(folder, "copy.db")
	var done, total int64
	if err := sqlite.Copy(t.Context(), path, copied, func(d, all int64) { done, total = d, all }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(copied)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != total || done != total {
		t.Errorf("the copy is %v, %v; progress said %d of %d", info, err, done, total)
	}
	schema, err := sqlite.Schema(t.Context(), copied)
	known, knownErr := sqlite.KnownSchema()
	if err != nil || knownErr != nil || schema != known || known < 5 {
		t.Errorf("schema %d, %v; this program knows %d, %v", schema, err, known, knownErr)
	}
	if err := sqlite.Check(t.Context(), copied); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Errorf("beside the copy there are %v, %v", files, err)
	}
}

func TestACopyOverwritesNothingAndMakesNoDatabase(t *testing.T) {
	t.Parallel()
	path := filled(t, 0)
	if err := sqlite.Copy(t.Context(), path, path, quiet); !errors.Is(err, os.ErrExist) {
		t.Errorf("copied over itself: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing.db")
	if err := sqlite.Copy(t.Context(), missing, filepath.Join(t.TempDir(), "copy.db"), quiet); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copied a database that is not there: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("copying made the database that was missing")
	}
}

func TestACopyThatIsInterruptedEnds(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	err := sqlite.Copy(ctx, filled(t, 0), filepath.Join(t.TempDir(), "copy.db"), quiet)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestADamagedDatabaseIsNotBackedUpInSilence(t *testing.T) {
	t.Parallel()
	path := filled(t, 100)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 4; i < len(content)/2; i++ {
		content[i] = 0xff
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	err = sqlite.Check(t.Context(), path)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

// TestWritersDoNotWaitForACopy writes from within the copy: were the writer kept
// out until it is done, neither would end.
func TestWritersDoNotWaitForACopy(t *testing.T) {
	t.Parallel()
	path := filled(t, 1500)
	s := open(t, path, time.Now)
	copied := filepath.Join(t.TempDir(), "copy.db")
	written := 0
	err := sqlite.Copy(t.Context(), path, copied, func(int64, int64) {
		written++
		if _, err := s.CreateActivationKey(t.Context(), storetest.Key(written)); err != nil {
			t.Error(err)
		}
	})
	if err != nil || written < 2 {
		t.Fatalf("%d keys made while copying, %v; want some between two steps", written, err)
	}
	db, err := sql.Open("sqlite", copied)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var keys int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM activation_keys").Scan(&keys); err != nil || keys != 1 {
		t.Errorf("the copy has %d keys, %v; want the one of before it began", keys, err)
	}
}
