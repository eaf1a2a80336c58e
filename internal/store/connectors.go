package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

var _ connector.Connectors = (*Store)(nil)

// connectorColumns are those that a change of a connector writes; runs write the
// last two of connectorQuery.
const (
	connectorColumns = `name, description, partition, role_arn, external_id, auth_record_id, all_regions, regions, disabled, run_frequency, modules, kept,
		state, account_id, next_sync, created, modified`
	connectorQuery = "SELECT id, " + connectorColumns + ", last_sync, last_error FROM connectors"
)

// connectorValues are the values of connectorColumns.
func connectorValues(c *connector.Connector) ([]any, error) {
	regions, err := encode(append([]string{}, c.Regions...))
	if err != nil {
		return nil, err
	}
	modules, err := encode(append([]string{}, c.Modules...))
	if err != nil {
		return nil, err
	}
	kept, err := encode(c.Kept)
	if err != nil {
		return nil, err
	}
	return []any{
		c.Name, c.Description, string(c.Partition), c.RoleARN, c.ExternalID, sql.NullInt64{Int64: c.AuthRecordID, Valid: c.AuthRecordID != 0},
		c.AllRegions, regions, c.Disabled, int64(c.RunFrequency / time.Minute), modules, kept,
		string(c.State), c.AccountID, micros(c.NextSync), micros(c.Created), micros(c.Modified),
	}, nil
}

func scanConnector(scan func(...any) error) (connector.Connector, error) {
	var c connector.Connector
	var record, next, created, modified, last sql.NullInt64
	var regions, modules, kept []byte
	var minutes int64
	err := scan(&c.ID, &c.Name, &c.Description, &c.Partition, &c.RoleARN, &c.ExternalID, &record, &c.AllRegions, &regions, &c.Disabled, &minutes,
		&modules, &kept, &c.State, &c.AccountID, &next, &created, &modified, &last, &c.LastError)
	if err != nil {
		return c, err
	}
	c.AuthRecordID, c.RunFrequency = record.Int64, time.Duration(minutes)*time.Minute
	c.NextSync, c.Created, c.Modified, c.LastSync = when(next), when(created), when(modified), when(last)
	return c, errors.Join(decode(regions, &c.Regions), decode(modules, &c.Modules), decode(kept, &c.Kept))
}

// connectors reads connectors in ascending order of id, with their tags.
func (t *Tx) connectors(ctx context.Context, where, lock string, args ...any) ([]connector.Connector, error) {
	var all []connector.Connector
	err := t.each(ctx, connectorQuery+where+" ORDER BY id"+lock, args, func(rows *sql.Rows) error {
		c, err := scanConnector(rows.Scan)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*connector.Connector, len(all))
	ids := make([]int64, len(all))
	for i := range all {
		at[all[i].ID], ids[i] = &all[i], all[i].ID
	}
	err = t.each(ctx, "SELECT connector_id, tags.id, tags.name FROM connector_tags JOIN tags ON tags.id = tag_id WHERE "+t.dialect.InIDs("connector_id")+" ORDER BY connector_id, tags.id",
		[]any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			var id int64
			var tag qps.TagSimple
			err := rows.Scan(&id, &tag.ID, &tag.Name)
			at[id].DefaultTags = append(at[id].DefaultTags, tag)
			return err
		})
	return all, err
}

// theseConnectors returns connectors in ascending order of id and keeps them as
// they are until the transaction ends.
func (t *Tx) theseConnectors(ctx context.Context, ids []int64) ([]connector.Connector, error) {
	all, err := t.connectors(ctx, " WHERE "+t.dialect.InIDs("id"), t.dialect.ForUpdate(), t.dialect.IDsParam(ids))
	if err != nil {
		return nil, err
	}
	there := make(map[int64]bool, len(all))
	for i := range all {
		there[all[i].ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			return nil, noConnector(id)
		}
	}
	return all, nil
}

func noConnector(id int64) error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no connector %d.", id), "Search for the connectors there are.")
}

// Connectors returns every connector; see connector.Connectors.
func (s *Store) Connectors(ctx context.Context) ([]connector.Connector, error) {
	var all []connector.Connector
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.connectors(ctx, "", "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read connectors: %w", err)
	}
	return all, nil
}

// Connector returns one connector; see connector.Connectors.
func (s *Store) Connector(ctx context.Context, id int64) (connector.Connector, error) {
	var all []connector.Connector
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.connectors(ctx, " WHERE id = ?", "", id)
		return err
	})
	switch {
	case err != nil:
		return connector.Connector{}, fmt.Errorf("read connector %d: %w", id, err)
	case len(all) == 0:
		return connector.Connector{}, noConnector(id)
	}
	return all[0], nil
}

// CreateConnector stores a new connector; see connector.Connectors.
func (s *Store) CreateConnector(ctx context.Context, create func(connector.Subscription) (connector.Connector, error)) (connector.Connector, error) {
	var c connector.Connector
	err := s.InTx(ctx, func(tx *Tx) error {
		subscription, err := tx.lockSubscription(ctx)
		if err != nil {
			return err
		}
		if c, err = create(subscription); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM connectors").Scan(&there); err != nil {
			return err
		}
		if there >= connector.MaxConnectors {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d connectors, which is the limit.", there), "Delete one first.")
		}
		if err := tx.resolveReferences(ctx, &c); err != nil {
			return err
		}
		values, err := connectorValues(&c)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "INSERT INTO connectors ("+connectorColumns+`, last_error)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '') RETURNING id`, values...).Scan(&c.ID)
		if err != nil {
			return err
		}
		return tx.writeConnectorTags(ctx, &c)
	})
	if err != nil {
		return connector.Connector{}, fmt.Errorf("create connector: %w", err)
	}
	return c, nil
}

// resolveReferences finds the tags and the authentication record of a connector.
func (t *Tx) resolveReferences(ctx context.Context, c *connector.Connector) (err error) {
	if c.DefaultTags, err = t.tagsNamed(ctx, "defaultTags", c.DefaultTags); err != nil || c.AuthRecordID == 0 {
		return err
	}
	records, err := t.authRecords(ctx, " WHERE id = ?", c.AuthRecordID)
	if err == nil && len(records) == 0 {
		err = fault.New(fault.Invalid, fmt.Sprintf("authRecord: there is no authentication record %d.", c.AuthRecordID), "Search for the authentication records there are, or create one.")
	}
	return err
}

// writeConnectorTags stores the tags of a connector that has none.
func (t *Tx) writeConnectorTags(ctx context.Context, c *connector.Connector) error {
	ids := make([]int64, len(c.DefaultTags))
	for i, tag := range c.DefaultTags {
		ids[i] = tag.ID
	}
	_, err := t.Exec(ctx, "INSERT INTO connector_tags (connector_id, tag_id) SELECT CAST(? AS BIGINT), id FROM tags WHERE "+t.dialect.InIDs("id"), c.ID, t.dialect.IDsParam(ids))
	if err != nil {
		return fmt.Errorf("store %d tags of connector %d: %w", len(ids), c.ID, err)
	}
	return nil
}

// UpdateConnectors changes connectors; see connector.Connectors.
func (s *Store) UpdateConnectors(ctx context.Context, ids []int64, change func(connector.Connector, connector.Subscription) (connector.Connector, error)) ([]connector.Connector, error) {
	var after []connector.Connector
	err := s.InTx(ctx, func(tx *Tx) error {
		subscription, err := tx.lockSubscription(ctx)
		if err != nil {
			return err
		}
		before, err := tx.theseConnectors(ctx, ids)
		if err != nil {
			return err
		}
		after = nil
		for _, c := range before {
			active := c.State.Active()
			if c, err = change(c, subscription); err != nil {
				return err
			}
			if err := tx.updateConnector(ctx, &c, active); err != nil {
				return err
			}
			after = append(after, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("update %d connectors: %w", len(ids), err)
	}
	return after, nil
}

// updateConnector writes a connector that had an active run, or had none.
func (t *Tx) updateConnector(ctx context.Context, c *connector.Connector, wasActive bool) error {
	if err := t.resolveReferences(ctx, c); err != nil {
		return err
	}
	values, err := connectorValues(c)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE connectors SET name = ?, description = ?, partition = ?, role_arn = ?, external_id = ?, auth_record_id = ?, all_regions = ?,
		regions = ?, disabled = ?, run_frequency = ?, modules = ?, kept = ?, state = ?, account_id = ?, next_sync = ?, created = ?, modified = ? WHERE id = ?`,
		append(values, c.ID)...)
	if err != nil {
		return fmt.Errorf("write connector %d: %w", c.ID, err)
	}
	if wasActive && !c.State.Active() {
		if err := t.endActiveRun(ctx, c.ID, fmt.Sprintf("The connector became %s.", c.State), c.Modified); err != nil {
			return err
		}
		if err := t.Cancel(ctx, connector.RunJob, c.ID); err != nil {
			return err
		}
	}
	if _, err := t.Exec(ctx, "DELETE FROM connector_tags WHERE connector_id = ?", c.ID); err != nil {
		return fmt.Errorf("replace tags of connector %d: %w", c.ID, err)
	}
	return t.writeConnectorTags(ctx, c)
}

// DeleteConnectors removes connectors; see connector.Connectors.
func (s *Store) DeleteConnectors(ctx context.Context, ids []int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		gone, err := tx.theseConnectors(ctx, ids)
		if err != nil {
			return err
		}
		for i := range gone {
			if !gone[i].State.Active() {
				continue
			}
			if err := tx.Cancel(ctx, connector.RunJob, gone[i].ID); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "DELETE FROM connectors WHERE "+s.dialect.InIDs("id"), s.dialect.IDsParam(ids))
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %d connectors: %w", len(ids), err)
	}
	return nil
}
