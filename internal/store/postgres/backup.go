package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5/pgconn"

	"vedette.dev/vedette/internal/fault"
)

// lockWait is how long pg_dump waits for a lock that a migration may hold.
const lockWait = "60s"

// Dumped says what a dump is of.
type Dumped struct {
	Schema int64 // number of the last migration
	Server int   // major version of the server
	Tool   int   // major version of pg_dump
}

// Dump copies the database of dsn, which replicas may be using, to the new file
// to, in pg_dump's custom format without compression, readable for its owner
// only. The copy is one snapshot; writers do not wait for it. progress is called
// with the bytes written; there is no knowing how many they will be.
//
// It needs pg_dump of the server's version or newer. Dump ends it when ctx ends,
// and it ends by itself when this process does.
func Dump(ctx context.Context, dsn, to string, progress func(done int64)) (Dumped, error) {
	of, err := survey(ctx, dsn)
	if err != nil {
		return of, fmt.Errorf("back up PostgreSQL database: %w", err)
	}
	p, err := findProgram(ctx, "pg_dump", of.Server, "the server", os.Getenv("PATH"), "/")
	if err != nil {
		return of, err
	}
	of.Tool = p.major
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return of, fmt.Errorf("back up PostgreSQL database: %w", err)
	}
	return of, errors.Join(dump(ctx, p, dsn, file, progress), file.Close())
}

func dump(ctx context.Context, p program, dsn string, to io.Writer, progress func(done int64)) error {
	cmd, said, err := command(ctx, p, dsn, "--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--lock-wait-timeout="+lockWait)
	if err != nil {
		return err
	}
	counted := &counter{to: to, progress: progress}
	// A pipe, not the file: pg_dump ends when nobody reads any more.
	cmd.Stdout = counted
	if err := cmd.Run(); err != nil {
		if counted.err != nil { // which is why pg_dump failed
			return fmt.Errorf("write the copy of the database: %w", counted.err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return said.failed(p, err)
	}
	return nil
}

// counter counts what it passes on.
type counter struct {
	to       io.Writer
	done     int64
	err      error
	progress func(done int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.done += int64(n)
	c.err = err
	c.progress(c.done)
	return n, err
}

// survey asks a platform's database what it is.
func survey(ctx context.Context, dsn string) (of Dumped, err error) {
	err = ask(ctx, dsn, func(db *sql.DB) error {
		if of.Server, err = serverVersion(ctx, db); err != nil {
			return err
		}
		err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&of.Schema)
		if failed, ok := errors.AsType[*pgconn.PgError](err); ok && failed.Code == undefinedTable {
			return fault.New(fault.Conflict, "The database holds no Vedette platform.", "Name the database that the platform uses, with --database or --config.")
		}
		return err
	})
	return of, err
}

// undefinedTable is the code of PostgreSQL's error for a table that is not there.
const undefinedTable = "42P01"

// ask runs questions on one connection.
func ask(ctx context.Context, dsn string, questions func(db *sql.DB) error) error {
	db, err := connect(dsn, nil)
	if err != nil {
		return fmt.Errorf("open PostgreSQL database: %w", err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return errors.Join(&fault.Error{
			Code: fault.Conflict, Message: "The PostgreSQL database cannot be reached: " + err.Error() + ".",
			Resolution: "Check the URL, that the server runs, and the password; it may come from PGPASSWORD or a .pgpass file.", Err: err,
		}, db.Close())
	}
	return errors.Join(questions(db), db.Close())
}

func serverVersion(ctx context.Context, db *sql.DB) (int, error) {
	var number int
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number); err != nil {
		return 0, fmt.Errorf("ask for the version of the server: %w", err)
	}
	return number / 10_000, nil
}
