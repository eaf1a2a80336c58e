package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vedette.dev/vedette/internal/store"
)

const (
	parentAndChild = `-- +goose Up
CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE);
INSERT INTO parents VALUES (1, 'one'), (2, 'two');
INSERT INTO children VALUES (10, 1), (11, 2), (12, 2);
`
	rebuild = `-- +goose Up
CREATE TABLE parents_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO parents_new SELECT id, name FROM parents;
DROP TABLE parents;
ALTER TABLE parents_new RENAME TO parents;
`
)

func folder(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i, text := range files {
		fsys[[]string{"00001_a.sql", "00002_b.sql"}[i]] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestAMigrationThatRebuildsATableKeepsItsChildren(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	for _, fsys := range []fstest.MapFS{folder(parentAndChild), folder(parentAndChild, rebuild)} {
		if err := migrate(t.Context(), path, fsys); err != nil {
			t.Fatal(err)
		}
	}
	db, err := connect(path, 1, "_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, step := range []struct {
		statement string
		children  int
	}{
		{"SELECT 1", 3},
		{"DELETE FROM parents WHERE id = 2", 1}, // the references are in force again
	} {
		if _, err := db.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM children").Scan(&n); err != nil || n != step.children {
			t.Errorf("after %s there are %d children, %v; want %d", step.statement, n, err, step.children)
		}
	}
}

func TestAMigrationThatBreaksReferencesIsNamedAtEveryStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	broken := folder(parentAndChild, strings.Replace(rebuild, "FROM parents;", "FROM parents WHERE id = 1;", 1))
	for range 2 {
		err := migrate(t.Context(), path, broken)
		if err == nil || !strings.Contains(err.Error(), "row 11 of table children refers to a row of table parents that does not exist") {
			t.Errorf("got %v, want an error that names the table and the row", err)
		}
	}
}

func TestForeignKeysAreInForceOnceOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	s, err := Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO host_details (host_id) VALUES (7)")
		return err
	})
	if err == nil {
		t.Error("the details of a host that does not exist were stored")
	}
}
