package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
)

var _ access.SignIns = (*Store)(nil)

const (
	// maxOrigins bounds the names and addresses of which failures are kept. Some 30
	// sign-ins can fail in a second, so that a lock of a quarter of an hour ends
	// long before others have pushed it out.
	maxOrigins = 100_000
	// pruneGroup is how many rows one transaction of a pruning deletes.
	pruneGroup = 1000
)

// origin is what failures are counted by: of one size whatever was sent.
func origin(username, address string) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(username), username, address))
	return sum[:]
}

// LockedUntil returns the end of the lock; see access.SignIns.
func (s *Store) LockedUntil(ctx context.Context, username, address string) (time.Time, error) {
	var until sql.NullInt64
	err := s.queryRow(ctx, "SELECT locked_until FROM sign_in_failures WHERE origin = ?", origin(username, address)).Scan(&until)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("look for a lock: %w", err)
	}
	return when(until), nil
}

// CountFailure counts a failure; see access.SignIns.
func (s *Store) CountFailure(ctx context.Context, username, address string, at time.Time, forget time.Duration, lock func(failures int) time.Duration) (time.Time, error) {
	key := origin(username, address)
	var until time.Time
	err := s.InTx(ctx, func(tx *Tx) error {
		var failures int
		// The row is locked from here on: of two at once both count.
		err := tx.QueryRow(ctx, `INSERT INTO sign_in_failures AS f (origin, failures, last_failed) VALUES (?, 1, ?)
			ON CONFLICT (origin) DO UPDATE SET failures = CASE WHEN f.last_failed <= ? THEN 1 ELSE f.failures + 1 END, last_failed = excluded.last_failed
			RETURNING failures`, key, micros(at), micros(at.Add(-forget))).Scan(&failures)
		if err != nil {
			return err
		}
		until = time.Time{}
		if d := lock(failures); d > 0 {
			until = at.Add(d)
		}
		_, err = tx.Exec(ctx, "UPDATE sign_in_failures SET locked_until = ? WHERE origin = ?", micros(until), key)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("count a failed sign-in: %w", err)
	}
	return until, nil
}

// ForgetFailures removes what CountFailure counted; see access.SignIns.
func (s *Store) ForgetFailures(ctx context.Context, username, address string) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM sign_in_failures WHERE origin = ?", origin(username, address))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget failed sign-ins: %w", err)
	}
	return nil
}

// PruneSignIns forgets failures from before a time, and the oldest of too many, a
// few per transaction.
func (s *Store) PruneSignIns(ctx context.Context, before time.Time) error {
	const oldest = "DELETE FROM sign_in_failures WHERE origin IN (SELECT origin FROM sign_in_failures %s ORDER BY last_failed LIMIT ?)"
	err := s.prune(ctx, func(tx *Tx) (int64, error) {
		return tx.affected(ctx, fmt.Sprintf(oldest, "WHERE last_failed < ?"), micros(before), pruneGroup)
	})
	if err == nil {
		err = s.prune(ctx, func(tx *Tx) (int64, error) {
			var kept int64
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM sign_in_failures").Scan(&kept); err != nil {
				return 0, err
			}
			return tx.affected(ctx, fmt.Sprintf(oldest, ""), min(max(kept-maxOrigins, 0), pruneGroup))
		})
	}
	if err != nil {
		return fmt.Errorf("forget old failed sign-ins: %w", err)
	}
	return nil
}

// prune runs a deletion of up to pruneGroup rows, each in a transaction of its
// own, until it finds fewer.
func (s *Store) prune(ctx context.Context, remove func(tx *Tx) (int64, error)) error {
	for {
		var removed int64
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			removed, err = remove(tx)
			return err
		})
		if err != nil || removed < pruneGroup {
			return err
		}
	}
}
