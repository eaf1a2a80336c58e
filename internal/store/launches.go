package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
)

// Launches returns the ledger of the scans that are launched over a connection.
func (s *Store) Launches(connectionID int64) integration.Ledger { return launches{s, connectionID} }

type launches struct {
	store      *Store
	connection int64
}

// Claim implements integration.Ledger.
func (l launches) Claim(ctx context.Context, c integration.LaunchClaim) ([]integration.LaunchEntry, error) {
	var entries []integration.LaunchEntry
	err := l.store.InTx(ctx, func(tx *Tx) error {
		// One claim of a connection at a time.
		if _, err := tx.ids(ctx, "SELECT id FROM connections WHERE id = ?"+tx.dialect.ForNoKeyUpdate(), l.connection); err != nil {
			return err
		}
		var err error
		if entries, err = l.standing(ctx, tx, c); err != nil {
			return err
		}
		taken := make(map[int64]bool, len(entries))
		for _, e := range entries {
			taken[e.AssetID] = true
		}
		for _, id := range c.AssetIDs {
			if taken[id] {
				continue
			}
			_, err := tx.Exec(ctx, `INSERT INTO connection_launches (connection_id, asset_id, scan_type, key, settled, launched) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (connection_id, asset_id, scan_type) DO UPDATE SET key = excluded.key, settled = excluded.settled, launched = excluded.launched`,
				l.connection, id, c.ScanType, c.Key, false, micros(c.At))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim launches of %d assets: %w", len(c.AssetIDs), err)
	}
	return entries, nil
}

// standing returns the entries that a claim does not take over.
func (l launches) standing(ctx context.Context, tx *Tx, c integration.LaunchClaim) ([]integration.LaunchEntry, error) {
	var entries []integration.LaunchEntry
	err := tx.each(ctx, `SELECT asset_id, key, launched, settled FROM connection_launches
		WHERE connection_id = ? AND scan_type = ? AND launched >= ? AND `+tx.dialect.InIDs("asset_id")+" ORDER BY asset_id",
		[]any{l.connection, c.ScanType, micros(c.Since), tx.dialect.IDsParam(c.AssetIDs)}, func(rows *sql.Rows) error {
			var e integration.LaunchEntry
			var launched sql.NullInt64
			if err := rows.Scan(&e.AssetID, &e.Key, &launched, &e.Settled); err != nil {
				return err
			}
			e.At = when(launched)
			if mine := e.Key == c.Key; mine && !e.Settled || !mine && c.Force {
				return nil
			}
			entries = append(entries, e)
			return nil
		})
	return entries, err
}

// Settle implements integration.Ledger.
func (l launches) Settle(ctx context.Context, c integration.LaunchClaim, launched, released []int64) error {
	const mine = " WHERE connection_id = ? AND scan_type = ? AND key = ? AND "
	err := l.store.InTx(ctx, func(tx *Tx) error {
		in := tx.dialect.InIDs("asset_id")
		_, err := tx.Exec(ctx, "UPDATE connection_launches SET settled = ?"+mine+in, true, l.connection, c.ScanType, c.Key, tx.dialect.IDsParam(launched))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM connection_launches"+mine+in, l.connection, c.ScanType, c.Key, tx.dialect.IDsParam(released))
		return err
	})
	if err != nil {
		return fmt.Errorf("settle launches of %d assets: %w", len(c.AssetIDs), err)
	}
	return nil
}

// paceBurst is how long a connection may be idle for and make up for it at once.
const paceBurst = 6 * time.Second

// Pace counts a request over a connection that allows so many in a minute, and
// returns how long it has to wait. Requests of all replicas are spread evenly, but
// for a short burst after a rest.
func (s *Store) Pace(ctx context.Context, connectionID int64, perMinute int, now time.Time) (time.Duration, error) {
	every := time.Minute / time.Duration(perMinute)
	var next int64
	err := s.InTx(ctx, func(tx *Tx) error {
		// The time at which the request after this one may be made.
		return tx.QueryRow(ctx, `INSERT INTO connection_pace (connection_id, next_request) VALUES (?, ?)
			ON CONFLICT (connection_id) DO UPDATE SET next_request = CASE WHEN connection_pace.next_request > ? THEN connection_pace.next_request ELSE ? END + ?
			RETURNING next_request`, connectionID, now.Add(every).UnixMicro(), now.UnixMicro(), now.UnixMicro(), every.Microseconds()).Scan(&next)
	})
	if err != nil {
		return 0, fmt.Errorf("pace connection %d: %w", connectionID, err)
	}
	own := time.UnixMicro(next).Add(-every)
	return max(own.Sub(now)-max(paceBurst-every, 0), 0), nil
}
