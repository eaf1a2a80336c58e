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
	population map[int64]int64 // how many hosts each block holds
	blocks     []int64         // where hosts may match, ascending, unless narrow
	driver     *index          // names few hosts of each block; nil when none does
	unasked    []*index        // that can only be asked for all hosts they name
	absences   []*index        // that name the hosts that do not match
	predicates []predicate
}

// stretch is a range of ids, both ends included.
type stretch struct{ first, last int64 }

// plan compiles the criteria of a search.
func (t *Tx) plan(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition, from int64) (*plan, error) {
	p := &plan{from: from}
	compiled := make([]predicate, 0, len(conditions)+1)
	values := make(map[string]map[int64]bool) // by column, those that a host may have
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
		if before, again := values[pred.column]; pred.column != "" {
			if again {
				pred.values = slices.DeleteFunc(slices.Clone(pred.values), func(v int64) bool { return !before[v] })
			}
			if len(pred.values) == 0 { // two systems at once
				return &plan{empty: true}, nil
			}
			values[pred.column] = setOf(pred.values)
		}
		compiled = append(compiled, pred)
	}
	p.predicates = compiled
	return p, nil
}

func setOf(ids []int64) map[int64]bool {
	set := make(map[int64]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// consult finds the blocks that are left, and asks those indexes for all hosts
// they name that do not seem to name many.
func (t *Tx) consult(ctx context.Context, p *plan) error {
	if err := t.populate(ctx, p); err != nil {
		return err
	}
	var ordered []*index
	for _, pred := range p.predicates {
		i := pred.index
		switch {
		case i == nil:
			continue
		case i.order == unordered:
			p.unasked = append(p.unasked, i)
			continue
		case i.order == byAbsence && i.tally == nil: // which takes longer than to look at a few blocks
			p.absences = append(p.absences, i)
			continue
		}
		var err error
		if p.blocks, err = t.blocks(ctx, p, i, p.blocks); err != nil {
			return fmt.Errorf("find blocks: %w", err)
		}
		if i.order != byAbsence {
			ordered = append(ordered, i)
		}
	}
	fewest := maxDriven
	for _, i := range ordered {
		if len(p.blocks) == 0 || p.few() {
			break
		}
		n, err := t.perBlock(ctx, i, p.blocks)
		if err != nil {
			return fmt.Errorf("compare indexes: %w", err)
		}
		if n < fewest {
			p.driver, fewest = i, n
		}
		if n*len(p.blocks) <= promisedCandidates {
			if err := t.limit(ctx, p, i); err != nil {
				return err
			}
		}
	}
	p.settle()
	return nil
}

// askRest asks the indexes that can only be asked for all hosts they name.
func (t *Tx) askRest(ctx context.Context, p *plan) error {
	unasked := p.unasked
	p.unasked = nil
	for _, i := range unasked {
		if !p.few() {
			if err := t.limit(ctx, p, i); err != nil {
				return err
			}
		}
	}
	p.settle()
	return nil
}

// limit makes the hosts that an index names the candidates, where they are few.
func (t *Tx) limit(ctx context.Context, p *plan, i *index) error {
	ids, few, err := t.ask(ctx, i, p.from, p.blocks)
	if err != nil {
		return fmt.Errorf("find candidates: %w", err)
	}
	if few {
		p.limitTo(ids)
	}
	return nil
}

// few reports whether there are so few candidates that there is no use in asking
// for fewer.
func (p *plan) few() bool { return p.narrow && len(p.candidates) <= fewCandidates }

// settle says what the answers of indexes lead to.
func (p *plan) settle() {
	p.candidates = slices.DeleteFunc(p.candidates, func(id int64) bool { return id < p.from })
	if p.empty = len(p.blocks) == 0; p.narrow {
		p.driver, p.empty = nil, len(p.candidates) == 0
	}
}

// valued reports whether each predicate is about a value whose hosts an index has
// in order of id. Hosts are passed over faster by counting its entries; without
// it, and with a range of values, by looking at the hosts.
func (p *plan) valued() bool {
	return !slices.ContainsFunc(p.predicates, func(pred predicate) bool {
		return pred.query != "" && (pred.index == nil || pred.index.order == byBlock)
	})
}

// runsOf joins blocks that follow each other, of which those before an id are
// left out.
func runsOf(blocks []int64, from int64) []stretch {
	var runs []stretch
	for _, b := range blocks {
		first, last := max(b<<blockBits, from), (b+1)<<blockBits-1
		if n := len(runs); n > 0 && runs[n-1].last+1 == first {
			runs[n-1].last = last
			continue
		}
		runs = append(runs, stretch{first, last})
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
func (p *plan) sql(expression, hint string, d Dialect, r stretch) (string, []any) {
	within := func(id string) (string, []any) {
		if p.narrow {
			return d.InIDs(id), []any{d.IDsParam(p.candidates)}
		}
		return id + " >= ? AND " + id + " <= ?", []any{r.first, r.last}
	}
	tables := "SELECT " + expression + " FROM hosts AS h" + hint
	where, args := within("h.id")
	var joined []any
	agents, heartbeats, instances := false, false, false
	for _, pred := range p.predicates {
		agents, heartbeats, instances = agents || pred.agents, heartbeats || pred.heartbeats, instances || pred.instances
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
	if instances {
		join("cloud_instances AS c", "c.host_id")
	}
	return tables + " WHERE " + where, append(joined, args...)
}
