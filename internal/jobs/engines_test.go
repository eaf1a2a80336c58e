package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/sqlite"
)

const kind = "sync"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(victim); dsn != "" {
		os.Exit(beVictim(os.Getenv(victimEngine), dsn))
	}
	os.Exit(pgtest.Main(m))
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	runSuite(t, "sqlite", func(tb testing.TB) string { return filepath.Join(tb.TempDir(), "vedette.db") })
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	runSuite(t, "postgres", pgtest.Database)
}

// open opens a database of an engine, with the seam wired as cmd does.
func open(ctx context.Context, engine, dsn string) (*store.Store, jobs.Database, error) {
	if engine == "sqlite" {
		s, err := sqlite.Open(ctx, dsn, time.Now)
		if err != nil {
			return nil, jobs.Database{}, err
		}
		return s, jobs.SQLite(s.Writer()), nil
	}
	s, err := postgres.Open(ctx, dsn, time.Now)
	if err != nil {
		return nil, jobs.Database{}, err
	}
	return s, jobs.Postgres(s.Writer()), nil
}

// bundle is a database with a clock by which jobs come due.
type bundle struct {
	engine, dsn string
	*store.Store
	database jobs.Database
	clock    *clock
}

func setup(t *testing.T, engine string, create func(testing.TB) string) *bundle {
	t.Helper()
	b := &bundle{engine: engine, dsn: create(t), clock: &clock{now: time.Now().UTC().Truncate(time.Second)}}
	b.Store, b.database = b.replica(t)
	return b
}

// replica opens the database once more, as another replica would.
func (b *bundle) replica(t *testing.T) (*store.Store, jobs.Database) {
	t.Helper()
	s, database, err := open(t.Context(), b.engine, b.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, database
}

func (b *bundle) options() jobs.Options {
	return jobs.Options{Log: slog.New(slog.DiscardHandler)}.ForTests(b.clock.Now)
}

// engineOf returns an engine for kinds that the bundle's store enqueues to.
func (b *bundle) engineOf(t *testing.T, options jobs.Options, kinds ...jobs.Kind) *jobs.Engine {
	t.Helper()
	e, err := jobs.New(b.database, kinds, options)
	if err != nil {
		t.Fatal(err)
	}
	b.UseQueue(e)
	return e
}

// run runs an engine until the test ends or stop is called; stop waits for it.
func run(t *testing.T, e *jobs.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

func (b *bundle) enqueue(t *testing.T, ids ...int64) {
	t.Helper()
	b.inTx(t, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := tx.Enqueue(t.Context(), kind, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bundle) inTx(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := b.InTx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// count counts jobs in some states.
func (b *bundle) count(t *testing.T, condition string) (n int) {
	t.Helper()
	if err := b.Writer().QueryRowContext(t.Context(), "SELECT count(*) FROM river_job WHERE "+condition).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits for something that the database says, which nothing announces.
func (b *bundle) until(t *testing.T, what, condition string, want int) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for b.count(t, condition) != want {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after a minute, %s: %d jobs with %s, want %d", what, b.count(t, condition), condition, want)
		}
	}
}

// elapse makes it later in the database: leases were renewed, and a leader elected,
// so much longer ago.
func (b *bundle) elapse(t *testing.T, d time.Duration) {
	t.Helper()
	earlier := func(column string) string {
		if b.engine == "sqlite" {
			return fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%f', substr(%s, 1, 19), '-%d seconds')", column, int(d.Seconds()))
		}
		return fmt.Sprintf("%s - interval '%d seconds'", column, int(d.Seconds()))
	}
	b.inTx(t, func(tx *store.Tx) error {
		for _, statement := range []string{
			"UPDATE river_job SET attempted_at = " + earlier("attempted_at") + " WHERE state = 'running'",
			"UPDATE river_leader SET expires_at = " + earlier("expires_at") + ", elected_at = " + earlier("elected_at"),
		} {
			if _, err := tx.SQL.ExecContext(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// receive waits for a value that a handler sends.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(time.Minute):
		t.Fatalf("after a minute, %s did not happen", what)
		panic("unreachable")
	}
}

var _ store.Queue = (*jobs.Engine)(nil)
