package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fleet"
)

var _ fleet.Uninstalls = (*Store)(nil)

const uninstallQuery = "SELECT id, host_id, host_name, agent_id, public_key, requested_by, created, confirmed FROM uninstalls"

func scanUninstall(scan func(...any) error) (fleet.Uninstall, error) {
	var u fleet.Uninstall
	var publicKey []byte
	var created, confirmed sql.NullInt64
	err := scan(&u.ID, &u.HostID, &u.HostName, &u.AgentID, &publicKey, &u.RequestedBy, &created, &confirmed)
	u.PublicKey, u.Created, u.Confirmed = publicKey, when(created), when(confirmed)
	u.State = fleet.UninstallOpen
	if confirmed.Valid {
		u.State = fleet.UninstallConfirmed
	}
	return u, err
}

// UninstallOrder returns the order to an agent, or fault.NotFound.
func (s *Store) UninstallOrder(ctx context.Context, agentID string) (fleet.Uninstall, error) {
	u, err := scanUninstall(s.queryRow(ctx, uninstallQuery+" WHERE agent_id = ?", storable(agentID)).Scan)
	if err != nil {
		return fleet.Uninstall{}, fmt.Errorf("read uninstall order of agent %q: %w", agentID, found(err, "uninstall order of agent %q", agentID))
	}
	return u, nil
}

// ConfirmUninstall notes that an agent removed itself; see fleet.Uninstalls.
func (s *Store) ConfirmUninstall(ctx context.Context, agentID string, at time.Time) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE uninstalls SET confirmed = coalesce(confirmed, ?) WHERE agent_id = ?", micros(at), storable(agentID))
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return found(err, "uninstall order of agent %q", agentID)
	})
	if err != nil {
		return fmt.Errorf("confirm uninstall of agent %q: %w", agentID, err)
	}
	return nil
}

// Uninstalls lists orders, newest first.
func (s *Store) Uninstalls(ctx context.Context, f fleet.UninstallFilter) ([]fleet.Uninstall, error) {
	query, args := uninstallQuery+" WHERE true", []any(nil)
	switch f.State {
	case fleet.UninstallOpen:
		query += " AND confirmed IS NULL"
	case fleet.UninstallConfirmed:
		query += " AND confirmed IS NOT NULL"
	}
	if f.RequestedBy != "" {
		query, args = query+" AND requested_by = ?", append(args, storable(f.RequestedBy))
	}
	if f.Before != 0 {
		query, args = query+" AND id < ?", append(args, f.Before)
	}
	var list []fleet.Uninstall
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, f.Limit), func(rows *sql.Rows) error {
			u, err := scanUninstall(rows.Scan)
			list = append(list, u)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list uninstall orders: %w", err)
	}
	return list, nil
}
