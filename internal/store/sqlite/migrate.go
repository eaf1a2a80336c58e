package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"vedette.dev/vedette/internal/store"
)

// unchecked is the user_version of a database whose references are to be
// checked: a migration has begun since they last were.
const unchecked = 1

// migrate runs the migrations that the database has not had: those of a folder,
// and those written in Go.
//
// Foreign keys are off meanwhile. A migration that rebuilds a table drops it,
// which would otherwise delete, without a word, every row that refers to it.
// All references are checked afterwards; a database in which some are broken
// stays closed, at later starts too.
func migrate(ctx context.Context, path string, migrations fs.FS, written ...*goose.Migration) (err error) {
	db, err := connect(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(0)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, goose.WithGoMigrations(written...))
	if err != nil {
		return err
	}
	if err := store.CheckSchema(ctx, provider); err != nil {
		return err
	}
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return err
	}
	if pending {
		if err := setVersion(ctx, db, unchecked); err != nil {
			return err
		}
		if _, err := provider.Up(ctx); err != nil {
			return err
		}
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read user_version: %w", err)
	}
	if version != unchecked {
		return nil
	}
	if err := checkReferences(ctx, db); err != nil {
		return err
	}
	return setVersion(ctx, db, 0)
}

func setVersion(ctx context.Context, db *sql.DB, version int) error {
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return fmt.Errorf("set user_version: %w", err)
	}
	return nil
}

// checkReferences names the first row that refers to one that is not there.
func checkReferences(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return fmt.Errorf("check references: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return rows.Err()
	}
	var table, parent string
	var row sql.NullInt64 // none in a table without row ids
	var key int
	if err := rows.Scan(&table, &row, &parent, &key); err != nil {
		return fmt.Errorf("check references: %w", err)
	}
	return fmt.Errorf("row %d of table %s refers to a row of table %s that does not exist: restore a backup made before the upgrade", row.Int64, table, parent)
}

// checkSchema refuses a database that is not up to date.
func checkSchema(ctx context.Context, path string) (err error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db, err := connect(path, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithGoMigrations(store.JobsMigrationInTx(riversqlite.New(nil))))
	if err != nil {
		return err
	}
	return store.CheckCurrentSchema(ctx, provider)
}
