//go:build unix

// Package pgtest gives tests a real PostgreSQL. It starts one server per test
// binary, from the binaries installed on the machine, when the first test asks
// for a database, and gives every test an empty database of its own:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		dsn := pgtest.Database(t)
//		...
//	}
//
// Where PostgreSQL cannot be had the test fails and says what to install. It is
// never skipped: a suite that passes without one of its two engines says
// nothing about it.
//
// PostgreSQL refuses to run as root, so root starts the server as the user
// postgres or, where there is none, nobody. The server listens on a socket in
// its own folder below /tmp, on no port, and gives up durability for speed. It
// ends, and its folder with it, when the test binary does, also when that is
// killed. Limits: Unix systems; PostgreSQL 13 or later, with pg_trgm.
package pgtest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// shared is the server of this test binary. It is the one piece of state that
// tests of a package share; it changes only once, from not started to started.
var shared server

// Main runs the tests of a package and then stops the server, if one of them
// has started it. It returns the exit code for os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Printf("stop PostgreSQL after the tests: %v\n", err)
		return max(code, 1)
	}
	return code
}

// Database returns the connection string of a new, empty database in UTF-8 and
// the locale C.UTF-8, owned by a superuser. It is dropped, whoever is still
// connected, when the test ends. Database is safe for concurrent use.
func Database(tb testing.TB) string {
	tb.Helper()
	return shared.database(tb)
}

// databaseTimeout is how long creating or dropping a database may take. It is
// some ten milliseconds on an idle machine; a loaded one gets plenty more.
const databaseTimeout = 60 * time.Second

func (s *server) database(tb testing.TB) string {
	tb.Helper()
	if err := s.start(); err != nil {
		tb.Fatalf("this test needs PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	if err := s.execute("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		tb.Fatalf("create database %s: %v", name, err)
	}
	tb.Cleanup(func() {
		if err := s.execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("drop database %s: %v", name, err)
		}
	})
	return s.dsn(name)
}

// execute runs a statement that cannot run in a transaction.
func (s *server) execute(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, statement)
	return err
}
