package store

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	// jobsMigration is the number of the migration that makes the tables of the job
	// engine, and riverSchema the version of River's own schema that it makes. A
	// newer one of River is another migration: what a number stands for never changes.
	jobsMigration = 15
	riverSchema   = 6
)

// JobsMigration is the migration that makes the tables in which River keeps jobs.
// It is written in Go because River brings the statements for each engine; it has a
// number like all others, so that the number of a schema says everything of it, and
// replicas that start together make the tables once.
//
// River's steps are transactions of their own, for PostgreSQL does not let a
// transaction use a value that it has added to a type. When they are cut off, the
// migration has not been had, and the next start goes on with the step that is
// missing. The migration needs a connection beside the one that migrates.
func JobsMigration(driver func(db *sql.DB) riverdriver.Driver[*sql.Tx]) *goose.Migration {
	return goose.NewGoMigration(jobsMigration, &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
		migrator, err := jobsMigrator(driver(db))
		if err != nil {
			return err
		}
		has, err := migrator.ExistingVersions(ctx)
		if err != nil || current(has) {
			return err
		}
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, toRiverSchema())
		return err
	}}, nil)
}

// JobsMigrationInTx is JobsMigration in one transaction, for SQLite: there the one
// connection is the one that migrates.
func JobsMigrationInTx(driver riverdriver.Driver[*sql.Tx]) *goose.Migration {
	return goose.NewGoMigration(jobsMigration, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		migrator, err := jobsMigrator(driver)
		if err != nil {
			return err
		}
		_, err = migrator.MigrateTx(ctx, tx, rivermigrate.DirectionUp, toRiverSchema()) //nolint:staticcheck // deprecated for PostgreSQL's sake, see JobsMigration
		return err
	}}, nil)
}

func jobsMigrator(driver riverdriver.Driver[*sql.Tx]) (*rivermigrate.Migrator[*sql.Tx], error) {
	return rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
}

func toRiverSchema() *rivermigrate.MigrateOpts {
	return &rivermigrate.MigrateOpts{TargetVersion: riverSchema}
}

// current reports whether River has made its whole schema before the migration was
// cut off.
func current(has []rivermigrate.Migration) bool {
	return slices.ContainsFunc(has, func(m rivermigrate.Migration) bool { return m.Version == riverSchema })
}
