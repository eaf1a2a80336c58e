package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fleet"
)

// EnsureSystemProfiles creates the profiles whose name does not exist yet and
// leaves the others as they are.
func (s *Store) EnsureSystemProfiles(ctx context.Context, profiles []fleet.Profile) error {
	return s.InTx(ctx, func(tx *Tx) error {
		for _, p := range profiles {
			if err := tx.ensureProfile(ctx, p); err != nil {
				return fmt.Errorf("ensure profile %q: %w", p.Name, err)
			}
		}
		return nil
	})
}

func (t *Tx) ensureProfile(ctx context.Context, p fleet.Profile) error {
	performance, err := encode(p.Performance)
	if err != nil {
		return err
	}
	blackout, err := encode(p.Blackout)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `INSERT INTO profiles (name, description, system, is_default, priority, suspend_scanning,
			prevent_agent_update, performance, blackout, inventory_interval, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
		p.Name, p.Description, p.System, p.Default, p.Priority, p.SuspendScanning, p.PreventAgentUpdate,
		performance, blackout, int64(p.InventoryInterval/time.Second), seconds(p.Created))
	return err
}

// Profile returns one configuration profile, or fault.NotFound.
func (s *Store) Profile(ctx context.Context, id int64) (fleet.Profile, error) {
	p, err := scanProfile(s.queryRow(ctx, profileQuery+" WHERE id = ?", id).Scan)
	if err != nil {
		return fleet.Profile{}, fmt.Errorf("read profile %d: %w", id, found(err, "configuration profile %d", id))
	}
	return p, nil
}

const profileQuery = `SELECT id, name, description, system, is_default, priority, suspend_scanning,
	prevent_agent_update, performance, blackout, inventory_interval, created FROM profiles`

func scanProfile(scan func(...any) error) (fleet.Profile, error) {
	var p fleet.Profile
	var performance, blackout []byte
	var interval int64
	var created sql.NullInt64
	if err := scan(&p.ID, &p.Name, &p.Description, &p.System, &p.Default, &p.Priority, &p.SuspendScanning,
		&p.PreventAgentUpdate, &performance, &blackout, &interval, &created); err != nil {
		return fleet.Profile{}, err
	}
	p.InventoryInterval, p.Created = time.Duration(interval)*time.Second, when(created)
	if err := decode(performance, &p.Performance); err != nil {
		return fleet.Profile{}, err
	}
	return p, decode(blackout, &p.Blackout)
}
