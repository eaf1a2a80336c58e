package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, create)
}

// create returns a database in a folder of its own, whose name needs escaping.
func create(tb testing.TB) storetest.Database {
	path := filepath.Join(tb.TempDir(), "vedette ?#%41.db")
	return func(tb testing.TB, now func() time.Time) *store.Store {
		tb.Helper()
		return open(tb, path, now)
	}
}

func open(tb testing.TB, path string, now func() time.Time) *store.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path, now)
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

func TestDatabaseIsReadableForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	storetest.Bootstrap(t, open(t, filepath.Join(folder, "vedette.db"), time.Now))
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, want 0600", file.Name(), info.Mode())
		}
	}
}

func TestUsersKeepWhatTheyMayDoWhenRolesCome(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillEarlierRelease(t, goose.DialectSQLite3, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckUpgrade(t, open(t, path, time.Now))
}

func TestSchedulesAndRunsKeepTheirUsersWhenTheyAreKnownByIDs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillBeforeUserIDs(t, goose.DialectSQLite3, db, store.JobsMigrationInTx(riversqlite.New(nil)))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckUserIDs(t, open(t, path, time.Now))
}

func TestNoticesThatWaitedForTheirDeliveryGetIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillQueuedNotices(t, goose.DialectSQLite3, db, store.JobsMigrationInTx(riversqlite.New(nil)))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckQueuedNotices(t, open(t, path, time.Now))
}

func TestADatabaseOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	storetest.CheckNewerSchema(t, db, func() (*store.Store, error) { return sqlite.Open(t.Context(), path, time.Now) })
}

func TestOpenNamesTheFileItCannotOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "no such folder", "vedette.db")
	if _, err := sqlite.Open(t.Context(), path, time.Now); err == nil {
		t.Error("opened a database in a folder that does not exist")
	}
	garbage := filepath.Join(t.TempDir(), "vedette.db")
	if err := os.WriteFile(garbage, []byte("this is not a database, and long enough to be taken for one"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), garbage, time.Now)
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || !strings.Contains(refused.Message, garbage) || !strings.Contains(refused.Resolution, "vedette restore") {
		t.Errorf("a file that is not a database: %v, want its name and the next step", err)
	}
}
