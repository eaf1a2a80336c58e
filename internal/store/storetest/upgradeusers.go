package storetest

import (
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/store"
)

// lastByName is the last version of the schema in which users of the automation
// layer were known by their names alone.
const lastByName = 20

// FillBeforeUserIDs makes, in an empty database, the schema of the release before
// owners and starters had ids, with schedules and runs of ana, and of a user who is
// gone. jobs is the migration of the job engine. The folder migrations of the engine is
// in the working directory.
func FillBeforeUserIDs(t *testing.T, engine goose.Dialect, db *sql.DB, jobs *goose.Migration) {
	t.Helper()
	provider, err := goose.NewProvider(engine, db, os.DirFS("migrations"), goose.WithGoMigrations(jobs))
	if err == nil {
		_, err = provider.UpTo(t.Context(), lastByName)
	}
	for _, statement := range []string{
		"INSERT INTO subscription (id, customer_id, created) VALUES (1, '0f7c1c52-0000-4000-8000-000000000001', 1900000000000000)",
		"INSERT INTO users (id, username, first_name, last_name, password_hash, disabled, created) VALUES (7, 'ana', '', '', 'x', false, 1900000000000000)",
		`INSERT INTO automation_schedules (id, name, site_id, owner, command, inputs, spec, active, paused_reason, failures, owing) VALUES
			(1, 'hers', 1, 'ana', 'test-connection', '{}', '{}', true, '', 0, false), (2, 'nobodys', 1, 'gone', 'test-connection', '{}', '{}', true, '', 0, false)`,
		`INSERT INTO automation_runs (id, connection_name, site_id, integration, command, inputs, origin, started_by, address, dry_run, force, key, state, attempts, return_data, failures, queued) VALUES
			(1, 'lab', 1, 'qualys-cloud-agent', 'test-connection', '{}', 'command', 'ana', '', false, false, 'k-1', 'queued', 0, '', '[]', 0),
			(2, 'lab', 1, 'qualys-cloud-agent', 'test-connection', '{}', 'command', 'gone', '', false, false, 'k-1', 'queued', 0, '', '[]', 0),
			(3, 'lab', 1, 'qualys-cloud-agent', 'test-connection', '{}', 'health', '', '', false, false, NULL, 'queued', 0, '', '[]', 0)`,
	} {
		if err == nil {
			_, err = db.ExecContext(t.Context(), statement)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// CheckUserIDs checks what became of what FillBeforeUserIDs made.
func CheckUserIDs(t *testing.T, s *store.Store) {
	t.Helper()
	schedules := must(s.Schedules(t.Context(), schedule.Filter{}))(t)
	if len(schedules) != 2 || schedules[0].OwnerID != 7 || schedules[1].OwnerID != 0 || schedules[1].Owner != "gone" {
		t.Errorf("schedules are %+v", schedules)
	}
	runs := must(s.Runs(t.Context(), run.Filter{Limit: 10}))(t)
	if len(runs) != 3 || runs[2].UserID != 7 || runs[1].UserID != 0 || runs[1].StartedBy != "gone" || runs[0].UserID != 0 {
		t.Errorf("runs are %+v", runs)
	}
	if sites := must(s.Sites(t.Context()))(t); len(sites) != 1 || !sites[0].Created.Equal(time.UnixMicro(1900000000000000)) {
		t.Errorf("the first site is %+v", sites)
	}
}
