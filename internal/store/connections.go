package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
)

var _ connection.Connections = (*Store)(nil)

// connectionSecrets is the kind under which secrets of connections are sealed. It is
// part of what is sealed and never changes.
const connectionSecrets = "connection"

// connectionColumns are those that a change of a connection writes.
const (
	connectionColumns = `integration, name, site_id, shared, description, active, relay_id, parameters, vault_id, vault_items,
		requests_per_minute, concurrency, check_enabled, check_minutes, mail_after, mail_to,
		health, health_checked, health_next, health_failures, health_since, health_told, created, modified`
	connectionQuery = "SELECT c.id, s.name, s.kind, " + `c.integration, c.name, c.site_id, c.shared, c.description, c.active, c.relay_id, c.parameters, c.vault_id, c.vault_items,
		c.requests_per_minute, c.concurrency, c.check_enabled, c.check_minutes, c.mail_after, c.mail_to,
		c.health, c.health_checked, c.health_next, c.health_failures, c.health_since, c.health_told, c.created, c.modified
		FROM connections AS c JOIN sites AS s ON s.id = c.site_id`
)

// optional is an id that may be missing.
func optional(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: id != 0} }

// connectionValues are the values of connectionColumns.
func connectionValues(c *connection.Connection) ([]any, error) {
	parameters, err := encode(c.Parameters)
	if err != nil {
		return nil, err
	}
	items, err := encode(c.Vault.Items)
	if err != nil {
		return nil, err
	}
	mailTo, err := encode(append([]string{}, c.Check.MailTo...))
	if err != nil {
		return nil, err
	}
	return []any{
		c.Integration, c.Name, c.SiteID, c.Shared, c.Description, c.Active, optional(c.RelayID), parameters, optional(c.Vault.ConnectionID), items,
		c.Limits.RequestsPerMinute, c.Limits.Concurrency, c.Check.Enabled, int64(c.Check.Every / time.Minute), c.Check.MailAfter, mailTo,
		string(c.Health.Status), micros(c.Health.Checked), micros(c.Health.Next), c.Health.Failures, micros(c.Health.Since), c.Health.Told,
		micros(c.Created), micros(c.Modified),
	}, nil
}

func scanConnection(scan func(...any) error) (connection.Connection, error) {
	var c connection.Connection
	var relay, vault, checked, next, since, created, modified sql.NullInt64
	var parameters, items, mailTo []byte
	var minutes int64
	err := scan(&c.ID, &c.SiteName, &c.SiteKind, &c.Integration, &c.Name, &c.SiteID, &c.Shared, &c.Description, &c.Active, &relay, &parameters, &vault, &items,
		&c.Limits.RequestsPerMinute, &c.Limits.Concurrency, &c.Check.Enabled, &minutes, &c.Check.MailAfter, &mailTo,
		&c.Health.Status, &checked, &next, &c.Health.Failures, &since, &c.Health.Told, &created, &modified)
	if err != nil {
		return c, err
	}
	c.RelayID, c.Vault.ConnectionID, c.Check.Every = relay.Int64, vault.Int64, time.Duration(minutes)*time.Minute
	c.Health.Checked, c.Health.Next, c.Health.Since, c.Created, c.Modified = when(checked), when(next), when(since), when(created), when(modified)
	return c, errors.Join(decode(parameters, &c.Parameters), decode(items, &c.Vault.Items), decode(mailTo, &c.Check.MailTo))
}

// connections reads connections in ascending order of id, with grants and the names
// of their secrets.
func (t *Tx) connections(ctx context.Context, where, lock string, args ...any) ([]connection.Connection, error) {
	var all []connection.Connection
	err := t.each(ctx, connectionQuery+where+" ORDER BY c.id"+lock, args, func(rows *sql.Rows) error {
		c, err := scanConnection(rows.Scan)
		all = append(all, c)
		return err
	})
	if err != nil || len(all) == 0 {
		return all, err
	}
	at := make(map[int64]*connection.Connection, len(all))
	ids := make([]int64, len(all))
	for i := range all {
		at[all[i].ID], ids[i] = &all[i], all[i].ID
	}
	err = t.each(ctx, `SELECT g.connection_id, g.level, u.id, u.username, r.id, r.name FROM connection_grants AS g
		LEFT JOIN users AS u ON u.id = g.user_id LEFT JOIN roles AS r ON r.id = g.role_id
		WHERE `+t.dialect.InIDs("g.connection_id")+" ORDER BY g.connection_id, r.id, u.id", []any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
		var id int64
		var g connection.Grant
		var user, role sql.NullInt64
		var userName, roleName sql.NullString
		if err := rows.Scan(&id, &g.Level, &user, &userName, &role, &roleName); err != nil {
			return err
		}
		if g.Kind, g.ID, g.Name = connection.ToUser, user.Int64, userName.String; role.Valid {
			g.Kind, g.ID, g.Name = connection.ToRole, role.Int64, roleName.String
		}
		at[id].Grants = append(at[id].Grants, g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, "SELECT owner_id, field FROM secrets WHERE kind = ? AND "+t.dialect.InIDs("owner_id")+" ORDER BY owner_id, field",
		[]any{connectionSecrets, t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			var id int64
			var field string
			err := rows.Scan(&id, &field)
			at[id].Stored = append(at[id].Stored, field)
			return err
		})
	return all, err
}

// lockedConnection returns a connection and keeps it as it is until the transaction
// ends.
func (t *Tx) lockedConnection(ctx context.Context, id int64) (connection.Connection, error) {
	// The lock is taken first, alone: on PostgreSQL it does not go with a join whose
	// other side must stay free.
	locked, err := t.ids(ctx, "SELECT id FROM connections WHERE id = ?"+t.dialect.ForNoKeyUpdate(), id)
	if err != nil {
		return connection.Connection{}, fmt.Errorf("lock connection %d: %w", id, err)
	}
	if len(locked) == 0 {
		return connection.Connection{}, connection.NoConnection(id)
	}
	all, err := t.connections(ctx, " WHERE c.id = ?", "", id)
	if err != nil {
		return connection.Connection{}, fmt.Errorf("read connection %d: %w", id, err)
	}
	return all[0], nil
}

// Connections returns every connection; see connection.Connections.
func (s *Store) Connections(ctx context.Context) ([]connection.Connection, error) {
	var all []connection.Connection
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.connections(ctx, "", "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read connections: %w", err)
	}
	return all, nil
}

// Connection returns one connection; see connection.Connections.
func (s *Store) Connection(ctx context.Context, id int64) (connection.Connection, error) {
	var all []connection.Connection
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.connections(ctx, " WHERE c.id = ?", "", id)
		return err
	})
	switch {
	case err != nil:
		return connection.Connection{}, fmt.Errorf("read connection %d: %w", id, err)
	case len(all) == 0:
		return connection.Connection{}, connection.NoConnection(id)
	}
	return all[0], nil
}

// CreateConnection stores a new connection; see connection.Connections.
func (s *Store) CreateConnection(ctx context.Context, c connection.Connection, secrets map[string]string) (connection.Connection, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		// Sites are locked, so that two at once cannot pass the limit, nor a site go.
		if _, err := tx.site(ctx, c.SiteID); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM connections").Scan(&there); err != nil {
			return err
		}
		if there >= connection.MaxConnections {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d connections, which is the limit.", there), "Delete one first.")
		}
		if err := tx.holdRelay(ctx, &c); err != nil {
			return err
		}
		values, err := connectionValues(&c)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "INSERT INTO connections ("+connectionColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, values...).Scan(&c.ID)
		if err != nil {
			return err
		}
		if err := tx.seal(ctx, connectionSecrets, c.ID, secrets); err != nil {
			return err
		}
		return tx.writeGrants(ctx, &c)
	})
	if err != nil {
		return connection.Connection{}, fmt.Errorf("create connection: %w", s.taken(err, "connection", c.Name))
	}
	return c, nil
}

// writeGrants stores the grants of a connection that has none.
func (t *Tx) writeGrants(ctx context.Context, c *connection.Connection) error {
	for _, g := range c.Grants {
		var user, role sql.NullInt64
		if g.Kind == connection.ToUser {
			user = optional(g.ID)
		} else {
			role = optional(g.ID)
		}
		if _, err := t.Exec(ctx, "INSERT INTO connection_grants (connection_id, user_id, role_id, level) VALUES (?, ?, ?, ?)", c.ID, user, role, string(g.Level)); err != nil {
			return fmt.Errorf("store grant of connection %d: %w", c.ID, err)
		}
	}
	return nil
}

// UpdateConnection changes a connection; see connection.Connections.
func (s *Store) UpdateConnection(ctx context.Context, id int64, change func(*connection.Connection) (map[string]string, error)) (connection.Connection, error) {
	var c connection.Connection
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if c, err = tx.lockedConnection(ctx, id); err != nil {
			return err
		}
		before := slices.Clone(c.Stored)
		secrets, err := change(&c)
		if err != nil {
			return err
		}
		if err := tx.holdRelay(ctx, &c); err != nil {
			return err
		}
		if err := tx.updateConnection(ctx, &c); err != nil {
			return err
		}
		for _, field := range before {
			if !slices.Contains(c.Stored, field) {
				if _, err := tx.Exec(ctx, "DELETE FROM secrets WHERE kind = ? AND owner_id = ? AND field = ?", connectionSecrets, id, field); err != nil {
					return err
				}
			}
		}
		return tx.seal(ctx, connectionSecrets, id, secrets)
	})
	if err != nil {
		return connection.Connection{}, fmt.Errorf("update connection %d: %w", id, s.taken(err, "connection", c.Name))
	}
	return c, nil
}

// updateConnection writes a connection, without its secrets.
func (t *Tx) updateConnection(ctx context.Context, c *connection.Connection) error {
	values, err := connectionValues(c)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `UPDATE connections SET integration = ?, name = ?, site_id = ?, shared = ?, description = ?, active = ?, relay_id = ?, parameters = ?,
		vault_id = ?, vault_items = ?, requests_per_minute = ?, concurrency = ?, check_enabled = ?, check_minutes = ?, mail_after = ?, mail_to = ?,
		health = ?, health_checked = ?, health_next = ?, health_failures = ?, health_since = ?, health_told = ?, created = ?, modified = ? WHERE id = ?`, append(values, c.ID)...)
	if err != nil {
		return fmt.Errorf("write connection %d: %w", c.ID, err)
	}
	if _, err := t.Exec(ctx, "DELETE FROM connection_grants WHERE connection_id = ?", c.ID); err != nil {
		return fmt.Errorf("replace grants of connection %d: %w", c.ID, err)
	}
	return t.writeGrants(ctx, c)
}

// DeleteConnection removes a connection; see connection.Connections.
func (s *Store) DeleteConnection(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		c, err := tx.lockedConnection(ctx, id)
		if err != nil {
			return err
		}
		users, err := tx.ids(ctx, "SELECT id FROM connections WHERE vault_id = ? ORDER BY id LIMIT 1", id)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.New(fault.Conflict, fmt.Sprintf("Connection '%s' is the password vault of connection %d.", c.Name, users[0]), "Give that one another vault, or a password of its own, first.")
		}
		users, err = tx.ids(ctx, "SELECT id FROM automation_schedules WHERE connection_id = ? ORDER BY id LIMIT 1", id)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.New(fault.Conflict, fmt.Sprintf("Schedule %d uses connection '%s'.", users[0], c.Name), "Delete the schedule, or give it another connection, first.")
		}
		// Runs that have not ended find the connection gone, and end.
		if err := tx.forget(ctx, connectionSecrets, []int64{id}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM connections WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete connection %d: %w", id, err)
	}
	return nil
}

// ConnectionSecrets opens the secrets of a connection; see connection.Connections.
func (s *Store) ConnectionSecrets(ctx context.Context, id int64) (map[string]string, error) {
	var secrets map[string]string
	err := s.view(ctx, func(tx *Tx) (err error) {
		secrets, err = tx.unseal(ctx, connectionSecrets, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open secrets of connection %d: %w", id, err)
	}
	return secrets, nil
}
