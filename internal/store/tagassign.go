package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// AssignTags changes the tags of hosts; see fleet.TagAssignments.
func (s *Store) AssignTags(ctx context.Context, hostIDs []int64, a qps.TagAssignment) ([]int64, error) {
	var present []int64
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		add, err := tx.assignable(ctx, a)
		if err != nil {
			return err
		}
		if present, err = tx.ids(ctx, "SELECT id FROM hosts WHERE "+s.dialect.InIDs("id")+" ORDER BY id", s.dialect.IDsParam(hostIDs)); err != nil {
			return err
		}
		return tx.assignTags(ctx, present, add, a, s)
	})
	if err != nil {
		return nil, fmt.Errorf("change tags of %d hosts: %w", len(hostIDs), err)
	}
	return present, nil
}

// assignable returns the tags to put on hosts, and refuses those that cannot be
// put on or taken off by hand.
func (t *Tx) assignable(ctx context.Context, a qps.TagAssignment) ([]int64, error) {
	tags := make(map[int64]fleet.Tag)
	named := slices.Concat(a.Add, a.Remove)
	err := t.each(ctx, tagQuery+" WHERE "+t.dialect.InIDs("id"), []any{t.dialect.IDsParam(named)}, func(rows *sql.Rows) error {
		tag, err := scanTag(rows.Scan)
		tags[tag.ID] = tag
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %d tags: %w", len(named), err)
	}
	var add []int64
	for i, id := range named {
		tag, ok := tags[id]
		switch {
		case !ok:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("tags: there is no tag %d.", id), "Search for the ids of the tags there are.")
		case a.Replace && (tag.System || tag.RuleType != fleet.RuleStatic):
			continue // part of what a client has read; it stays as it is
		case tag.System:
			return nil, fault.New(fault.Conflict, fmt.Sprintf("tags: %d, '%s', is a system tag.", id, tag.Name), "System tags are neither added nor removed by hand.")
		case tag.RuleType != fleet.RuleStatic:
			return nil, fault.New(fault.Conflict, fmt.Sprintf("tags: %d, '%s', is put on hosts by its rule (%s).", id, tag.Name, tag.RuleType),
				"Change the rule, or use a static tag.")
		}
		if i < len(a.Add) {
			add = append(add, id)
		}
	}
	return add, nil
}

func (t *Tx) assignTags(ctx context.Context, hostIDs, add []int64, a qps.TagAssignment, s *Store) error {
	if len(hostIDs) == 0 {
		return nil
	}
	in, hosts := t.dialect.InIDs, t.dialect.IDsParam(hostIDs)
	steps := []struct {
		wanted bool
		query  string
		args   []any
	}{
		{a.Replace, "DELETE FROM host_tags WHERE " + in("host_id") +
			" AND tag_id IN (SELECT id FROM tags WHERE rule_type = 'STATIC' AND NOT system) AND NOT " + in("tag_id"), []any{hosts, t.dialect.IDsParam(add)}},
		{len(a.Remove) > 0, "DELETE FROM host_tags WHERE " + in("host_id") + " AND " + in("tag_id"), []any{hosts, t.dialect.IDsParam(a.Remove)}},
		{len(add) > 0, "INSERT INTO host_tags (tag_id, host_id) SELECT t.id, h.id FROM tags AS t CROSS JOIN hosts AS h WHERE " + in("t.id") + " AND " +
			in("h.id") + " ON CONFLICT DO NOTHING", []any{t.dialect.IDsParam(add), hosts}},
		{true, "UPDATE hosts SET modified = ? WHERE " + in("id"), []any{seconds(s.now()), hosts}},
	}
	for _, step := range steps {
		if !step.wanted {
			continue
		}
		if _, err := t.Exec(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("change tags: %w", err)
		}
	}
	if err := t.reassignProfiles(ctx, hostIDs); err != nil {
		return fmt.Errorf("decide profiles again: %w", err)
	}
	return nil
}
