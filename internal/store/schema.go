package store

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"

	"vedette.dev/vedette/internal/fault"
)

// CheckSchema refuses a database that has had migrations of a newer Vedette with
// fault.Conflict: what this one would write there may be wrong.
func CheckSchema(ctx context.Context, p *goose.Provider) error {
	has, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if has > newest {
		return fault.New(fault.Conflict, fmt.Sprintf("The database has schema %d, of a newer Vedette; this one knows schemas up to %d.", has, newest),
			"Run the newer Vedette, or restore a backup that was made before the upgrade.")
	}
	return nil
}

// CheckCurrentSchema refuses a database of a newer Vedette, as CheckSchema does, and
// one that has not had all migrations: for those who work beside a platform, which
// alone may change the schema.
func CheckCurrentSchema(ctx context.Context, p *goose.Provider) error {
	if err := CheckSchema(ctx, p); err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if pending {
		return fault.New(fault.Conflict, "The database has the schema of an older Vedette.",
			"Use the program that the platform runs, or start the platform with this one first.")
	}
	return nil
}
