package store

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/qps"
)

const (
	// maxPackages is up to how many dictionary entries a search resolves a
	// software criterion to; above it names are compared host by host.
	maxPackages = 5000
	// manyPackages is from how many entries on it is cheaper to look at a host's
	// packages (some 500) than to look for each entry among them.
	manyPackages = 64
	// sweepGroup is how many dictionary entries one SweepSoftware looks at; it
	// takes some ten milliseconds when all of them go.
	sweepGroup = 2000
)

// compileSoftware compiles installedSoftware: a package is found by its name
// and by its name and version with a space between. Entries that no host has
// (any more) do not count: they would make a rare name look frequent.
func (t *Tx) compileSoftware(ctx context.Context, c fleet.Condition) (predicate, error) {
	equal := c
	if c.Operator == qps.OpNotEquals {
		equal.Operator = qps.OpEquals
	}
	on := t.packagePredicate(equal)
	ids, err := t.ids(ctx, "SELECT s.id FROM software AS s WHERE "+on.query+
		" AND EXISTS (SELECT 1 FROM host_software AS x WHERE x.software_id = s.id) LIMIT ?", append(on.args, maxPackages+1)...)
	if err != nil {
		return predicate{}, err
	}
	if len(ids) > maxPackages {
		return negated(predicate{
			query: exists("host_software AS x JOIN software AS s ON s.id = x.software_id WHERE x.host_id = h.id AND " + on.query),
			args:  on.args,
			index: &index{
				table: "host_software", id: "host_id", repeats: true,
				parts: []part{{"software_id IN (SELECT s.id FROM software AS s WHERE " + on.query + ")", on.args}},
			},
		}, c), nil
	}
	expression := "x.software_id"
	if len(ids) > manyPackages {
		expression = "+" + expression // not by index
	}
	hosts := t.listIndex("host_software", "software_id", "host_id", ids)
	hosts.repeats = true
	return negated(predicate{
		never: len(ids) == 0,
		query: exists("host_software AS x WHERE x.host_id = h.id AND " + t.dialect.InIDs(expression)),
		args:  []any{t.dialect.IDsParam(ids)},
		index: hosts,
	}, c), nil
}

// packagePredicate is the condition on a dictionary entry s.
func (t *Tx) packagePredicate(c fleet.Condition) predicate {
	title := comparison{expression: "s.title"}.text(t.dialect, c)
	if c.Operator == qps.OpContains {
		return title // the name is part of the title
	}
	name := comparison{expression: "s.name"}.text(t.dialect, c)
	return predicate{query: "(" + name.query + " OR " + title.query + ")", args: []any{name.args[0], title.args[0]}}
}

// SweepSoftware deletes dictionary entries that no host has. It looks at a
// bounded number of them, those after the given id, and returns the id to go on
// after, 0 when it has come to the end, and how many it deleted. Called once a
// minute it passes over a million entries in eight hours.
func (s *Store) SweepSoftware(ctx context.Context, after int64) (next, deleted int64, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		if lock := s.dialect.LockDictionary(true); lock != "" {
			if _, err := tx.Exec(ctx, lock); err != nil {
				return err
			}
		}
		ids, err := tx.ids(ctx, "SELECT id FROM software WHERE id > ? ORDER BY id LIMIT ?", after, sweepGroup)
		if err != nil || len(ids) == 0 {
			next, deleted = 0, 0
			return err
		}
		next = ids[len(ids)-1]
		if len(ids) < sweepGroup {
			next = 0
		}
		deleted, err = tx.affected(ctx, "DELETE FROM software WHERE "+s.dialect.InIDs("id")+
			" AND NOT EXISTS (SELECT 1 FROM host_software AS x WHERE x.software_id = software.id)", s.dialect.IDsParam(ids))
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("sweep software after entry %d: %w", after, err)
	}
	return next, deleted, nil
}

// learnGroup is how many packages one transaction adds to the dictionary.
const learnGroup = 500

// learnAhead adds the packages of a large delta to the dictionary, a group at a
// time, so that its commit only has to link them: other writers wait for one
// group and not for all. It may be repeated, and what a commit that fails has
// learnt is swept. An upload that is not complete teaches nothing.
func (s *Store) learnAhead(ctx context.Context, hostID int64, digest string, delta *agentwire.Delta) error {
	if len(delta.Software.Put) <= learnGroup {
		return nil
	}
	var u inventory.Upload
	err := s.view(ctx, func(tx *Tx) (err error) {
		u, err = tx.upload(ctx, hostID, digest, "")
		return err
	})
	if err != nil {
		return err
	}
	if u.State != agentwire.UploadOpen || u.Offset != u.Start.Size {
		return nil
	}
	for group := range slices.Chunk(delta.Software.Put, learnGroup) {
		err := s.InTx(ctx, func(tx *Tx) error {
			_, err := tx.learnSoftware(ctx, group)
			return err
		})
		if err != nil {
			return fmt.Errorf("learn %d packages: %w", len(group), err)
		}
	}
	return nil
}
