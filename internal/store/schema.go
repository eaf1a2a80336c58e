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
