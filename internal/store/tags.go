package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// tagRemovals is how many hosts lose a tag that is deleted in one transaction.
const tagRemovals = 2000

// EnsureSystemTag creates the tag every agent carries unless it is there, and
// returns it.
func (s *Store) EnsureSystemTag(ctx context.Context, at time.Time) (fleet.Tag, error) {
	var tag fleet.Tag
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO tags (name, system, created) VALUES (?, ?, ?) ON CONFLICT (name) WHERE system DO NOTHING",
			fleet.SystemTag, true, seconds(at))
		if err != nil {
			return err
		}
		tag, err = scanTag(tx.QueryRow(ctx, tagQuery+" WHERE name = ? AND system", fleet.SystemTag).Scan)
		return err
	})
	if err != nil {
		return fleet.Tag{}, fmt.Errorf("ensure tag %q: %w", fleet.SystemTag, err)
	}
	return tag, nil
}

const tagQuery = `SELECT id, coalesce(parent_id, 0), name, system, color, rule_type, rule_text, criticality, description, provider,
	evaluated_to IS NOT NULL, created, modified FROM tags`

func scanTag(scan func(...any) error) (fleet.Tag, error) {
	var t fleet.Tag
	var created, modified sql.NullInt64
	err := scan(&t.ID, &t.ParentID, &t.Name, &t.System, &t.Color, &t.RuleType, &t.RuleText, &t.Criticality, &t.Description, &t.Provider,
		&t.Evaluating, &created, &modified)
	t.Created, t.Modified = when(created), when(modified)
	return t, err
}

// Tags returns every tag in ascending order of id.
func (s *Store) Tags(ctx context.Context) ([]fleet.Tag, error) {
	var tags []fleet.Tag
	err := s.view(ctx, func(tx *Tx) (err error) {
		tags, err = tx.tagList(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	return tags, nil
}

func (t *Tx) tagList(ctx context.Context) ([]fleet.Tag, error) {
	var tags []fleet.Tag
	err := t.each(ctx, tagQuery+" ORDER BY id", nil, func(rows *sql.Rows) error {
		tag, err := scanTag(rows.Scan)
		tags = append(tags, tag)
		return err
	})
	return tags, err
}

// CreateTag makes a tag with the children it names; see fleet.Tags.
func (s *Store) CreateTag(ctx context.Context, change qps.TagChange) (int64, error) {
	var id int64
	err := s.inForest(ctx, func(_ *Tx, f *fleet.Forest) (err error) {
		id, err = f.Create(ctx, change)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("create tag: %w", err)
	}
	return id, nil
}

// UpdateTags changes tags; see fleet.Tags.
func (s *Store) UpdateTags(ctx context.Context, ids []int64, change qps.TagChange) error {
	err := s.inForest(ctx, func(_ *Tx, f *fleet.Forest) error {
		for _, id := range ids {
			if err := f.Update(ctx, id, change); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("update %d tags: %w", len(ids), err)
	}
	return nil
}

// inForest runs a change of tags in one transaction. Such transactions run one
// after the other, since what is allowed depends on all tags.
func (s *Store) inForest(ctx context.Context, change func(tx *Tx, f *fleet.Forest) error) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		tags, err := tx.tagList(ctx)
		if err != nil {
			return fmt.Errorf("read tags: %w", err)
		}
		return change(tx, fleet.NewForest(tags, tagWriter{tx}, s.now()))
	})
	if err == nil {
		s.signalRules()
	}
	return err
}

// tagWriter stores tags; see fleet.TagWriter.
type tagWriter struct{ tx *Tx }

func (w tagWriter) InsertTag(ctx context.Context, t fleet.Tag) (int64, error) {
	var id int64
	err := w.tx.QueryRow(ctx, `INSERT INTO tags (parent_id, name, system, color, rule_type, rule_text, criticality, description, provider,
			evaluated_to, created, modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		parentOf(t), t.Name, false, t.Color, string(t.RuleType), t.RuleText, t.Criticality, t.Description, t.Provider,
		sql.NullInt64{Valid: t.Evaluating}, seconds(t.Created), seconds(t.Modified)).Scan(&id)
	return id, err
}

func (w tagWriter) SaveTag(ctx context.Context, t fleet.Tag) error {
	// A rule that stays the same is evaluated on from where it was; one that
	// changed begins anew, and what became static is as evaluated as can be.
	_, err := w.tx.Exec(ctx, `UPDATE tags SET
			evaluated_to = CASE WHEN ? = 'STATIC' THEN NULL WHEN rule_type = ? AND rule_text = ? THEN evaluated_to ELSE 0 END,
			parent_id = ?, name = ?, color = ?, rule_type = ?, rule_text = ?, criticality = ?, description = ?, provider = ?, modified = ?
		WHERE id = ?`,
		string(t.RuleType), string(t.RuleType), t.RuleText,
		parentOf(t), t.Name, t.Color, string(t.RuleType), t.RuleText, t.Criticality, t.Description, t.Provider, seconds(t.Modified), t.ID)
	return err
}

func parentOf(t fleet.Tag) sql.NullInt64 {
	return sql.NullInt64{Int64: t.ParentID, Valid: t.ParentID != 0}
}

// DeleteTags removes tags; see fleet.Tags. A tag that many hosts carry is taken
// off them a few thousand at a time before it goes, so that nobody waits long;
// until then it can still be seen.
func (s *Store) DeleteTags(ctx context.Context, ids []int64) error {
	if err := s.inForest(ctx, func(tx *Tx, f *fleet.Forest) error { return tx.checkTagsUnused(ctx, f, ids) }); err != nil {
		return fmt.Errorf("delete tags: %w", err)
	}
	for {
		var removed int64
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			removed, err = tx.affected(ctx, `DELETE FROM host_tags WHERE (tag_id, host_id) IN (SELECT tag_id, host_id FROM host_tags WHERE `+
				s.dialect.InIDs("tag_id")+" LIMIT ?)", s.dialect.IDsParam(ids), tagRemovals)
			return err
		})
		if err != nil {
			return fmt.Errorf("take %d tags off their hosts: %w", len(ids), err)
		}
		if removed < tagRemovals {
			break
		}
	}
	err := s.inForest(ctx, func(tx *Tx, f *fleet.Forest) error {
		if err := tx.checkTagsUnused(ctx, f, ids); err != nil {
			return err
		}
		// One statement: parents and children go together.
		_, err := tx.Exec(ctx, "DELETE FROM tags WHERE "+s.dialect.InIDs("id"), s.dialect.IDsParam(ids))
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %d tags: %w", len(ids), err)
	}
	return nil
}

// checkTagsUnused refuses to delete tags that something depends on. A profile
// that asks for one of several tags would be for other agents without it.
func (t *Tx) checkTagsUnused(ctx context.Context, f *fleet.Forest, ids []int64) error {
	if err := f.CheckDelete(ids); err != nil {
		return err
	}
	if err := t.checkTagsScopeNobody(ctx, ids); err != nil {
		return err
	}
	return t.each(ctx, `SELECT t.id, t.name, p.id, p.name FROM profile_tags AS x JOIN tags AS t ON t.id = x.tag_id
		JOIN profiles AS p ON p.id = x.profile_id WHERE NOT p.deleted AND `+t.dialect.InIDs("x.tag_id")+" ORDER BY t.id, p.id LIMIT 1",
		[]any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			var tagID, profileID int64
			var tag, profile string
			if err := rows.Scan(&tagID, &tag, &profileID, &profile); err != nil {
				return err
			}
			return fault.New(fault.Conflict,
				fmt.Sprintf("Tag %d, '%s', selects the agents of the configuration profile %d, '%s'.", tagID, tag, profileID, profile),
				"Take the tag out of the profile first.")
		})
}

// checkTagsScopeNobody refuses to delete tags that are the scope of users. The
// rows are locked, so that none becomes one before the transaction ends.
func (t *Tx) checkTagsScopeNobody(ctx context.Context, ids []int64) error {
	if _, err := t.ids(ctx, "SELECT id FROM tags WHERE "+t.dialect.InIDs("id")+" ORDER BY id"+t.dialect.ForUpdate(), t.dialect.IDsParam(ids)); err != nil {
		return fmt.Errorf("lock %d tags: %w", len(ids), err)
	}
	var tagID int64
	var tag string
	var users []string
	err := t.each(ctx, `SELECT t.id, t.name, u.username FROM user_scope AS x JOIN tags AS t ON t.id = x.tag_id JOIN users AS u ON u.id = x.user_id
		WHERE x.tag_id = (SELECT min(tag_id) FROM user_scope WHERE `+t.dialect.InIDs("tag_id")+")", []any{t.dialect.IDsParam(ids)},
		func(rows *sql.Rows) error {
			var user string
			err := rows.Scan(&tagID, &tag, &user)
			users = append(users, user)
			return err
		})
	if err != nil {
		return fmt.Errorf("look for scopes: %w", err)
	}
	if len(users) == 0 {
		return nil
	}
	slices.Sort(users)
	return fault.New(fault.Conflict, fmt.Sprintf("Tag %d, '%s', is in the scope of %s.", tagID, tag, nameSome(users)),
		"Take the tag out of the scope of these users first.")
}
