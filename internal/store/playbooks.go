package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

var _ library.Shelf = (*Store)(nil)

// playbookSecrets is the kind under which secrets of playbooks are sealed. It is part
// of what is sealed and never changes.
const playbookSecrets = "playbook"

const (
	playbookQuery = `SELECT p.id, p.site_id, p.name, p.description, (SELECT max(v.number) FROM playbook_versions AS v WHERE v.playbook_id = p.id),
		p.live, p.publisher, p.publisher_id, p.created, p.modified FROM playbooks AS p`
	versionColumns = "v.id, v.playbook_id, p.site_id, v.number, v.author, v.created"
	versionJoin    = " FROM playbook_versions AS v JOIN playbooks AS p ON p.id = v.playbook_id"
)

func (t *Tx) playbooks(ctx context.Context, rest string, args ...any) ([]library.Playbook, error) {
	var all []library.Playbook
	err := t.each(ctx, playbookQuery+rest, args, func(rows *sql.Rows) error {
		var p library.Playbook
		var latest, live, publisher, created, modified sql.NullInt64
		err := rows.Scan(&p.ID, &p.SiteID, &p.Name, &p.Description, &latest, &live, &p.Publisher, &publisher, &created, &modified)
		p.Latest, p.Live, p.PublisherID, p.Created, p.Modified = latest.Int64, live.Int64, publisher.Int64, when(created), when(modified)
		all = append(all, p)
		return err
	})
	return all, err
}

// playbook returns one playbook; with lock it stays as it is until the transaction
// ends.
func (t *Tx) playbook(ctx context.Context, id int64, lock string) (library.Playbook, error) {
	if lock != "" {
		if _, err := t.ids(ctx, "SELECT id FROM playbooks WHERE id = ?"+lock, id); err != nil {
			return library.Playbook{}, err
		}
	}
	found, err := t.playbooks(ctx, " WHERE p.id = ?", id)
	if err == nil && len(found) == 0 {
		err = library.NoPlaybook(id)
	}
	if err != nil {
		return library.Playbook{}, err
	}
	return found[0], nil
}

// Playbooks returns playbooks; see library.Shelf.
func (s *Store) Playbooks(ctx context.Context, siteIDs []int64) ([]library.Playbook, error) {
	where, args := "", []any{}
	if siteIDs != nil {
		where, args = " WHERE "+s.dialect.InIDs("p.site_id"), []any{s.dialect.IDsParam(siteIDs)}
	}
	var all []library.Playbook
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.playbooks(ctx, where+" ORDER BY p.id", args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read playbooks: %w", err)
	}
	return all, nil
}

// Playbook returns one playbook; see library.Shelf.
func (s *Store) Playbook(ctx context.Context, id int64) (library.Playbook, error) {
	var p library.Playbook
	err := s.view(ctx, func(tx *Tx) (err error) {
		p, err = tx.playbook(ctx, id, "")
		return err
	})
	if err != nil {
		return library.Playbook{}, fmt.Errorf("read playbook %d: %w", id, err)
	}
	return p, nil
}

// CreatePlaybook stores a playbook with its first version; see library.Shelf.
func (s *Store) CreatePlaybook(ctx context.Context, p library.Playbook, v library.Version) (library.Playbook, error) {
	calls, err := encode(library.Calls(v.Source))
	if err != nil {
		return library.Playbook{}, err
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.site(ctx, p.SiteID); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM playbooks").Scan(&there); err != nil {
			return err
		}
		if there >= library.MaxPlaybooks {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d playbooks, which is the limit.", there), "Delete one first.")
		}
		err := tx.QueryRow(ctx, "INSERT INTO playbooks (site_id, name, description, live, publisher, publisher_id, created, modified) VALUES (?, ?, ?, NULL, '', NULL, ?, ?) RETURNING id",
			p.SiteID, p.Name, p.Description, micros(v.Created), micros(v.Created)).Scan(&p.ID)
		if err != nil {
			return err
		}
		v.PlaybookID, v.Number = p.ID, 1
		if err := tx.addVersion(ctx, v, calls); err != nil {
			return err
		}
		p, err = tx.playbook(ctx, p.ID, "")
		return err
	})
	if err != nil {
		return library.Playbook{}, fmt.Errorf("create playbook: %w", s.taken(err, "playbook", p.Name))
	}
	return p, nil
}

// addVersion stores a version, with the playbooks that it calls as JSON.
func (t *Tx) addVersion(ctx context.Context, v library.Version, calls string) error {
	_, err := t.Exec(ctx, "INSERT INTO playbook_versions (playbook_id, number, source, author, created, calls) VALUES (?, ?, ?, ?, ?, ?)",
		v.PlaybookID, v.Number, v.Source, v.Author, micros(v.Created), calls)
	if err != nil {
		return fmt.Errorf("store version %d: %w", v.Number, err)
	}
	return nil
}

// AddVersion stores another version; see library.Shelf.
func (s *Store) AddVersion(ctx context.Context, p library.Playbook, base int64, v library.Version) (library.Playbook, error) {
	calls, err := encode(library.Calls(v.Source))
	if err != nil {
		return library.Playbook{}, err
	}
	var after library.Playbook
	err = s.InTx(ctx, func(tx *Tx) error {
		before, err := tx.playbook(ctx, p.ID, s.dialect.ForNoKeyUpdate())
		if err != nil {
			return err
		}
		if base != 0 && before.Latest != base {
			return fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s' has version %d by now; the change was made to version %d.", before.Name, before.Latest, base), "Look at the newest version, and change that.")
		}
		v.PlaybookID, v.Number = p.ID, before.Latest+1
		if err := tx.addVersion(ctx, v, calls); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE playbooks SET name = ?, description = ?, modified = ? WHERE id = ?", p.Name, p.Description, micros(v.Created), p.ID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM playbook_versions WHERE playbook_id = ? AND number <= ? AND number <> ?
			AND NOT EXISTS (SELECT 1 FROM playbook_runs AS r WHERE r.version_id = playbook_versions.id)
			AND NOT EXISTS (SELECT 1 FROM playbook_pins AS pin WHERE pin.version_id = playbook_versions.id)`, p.ID, v.Number-library.MaxVersions, before.Live)
		if err != nil {
			return err
		}
		after, err = tx.playbook(ctx, p.ID, "")
		return err
	})
	if err != nil {
		return library.Playbook{}, fmt.Errorf("save version of playbook %d: %w", p.ID, s.taken(err, "playbook", p.Name))
	}
	return after, nil
}

// Version returns a version with its text; see library.Shelf.
func (s *Store) Version(ctx context.Context, id, number int64) (library.Version, error) {
	var v library.Version
	err := s.view(ctx, func(tx *Tx) error {
		p, err := tx.playbook(ctx, id, "")
		if err != nil {
			return err
		}
		if number == 0 {
			number = p.Latest
		}
		found, err := tx.versions(ctx, " WHERE v.playbook_id = ? AND v.number = ?", id, number)
		if err == nil && len(found) == 0 {
			err = library.NoVersion(p, number)
		}
		if err != nil {
			return err
		}
		v = found[0]
		return nil
	})
	if err != nil {
		return library.Version{}, fmt.Errorf("read version %d of playbook %d: %w", number, id, err)
	}
	return v, nil
}

// versions returns versions with their texts.
func (t *Tx) versions(ctx context.Context, rest string, args ...any) ([]library.Version, error) {
	return t.versionsWith(ctx, "p.name, v.source", rest, args...)
}

// versionHeads returns versions without their texts, and with names from a column.
func (t *Tx) versionHeads(ctx context.Context, name, rest string, args ...any) ([]library.Version, error) {
	return t.versionsWith(ctx, name+", ''", rest, args...)
}

// versionsWith returns versions with names and texts from columns.
func (t *Tx) versionsWith(ctx context.Context, columns, rest string, args ...any) ([]library.Version, error) {
	var all []library.Version
	err := t.each(ctx, "SELECT "+versionColumns+", "+columns+versionJoin+rest, args, func(rows *sql.Rows) error {
		var v library.Version
		var created sql.NullInt64
		err := rows.Scan(&v.ID, &v.PlaybookID, &v.SiteID, &v.Number, &v.Author, &created, &v.Playbook, &v.Source)
		v.Created = when(created)
		all = append(all, v)
		return err
	})
	return all, err
}

// Versions returns the versions of a playbook; see library.Shelf.
func (s *Store) Versions(ctx context.Context, id int64) ([]library.Version, error) {
	var all []library.Version
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.versionHeads(ctx, "p.name", " WHERE v.playbook_id = ? ORDER BY v.number DESC", id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list versions of playbook %d: %w", id, err)
	}
	return all, nil
}

// LiveVersions returns the live versions of a site; see library.Shelf.
func (s *Store) LiveVersions(ctx context.Context, siteID int64) ([]library.Version, error) {
	var all []library.Version
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.versions(ctx, " WHERE p.site_id = ? AND v.number = p.live ORDER BY p.id", siteID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read live playbooks of site %d: %w", siteID, err)
	}
	return all, nil
}

// Texts returns the texts of versions; see library.Shelf.
func (s *Store) Texts(ctx context.Context, ids []int64) (map[int64]string, error) {
	texts := make(map[int64]string, len(ids))
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT id, source FROM playbook_versions WHERE "+s.dialect.InIDs("id"), []any{s.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			var id int64
			var text string
			err := rows.Scan(&id, &text)
			texts[id] = text
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the texts of %d versions: %w", len(ids), err)
	}
	return texts, nil
}

// Publish makes a version live; see library.Shelf.
func (s *Store) Publish(ctx context.Context, p library.Playbook) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		before, err := tx.playbook(ctx, p.ID, s.dialect.ForNoKeyUpdate())
		if err != nil {
			return err
		}
		if p.Live != 0 {
			found, err := tx.ids(ctx, "SELECT id FROM playbook_versions WHERE playbook_id = ? AND number = ?", p.ID, p.Live)
			if err == nil && len(found) == 0 {
				err = library.NoVersion(before, p.Live)
			}
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, "UPDATE playbooks SET live = ?, publisher = ?, publisher_id = ?, modified = ? WHERE id = ?",
			optional(p.Live), p.Publisher, optional(p.PublisherID), micros(p.Modified), p.ID)
		if err != nil {
			return err
		}
		before.Live, before.Publisher, before.PublisherID = p.Live, p.Publisher, p.PublisherID
		return tx.settleTriggers(ctx, &before, p.Modified)
	})
	if err != nil {
		return fmt.Errorf("publish version %d of playbook %d: %w", p.Live, p.ID, err)
	}
	return nil
}

// DeletePlaybook removes a playbook; see library.Shelf.
func (s *Store) DeletePlaybook(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		p, err := tx.playbook(ctx, id, s.dialect.ForUpdate())
		if err != nil {
			return err
		}
		var open int64
		err = tx.QueryRow(ctx, "SELECT id FROM playbook_runs WHERE playbook_id = ? AND ended IS NULL LIMIT 1", id).Scan(&open)
		if err == nil {
			return fault.New(fault.Conflict, fmt.Sprintf("Run %d of playbook '%s' has not ended.", open, p.Name), "Wait for its runs, or cancel them.")
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := tx.uncalled(ctx, &p); err != nil {
			return err
		}
		if err := tx.freeOfSchedules(ctx, &p); err != nil {
			return err
		}
		if err := tx.forget(ctx, playbookSecrets, []int64{id}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM playbooks WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete playbook %d: %w", id, err)
	}
	return nil
}

// PlaybookSecret returns a secret of a playbook by its name, or fault.NotFound.
func (s *Store) PlaybookSecret(ctx context.Context, playbookID int64, name string) (signature.Secret, error) {
	var values map[string]string
	err := s.view(ctx, func(tx *Tx) (err error) { // also for requests that nobody has signed
		values, err = tx.unseal(ctx, playbookSecrets, playbookID)
		return err
	})
	if err != nil {
		return signature.Secret{}, fmt.Errorf("read secrets of playbook %d: %w", playbookID, err)
	}
	text, known := values[name]
	if !known {
		return signature.Secret{}, noPlaybookSecret(name)
	}
	return signature.ParseSecret(text)
}
