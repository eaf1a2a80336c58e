// Package postgres opens the store on PostgreSQL 14 or newer, the engine for
// more than one replica and for large fleets.
//
// Reading connections plan every query with its actual parameters: a plan made
// for any parameter would ignore how rare the text of a search is.
//
// Limits: the database must allow the extension pg_trgm, which comes with
// PostgreSQL and which the owner of a database may create. Enrolments and scan
// launches commit one after the other.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// connections bounds each of the two pools; PostgreSQL allows 100 in all by
	// default, and a few replicas share them.
	connections = 12
	// idleTime is how long an unused connection is kept.
	idleTime = 5 * time.Minute
	// idleInTransaction is how long a writing transaction may do nothing. The
	// server ends it then, and lets go of its locks, although a replica that hangs
	// or has lost its network holds the connection.
	idleInTransaction = 30 * time.Second
	// A replica that finds another one migrating asks again every second, for as
	// long as a migration of a large fleet may take.
	lockEverySeconds = 1
	lockAttempts     = 600
)

// Open connects to the database that dsn describes, a URL or keywords as for
// libpq, and brings it up to date; replicas that start together do that one
// after the other. now is the clock the status of agents is judged by. The
// caller closes the Store.
func Open(ctx context.Context, dsn string, now func() time.Time) (*store.Store, error) {
	return open(ctx, dsn, now, func(ctx context.Context, p *goose.Provider) error {
		if err := store.CheckSchema(ctx, p); err != nil {
			return err
		}
		_, err := p.Up(ctx)
		return err
	})
}

// Attach connects like Open, for a little work beside platforms that may run. A
// database that is not of this program's schema is refused; nothing is migrated.
func Attach(ctx context.Context, dsn string, now func() time.Time) (*store.Store, error) {
	return open(ctx, dsn, now, store.CheckCurrentSchema)
}

func open(ctx context.Context, dsn string, now func() time.Time, prepare func(context.Context, *goose.Provider) error) (*store.Store, error) {
	write, err := connect(dsn, map[string]string{
		"idle_in_transaction_session_timeout": strconv.FormatInt(idleInTransaction.Milliseconds(), 10),
	})
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL database: %w", err)
	}
	provider, err := migrator(write)
	if err == nil {
		err = prepare(ctx, provider)
	}
	if err != nil {
		return nil, errors.Join(startFailure(err), write.Close())
	}
	read, err := connect(dsn, map[string]string{
		"plan_cache_mode":               "force_custom_plan",
		"default_transaction_read_only": "on",
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open PostgreSQL database for reading: %w", err), write.Close())
	}
	return store.New(read, write, dialect{}, now), nil
}

// startFailure says what to do when a migration failed because no connection
// could be made.
func startFailure(err error) error {
	refused, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return fmt.Errorf("bring PostgreSQL database up to date: %w", err)
	}
	oneLine := strings.Join(strings.Fields(refused.Error()), " ")
	return fault.New(fault.Conflict, fmt.Sprintf("The PostgreSQL database cannot be reached: %s.", oneLine),
		"Check that the server runs, and host, port, database, user and password of the database URL.")
}

func connect(dsn string, parameters map[string]string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	config.RuntimeParams["application_name"] = "vedette"
	for name, value := range parameters {
		config.RuntimeParams[name] = value
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(idleTime)
	return db, nil
}

func jobsDriver(db *sql.DB) riverdriver.Driver[*sql.Tx] { return riverdatabasesql.New(db) }

// migrator returns what migrates a database, for one replica at a time.
func migrator(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEverySeconds, lockAttempts))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithSessionLocker(locker),
		goose.WithGoMigrations(store.JobsMigration(jobsDriver)))
}
