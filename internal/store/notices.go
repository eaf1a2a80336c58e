package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/fault"
)

var (
	_ notice.Queue   = (*Store)(nil)
	_ notice.Storage = (*Store)(nil)
)

const (
	// retriedNotices bounds the notices that are retried together, and retriedAtOnce
	// how many of them one transaction changes.
	retriedNotices, retriedAtOnce = 1000, 50
)

// tell queues what people are to be told, with the job that does it. What is for
// nobody, neither by mail nor by a webhook, is not told.
func (t *Tx) tell(ctx context.Context, event notice.Event, mailTo []string, at time.Time) error {
	if len(mailTo) == 0 {
		if webhook, err := t.hasWebhook(ctx); err != nil || !webhook {
			return err
		}
	}
	data, err := encode(event)
	if err != nil {
		return err
	}
	to, err := encode(append([]string{}, mailTo...))
	if err != nil {
		return err
	}
	var id int64
	err = t.QueryRow(ctx, "INSERT INTO notices (key, kind, data, mail_to, happened, state, next_attempt) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
		notice.NewKey(), string(event.Kind()), data, to, micros(at), string(notice.Pending), micros(at)).Scan(&id)
	if err != nil {
		return fmt.Errorf("queue notice: %w", err)
	}
	return t.Enqueue(ctx, notice.Job, id)
}

// notices reads notices. rest ends the query.
func (t *Tx) notices(ctx context.Context, rest string, args ...any) ([]notice.Notice, error) {
	var all []notice.Notice
	err := t.each(ctx, "SELECT id, key, kind, data, mail_to, happened, deliveries FROM notices"+rest, args, func(rows *sql.Rows) error {
		var n notice.Notice
		var mailTo, deliveries []byte
		var happened sql.NullInt64
		if err := rows.Scan(&n.ID, &n.Key, &n.Kind, &n.Data, &mailTo, &happened, &deliveries); err != nil {
			return err
		}
		n.Happened = when(happened)
		if err := decode(mailTo, &n.MailTo); err != nil {
			return err
		}
		if err := decode(deliveries, &n.Deliveries); err != nil {
			return err
		}
		all = append(all, n)
		return nil
	})
	return all, err
}

// lockedNotice reads a notice that nobody changes until the transaction ends.
func (t *Tx) lockedNotice(ctx context.Context, id int64) (notice.Notice, error) {
	found, err := t.notices(ctx, " WHERE id = ?"+t.dialect.ForUpdate(), id)
	if err == nil && len(found) == 0 {
		err = notice.NoNotice(id)
	}
	if err != nil {
		return notice.Notice{}, err
	}
	return found[0], nil
}

func (t *Tx) writeNotice(ctx context.Context, n *notice.Notice) error {
	deliveries, err := encode(append([]notice.Delivery{}, n.Deliveries...))
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE notices SET deliveries = ?, state = ?, next_attempt = ? WHERE id = ?", deliveries, string(n.State()), micros(n.Next()), n.ID)
	return err
}

// BeginNotice begins what is due of a notice; see notice.Queue.
func (s *Store) BeginNotice(ctx context.Context, id int64, at time.Time) (notice.Notice, []notice.Channel, error) {
	var n notice.Notice
	var due []notice.Channel
	err := s.InTx(ctx, func(tx *Tx) error {
		n, due = notice.Notice{}, nil
		found, err := tx.lockedNotice(ctx, id)
		if fault.Is(err, fault.NotFound) {
			return nil // it was removed since
		}
		if err != nil {
			return err
		}
		webhook, err := tx.hasWebhook(ctx)
		if err != nil {
			return err
		}
		n = found
		if due = n.Begin(at, webhook); len(due) == 0 {
			return nil
		}
		return tx.writeNotice(ctx, &n)
	})
	if err != nil {
		return notice.Notice{}, nil, fmt.Errorf("begin notice %d: %w", id, err)
	}
	return n, due, nil
}

// NoteDelivery writes down what an attempt came to; see notice.Queue.
func (s *Store) NoteDelivery(ctx context.Context, id int64, d notice.Delivery) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.lockedNotice(ctx, id)
		if err != nil {
			return err
		}
		if !n.Note(d) {
			return fault.Newf(fault.Conflict, "Notice %d is delivered by another replica.", id)
		}
		return tx.writeNotice(ctx, &n)
	})
}

// DueNotices returns notices that need a job, in ascending order of id, after one; at
// most limit.
func (s *Store) DueNotices(ctx context.Context, at time.Time, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, "SELECT id FROM notices WHERE next_attempt <= ? AND id > ? ORDER BY id LIMIT ?", micros(at), after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find notices to deliver: %w", err)
	}
	return ids, nil
}

// Notices returns notices; see notice.Storage.
func (s *Store) Notices(ctx context.Context, f notice.Filter) ([]notice.Notice, error) {
	where, args := " WHERE 1 = 1", []any(nil)
	if f.State != "" {
		where, args = where+" AND state = ?", append(args, string(f.State))
	}
	if f.Before != 0 {
		where, args = where+" AND id < ?", append(args, f.Before)
	}
	var all []notice.Notice
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.notices(ctx, where+" ORDER BY id DESC LIMIT ?", append(args, f.Limit)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return all, nil
}

// Notice returns one notice; see notice.Storage.
func (s *Store) Notice(ctx context.Context, id int64) (notice.Notice, error) {
	var found []notice.Notice
	err := s.view(ctx, func(tx *Tx) (err error) {
		found, err = tx.notices(ctx, " WHERE id = ?", id)
		return err
	})
	if err == nil && len(found) == 0 {
		err = notice.NoNotice(id)
	}
	if err != nil {
		return notice.Notice{}, fmt.Errorf("read notice %d: %w", id, err)
	}
	return found[0], nil
}

// RetryNotice has a notice tried again; see notice.Storage.
func (s *Store) RetryNotice(ctx context.Context, id int64, change func(*notice.Notice) error) (notice.Notice, error) {
	var n notice.Notice
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if n, err = tx.lockedNotice(ctx, id); err != nil {
			return err
		}
		if err := change(&n); err != nil {
			return err
		}
		return tx.requeueNotice(ctx, &n)
	})
	if err != nil {
		return notice.Notice{}, fmt.Errorf("retry notice %d: %w", id, err)
	}
	return n, nil
}

func (t *Tx) requeueNotice(ctx context.Context, n *notice.Notice) error {
	if err := t.writeNotice(ctx, n); err != nil {
		return err
	}
	return t.Enqueue(ctx, notice.Job, n.ID)
}

// RetryNotices has many notices tried again; see notice.Storage.
func (s *Store) RetryNotices(ctx context.Context, since time.Time, change func(*notice.Notice) bool) error {
	var open []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		open, err = tx.ids(ctx, "SELECT id FROM notices WHERE happened >= ? AND state <> ? ORDER BY id DESC LIMIT ?", micros(since), string(notice.Delivered), retriedNotices)
		return err
	})
	if err != nil {
		return fmt.Errorf("find notices to retry: %w", err)
	}
	slices.Sort(open)
	for some := range slices.Chunk(open, retriedAtOnce) {
		err := s.InTx(ctx, func(tx *Tx) error {
			found, err := tx.notices(ctx, " WHERE "+tx.dialect.InIDs("id")+" ORDER BY id"+tx.dialect.ForUpdate(), tx.dialect.IDsParam(some))
			if err != nil {
				return err
			}
			for i := range found {
				if !change(&found[i]) {
					continue
				}
				if err := tx.requeueNotice(ctx, &found[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("retry notices: %w", err)
		}
	}
	return nil
}
