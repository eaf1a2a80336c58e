package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fleet"
)

// EnsureSystemTag creates the tag every agent carries unless it is there, and
// returns it.
func (s *Store) EnsureSystemTag(ctx context.Context, at time.Time) (fleet.Tag, error) {
	tag := fleet.Tag{Name: fleet.SystemTag, System: true}
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO tags (name, system, created) VALUES (?, ?, ?) ON CONFLICT (name) WHERE system DO NOTHING",
			tag.Name, true, seconds(at))
		if err != nil {
			return err
		}
		var created sql.NullInt64
		if err := tx.QueryRow(ctx, "SELECT id, created FROM tags WHERE name = ? AND system", tag.Name).Scan(&tag.ID, &created); err != nil {
			return err
		}
		tag.Created = when(created)
		return nil
	})
	if err != nil {
		return fleet.Tag{}, fmt.Errorf("ensure tag %q: %w", tag.Name, err)
	}
	return tag, nil
}
