package store

import (
	"context"
	"strings"

	"vedette.dev/vedette/internal/fleet"
)

// OverdueQuery is for a test of the plan that SQLite makes for it.
const OverdueQuery = overdueQuery

// Candidates returns the hosts a search for the conditions looks at, whether it
// looks at these only, and whether texts are compared on each of them.
func (s *Store) Candidates(ctx context.Context, conditions []fleet.Condition) (ids []int64, narrow, texts bool, err error) {
	err = s.view(ctx, func(tx *Tx) error {
		p, err := tx.plan(ctx, fleet.WholeFleet(), conditions, 0)
		if err != nil {
			return err
		}
		if err := tx.consult(ctx, p); err != nil {
			return err
		}
		if err := tx.askRest(ctx, p); err != nil {
			return err
		}
		ids, narrow = p.candidates, p.narrow
		for _, pred := range p.predicates {
			texts = texts || strings.Contains(pred.query, "JOIN software")
		}
		return nil
	})
	return ids, narrow, texts, err
}
