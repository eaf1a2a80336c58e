package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/pressly/goose/v3"
)

const (
	// leastLeap and leapPerSecond are how far ids move on when a database is put
	// back. The lost one went on giving ids after the backup was made: one bulk
	// launch may have taken a million of them, and a thousand a second is more than
	// a fleet uses for long. The leap grows with the age of the backup, so a second
	// restore of the same one leaps beyond what was given after the first.
	leastLeap     = 10_000_000
	leapPerSecond = 1000
)

// endedByRestore is the reason of on-demand requests that a restore has ended.
const endedByRestore = "the platform was restored from a backup that was made while the request was pending"

// Restoration is a database being put back as it was when a backup was made.
//
// Agents and integrators have gone on meanwhile. Agents follow no instruction
// with a lower version than one they had, so versions must rise above whatever
// the lost database gave them; ids that have left it must not be given again.
type Restoration struct {
	Made time.Time // when the backup was made
	At   time.Time // now
}

// Leap is how many ids are passed over.
func (r Restoration) Leap() int64 {
	age := max(int64(r.At.Sub(r.Made)/time.Second), 0)
	return leastLeap + age*leapPerSecond
}

// Settle makes the restored rows fit agents that are ahead of them. It runs in
// one transaction before a platform opens the database, which may have an older
// schema than this program. rebind is the engine's Dialect.Rebind.
//
// The version of profiles and manifests becomes the present Unix time in
// seconds: above every version given at less than one a second. Pending
// on-demand requests end: their agents may have answered them, and would hear of
// them no more.
func (r Restoration) Settle(ctx context.Context, tx *sql.Tx, rebind func(query string) string) error {
	version := r.At.Unix()
	for _, step := range []struct {
		what, query string
		args        []any
	}{
		{"raise the versions of agents", `UPDATE agents SET
			profile_version = CASE WHEN profile_version < ? THEN ? ELSE profile_version + 1 END,
			manifest_version = CASE WHEN manifest_version < ? THEN ? ELSE manifest_version + 1 END`, []any{version, version, version, version}},
		{"end pending scan requests", "UPDATE scan_requests SET state = 'failed', ended = ?, reason = ? WHERE state IN " + pendingStates,
			[]any{micros(r.At), endedByRestore}},
	} {
		if _, err := tx.ExecContext(ctx, rebind(step.query), step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// LastMigration is the highest number of the migrations in a folder of that name,
// as the engines embed them, and of those written in Go.
func LastMigration(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	last := int64(jobsMigration)
	for _, name := range names {
		number, err := goose.NumericComponent(path.Base(name))
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		last = max(last, number)
	}
	return last, nil
}
