package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Queue takes jobs in the transaction of the state they belong to. Package jobs
// has one; cmd brings the two together.
type Queue interface {
	// Enqueue makes a job of a kind for the row with an id, unless one is pending or
	// runs.
	Enqueue(ctx context.Context, tx *sql.Tx, kind string, id int64) error
	// Cancel takes back the job of a kind for the row with an id, if there is one.
	Cancel(ctx context.Context, tx *sql.Tx, kind string, id int64) error
}

// UseQueue says where jobs go. It must be called before the store is used by
// anything that enqueues jobs, and only once.
func (s *Store) UseQueue(queue Queue) { s.queue = queue }

// Writer is the pool of connections that may write, for a job engine on the same
// database. On SQLite it is one connection: whoever holds it must not ask for
// another.
func (s *Store) Writer() *sql.DB { return s.write }

var errNoQueue = errors.New("this store has no job queue")

// Enqueue makes a job for the row with an id, which exists once the transaction is
// committed, unless one is pending or runs.
func (t *Tx) Enqueue(ctx context.Context, kind string, id int64) error {
	if t.queue == nil {
		return fmt.Errorf("enqueue job %s %d: %w", kind, id, errNoQueue)
	}
	return t.queue.Enqueue(ctx, t.SQL, kind, id)
}

// Cancel takes back the job for the row with an id once the transaction is
// committed, if there is one. The context of one that runs ends some seconds later.
func (t *Tx) Cancel(ctx context.Context, kind string, id int64) error {
	if t.queue == nil {
		return fmt.Errorf("cancel job %s %d: %w", kind, id, errNoQueue)
	}
	return t.queue.Cancel(ctx, t.SQL, kind, id)
}
