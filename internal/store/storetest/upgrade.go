package storetest

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// lastWithoutRoles is the last version of the schema in which a user had one
// role, as a word.
const lastWithoutRoles = 5

// FillEarlierRelease makes, in an empty database, the schema of the release before
// users had roles, with a manager and somebody who is none, and with profiles that
// have an interval for the inventory alone. The folder migrations of the engine is
// in the working directory.
func FillEarlierRelease(t *testing.T, engine goose.Dialect, db *sql.DB) {
	t.Helper()
	provider, err := goose.NewProvider(engine, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), lastWithoutRoles); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO users (username, first_name, last_name, role, password_hash, disabled, created) VALUES
		('MANAGER', 'Ada', 'Lovelace', 'MANAGER', '$argon2id$1', false, 1900000000000000),
		('VISITOR', 'Ada', 'Lovelace', 'VISITOR', '$argon2id$1', false, 1900000000000000)`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO profiles (name, description, system, is_default, priority, include_all, exclude_all, tag_set_uuid,
			suspend_scanning, prevent_agent_update, in_memory_db, performance, blackout, inventory_interval, created, created_by) VALUES
		('SLOW', '', false, true, 1, false, false, '', false, false, false, '{}', '[]', 28800, 0, ''),
		('USUAL', '', false, false, 2, false, false, '', false, false, false, '{}', '[]', 14400, 0, '')`)
	if err != nil {
		t.Fatal(err)
	}
}

// CheckUpgrade checks what became of what FillEarlierRelease made.
func CheckUpgrade(t *testing.T, s *store.Store) {
	t.Helper()
	checkUpgradeToRoles(t, s)
	profiles := must(s.Profiles(t.Context()))(t)
	if len(profiles) != 2 {
		t.Fatalf("there are %d profiles, want 2", len(profiles))
	}
	for i, interval := range []int64{28_800, 14_400} {
		if got := profiles[i].Schedule(agentwire.ModuleInventory); got != (agentwire.Schedule{Interval: interval}) {
			t.Errorf("the schedule of profile %s became %+v, want an interval of %d s", profiles[i].Name, got, interval)
		}
	}
}

func checkUpgradeToRoles(t *testing.T, s *store.Store) {
	t.Helper()
	users := must(s.Users(t.Context()))(t)
	if len(users) != 2 {
		t.Fatalf("there are %d users, want 2", len(users))
	}
	for _, u := range users {
		manages := u.Username == "MANAGER"
		if u.Manager() != manages || len(u.Roles) > 1 || u.FirstName != "Ada" || u.PasswordHash != "$argon2id$1" || u.Created.IsZero() ||
			!u.PasswordChanged.IsZero() || u.Scope.All || len(u.Scope.Reach) != 0 {
			t.Errorf("user %s became %+v", u.Username, u)
		}
		if manages && u.Roles[0].ID != access.ManagerRoleID {
			t.Errorf("the manager has role %+v", u.Roles[0])
		}
	}
	made := must(s.CreateRole(t.Context(), access.Role{Name: "first of their own", Created: Start}))(t)
	if made.ID <= access.ManagerRoleID {
		t.Errorf("the next role has the id %d", made.ID)
	}
}

// CheckNewerSchema records, in an empty database that open opens, a migration of
// a newer release. From then on it must be refused.
func CheckNewerSchema(t *testing.T, db *sql.DB, open func() (*store.Store, error)) {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := open()
		if err == nil {
			t.Fatal(errors.Join(errors.New("a database of a newer release was opened"), s.Close()))
		}
		refused, ok := errors.AsType[*fault.Error](err)
		if !ok || refused.Code != fault.Conflict || !strings.Contains(refused.Message, "schema 99999") || refused.Resolution == "" {
			t.Fatalf("error = %v, want a conflict that names the schema and the next step", err)
		}
	}
}
