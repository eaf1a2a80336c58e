package postgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
)

// install puts a program into a folder that says it has a version.
func install(t *testing.T, folder, version string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "pg_dump")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'pg_dump (PostgreSQL) "+version+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheOldestProgramThatIsNewEnoughIsTaken(t *testing.T) {
	t.Parallel()
	root, path := t.TempDir(), t.TempDir()
	inPath := install(t, path, "14.2")
	debian := install(t, filepath.Join(root, "usr/lib/postgresql/16/bin"), "16.4 (Debian 16.4-1)")
	redHat := install(t, filepath.Join(root, "usr/pgsql-17/bin"), "17beta1")
	install(t, filepath.Join(root, "usr/lib/postgresql/9.6/bin"), "something else")
	for _, test := range []struct {
		atLeast int
		want    string
		words   string
	}{
		{13, inPath, ""},
		{14, inPath, ""},
		{15, debian, ""},
		{17, redHat, ""},
		{18, "", "has version 17; the server needs 18 or newer"},
	} {
		p, err := findProgram(t.Context(), "pg_dump", test.atLeast, "the server", "relative:"+path, root)
		if p.path != test.want || (err == nil) != (test.words == "") {
			t.Errorf("version %d: got %v, %v; want %s", test.atLeast, p, err, test.want)
		}
		if err != nil && (!strings.Contains(err.Error(), test.words) || !strings.Contains(err.(*fault.Error).Resolution, "postgresql-client-18")) { //nolint:errorlint // it is not wrapped
			t.Errorf("version %d: %v", test.atLeast, err)
		}
	}
	_, err := findProgram(t.Context(), "pg_dump", 15, "the server", "", t.TempDir())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is not installed") {
		t.Errorf("without any: %v", err)
	}
}

func TestProgramsAreGivenNoPasswordOnTheirCommandLine(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string][2]string{
		"postgres://vedette:ge%20heim@db:5433/fleet?sslmode=verify-full&pool_max_conns=3": {"postgres://vedette@db:5433/fleet?sslmode=verify-full", "ge heim"},
		"postgresql://vedette@db/fleet?password=geheim&search_path=mine":                  {"postgresql://vedette@db/fleet", "geheim"},
		"postgres:///fleet?host=/run/my+sockets&user=vedette":                             {"postgres:///fleet?host=%2Frun%2Fmy%20sockets&user=vedette", ""},
	} {
		cmd, _, err := command(t.Context(), program{path: "/bin/true"}, dsn, "--format=custom")
		if err != nil {
			t.Fatal(err)
		}
		if got := cmd.Args[len(cmd.Args)-1]; got != "--dbname="+want[0] {
			t.Errorf("%s: got %s", dsn, got)
		}
		if given := environment(cmd, "PGPASSWORD"); want[1] != "" && given != want[1] {
			t.Errorf("%s: the password is %q", dsn, given)
		}
	}
	_, _, err := clientAddress("postgres://vedette:geheim@db:port/fleet")
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("a wrong URL: %v", err)
	}
}

func environment(cmd *exec.Cmd, name string) (value string) {
	for _, variable := range cmd.Env {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			value = v
		}
	}
	return value
}

func TestWhatAProgramComplainsIsBounded(t *testing.T) {
	t.Parallel()
	said := &complaint{}
	for range 100 {
		if n, err := said.Write(make([]byte, 1000)); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(said.text) != maxComplaint {
		t.Errorf("%d bytes are kept", len(said.text))
	}
}
