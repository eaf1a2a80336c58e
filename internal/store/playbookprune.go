package store

import (
	"context"
	"fmt"
	"time"
)

// prunedPlaybookRuns is how many runs of playbooks one transaction removes; of those of
// their commands, which may be many and large, it removes prunedRuns.
const prunedPlaybookRuns = 50

// PrunePlaybookRuns removes old runs; see conductor.Sweep.
func (s *Store) PrunePlaybookRuns(ctx context.Context, before time.Time) (int, error) {
	removed := 0
	err := s.InTx(ctx, func(tx *Tx) error {
		removed = 0
		runs, err := tx.prunable(ctx, before)
		if err != nil || len(runs) == 0 {
			return err
		}
		commands, err := tx.affected(ctx, "DELETE FROM automation_runs WHERE id IN (SELECT id FROM automation_runs WHERE "+tx.dialect.InIDs("playbook_run_id")+" LIMIT ?)", tx.dialect.IDsParam(runs), prunedRuns)
		if removed = int(commands); err != nil || commands == prunedRuns {
			return err // the runs follow when all of theirs are gone
		}
		gone, err := tx.affected(ctx, "DELETE FROM playbook_runs WHERE "+tx.dialect.InIDs("id"), tx.dialect.IDsParam(runs))
		removed += int(gone)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune playbook runs: %w", err)
	}
	return removed, nil
}

// prunable returns some runs that are to be removed and that began none, or none any
// more: a run goes after those that it began, of which there may be thousands. A run that
// another one goes on with stays until that has gone.
func (t *Tx) prunable(ctx context.Context, before time.Time) ([]int64, error) {
	runs, err := t.ids(ctx, `SELECT id FROM playbook_runs WHERE ended < ? AND parent_id IS NULL
		AND NOT EXISTS (SELECT 1 FROM playbook_runs AS r WHERE r.rerun_of = playbook_runs.id) ORDER BY ended LIMIT ?`, micros(before), prunedPlaybookRuns)
	for err == nil && len(runs) > 0 {
		var below []int64
		below, err = t.ids(ctx, "SELECT id FROM playbook_runs WHERE "+t.dialect.InIDs("parent_id")+" ORDER BY id LIMIT ?", t.dialect.IDsParam(runs), prunedPlaybookRuns)
		if len(below) == 0 {
			break
		}
		runs = below
	}
	return runs, err
}
