package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
)

// maxSettled is how many changes of tallies one transaction sums up.
const maxSettled = 2000

// tally is what triggers count the hosts of each block by: see the migration
// that makes the table tallies.
type tally struct {
	subject string // 'host', 'tag' or 'port'
	value   int64
}

// hostTally counts all hosts.
var hostTally = tally{subject: "host"}

// everyHost returns an index that names all hosts.
func everyHost() *index {
	return &index{table: "hosts", id: "id", order: byID, parts: []part{{condition: "1 = 1"}}, tally: &hostTally}
}

// tallyOf is the tally of an index over a list of values, of which it must be one:
// a host that has two is counted for each.
func tallyOf(subject string, values []int64) *tally {
	if len(values) != 1 {
		return nil
	}
	return &tally{subject, values[0]}
}

// tallied returns how many hosts of each block a tally counts. Blocks without any
// are left out.
func (t *Tx) tallied(ctx context.Context, of tally) (map[int64]int64, error) {
	counts := make(map[int64]int64)
	err := t.each(ctx, "SELECT block, CAST(sum(hosts) AS BIGINT) FROM tallies WHERE subject = ? AND value = ? GROUP BY block HAVING sum(hosts) > 0",
		[]any{of.subject, of.value}, func(rows *sql.Rows) error {
			var block, hosts int64
			err := rows.Scan(&block, &hosts)
			counts[block] = hosts
			return err
		})
	return counts, err
}

// populate finds the blocks that hold hosts, from that of an id on. Between them
// may be many that hold none: ids leap when a backup is restored.
func (t *Tx) populate(ctx context.Context, p *plan) (err error) {
	if p.population, err = t.tallied(ctx, hostTally); err != nil {
		return fmt.Errorf("read tallies: %w", err)
	}
	p.blocks = slices.DeleteFunc(slices.Sorted(maps.Keys(p.population)), func(b int64) bool { return b < p.from>>blockBits })
	return nil
}

// SettleTallies sums up changes of tallies where the engine keeps them apart
// (PostgreSQL), a bounded number of them, and reports whether there may be more.
// Searches are right without it, and slower the more changes there are.
func (s *Store) SettleTallies(ctx context.Context) (more bool, err error) {
	query := s.dialect.SettleTallies()
	if query == "" {
		return false, nil
	}
	var taken int
	err = s.InTx(ctx, func(tx *Tx) error { return tx.QueryRow(ctx, query, maxSettled).Scan(&taken) })
	if err != nil {
		return false, fmt.Errorf("settle tallies: %w", err)
	}
	return taken == maxSettled, nil
}
