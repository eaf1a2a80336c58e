package jobs

import (
	"database/sql"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// Database is where jobs are kept: a pool of connections that may write, and the
// engine behind it. The schema is there already; the store's migrations make it.
type Database struct {
	driver riverdriver.Driver[*sql.Tx]
	db     *sql.DB
}

// SQLite is a SQLite database; db must have one connection, the one over which
// everything is written.
func SQLite(db *sql.DB) Database { return Database{driver: riversqlite.New(db), db: db} }

// Postgres is a PostgreSQL database.
func Postgres(db *sql.DB) Database { return Database{driver: riverdatabasesql.New(db), db: db} }
