package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/secret"
)

const (
	// searchTimeout bounds one search or count, with its wait for others. A search the indexes cannot narrow
	// passes over every host, a few seconds for a million; beyond this the
	// criteria cannot be answered with what the server has.
	searchTimeout = 30 * time.Second
	// attempts bounds how often a transaction is run that lost against another:
	// the engines let one of two go on, so a few always suffice.
	attempts = 5
	// reservedReaders are the reading connections that searches leave to the short
	// queries of check-ins and logins.
	reservedReaders = 2
)

// Store keeps everything in one SQL database. It is safe for concurrent use.
// Close it when nothing uses it any more.
type Store struct {
	dialect Dialect
	read    *sql.DB
	write   *sql.DB
	now     func() time.Time
	hint    chan struct{}
	// ruleHint receives after tags changed; see RuleHint.
	ruleHint chan struct{}
	// searches has room for the searches that may run at once.
	searches chan struct{}
	// envelope opens the keys that secrets are sealed with; see OpenSecrets.
	envelope *secret.Envelope
	queue    Queue // nil when nothing is enqueued
}

// What the domain asks of its storage.
var (
	_ fleet.Enrolments     = (*Store)(nil)
	_ fleet.JoiningKeys    = (*Store)(nil)
	_ fleet.AgentStates    = (*Store)(nil)
	_ fleet.Heartbeats     = (*Store)(nil)
	_ fleet.Changes        = (*Store)(nil)
	_ fleet.Hosts          = (*Store)(nil)
	_ inventory.Uploads    = (*Store)(nil)
	_ ondemand.Requests    = (*Store)(nil)
	_ access.Users         = (*Store)(nil)
	_ fleet.ProfileStore   = (*Store)(nil)
	_ fleet.Rollouts       = (*Store)(nil)
	_ fleet.Tags           = (*Store)(nil)
	_ fleet.TagAssignments = (*Store)(nil)
	_ fleet.RulePasses     = (*Store)(nil)

	_ fleet.ContestedInstances = (*Store)(nil)
)

// New returns a Store over an open, migrated database. read may be a pool that
// cannot write; the Store closes both. As many searches run at once as read has
// connections, less two.
func New(read, write *sql.DB, dialect Dialect, now func() time.Time) *Store {
	searches := max(read.Stats().MaxOpenConnections-reservedReaders, 1)
	return &Store{
		dialect: dialect, read: read, write: write, now: now,
		hint: make(chan struct{}, 1), ruleHint: make(chan struct{}, 1), searches: make(chan struct{}, searches),
	}
}

// Close closes the connections. What was acknowledged is durable before.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ready reports whether the database answers on both pools.
func (s *Store) Ready(ctx context.Context) error {
	for _, pool := range []*sql.DB{s.read, s.write} {
		var one int
		if err := pool.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
			return fmt.Errorf("ask database: %w", err)
		}
	}
	return nil
}

// Tx is a transaction. Its queries use ? for parameters on both engines.
type Tx struct {
	SQL     *sql.Tx // the transaction itself, for those who bring their own SQL
	dialect Dialect
	queue   Queue
	changed bool // commits changes; the tail is told afterwards

	envelope *secret.Envelope
}

// Dialect returns the engine's dialect.
func (t *Tx) Dialect() Dialect { return t.dialect }

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.SQL.ExecContext(ctx, t.dialect.Rebind(query), args...)
}

// Query runs a query; the caller closes the rows.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.SQL.QueryContext(ctx, t.dialect.Rebind(query), args...)
}

// QueryRow runs a query for at most one row.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.SQL.QueryRowContext(ctx, t.dialect.Rebind(query), args...)
}

// affected runs a statement and returns how many rows it changed.
func (t *Tx) affected(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := t.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// InTx runs fn in one writing transaction and commits it when fn returns nil.
// When the database asks for it, fn runs again in a new transaction: it must
// have no other effects than those on tx.
func (s *Store) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.inTx(ctx, fn)
		if err == nil || attempt == attempts || !s.dialect.Retryable(err) {
			return err
		}
	}
}

func (s *Store) inTx(ctx context.Context, fn func(tx *Tx) error) error {
	raw, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	tx := &Tx{SQL: raw, dialect: s.dialect, envelope: s.envelope, queue: s.queue}
	// Also ends the transaction when fn panics; after a commit it does nothing.
	defer raw.Rollback() //nolint:errcheck // there is nothing to undo or to report
	if err := fn(tx); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	if tx.changed {
		s.signal()
	}
	return nil
}

// view runs fn on one consistent view of the data.
func (s *Store) view(ctx context.Context, fn func(tx *Tx) error) error {
	raw, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: s.dialect.Snapshot()})
	if err != nil {
		return fmt.Errorf("begin reading: %w", err)
	}
	defer raw.Rollback() //nolint:errcheck // it only read
	return fn(&Tx{SQL: raw, dialect: s.dialect, envelope: s.envelope})
}

// queryRow asks for one row outside a transaction.
func (s *Store) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return s.read.QueryRowContext(ctx, s.dialect.Rebind(query), args...)
}

// each calls scan for every row of a query.
func (t *Tx) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) error) error {
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ids runs a query for one column of ids.
func (t *Tx) ids(ctx context.Context, query string, args ...any) ([]int64, error) {
	var ids []int64
	err := t.each(ctx, query, args, func(rows *sql.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// found turns "no rows" into fault.NotFound for the named object.
func found(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.Newf(fault.NotFound, "There is no "+format+".", args...)
	}
	return err
}
