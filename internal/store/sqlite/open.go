// Package sqlite opens the store on SQLite, the embedded default: one file, no
// server, one process that writes.
//
// The database runs in WAL mode with one writing connection, whose transactions
// begin IMMEDIATE, and a few reading ones that never wait for it. synchronous is
// FULL for the writer: a commit that was acknowledged survives a kill of the
// process and a loss of power. That costs one fsync per commit, which the
// check-in path can afford because heartbeats are committed in batches.
//
// Limits: writers queue, so a long transaction delays all others; one machine;
// no network file system. A second process may read, and may write at the cost
// of waiting up to busyTimeout.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // registers the driver

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// readers is how many connections read at a time; the store leaves some to
	// searches, which only share the processor when there are more.
	readers = 4
	// busyTimeout is how long a transaction waits for another process.
	busyTimeout = 10 * time.Second
	// checkpointPages lets the log grow to 40 MB before it is copied into the
	// database, which then happens in larger and fewer pieces.
	checkpointPages = 10_000
	// cacheKiB is the page cache of each connection.
	cacheKiB = 16 << 10
)

// Open opens the database file at path, creates it when it is missing, readable
// for its owner only, and brings it up to date. now is the clock the status of
// agents is judged by. The caller closes the Store.
func Open(ctx context.Context, path string, now func() time.Time) (*store.Store, error) {
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, path, folder, store.JobsMigrationInTx(riversqlite.New(nil))); notDatabase(err) {
		return nil, &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("%s is damaged, or no SQLite database.", path), Err: err,
			Resolution: "Bring the last backup back with 'vedette restore'. Without one, move the file away with those beside it that begin with its name: the platform then starts with an empty database."}
	} else if err != nil {
		return nil, fmt.Errorf("bring database %s up to date: %w", path, err)
	}
	return use(path, now)
}

// Attach opens the database of a platform that may run, for a little work beside
// it. One that is not there, or not of this program's schema, is an error; nothing
// is migrated. The caller closes the Store.
func Attach(ctx context.Context, path string, now func() time.Time) (*store.Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if err := checkSchema(ctx, path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return use(path, now)
}

// use opens a database that is up to date.
func use(path string, now func() time.Time) (*store.Store, error) {
	write, err := connect(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	read, err := connect(path, readers, "_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s for reading: %w", path, err), write.Close())
	}
	return store.New(read, write, dialect{}, now), nil
}

// notDatabase reports whether SQLite does not know the file as a database, or finds
// it damaged (https://sqlite.org/rescode.html).
func notDatabase(err error) bool {
	const corrupt, notADatabase, primary = 11, 26, 0xff
	coded, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	return ok && (coded.Code()&primary == corrupt || coded.Code()&primary == notADatabase)
}

// createPrivate makes the file before SQLite does, which would let others read
// it; the log beside it takes over its mode.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

func connect(path string, connections int, options ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(absolute)}).String() +
		"?_pragma=busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")" +
		"&_pragma=journal_mode(WAL)" +
		"&_pragma=wal_autocheckpoint(" + strconv.Itoa(checkpointPages) + ")" +
		"&_pragma=cache_size(-" + strconv.Itoa(cacheKiB) + ")&_pragma=temp_store(MEMORY)"
	for _, option := range options {
		dsn += "&" + option
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	// Connections are kept: opening one reads the schema again.
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}
