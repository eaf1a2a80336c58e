package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

var (
	_ relay.Relays      = (*Store)(nil)
	_ connection.Relays = (*Store)(nil)
)

// relayQuery reads relays with how many replicas have a channel to each. Its first
// parameter is the time from which on a replica must have spoken of its channel.
const relayQuery = `SELECT r.id, r.name, r.description, r.site_id, COALESCE(s.name, ''), r.digest IS NULL, r.generation, r.created, r.token_changed, r.last_seen, r.version, r.host, r.addresses,
	(SELECT count(*) FROM relay_channels AS c WHERE c.relay_id = r.id AND c.seen > ?) FROM relays AS r LEFT JOIN sites AS s ON s.id = r.site_id`

func scanRelay(scan func(...any) error) (relay.Relay, error) {
	var r relay.Relay
	var revoked bool
	var site, created, changed, seen sql.NullInt64
	var addresses []byte
	err := scan(&r.ID, &r.Name, &r.Description, &site, &r.SiteName, &revoked, &r.Generation, &created, &changed, &seen, &r.Version, &r.Host, &addresses, &r.Replicas)
	if err != nil {
		return r, err
	}
	r.SiteID, r.Created, r.TokenChanged, r.LastSeen = site.Int64, when(created), when(changed), when(seen)
	switch {
	case revoked:
		r.Status = relay.Revoked
	case r.Replicas > 0:
		r.Status = relay.Online
	case r.LastSeen.IsZero():
		r.Status = relay.Registered
	default:
		r.Status = relay.Offline
	}
	return r, decode(addresses, &r.Addresses)
}

// spokenOf is the time from which on a replica must have spoken of a channel for
// it to count.
func (s *Store) spokenOf() sql.NullInt64 { return micros(s.now().Add(-relay.GoneAfter)) }

// Relays returns all relays; see relay.Relays.
func (s *Store) Relays(ctx context.Context) ([]relay.Relay, error) {
	var all []relay.Relay
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, relayQuery+" ORDER BY r.name", []any{s.spokenOf()}, func(rows *sql.Rows) error {
			r, err := scanRelay(rows.Scan)
			all = append(all, r)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read relays: %w", err)
	}
	return all, nil
}

// Relay returns one relay; see relay.Relays.
func (s *Store) Relay(ctx context.Context, id int64) (relay.Relay, error) {
	r, err := scanRelay(s.queryRow(ctx, relayQuery+" WHERE r.id = ?", s.spokenOf(), id).Scan)
	if err != nil {
		return relay.Relay{}, fmt.Errorf("read relay %d: %w", id, foundRelay(err, id))
	}
	return r, nil
}

// RelayOf returns a relay with the site it is kept to; see connection.Relays.
func (s *Store) RelayOf(ctx context.Context, id int64, name string) (relayID, siteID int64, err error) {
	var site sql.NullInt64
	err = s.queryRow(ctx, "SELECT id, site_id FROM relays WHERE id = ? OR ? = 0 AND name = ?", id, id, storable(name)).Scan(&relayID, &site)
	if err != nil {
		return 0, 0, fmt.Errorf("find relay: %w", foundRelay(err, id))
	}
	return relayID, site.Int64, nil
}

// RelayOfToken returns the relay of a token; see relay.Relays.
func (s *Store) RelayOfToken(ctx context.Context, digest []byte) (relay.Relay, error) {
	r, err := scanRelay(s.queryRow(ctx, relayQuery+" WHERE r.digest = ?", s.spokenOf(), digest).Scan)
	if err != nil {
		return relay.Relay{}, fmt.Errorf("read relay of token: %w", found(err, "such token"))
	}
	return r, nil
}

func foundRelay(err error, id int64) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, fmt.Sprintf("There is no relay %d.", id), "List the relays there are.")
	}
	return err
}

// CreateRelay stores a new relay; see relay.Relays.
func (s *Store) CreateRelay(ctx context.Context, r relay.Relay, site string, digest []byte) (relay.Relay, error) {
	var id int64
	err := s.InTx(ctx, func(tx *Tx) error {
		siteID, err := tx.siteNamed(ctx, site)
		if err != nil {
			return err
		}
		if _, err := tx.lockSubscription(ctx); err != nil { // so that two do not pass the limit together
			return err
		}
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM relays").Scan(&there); err != nil {
			return err
		}
		if there >= relay.MaxRelays {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d relays, which is the limit.", there), "Delete one first.")
		}
		return tx.QueryRow(ctx, "INSERT INTO relays (name, description, site_id, digest, generation, created, token_changed) VALUES (?, ?, ?, ?, 1, ?, ?) RETURNING id",
			r.Name, r.Description, siteID, digest, micros(r.Created), micros(r.TokenChanged)).Scan(&id)
	})
	if s.dialect.Duplicate(err) {
		err = &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("name: there is a relay '%s' already.", r.Name), Resolution: "Choose another name, or issue another token to the relay there is.", Err: err}
	}
	if err != nil {
		return relay.Relay{}, fmt.Errorf("create relay: %w", err)
	}
	return s.Relay(ctx, id)
}

// siteNamed returns the site that a name or an id means, none for the empty text.
func (t *Tx) siteNamed(ctx context.Context, reference string) (sql.NullInt64, error) {
	if reference == "" {
		return sql.NullInt64{}, nil
	}
	id, err := strconv.ParseInt(reference, 10, 64)
	if err != nil {
		id = 0 // of no site
	}
	sites, err := t.sites(ctx, " WHERE s.name = ? OR s.id = ?", t.dialect.ForNoKeyUpdate(), reference, id)
	if err != nil {
		return sql.NullInt64{}, fmt.Errorf("read site: %w", err)
	}
	for _, site := range sites {
		if site.Name == reference || len(sites) == 1 {
			return optional(site.ID), nil
		}
	}
	return sql.NullInt64{}, fault.New(fault.Invalid, "site: there is no such site.", "Give the name or the id of a site; list the sites there are.")
}

// holdRelay refuses a relay that does not exist, or is kept to another site, for a
// connection that is about to be stored: it stays as it is until the transaction ends.
func (t *Tx) holdRelay(ctx context.Context, c *connection.Connection) error {
	if c.RelayID == 0 {
		return nil
	}
	var kept sql.NullInt64
	err := t.QueryRow(ctx, "SELECT site_id FROM relays WHERE id = ?"+t.dialect.ForNoKeyUpdate(), c.RelayID).Scan(&kept)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && kept.Valid && kept.Int64 != c.SiteID:
		return fault.New(fault.Invalid, fmt.Sprintf("relay: there is no relay %d for the connections of this site.", c.RelayID), "Choose one of the relays that are for every site, or for this one.")
	case err != nil:
		return fmt.Errorf("read relay %d: %w", c.RelayID, err)
	}
	return nil
}

// SetRelayToken stores the digest of another token; see relay.Relays.
func (s *Store) SetRelayToken(ctx context.Context, id int64, digest []byte, at time.Time) (relay.Relay, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE relays SET digest = ?, generation = generation + 1, token_changed = ? WHERE id = ?", digest, micros(at), id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		if err != nil {
			return foundRelay(err, id)
		}
		_, err = tx.Exec(ctx, "DELETE FROM relay_channels WHERE relay_id = ?", id)
		return err
	})
	if err != nil {
		return relay.Relay{}, fmt.Errorf("set the token of relay %d: %w", id, err)
	}
	return s.Relay(ctx, id)
}

// DeleteRelay removes a relay; see relay.Relays.
func (s *Store) DeleteRelay(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		var used int
		err := tx.QueryRow(ctx, "SELECT id FROM relays WHERE id = ?"+tx.dialect.ForUpdate(), id).Scan(&id)
		if err == nil { // counted when nobody can choose it any more
			err = tx.QueryRow(ctx, "SELECT count(*) FROM connections WHERE relay_id = ?", id).Scan(&used)
		}
		if err != nil {
			return foundRelay(err, id)
		}
		if used > 0 {
			return fault.New(fault.Conflict, fmt.Sprintf("Connections that use the relay: %d.", used), "Delete them, or have them use another relay, first; to keep the relay out now, revoke its token.")
		}
		_, err = tx.Exec(ctx, "DELETE FROM relays WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete relay %d: %w", id, err)
	}
	return nil
}

// forgottenAfter is when a channel whose replica left it behind goes.
const forgottenAfter = 24 * time.Hour

// OpenRelayChannel stores a channel that a replica has opened, in place of the one
// it had to the relay, and what the relay says of itself. A generation that is
// over is fault.Unauthenticated.
func (s *Store) OpenRelayChannel(ctx context.Context, c relay.Channel) error {
	addresses, err := encode(c.Addresses)
	if err != nil {
		return err
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE relays SET last_seen = ?, version = ?, host = ?, addresses = ? WHERE id = ? AND generation = ? AND digest IS NOT NULL",
			micros(c.Opened), c.Version, c.Host, addresses, c.RelayID, c.Generation)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Unauthenticated, "The token of the relay has ended.", "Give the relay its latest token.")
		}
		if _, err := tx.Exec(ctx, "DELETE FROM relay_channels WHERE relay_id = ? AND seen < ?", c.RelayID, micros(c.Opened.Add(-forgottenAfter))); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO relay_channels (relay_id, replica, instance, remote, opened, seen) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (relay_id, replica) DO UPDATE SET instance = excluded.instance, remote = excluded.remote, opened = excluded.opened, seen = excluded.seen`,
			c.RelayID, c.Replica, c.Instance, c.Remote, micros(c.Opened), micros(c.Opened))
		return err
	})
	if err != nil {
		return fmt.Errorf("store a channel of relay %d: %w", c.RelayID, err)
	}
	return nil
}

// KeepRelayChannels says that a replica still has channels to these relays.
func (s *Store) KeepRelayChannels(ctx context.Context, replica string, relayIDs []int64, at time.Time) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		ids := tx.dialect.IDsParam(relayIDs)
		if _, err := tx.Exec(ctx, "UPDATE relay_channels SET seen = ? WHERE replica = ? AND "+tx.dialect.InIDs("relay_id"), micros(at), replica, ids); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE relays SET last_seen = ? WHERE "+tx.dialect.InIDs("id"), micros(at), ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %d channels of relays: %w", len(relayIDs), err)
	}
	return nil
}

// CloseRelayChannel removes a channel of a replica, if it is still the one that was
// opened then.
func (s *Store) CloseRelayChannel(ctx context.Context, replica string, relayID int64, opened, at time.Time) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "DELETE FROM relay_channels WHERE relay_id = ? AND replica = ? AND opened = ?", relayID, replica, micros(opened))
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE relays SET last_seen = ? WHERE id = ?", micros(at), relayID)
		return err
	})
	if err != nil {
		return fmt.Errorf("close a channel of relay %d: %w", relayID, err)
	}
	return nil
}

// RelayStandings returns the standings of those relays that still exist, in
// ascending order of id.
func (s *Store) RelayStandings(ctx context.Context, relayIDs []int64) ([]relay.Standing, error) {
	var all []relay.Standing
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, `SELECT r.id, r.generation, COALESCE((SELECT c.instance FROM relay_channels AS c WHERE c.relay_id = r.id ORDER BY c.opened DESC, c.instance LIMIT 1), '')
			FROM relays AS r WHERE `+tx.dialect.InIDs("r.id")+" ORDER BY r.id", []any{tx.dialect.IDsParam(relayIDs)}, func(rows *sql.Rows) error {
			var st relay.Standing
			err := rows.Scan(&st.RelayID, &st.Generation, &st.Instance)
			all = append(all, st)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the standing of %d relays: %w", len(relayIDs), err)
	}
	return all, nil
}
