package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/performance"
)

var _ fleet.Holders = (*Store)(nil)

// noRun stands in the column run for that no run speaks for an agent.
const noRun = "-"

// holderHistory is what the column history holds.
type holderHistory struct {
	Runs   []fleet.Run `json:"runs"`
	Denied []fleet.Run `json:"denied,omitempty"`
	Heir   *fleet.Heir `json:"heir,omitempty"`
}

// JudgeClaim decides which machine an identity belongs to; see fleet.Holders.
func (s *Store) JudgeClaim(ctx context.Context, hostID int64, judge func(fleet.Holder, fleet.Silence) (fleet.Holder, fleet.Verdict)) (fleet.Verdict, error) {
	var verdict fleet.Verdict
	err := s.InTx(ctx, func(tx *Tx) error {
		silence, err := tx.lockSilence(ctx, hostID)
		if err != nil {
			return err
		}
		before, err := tx.holder(ctx, hostID)
		if err != nil {
			return err
		}
		var after fleet.Holder
		after, verdict = judge(before, silence)
		if reflect.DeepEqual(before, after) {
			return nil
		}
		return tx.saveHolder(ctx, hostID, after)
	})
	if err != nil {
		return verdict, fmt.Errorf("judge claim on host %d: %w", hostID, err)
	}
	return verdict, nil
}

// lockSilence returns how long an agent may have been silent. Its row stays
// locked, so that claims on it are judged one after the other.
func (t *Tx) lockSilence(ctx context.Context, hostID int64) (fleet.Silence, error) {
	var profileID int64
	err := t.QueryRow(ctx, "SELECT profile_id FROM agents WHERE host_id = ?"+t.dialect.ForNoKeyUpdate(), hostID).Scan(&profileID)
	if err != nil {
		return fleet.Silence{}, found(err, "agent of host %d", hostID)
	}
	var heard sql.NullInt64
	var doc []byte
	err = t.QueryRow(ctx, "SELECT b.last_checked_in, f.performance FROM heartbeats AS b, profiles AS f WHERE b.host_id = ? AND f.id = ?", hostID, profileID).
		Scan(&heard, &doc)
	if err != nil {
		return fleet.Silence{}, fmt.Errorf("read heartbeat of host %d: %w", hostID, err)
	}
	var settings performance.Settings
	if err := decode(doc, &settings); err != nil {
		return fleet.Silence{}, err
	}
	return fleet.Silence{LastHeard: when(heard), Inactive: missedContacts * settings.StatusInterval()}, nil
}

// holder returns the holder of an agent's identity, the zero value for none yet.
func (t *Tx) holder(ctx context.Context, hostID int64) (fleet.Holder, error) {
	var h fleet.Holder
	var doc []byte
	err := t.QueryRow(ctx, "SELECT fingerprint, history FROM agent_holders WHERE host_id = ?", hostID).Scan(&h.Fingerprint, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	var history holderHistory
	if err := decode(doc, &history); err != nil {
		return h, err
	}
	h.Runs, h.Denied, h.Heir = history.Runs, history.Denied, history.Heir
	return h, nil
}

func (t *Tx) saveHolder(ctx context.Context, hostID int64, h fleet.Holder) error {
	doc, err := encode(holderHistory{h.Runs, h.Denied, h.Heir})
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `INSERT INTO agent_holders (host_id, fingerprint, run, history) VALUES (?, ?, ?, ?)
		ON CONFLICT (host_id) DO UPDATE SET fingerprint = excluded.fingerprint, run = excluded.run, history = excluded.history`,
		hostID, h.Fingerprint, cmp.Or(h.Speaker(), noRun), doc)
	return err
}
