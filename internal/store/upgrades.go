package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

var _ fleet.Upgrades = (*Store)(nil)

// RecordUpgrade keeps the last report of a host; see fleet.Upgrades.
func (s *Store) RecordUpgrade(ctx context.Context, hostID int64, r agentwire.UpgradeReport, at time.Time) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO upgrades (host_id, outcome, from_version, to_version, reason, at, reported) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (host_id) DO UPDATE SET outcome = excluded.outcome, from_version = excluded.from_version, to_version = excluded.to_version,
			reason = excluded.reason, at = excluded.at, reported = excluded.reported`,
			hostID, string(r.Outcome), storable(r.From), storable(r.To), storable(r.Reason), micros(r.At), micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("record upgrade of host %d: %w", hostID, err)
	}
	return nil
}

// Upgrades lists reports; see fleet.Upgrades.
func (s *Store) Upgrades(ctx context.Context, f fleet.UpgradeFilter) ([]fleet.Upgrade, error) {
	query := `SELECT u.host_id, h.name, u.outcome, u.from_version, u.to_version, u.reason, u.at, u.reported
		FROM upgrades AS u JOIN hosts AS h ON h.id = u.host_id WHERE true`
	var args []any
	if f.Unsuccessful {
		query += " AND u.outcome <> 'upgraded'"
	}
	if f.After != 0 {
		query, args = query+" AND u.host_id > ?", append(args, f.After)
	}
	if !f.Scope.All {
		condition, tags := inScope(s.dialect, f.Scope, "u.host_id")
		query, args = query+" AND "+condition, append(args, tags)
	}
	var list []fleet.Upgrade
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, query+" ORDER BY u.host_id LIMIT ?", append(args, f.Limit), func(rows *sql.Rows) error {
			var u fleet.Upgrade
			var at, reported sql.NullInt64
			err := rows.Scan(&u.HostID, &u.HostName, &u.Outcome, &u.From, &u.To, &u.Reason, &at, &reported)
			u.At, u.Reported = when(at), when(reported)
			list = append(list, u)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list upgrades: %w", err)
	}
	return list, nil
}
