package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// CheckEmpty refuses, with fault.Conflict, a database into which a dump cannot be
// restored: one that holds anything, one whose server is older than the dump's,
// and one for which pg_restore is missing.
func CheckEmpty(ctx context.Context, dsn string, of Dumped) error {
	_, err := prepareRestore(ctx, dsn, of)
	return err
}

func prepareRestore(ctx context.Context, dsn string, of Dumped) (p program, err error) {
	var server int
	err = ask(ctx, dsn, func(db *sql.DB) error {
		if server, err = serverVersion(ctx, db); err != nil {
			return err
		}
		return refuseTables(ctx, db)
	})
	if err != nil {
		return p, fmt.Errorf("restore PostgreSQL database: %w", err)
	}
	if server < of.Server {
		return p, fault.New(fault.Conflict, fmt.Sprintf("The backup comes from PostgreSQL %d; the server to restore to has version %d.", of.Server, server),
			fmt.Sprintf("Name a database of PostgreSQL %d or newer with --database.", of.Server))
	}
	return findProgram(ctx, "pg_restore", max(server, of.Tool), "the backup", os.Getenv("PATH"), "/")
}

// refuseTables refuses a database with tables, views or sequences. What belongs
// to an extension does not count: an administrator may have made those first.
func refuseTables(ctx context.Context, db *sql.DB) error {
	var name sql.NullString
	err := db.QueryRowContext(ctx, `SELECT min(c.oid::regclass::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
			AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`).Scan(&name)
	if err != nil {
		return fmt.Errorf("look for tables: %w", err)
	}
	if name.Valid {
		return fault.New(fault.Conflict, fmt.Sprintf("The database is not empty: it holds %s.", name.String), "Make a new database, and name it with --database; a restore overwrites nothing.")
	}
	return nil
}

// Load brings the dump in the file from into the empty database of dsn. progress
// is called with bytes done and in all.
//
// It happens in one transaction: what ends it early, also a kill of this process,
// leaves the database empty.
func Load(ctx context.Context, dsn, from string, of Dumped, progress func(done, total int64)) error {
	p, err := prepareRestore(ctx, dsn, of)
	if err != nil {
		return err
	}
	return load(ctx, p, dsn, from, progress)
}

func load(ctx context.Context, p program, dsn, from string, progress func(done, total int64)) error {
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("restore PostgreSQL database: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("restore PostgreSQL database: %w", err)
	}
	cmd, said, err := command(ctx, p, dsn, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments")
	if err != nil {
		return err
	}
	// A pipe, not the file: when this process is killed, pg_restore sees the dump
	// end early and rolls back.
	var done int64
	cmd.Stdin = io.TeeReader(file, writerFunc(func(b []byte) {
		done += int64(len(b))
		progress(done, info.Size())
	}))
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return said.failed(p, err)
	}
	return nil
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// Settle makes a database that was just loaded fit agents that have gone on
// since, see store.Restoration, moves its ids on, and lets the planner learn what
// is in it.
func Settle(ctx context.Context, dsn string, r store.Restoration) error {
	return ask(ctx, dsn, func(db *sql.DB) error { return settle(ctx, db, r) })
}

func settle(ctx context.Context, db *sql.DB, r store.Restoration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("settle the restored database: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to undo or to report
	if err := r.Settle(ctx, tx, dialect{}.Rebind); err != nil {
		return fmt.Errorf("settle the restored database: %w", err)
	}
	_, err = tx.ExecContext(ctx, `SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, start_value) + $1)
		FROM pg_sequences WHERE data_type = 'bigint'::regtype`, r.Leap())
	if err != nil {
		return fmt.Errorf("move the ids of the restored database on: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("settle the restored database: %w", err)
	}
	if _, err := db.ExecContext(ctx, "ANALYZE"); err != nil {
		return fmt.Errorf("analyse the restored database: %w", err)
	}
	return nil
}

// KnownSchema is the number of the newest migration this program has.
func KnownSchema() (int64, error) { return store.LastMigration(migrations) }
