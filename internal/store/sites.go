package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
)

var _ connection.Sites = (*Store)(nil)

const siteQuery = "SELECT s.id, s.name, s.kind, s.description, s.created FROM sites AS s"

func (t *Tx) sites(ctx context.Context, where, lock string, args ...any) ([]connection.Site, error) {
	var sites []connection.Site
	err := t.each(ctx, siteQuery+where+" ORDER BY s.id"+lock, args, func(rows *sql.Rows) error {
		var s connection.Site
		var created sql.NullInt64
		err := rows.Scan(&s.ID, &s.Name, &s.Kind, &s.Description, &created)
		s.Created = when(created)
		sites = append(sites, s)
		return err
	})
	return sites, err
}

// site returns a site, without members, and keeps it as it is until the transaction
// ends.
func (t *Tx) site(ctx context.Context, id int64) (connection.Site, error) {
	sites, err := t.sites(ctx, " WHERE s.id = ?", t.dialect.ForUpdate(), id)
	switch {
	case err != nil:
		return connection.Site{}, fmt.Errorf("read site %d: %w", id, err)
	case len(sites) == 0:
		return connection.Site{}, fault.New(fault.NotFound, fmt.Sprintf("There is no site %d.", id), "List the sites there are.")
	}
	return sites[0], nil
}

// Sites returns all sites; see connection.Sites.
func (s *Store) Sites(ctx context.Context) ([]connection.Site, error) {
	var sites []connection.Site
	err := s.view(ctx, func(tx *Tx) (err error) {
		if sites, err = tx.sites(ctx, "", ""); err != nil {
			return err
		}
		at := make(map[int64]*connection.Site, len(sites))
		for i := range sites {
			at[sites[i].ID] = &sites[i]
		}
		return tx.each(ctx, "SELECT m.site_id, u.username FROM site_members AS m JOIN users AS u ON u.id = m.user_id ORDER BY u.username", nil, func(rows *sql.Rows) error {
			var id int64
			var name string
			err := rows.Scan(&id, &name)
			at[id].Members = append(at[id].Members, name)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read sites: %w", err)
	}
	return sites, nil
}

// SitesOf returns the sites of a user; see connection.Sites.
func (s *Store) SitesOf(ctx context.Context, userID int64) ([]connection.Site, error) {
	var sites []connection.Site
	err := s.view(ctx, func(tx *Tx) (err error) {
		sites, err = tx.sites(ctx, " JOIN site_members AS m ON m.site_id = s.id WHERE m.user_id = ?", "", userID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read sites of user %d: %w", userID, err)
	}
	return sites, nil
}

// CreateSite stores a new site; see connection.Sites.
func (s *Store) CreateSite(ctx context.Context, site connection.Site) (connection.Site, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM sites").Scan(&there); err != nil {
			return err
		}
		if there >= connection.MaxSites {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d sites, which is the limit.", there), "Delete one first.")
		}
		return tx.QueryRow(ctx, "INSERT INTO sites (name, kind, description, created) VALUES (?, ?, ?, ?) RETURNING id",
			site.Name, string(site.Kind), site.Description, micros(site.Created)).Scan(&site.ID)
	})
	if err != nil {
		return connection.Site{}, fmt.Errorf("create site: %w", s.taken(err, "site", site.Name))
	}
	return site, nil
}

// taken makes an error that says a name is there already one that people understand.
func (s *Store) taken(err error, what, name string) error {
	if s.dialect.Duplicate(err) {
		return &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("There is a %s '%s' already.", what, name), Resolution: "Choose another name.", Err: err}
	}
	return err
}

// UpdateSite changes a site; see connection.Sites.
func (s *Store) UpdateSite(ctx context.Context, id int64, change func(*connection.Site) error) (connection.Site, error) {
	var site connection.Site
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if site, err = tx.site(ctx, id); err != nil {
			return err
		}
		if err := change(&site); err != nil {
			return err
		}
		if site.Kind == connection.Client {
			var shared int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM connections WHERE site_id = ? AND shared", id).Scan(&shared); err != nil {
				return err
			}
			if shared > 0 {
				return fault.New(fault.Conflict, fmt.Sprintf("Site '%s' is the recipient site of %d connections that are shared to internal sites.", site.Name, shared),
					"Give them another recipient site, or end sharing them.")
			}
		}
		_, err = tx.Exec(ctx, "UPDATE sites SET name = ?, kind = ?, description = ? WHERE id = ?", site.Name, string(site.Kind), site.Description, id)
		return err
	})
	if err != nil {
		return connection.Site{}, fmt.Errorf("update site %d: %w", id, s.taken(err, "site", site.Name))
	}
	return site, nil
}

// DeleteSite removes a site; see connection.Sites.
func (s *Store) DeleteSite(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		site, err := tx.site(ctx, id)
		if err != nil {
			return err
		}
		for _, kind := range []struct{ table, what string }{{"connections", "connections"}, {"automation_schedules", "schedules"}, {"relays", "relays"}} {
			var there int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+kind.table+" WHERE site_id = ?", id).Scan(&there); err != nil {
				return err
			}
			if there > 0 {
				return fault.New(fault.Conflict, fmt.Sprintf("Site '%s' has %d %s.", site.Name, there, kind.what), "Delete them, or move them to another site, first.")
			}
		}
		_, err = tx.Exec(ctx, "DELETE FROM sites WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete site %d: %w", id, err)
	}
	return nil
}

// ChangeMembers adds and removes members; see connection.Sites.
func (s *Store) ChangeMembers(ctx context.Context, id int64, add, remove []string) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.site(ctx, id); err != nil {
			return err
		}
		for _, name := range add {
			user, err := tx.memberID(ctx, name)
			if err == nil {
				_, err = tx.Exec(ctx, "INSERT INTO site_members (site_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", id, user)
			}
			if err != nil {
				return err
			}
		}
		for _, name := range remove {
			user, err := tx.memberID(ctx, name)
			if err == nil {
				_, err = tx.Exec(ctx, "DELETE FROM site_members WHERE site_id = ? AND user_id = ?", id, user)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change members of site %d: %w", id, err)
	}
	return nil
}

func (t *Tx) memberID(ctx context.Context, username string) (int64, error) {
	ids, err := t.ids(ctx, "SELECT id FROM users WHERE username = ?", storable(username))
	if err != nil {
		return 0, fmt.Errorf("find user: %w", err)
	}
	if len(ids) == 0 {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("members: there is no user '%s'.", fitting(username, 255)), "Use the exact user name.")
	}
	return ids[0], nil
}
