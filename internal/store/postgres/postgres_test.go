package postgres_test

import (
	"database/sql"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, create)
}

func create(tb testing.TB) storetest.Database {
	dsn := pgtest.Database(tb)
	return func(tb testing.TB, now func() time.Time) *store.Store {
		tb.Helper()
		return open(tb, dsn, now)
	}
}

func open(tb testing.TB, dsn string, now func() time.Time) *store.Store {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), dsn, now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestAServerThatDoesNotAnswerIsNamedWithTheNextStep(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Open(t.Context(), "postgres://vedette:secret@"+address+"/fleet", time.Now)
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("error = %v, want one with a next step", err)
	}
	if !strings.Contains(refused.Message, address) || strings.Contains(refused.Message, "secret") || strings.Contains(refused.Message, "\n") {
		t.Errorf("message = %q, want one line with the address and no password", refused.Message)
	}
	if refused.Resolution == "" {
		t.Error("there is no next step")
	}
}

func TestReplicasThatStartTogetherMakeOneSchema(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.EnsureSubscription(t.Context(), storetest.CustomerID, storetest.Start); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// TestHeartbeatBatchesDoNotDeadlock saves the same hosts in opposite orders.
// The store would run a batch again that lost, so it is the server that is
// asked.
func TestHeartbeatBatchesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	const hosts, rounds = 200, 15
	// As the server joins a batch with a large fleet: agent by agent.
	dsn := pgtest.Database(t) + "&enable_hashjoin=off&enable_mergejoin=off&enable_seqscan=off&enable_bitmapscan=off"
	now := func() time.Time { return storetest.Start }
	replicas := []*store.Store{open(t, dsn, now), open(t, dsn, now)}
	storetest.Bootstrap(t, replicas[0])
	storetest.Fill(t, replicas[0], storetest.Hosts(t, replicas[0], hosts))
	var wait sync.WaitGroup
	for r, replica := range replicas {
		wait.Go(func() {
			batch := make([]fleet.Heartbeat, hosts)
			for round := range rounds {
				for i := range batch {
					batch[i] = fleet.Heartbeat{HostID: int64(i + 1), At: storetest.Start.Add(time.Duration(round) * time.Second), AgentVersion: []string{"3.0", "3.1"}[round%2]}
				}
				if r == 1 {
					slices.Reverse(batch)
				}
				if err := replica.SaveHeartbeats(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	// A connection hands its statistics in when it ends.
	for _, replica := range replicas {
		if err := replica.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := deadlocks(t, dsn); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// deadlocks returns how many deadlocks the server has counted in the database
// once the connections that were open before are gone.
func deadlocks(tb testing.TB, dsn string) int {
	tb.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	for {
		var others, n int
		err := db.QueryRowContext(tb.Context(), `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND backend_type = 'client backend'), (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database())`).Scan(&others, &n)
		if err != nil {
			tb.Fatal(err)
		}
		if others == 0 {
			return n
		}
	}
}

// TestAHostThatCameWhileItsDatabaseWasMigratedIsFound has a replica of the last
// release store a host in a transaction that is open when the migration begins.
func TestAHostThatCameWhileItsDatabaseWasMigratedIsFound(t *testing.T) {
	t.Parallel()
	const beforeTallies = 7
	dsn := pgtest.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	if err == nil {
		_, err = provider.UpTo(t.Context(), beforeTallies)
	}
	if err != nil {
		t.Fatal(err)
	}
	old, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Rollback() //nolint:errcheck // there is nothing to undo or to report
	for _, statement := range []string{
		"INSERT INTO hosts (id, name, created, modified, tracking_method) VALUES (20000, 'late', 0, 0, 'QAGENT')",
		"INSERT INTO host_details (host_id) VALUES (20000)",
	} {
		if _, err := old.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	migrated := make(chan error)
	go func() {
		_, err := provider.UpTo(t.Context(), beforeTallies+1)
		migrated <- err
	}()
	for waiting := false; !waiting; { // the end of the test's time is the end of this wait
		err := db.QueryRowContext(t.Context(), "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'hosts'::regclass").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	s := open(t, dsn, time.Now)
	if n, err := s.CountHosts(t.Context(), fleet.WholeFleet(), nil); n != 1 || err != nil {
		t.Errorf("%d hosts are counted, %v; want 1", n, err)
	}
	if _, err := s.Host(t.Context(), fleet.WholeFleet(), 20_000); err != nil {
		t.Error(err)
	}
}

func TestSchedulesAndRunsKeepTheirUsersWhenTheyAreKnownByIDs(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillBeforeUserIDs(t, goose.DialectPostgres, db, store.JobsMigration(func(db *sql.DB) riverdriver.Driver[*sql.Tx] { return riverdatabasesql.New(db) }))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckUserIDs(t, open(t, dsn, time.Now))
}

func TestADatabaseOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	storetest.CheckNewerSchema(t, db, func() (*store.Store, error) { return postgres.Open(t.Context(), dsn, time.Now) })
}

func TestUsersKeepWhatTheyMayDoWhenRolesCome(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	storetest.FillEarlierRelease(t, goose.DialectPostgres, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckUpgrade(t, open(t, dsn, time.Now))
}

func TestNoticesThatWaitedForTheirDeliveryGetIt(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	driver := func(db *sql.DB) riverdriver.Driver[*sql.Tx] { return riverdatabasesql.New(db) }
	storetest.FillQueuedNotices(t, goose.DialectPostgres, db, store.JobsMigration(driver))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.CheckQueuedNotices(t, open(t, dsn, time.Now))
}

func TestATransactionThatIsLeftOpenIsEnded(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.Database(t), time.Now)
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		var limit string
		if err := tx.QueryRow(t.Context(), "SHOW idle_in_transaction_session_timeout").Scan(&limit); err != nil {
			return err
		}
		if limit != "30s" {
			t.Errorf("the time limit is %q, want 30s", limit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAMigrationOfJobsThatWasCutOffIsCompleted begins where a start was killed after
// some or all of River's steps, none of which had been written down as ours.
func TestAMigrationOfJobsThatWasCutOffIsCompleted(t *testing.T) {
	t.Parallel()
	for _, step := range []int{4, 6} {
		dsn := pgtest.Database(t)
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		migrator, err := rivermigrate.New(riverdatabasesql.New(db), nil)
		if err == nil {
			_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: step})
		}
		if err != nil {
			t.Fatal(err)
		}
		open(t, dsn, time.Now)
		has, err := migrator.Validate(t.Context())
		if err != nil || !has.OK {
			t.Errorf("after step %d, River's schema is not complete: %+v, %v", step, has, err)
		}
	}
}
