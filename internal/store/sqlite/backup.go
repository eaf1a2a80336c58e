package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// copyPages is how many pages are copied between two looks at the context: 1 MB.
const copyPages = 256

// Copy copies the database at from, which other processes may be using, to the
// new file to, readable for its owner only. The copy is what was committed at one
// moment after Copy began.
//
// Writers do not wait for it: it reads from one snapshot of the write-ahead log,
// page by page, with SQLite's backup interface. Meanwhile the log cannot be
// shortened; it grows by what is written until the copy is complete. progress is
// called with bytes done and in all.
//
// Pages are copied as they are, see Check. No space is syscall.ENOSPC.
func Copy(ctx context.Context, from, to string, progress func(done, total int64)) (err error) {
	if _, err := os.Stat(from); err != nil { // connecting would create it
		return fmt.Errorf("copy database: %w", err)
	}
	if err := createNew(to); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	db, err := connect(from, 1, "_pragma=query_only(1)")
	if err != nil {
		return fmt.Errorf("copy database %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := copySnapshot(ctx, db, to, progress); err != nil {
		return fmt.Errorf("copy database %s: %w", from, noSpace(err))
	}
	return nil
}

func createNew(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// copySnapshot copies within one read transaction. Without it, SQLite would start
// over whenever another process commits between two steps.
func copySnapshot(ctx context.Context, db *sql.DB, to string, progress func(done, total int64)) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	var pageSize, tables int64
	if err := tx.QueryRowContext(ctx, "PRAGMA page_size").Scan(&pageSize); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil { // begins to read
		return err
	}
	return conn.Raw(func(driverConn any) error {
		source, ok := driverConn.(interface {
			NewBackup(destination string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the driver's connection %T has no backup interface", driverConn)
		}
		backup, err := source.NewBackup(fileURL(to))
		if err != nil {
			return err
		}
		return errors.Join(copySteps(ctx, backup, pageSize, progress), backup.Finish())
	})
}

func copySteps(ctx context.Context, backup *sqlite.Backup, pageSize int64, progress func(done, total int64)) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if more, err = backup.Step(copyPages); err != nil {
			return err
		}
		total := int64(backup.PageCount())
		progress((total-int64(backup.Remaining()))*pageSize, total*pageSize)
	}
	return nil
}

// noSpace adds syscall.ENOSPC where SQLite says so in its own way.
func noSpace(err error) error {
	if failed, ok := errors.AsType[*sqlite.Error](err); ok && failed.Code()&0xff == sqlite3.SQLITE_FULL {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// openCopy opens a database that no process writes, without a log beside it.
func openCopy(path string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", fileURL(absolute)+"?mode=ro&immutable=1")
}

// Check refuses a copy of a database whose pages do not fit together: a disk that
// loses bits is noticed while there are older backups.
func Check(ctx context.Context, path string) (err error) {
	db, err := openCopy(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil && ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		answer = err.Error()
	}
	if answer != "ok" {
		return fault.New(fault.Conflict, fmt.Sprintf("The database is damaged: %s.", answer), "Stop the platform, check the disk, and restore the last good backup.")
	}
	return nil
}

// Schema is the number of the last migration of a database that no process uses.
func Schema(ctx context.Context, path string) (schema int64, err error) {
	db, err := openCopy(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&schema)
	if err != nil {
		return 0, fmt.Errorf("ask database %s for its schema: %w", path, err)
	}
	return schema, nil
}

// KnownSchema is the number of the newest migration this program has.
func KnownSchema() (int64, error) { return store.LastMigration(migrations) }

// Settle makes a restored database that no process uses fit agents that have gone
// on since, see store.Restoration, and moves its ids on.
func Settle(ctx context.Context, path string, r store.Restoration) (err error) {
	db, err := connect(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	// Closing the last connection brings the log into the file and removes it.
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("settle the restored database: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to undo or to report
	if err := r.Settle(ctx, tx, dialect{}.Rebind); err != nil {
		return fmt.Errorf("settle the restored database: %w", noSpace(err))
	}
	for _, query := range []string{
		// A table that never had a row has no counter yet; the lost database may have
		// given its ids all the same.
		`INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_schema AS t WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'
			AND NOT EXISTS (SELECT 1 FROM sqlite_sequence AS s WHERE s.name = t.name)`,
		fmt.Sprintf("UPDATE sqlite_sequence SET seq = seq + %d", r.Leap()),
	} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("move the ids of the restored database on: %w", noSpace(err))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("settle the restored database: %w", noSpace(err))
	}
	return nil
}
