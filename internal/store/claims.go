package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
)

// An agent's word is all there is for which instance it runs on. So it gets an
// instance that nobody holds, and never one that another agent's host holds:
// docs/decisions/0015-one-asset-for-an-instance.md.

// claimants returns the hosts whose agents say that they run on the instances,
// of several the one that has said so longest. Hosts that hold an instance are
// left out.
func (t *Tx) claimants(ctx context.Context, instances []*connector.Instance) (map[instanceID]int64, error) {
	if len(instances) == 0 {
		return nil, nil
	}
	rows := make([][]any, len(instances))
	for n, i := range instances {
		rows[n] = []any{i.AccountID, i.InstanceID}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return nil, err
	}
	first := make(map[instanceID]int64)
	err = t.each(ctx, "SELECT c.account_id, c.instance_id, c.host_id FROM "+t.dialect.Rows(columns("account_id, instance_id"))+` AS r
		JOIN cloud_claims AS c ON c.account_id = r.account_id AND c.instance_id = r.instance_id
		WHERE NOT EXISTS (SELECT 1 FROM cloud_instances AS i WHERE i.host_id = c.host_id) ORDER BY c.claimed, c.host_id`, []any{param},
		func(rows *sql.Rows) error {
			var id instanceID
			var hostID int64
			if err := rows.Scan(&id.account, &id.instance, &hostID); err != nil {
				return err
			}
			if _, earlier := first[id]; !earlier {
				first[id] = hostID
			}
			return nil
		})
	return first, err
}

// instanceHolder returns the host that holds an instance, 0 when none does, and whether
// it has an agent.
func (t *Tx) instanceHolder(ctx context.Context, c *agentwire.Cloud) (hostID int64, agent bool, err error) {
	err = t.QueryRow(ctx, `SELECT i.host_id, a.host_id IS NOT NULL FROM cloud_instances AS i LEFT JOIN agents AS a ON a.host_id = i.host_id
		WHERE i.account_id = ? AND i.instance_id = ?`, c.AccountID, c.InstanceID).Scan(&hostID, &agent)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return hostID, agent, err
}

// vacant returns the host without an agent that holds the instance, 0 when there
// is none.
func (t *Tx) vacant(ctx context.Context, c *agentwire.Cloud) (int64, error) {
	if c == nil {
		return 0, nil
	}
	hostID, agent, err := t.instanceHolder(ctx, c)
	if err != nil || agent {
		return 0, err
	}
	return hostID, nil
}

// claim notes which instance the agent of a host says it runs on, and gives the
// host the instance unless another agent's host holds it. Unless the transaction
// is locked, it ends with errNeedsLock when there is something to do. An agent
// that does not know its instance any more takes back nothing.
func (t *Tx) claim(ctx context.Context, hostID int64, c *agentwire.Cloud, at time.Time, locked bool) error {
	if c == nil {
		return nil
	}
	said := instanceID{c.AccountID, c.InstanceID}
	var before instanceID
	err := t.QueryRow(ctx, "SELECT account_id, instance_id FROM cloud_claims WHERE host_id = ?", hostID).Scan(&before.account, &before.instance)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read what the agent of host %d said of its instance: %w", hostID, err)
	case before == said:
		return nil
	case !locked:
		return errNeedsLock
	}
	_, err = t.Exec(ctx, `INSERT INTO cloud_claims (host_id, account_id, instance_id, claimed) VALUES (?, ?, ?, ?)
		ON CONFLICT (host_id) DO UPDATE SET account_id = excluded.account_id, instance_id = excluded.instance_id, claimed = excluded.claimed`,
		hostID, c.AccountID, c.InstanceID, micros(at))
	if err == nil {
		err = t.takeInstance(ctx, hostID, c, at)
	}
	if err != nil {
		return fmt.Errorf("note that host %d is instance %s of account %s: %w", hostID, c.InstanceID, c.AccountID, err)
	}
	return nil
}

// takeInstance gives a host the instance its agent says it is. A host keeps the
// instance that a connector found it to be; one that only its agent spoke of it
// leaves.
func (t *Tx) takeInstance(ctx context.Context, hostID int64, c *agentwire.Cloud, at time.Time) error {
	held, err := t.instances(ctx, []int64{hostID})
	if err != nil {
		return err
	}
	if len(held) == 1 {
		if held[0].digest != "" {
			return nil
		}
		if _, err := t.Exec(ctx, "DELETE FROM cloud_instances WHERE host_id = ?", hostID); err != nil {
			return err
		}
	}
	holder, agent, err := t.instanceHolder(ctx, c)
	switch {
	case err != nil || agent:
		return err
	case holder != 0:
		return t.absorb(ctx, holder, hostID)
	}
	return t.writeInstances(ctx, []storedInstance{{
		hostID: hostID, first: at, last: at,
		facts: connector.Instance{
			AccountID: c.AccountID, InstanceID: c.InstanceID, Region: c.Region, AvailabilityZone: c.AvailabilityZone,
			InstanceType: c.InstanceType, ImageID: c.ImageID,
		},
	}})
}

// absorb makes one asset of two: the host of an agent gets the instance, tags and
// modules of a host without one, which goes. Tags of rules, and profiles, are for
// the caller.
func (t *Tx) absorb(ctx context.Context, bare, hostID int64) error {
	held, err := t.heldModules(ctx, []int64{hostID})
	if err != nil {
		return err
	}
	brought, err := t.modules(ctx, []int64{bare})
	if err != nil {
		return err
	}
	var modules [][]any
	for _, m := range fleet.Compatible(held[hostID], brought[bare]) {
		modules = append(modules, []any{hostID, string(m)})
	}
	if err := t.writeModules(ctx, modules, nil); err != nil {
		return err
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{"UPDATE cloud_instances SET host_id = ? WHERE host_id = ?", []any{hostID, bare}},
		{`INSERT INTO host_tags (tag_id, host_id) SELECT t.id, CAST(? AS BIGINT) FROM host_tags AS x JOIN tags AS t ON t.id = x.tag_id
			WHERE x.host_id = ? AND t.rule_type = 'STATIC' ON CONFLICT DO NOTHING`, []any{hostID, bare}},
		{"DELETE FROM hosts WHERE id = ?", []any{bare}},
	} {
		if _, err := t.Exec(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("make one asset of %d and %d: %w", bare, hostID, err)
		}
	}
	return t.reassignProfiles(ctx, []int64{hostID})
}

// ContestedInstances returns what agents say that another host asset stands
// against, by the id of their host, at most limit.
func (s *Store) ContestedInstances(ctx context.Context, limit int) ([]fleet.ContestedInstance, error) {
	var contested []fleet.ContestedInstance
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, `SELECT c.host_id, i.host_id, c.account_id, c.instance_id, c.claimed FROM cloud_claims AS c
			JOIN cloud_instances AS i ON i.account_id = c.account_id AND i.instance_id = c.instance_id
			WHERE i.host_id <> c.host_id ORDER BY c.host_id LIMIT ?`, []any{limit}, func(rows *sql.Rows) error {
			var one fleet.ContestedInstance
			var since sql.NullInt64
			err := rows.Scan(&one.HostID, &one.HolderID, &one.AccountID, &one.InstanceID, &since)
			one.Since = when(since)
			contested = append(contested, one)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list contested instances: %w", err)
	}
	return contested, nil
}
