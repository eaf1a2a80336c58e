package store

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fleet"
)

// plan is how a search is run: every condition is a predicate that is checked on
// each host looked at; candidates, where an index named few, are the hosts to
// look at, otherwise those in the blocks.
type plan struct {
	empty      bool // no host can match
	from       int64
	narrow     bool // candidates holds every host that can match
	candidates []int64
	blocks     []int64  // where hosts may match, ascending, unless narrow
	driver     *index   // names few hosts of each block; nil when none does
	absences   []*index // that name the hosts that do not match
	predicates []predicate
}

// run is a range of ids, both ends included.
type run struct{ first, last int64 }

// plan compiles the criteria of a search.
func (t *Tx) plan(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition, from int64) (*plan, error) {
	p := &plan{from: from}
	compiled := make([]predicate, 0, len(conditions)+1)
	if !scope.All {
		if len(scope.TagIDs) == 0 {
			return &plan{empty: true}, nil
		}
		compiled = append(compiled, t.compileScope(scope))
	}
	for _, c := range conditions {
		pred, err := t.compile(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("compile criterion %s %s: %w", c.Field, c.Operator, err)
		}
		if pred.never {
			return &plan{empty: true}, nil
		}
		p.from = max(p.from, pred.from)
		if pred.ids != nil {
			p.limitTo(pred.ids)
		}
		compiled = append(compiled, pred)
	}
	p.predicates = compiled
	return p, nil
}

// consult asks the indexes for the hosts to look at.
func (t *Tx) consult(ctx context.Context, p *plan) error {
	blocks, err := t.allBlocks(ctx, p.from)
	if err != nil {
		return err
	}
	for _, pred := range p.predicates {
		if pred.index == nil || (p.narrow && len(p.candidates) <= fewCandidates) {
			continue
		}
		if pred.index.order == byAbsence { // which takes longer than to look at a few blocks
			p.absences = append(p.absences, pred.index)
			continue
		}
		if blocks, err = t.blocks(ctx, pred.index, blocks); err != nil {
			return fmt.Errorf("find blocks: %w", err)
		}
		if pred.index.many {
			continue
		}
		ids, few, err := t.ask(ctx, pred.index, p.from, blocks)
		if err != nil {
			return fmt.Errorf("find candidates: %w", err)
		}
		if few {
			p.limitTo(ids)
		}
	}
	p.candidates = slices.DeleteFunc(p.candidates, func(id int64) bool { return id < p.from })
	p.blocks = blocks
	p.empty = len(p.blocks) == 0 || p.narrow && len(p.candidates) == 0
	if p.narrow {
		return nil
	}
	if p.driver, err = t.driver(ctx, p.predicates, p.blocks); err != nil {
		return fmt.Errorf("compare indexes: %w", err)
	}
	return nil
}

// valued reports whether a predicate is about a value whose hosts an index has in
// order of id. Hosts are passed over faster by counting its entries; without it,
// and with a range of values, by looking at the hosts.
func (p *plan) valued() bool {
	return slices.ContainsFunc(p.predicates, func(pred predicate) bool { return pred.index != nil && pred.index.order == byID })
}

// runsOf joins blocks that follow each other, of which those before an id are
// left out.
func runsOf(blocks []int64, from int64) []run {
	var runs []run
	for _, b := range blocks {
		first, last := max(b<<blockBits, from), (b+1)<<blockBits-1
		if n := len(runs); n > 0 && runs[n-1].last+1 == first {
			runs[n-1].last = last
			continue
		}
		runs = append(runs, run{first, last})
	}
	return runs
}

// limitTo keeps the candidates that are in ids.
func (p *plan) limitTo(ids []int64) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if p.narrow {
		ids = slices.DeleteFunc(ids, func(id int64) bool {
			_, found := slices.BinarySearch(p.candidates, id)
			return !found
		})
	}
	p.narrow, p.candidates = true, ids
}

// sql returns the query for the given expression over one run; hint follows each
// table.
func (p *plan) sql(expression, hint string, d Dialect, r run) (string, []any) {
	within := func(id string) (string, []any) {
		if p.narrow {
			return d.InIDs(id), []any{d.IDsParam(p.candidates)}
		}
		return id + " >= ? AND " + id + " <= ?", []any{r.first, r.last}
	}
	tables := "SELECT " + expression + " FROM hosts AS h" + hint
	where, args := within("h.id")
	var joined []any
	agents, heartbeats := false, false
	for _, pred := range p.predicates {
		agents, heartbeats = agents || pred.agents, heartbeats || pred.heartbeats
		if pred.query != "" {
			where += " AND " + pred.query
			args = append(args, pred.args...)
		}
	}
	// Each table is limited to the same hosts: PostgreSQL reads two in step, and
	// would read the other from its beginning.
	join := func(table, id string) {
		condition, own := within(id)
		tables += " LEFT JOIN " + table + hint + " ON " + id + " = h.id AND " + condition
		joined = append(joined, own...)
	}
	if agents {
		join("agents AS a", "a.host_id")
	}
	if heartbeats {
		join("heartbeats AS b", "b.host_id")
	}
	return tables + " WHERE " + where, append(joined, args...)
}
