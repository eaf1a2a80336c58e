//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// holdServer makes the test binary start a server, print its folder and wait to
// be killed.
const holdServer = "PGTEST_HOLD_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(holdServer) != "" {
		if err := shared.start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(shared.folder)
		select {}
	}
	os.Exit(Main(m))
}

func open(t *testing.T, dsn string) *sql.DB {
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

func value[T any](t *testing.T, db *sql.DB, query string) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint("test ", i), func(t *testing.T) {
			t.Parallel()
			db := open(t, Database(t))
			if n := value[int](t, db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
				t.Errorf("a new database has %d tables", n)
			}
			if _, err := db.ExecContext(t.Context(), "CREATE TABLE host (name text)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestADatabaseCanSearchByTrigramsBeyondASCII(t *testing.T) {
	t.Parallel()
	db := open(t, Database(t))
	if _, err := db.ExecContext(t.Context(), "CREATE EXTENSION pg_trgm"); err != nil {
		t.Fatal(err)
	}
	if trigrams := value[string](t, db, "SELECT array_to_string(show_trgm('ärger'), ' ')"); trigrams == "" {
		t.Error("the word ärger has no trigrams")
	}
	if encoding := value[string](t, db, "SHOW server_encoding"); encoding != "UTF8" {
		t.Errorf("encoding is %s", encoding)
	}
}

func TestADatabaseEndsWithItsTestWhoeverIsConnected(t *testing.T) {
	t.Parallel()
	var name string
	var left *sql.DB
	t.Run("a test that leaves a connection open", func(t *testing.T) {
		dsn := Database(t)
		var err error
		if left, err = sql.Open("pgx", dsn); err != nil {
			t.Fatal(err)
		}
		name = value[string](t, left, "SELECT current_database()")
	})
	t.Cleanup(func() { _ = left.Close() }) // its connection is gone already
	db := open(t, Database(t))
	if n := value[int](t, db, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); n != 0 {
		t.Errorf("database %s is still there", name)
	}
}

func TestTheServerListensOnNoPort(t *testing.T) {
	t.Parallel()
	db := open(t, Database(t))
	if addresses := value[string](t, db, "SHOW listen_addresses"); addresses != "" {
		t.Errorf("listens on %s", addresses)
	}
	info, err := os.Stat(shared.folder)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("folder %s has mode %o", shared.folder, info.Mode().Perm())
	}
}

func TestStopEndsTheServerAndItsFolder(t *testing.T) {
	t.Parallel()
	var s server
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(s.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop once more: %v", err)
	}
}

func TestTheServerEndsWithAKilledTestBinary(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), holdServer+"=1")
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the child printed no folder: %v", err)
	}
	folder := strings.TrimSuffix(line, "\n")
	pid := postmaster(t, folder)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	eventually(t, "the server's folder is gone", func() bool {
		_, err := os.Stat(folder)
		return errors.Is(err, os.ErrNotExist)
	})
	eventually(t, "the server has ended", func() bool {
		// No state, or Z where nobody has collected the exit status: orphans are
		// left to process 1, which in some containers takes its time.
		state, _ := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", pid).Output()
		return len(state) == 0 || state[0] == 'Z'
	})
}

// postmaster returns the process id of the server in folder.
func postmaster(t *testing.T, folder string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(content), "\n")
	return pid
}

// eventually waits until a condition of another process holds.
func eventually(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited 30 s in vain until %s", condition)
		}
	}
}

// recorder is a test that only notes how it fails.
type recorder struct {
	testing.TB
	fatal string
}

func (*recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWithoutPostgreSQLATestFailsAndSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	var s server
	s.once.Do(func() { _, s.err = findBinaries("", t.TempDir()) })
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.database(r)
	}()
	<-done
	if !strings.Contains(r.fatal, "this test needs PostgreSQL") || !strings.Contains(r.fatal, "apt-get install postgresql") {
		t.Errorf("the test failed with %q", r.fatal)
	}
}

func TestAServerThatCannotStartLeavesNothing(t *testing.T) {
	t.Parallel()
	binaries := t.TempDir()
	install(t, binaries)
	if err := os.WriteFile(filepath.Join(binaries, "initdb"), []byte("#!/bin/sh\necho initdb: no space >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var s server
	err := s.launch(binaries)
	if err == nil || !strings.Contains(err.Error(), "did not become ready") || !strings.Contains(err.Error(), "initdb:") {
		t.Errorf("launch: %v", err)
	}
	if _, err := os.Stat(s.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s is still there", s.folder)
	}
}

// install puts programs named as PostgreSQL's into a folder.
func install(t *testing.T, folder string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		installed []string // folders with all programs
		links     []string // folders with a link to pg_ctl of the first installed
		path      []string
		want      string // empty: not found
	}{
		{name: "nothing installed"},
		{name: "newest version by number", installed: []string{"usr/lib/postgresql/9/bin", "usr/lib/postgresql/15/bin", "usr/lib/postgresql/13/bin"}, want: "usr/lib/postgresql/15/bin"},
		{name: "newest of two layouts", installed: []string{"usr/lib/postgresql/15/bin", "usr/pgsql-17/bin"}, want: "usr/pgsql-17/bin"},
		{name: "path before versions", installed: []string{"opt/pg/bin", "usr/lib/postgresql/15/bin"}, path: []string{"bin", "opt/pg/bin"}, want: "opt/pg/bin"},
		{name: "link in path to its folder", installed: []string{"usr/lib/postgresql/13/bin", "usr/lib/postgresql/15/bin"}, links: []string{"local/bin"}, path: []string{"local/bin"}, want: "usr/lib/postgresql/13/bin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, folder := range tt.installed {
				install(t, filepath.Join(root, folder))
			}
			for _, folder := range tt.links {
				if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Join(root, tt.installed[0], "pg_ctl"), filepath.Join(root, folder, "pg_ctl")); err != nil {
					t.Fatal(err)
				}
			}
			var path []string
			for _, folder := range tt.path {
				path = append(path, filepath.Join(root, folder))
			}
			got, err := findBinaries(strings.Join(path, string(filepath.ListSeparator)), root)
			if tt.want == "" {
				if !errors.Is(err, errNotInstalled) {
					t.Errorf("found %q, %v", got, err)
				}
				return
			}
			if want := filepath.Join(root, tt.want); err != nil || got != want {
				t.Errorf("found %q, %v; want %q", got, err, want)
			}
		})
	}
}
