package postgres_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
)

// holdRow runs a statement in a transaction of its own, which ends with the
// returned function, once so many others wait for it.
func holdRow(t *testing.T, dsn, statement string, waiting int) (release func()) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		awaitWaiting(t, db, waiting)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitWaiting returns when so many wait for locks.
func awaitWaiting(t *testing.T, db *sql.DB, waiting int) {
	t.Helper()
	for n := 0; n < waiting; {
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAScopeWaitsForATagThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	s := open(t, dsn, time.Now)
	ctx := t.Context()
	tag, err := s.CreateTag(ctx, qps.TagChange{Name: new("lab")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(ctx, access.User{Username: "ada", Created: storetest.Start}); err != nil {
		t.Fatal(err)
	}
	release := holdRow(t, dsn, fmt.Sprintf("DELETE FROM tags WHERE id = %d", tag), 1)
	result := make(chan error, 1)
	go func() {
		_, err := s.UpdateUser(ctx, "ada", func(u *access.User) error { u.Scope.TagIDs = []int64{tag}; return nil })
		result <- err
	}()
	release()
	if err := <-result; !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want a fault that says that there is no such tag", err)
	}
}

func TestTokensMadeAtOnceAreCountedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	const limit, attempts = 2, 5
	dsn := pgtest.Database(t)
	s := open(t, dsn, time.Now)
	ctx := t.Context()
	user, err := s.CreateUser(ctx, access.User{Username: "ada", Created: storetest.Start})
	if err != nil {
		t.Fatal(err)
	}
	release := holdRow(t, dsn, fmt.Sprintf("SELECT id FROM users WHERE id = %d FOR UPDATE", user.ID), attempts)
	var wait sync.WaitGroup
	for i := range attempts {
		wait.Go(func() {
			digest := sha256.Sum256([]byte{byte(i)})
			token := access.Token{UserID: user.ID, Name: "x", Created: storetest.Start, Expires: storetest.Start.Add(time.Hour)}
			if _, err := s.CreateToken(ctx, token, digest[:], limit); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	release()
	wait.Wait()
	tokens, err := s.Tokens(ctx, user.ID)
	if err != nil || len(tokens) != limit {
		t.Errorf("%d tokens were made, %v; want %d", len(tokens), err, limit)
	}
}
