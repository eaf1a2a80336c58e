package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// firstVersion is the version of an agent's instructions when it enrols; 0
// means "none" to an agent.
const firstVersion = 1

// EnrolAgent makes a host an agent; see fleet.Enrolments.
func (s *Store) EnrolAgent(ctx context.Context, e fleet.Enrolment) (fleet.Enrolled, error) {
	if err := checkEnrolment(e); err != nil {
		return fleet.Enrolled{}, err
	}
	var enrolled fleet.Enrolled
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		if enrolled, err = tx.knownAgent(ctx, e.PublicKey); enrolled.Known || err != nil {
			return err
		}
		keyID, err := tx.useKey(ctx, e.ActivationKey, e.At)
		if err != nil {
			return err
		}
		enrolled = fleet.Enrolled{AgentID: e.AgentID}
		enrolled.HostID, err = tx.insertAgent(ctx, e, keyID)
		return err
	})
	if err != nil {
		return fleet.Enrolled{}, fmt.Errorf("enrol agent %s: %w", e.AgentID, err)
	}
	return enrolled, nil
}

func checkEnrolment(e fleet.Enrolment) error {
	var check checker
	check.indexed("agentVersion", e.AgentVersion)
	check.text("connectedFrom", e.ConnectedFrom)
	check.host(&e.Host)
	return check.err
}

func (t *Tx) knownAgent(ctx context.Context, publicKey []byte) (fleet.Enrolled, error) {
	enrolled := fleet.Enrolled{Known: true}
	err := t.QueryRow(ctx, "SELECT host_id, agent_id FROM agents WHERE public_key = ?", publicKey).
		Scan(&enrolled.HostID, &enrolled.AgentID)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Enrolled{}, nil
	}
	return enrolled, err
}

// useKey takes one unit of the key, or says why that is refused. The row stays
// locked, so the last unit goes to one host only.
func (t *Tx) useKey(ctx context.Context, key string, at time.Time) (int64, error) {
	k, err := scanKey(t.QueryRow(ctx, keyQuery+" WHERE activation_key = ?"+t.dialect.ForUpdate(), storable(key)).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		// The key is a secret of its own: the answer does not repeat it.
		return 0, refuseKey("is not known here", "Check ActivationId and ServerUri.")
	case err != nil:
		return 0, fmt.Errorf("read activation key: %w", err)
	}
	if reason, resolution := unusable(k, at, 1); reason != "" {
		return 0, refuseKey(reason, resolution)
	}
	if _, err := t.Exec(ctx, "UPDATE activation_keys SET count_used = count_used + 1 WHERE id = ?", k.ID); err != nil {
		return 0, fmt.Errorf("use activation key %d: %w", k.ID, err)
	}
	return k.ID, nil
}

// unusable says why a key cannot take so many agents more, and what to do about
// it; both are empty when it can.
func unusable(k fleet.ActivationKey, at time.Time, agents int) (reason, resolution string) {
	switch {
	case k.Disabled:
		return "is disabled", "Enable it or use another one."
	case !k.ExpireDate.IsZero() && !at.Before(k.ExpireDate):
		return "expired at " + qps.FormatTime(k.ExpireDate), "Extend it or use another one."
	case k.CountPurchased > 0 && k.CountUsed >= k.CountPurchased:
		return fmt.Sprintf("is used up: all of its %d agents exist", k.CountPurchased), "Raise its limit, uninstall an agent or use another one."
	case k.CountPurchased > 0 && k.CountUsed+agents > k.CountPurchased:
		return fmt.Sprintf("has only %d of its %d units left", k.CountPurchased-k.CountUsed, k.CountPurchased), "Raise its limit or use another one."
	}
	return "", ""
}

func refuseKey(reason, resolution string) error {
	return fault.New(fault.Forbidden, "the activation key "+reason, resolution)
}

func (t *Tx) insertAgent(ctx context.Context, e fleet.Enrolment, keyID int64) (int64, error) {
	hostID, err := t.settleHost(ctx, &e.Host, e.At)
	if err != nil {
		return 0, fmt.Errorf("make host %q: %w", e.Host.Name, err)
	}
	var profileID int64
	if err := t.QueryRow(ctx, "SELECT id FROM profiles WHERE is_default").Scan(&profileID); err != nil {
		return 0, fmt.Errorf("read default profile: %w", err)
	}
	_, err = t.Exec(ctx, `INSERT INTO agents (host_id, agent_id, public_key, profile_id, profile_version, manifest_version,
			activation_key_id, agent_version, version_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		hostID, e.AgentID, []byte(e.PublicKey), profileID, firstVersion, firstVersion,
		keyID, e.AgentVersion, fleet.VersionKey(e.AgentVersion))
	if err != nil {
		return 0, fmt.Errorf("insert agent: %w", err)
	}
	_, err = t.Exec(ctx, "INSERT INTO heartbeats (host_id, last_checked_in, connected_from, sequence, event) VALUES (?, ?, ?, 0, ?)",
		hostID, seconds(e.At), e.ConnectedFrom, agentwire.EventProvisioned)
	if err != nil {
		return 0, fmt.Errorf("insert heartbeat: %w", err)
	}
	if err := t.claim(ctx, hostID, e.Host.Cloud, e.At, true); err != nil {
		return 0, err
	}
	if err := t.dressAgent(ctx, hostID, keyID); err != nil {
		return 0, err
	}
	if err := t.applyRules(ctx, hostID); err != nil {
		return 0, err
	}
	if err := t.assignFirst(ctx, hostID); err != nil {
		return 0, err
	}
	return hostID, t.recordChanges(ctx, hostID)
}

// dressAgent gives a new agent its tags and modules.
func (t *Tx) dressAgent(ctx context.Context, hostID, keyID int64) error {
	n, err := t.affected(ctx, "INSERT INTO host_tags (tag_id, host_id) SELECT id, CAST(? AS BIGINT) FROM tags WHERE name = ? AND system",
		hostID, fleet.SystemTag)
	if err == nil && n != 1 {
		err = fmt.Errorf("there is no system tag %q", fleet.SystemTag)
	}
	if err != nil {
		return fmt.Errorf("put system tag on host %d: %w", hostID, err)
	}
	_, err = t.Exec(ctx, `INSERT INTO host_tags (tag_id, host_id) SELECT tag_id, CAST(? AS BIGINT) FROM activation_key_tags
		WHERE key_id = ? ON CONFLICT DO NOTHING`, hostID, keyID)
	if err != nil {
		return fmt.Errorf("put tags of key %d on host %d: %w", keyID, hostID, err)
	}
	return t.activateFirst(ctx, hostID, keyID)
}

// activateFirst activates the modules of a key on a new agent. On a host that was
// there before, they give way to those that are active.
func (t *Tx) activateFirst(ctx context.Context, hostID, keyID int64) error {
	active, err := t.modules(ctx, []int64{hostID})
	if err != nil {
		return fmt.Errorf("read modules of host %d: %w", hostID, err)
	}
	var licensed []fleet.Module
	err = t.each(ctx, "SELECT module FROM activation_key_modules WHERE key_id = ? AND "+t.dialect.InTexts("module")+" ORDER BY module",
		[]any{keyID, t.dialect.TextsParam(activatable())}, func(rows *sql.Rows) error {
			var m fleet.Module
			err := rows.Scan(&m)
			licensed = append(licensed, m)
			return err
		})
	if err != nil {
		return fmt.Errorf("read modules of key %d: %w", keyID, err)
	}
	var modules [][]any
	for _, m := range fleet.Compatible(active[hostID], licensed) {
		modules = append(modules, []any{hostID, string(m)})
	}
	if err := t.writeModules(ctx, modules, nil); err != nil {
		return fmt.Errorf("activate modules of key %d on host %d: %w", keyID, hostID, err)
	}
	return nil
}

// activatable are the modules that keys activate on agents; keys may be licensed
// for others.
func activatable() []string {
	var names []string
	for _, m := range fleet.ActivationModules() {
		names = append(names, string(m))
	}
	return names
}
